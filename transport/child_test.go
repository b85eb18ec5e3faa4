// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// throughChild is the variable that makes all clients of the tests have a child.
const throughChild = "PRESOLVE_THROUGH_CHILD"

// childUser is the user whose process downloads.
func childUser(t testing.TB) *syscall.Credential {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("CI") != "" {
		missing = t.Fatalf
	}
	if os.Geteuid() != 0 {
		missing("NOT TESTED, this needs root")
	}
	u, err := user.Lookup("_pk-presolve")
	if err != nil {
		missing("NOT TESTED: %v: run ./setup", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// certificateFile has the certificate of httptest's servers, for everybody to read.
func certificateFile(t testing.TB) string {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	f, err := os.CreateTemp("", "presolve-certificate-")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	t.Cleanup(func() { os.Remove(f.Name()) })
	if err := f.Chmod(0o644); err != nil {
		t.Fatal(err)
	}
	if err := pem.Encode(f, &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// All tests of this package a second time, the requests being made by a child.
func TestThroughChild(t *testing.T) {
	if os.Getenv(throughChild) != "" {
		t.Skip("this is it")
	}
	childUser(t)
	all := exec.Command("/proc/self/exe", "-test.count=1")
	all.Env = append(os.Environ(), throughChild+"=1")
	if out, err := all.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// withChild makes a client that has a child, which runs, and may end.
func withChild(t *testing.T) *Client {
	c, _ := newClientFor(t, Options{User: childUser(t), Log: hclog.NewNullLogger()})
	return c
}

// A complaint is a log that must stay empty.
type complaint struct{ t *testing.T }

func (c complaint) Write(line []byte) (int, error) {
	c.t.Errorf("%s", line)
	return len(line), nil
}

// processStatus is what /proc has of a process, by the words before the colons.
func processStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		all[name] = strings.Join(strings.Fields(value), " ")
	}
	return all
}

// What the child is, has and sees, while it downloads from a source with a password through a proxy
// with one.
func TestChildIsConfined(t *testing.T) {
	left, err := os.CreateTemp(t.TempDir(), "left-open")
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close()
	if _, err := unix.FcntlInt(left.Fd(), unix.F_SETFD, 0); err != nil { // as a program may that starts the helper
		t.Fatal(err)
	}
	content := random(10)
	asked, look := make(chan string), make(chan struct{})
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Host + " " + r.Header.Get("Authorization") + " " + r.Header.Get("Proxy-Authorization")
		<-look
		good(content)(w, r)
	})
	t.Setenv("http_proxy", strings.Replace(proxy.URL, "//", "//me:ProxySecret@", 1))
	t.Setenv("SECRET", "EnvironmentSecret")
	c := withChild(t)
	fetched := make(chan error, 1)
	go func() {
		_, err := c.Get(t.Context(), []string{"http://me:Secret@school.example/a"}, tree.NewRef("a@", content, ""))
		fetched <- err
	}()
	const basic = "Basic bWU6"
	if got := <-asked; !strings.HasPrefix(got, "school.example "+basic) || strings.Count(got, basic) != 2 {
		t.Errorf("the proxy was asked for %q", got)
	}
	pid, user := c.child.runs.cmd.Process.Pid, c.child.user
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatal(tasks, err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			t.Fatal(err)
		}
		is, same := processStatus(t, id), func(n uint32) string { return fmt.Sprintf("%d %d %d %d", n, n, n, n) }
		for name, want := range map[string]string{
			"Uid": same(user.Uid), "Gid": same(user.Gid), "Groups": "", "NoNewPrivs": "1", "Umask": "0077", "PPid": strconv.Itoa(os.Getpid()),
			"CapInh": "0000000000000000", "CapPrm": "0000000000000000", "CapEff": "0000000000000000", "CapAmb": "0000000000000000",
		} {
			if is[name] != want {
				t.Errorf("the thread %d has %s %q and not %q", id, name, is[name], want)
			}
		}
	}
	read := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if line := read("cmdline"); line != "pk-presolve\x00"+ChildArgument+"\x0016\x00false\x00" {
		t.Errorf("it is called %q", line)
	}
	if env := read("environ"); strings.Contains(env, "EnvironmentSecret") || strings.Contains(env, "PATH=") || !strings.Contains(env, "http_proxy=") {
		t.Errorf("it sees %q", env)
	}
	for line := range strings.Lines(read("limits")) {
		for name, want := range map[string]string{"Max core file size": "0 0", "Max file size": "0 0", "Max open files": "256 256", "Max processes": "512 512"} {
			if value, ok := strings.CutPrefix(line, name); ok && !strings.HasPrefix(strings.Join(strings.Fields(value), " "), want) {
				t.Errorf("%q", line)
			}
		}
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err != nil || cwd != "/" {
		t.Errorf("it is in %q, %v", cwd, err)
	}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		what, _ := os.Readlink(fd)
		own := strings.HasPrefix(what, "/sys/fs/cgroup/") // Go's runtime looks how many processors it may have
		if kind, _, _ := strings.Cut(what, ":"); what != "/dev/null" && kind != "socket" && kind != "pipe" && kind != "anon_inode" && !own {
			t.Errorf("it has %s open", what)
		}
	}
	close(look)
	if err := <-fetched; err != nil {
		t.Error(err)
	}
	// What else root starts has lost nothing.
	for range 10 {
		if out, err := exec.Command("grep", "-E", "^(Uid|NoNewPrivs):", "/proc/self/status").CombinedOutput(); err != nil || strings.ContainsAny(string(out), "123456789") {
			t.Errorf("another program has %q, %v", out, err)
		}
	}
}

// Where nothing is asked of the network there is no child.
func TestChildIsNotStarted(t *testing.T) {
	c := New(Options{User: childUser(t), Folders: func() []string { return []string{os.TempDir()} }})
	defer c.Close()
	content := random(10)
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), []string{"file://" + path}, tree.NewRef("a@", content, "")); err != nil {
		t.Error(err)
	}
	if c.child.runs != nil {
		t.Error("a child was started for a file")
	}
}

// pid is the child's that runs, or did last.
func (c *child) pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.runs.cmd.Process.Pid
}

// A child that is killed in the middle, again and again, costs no byte that has come.
func TestChildIsKilled(t *testing.T) {
	const step = 200 * kib
	content := random(5*step - 7)
	c, k := newClientFor(t, Options{User: childUser(t), Log: hclog.NewNullLogger()})
	var mu sync.Mutex
	came, done := sync.NewCond(&mu), int64(0)
	killed := make(map[int]bool)
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		first := 0
		if rng := r.Header.Get("Range"); rng != "" {
			fmt.Sscanf(rng, "bytes=%d-", &first)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, len(content)-1, len(content)))
			w.WriteHeader(http.StatusPartialContent)
		}
		end := min(first+step, len(content))
		w.Write(content[first:end])
		if end == len(content) {
			return
		}
		w.(http.Flusher).Flush()
		mu.Lock()
		for done < int64(end) && r.Context().Err() == nil {
			came.Wait()
		}
		mu.Unlock()
		pid := c.child.pid()
		killed[pid] = true
		syscall.Kill(pid, syscall.SIGKILL)
		<-r.Context().Done()
	})
	f := wanted(t, content, o.URL)
	err := c.Fetch(t.Context(), []File{f}, func(p Progress) {
		k.sleep(t.Context(), reportEvery)
		mu.Lock()
		defer mu.Unlock()
		done = p.FileDone
		came.Broadcast()
	})
	if err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
	if sent := o.sent.Load(); sent > int64(len(content))*101/100 || len(killed) != 4 {
		t.Errorf("%d bytes were sent for %d, %d processes were killed", sent, len(content), len(killed))
	}
}

// A child that was killed meanwhile, or has ended because nothing was asked, is followed by another.
func TestChildIsStartedAgain(t *testing.T) {
	content := random(10)
	c := withChild(t)
	o := serve(t, good(content))
	pids := make(map[int]bool)
	for _, end := range []func(*process){
		func(p *process) { syscall.Kill(p.cmd.Process.Pid, syscall.SIGKILL); <-p.ended },
		func(p *process) { p.idle.Reset(0); <-p.ended },
		func(p *process) {},
	} {
		if _, err := c.Get(t.Context(), []string{o.URL}, tree.NewRef("a@", content, "")); err != nil {
			t.Fatal(err)
		}
		pids[c.child.pid()] = true
		end(c.child.runs)
	}
	if len(pids) != 3 {
		t.Errorf("the processes were %v", pids)
	}
}

// A child that hangs is ended, and the request goes to another.
func TestChildHangs(t *testing.T) {
	content := random(10)
	c := withChild(t)
	c.stall, c.child.hangsAfter = 3*aliveAfter, aliveAfter
	hung := c.child.runs
	if err := syscall.Kill(hung.cmd.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), []string{serve(t, good(content)).URL}, tree.NewRef("a@", content, "")); err != nil {
		t.Error(err)
	}
	<-hung.ended
}

// A server that says nothing is no reason to end the child.
func TestChildOfSilentServer(t *testing.T) {
	c := withChild(t)
	c.child.hangsAfter = aliveAfter
	pid := c.child.pid()
	ctx, cancel := context.WithCancel(t.Context())
	silent := serve(t, func(w http.ResponseWriter, r *http.Request) {
		time.AfterFunc(3*aliveAfter, cancel)
		<-r.Context().Done()
	})
	_, err := c.Get(ctx, []string{silent.URL}, tree.NewRef("a@", random(10), ""))
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if c.child.runs.wanted.Load() || c.child.pid() != pid {
		t.Error("the child was ended")
	}
}

// childSays is the variable that makes the child say something else than it should.
const childSays = "PRESOLVE_CHILD_SAYS"

func runHostileChild() int {
	conn, err := net.FileConn(os.NewFile(3, "parent"))
	if err != nil {
		return 2
	}
	says, err := strconv.Unquote(os.Getenv(childSays))
	if err != nil {
		return 2
	}
	rights := make([]byte, unix.CmsgSpace(4))
	for {
		n, nr, _, _, err := conn.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), rights)
		if n == 0 || err != nil {
			return 0
		}
		socket, err := received(rights[:nr])
		if err != nil {
			return 2
		}
		defer socket.Close()
		io.WriteString(socket, says)
	}
}

// frame is one that a child may send.
func frame(kind byte, content string) string {
	return string(appendFrame(nil, kind, []byte(content)))
}

const fullAnswer = `{"Status": 200, "ProtoMajor": 1, "Length": 5, "Header": {"Etag": "InYi"}}`

// What a child may say that isn't what it should be, or was taken over.
var hostile = []struct {
	name, says string
	err        error
}{
	{"nothing", "", errChildEnded},
	{"half a head", "a\x00", errChildEnded},
	{"half a frame", "a\x00\x00\x05{", errChildEnded},
	{"too long a frame", "a\x01\x00\x01" + strings.Repeat(" ", 1<<16) + "1", errNonsense},
	{"no such frame", frame('x', ""), errNonsense},
	{"no answer before the body", frame(frameData, "12345"), errNonsense},
	{"a connection of another kind", frame(frameConnected, "12"), errNonsense},
	{"no connection", frame(frameConnected, ""), errNonsense},
	{"no JSON", frame(frameAnswer, "{"), errNonsense},
	{"another type", frame(frameAnswer, `{"Status": "200"}`), errNonsense},
	{"no status", frame(frameAnswer, `{"ProtoMajor": 1}`), errNonsense},
	{"an interim status", frame(frameAnswer, `{"Status": 101, "ProtoMajor": 1}`), errNonsense},
	{"no protocol", frame(frameAnswer, `{"Status": 200}`), errNonsense},
	{"a negative length", frame(frameAnswer, `{"Status": 200, "ProtoMajor": 1, "Length": -2}`), errNonsense},
	{"two lines in a header", frame(frameAnswer, `{"Status": 200, "ProtoMajor": 1, "Header": {"Etag": "IgoiCg=="}}`), errNonsense},
	{"too long a header", frame(frameAnswer, `{"Status": 200, "ProtoMajor": 1, "Header": {"Etag": "`+strings.Repeat("aaaa", maxHeader/3+1)+`"}}`), errNonsense},
	{"no failure", frame(frameEnd, ""), errNonsense},
	{"a broken failure", frame(frameEnd, "["), errNonsense},
	{"more than the body", frame(frameAnswer, fullAnswer) + frame(frameData, "123456"), errNonsense},
	{"more than the body, later", frame(frameAnswer, fullAnswer) + frame(frameData, "12345") + frame(frameData, "6"), errNonsense},
	{"an empty frame of the body", frame(frameAnswer, fullAnswer) + frame(frameData, ""), errNonsense},
	{"two answers", frame(frameAnswer, fullAnswer) + frame(frameAnswer, fullAnswer), errNonsense},
	{"less than the body", frame(frameAnswer, fullAnswer) + frame(frameData, "1234") + frame(frameEnd, ""), io.ErrUnexpectedEOF},
	{"half the body", frame(frameAnswer, fullAnswer) + frame(frameData, "12345")[:6], errChildEnded},
}

// exchangeOf is an exchange with a child that says just this.
func exchangeOf(says string) *exchange {
	nothing := func() {}
	return &exchange{from: strings.NewReader(says), close: nothing, heard: nothing, broken: nothing}
}

func TestHostileChild(t *testing.T) {
	for _, test := range hostile {
		x := exchangeOf(test.says)
		resp, err := x.answer(nil)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
		}
		if !errors.Is(err, test.err) {
			t.Errorf("%s: %v and not %v", test.name, err, test.err)
		}
	}
	c := withChild(t)
	c.child.env = append(c.child.env, childSays+"="+strconv.Quote(frame('x', "")))
	c.child.Close()
	content := random(10)
	_, err := c.Get(t.Context(), []string{serve(t, good(content)).URL}, tree.NewRef("a@", content, ""))
	if mustBe(t, err, NoNetwork); !errors.Is(err, errNonsense) {
		t.Error(err)
	}
	<-c.child.runs.ended
}

// An error means the same on both sides, and its text is for people.
func TestFailures(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want failure
	}{
		{"refused", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, failure{Text: "dial: connect: connection refused", NoServer: true}},
		{"no route", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, failure{Text: "dial: connect: network is unreachable", NoRoute: true}},
		{"no such name", &net.DNSError{Err: "no such host", Name: "school", IsNotFound: true}, failure{Text: "lookup school: no such host", NoRoute: true}},
		{"name server silent", &net.DNSError{Err: "timeout", Name: "school", IsTimeout: true}, failure{Text: "lookup school: timeout"}},
		{"hangs up", io.EOF, failure{Text: "EOF"}},
		{"certificate", &tls.CertificateVerificationError{Err: errors.New("expired")}, failure{Text: "tls: failed to verify certificate: expired", Certificate: true}},
		{"odd characters", errors.New("a\x1b[2Jb\nc\xff\u202e"), failure{Text: "a\ufffd[2Jb\ufffdc\ufffd\ufffd"}},
		{"long", errors.New(strings.Repeat("long", 10000)), failure{Text: strings.Repeat("long", 256)}},
	} {
		var sent bytes.Buffer
		(&replier{to: &sent}).last(nil, test.err)
		_, err := exchangeOf(sent.String()).answer(nil)
		if got := failureOf(err); *got != test.want {
			t.Errorf("%s: %+v", test.name, *got)
		}
		if here, there := unanswered(test.err, false), unanswered(err, false); here.kind != there.kind || here.noRoute != there.noRoute || here.refused != there.refused {
			t.Errorf("%s: here it is %v, %v, and through a child %v, %v", test.name, here.kind, here.noRoute, there.kind, there.noRoute)
		}
	}
}

// What the child answers is what it was told.
func TestAnswers(t *testing.T) {
	long := strings.Repeat("x", maxHeader+1)
	for _, want := range []*http.Response{
		{StatusCode: 200, ProtoMajor: 1, ContentLength: 5, Header: http.Header{"Etag": {"\"\xe9\""}, "Content-Type": {"text/html"}}},
		{StatusCode: 302, ProtoMajor: 2, ContentLength: -1, Header: http.Header{"Location": {"/b"}, "Server": {"x"}, "Date": {long}}},
		{StatusCode: 206, ProtoMajor: 1, ContentLength: -1, TransferEncoding: []string{"chunked"}, Header: http.Header{"Content-Range": {"bytes 0-4/5"}}},
		{StatusCode: 200, ProtoMajor: 1, ContentLength: -1, Uncompressed: true, Header: http.Header{}},
	} {
		var sent bytes.Buffer
		r := &replier{to: &sent}
		r.alive()
		r.connected(1)
		r.connected(1)
		r.connected(0)
		r.connected(1)
		r.answer(want)
		r.alive()
		r.connected(0)
		r.last(appendFrame(nil, frameData, []byte("12345")), io.EOF)
		var connected []bool
		got, err := exchangeOf(sent.String()).answer(&httptrace.ClientTrace{
			GetConn: func(string) { connected = append(connected, false) },
			GotConn: func(httptrace.GotConnInfo) { connected = append(connected, true) },
		})
		if err != nil {
			t.Fatal(err)
		}
		header := maps.Clone(want.Header)
		maps.DeleteFunc(header, func(name string, value []string) bool { return name == "Server" || len(value[0]) > maxHeader })
		if got.StatusCode != want.StatusCode || got.ProtoMajor != want.ProtoMajor || got.ContentLength != want.ContentLength || got.Uncompressed != want.Uncompressed ||
			!slices.Equal(got.TransferEncoding, want.TransferEncoding) || !maps.EqualFunc(got.Header, header, slices.Equal) || !slices.Equal(connected, []bool{true, false, true}) {
			t.Errorf("%+v became %+v, connected %v", want, got, connected)
		}
		if body, err := io.ReadAll(got.Body); err != nil || string(body) != "12345" {
			t.Errorf("%q, %v", body, err)
		}
	}
}

// Whatever a child says, no more comes of it than a server could have said.
func FuzzExchange(f *testing.F) {
	for _, h := range hostile {
		f.Add([]byte(h.says))
	}
	f.Add([]byte(frame(frameConnected, "\x01") + frame(frameAnswer, fullAnswer) + frame(frameData, "12345") + frame(frameEnd, "")))
	f.Add([]byte(frame(frameAlive, "") + frame(frameEnd, `{"Text": "lookup school: no such host", "NoRoute": true}`)))
	f.Fuzz(func(t *testing.T, says []byte) {
		x := exchangeOf(string(says))
		resp, err := x.answer(nil)
		if err == nil {
			for name, value := range resp.Header {
				if !slices.Contains(answerHeaders, name) || len(value) != 1 || len(value[0]) > maxHeader || strings.ContainsAny(value[0], "\r\n\x00") {
					t.Errorf("the header %q is %q", name, value)
				}
			}
			var body []byte
			body, err = io.ReadAll(resp.Body)
			if err == nil && resp.ContentLength >= 0 && int64(len(body)) != resp.ContentLength || len(body) > len(says) {
				t.Errorf("%d bytes came of %d", len(body), resp.ContentLength)
			}
		}
		if err != nil && len(failureOf(err).Text) > 4<<10 {
			t.Errorf("the error has %d bytes", len(err.Error()))
		}
	})
}

// What a small file takes, of which another process does the half.
func BenchmarkSmall(b *testing.B) {
	content := random(kib)
	server := httptest.NewServer(good(content))
	defer server.Close()
	for name, user := range map[string]*syscall.Credential{"one process": nil, "two": childUser(b)} {
		b.Run(name, func(b *testing.B) {
			c := New(Options{User: user})
			defer c.Close()
			for b.Loop() {
				if _, err := c.Get(b.Context(), []string{server.URL}, tree.NewRef("a@", content, "")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("two, the first", func(b *testing.B) {
		for b.Loop() {
			c := New(Options{User: childUser(b)})
			if _, err := c.Get(b.Context(), []string{server.URL}, tree.NewRef("a@", content, "")); err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
}
