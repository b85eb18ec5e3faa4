package transport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// File URLs: folders of this computer, and what a person has put into it, such as a USB stick. Whoever made the stick may
// mean harm, and it may be pulled out at any time.

// localFiles answers requests of file URLs. A disk may hang for minutes; who asked doesn't.
type localFiles struct{ http.RoundTripper }

func (l localFiles) RoundTrip(req *http.Request) (*http.Response, error) {
	type answer struct {
		resp *http.Response
		err  error
	}
	ctx := req.Context()
	came := make(chan answer, 1)
	go func() {
		if fi, err := os.Stat(path.Clean("/" + req.URL.Path)); err == nil && !fi.Mode().IsRegular() {
			came <- answer{err: errNotRegular}
			return
		}
		resp, err := l.RoundTripper.RoundTrip(req)
		if err == nil {
			if n, err := strconv.ParseInt(resp.Header.Get("Content-Length"), 10, 64); err == nil {
				resp.ContentLength = n
			}
			body := resp.Body
			context.AfterFunc(ctx, func() { body.Close() }) // ends a read that hangs, and lets go of the file
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

// errNotRegular says that there is something else in the place of a file: a folder, a pipe, a device.
var errNotRegular = errors.New("this is no regular file")

// regular is the file system, of which only regular files can be opened. Opening a pipe would wait for a writer for ever.
type regular struct{}

func (regular) Open(name string) (http.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		f.Close()
		return nil, fs.ErrPermission
	}
	return f, nil
}

// isLocal tells whether a URL is of this computer: what it gives costs nothing.
func isLocal(rawURL string) bool { return strings.HasPrefix(rawURL, "file:") }

// localSize is the size of the regular file at a file URL, -1 where there is none.
func localSize(rawURL string) int64 {
	u, err := url.Parse(rawURL)
	if err != nil {
		return -1
	}
	fi, err := os.Stat(u.Path)
	if err != nil || !fi.Mode().IsRegular() {
		return -1
	}
	return fi.Size()
}

// vouch tells whether the file at a file URL is right, before it continues what is there from elsewhere: a damaged one must
// not spoil that. The error is a *trouble.
func (c *Client) vouch(ctx context.Context, url string, f *File) error {
	w := newWatch(ctx, min(c.stall, c.RetryFor), 1)
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
	sum := sha256.New()
	switch n, err := io.Copy(sum, resp.Body); {
	case err != nil:
		return asTrouble(err)
	case n < resp.ContentLength:
		return &trouble{kind: Interrupted, err: fmt.Errorf("%d of %d bytes came: %w", n, resp.ContentLength, io.ErrUnexpectedEOF)}
	}
	if has := hex.EncodeToString(sum.Sum(nil)); has != strings.ToLower(f.SHA256) {
		return wrongContent("it has the SHA-256 %s and should have %s", has, f.SHA256)
	}
	return nil
}
