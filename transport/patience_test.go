// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// trickling serves content a few bytes at a time, until the reader is gone.
func trickling(content []byte, sent int, every time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		tick := time.NewTicker(every)
		defer tick.Stop()
		for at := 0; at < len(content); at += sent {
			w.Write(content[at:min(at+sent, len(content))])
			w.(http.Flusher).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}
}

// What trickles is cut and goes on elsewhere, and the next file doesn't begin there.
func TestFetchTooSlow(t *testing.T) {
	content := random(300 * kib)
	slow, fast := serve(t, trickling(content, 10, 10*time.Millisecond)), serve(t, good(content))
	c, k := newTestClient(t, Options{Parallel: 1})
	c.stall = 500 * time.Millisecond
	var files []File
	for range 3 {
		files = append(files, wanted(t, content, slow.URL+"/a", fast.URL+"/a"))
	}
	if err := c.Fetch(t.Context(), files, nil); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		mustHave(t, f.Path, content)
	}
	if n := len(slow.requests()); n != 1 {
		t.Errorf("the slow source was asked %d times", n)
	}
	if got := fast.requests()[0]; !strings.HasPrefix(got, "GET bytes=") {
		t.Errorf("what came slowly was asked for again: %q", got)
	}
	if k.slept > 0 {
		t.Errorf("waited %v", k.slept)
	}
}

// A connection that trickles is cut where there is no other source too.
func TestFetchCutsTrickles(t *testing.T) {
	content := random(300 * kib)
	o := serve(t, inTurn(trickling(content, 1, 10*time.Millisecond), good(content)))
	c, _ := newTestClient(t, Options{})
	c.stall = 300 * time.Millisecond
	f := wanted(t, content, o.URL)
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
}

// A link that is down in the middle is waited for, for minutes, and the person is told; then it
// goes on.
func TestFetchWaitsForTheLink(t *testing.T) {
	content := random(300 * kib)
	var down atomic.Bool
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		dropping(100*kib, good(content))(w, r)
	})
	c, k := newTestClient(t, Options{Parallel: 2})
	var waited atomic.Int64
	told := make(chan struct{})
	c.sleep = func(ctx context.Context, d time.Duration) error {
		if down.Load() && d >= noticed { // both are to wait, not one for five minutes before the other begins
			select {
			case <-told:
			case <-ctx.Done():
			}
		}
		if time.Duration(waited.Add(int64(d))) > 5*time.Minute {
			down.Store(false)
		}
		return k.sleep(ctx, d)
	}
	var said []bool
	var cut sync.Once
	files := []File{wanted(t, content, o.URL), wanted(t, content, o.URL)}
	err := c.Fetch(t.Context(), files, func(p Progress) {
		if p.Done > 100*kib {
			cut.Do(func() { waited.Store(0); down.Store(true) })
		}
		if len(said) == 0 || said[len(said)-1] != p.Waiting {
			said = append(said, p.Waiting)
			if p.Waiting && len(said) == 2 {
				close(told)
			}
		}
		k.sleep(t.Context(), reportEvery)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(said) < 3 || said[0] || !said[1] || said[len(said)-1] {
		t.Errorf("waited %v and said %v", time.Duration(waited.Load()), said)
	}
}

// Where there is no way to any source at the start nobody waits, and where all refuse not for long; in
// the middle, everybody does.
func TestFetchNowhere(t *testing.T) {
	content := random(100 * kib)
	o := serve(t, good(content))
	for _, test := range []struct {
		name string
		err  error
		at   bool // once
		soon bool // in two seconds
	}{
		{"no route", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, true, true},
		{"host unreachable", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, true, true},
		{"no such name", &net.DNSError{Err: "no such host", Name: "school", IsNotFound: true}, true, true},
		{"refused", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, false, true},
		{"name server silent", &net.DNSError{Err: "timeout", Name: "school", IsTimeout: true}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, k := newClientFor(t, Options{})
			dial := c.transport.DialContext
			var up atomic.Bool
			c.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if !up.Load() {
					return nil, test.err
				}
				return dial(ctx, network, addr)
			}
			f := wanted(t, content, "http://school.example/a", "http://mirror.example/a")
			mustBe(t, c.Fetch(t.Context(), []File{f}, nil), NoNetwork)
			if test.at != (k.slept == 0) || test.soon != (k.slept <= 2*time.Second) || k.slept > c.SmallRetryFor {
				t.Errorf("gave up after %v", k.slept)
			}
			k.slept = 0
			_, err := c.Revalidate(t.Context(), f.URLs[0], "", 100)
			mustBe(t, err, NoNetwork)
			if test.at != (k.slept == 0) || test.soon != (k.slept <= 2*time.Second) || !test.soon && k.slept < 5*time.Second {
				t.Errorf("a small file was given up after %v", k.slept)
			}
			k.slept = 0
			_, err = c.Revalidate(Hurried(t.Context()), f.URLs[0], "", 100)
			mustBe(t, err, NoNetwork)
			if test.soon != (k.slept == 0) || k.slept > 2*time.Second {
				t.Errorf("in a hurry: gave up after %v", k.slept)
			}

			up.Store(true)
			there := wanted(t, content, o.URL)
			if err := c.Fetch(t.Context(), []File{there}, nil); err != nil {
				t.Fatal(err)
			}
			up.Store(false)
			c.Close()
			k.slept = 0
			mustBe(t, c.Fetch(t.Context(), []File{f}, nil), NoNetwork)
			if k.slept < 5*time.Minute || k.slept > c.RetryFor {
				t.Errorf("with a network before: gave up after %v", k.slept)
			}
		})
	}
}

func TestFetchInBackground(t *testing.T) {
	content := random(300 * kib)
	o := serve(t, good(content))
	c, _ := newTestClient(t, Options{Parallel: 3, Background: true})
	if err := c.Fetch(t.Context(), []File{wanted(t, content, o.URL), wanted(t, content, o.URL), wanted(t, content, o.URL)}, nil); err != nil {
		t.Fatal(err)
	}
	if o.most.Load() != 1 {
		t.Errorf("%d connections at once", o.most.Load())
	}
}

// Two that want the same file, in two clients as in two processes, fetch it once.
func TestFetchOnceForTwo(t *testing.T) {
	content := random(500 * kib)
	waits := make(chan struct{})
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		<-waits
		good(content)(w, r)
	})
	f := wanted(t, content, o.URL)
	errs := make(chan error)
	for range 2 {
		c, k := newTestClient(t, Options{})
		var once atomic.Bool
		c.sleep = func(ctx context.Context, d time.Duration) error {
			if once.CompareAndSwap(false, true) {
				close(waits)
			}
			return k.sleep(ctx, d)
		}
		go func() { errs <- c.Fetch(t.Context(), []File{f}, nil) }()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	mustHave(t, f.Path, content)
	mustNotExist(t, f.Path+PartSuffix)
	if n := len(o.requests()); n != 1 {
		t.Errorf("%d requests: %q", n, o.requests())
	}
}

// A partial file that another program has is waited for, until the context ends.
func TestFetchLockedElsewhere(t *testing.T) {
	f := wanted(t, random(10), serve(t, good(random(10))).URL)
	part := f.Path + PartSuffix
	if err := os.WriteFile(part, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("flock", part, "sh", "-c", "echo locked; cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("NOT TESTED: %v", err)
	}
	out.Read(make([]byte, 7))
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := newTestClient(t, Options{})
	told := false
	c.sleep = func(ctx context.Context, d time.Duration) error { cancel(); return ctx.Err() }
	err = c.Fetch(ctx, []File{f}, func(p Progress) { told = told || p.Waiting })
	if !errors.Is(err, context.Canceled) || !told {
		t.Error(err, told)
	}
	in.Close()
	cmd.Wait()
	c.sleep = sleep
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Error(err)
	}
}

// The version of a file without a digest outlives the process.
func TestFetchVersionIsKept(t *testing.T) {
	old, content := random(300*kib+1), random(300*kib)
	version := `"old"`
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if version == `"old"` {
			dropping(100*kib, tagged(old, version))(w, r)
			return
		}
		tagged(content, version)(w, r)
	})
	f := wanted(t, content, o.URL)
	f.Size, f.Digest = 0, ""
	begin := func() {
		ctx, cancel := context.WithCancel(t.Context())
		c, k := newTestClient(t, Options{})
		c.Fetch(ctx, []File{f}, func(p Progress) {
			k.sleep(ctx, time.Second)
			if p.FileDone >= 50*kib {
				cancel()
			}
		})
	}
	begin()
	if b, _ := os.ReadFile(f.Path + PartSuffix + versionSuffix); string(b) != version {
		t.Errorf("the version kept is %q", b)
	}
	n := len(o.requests())
	begin()
	if got := o.requests()[n]; !strings.HasPrefix(got, "GET bytes=") {
		t.Errorf("not resumed: %q", got)
	}
	version = `"new"`
	c, _ := newTestClient(t, Options{})
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
	if left, _ := filepath.Glob(f.Path + "*"); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
}
