// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Get brings the small file that ref names, from the first of the URLs that gives it right. It
// returns an *Error, or one that is ctx.Err().
func (c *Client) Get(ctx context.Context, urls []string, ref tree.Ref) ([]byte, error) {
	if ref.Size < 0 || ref.Size > tree.MaxFile {
		return nil, &Error{Kind: Corrupt, Label: ref.Path, Err: fmt.Errorf("a size of %d bytes is not between 0 and %d", ref.Size, tree.MaxFile)}
	}
	return c.get(ctx, urls, small{label: ref.Path, size: ref.Size, limit: ref.Size, check: ref.Check})
}

// GetChecked is Get for a file of at most limit bytes that something else than its own digest
// vouches for: check is called with what a source gives as the whole file, again with what the next
// gives where it returned an error. The bytes are check's only for as long as it runs; those that it
// took are returned. Its errors are told to people, and must not quote what came: it may be of a
// file that only root reads. label is what errors call the file.
func (c *Client) GetChecked(ctx context.Context, urls []string, label string, limit int64, check func([]byte) error) ([]byte, error) {
	return c.get(ctx, urls, small{label: label, size: -1, limit: limit, check: check})
}

// A small is a file of Get.
type small struct {
	label string
	size  int64 // in bytes; -1 where unknown
	limit int64 // of size
	check func(whole []byte) error
}

func (c *Client) get(ctx context.Context, urls []string, f small) ([]byte, error) {
	var body []byte
	if f.size >= 0 {
		body = make([]byte, 0, f.size+1) // one byte more, so that reading to the end needs no larger buffer
	}
	quiet, stall := c.smallPatience(ctx, len(urls))
	err := c.persist(ctx, retrieval{label: f.label, urls: urls, quiet: quiet, hurried: isHurried(ctx), known: true, size: max(f.size, 0), try: func(ctx context.Context, url string, _ bool) (int64, error) {
		had := len(body)
		var err error
		body, err = c.getOnce(ctx, url, body, f, stall)
		gained := int64(len(body) - had)
		if err == nil {
			if err = f.check(body); err != nil {
				body, err = body[:0], wrongContent("%w", err)
			}
		}
		return gained, err
	}})
	if err != nil {
		return nil, err
	}
	return body, nil
}

type hurried struct{}

// Hurried makes Get and Revalidate give up early, at once where all refuse: whoever asks can do without. A try that was begun
// may still take the time that a link with a long way needs.
func Hurried(ctx context.Context) context.Context { return context.WithValue(ctx, hurried{}, true) }

func isHurried(ctx context.Context) bool { return ctx.Value(hurried{}) != nil }

const (
	hurriedQuiet = 2 * time.Second
	hurriedStall = 5 * time.Second
)

// smallPatience is how long a waiting person may be kept without a byte: by all tries together, and
// by one of so many sources.
func (c *Client) smallPatience(ctx context.Context, sources int) (quiet, stall time.Duration) {
	quiet = c.SmallRetryFor
	stall = min(c.stall, max(quiet/time.Duration(max(sources, 1)), min(quiet, 2*time.Second)))
	if isHurried(ctx) {
		quiet, stall = min(quiet, hurriedQuiet), min(stall, hurriedStall)
	}
	return quiet, stall
}

// smallFloor is how many bytes of a small file must come while a person waits as long as one may for
// none: a byte now and then is no better.
const smallFloor = 256

// getOnce adds to body, the beginning of the file that an earlier try brought, what is missing.
// Where nothing is there yet the answer may be compressed; its plain beginning can be continued as
// well as any other.
func (c *Client) getOnce(ctx context.Context, url string, body []byte, f small, stall time.Duration) ([]byte, error) {
	w := newWatchdog(ctx, stall, smallFloor)
	defer w.stop()
	req, err := c.request(w.ctx, url)
	if err != nil {
		return body, err
	}
	had := int64(len(body))
	if had > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", had))
		req.Header.Set("Accept-Encoding", "identity")
	}
	resp, err := c.do(c.known, req, w)
	if err != nil {
		return body, err
	}
	defer resp.Body.Close()
	size := f.size
	switch {
	case resp.StatusCode == http.StatusPartialContent && had > 0:
		r, err := parseContentRange(resp.Header.Get("Content-Range"))
		if size < 0 {
			size = r.Size
		}
		// Without the file's size its end can't be told from the range's.
		if err != nil || r.First != had || size < 0 || r.Size >= 0 && r.Size != size {
			return body[:0], &trouble{kind: Interrupted, err: fmt.Errorf("the bytes from %d on were asked for and %q came", had, resp.Header.Get("Content-Range"))}
		}
	case resp.StatusCode == http.StatusOK:
		if size < 0 {
			size = resp.ContentLength
		}
		if resp.ContentLength >= 0 && resp.ContentLength != size {
			return body[:0], wrongContent("the server has %d bytes and the file has %d", resp.ContentLength, size)
		}
		body = body[:0]
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return body[:0], &trouble{kind: Interrupted, err: fmt.Errorf("the server can't continue at byte %d", had)}
	default:
		discard(resp.Body)
		return body, unexpected(resp, c.now())
	}
	if size > f.limit {
		return body[:0], wrongContent("the server has %d bytes, more than the %d that are taken", size, f.limit)
	}
	most := f.limit
	if size >= 0 {
		most = size
		body = slices.Grow(body, int(size+1)-len(body))
	}
	body, err = readUpTo(body, resp.Body, most)
	switch {
	case int64(len(body)) > most:
		return body[:0], wrongContent("the server has more than %d bytes", most)
	case int64(len(body)) == size: // all is here: how the connection ended is no matter
		return body, nil
	case err != io.EOF:
		return body, asTrouble(err)
	case size < 0:
		return body, nil
	case resp.Uncompressed, delimited(resp): // no drop, or there was another error
		return body[:0], wrongContent("the server has %d bytes and the file has %d", len(body), size)
	}
	return body, &trouble{kind: Interrupted, err: fmt.Errorf("%d of %d bytes came", len(body), size)}
}

// readUpTo adds r's bytes to body until r ends, which is an error, or there are more than most: then
// there is one more.
func readUpTo(body []byte, r io.Reader, most int64) ([]byte, error) {
	for {
		body = slices.Grow(body, 1)
		n, err := r.Read(body[len(body):min(int64(cap(body)), most+1)])
		body = body[:len(body)+n]
		if err != nil || int64(len(body)) > most {
			return body, err
		}
	}
}

// asTrouble says that an error came over the network, as those of a broken compressed stream do.
func asTrouble(err error) error {
	var t *trouble
	if errors.As(err, &t) {
		return err
	}
	return &trouble{kind: Interrupted, err: err}
}

// An Answer is what a file that changes in place looks like now.
type Answer struct {
	// Body is the whole file; nil if Unchanged.
	Body []byte
	// ETag is for the next Revalidate. It is opaque: an entity tag, or a date where the source has
	// no tags; empty where the source gives nothing to go by.
	ETag string
	// Unchanged tells that the file is still the one that the given ETag came with.
	Unchanged bool
	// Date is what the source's clock says; zero where it doesn't tell.
	Date time.Time
}

// Revalidate asks whether the file at url, of at most limit bytes, is still the one that etag came
// with, and brings the new one if not. An empty etag always brings it. It returns an *Error, or one
// that is ctx.Err().
func (c *Client) Revalidate(ctx context.Context, url, etag string, limit int64) (Answer, error) {
	var a Answer
	label := url[strings.LastIndexByte(url, '/')+1:]
	quiet, stall := c.smallPatience(ctx, 1)
	err := c.persist(ctx, retrieval{label: label, urls: []string{url}, quiet: quiet, hurried: isHurried(ctx), try: func(ctx context.Context, url string, _ bool) (int64, error) {
		var err error
		a, err = c.revalidateOnce(ctx, url, etag, limit, stall)
		return 0, err
	}})
	if err != nil {
		return Answer{}, err
	}
	return a, nil
}

func (c *Client) revalidateOnce(ctx context.Context, url, etag string, limit int64, stall time.Duration) (Answer, error) {
	w := newWatchdog(ctx, stall, smallFloor)
	defer w.stop()
	req, err := c.request(w.ctx, url)
	if err != nil {
		return Answer{}, err
	}
	// A proxy on the way must ask its server too: a stale platform.json looks like an attack.
	req.Header.Set("Cache-Control", "no-cache")
	switch {
	case etag == "":
	case isEntityTag(etag):
		req.Header.Set("If-None-Match", etag)
	default:
		req.Header.Set("If-Modified-Since", etag)
	}
	resp, err := c.do(c.unknown, req, w)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		return Answer{ETag: etag, Unchanged: true}, nil
	case resp.StatusCode != http.StatusOK:
		discard(resp.Body)
		return Answer{}, unexpected(resp, c.now())
	case resp.ContentLength > limit:
		return Answer{}, wrongContent("the server has %d bytes, more than the %d that are taken", resp.ContentLength, limit)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return Answer{}, asTrouble(err)
	}
	if int64(len(body)) > limit {
		return Answer{}, wrongContent("the server has more than the %d bytes that are taken", limit)
	}
	if resp.ContentLength > int64(len(body)) {
		return Answer{}, &trouble{kind: Interrupted, err: fmt.Errorf("%d of %d bytes came", len(body), resp.ContentLength)}
	}
	date, _ := http.ParseTime(resp.Header.Get("Date")) // zero where there is none
	return Answer{Body: body, ETag: validator(resp.Header, c.now()), Date: date}, nil
}

// maxValidator is in bytes: it is stored.
const maxValidator = 256

// validator is what tells this version of a file from the next.
func validator(h http.Header, now time.Time) string {
	if tag := h.Get("ETag"); isEntityTag(tag) && len(tag) <= maxValidator {
		return tag
	}
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return ""
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	// Dates count seconds (on a USB stick two): a file that is younger than that may change and
	// keep its date.
	if now.Sub(modified) < 3*time.Second {
		return ""
	}
	return modified.UTC().Format(http.TimeFormat)
}

// isEntityTag tells whether a text is an entity tag that can be sent. Servers put more between the
// quotes than RFC 9110 lets them. What a torn file has there can be control characters: net/http
// refuses to send those.
func isEntityTag(s string) bool {
	s = strings.TrimPrefix(s, "W/")
	control := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
	return len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' && !strings.ContainsFunc(s, control)
}
