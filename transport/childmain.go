// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// RunChild is the main function of the child, which see. It makes the requests that come on
// descriptor 3 until that ends, and returns the exit status.
func RunChild(args []string) int {
	debug.SetGCPercent(25)
	runtime.GOMAXPROCS(1)
	if err := runChild(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return 0
}

func runChild(args []string) error {
	if len(args) != 2 || os.Geteuid() == 0 {
		return errors.New("pk-presolve starts this by itself, as another user than root")
	}
	parallel, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if err := limit(); err != nil {
		return err
	}
	parent := os.NewFile(3, "parent")
	conn, err := net.FileConn(parent)
	if err != nil {
		return err
	}
	parent.Close()
	requests, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("descriptor 3 is not what was expected")
	}
	t := connections(Options{Parallel: parallel, Background: args[1] == "true"})
	message, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	for {
		n, nr, _, _, err := requests.ReadMsgUnix(message, rights)
		if n == 0 || err != nil { // the helper has ended
			return nil
		}
		socket, err := received(rights[:nr])
		if err != nil { // there are too many, and the helper sees that this one ends
			continue
		}
		go reply(t, socket)
	}
}

// limit takes away what the child doesn't need. It makes no files, and where memory is short it is
// the first that the kernel ends.
func limit() error {
	unix.Umask(0o077)
	os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	for resource, most := range map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_NOFILE: 256, unix.RLIMIT_NPROC: 512} {
		var is unix.Rlimit
		if err := unix.Getrlimit(resource, &is); err != nil {
			return err
		}
		is.Max = min(is.Max, most)
		is.Cur = is.Max
		if err := unix.Setrlimit(resource, &is); err != nil {
			return err
		}
	}
	return nil
}

// received is the socket that came with a message.
func received(rights []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return nil, errors.New("a request without a socket")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("a request without a socket")
	}
	return os.NewFile(uintptr(fds[0]), "request"), nil
}

// reply makes the request that is asked for on a socket, and answers it there.
func reply(t *http.Transport, socket *os.File) {
	defer socket.Close()
	q, err := readQuestion(socket)
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // the helper sends nothing more, and closes its end where it has enough
		socket.Read(make([]byte, 1))
		cancel()
	}()
	r := &replier{to: socket}
	alive := time.AfterFunc(aliveAfter, r.alive)
	defer alive.Stop()
	resp, err := request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { r.connected(0) },
		GotConn: func(httptrace.GotConnInfo) { r.connected(1) },
	}), t, q)
	if err != nil {
		r.last(nil, err)
		return
	}
	defer resp.Body.Close()
	if r.answer(resp) != nil {
		return
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for {
		n, err := resp.Body.Read((*buf)[frameHead:])
		var frame []byte
		if n > 0 {
			appendFrame((*buf)[:0], frameData, (*buf)[frameHead:frameHead+n]) // in its place
			frame = (*buf)[:frameHead+n]
		}
		if err != nil {
			r.last(frame, err)
			return
		}
		if _, err := socket.Write(frame); err != nil {
			return
		}
	}
}

// buffers are for bodies on their way: as many bytes as grab writes at once.
var buffers = sync.Pool{New: func() any { b := make([]byte, frameHead+32<<10); return &b }}

func readQuestion(from io.Reader) (q question, err error) {
	_, size, err := readHead(from)
	if err != nil {
		return q, err
	}
	content, err := readContent(from, size)
	if err != nil {
		return q, err
	}
	return q, json.Unmarshal(content, &q)
}

func request(ctx context.Context, t *http.Transport, q question) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, q.URL, nil)
	if err != nil {
		return nil, errors.New("this is no URL that can be asked")
	}
	for name, value := range q.Header {
		req.Header.Set(name, string(value))
	}
	return t.RoundTrip(req)
}

// A replier writes frames, which may come from several goroutines until the answer.
type replier struct {
	to       io.Writer
	mu       sync.Mutex
	said     bool // anything
	answered bool
	is       byte // connected
}

// alive says that there is nothing to say yet.
func (r *replier) alive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.said {
		r.said = true
		r.to.Write(appendFrame(nil, frameAlive, nil))
	}
}

// connected says that there is a connection, or none any more.
func (r *replier) connected(is byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if is != r.is && !r.answered {
		r.said, r.is = true, is
		r.to.Write(appendFrame(nil, frameConnected, []byte{is}))
	}
}

func (r *replier) answer(resp *http.Response) error {
	a := answer{
		Status: resp.StatusCode, ProtoMajor: resp.ProtoMajor, Length: resp.ContentLength, Uncompressed: resp.Uncompressed,
		Chunked: slices.Contains(resp.TransferEncoding, "chunked"), Header: make(map[string][]byte),
	}
	for _, name := range answerHeaders {
		if value := resp.Header.Get(name); value != "" && len(value) <= maxHeader {
			a.Header[name] = []byte(value)
		}
	}
	content, err := json.Marshal(a)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said, r.answered = true, true
	_, err = r.to.Write(appendFrame(nil, frameAnswer, content))
	return err
}

// last writes frame and, behind it, how it ended.
func (r *replier) last(frame []byte, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var content []byte
	if err != io.EOF || !r.answered { // a server that hangs up before it answers gives io.EOF, too
		f := failureOf(err)
		f.Text = f.Text[:min(len(f.Text), maxHeader)]
		if content, err = json.Marshal(f); err != nil {
			return
		}
	}
	r.said, r.answered = true, true
	r.to.Write(appendFrame(frame, frameEnd, content))
}
