// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Downloads say how a Downloader brings files. The zero value is fit for a test.
type Downloads struct {
	// Cache is the folder that files are kept in: see cache. Empty: a temporary one.
	Cache string
	// For is what this program uses them for, a name that is the same each time: what nothing is used
	// for any more is removed.
	For string
	// Parallel, RetryFor, Rate and Hours are transport's.
	Parallel int
	RetryFor time.Duration
	Rate     int64
	Hours    *transport.Hours
	// Progress is told how far downloads are: by one goroutine at a time, each some tenths of a
	// second. It may be nil.
	Progress func(Progress)
}

// Progress is how far the downloads of a Downloader are.
type Progress struct {
	Files    int   // that came, whole
	Bytes    int64 // that came, over the network
	Speed    int64 // in bytes a second
	File     string
	FileDone int64 // bytes of File that are there
	FileSize int64 // 0: not known
	Waiting  bool  // nothing comes, and it is tried again
}

// A Downloader brings the files of repositories, over links that drop and in spite of kills: what
// has come stays, in a cache. Its methods may be called by several goroutines.
type Downloader struct {
	Downloads
	client *transport.Client
	cache  *cache
	failed sync.Map // URL: func(), called when it fails

	mu     sync.Mutex // guards what is below
	logins credentials
	heads  map[string][]byte // what head gave, by URL
	did    Progress
	going  map[*going]bool
}

// going is a download that goes on.
type going struct {
	speed   int64
	waiting bool
	done    int64 // bytes
}

// offlineFor is how long it is tried where no server was reached yet.
const offlineFor = time.Minute

// NewDownloader makes a Downloader. The caller closes it.
func NewDownloader(o Downloads) (*Downloader, error) {
	d := &Downloader{Downloads: o, heads: make(map[string][]byte), going: make(map[*going]bool)}
	var err error
	if d.cache, err = openCache(o.Cache, o.For); err != nil {
		return nil, err
	}
	options := transport.Options{
		UserAgent: "presolver", Parallel: o.Parallel, RetryFor: o.RetryFor, SmallRetryFor: offlineFor, Rate: o.Rate, Hours: o.Hours,
		Authorize: func(req *http.Request) { d.credentials().authorize(req) },
		Failed: func(url string, kind transport.Kind) {
			// What was interrupted may go on there.
			if tell, ok := d.failed.Load(url); ok && kind != transport.Interrupted {
				tell.(func())()
			}
		},
	}
	if o.RetryFor > 0 {
		options.SmallRetryFor = min(o.RetryFor, offlineFor)
	}
	d.client = transport.New(options)
	return d, nil
}

// Close ends it. What came is kept, where there is a Cache.
func (d *Downloader) Close() {
	d.client.Close()
	d.cache.close()
}

// Clean removes what is in the cache and was not asked for since NewDownloader, nor by others that
// use it. It is for when all has been asked for.
func (d *Downloader) Clean() error { return d.cache.clean() }

// Keep says that what is in the cache is still of use.
func (d *Downloader) Keep() { d.cache.touch() }

func (d *Downloader) credentials() credentials {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logins
}

func (d *Downloader) authorizeWith(logins credentials) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logins = logins
}

// An ownDownloader ends with who made it; one that was given doesn't.
type ownDownloader struct {
	*Downloader
	close func()
}

func (c *Config) downloads(logins credentials) (ownDownloader, error) {
	d := ownDownloader{c.Downloads, func() {}}
	if d.Downloader == nil {
		var err error
		if d.Downloader, err = NewDownloader(Downloads{RetryFor: time.Second}); err != nil {
			return d, err
		}
		d.close = sync.OnceFunc(d.Downloader.Close)
	}
	d.authorizeWith(logins)
	return d, nil
}

// A file is one that a repository describes.
type file struct {
	base, location string // see fileURL
	label          string
	sum, kind      string // its checksum, in hexadecimal, and of which kind
	size           int64  // 0: unknown
	most           int64  // bytes
	suffix         string // of its name in the cache
}

// errContent is in the errors that say that what came is not what the repository describes.
var errContent = errors.New("not what the repository describes")

type wrongContent struct{ error }

func (wrongContent) Is(target error) bool { return target == errContent }
func (w wrongContent) Unwrap() error      { return w.error }

// file brings a file into the cache, from the first mirror that has it right, and gives its path
// there. The errors say what to do.
func (d *Downloader) file(ctx context.Context, at *mirrors, f file) (string, error) {
	name := inCache(f.kind, f.sum, f.suffix)
	d.cache.use(name)
	to := d.cache.path(name)
	places, err := at.candidates(f.base, f.location)
	if len(places) == 0 {
		return "", err
	}
	var failures failures
	for len(places) > 0 {
		n := 1 // of those that are asked together
		if transport.IsLocal(places[0].url) {
			err = f.copy(ctx, places[0].url, to)
		} else {
			digest := tree.NewDigest(f.kind, f.sum)
			for digest != "" && n < len(places) && !transport.IsLocal(places[n].url) {
				n++
			}
			err = d.fetch(ctx, places[:n], f, digest, to)
		}
		if err == nil {
			return to, nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if n == 1 {
			places[0].fail()
		}
		failures = append(failures, err)
		places = places[n:]
	}
	return "", failures.err()
}

// room tells whether the disk has room for what is to be downloaded of repositories.
func (d *Downloader) room(mds []*repomd) error {
	var missing int64
	for _, md := range mds {
		for _, m := range md.all() {
			if _, err := os.Stat(d.cache.path(m.inCache())); err != nil {
				missing += m.size
			}
		}
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(d.cache.dir, &disk); err == nil && missing > int64(disk.Bavail)*disk.Bsize {
		return fmt.Errorf("the metadata of the repositories have %d MiB and the disk of %s has %d MiB left: free some of it, or set cache to a folder on another one", missing>>20, d.cache.dir, int64(disk.Bavail)*disk.Bsize>>20)
	}
	return nil
}

// fetch brings a file from servers. Without a digest that transport knows it is compared here, and
// there is one server.
func (d *Downloader) fetch(ctx context.Context, places []place, f file, digest tree.Digest, to string) error {
	if _, err := os.Stat(to); err == nil && digest == "" { // transport couldn't tell whether it is right
		if f.check(ctx, to, places[0].url) == nil {
			return nil
		}
		os.Remove(to)
	}
	var urls []string
	for _, p := range places {
		urls = append(urls, p.url)
		d.failed.Store(p.url, p.fail)
		defer d.failed.Delete(p.url)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	large := fmt.Errorf("%s has more than %d bytes: it is not what the repository says it is", urls[0], f.most)
	done, report := d.begin(f.label, to)
	err := d.client.Fetch(ctx, []transport.File{{URLs: urls, Path: to, Size: f.size, Digest: digest, Label: f.label}}, func(p transport.Progress) {
		if p.FileDone > f.most {
			cancel(large)
		}
		report(p)
	})
	done(err == nil)
	if err != nil {
		if cause := context.Cause(ctx); cause == large {
			os.Remove(to + transport.PartSuffix)
			return wrongContent{large}
		}
		return explained(err, true)
	}
	if digest == "" {
		if err := f.check(ctx, to, urls[0]); err != nil {
			os.Remove(to)
			return err
		}
	}
	return nil
}

// begin notes that a download goes on. done is called at its end.
func (d *Downloader) begin(label, to string) (done func(whole bool), report func(transport.Progress)) {
	g := &going{}
	for _, name := range []string{to, to + transport.PartSuffix} {
		if info, err := os.Stat(name); err == nil {
			g.done = info.Size()
		}
	}
	d.mu.Lock()
	d.going[g] = true
	d.mu.Unlock()
	came := false
	tell := func(p transport.Progress) {
		d.mu.Lock()
		defer d.mu.Unlock()
		came = came || p.Done != g.done
		d.did.Bytes += p.Done - g.done
		g.done, g.speed, g.waiting = p.Done, p.Speed, p.Waiting
		d.did.File, d.did.FileDone, d.did.FileSize = label, p.Done, p.Total
		d.did.Speed, d.did.Waiting = 0, true
		for g := range d.going {
			d.did.Speed += g.speed
			d.did.Waiting = d.did.Waiting && g.waiting
		}
		if d.Downloads.Progress != nil {
			d.Downloads.Progress(d.did)
		}
	}
	return func(whole bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.going, g)
		if whole && came {
			d.did.Files++
		}
	}, tell
}

// copy brings a file of this computer.
func (f *file) copy(ctx context.Context, from, to string) error {
	r, err := openLocal(from)
	if err != nil {
		return err
	}
	defer r.Close()
	aside := to + ".new"
	w, err := os.Create(aside)
	if err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	defer w.Close()
	defer os.Remove(aside)
	h, n := newHash(f.kind), &counter{}
	writers := []io.Writer{w, n}
	if h != nil {
		writers = append(writers, h)
	}
	if _, err := io.Copy(io.MultiWriter(writers...), Interruptible(ctx, io.LimitReader(r, f.most+1))); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	if err := f.compare(from, n.n, h); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return os.Rename(aside, to)
}

// check compares a file of the cache with what the repository says.
func (f *file) check(ctx context.Context, name, from string) error {
	r, err := OpenRegular(name)
	if err != nil {
		return err
	}
	defer r.Close()
	h := newHash(f.kind)
	if h == nil {
		return f.compare(from, f.size, nil)
	}
	n, err := io.Copy(h, Interruptible(ctx, r))
	if err != nil {
		return err
	}
	return f.compare(from, n, h)
}

// compare tells whether what has so many bytes and this sum is what the repository says.
func (f *file) compare(from string, size int64, sum hash.Hash) error {
	switch {
	case size > f.most:
		return wrongContent{fmt.Errorf("%s has more than %d bytes: it is not what the repository says it is", from, f.most)}
	case f.size > 0 && size != f.size:
		return wrongContent{fmt.Errorf("%s has %d bytes and the repository says %d: it is cut off, or the repository is just being updated: try again later", from, size, f.size)}
	case sum == nil:
		return wrongContent{fmt.Errorf("%s has no checksum in its repository that is any good (it is %q): run createrepo_c on the repository", from, f.kind)}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.sum {
		return wrongContent{fmt.Errorf("%s has the %s %s and the repository says %s: it is damaged, or the repository is just being updated: try again later", from, f.kind, got, f.sum)}
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

// head brings a small file that changes in place: once, and where it is as it was the last time for
// the price of a question. What take refuses isn't kept.
func (d *Downloader) head(ctx context.Context, at string, most int64, take func([]byte) error) error {
	d.mu.Lock()
	data, known := d.heads[at]
	d.mu.Unlock()
	if known {
		return take(data)
	}
	data, keep, err := d.askHead(ctx, at, most)
	if err != nil {
		return err
	}
	if err := take(data); err != nil {
		if looksLikePage(data) && !transport.IsLocal(at) {
			err = fmt.Errorf("%w; what came is a web page: a network that wants a login answers so, and a wrong url, too: open %s in a browser", err, at)
		}
		return err
	}
	d.mu.Lock()
	d.heads[at] = data
	d.mu.Unlock()
	keep()
	return nil
}

func (d *Downloader) askHead(ctx context.Context, at string, most int64) (data []byte, keep func(), err error) {
	if transport.IsLocal(at) {
		r, err := openLocal(at)
		if err != nil {
			return nil, nil, err
		}
		defer r.Close()
		data, err := io.ReadAll(io.LimitReader(r, most+1))
		if err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", at, err)
		}
		if int64(len(data)) > most {
			return nil, nil, fmt.Errorf("%s has more than %d bytes: it is not what it should be: correct the url", at, most)
		}
		return data, func() {}, nil
	}
	sum := sha256.Sum256([]byte(at))
	name := "head-" + hex.EncodeToString(sum[:16])
	d.cache.use(name)
	etag, was := d.cache.readHead(name)
	a, err := d.client.Revalidate(ctx, at, etag, most)
	if err != nil {
		return nil, nil, explained(err, false)
	}
	d.mu.Lock()
	d.did.Bytes += int64(len(a.Body))
	d.mu.Unlock()
	if a.Unchanged {
		return was, func() {}, nil
	}
	return a.Body, func() { d.cache.writeHead(name, a.ETag, a.Body) }, nil
}

// looksLikePage tells whether a file is a web page.
func looksLikePage(data []byte) bool {
	start := bytes.ToLower(bytes.TrimSpace(data[:min(len(data), 1<<10)]))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}

// openLocal opens what a file URL names.
func openLocal(at string) (*os.File, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "file" {
		return nil, fmt.Errorf("%q is not an http, https or file URL", at)
	}
	f, err := OpenRegular(u.Path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w: correct the repository's url", at, errors.Unwrap(err))
	}
	return f, nil
}
