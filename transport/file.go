// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A partial is a file on its way: Path + ".part", and the hash of what is in it.
type partial struct {
	path   string
	digest tree.Digest // that the whole has; "" where unknown
	sum    hash.Hash
	n      int64 // bytes in sum
	// inherited tells that some of it is from before this Fetch: if the whole turns out wrong, the
	// sources may be right all the same.
	inherited bool
	// doubted tells that a source of unknown trustworthiness has other bytes.
	doubted bool
	// version is the strong validator that the source's answer had; only where digest is not known.
	version string

	synced  time.Time      // when it was last brought to the disk
	syncing sync.WaitGroup // that it is now
	busy    atomic.Bool    // the same
}

func newPartial(path string, digest tree.Digest) *partial {
	return &partial{path: path, digest: digest, sum: digest.Hash()}
}

// setVersion says which version of the file the bytes are of.
func (p *partial) setVersion(v string) error {
	if v == p.version {
		return nil
	}
	p.version = v
	return keepVersion(p.path, v)
}

func (p *partial) add(b []byte) {
	p.sum.Write(b)
	p.n += int64(len(b))
}

func (p *partial) reset() {
	p.sum.Reset()
	p.n, p.inherited, p.doubted = 0, false, false
}

// load makes the hash agree with the file. It reads the file only if something else wrote it, or a
// write failed.
func (p *partial) load(ctx context.Context) error {
	fi, err := os.Lstat(p.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		p.reset()
		return nil
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return notRegular(p.path)
	case fi.Size() == p.n:
		return nil
	}
	doubted := p.doubted
	p.reset()
	p.inherited, p.doubted = true, doubted
	if p.digest == "" {
		p.version = loadVersion(p.path)
	}
	f, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, 32<<10)
	for ctx.Err() == nil {
		n, err := f.Read(buf)
		p.add(buf[:n])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func notRegular(path string) error {
	return &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
}

// empty makes it begin anew. The file stays, for its lock.
func (p *partial) empty() error {
	p.reset()
	if err := p.cut(0); err != nil {
		return err
	}
	return p.setVersion("")
}

// cut takes back all but the first n bytes; load then reads those again.
func (p *partial) cut(n int64) error {
	if err := os.Truncate(p.path, n); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// check tells whether the bytes are the whole file, size bytes (0: whatever there are).
func (p *partial) check(size int64) error {
	if size > 0 && p.n != size {
		return wrongContent("it has %d bytes and should have %d", p.n, size)
	}
	if p.digest != "" && !p.digest.Is(p.sum) {
		return notPromised(p.digest)
	}
	return nil
}

// fetch makes the job's file be at Path (present), or whole and right at Path + ".part", which is
// then locked. It returns an *Error, or one that is ctx.Err().
func (c *Client) fetch(ctx context.Context, j *job) (present bool, err error) {
	f, at := j.file, j.meter
	present, err = c.present(ctx, f, at)
	if present || err != nil {
		return present, c.local(ctx, f, err)
	}
	waited := false
	j.lock, err = c.lock(ctx, f.Path+PartSuffix, func() { waited = true; at.wait() })
	if err != nil {
		return false, c.local(ctx, f, err)
	}
	defer func() {
		if present || err != nil {
			j.unlock()
		}
	}()
	if waited { // for somebody who was after the same
		present, err = c.present(ctx, f, at)
		if present || err != nil {
			return present, c.local(ctx, f, err)
		}
	}
	if err := trim(j.lock); err != nil {
		return false, c.local(ctx, f, err)
	}
	part := newPartial(f.Path+PartSuffix, f.Digest)
	part.synced = c.now()
	defer part.syncing.Wait()
	if err := part.load(ctx); err != nil {
		return false, c.local(ctx, f, err)
	}
	if f.Size > 0 && part.n >= f.Size {
		if part.check(f.Size) == nil {
			at.set(part.n, f.Size)
			return false, nil
		}
		if err := part.empty(); err != nil {
			return false, c.local(ctx, f, err)
		}
	}
	at.set(part.n, f.Size)
	return false, c.persist(ctx, retrieval{
		label: f.label(), urls: f.URLs, quiet: c.RetryFor, known: part.digest != "", size: f.Size, limited: true, waiting: at.wait, try: c.continuing(f, part, at),
	})
}

// block is what file systems write at once: a page of memory, and UBIFS's UBIFS_BLOCK_SIZE.
const block = 4 << 10

// trim cuts off the blocks of zeros that a part ends with, and the block before them, which may be
// torn. A power cut leaves them where a file's new size is written before its bytes: by UBIFS
// (ubifs_writepage in Linux's fs/ubifs/file.c; "Why my file has zeroes at the end after an unclean
// reboot?" in http://linux-mtd.infradead.org/faq/ubifs.html), and by XFS up to Linux 2.6.21 ("Why
// do I see binary NULLS in some files after recovery when I unplugged the power?" in the FAQ at
// xfs.org). They would cost the whole file. An RPM is compressed and has no such blocks; those that
// a file really ends with come again.
func trim(part *os.File) error {
	fi, err := part.Stat()
	if err != nil {
		return err
	}
	keep, buf := fi.Size(), make([]byte, block)
	for keep > 0 {
		at := (keep - 1) / block * block
		b := buf[:keep-at]
		if _, err := part.ReadAt(b, at); err != nil {
			return err
		}
		if len(bytes.TrimRight(b, "\x00")) > 0 {
			break
		}
		keep = at
	}
	if keep == fi.Size() {
		return nil
	}
	keep = max(0, keep-block)
	if keep == 0 { // what comes now may be of another version
		if err := keepVersion(part.Name(), ""); err != nil {
			return err
		}
	}
	return part.Truncate(keep)
}

// continuing returns the try of a retrieval that continues part until it is the whole file.
func (c *Client) continuing(f *File, part *partial, at *meter) func(ctx context.Context, url string, patient bool) (int64, error) {
	wrong := false // a file that is all from this Fetch was wrong
	return func(ctx context.Context, url string, patient bool) (int64, error) {
		if err := part.load(ctx); err != nil {
			return 0, err
		}
		had, size := part.n, f.Size
		local := IsLocal(url) && part.digest != ""
		if local && had > 0 {
			if err := c.verifyLocal(ctx, url, f); err != nil {
				return 0, err
			}
		}
		err := c.download(ctx, url, patient, part, size,
			func(n int64) { size = n },
			func(n int64) { at.gain(n, part.n, size); c.secure(part) })
		var t *trouble
		if err != nil && !errors.As(err, &t) {
			return part.n - had, err
		}
		part.inherited = part.inherited || local && part.n > had
		if errors.Is(err, errChanged) {
			if err := part.empty(); err != nil {
				return 0, err
			}
			at.set(0, f.Size)
			return 0, t
		}
		if errors.Is(err, errShort) {
			if err := part.cut(had); err != nil {
				return 0, err
			}
			at.set(had, f.Size)
			return 0, t
		}
		switch complete := size > 0 && part.n == size; {
		case t == nil, complete && part.digest != "": // a digest says more than how an answer ended
			err = part.check(size)
		case errors.Is(t, errDiffers), complete && t.kind == Corrupt:
		default: // what is there is right as far as it goes, even if that is to the end
			return part.n - had, t
		}
		if err == nil {
			at.set(part.n, part.n)
			return part.n - had, nil
		}
		// Twice a whole file for nothing is all that we make a person pay for.
		t = &trouble{kind: Corrupt, err: err, final: wrong && !part.inherited}
		wrong = wrong || !part.inherited
		if err := part.empty(); err != nil {
			return 0, err
		}
		at.set(0, f.Size)
		return 0, t
	}
}

// secureEvery is how long what has come may be in memory alone. The kernel would take half a
// minute, and a flat battery with it what a slow link brought in that time.
const secureEvery = 5 * time.Second

// secure brings what has come to the disk now and then, beside the download.
func (c *Client) secure(p *partial) {
	now := c.now()
	if now.Sub(p.synced) < secureEvery || p.busy.Swap(true) {
		return
	}
	p.synced = now
	p.syncing.Go(func() {
		_ = c.sync(p.path) // where that fails it does at the end, too
		p.busy.Store(false)
	})
}

// present tells whether the whole file is at Path. One that is wrong there is removed.
func (c *Client) present(ctx context.Context, f *File, at *meter) (bool, error) {
	whole := newPartial(f.Path, f.Digest)
	fi, err := os.Lstat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !fi.Mode().IsRegular() {
		return false, notRegular(f.Path)
	}
	if f.Size == 0 || fi.Size() == f.Size {
		if f.Digest == "" {
			whole.n = fi.Size()
		} else if err := whole.load(ctx); err != nil {
			return false, err
		}
		if whole.check(f.Size) == nil {
			at.set(whole.n, whole.n)
			return true, nil
		}
	}
	c.Log.Debug("a file is there and wrong: fetched anew", "file", f.label(), "path", f.Path)
	return false, os.Remove(f.Path)
}

// local gives an error of the disk its kind and lets the end of the context through.
func (c *Client) local(ctx context.Context, f *File, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", f.label(), ctx.Err())
	}
	return localError(f.label(), err)
}

// settle syncs a whole part and gives it its name.
func (c *Client) settle(f *File) error {
	part := f.Path + PartSuffix
	if err := c.sync(part); err != nil {
		return err
	}
	if err := os.Rename(part, f.Path); err != nil {
		return err
	}
	if f.Digest == "" {
		return keepVersion(part, "")
	}
	return nil
}

// syncPath brings a file's content or a folder's names to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
