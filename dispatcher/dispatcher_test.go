// SPDX-License-Identifier: GPL-2.0-or-later

package dispatcher

import (
	"context"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A helper is a dispatcher that runs, with both ends of its pipes.
type helper struct {
	t       *testing.T
	d       *Dispatcher
	in      *io.PipeWriter
	out     *io.PipeReader
	signals chan os.Signal
	exit    chan int
	entered chan struct{} // an op that waits has begun
	release chan struct{} // lets it go on
}

// start runs a dispatcher. Its ops are under resolve, and what they do is what is to be resolved.
func start(t *testing.T, change func(*Dispatcher), first ...string) *helper {
	t.Helper()
	in, stdin := io.Pipe()
	stdout, out := io.Pipe()
	h := &helper{t: t, in: stdin, out: stdout, signals: make(chan os.Signal, 4), exit: make(chan int, 1), entered: make(chan struct{}, 9), release: make(chan struct{})}
	resolve := func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		switch r.Values[0] {
		case "fails":
			return errors.New("an inner error")
		case "fails-known":
			return wire.Errorf(wire.PackageNotFound, "no such package")
		case "panics":
			panic("oh no")
		case "panics-by-index":
			_ = r.Values[len(r.Values)]
		case "waits":
			h.entered <- struct{}{}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-h.release:
			}
		case "waits-in-any-case":
			h.entered <- struct{}{}
			<-h.release
			return ctx.Err()
		case "writes":
			for ctx.Err() == nil {
				w.Files(wire.PackageID{Name: "x"}, nil)
			}
			return ctx.Err()
		}
		w.Package(wire.InfoAvailable, wire.PackageID{Name: r.Values[0]}, "")
		return nil
	}
	h.d = &Dispatcher{Mux: ops.Mux{"resolve": ops.Func(resolve)}, In: in, Out: out, Signals: h.signals, Idle: time.Hour, Stays: true, Dialect: wire.V1_2, Log: hclog.NewNullLogger()}
	if change != nil {
		change(h.d)
	}
	go func() {
		h.exit <- h.d.Run(first)
		out.Close()
	}()
	t.Cleanup(func() {
		stdin.Close()
		stdout.Close()
		// No sleep: the goroutines that must end are waited for, and if they don't the test's
		// timeout shows them.
		for buf := make([]byte, 1<<20); strings.Contains(string(buf[:runtime.Stack(buf, true)]), "dispatcher.(*Dispatcher)."); {
			runtime.Gosched()
		}
	})
	return h
}

// send writes to the helper's stdin.
func (h *helper) send(text string) {
	h.t.Helper()
	if _, err := io.WriteString(h.in, text); err != nil {
		h.t.Fatal(err)
	}
}

// ends reads all that is left on stdout and compares it and the exit status.
func (h *helper) ends(status int, want ...string) {
	h.t.Helper()
	got, err := io.ReadAll(h.out)
	if err != nil {
		h.t.Fatal(err)
	}
	if text := strings.Join(want, ""); string(got) != text {
		h.t.Errorf("stdout has %q\nwant %q", got, text)
	}
	if s := <-h.exit; s != status {
		h.t.Errorf("the exit status is %d, want %d", s, status)
	}
	h.in.Close() // lets the reader end
}

const (
	finished  = "finished\n"
	cancelled = "error\ttransaction-cancelled\tThe command was cancelled. What was downloaded is kept.\nfinished\n"
)

func found(name string) string { return "package\tavailable\t" + name + ";;;\t\nfinished\n" }

func TestConversations(t *testing.T) {
	long := strings.Repeat("x", wire.MaxLine)
	head := "resolve\tnone\t"
	longest := head + long[len(head):]
	internal := func(text string) string { return "error\tinternal-error\t" + text + "\nfinished\n" }
	tests := []struct {
		name, in string
		want     string
	}{
		{"nothing", "", ""},
		{"exit", "exit\nresolve\tnone\ta\n", ""},
		{"exit and CRLF", "exit\r\nresolve\tnone\ta\n", ""},
		{"EOF", "resolve\tnone\ta\n", found("a")},
		{"in order", "resolve\tnone\ta\nresolve\tnone\tb\nresolve\tnone\tc\nexit\n", found("a") + found("b") + found("c")},
		{"CRLF", "resolve\tnone\ta\r\nresolve\tnone\tb\r\n", found("a") + found("b")},
		{"last line without an end", "resolve\tnone\ta\nresolve\tnone\tb", found("a") + found("b")},
		{"exit without an end", "resolve\tnone\ta\nexit", found("a")},
		{"empty line", "\nresolve\tnone\ta\n", internal("an empty line came where a command was expected") + found("a")},
		{"unknown command", "frobnicate\nresolve\tnone\ta\n", "error\tnot-supported\tthe command \"frobnicate\" is not known\nfinished\n" + found("a")},
		{"command without an op", "get-packages\tnone\nresolve\tnone\ta\n", "error\tnot-supported\tthe command get-packages is not supported\nfinished\n" + found("a")},
		{"not UTF-8", "\xff\xfe\nresolve\tnone\ta\n", internal("the command \"\\xff\\xfe\" is not UTF-8") + found("a")},
		{"NUL", "resolve\tnone\ta\x00\nresolve\tnone\ta\n", internal("an argument of the command \"resolve none a\\x00\" has a NUL byte, a tab or a newline") + found("a")},
		{"wrong number of arguments", "resolve\tnone\nresolve\tnone\ta\n", internal("resolve takes 2 arguments and came with 1") + found("a")},
		{"error", "resolve\tnone\tfails\nresolve\tnone\ta\n", internal("an inner error") + found("a")},
		{"known error", "resolve\tnone\tfails-known\nresolve\tnone\ta\n", "error\tpackage-not-found\tno such package\nfinished\n" + found("a")},
		{"panic", "resolve\tnone\tpanics\nresolve\tnone\ta\n", internal("resolve failed inside: oh no. The log has more, please report it") + found("a")},
		{"panic of the runtime", "resolve\tnone\tpanics-by-index\nresolve\tnone\ta\n", internal("resolve failed inside: runtime error: index out of range [1] with length 1. The log has more, please report it") + found("a")},
		{"longest line", longest + "\nresolve\tnone\ta\n", found(long[len(head):]) + found("a")},
		{"longest line and CRLF", longest + "\r\nresolve\tnone\ta\n", found(long[len(head):]) + found("a")},
		{"longest line without an end", longest, found(long[len(head):])},
		{"over-long line", longest + "x\nresolve\tnone\ta\n", internal("a command of 1048578 bytes came: the longest that is read has 1048576") + found("a")},
		{"over-long line and CRLF", longest + "x\r\nresolve\tnone\ta\n", internal("a command of 1048579 bytes came: the longest that is read has 1048576") + found("a")},
		{"very long line", strings.Repeat(long, 5) + "\nresolve\tnone\ta\n", internal("a command of 5242881 bytes came: the longest that is read has 1048576") + found("a")},
		{"over-long line without an end", longest + "x", internal("a command of 1048577 bytes came: the longest that is read has 1048576")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := start(t, nil)
			go func() { io.WriteString(h.in, tt.in); h.in.Close() }()
			h.ends(Success, tt.want)
		})
	}
}

func TestFirstCommand(t *testing.T) {
	h := start(t, nil, "resolve", "none", "a")
	go func() { h.send("resolve\tnone\tb\nexit\n") }()
	h.ends(Success, found("a"), found("b"))
	// A first command that fails doesn't end the conversation.
	h = start(t, nil, "resolve", "none", "fails")
	go func() { h.send("resolve\tnone\tb\nexit\n") }()
	h.ends(Success, "error\tinternal-error\tan inner error\n", finished, found("b"))
}

func TestOneShot(t *testing.T) {
	oneShot := func(d *Dispatcher) { d.OneShot, d.In = true, nil } // stdin is not touched
	start(t, oneShot, "resolve", "none", "a").ends(Success, found("a"))
	start(t, oneShot, "resolve", "none", "fails").ends(GaveUp, "error\tinternal-error\tan inner error\n", finished)
	start(t, oneShot, "frobnicate\tx").ends(GaveUp, "error\tinternal-error\tan argument of the command \"frobnicate\\tx\" has a NUL byte, a tab or a newline\n", finished)
	start(t, oneShot).ends(Success)
	h := start(t, oneShot, "resolve", "none", "waits")
	<-h.entered
	h.signals <- syscall.SIGTERM
	h.ends(GaveUp, cancelled)
	h = start(t, oneShot, "resolve", "none", "a")
	h.out.Close()
	if s := <-h.exit; s != GaveUp {
		t.Errorf("with a broken stdout the exit status is %d", s)
	}
}

// In the oldest dialects a command has another name, what goes wrong is told on stderr, and the end
// by ending.
func TestOldDialect(t *testing.T) {
	var stderr strings.Builder
	old := func(d *Dispatcher) { d.OneShot, d.In, d.Err, d.Dialect = true, nil, &stderr, wire.V0_1 }
	start(t, old, "resolve", "a").ends(Success, "package\tavailable\ta;;;\t\n")
	start(t, old, "resolve", "fails-known").ends(GaveUp)
	start(t, old, "get-details", "a;;;").ends(GaveUp)
	if want := "error\tpackage-not-found\tno such package\nerror\tnot-supported\tthe command \"get-details\" is not known\n"; stderr.String() != want {
		t.Errorf("stderr has %q\nwant %q", stderr.String(), want)
	}
}

func TestIdle(t *testing.T) {
	soon := func(d *Dispatcher) { d.Idle = time.Millisecond }
	start(t, soon).ends(Success)
	// A command that takes longer than that is not idleness.
	h := start(t, soon, "resolve", "none", "waits")
	<-h.entered
	<-time.NewTimer(2 * time.Millisecond).C
	close(h.release)
	h.ends(Success, found("waits"))
}

func TestSignalCancelsTheCommandThatRuns(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT} {
		h := start(t, nil)
		go func() {
			h.send("resolve\tnone\twaits\n")
			<-h.entered
			h.signals <- sig
			h.send("resolve\tnone\tb\nexit\n")
		}()
		h.ends(Success, cancelled, found("b"))
	}
}

// PackageKit's own code kills a helper that lives on, with whatever it does by then: one that doesn't
// stay ends after the command that was cancelled, and does no other.
func TestSignalEndsWhatDoesNotStay(t *testing.T) {
	for _, first := range [][]string{nil, {"resolve", "none", "waits"}} {
		h := start(t, func(d *Dispatcher) { d.Stays = false }, first...)
		go func() {
			if first == nil {
				h.send("resolve\tnone\twaits\n")
			}
			<-h.entered
			h.signals <- syscall.SIGQUIT
		}()
		h.ends(GaveUp, strings.TrimSuffix(cancelled, finished)) // PackageKit says it when the helper has ended
	}
}

// A signal that has come before the first command began is for it.
func TestEarlySignal(t *testing.T) {
	early := func(d *Dispatcher) {
		signals := make(chan os.Signal, 1)
		signals <- syscall.SIGTERM
		d.OneShot, d.In, d.Signals = true, nil, signals
	}
	start(t, early, "resolve", "none", "waits").ends(GaveUp, cancelled)
}

// An impatient user's second signal, while the command is still busy ending, must not end the
// helper, which has the next command to answer.
func TestSecondSignal(t *testing.T) {
	cancelledBy := make(logged, 99)
	h := start(t, func(d *Dispatcher) { d.Log = hclog.New(&hclog.LoggerOptions{Output: cancelledBy}) })
	go func() {
		h.send("resolve\tnone\twaits-in-any-case\n")
		<-h.entered
		for range 2 * cap(h.signals) {
			h.signals <- syscall.SIGTERM
			<-cancelledBy
		}
		close(h.release)
		h.send("resolve\tnone\tb\nexit\n")
	}()
	h.ends(Success, cancelled, found("b"))
}

// logged are lines of a log.
type logged chan string

func (l logged) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestSignalWhileIdleEnds(t *testing.T) {
	h := start(t, nil)
	h.signals <- syscall.SIGTERM
	h.ends(Success)
}

// What comes while a command runs is read then, and done after it in its order.
func TestCommandsDuringACommand(t *testing.T) {
	h := start(t, nil, "resolve", "none", "waits")
	<-h.entered
	h.send("resolve\tnone\tb\nfrobnicate") // returns when it is read: the command still runs
	go func() {
		h.send("\nresolve\tnone\tfails-known\nexit\nresolve\tnone\tc\n")
		h.in.Close()
	}()
	close(h.release)
	got, _ := io.ReadAll(h.out)
	if n := strings.Count(string(got), finished); n != 4 || !strings.HasPrefix(string(got), found("waits")+found("b")+"error\tnot-supported") || strings.Contains(string(got), "c;;;") {
		t.Errorf("stdout has %q", got)
	}
	if s := <-h.exit; s != Success {
		t.Errorf("the exit status is %d", s)
	}
}

func TestBrokenStdoutCancels(t *testing.T) {
	h := start(t, nil)
	h.send("resolve\tnone\twrites\n")
	buf := make([]byte, 5)
	if _, err := io.ReadFull(h.out, buf); err != nil {
		t.Fatal(err)
	}
	go h.in.Write([]byte("resolve\tnone\twaits\n")) // is not begun any more
	h.out.Close()
	if s := <-h.exit; s != GaveUp {
		t.Errorf("the exit status is %d, want %d", s, GaveUp)
	}
	if len(h.entered) != 0 {
		t.Error("another command was begun")
	}
}

type brokenReader struct{ once sync.Once }

func (b *brokenReader) Read(p []byte) (n int, err error) {
	b.once.Do(func() { n = copy(p, "resolve\tnone\ta\nresolve\tno") })
	if n == 0 {
		return 0, errors.New("input/output error")
	}
	return n, nil
}

// A half line that an error cut off is no command.
func TestBrokenStdin(t *testing.T) {
	start(t, func(d *Dispatcher) { d.In = new(brokenReader) }).ends(Success, found("a"))
}
