// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"syscall"
	"unicode"
)

// What this process and its child say to each other about one request, over a socket of the
// request's own. The child is believed as little as the server behind it: what it sends is bounded,
// and means nothing but what a server could have said.
//
// Frames are a byte for the kind, three for the size of what follows, big-endian. This process sends
// question. Of the child's, connected and alive come before answer, data after it, and end is the
// last.
const (
	frameQuestion  = 'q' // a question
	frameAlive     = 'w' // nothing else is to be said yet
	frameConnected = 'c' // a byte: 1: a connection is there; 0: it is no more, another one is made
	frameAnswer    = 'a' // an answer
	frameData      = 'd' // bytes of the body
	frameEnd       = 'e' // nothing where the body is whole, else a failure
)

const (
	frameHead = 4
	maxFrame  = 64 << 10
	// maxHeader is how long a header of an answer may be; a longer one is left out. All of them are
	// below maxFrame.
	maxHeader = 4 << 10
)

// A question is what is asked: a GET.
type question struct {
	URL    string
	Header map[string][]byte
}

// An answer is what transport looks at of an http.Response.
type answer struct {
	Status, ProtoMajor int
	Length             int64 // in bytes; -1: unknown
	Uncompressed       bool
	Chunked            bool
	Header             map[string][]byte
}

// answerHeaders are all that an answer has.
var answerHeaders = []string{"Content-Range", "Content-Type", "Date", "Etag", "Last-Modified", "Location", "Retry-After"}

// A failure is an error of a request, as far as anything is decided by it.
type failure struct {
	Text        string
	NoRoute     bool // this computer knows no way to the host
	NoServer    bool // the host, or the proxy, is there and nothing listens
	Certificate bool // the host's certificate is wrong
}

func (f *failure) Error() string { return f.Text }

var (
	errChildEnded = errors.New("the process that downloads has ended")
	// errNonsense says that the child isn't what was started.
	errNonsense = errors.New("the process that downloads doesn't answer as it should")
)

// appendFrame adds a frame to what is written to a socket.
func appendFrame(to []byte, kind byte, content []byte) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(kind)<<24|uint32(len(content)))
	return append(to, content...)
}

// readHead reads the head of a frame.
func readHead(from io.Reader) (kind byte, size int, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, 0, childEnded(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	kind, size = byte(n>>24), int(n&0xffffff)
	if size > maxFrame {
		return 0, 0, errNonsense
	}
	return kind, size, nil
}

// readContent reads what a frame has.
func readContent(from io.Reader, size int) ([]byte, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(from, b); err != nil {
		return nil, childEnded(err)
	}
	return b, nil
}

// An exchange is one request, as this process sees it. It is the body of its response, too.
type exchange struct {
	from    io.Reader
	close   func()
	heard   func() // called for each frame
	broken  func() // called where errNonsense came
	left    int64  // bytes of the body still to come; -1: unknown
	inFrame int    // of them, in the frame that has begun
	err     error  // how the body ended
}

// next reads the head of a frame.
func (x *exchange) next() (kind byte, size int, err error) {
	kind, size, err = readHead(x.from)
	if err == nil {
		x.heard()
	}
	return kind, size, err
}

func (x *exchange) ended(err error) {
	if errors.Is(err, errNonsense) {
		x.broken()
	}
}

func childEnded(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF || errors.Is(err, syscall.ECONNRESET) { // as where it hadn't read the question
		return errChildEnded
	}
	return err
}

// answer waits for the answer, and tells trace of the connection. The error is a *failure or one of
// the child.
func (x *exchange) answer(trace *httptrace.ClientTrace) (resp *http.Response, err error) {
	defer func() { x.ended(err) }()
	for {
		kind, size, err := x.next()
		if err != nil {
			return nil, err
		}
		content, err := readContent(x.from, size)
		if err != nil {
			return nil, err
		}
		switch {
		case kind == frameAlive:
		case kind == frameConnected && size == 1:
			x.connected(trace, content[0] == 1)
		case kind == frameEnd:
			return nil, readFailure(content)
		case kind == frameAnswer:
			return x.response(content)
		default:
			return nil, errNonsense
		}
	}
}

func (x *exchange) connected(trace *httptrace.ClientTrace, is bool) {
	switch {
	case trace == nil:
	case is && trace.GotConn != nil:
		trace.GotConn(httptrace.GotConnInfo{})
	case !is && trace.GetConn != nil:
		trace.GetConn("")
	}
}

func (x *exchange) response(content []byte) (*http.Response, error) {
	var a answer
	if err := json.Unmarshal(content, &a); err != nil || a.Status < 200 || a.Status > 999 || a.ProtoMajor < 1 || a.ProtoMajor > 2 || a.Length < -1 {
		return nil, errNonsense
	}
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)), StatusCode: a.Status, Proto: fmt.Sprintf("HTTP/%d", a.ProtoMajor), ProtoMajor: a.ProtoMajor,
		Header: make(http.Header), ContentLength: a.Length, Uncompressed: a.Uncompressed, Body: x,
	}
	if a.Chunked {
		resp.TransferEncoding = []string{"chunked"}
	}
	for _, name := range answerHeaders {
		value, ok := a.Header[name]
		if !ok {
			continue
		}
		if len(value) > maxHeader || strings.ContainsAny(string(value), "\r\n\x00") {
			return nil, errNonsense
		}
		resp.Header.Set(name, string(value))
	}
	x.left = a.Length
	return resp, nil
}

// readFailure reads what a frameEnd has that comes instead of an answer, or too early.
func readFailure(content []byte) error {
	f := new(failure)
	if err := json.Unmarshal(content, f); err != nil {
		return errNonsense
	}
	const most = 1 << 10
	f.Text = strings.ToValidUTF8(f.Text[:min(len(f.Text), most)], "")
	f.Text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, f.Text)
	return f
}

// Read implements io.Reader, for the body. Of a body whose length is known no other number of bytes
// comes without an error, as of net/http's.
func (x *exchange) Read(p []byte) (int, error) {
	if x.err == nil && x.inFrame == 0 {
		x.inFrame, x.err = x.data()
		x.ended(x.err)
	}
	if x.err != nil || len(p) == 0 {
		return 0, x.err
	}
	n, err := x.from.Read(p[:min(len(p), x.inFrame)])
	x.inFrame -= n
	if err != nil {
		x.err = childEnded(err)
	}
	return n, x.err
}

// data reads the head of the next frame of the body.
func (x *exchange) data() (size int, err error) {
	kind, size, err := x.next()
	switch {
	case err != nil:
		return 0, err
	case kind == frameEnd && size == 0 && x.left > 0:
		return 0, io.ErrUnexpectedEOF
	case kind == frameEnd && size == 0:
		return 0, io.EOF
	case kind == frameEnd:
		content, err := readContent(x.from, size)
		if err != nil {
			return 0, err
		}
		return 0, readFailure(content)
	case kind != frameData, size == 0, x.left >= 0 && int64(size) > x.left:
		return 0, errNonsense
	}
	if x.left > 0 {
		x.left -= int64(size)
	}
	return size, nil
}

// Close implements io.Closer: the child ends the request.
func (x *exchange) Close() error {
	x.close()
	return nil
}
