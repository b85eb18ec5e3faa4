// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// ChildArgument is the first argument of the program where it is to be the child: it then calls
// RunChild with those that follow, and nothing else.
const ChildArgument = "--download-for-helper"

const (
	// aliveAfter is how soon the child says that it has a request, where there is nothing else to
	// say.
	aliveAfter = time.Second / 2
	// A child that is asked and says nothing for so long hangs.
	hangsAfter = 5 * time.Second
	// A child that isn't asked for so long has no connection left, and ends.
	childIdle = idleConnections
)

// childEnvironment are the variables that a child sees: net/http's, crypto/x509's and the
// resolver's.
var childEnvironment = []string{
	"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "REQUEST_METHOD",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "LOCALDOMAIN", "RES_OPTIONS", "GODEBUG",
}

// A child is the process of another user that makes the requests of a Client, an http.RoundTripper.
// It is this program, started when it is first needed, and again where it has ended.
type child struct {
	user *syscall.Credential
	args []string
	env  []string
	log  hclog.Logger
	// hangsAfter is the constant, but for tests.
	hangsAfter time.Duration
	mu         sync.Mutex
	runs       *process // nil: none does
}

// A process is one run of the child.
type process struct {
	cmd    *exec.Cmd
	to     *net.UnixConn // takes the socket of each request, with a message of one byte
	said   beginning     // on stderr
	ended  chan struct{} // closed when it has
	wanted atomic.Bool   // that it ends: nothing more is asked of it
	begun  time.Time
	silent atomic.Int64 // when it was first asked since it said something, after begun; 0: it wasn't

	// of child.mu
	asking int // requests
	idle   *time.Timer
}

func newChild(o Options) *child {
	return &child{user: o.User, args: []string{strconv.Itoa(o.Parallel), strconv.FormatBool(o.Background)}, env: childEnv(os.Environ()), log: o.Log, hangsAfter: hangsAfter}
}

// RoundTrip implements http.RoundTripper, for GETs.
func (c *child) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	p, socket, err := c.ask(req)
	if err != nil {
		return nil, err
	}
	asked := time.Now()
	stop := context.AfterFunc(ctx, func() { socket.Close() })
	end := func(why string) {
		c.log.Warn("the process that downloads is ended", "pid", p.cmd.Process.Pid, "because", why)
		p.kill()
	}
	x := &exchange{
		from: interrupted{socket, ctx}, heard: func() { p.silent.Store(0) }, broken: func() { end("it doesn't answer as it should") },
		close: sync.OnceFunc(func() {
			stop()
			socket.Close()
			c.answered(p)
		}),
	}
	resp, err := x.answer(httptrace.ContextClientTrace(ctx))
	if err != nil {
		x.close()
		if since := p.silent.Load(); since > 0 && time.Since(asked) > 2*aliveAfter && time.Since(p.begun)-time.Duration(since) > c.hangsAfter {
			end("it hangs")
		}
		return nil, err
	}
	resp.Request = req
	return resp, nil
}

// interrupted is a socket whose errors say that it was closed because ctx has ended.
type interrupted struct {
	*os.File
	ctx context.Context
}

func (i interrupted) Read(p []byte) (int, error) {
	n, err := i.File.Read(p)
	if errors.Is(err, os.ErrClosed) && i.ctx.Err() != nil {
		err = context.Cause(i.ctx)
	}
	return n, err
}

// ask gives a request to the child. The caller closes the socket on which it is answered, and then
// calls answered.
func (c *child) ask(req *http.Request) (*process, *os.File, error) {
	q, err := json.Marshal(questionOf(req))
	if err != nil || len(q) > maxFrame {
		return nil, nil, errors.New("the request is too long")
	}
	message := appendFrame(nil, frameQuestion, q)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("asking the process that downloads: %w", err)
	}
	defer unix.Close(pair[1])
	socket := os.NewFile(uintptr(pair[0]), "request")
	for again := true; ; again = false {
		p, err := c.running()
		if err != nil {
			socket.Close()
			return nil, nil, err
		}
		p.silent.CompareAndSwap(0, int64(time.Since(p.begun)))
		p.to.SetWriteDeadline(time.Now().Add(c.hangsAfter))
		_, _, err = p.to.WriteMsgUnix([]byte{0}, unix.UnixRights(pair[1]), nil)
		if err == nil {
			socket.SetWriteDeadline(time.Now().Add(c.hangsAfter))
			if _, err = socket.Write(message); err == nil {
				return p, socket, nil
			}
		}
		p.kill()
		<-p.ended
		c.answered(p)
		if !again { // it had ended, or hung: the next one has neither
			socket.Close()
			return nil, nil, fmt.Errorf("asking the process that downloads: %w", err)
		}
	}
}

// questionOf is a request as the child is told it. A password is in its headers.
func questionOf(req *http.Request) question {
	u := *req.URL
	u.User = nil
	q := question{URL: u.String(), Header: make(map[string][]byte)}
	for name := range req.Header {
		q.Header[name] = []byte(req.Header.Get(name))
	}
	return q
}

// running is the process, with one request more.
func (c *child) running() (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil || c.runs.wanted.Load() || isClosed(c.runs.ended) {
		var err error
		if c.runs, err = c.start(); err != nil {
			c.runs = nil
			return nil, fmt.Errorf("starting the process that downloads, of the user %d: %w", c.user.Uid, err)
		}
	}
	c.runs.asking++
	c.runs.idle.Stop()
	return c.runs, nil
}

// answered says that a request has ended.
func (c *child) answered(p *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.asking--; p.asking == 0 {
		p.idle.Reset(childIdle)
	}
}

// Close ends the child. Nothing may be asked any more.
func (c *child) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs != nil {
		c.runs.idle.Stop()
		c.runs.kill()
		<-c.runs.ended
		c.runs = nil
	}
}

func (c *child) start() (*process, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "child"), os.NewFile(uintptr(pair[1]), "parent")
	defer theirs.Close()
	to, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, err
	}
	p := &process{to: to.(*net.UnixConn), begun: time.Now(), ended: make(chan struct{})}
	p.cmd = &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{"pk-presolve", ChildArgument}, c.args...), Dir: "/",
		Env: c.env, ExtraFiles: []*os.File{theirs}, Stderr: &p.said,
		WaitDelay: time.Second, // what it has started may hold its stderr
		SysProcAttr: &syscall.SysProcAttr{
			Credential: c.user,
			Setsid:     true, // or it could type into root's terminal
			Pdeathsig:  syscall.SIGKILL,
		},
	}
	p.idle = time.AfterFunc(childIdle, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if p.asking == 0 {
			p.kill()
		}
	})
	started := make(chan error, 1)
	go p.run(c.log, started)
	if err := <-started; err != nil {
		p.idle.Stop()
		to.Close()
		return nil, err
	}
	return p, nil
}

// run starts the process, says so, and waits for its end.
func (p *process) run(log hclog.Logger, started chan<- error) {
	// And never unlocked: the thread ends with the goroutine. The kernel kills the process when the
	// thread ends that started it, and gives it what the thread may no more.
	runtime.LockOSThread()
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if errors.Is(err, unix.EINVAL) { // Linux before 3.5
		err = nil
	}
	if err == nil {
		err = closeOnExec()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	started <- err
	if err != nil {
		return
	}
	log.Debug("the process that downloads was started", "pid", p.cmd.Process.Pid)
	err = p.cmd.Wait()
	if !p.wanted.Load() {
		log.Warn("the process that downloads has ended", "pid", p.cmd.Process.Pid, "error", err, "said", strconv.Quote(string(p.said)))
	}
	p.to.Close()
	close(p.ended)
}

// kill ends the process: it has nothing that would have to be put right.
func (p *process) kill() {
	p.wanted.Store(true)
	p.cmd.Process.Kill()
}

// closeOnExec closes to programs that are started what whoever started this one has left open.
func closeOnExec() error {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, f := range all {
		if fd, err := strconv.Atoi(f.Name()); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// childEnv is what a child sees of an environment.
func childEnv(all []string) []string {
	return slices.DeleteFunc(all, func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return !slices.Contains(childEnvironment, name)
	})
}

// beginning is the first of what is written to it.
type beginning []byte

func (b *beginning) Write(p []byte) (int, error) {
	const most = 4 << 10
	*b = append(*b, p[:min(len(p), most-len(*b))]...)
	return len(p), nil
}
