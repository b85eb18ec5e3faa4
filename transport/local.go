// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// File URLs: folders of this computer, and what a person has put into it, such as a USB stick.
// Whoever made the stick may mean harm, and it may be pulled out at any time. This program runs as
// root: a link to what only root may read must not be followed. So there is one way to open what a
// file URL names, openLocal, which stays within Options.Folders.

// schemes chooses who answers by a URL's scheme.
type schemes struct{ file, others http.RoundTripper }

func (s schemes) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "file" {
		return s.file.RoundTrip(req)
	}
	return s.others.RoundTrip(req)
}

// localFiles answers requests of file URLs; open is openLocal. A disk may hang for minutes; who
// asked doesn't.
type localFiles struct {
	open func(name string) (*os.File, error)
}

func (l localFiles) RoundTrip(req *http.Request) (*http.Response, error) {
	type answer struct {
		resp *http.Response
		err  error
	}
	ctx := req.Context()
	came := make(chan answer, 1)
	go func() {
		f, err := l.open(req.URL.Path)
		if errors.As(err, new(localTrouble)) {
			came <- answer{err: err}
			return
		}
		if f != nil { // ends a read that hangs, and lets go of the file
			context.AfterFunc(ctx, func() { f.Close() })
		}
		resp, err := http.NewFileTransport(opened{f, err}).RoundTrip(req)
		if err == nil {
			if n, err := strconv.ParseInt(resp.Header.Get("Content-Length"), 10, 64); err == nil {
				resp.ContentLength = n
			}
			body := resp.Body
			context.AfterFunc(ctx, func() { body.Close() })
		}
		came <- answer{resp, err}
	}()
	select {
	case a := <-came:
		return a.resp, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// opened is a file system of the one file that a request is for.
type opened struct {
	file *os.File
	err  error
}

func (o opened) Open(string) (http.File, error) {
	if o.err != nil {
		return nil, o.err
	}
	return o.file, nil
}

// A localTrouble is a file URL that names something that is not opened.
type localTrouble string

const (
	// errNotRegular says that there is something else in the place of a file: a folder, a pipe, a
	// device.
	errNotRegular = localTrouble("this is no regular file")
	errLeadsOut   = localTrouble("a link in it leads out of its source's folder")
	errOutside    = localTrouble("it is outside of the folders of the sources and sticks")
)

func (e localTrouble) Error() string { return string(e) }

// kind is what it means for a source that its file can't be opened.
func (e localTrouble) kind() Kind {
	if e == errOutside {
		return Refused
	}
	return Corrupt
}

// openLocal opens the regular file of this name for reading, if it is below one of the Folders. The
// error is a localTrouble, fs.ErrNotExist or of the disk.
func (c *Client) openLocal(name string) (*os.File, error) {
	var folders []string
	if c.Folders != nil {
		folders = c.Folders()
	}
	var first error = errOutside
	for _, folder := range folders {
		rel, ok := below(folder, name)
		if !ok {
			continue
		}
		f, err := openBelow(folder, rel)
		if err == nil {
			return f, nil
		}
		if first == errOutside {
			first = err
		}
	}
	return nil, first
}

// below is a path relative to the folder that it is in, or that it is.
func below(folder, name string) (rel string, ok bool) {
	folder, name = path.Clean(folder), path.Clean(name)
	if !path.IsAbs(folder) || !path.IsAbs(name) {
		return "", false
	}
	if folder == name {
		return ".", true
	}
	rel, ok = strings.CutPrefix(name, strings.TrimSuffix(folder, "/")+"/")
	return rel, ok
}

// openBelow opens a regular file in a folder. The folder's own path may have links: the
// configuration names it. Links in it are followed as long as they stay in it.
//
// Another file system that is mounted in the folder counts as part of it. Links can't lead there
// but from within the folder, only root can mount, and what root mounted into a source's folder is
// meant to be published: often the RPMs have a disk of their own. Neither are hard links refused:
// mirrors are made of them, and Linux lets nobody make one to a file that they may not read and
// write (fs.protected_hardlinks).
func openBelow(folder, rel string) (*os.File, error) {
	if fi, err := os.Stat(folder); err == nil && !fi.IsDir() { // opening a pipe would wait for a writer for ever
		return nil, fs.ErrNotExist
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, within(err)
	}
	defer root.Close()
	fi, err := root.Stat(rel) // first: to open some devices does something already
	if err != nil {
		return nil, within(err)
	}
	if !fi.Mode().IsRegular() {
		return nil, errNotRegular
	}
	// os.Root, unlike os.Open, leaves it to the caller that 32-bit computers open what is over 2 GiB.
	f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_LARGEFILE|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, within(err)
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, errNotRegular
	}
	return f, nil
}

// within is what an error of opening below a folder says of the file. That a link leads out is the
// one error of os.Root that is none of the system.
func within(err error) error {
	var system syscall.Errno
	if !errors.As(err, &system) {
		return errLeadsOut
	}
	switch system {
	case syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EINVAL:
		return fs.ErrNotExist
	}
	return system
}

// IsLocal tells whether a URL is of this computer: what it gives costs nothing.
func IsLocal(rawURL string) bool {
	return len(rawURL) >= len("file:") && strings.EqualFold(rawURL[:len("file:")], "file:")
}

// LocalPath is the path that a file URL names; "" where it is none.
func LocalPath(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "file" || !path.IsAbs(u.Path) {
		return ""
	}
	return path.Clean(u.Path)
}

// Within tells whether a file URL is of what is in the folder of another, by their names.
func Within(folderURL, rawURL string) bool {
	folder, name := LocalPath(folderURL), LocalPath(rawURL)
	_, ok := below(folder, name)
	return folder != "" && name != "" && ok
}

// localSize is the size of the regular file at a file URL, -1 where there is none.
func (c *Client) localSize(rawURL string) int64 {
	f, err := c.openLocal(LocalPath(rawURL))
	if err != nil {
		return -1
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return -1
	}
	return fi.Size()
}

// verifyLocal tells whether the file at a file URL is right, before it continues what is there from
// elsewhere: a damaged one must not spoil that. The error is a *trouble.
func (c *Client) verifyLocal(ctx context.Context, url string, f *File) error {
	w := newWatchdog(ctx, min(c.stall, c.RetryFor), 1)
	defer w.stop()
	req, err := c.request(w.ctx, url)
	if err != nil {
		return err
	}
	resp, err := c.do(c.known, req, w)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return unexpected(resp, c.now())
	case f.Size > 0 && resp.ContentLength != f.Size:
		return wrongContent("it has %d bytes and the file has %d", resp.ContentLength, f.Size)
	}
	sum := f.Digest.Hash()
	switch n, err := io.Copy(sum, resp.Body); {
	case err != nil:
		return asTrouble(err)
	case n < resp.ContentLength:
		return &trouble{kind: Interrupted, err: fmt.Errorf("%d of %d bytes came: %w", n, resp.ContentLength, io.ErrUnexpectedEOF)}
	}
	if !f.Digest.Is(sum) {
		return notPromised(f.Digest)
	}
	return nil
}
