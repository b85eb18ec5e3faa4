// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cavaliergopher/grab/v3"
)

// A guard stands between grab and the network for one try. Grab decides whether to resume and
// writes the file; it believes what it is told. So the guard tells it only what is true:
//
//   - Grab's HEAD before a resume is answered here: servers that refuse HEAD would make grab truncate the partial file.
//   - The bytes that grab reads are exactly those that continue the partial file, whatever the server answered: a
//     range that is not the one asked for is asked for anew in full, and of a full answer the beginning is
//     compared with what is there and left out.
//   - They go through the partial's hash on the way, so that nobody has to read the file again.
type guard struct {
	c    *Client
	w    *watchdog
	part *partial
	size int64 // of the whole file; 0 where unknown
	// learned is called with the size of the whole file where the answer tells it, gained with each
	// bytes' number.
	learned, gained func(int64)
}

// A connection that gives less than this, where there are few, is cut, and another one made.
const (
	minRate         = 1 << 10  // bytes a second, for as long as Client.stall
	minRateIfOthers = 16 << 10 // for a third of that, where another source promises to do better
)

// download continues part from url: grab writes, a guard checks. Its errors are a *trouble's or of
// the disk.
func (c *Client) download(ctx context.Context, url string, patient bool, part *partial, size int64, learned, gained func(int64)) error {
	limit, rate := min(c.stall, c.RetryFor), int64(minRate)
	if !patient {
		limit, rate = limit/3, minRateIfOthers
	}
	w := newWatchdog(ctx, limit, rate*int64(limit)/int64(time.Second)/c.hosts.sharing(url))
	defer w.stop()
	req, err := c.request(w.ctx, url)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "identity")
	g := grab.Client{HTTPClient: &guard{c, w, part, size, learned, gained}, BufferSize: 32 << 10}
	err = g.Do((&grab.Request{
		HTTPRequest:         req,
		Filename:            part.path,
		Size:                size,
		IgnoreRemoteTime:    true, // FAT refuses some times, and nobody looks at them
		NoCreateDirectories: true, // grab panics where a file is in the place of a folder
	}).WithContext(w.ctx)).Err()
	if err != nil && errors.Is(err, w.ctx.Err()) {
		return asTrouble(w.cause(err)) // where grab saw the end of the context before the network did
	}
	return err
}

// Do implements grab.HTTPClient.
func (g *guard) Do(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodHead {
		return g.head(req), nil
	}
	have := g.part.n
	req = req.Clone(req.Context())
	req.Header.Del("Range")
	if have > 0 && g.part.digest == "" {
		if g.part.version == "" {
			have = 0 // nothing vouches for the rest being of the same file
		} else {
			req.Header.Set("If-Range", g.part.version)
		}
	}
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := g.c.do(g.http(), req, g.w)
	if err != nil {
		return nil, err
	}
	if have > 0 && (resp.StatusCode == http.StatusPartialContent || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable) {
		done, err := g.continued(resp)
		if done || err != nil {
			if err != nil {
				discard(resp.Body)
			}
			return resp, err
		}
		discard(resp.Body)
		req.Header.Del("Range")
		req.Header.Del("If-Range")
		if resp, err = g.c.do(g.http(), req, g.w); err != nil {
			return nil, err
		}
	}
	if err := g.full(resp); err != nil {
		discard(resp.Body)
		return nil, err
	}
	return resp, nil
}

func (g *guard) http() *http.Client {
	if g.part.digest == "" {
		return g.c.unknown
	}
	return g.c.known
}

// head promises ranges, of a length that makes grab resume.
func (g *guard) head(req *http.Request) *http.Response {
	length := g.size
	if length == 0 {
		length = -1
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept-Ranges": {"bytes"}}, ContentLength: length, Body: http.NoBody, Request: req,
	}
}

// continued makes the answer to a range ready for grab. If the server got ranges wrong it returns
// false: the answer is of no use, a full one may be.
func (g *guard) continued(resp *http.Response) (bool, error) {
	r, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err != nil || g.part.digest == "" && otherVersion(resp.Header, g.part.version) {
		return false, nil
	}
	if g.size > 0 && r.Size >= 0 && r.Size != g.size {
		return false, wrongContent("the server has %d bytes and the file has %d", r.Size, g.size)
	}
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		if g.size == 0 && r.Size == g.part.n { // all was there and nobody knew
			resp.Body.Close()
			resp.Body, resp.ContentLength, resp.StatusCode = http.NoBody, 0, http.StatusPartialContent
			g.learned(r.Size)
			return true, nil
		}
		return false, nil
	}
	if r.First != g.part.n || r.Size < 0 && g.size == 0 { // without the file's size its end can't be told from the range's
		return false, nil
	}
	g.pass(resp, max(r.Size, g.size), 0)
	return true, nil
}

// full makes the answer with the whole file ready for grab.
func (g *guard) full(resp *http.Response) error {
	size := resp.ContentLength
	switch {
	case resp.StatusCode != http.StatusOK:
		return unexpected(resp, g.c.now())
	case g.size > 0 && size >= 0 && size != g.size:
		return wrongContent("the server has %d bytes and the file has %d", size, g.size)
	case g.size == 0 && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"):
		// Where neither size nor digest may tell, this does: nobody fetches pages, but captive
		// portals give them.
		return wrongContent("the server gave a web page")
	case g.part.digest == "" && g.part.version != "" && otherVersion(resp.Header, g.part.version):
		return &trouble{kind: Interrupted, err: errChanged}
	case size >= 0 && size < g.part.n:
		return &trouble{kind: Corrupt, err: fmt.Errorf("%w: the server has only %d bytes", errDiffers, size)}
	}
	g.pass(resp, max(size, g.size), g.part.n)
	return nil
}

// pass lets a body through, but for its first skip bytes. size is of the whole file; not above 0
// where unknown.
func (g *guard) pass(resp *http.Response, size, skip int64) {
	b := &body{guard: g, ReadCloser: resp.Body, skip: skip, left: -1, exact: resp.ContentLength >= 0}
	b.delimited = delimited(resp)
	if skip > 0 {
		b.skipped = g.part.digest.Hash() // as part.sum
	}
	if g.part.digest == "" && resp.StatusCode == http.StatusOK {
		version := strong(resp.Header, g.c.now())
		b.begin = func() error { return g.part.setVersion(version) }
	}
	if size > 0 || resp.StatusCode == http.StatusOK && size == 0 {
		b.left = size - g.part.n
		g.learned(size)
	}
	resp.Body, resp.ContentLength = b, b.left
}

var (
	// errDiffers says that the partial file and the source's file do not begin alike.
	errDiffers = errors.New("what is there already is not the beginning of the file")
	// errChanged says that the source has another version now, so that what is there is worth
	// nothing.
	errChanged = errors.New("the file has changed at the source: it is begun anew")
	// errShort says that the bytes of a try are not the file's: the answer was whole, and too
	// short.
	errShort = errors.New("the server has less than the file")
)

// A body is what grab reads.
type body struct {
	*guard
	io.ReadCloser
	skip      int64        // bytes still to leave out
	skipped   hash.Hash    // of those left out; nil where there are none
	left      int64        // bytes still to come; -1 where unknown
	begin     func() error // called before the first byte that is new; nil: nothing is to be done
	exact     bool         // net/http knows the end, so there is no need to look behind it
	delimited bool         // the end can be told from a drop
}

func (b *body) Read(p []byte) (int, error) {
	for b.skip > 0 {
		n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.skip)])
		b.skipped.Write(p[:n])
		b.skip -= int64(n)
		if b.skip > 0 && err != nil {
			return 0, b.ended(err)
		}
		if b.skip == 0 && string(b.skipped.Sum(nil)) != string(b.part.sum.Sum(nil)) {
			return 0, b.differs()
		}
	}
	if b.begin != nil {
		if err := b.begin(); err != nil {
			return 0, err
		}
		b.begin = nil
	}
	if b.left == 0 {
		return 0, b.end()
	}
	if b.left > 0 {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.ReadCloser.Read(p)
	b.part.add(p[:n])
	if b.left > 0 {
		b.left -= int64(n)
	}
	if n > 0 {
		b.gained(int64(n))
	}
	switch {
	case b.left == 0: // all is here: how the connection ended is no matter
		return n, nil
	case err != nil && (b.left > 0 || err != io.EOF):
		return n, b.ended(err)
	}
	return n, err
}

// differs is the error for a body that does not begin as the partial file. One of the right length
// is believed. One of any length may be a captive portal's page, and no reason yet to lose what is
// there.
func (b *body) differs() error {
	if !b.exact && !b.part.doubted {
		b.part.doubted = true
		return wrongContent("the server's file begins with other bytes than those that are there already")
	}
	return &trouble{kind: Corrupt, err: errDiffers}
}

// ended is the error for a body that ended early.
func (b *body) ended(err error) error {
	switch {
	case err == io.EOF && b.delimited:
		return &trouble{kind: Corrupt, err: errShort}
	case err == io.EOF:
		return &trouble{kind: Interrupted, err: fmt.Errorf("the connection ended before the file: %w", io.ErrUnexpectedEOF)}
	}
	return err
}

// end makes sure that nothing comes behind the last byte.
func (b *body) end() error {
	if b.exact {
		return io.EOF
	}
	var one [1]byte
	if n, _ := io.ReadFull(b.ReadCloser, one[:]); n > 0 {
		return wrongContent("the server has more than the %d bytes of the file", b.part.n)
	}
	return io.EOF
}
