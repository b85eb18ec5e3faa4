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
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
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
)

// stall is how long a server may send nothing.
const stall = time.Minute

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
	*fetcher
	pool   *pool
	note   func(string)
	warn   func(Warning)
	beside int64 // bytes that optional files may still unpack to
	// passing: something couldn't be had that may be had another time.
	passing bool
}

// load reads the repositories into a pool: who has which packages, and their files where those are
// needed or asked for, and why versions came where a repository says it.
func load(ctx context.Context, p *pool, c Config, logins credentials, note func(string), warn func(Warning)) (*loaded, error) {
	dir, remove, err := makeTemp()
	if err != nil {
		return nil, fmt.Errorf("making a folder for downloads: %w", err)
	}
	defer remove()
	f := newFetcher(dir, logins)
	defer f.client.CloseIdleConnections()
	l := &loader{fetcher: f, pool: p, note: note, warn: warn, beside: maxXML}
	var all loaded
	packages := int64(maxPrimary) // bytes that may still be unpacked
	streams := int64(maxModules)  // the same
	mds := make([]*repomd, len(c.Repositories))
	repos := make([]repo, len(c.Repositories))
	all.input.mds = mds
	defer func() { all.input.passing = l.passing }()
	for i, r := range c.Repositories {
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
	var failures failures
	known := make(map[string]bool) // the repomd.xml whose primary.xml no mirror has
	for _, at := range m.order() {
		if len(failures) > 0 {
			l.note("passing over a mirror: " + failures[len(failures)-1].Error())
		}
		l.note("reading the repository " + r.ID + " from " + at)
		data, md, err := l.repomd(ctx, at, m)
		if err == nil && known[string(data)] {
			continue
		}
		if err == nil {
			known[string(data)] = true
			err = l.download(ctx, m, md.primary)
		}
		if err == nil {
			if s := md.surplus; s != nil {
				l.warn(newWarning(r.ID, s.name(), s.fault))
			}
			return md, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		m.fail(at)
		failures = append(failures, err)
	}
	return nil, failures.err()
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
	surplus    *metadata // the first of the texts that are too many; nil: they aren't
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
		if d.Type != "primary" && d.Type != "filelists" && d.Type != "updateinfo" && d.Type != "modules" && !isComps(d.Type) && !isTexts(d.Type) {
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

// A fetcher reads files from http, https and file URLs. What it downloads goes into dir.
type fetcher struct {
	dir    string
	logins credentials
	client *http.Client
}

func newFetcher(dir string, logins credentials) *fetcher {
	return &fetcher{dir: dir, logins: logins, client: &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   30 * time.Second,
		ResponseHeaderTimeout: stall,
		DisableCompression:    true, // digests are of the files as they are
	}}}
}

// repomd downloads the repomd.xml of a mirror, which has to be one that the mirrors' metalink
// names.
func (f *fetcher) repomd(ctx context.Context, mirror string, m *mirrors) ([]byte, *repomd, error) {
	u, err := fileURL(mirror, "", "repodata/repomd.xml")
	if err != nil {
		return nil, nil, fmt.Errorf("%q is not a URL", mirror)
	}
	var data bytes.Buffer
	if err := f.fetch(ctx, u, &data, maxRepomd); err != nil {
		return nil, nil, err
	}
	err = m.promised(data.Bytes())
	var md *repomd
	if err == nil {
		md, err = parseRepomd(data.Bytes(), mirror)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", u, err)
	}
	return data.Bytes(), md, nil
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

// download brings a file of the repository. It stays until the next one.
func (f *fetcher) download(ctx context.Context, at *mirrors, m *metadata) error {
	return at.get(ctx, m.base, m.location, func(address string) error {
		name := address
		if u, err := url.Parse(address); err == nil {
			name = u.Path
		}
		m.from, m.path = address, filepath.Join(f.dir, "metadata"+suffix(name))
		return f.try(ctx, m)
	})
}

// try downloads a file of the repository from one place, and checks it.
func (f *fetcher) try(ctx context.Context, m *metadata) (err error) {
	w, err := os.Create(m.path)
	if err != nil {
		return fmt.Errorf("downloading %s: %w", m.from, err)
	}
	defer func() {
		w.Close()
		if err != nil {
			os.Remove(m.path)
		}
	}()
	max := int64(maxMetadata)
	if m.size > 0 {
		max = m.size
	}
	h := newHash(m.kind)
	n := &counter{}
	if err := f.fetch(ctx, m.from, io.MultiWriter(w, h, n), max); err != nil {
		return err
	}
	if m.size > 0 && n.n != m.size {
		return fmt.Errorf("%s has %d bytes and repomd.xml says %d: it is cut off, or the repository is just being updated: try again later", m.from, n.n, m.size)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != m.sum {
		return fmt.Errorf("%s has the %s %s and repomd.xml says %s: it is damaged, or the repository is just being updated: try again later", m.from, m.kind, sum, m.sum)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("downloading %s: %w", m.from, err)
	}
	return nil
}

// parse has a file that was downloaded parsed, and removes it. parse gets its path, with the suffix
// that tells how it is compressed, and the size that it may unpack to, and gives the size that it
// has. left, where it isn't nil, is how much all such files may unpack to, from which this one's is
// taken.
func (m *metadata) parse(left *int64, parse func(path string, max int64) (int64, error)) error {
	defer os.Remove(m.path)
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

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// suffix is the ending that tells libsolv how a file is compressed.
func suffix(name string) string {
	switch s := path.Ext(name); s {
	case ".gz", ".xz", ".lzma", ".bz2", ".zst":
		return s
	}
	return ""
}

// fetch copies what a URL has, at most max bytes, to w.
func (f *fetcher) fetch(ctx context.Context, address string, w io.Writer, max int64) error {
	r, err := f.open(ctx, address)
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(w, Interruptible(ctx, io.LimitReader(r, max+1)))
	if err != nil {
		return fmt.Errorf("downloading %s: %w", address, err)
	}
	if n > max {
		return fmt.Errorf("%s has more than %d bytes: it is not what the repository says it is", address, max)
	}
	return nil
}

// open starts to read what a URL has.
func (f *fetcher) open(ctx context.Context, address string) (io.ReadCloser, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL: %w", address, err)
	}
	switch u.Scheme {
	case "file":
		file, err := OpenRegular(u.Path)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w: correct the repository's url", address, errors.Unwrap(err))
		}
		return file, nil
	case "http", "https":
		return f.get(ctx, address)
	}
	return nil, fmt.Errorf("%s is not an http, https or file URL", address)
}

// get starts a download that ends with an error where nothing comes for too long.
func (f *fetcher) get(ctx context.Context, address string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		cancel(nil)
		return nil, fmt.Errorf("downloading %s: %w", address, err)
	}
	req.Header.Set("User-Agent", "presolver")
	f.logins.authorize(req)
	resp, err := f.client.Do(req)
	if err != nil {
		cancel(nil)
		return nil, fmt.Errorf("downloading: %w", err) // names the URL
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		cancel(nil)
		return nil, fmt.Errorf("downloading %s: %w: correct the repository's url", address, &statusError{resp.StatusCode, resp.Status})
	}
	timer := time.AfterFunc(stall, func() { cancel(fmt.Errorf("the server has sent nothing for %s", stall)) })
	return &body{resp.Body, ctx, cancel, timer}, nil
}

// body is a response's body that is given up when it stalls.
type body struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	b.timer.Reset(stall)
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}
