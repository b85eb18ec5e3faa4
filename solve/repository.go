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
	"strings"
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
	files   bool // there are file lists, and they were read
	notices notices
	texts   texts
}

// load reads the repositories into a pool: who has which packages, and their files where those are
// needed or asked for, and why versions came where a repository says it.
func load(ctx context.Context, p *pool, c Config, logins credentials, note func(string)) (l *loaded, err error) {
	dir, remove, err := makeTemp()
	if err != nil {
		return nil, fmt.Errorf("making a folder for downloads: %w", err)
	}
	defer remove()
	f := newFetcher(dir, logins)
	defer f.client.CloseIdleConnections()
	l = new(loaded)
	packages, beside := int64(maxPrimary), int64(maxXML) // bytes that may still be unpacked
	mds := make([]*repomd, len(c.Repositories))
	repos := make([]repo, len(c.Repositories))
	for i, r := range c.Repositories {
		note("reading the repository " + r.ID + " from " + r.URL)
		if mds[i], err = f.repomd(ctx, r.URL); err != nil {
			return nil, fmt.Errorf("repository %s: %w", r.ID, err)
		}
		repos[i] = p.addRepo(r.ID)
		if err := f.read(ctx, mds[i].primary, &packages, func(path string, max int64) (int64, error) {
			return p.readPrimary(ctx, repos[i], path, max)
		}); err != nil {
			return nil, fmt.Errorf("repository %s: %w", r.ID, err)
		}
		for _, m := range mds[i].texts {
			if err := f.read(ctx, m, &beside, func(path string, max int64) (int64, error) { return l.texts.read(ctx, path, max) }); err != nil {
				return nil, fmt.Errorf("repository %s: %w", r.ID, err)
			}
		}
		if mds[i].updateinfo == nil {
			continue
		}
		if err := f.read(ctx, mds[i].updateinfo, &beside, func(path string, max int64) (int64, error) { return l.notices.read(ctx, path, max) }); err != nil {
			return nil, fmt.Errorf("repository %s: %w", r.ID, err)
		}
	}
	l.notices.sort()
	if !c.FileLists && !p.wantsFileLists(ctx) {
		return l, context.Cause(ctx)
	}
	for i, r := range c.Repositories {
		if mds[i].filelists == nil {
			continue
		}
		note("reading the file lists of the repository " + r.ID)
		if err := f.read(ctx, mds[i].filelists, nil, func(path string, max int64) (int64, error) {
			return p.readFileLists(ctx, repos[i], path, max)
		}); err != nil {
			return nil, fmt.Errorf("repository %s: %w", r.ID, err)
		}
		l.files = c.FileLists
	}
	return l, nil
}

// A repomd is what repomd.xml says of the files that are read here.
type repomd struct {
	primary    *metadata
	filelists  *metadata // nil: the repository has none
	updateinfo *metadata // the same
	texts      []*metadata
}

// metadata is one file of a repository.
type metadata struct {
	url      string
	sum      string
	kind     string // of the sum
	size     int64  // 0: unknown
	openSize int64  // unpacked; 0: unknown
}

// parseRepomd reads a repomd.xml and checks all that is used of it. repository is the URL that its
// paths are relative to.
func parseRepomd(data []byte, repository string) (*repomd, error) {
	var doc struct {
		XMLName xml.Name `xml:"repomd"`
		Data    []struct {
			Type     string `xml:"type,attr"`
			Checksum struct {
				Type string `xml:"type,attr"`
				Sum  string `xml:",chardata"`
			} `xml:"checksum"`
			Location struct {
				Href string `xml:"href,attr"`
				Base string `xml:"base,attr"`
			} `xml:"location"`
			Size     int64 `xml:"size"`
			OpenSize int64 `xml:"open-size"`
		} `xml:"data"`
	}
	if err := xml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("it is no repomd.xml: %w", err)
	}
	md := new(repomd)
	for _, d := range doc.Data {
		if d.Type != "primary" && d.Type != "filelists" && d.Type != "updateinfo" && !isTexts(d.Type) {
			continue
		}
		m := &metadata{
			url:      rpmURL(repository, d.Location.Base, d.Location.Href),
			sum:      strings.ToLower(strings.TrimSpace(d.Checksum.Sum)),
			kind:     strings.ToLower(d.Checksum.Type),
			size:     d.Size,
			openSize: d.OpenSize,
		}
		h := newHash(m.kind)
		if h == nil {
			return nil, fmt.Errorf("its %s has a checksum of the kind %.20q: sha1, sha256, sha384 or sha512 are needed (createrepo_c --checksum sha256)", d.Type, m.kind)
		}
		if raw, err := hex.DecodeString(m.sum); err != nil || len(raw) != h.Size() {
			return nil, fmt.Errorf("the checksum of its %s, %.80q, is no %s", d.Type, m.sum, m.kind)
		}
		if d.Location.Href == "" || m.url == "" {
			return nil, fmt.Errorf("it doesn't say where its %s is", d.Type)
		}
		if m.size < 0 || m.size > maxMetadata || m.openSize < 0 || m.openSize > maxUnpacked {
			return nil, fmt.Errorf("its %s has %d bytes, %d unpacked: more than any repository needs", d.Type, m.size, m.openSize)
		}
		switch d.Type {
		case "primary":
			md.primary = m
		case "filelists":
			md.filelists = m
		case "updateinfo":
			md.updateinfo = m
		default:
			if md.texts = append(md.texts, m); len(md.texts) > maxTextFiles {
				return nil, fmt.Errorf("it lists more than %d files of summaries and descriptions", maxTextFiles)
			}
		}
	}
	if md.primary == nil {
		return nil, errors.New("it lists no primary.xml, so it names no packages")
	}
	return md, nil
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

func (f *fetcher) repomd(ctx context.Context, repository string) (*repomd, error) {
	u := rpmURL(repository, "", "repodata/repomd.xml")
	if u == "" {
		return nil, fmt.Errorf("%q is not a URL", repository)
	}
	var data bytes.Buffer
	if err := f.fetch(ctx, u, &data, maxRepomd); err != nil {
		return nil, err
	}
	md, err := parseRepomd(data.Bytes(), repository)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", u, err)
	}
	return md, nil
}

// read downloads a file of the repository, checks it and has it parsed: parse gets its path, with
// the suffix that tells how it is compressed, and the size that it may unpack to, and gives the
// size that it has. left, where it isn't nil, is how much all such files may unpack to, from which
// this one's is taken.
func (f *fetcher) read(ctx context.Context, m *metadata, left *int64, parse func(path string, max int64) (int64, error)) error {
	name := filepath.Join(f.dir, "metadata"+suffix(m.url))
	w, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("downloading %s: %w", m.url, err)
	}
	defer os.Remove(name)
	defer w.Close()
	max := int64(maxMetadata)
	if m.size > 0 {
		max = m.size
	}
	h := newHash(m.kind)
	n := &counter{}
	if err := f.fetch(ctx, m.url, io.MultiWriter(w, h, n), max); err != nil {
		return err
	}
	if m.size > 0 && n.n != m.size {
		return fmt.Errorf("%s has %d bytes and repomd.xml says %d: it is cut off, or the repository is just being updated: try again later", m.url, n.n, m.size)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != m.sum {
		return fmt.Errorf("%s has the %s %s and repomd.xml says %s: it is damaged, or the repository is just being updated: try again later", m.url, m.kind, sum, m.sum)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("downloading %s: %w", m.url, err)
	}
	max = maxUnpacked
	if m.openSize > 0 {
		max = m.openSize
	}
	if left != nil {
		max = min(max, *left)
	}
	unpacked, err := parse(name, max)
	if err != nil {
		return fmt.Errorf("reading %s: %w", m.url, err)
	}
	if left != nil {
		*left -= unpacked
	}
	return nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// suffix is the ending that tells libsolv how a file is compressed.
func suffix(u string) string {
	switch s := path.Ext(u); s {
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
