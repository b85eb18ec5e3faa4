// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Bounds on mirrors. Fedora's metalinks have 40 KiB, with some hundred mirrors.
const (
	maxMirrorList = 1 << 20 // bytes of a mirror list or metalink
	maxMirrorURL  = 1024    // bytes of what one mirror is at
	maxMirrors    = 20      // of one repository, the first: each may take half a minute to fail
	maxListed     = 1000    // that are read of a list
	maxSums       = 100     // of the versions of repomd.xml that a metalink names
	// maxTreeURLs is how many of them are published for laptops.
	maxTreeURLs = 3
)

// mirrors are the places that have one repository, what holds repodata/, in the order in which they
// are asked. Its methods may be called by several goroutines.
type mirrors struct {
	sums   []tree.Digest // that repomd.xml may have, as a metalink says; nil: any
	listed bool          // some are from a mirror list or metalink

	mu     sync.Mutex // guards what is below
	urls   []string
	failed map[string]bool
}

// add adds a mirror, once, of as many as there may be.
func (m *mirrors) add(at string) {
	if len(m.urls) < maxMirrors && !slices.Contains(m.urls, at) {
		m.urls = append(m.urls, at)
	}
}

// order is the mirrors, those last that failed since the program was started: a dead one costs its
// time once.
func (m *mirrors) order() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	urls := slices.Clone(m.urls)
	slices.SortStableFunc(urls, func(a, b string) int { return cmp.Compare(rank(m.failed[a]), rank(m.failed[b])) })
	return urls
}

func rank(failed bool) int {
	if failed {
		return 1
	}
	return 0
}

func (m *mirrors) fail(at string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failed == nil {
		m.failed = make(map[string]bool)
	}
	m.failed[at] = true
}

// places are the URLs of a file at the first so many mirrors; where the metadata leads elsewhere,
// that is one for all. The error tells why there is none.
func (m *mirrors) places(base, location string, most int) (urls []string, err error) {
	for _, at := range m.order() {
		u, wrong := fileURL(at, base, location)
		switch {
		case wrong != nil:
			err = wrong
		case !slices.Contains(urls, u):
			urls = append(urls, u)
		}
		if len(urls) == most {
			break
		}
	}
	if len(urls) > 0 {
		return urls, nil
	}
	return nil, err
}

// A place is where a file is at one of the mirrors. fail is to be called when it isn't right there.
type place struct {
	url  string
	fail func()
}

// candidates are all places of a file, in the order in which they are to be asked. The error tells
// why there is none.
func (m *mirrors) candidates(base, location string) (all []place, err error) {
	elsewhere := base != "" || strings.Contains(location, "://")
	for _, at := range m.order() {
		u, wrong := fileURL(at, base, location)
		switch {
		case wrong != nil:
			err = wrong
		case !slices.ContainsFunc(all, func(p place) bool { return p.url == u }):
			all = append(all, place{u, func() {
				if !elsewhere {
					m.fail(at)
				}
			}})
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, cmp.Or(err, errNoMirror)
}

var (
	errNoMirror = errors.New("there is no mirror to ask")
	// errKnown says that a mirror has no other repomd.xml than those before it.
	errKnown = errors.New("it has the same repomd.xml")
)

// each tries one mirror after the other until one does. Where there are several each is asked
// briefly at first, and only when none did for as long as a link may be down.
func (m *mirrors) each(ctx context.Context, try func(ctx context.Context, mirror string) error, note func(string)) error {
	all := m.order()
	if len(all) == 0 {
		return errNoMirror
	}
	var failed failures
	brief := len(all) > 1
	for {
		before := failed
		failed = nil
		again := false // one may do that is given more time
		for _, at := range all {
			if len(failed) > 0 {
				note("passing over a mirror: " + failed[len(failed)-1].Error())
			}
			asked := ctx
			if brief {
				asked = transport.Hurried(ctx)
			}
			err := try(asked, at)
			switch {
			case err == nil:
				return nil
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case errors.Is(err, errKnown):
				continue
			}
			if transport.KindOf(err) == transport.Interrupted {
				again = true
			} else {
				m.fail(at)
			}
			failed = append(failed, err)
		}
		if len(failed) == 0 { // none has anything else than what failed before
			failed = before
		}
		if !brief || !again {
			return failed.err()
		}
		brief = false
	}
}

// failures are the errors of mirrors.
type failures []error

// err is one for all: the first, and how many others there are.
func (f failures) err() error {
	switch len(f) {
	case 0:
		return errNoMirror
	case 1:
		return f[0]
	case 2:
		return fmt.Errorf("%w; and another mirror: %w", f[0], f[1])
	}
	return fmt.Errorf("%w; and another mirror: %w; and %d more", f[0], f[1], len(f)-2)
}

// mirrors finds out where a repository is. A mirror list that can't be had is a warning where there
// are other places; a metalink is an error, since it says which repomd.xml is right.
func (d *Downloader) mirrors(ctx context.Context, r Repository, warn func(file string, err error)) (*mirrors, error) {
	m := new(mirrors)
	for _, u := range r.all() {
		m.add(u)
	}
	var listed []string
	if r.Metalink != "" {
		var link *metalink
		err := d.list(ctx, r.Metalink, func(data []byte) (err error) {
			if link, err = parseMetalink(data, r.Metalink); err != nil {
				return fmt.Errorf("reading the metalink %s: %w", r.Metalink, err)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		m.sums, listed = link.sums, link.mirrors
	}
	if r.MirrorList != "" {
		var more []string
		err := d.list(ctx, r.MirrorList, func(data []byte) (err error) {
			if more, err = parseMirrorList(data, r.MirrorList); err != nil {
				return fmt.Errorf("reading the mirror list %s: %w", r.MirrorList, err)
			}
			return nil
		})
		switch {
		case err == nil:
			listed = append(listed, more...)
		case len(m.urls)+len(listed) == 0 || ctx.Err() != nil:
			return nil, err
		default:
			warn("", err)
		}
	}
	slices.SortStableFunc(listed, func(a, b string) int { return cmp.Compare(index(r.Prefer, a), index(r.Prefer, b)) })
	for _, u := range listed {
		m.add(u)
	}
	m.listed = len(listed) > 0
	return m, nil
}

// index is the place of a text in a list; behind its end where it isn't in there.
func index(list []string, s string) int {
	if i := slices.Index(list, s); i >= 0 {
		return i
	}
	return len(list)
}

// list downloads a mirror list or metalink.
func (d *Downloader) list(ctx context.Context, at string, parse func([]byte) error) error {
	if u, err := url.Parse(at); err != nil || u.User != nil {
		return errors.New("the URL of a mirror list or metalink can't be read, or has a user name or a password: that is for a repository's url only")
	}
	return d.head(ctx, at, maxMirrorList, parse)
}

// parseMirrorList reads a mirror list: what holds repodata/, a URL a line; lines that begin with #
// are comments. What can't be used, as rsync, is left out. from is where the list is from.
func parseMirrorList(data []byte, from string) ([]string, error) {
	var all []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "<metalink") || strings.HasPrefix(line, "<?xml") {
			return nil, errors.New("it is a metalink: write metalink in place of mirrorlist")
		}
		if isMirror(line, from) && len(all) < maxListed {
			all = append(all, line)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("it names no mirror that can be used: http or https, without a password")
	}
	return all, nil
}

// isMirror tells whether a text in a list is the URL of a mirror that can be used. One in a folder
// has to be from a list in a folder.
func isMirror(text, from string) bool {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxMirrorURL || u.User != nil || u.Opaque != "" {
		return false
	}
	switch u.Scheme {
	case "http", "https":
		return u.Host != ""
	case "file":
		return u.Host == "" && strings.HasPrefix(u.Path, "/") && strings.HasPrefix(from, "file:")
	}
	return false
}

// A metalink is what one says of a repository.
type metalink struct {
	mirrors []string      // what holds repodata/, the best first
	sums    []tree.Digest // that repomd.xml may have: the strongest of each of its versions
}

// A metalinkFile is a file in a metalink of version 3 (that of MirrorManager, with its older
// versions of the file in alternates) or 4 (RFC 5854).
type metalinkFile struct {
	Name       string         `xml:"name,attr"`
	Hashes     []metalinkHash `xml:"hash"`
	Verified   []metalinkHash `xml:"verification>hash"`
	Alternates []struct {
		Hashes []metalinkHash `xml:"verification>hash"`
	} `xml:"alternates>alternate"`
	URLs      []metalinkURL `xml:"url"`
	Resources []metalinkURL `xml:"resources>url"`
}

type metalinkHash struct {
	Type string `xml:"type,attr"`
	Sum  string `xml:",chardata"`
}

type metalinkURL struct {
	Preference string `xml:"preference,attr"` // version 3: of 100, more is better
	Priority   string `xml:"priority,attr"`   // version 4: less is better
	URL        string `xml:",chardata"`
}

// parseMetalink reads a metalink of a repomd.xml. from is where it is from. It is an error where it
// has no checksum that is any good.
func parseMetalink(data []byte, from string) (*metalink, error) {
	var doc struct {
		XMLName xml.Name       `xml:"metalink"`
		Files   []metalinkFile `xml:"file"`
		Older   []metalinkFile `xml:"files>file"`
	}
	if err := newXML(bytes.NewReader(data)).Decode(&doc); err != nil {
		return nil, fmt.Errorf("it is no metalink: %w", err)
	}
	const name = "repomd.xml"
	files := append(doc.Files, doc.Older...)
	i := slices.IndexFunc(files, func(f metalinkFile) bool { return f.Name == name })
	if i < 0 {
		return nil, errors.New("it isn't about a repomd.xml")
	}
	f, link := files[i], new(metalink)
	versions := [][]metalinkHash{append(f.Hashes, f.Verified...)}
	for _, a := range f.Alternates {
		versions = append(versions, a.Hashes)
	}
	for _, hashes := range versions {
		if sum := strongest(hashes); sum != "" && len(link.sums) < maxSums {
			link.sums = append(link.sums, sum)
		}
	}
	if len(link.sums) == 0 {
		return nil, errors.New("it has no checksum of repomd.xml that is any good: sha256, sha384 or sha512")
	}
	urls := append(f.URLs, f.Resources...)
	slices.SortStableFunc(urls, func(a, b metalinkURL) int { return cmp.Compare(a.order(), b.order()) })
	for _, u := range urls {
		at, ok := strings.CutSuffix(strings.TrimSpace(u.URL), "/repodata/"+name)
		if ok && isMirror(at, from) && len(link.mirrors) < maxListed {
			link.mirrors = append(link.mirrors, at)
		}
	}
	if len(link.mirrors) == 0 {
		return nil, errors.New("it names no mirror that can be used: http or https, without a password")
	}
	return link, nil
}

// order is less for what is better.
func (u metalinkURL) order() int {
	if n, err := strconv.ParseInt(u.Priority, 10, 32); err == nil {
		return int(n)
	}
	n, err := strconv.ParseInt(u.Preference, 10, 32)
	if err != nil {
		return 1 << 30
	}
	return 100 - int(max(n, 0))
}

// strongest is the best of a file's checksums; "" where none is any good.
func strongest(hashes []metalinkHash) tree.Digest {
	var best tree.Digest
	for _, h := range hashes {
		kind := strings.ReplaceAll(strings.ToLower(h.Type), "-", "") // RFC 5854 writes sha-256
		d := tree.NewDigest(kind, strings.ToLower(strings.TrimSpace(h.Sum)))
		if len(d) > len(best) {
			best = d
		}
	}
	return best
}

// promised tells whether a repomd.xml is one that the metalink names.
func (m *mirrors) promised(data []byte) error {
	for _, sum := range m.sums {
		h := sum.Hash()
		h.Write(data)
		if sum.Is(h) {
			return nil
		}
	}
	if m.sums == nil {
		return nil
	}
	return errors.New("it isn't one that the metalink names: the mirror is out of date, or was tampered with")
}
