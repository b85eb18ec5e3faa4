// SPDX-License-Identifier: GPL-2.0-or-later

package backend_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
)

// A theatre is where helpers of a test appear: each process that the stub starts is a puppet, see
// testdata/puppet.
type theatre struct {
	t      *testing.T
	Helper string // what the stub has to start
	listen net.Listener
}

// programs is where what the tests build is, until they end.
var programs string

func TestMain(m *testing.M) {
	var err error
	programs, err = os.MkdirTemp("", "presolve-backend-test")
	if err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(programs)
	os.Exit(code)
}

var buildPuppet = sync.OnceValues(func() (string, error) {
	path := filepath.Join(programs, "puppet")
	cmd := exec.Command("go", "build", "-o", path, "./testdata/puppet")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
})

func newTheatre(t *testing.T) *theatre {
	t.Helper()
	program, err := buildPuppet()
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "socket")
	listen, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listen.Close() })
	return &theatre{t: t, Helper: pktest.Wrap(t, program, socket), listen: listen}
}

// impatient is how stubs are built that tests needn't wait for.
var impatient = []string{"-DGRACE_MS=300", "-DMAX_LINE=1048576"}

// start is packagekitd with an impatient stub, and puppets for helpers.
func start(t *testing.T, flags ...string) (*pktest.Daemon, *theatre) {
	t.Helper()
	th := newTheatre(t)
	d := pktest.StartWith(t, pktest.Options{Helper: th.Helper, Flags: append(flags, impatient...)})
	return d, th
}

// A puppet is one process that the stub has started.
type puppet struct {
	t      *testing.T
	conn   net.Conn
	events chan event
	Argv   []string // after the program
	Env    []string
	Pid    int
}

type event struct {
	Event string
	Argv  []string
	Env   []string
	Pid   int
	Line  string
}

// Enter waits until the stub starts a helper.
func (th *theatre) Enter() *puppet {
	th.t.Helper()
	th.listen.(*net.UnixListener).SetDeadline(time.Now().Add(pktest.Patience))
	conn, err := th.listen.Accept()
	if err != nil {
		th.t.Fatalf("no helper is started: %v", err)
	}
	th.t.Cleanup(func() { conn.Close() })
	p := &puppet{t: th.t, conn: conn, events: make(chan event, 64)}
	go func() {
		defer close(p.events)
		in := json.NewDecoder(conn)
		for {
			var e event
			if in.Decode(&e) != nil {
				return
			}
			p.events <- e
		}
	}()
	e := p.Expect("start")
	p.Argv, p.Env, p.Pid = e.Argv, e.Env, e.Pid
	slices.Sort(p.Env)
	return p
}

// Expect waits for what happens next to the puppet.
func (p *puppet) Expect(name string) event {
	p.t.Helper()
	select {
	case e, ok := <-p.events:
		if !ok {
			e.Event = "end"
		}
		if e.Event != name {
			p.t.Fatalf("the helper sees %+v, want %s", e, name)
		}
		return e
	case <-time.After(pktest.Patience):
		p.t.Fatalf("the helper doesn't see %s", name)
	}
	panic("not reached")
}

// Command waits for a command, the first one included.
func (p *puppet) Command(words ...string) {
	p.t.Helper()
	if got, want := p.Expect("command").Line, strings.Join(words, "\t"); got != want {
		p.t.Fatalf("command %q, want %q", got, want)
	}
}

// SeesAll waits for events that come in any order.
func (p *puppet) SeesAll(names ...string) {
	p.t.Helper()
	left := slices.Clone(names)
	for len(left) > 0 {
		select {
		case e := <-p.events:
			if !slices.Contains(names, e.Event) {
				p.t.Fatalf("the helper sees %q, want %q", e.Event, names)
			}
			// A packagekitd that is killed sends its signal once for each of its threads that
			// becomes the parent.
			left = slices.DeleteFunc(left, func(name string) bool { return name == e.Event })
		case <-time.After(pktest.Patience):
			p.t.Fatalf("the helper doesn't see %q of %q", left, names)
		}
	}
}

// Ends waits until the process has ended, whatever it still sees.
func (p *puppet) Ends() {
	p.t.Helper()
	giveUp := time.After(pktest.Patience)
	for {
		select {
		case _, ok := <-p.events:
			if !ok {
				return
			}
		case <-giveUp:
			p.t.Fatal("the helper doesn't end")
		}
	}
}

func (p *puppet) order(do, data string, code int) {
	p.t.Helper()
	err := json.NewEncoder(p.conn).Encode(map[string]any{"do": do, "data": []byte(data), "code": code})
	if err != nil {
		p.t.Fatal(err)
	}
}

// Write writes to stdout: lines, each given as its fields, with a newline after it.
func (p *puppet) Write(lines ...string) { p.t.Helper(); p.WriteRaw(strings.Join(lines, "\n") + "\n") }

// WriteRaw writes to stdout, in one call.
func (p *puppet) WriteRaw(text string) { p.t.Helper(); p.order("write", text, 0) }

// Finish answers a command with nothing but its end.
func (p *puppet) Finish()                    { p.t.Helper(); p.Write("status\tquery", "finished") }
func (p *puppet) Log(text string)            { p.t.Helper(); p.order("log", text, 0) }
func (p *puppet) Exit(code int)              { p.t.Helper(); p.order("exit", "", code) }
func (p *puppet) Kill(signal syscall.Signal) { p.t.Helper(); p.order("kill", "", int(signal)) }
func (p *puppet) CloseStdout()               { p.t.Helper(); p.order("close", "", 0) }

// Auto lets it answer this command and all further ones by itself.
func (p *puppet) Auto(lines ...string) {
	p.t.Helper()
	p.order("auto", strings.Join(lines, "\n")+"\n", 0)
}
