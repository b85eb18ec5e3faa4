// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

// Bounds on a repository's files, far above what real ones need (Fedora's: a repomd.xml of 5 KiB, a
// filelists.xml of 60 MiB, 900 MiB unpacked), so that a broken or hostile server can't fill the
// disk or the memory.
const (
	maxRepomd    = 1 << 20
	maxMetadata  = 2 << 30
	maxUnpacked  = 2 << 30 // a file; libsolv counts in 32 bits
	maxPrimary   = 3 << 30 // unpacked, all repositories of a platform; the same
	maxTextFiles = 200     // of one repository: one a language

	maxIconArchives = 4 // of one repository: one a size
)

// A loaded is what load found beside the packages.
type loaded struct {
	mirrors []*mirrors // by repository
	files   bool       // there are file lists, and they were read
	notices notices
	texts   texts
	modules modules
	groups  categories
	input   inputs // but for the mirrors
}

// A loader reads the repositories of a platform.
type loader struct {
	*Downloader
	pool   *pool
	note   func(string)
	warn   func(Warning)
	beside int64 // bytes that optional files may still unpack to
	// passing: something couldn't be had that may be had another time.
	passing bool
}

// load reads the repositories into a pool: who has which packages, and their files where those are
// needed or asked for, and why versions came where a repository says it.
func load(ctx context.Context, p *pool, c Config, note func(string), warn func(Warning)) (*loaded, error) {
	l := &loader{Downloader: c.Downloads, pool: p, note: note, warn: warn, beside: maxXML}
	var all loaded
	packages := int64(maxPrimary) // bytes that may still be unpacked
	streams := int64(maxModules)  // the same
	mds := make([]*repomd, len(c.Repositories))
	repos := make([]repo, len(c.Repositories))
	all.input.mds = mds
	defer func() { all.input.passing = l.passing }()
	for i, r := range c.Repositories {
		var err error
		if mds[i], err = l.start(ctx, r, &all); err != nil {
			return nil, fmt.Errorf("repository %s: %w", r.ID, err)
		}
		repos[i] = p.addRepo(r.ID)
		if err := mds[i].primary.parse(&packages, func(path string, max int64) (int64, error) {
			return p.readPrimary(ctx, repos[i], path, max)
		}); err != nil {
			return nil, fmt.Errorf("repository %s: %w", r.ID, err)
		}
		if err := l.modules(ctx, r, i, mds[i].modules, &streams, &all); err != nil {
			return nil, fmt.Errorf("repository %s: %w", r.ID, err)
		}
		for _, m := range mds[i].texts {
			if err := l.optional(ctx, r, all.mirrors[i], m, func(path string, max int64) (int64, error) { return all.texts.read(ctx, path, max) }); err != nil {
				return nil, err
			}
		}
		for _, m := range mds[i].icons {
			if err := l.optional(ctx, r, all.mirrors[i], m, func(path string, max int64) (int64, error) { return all.texts.readIcons(ctx, path, max) }); err != nil {
				return nil, err
			}
		}
		if err := l.optional(ctx, r, all.mirrors[i], mds[i].comps, func(path string, max int64) (int64, error) { return all.groups.read(ctx, path, max) }); err != nil {
			return nil, err
		}
		if err := l.optional(ctx, r, all.mirrors[i], mds[i].updateinfo, func(path string, max int64) (int64, error) { return all.notices.read(ctx, path, max) }); err != nil {
			return nil, err
		}
	}
	all.notices.sort()
	needed := sync.OnceValue(func() bool { return p.wantsFileLists(ctx) })
	if !c.FileLists && !needed() {
		return &all, context.Cause(ctx)
	}
	for i, r := range c.Repositories {
		if mds[i].filelists == nil {
			continue
		}
		note("reading the file lists of the repository " + r.ID)
		err := l.read(ctx, all.mirrors[i], mds[i].filelists, nil, func(path string, max int64) (int64, error) {
			return p.readFileLists(ctx, repos[i], path, max)
		})
		switch {
		case err == nil:
			all.files = c.FileLists
		case needed() || ctx.Err() != nil:
			return nil, fmt.Errorf("repository %s: %w", r.ID, err)
		default:
			warn(newWarning(r.ID, mds[i].filelists.name(), err))
		}
	}
	return &all, nil
}

// start finds a repository's mirrors, and the repomd.xml and primary.xml that the first of them
// have that has both right. The primary.xml is there until the next file is read.
func (l *loader) start(ctx context.Context, r Repository, all *loaded) (*repomd, error) {
	if r.Metalink != "" || r.MirrorList != "" {
		l.note("asking for the mirrors of the repository " + r.ID)
	}
	m, err := l.mirrors(ctx, r, func(file string, err error) {
		l.passing = true
		l.warn(newWarning(r.ID, file, err))
	})
	if err != nil {
		return nil, err
	}
	all.mirrors = append(all.mirrors, m)
	var md *repomd
	known := make(map[string]bool) // the repomd.xml whose primary.xml no mirror has
	err = m.each(ctx, func(ctx context.Context, at string) (err error) {
		l.note("reading the repository " + r.ID + " from " + at)
		var data []byte
		if data, md, err = l.repomd(ctx, at, m); err != nil {
			return err
		}
		if known[string(data)] {
			return errKnown
		}
		known[string(data)] = true
		return l.download(ctx, m, md.primary)
	}, l.note)
	if err != nil {
		return nil, err
	}
	if s := md.surplus; s != nil {
		l.warn(newWarning(r.ID, s.name(), s.fault))
	}
	return md, nil
}

// optional reads a file, if there is one, that no tree depends on. What is wrong with it is a
// warning, and what was read before that counts. The only error is ctx's.
func (l *loader) optional(ctx context.Context, r Repository, at *mirrors, m *metadata, parse func(path string, max int64) (int64, error)) error {
	if m == nil {
		return nil
	}
	if err := l.read(ctx, at, m, &l.beside, parse); ctx.Err() != nil {
		return context.Cause(ctx)
	} else if err != nil {
		l.warn(newWarning(r.ID, m.name(), err))
	}
	return nil
}

// modules reads a repository's modules.yaml, if there is one. Without it wrong versions would be
// taken, so what is wrong with it is an error, unless the repository doesn't care.
func (l *loader) modules(ctx context.Context, r Repository, i int, m *metadata, left *int64, all *loaded) error {
	if m == nil {
		return nil
	}
	err := l.read(ctx, all.mirrors[i], m, left, func(path string, max int64) (int64, error) { return all.modules.read(ctx, path, max, i) })
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r.ModuleHotfixes:
		l.warn(newWarning(r.ID, m.name(), err))
		return nil
	}
	return fmt.Errorf("its modules can't be read, so it isn't known which versions of packages count: %w: set module_hotfixes = true for the repository to take all of its packages", err)
}

// A repomd is what repomd.xml says of the files that are read here.
type repomd struct {
	primary    *metadata
	filelists  *metadata // nil: the repository has none
	updateinfo *metadata // the same
	modules    *metadata // the same
	comps      *metadata // the same
	texts      []*metadata
	icons      []*metadata // archives, of the programs in the texts
	surplus    *metadata   // the first of the texts that are too many; nil: they aren't
}

// metadata is one file of a repository.
type metadata struct {
	base, location string // see fileURL
	sum            string
	kind           string // of the sum
	size           int64  // 0: unknown
	openSize       int64  // unpacked; 0: unknown
	fault          error  // why it can't be read; nil: nothing is wrong so far

	is   string // its type in repomd.xml
	path string // where it was downloaded to
	from string // the URL
}

// name is how people are told of it. A location that leads elsewhere may have a password.
func (m *metadata) name() string {
	if strings.Contains(m.location, "://") || m.location == "" {
		return m.is
	}
	return m.location
}

// parseRepomd reads a repomd.xml and checks all that is used of it. repository is the URL that its
// paths are relative to. What is wrong with files that aren't primary.xml is kept with them.
func parseRepomd(data []byte, repository string) (*repomd, error) {
	var doc struct {
		XMLName xml.Name     `xml:"repomd"`
		Data    []repomdData `xml:"data"`
	}
	if err := newXML(bytes.NewReader(data)).Decode(&doc); err != nil {
		return nil, fmt.Errorf("it is no repomd.xml: %w", err)
	}
	md := new(repomd)
	for _, d := range doc.Data {
		if d.Type != "primary" && d.Type != "filelists" && d.Type != "updateinfo" && d.Type != "modules" && !isComps(d.Type) && !isTexts(d.Type) && !isIcons(d.Type) {
			continue
		}
		m := d.metadata(repository)
		switch {
		case d.Type == "primary":
			if m.fault != nil {
				return nil, m.fault
			}
			md.primary = m
		case d.Type == "filelists":
			md.filelists = m
		case d.Type == "updateinfo":
			md.updateinfo = m
		case d.Type == "modules":
			md.modules = m
		case isComps(d.Type):
			if betterComps(m, md.comps) {
				md.comps = m
			}
		case isIcons(d.Type):
			if len(md.icons) < maxIconArchives {
				md.icons = append(md.icons, m)
			}
		case len(md.texts) < maxTextFiles:
			md.texts = append(md.texts, m)
		case md.surplus == nil:
			m.fault = fmt.Errorf("it lists more than %d files of summaries and descriptions: this one and what follows are left out", maxTextFiles)
			md.surplus = m
		}
	}
	if md.primary == nil {
		return nil, errors.New("it lists no primary.xml, so it names no packages")
	}
	return md, nil
}

// A repomdData is an element of repomd.xml. Numbers are texts, so that one that is none costs no
// more than the file that it is about.
type repomdData struct {
	Type     string `xml:"type,attr"`
	Checksum struct {
		Type string `xml:"type,attr"`
		Sum  string `xml:",chardata"`
	} `xml:"checksum"`
	Location struct {
		Href string `xml:"href,attr"`
		Base string `xml:"base,attr"`
	} `xml:"location"`
	Size     string `xml:"size"`
	OpenSize string `xml:"open-size"`
}

func (d *repomdData) metadata(repository string) *metadata {
	m := &metadata{
		base:     d.Location.Base,
		location: d.Location.Href,
		sum:      strings.ToLower(strings.TrimSpace(d.Checksum.Sum)),
		kind:     strings.ToLower(d.Checksum.Type),
		is:       d.Type,
	}
	m.fault = m.check(repository, d.Size, d.OpenSize)
	return m
}

// check checks what repomd.xml says of a file.
func (m *metadata) check(repository, size, openSize string) (err error) {
	h := newHash(m.kind)
	if h == nil {
		return fmt.Errorf("its %s has a checksum of the kind %.20q: sha1, sha256, sha384 or sha512 are needed (createrepo_c --checksum sha256)", m.is, m.kind)
	}
	if raw, err := hex.DecodeString(m.sum); err != nil || len(raw) != h.Size() {
		return fmt.Errorf("the checksum of its %s, %.80q, is no %s", m.is, m.sum, m.kind)
	}
	if m.location == "" {
		return fmt.Errorf("it doesn't say where its %s is", m.is)
	}
	if _, err := fileURL(repository, m.base, m.location); err != nil {
		return fmt.Errorf("its %s can't be read: %w", m.is, err)
	}
	for text, number := range map[string]*int64{size: &m.size, openSize: &m.openSize} {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if *number, err = strconv.ParseInt(text, 10, 64); err != nil {
			return fmt.Errorf("the size of its %s is %.40q", m.is, text)
		}
	}
	if m.size < 0 || m.size > maxMetadata || m.openSize < 0 || m.openSize > maxUnpacked {
		return fmt.Errorf("its %s has %d bytes, %d unpacked: more than any repository needs", m.is, m.size, m.openSize)
	}
	return nil
}

// newHash is the hash function that a repository calls kind, nil where it isn't known or no longer
// any good.
func newHash(kind string) hash.Hash {
	switch kind {
	case "sha", "sha1":
		return sha1.New()
	case "sha256":
		return sha256.New()
	case "sha384":
		return sha512.New384()
	case "sha512":
		return sha512.New()
	}
	return nil
}

// repomd downloads the repomd.xml of a mirror, which has to be one that the mirrors' metalink
// names.
func (d *Downloader) repomd(ctx context.Context, mirror string, m *mirrors) (data []byte, md *repomd, err error) {
	u, err := fileURL(mirror, "", "repodata/repomd.xml")
	if err != nil {
		return nil, nil, fmt.Errorf("%q is not a URL", mirror)
	}
	err = d.head(ctx, u, maxRepomd, func(is []byte) (err error) {
		data = is
		if err = m.promised(data); err == nil {
			md, err = parseRepomd(data, mirror)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", u, err)
		}
		return nil
	})
	return data, md, err
}

// read downloads a file of the repository, from the first mirror that has it right, and has it
// parsed: see parse.
func (l *loader) read(ctx context.Context, at *mirrors, m *metadata, left *int64, parse func(path string, max int64) (int64, error)) error {
	if m.fault != nil {
		return m.fault
	}
	if err := l.download(ctx, at, m); err != nil {
		l.passing = true
		return err
	}
	return m.parse(left, parse)
}

// withoutSum finds the checksum that createrepo_c puts before the names of metadata, which tells
// people nothing.
var withoutSum = regexp.MustCompile(`^[0-9a-f]{32,}-`)

// inCache is its name in the cache.
func (m *metadata) inCache() string { return inCache(m.kind, m.sum, suffix(m.location)) }

// download brings a file of the repository.
func (l *loader) download(ctx context.Context, at *mirrors, m *metadata) (err error) {
	f := file{base: m.base, location: m.location, label: withoutSum.ReplaceAllString(path.Base(m.name()), ""), sum: m.sum, kind: m.kind, size: m.size, most: maxMetadata, suffix: suffix(m.location)}
	if f.size > 0 {
		f.most = f.size
	}
	if places, err := at.candidates(m.base, m.location); err == nil {
		m.from = places[0].url
	}
	m.path, err = l.file(ctx, at, f)
	return err
}

// parse has a file that was downloaded parsed. parse gets its path, with the suffix
// that tells how it is compressed, and the size that it may unpack to, and gives the size that it
// has. left, where it isn't nil, is how much all such files may unpack to, from which this one's is
// taken.
func (m *metadata) parse(left *int64, parse func(path string, max int64) (int64, error)) error {
	if transport.IsLocal(m.from) {
		defer os.Remove(m.path) // it costs nothing to copy it again
	}
	max := int64(maxUnpacked)
	if m.openSize > 0 {
		max = m.openSize
	}
	if left != nil {
		max = min(max, *left)
	}
	unpacked, err := parse(m.path, max)
	if left != nil {
		*left -= unpacked
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", m.from, err)
	}
	return nil
}
