// SPDX-License-Identifier: GPL-2.0-or-later

package backend_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
)

// A host is testdata/host with the stub in it: the ways of other releases, and of leaks.
type host struct {
	t     *testing.T
	in    io.WriteCloser
	lines chan string
	ended chan error
	log   *strings.Builder // once ended
}

func startHost(t *testing.T, th *theatre, release int, under ...string) *host {
	t.Helper()
	stub := pktest.Build(t, impatient...)
	args := append(under, buildHost(t, release), stub, "1")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "PRESOLVE_HELPER="+th.Helper)
	h := &host{t: t, lines: make(chan string, 1024), ended: make(chan error, 1), log: &strings.Builder{}}
	cmd.Stderr = h.log
	h.in, _ = cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.in.Close() })
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			h.lines <- lines.Text()
		}
		close(h.lines)
		h.ended <- cmd.Wait()
	}()
	return h
}

var hosts sync.Map

func buildHost(t *testing.T, release int) string {
	t.Helper()
	build, _ := hosts.LoadOrStore(release, sync.OnceValues(func() (string, error) {
		flags, err := exec.Command("pkg-config", "--cflags", "--libs", "packagekit-glib2", "gmodule-export-2.0").Output()
		if err != nil {
			return "", err
		}
		path := filepath.Join(programs, fmt.Sprint("host", release))
		args := append([]string{"-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g", "-rdynamic", fmt.Sprint("-DRELEASE=", release),
			"-o", path, "testdata/host/host.c"}, strings.Fields(string(flags))...)
		if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v\n%s", err, out)
		}
		return path, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func (h *host) Say(format string, args ...any) { fmt.Fprintf(h.in, format+"\n", args...) }

func (h *host) Expect(want ...string) {
	h.t.Helper()
	for _, w := range want {
		select {
		case line, ok := <-h.lines:
			if !ok || line != w {
				h.t.Fatalf("the host says %q, want %q", line, w)
			}
		case <-time.After(4 * pktest.Patience): // valgrind is slow
			h.t.Fatalf("the host doesn't say %q", w)
		}
	}
}

// End destroys the backend.
func (h *host) End() {
	h.t.Helper()
	h.in.Close()
	if err := <-h.ended; err != nil {
		h.t.Errorf("host: %v\n%s", err, h.log)
	}
}

// One binary works in every release, whichever functions it has for details and packages.
func TestReleases(t *testing.T) {
	for release, want := range map[int][]string{
		120: {"2 details %s A foo GPL games One http://x 4096", "2 package available %s A foo"},
		124: {"2 details_full %s A foo GPL games One http://x 4096 77", "2 package available %s A foo"},
		126: {"2 details_full %s A foo GPL games One http://x 4096 77", "2 packages available %s A foo"},
		133: {"2 details %s A foo GPL games One http://x 4096 77", "2 packages available %s A foo"},
	} {
		t.Run(strconv.Itoa(release), func(t *testing.T) {
			th := newTheatre(t)
			h := startHost(t, th, release)
			h.Say("search x")
			p := th.Enter()
			p.Command("search-name", "none", "x")
			p.Finish()
			h.Expect("1 status query", "1 finished")
			h.Say("details %s", foo)
			p.Command("get-details", foo, "no")
			p.Write("details\t"+foo+"\tA foo\tGPL\tgames\tOne\thttp://x\t4096\t77", "package\tavailable\t"+foo+"\tA foo", "finished")
			h.Expect(fmt.Sprintf(want[0], foo), fmt.Sprintf(want[1], foo), "2 finished")
			p.Command("exit") // after BackendShutdownTimeout, which is a second here
			p.Exit(0)
			p.Ends()
			h.End()
		})
	}
}

// What of the environment needs a login session, which there is none of on a test's bus.
func TestSessionEnvironment(t *testing.T) {
	th := newTheatre(t)
	h := startHost(t, th, 126)
	for _, s := range []string{"online yes", "locale C", "uid 1000", "cache_age 4294967295", "eulas one;two",
		"proxy_http user:pass@proxy:3128", "proxy_https proxy:3129", "proxy_ftp proxy:21", "proxy_socks proxy:1080",
		"no_proxy localhost,.school", "pac http://proxy/x.pac"} {
		h.Say("set %s", s)
	}
	h.Say("search x")
	p := th.Enter()
	want := []string{"BACKGROUND=FALSE", "CACHE_AGE=-1", "INTERACTIVE=FALSE", "LANG=C", "NETWORK=TRUE",
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "UID=1000", "accepted_eulas=one;two", "all_proxy=socks://proxy:1080/",
		"ftp_proxy=http://proxy:21/", "http_proxy=http://user:pass@proxy:3128/", "https_proxy=http://proxy:3129/",
		"no_proxy=localhost,.school", "pac=http://proxy/x.pac"}
	if got := slices.DeleteFunc(p.Env, func(v string) bool { return v == "PWD=/" }); !slices.Equal(got, want) {
		t.Errorf("environment\n got %q\nwant %q", got, want)
	}
	p.Expect("command")
	p.Finish()
	h.Expect("1 status query", "1 finished")
	for i, change := range []string{"online no", "uid 1001", "proxy_http other:3128", "cache_age 0"} {
		h.Say("set %s", change)
		h.Say("search x")
		p.Command("exit")
		p.Exit(0)
		p = th.Enter()
		p.Command("search-name", "none", "x")
		p.Finish()
		h.Expect(fmt.Sprint(i+2, " status query"), fmt.Sprint(i+2, " finished"))
	}
	p.Command("exit")
	p.Exit(0)
	h.End()
}

// The stub under valgrind: every way in which a command or a helper ends, then many commands.
// Nothing may be lost, and nothing be used that was freed. PRESOLVE_LEAK_COMMANDS sets how many; a
// million is for the longer tier.
func TestLeaks(t *testing.T) {
	if _, err := exec.LookPath("valgrind"); err != nil {
		t.Skip("needs valgrind")
	}
	n := 2000
	if v := os.Getenv("PRESOLVE_LEAK_COMMANDS"); v != "" {
		n, _ = strconv.Atoi(v)
	} else if testing.Short() {
		n = 100
	}
	th := newTheatre(t)
	h := startHost(t, th, 126, "valgrind", "-q", "--leak-check=full", "--errors-for-leak-kinds=definite", "--show-leak-kinds=definite",
		"--error-exitcode=9", "--child-silent-after-fork=yes", "--track-fds=no")
	job := 0
	begin := func(command string) *puppet {
		t.Helper()
		job++
		h.Say("%s", command)
		p := th.Enter()
		p.Expect("command")
		return p
	}
	end := func(lines ...string) {
		t.Helper()
		for _, line := range lines {
			h.Expect(fmt.Sprint(job, " ", line))
		}
		h.Expect(fmt.Sprint(job, " finished"))
	}

	p := begin("search x") // every word
	for _, r := range replies {
		if !strings.HasPrefix(r.line, "allow-cancel") {
			p.Write(r.line)
		}
	}
	p.Write("no such line", "package\tx", "\xff", "finished")
	for line := range h.lines {
		if line == "1 finished" {
			break
		}
	}
	p.Exit(0)
	p.Ends()

	p = begin("search x") // ends of helpers
	p.Write("package\tavailable\t" + foo + "\tA foo")
	p.Kill(syscall.SIGKILL)
	end("packages available "+foo+" A foo", "error internal-error The helper was ended by signal 9 during search-name")
	p = begin("search x")
	p.WriteRaw(strings.Repeat("x", 1<<20+1))
	p.Ends()
	end("error internal-error The helper was stopped during search-name: a line is too long")
	p = begin("install " + foo)
	p.Write("allow-cancel\tfalse")
	h.Expect(fmt.Sprint(job, " allow_cancel 0"))
	h.Say("cancel")
	p.Expect("signal")
	p.Write("finished")
	end()
	p.Command("exit")
	p.Exit(0)
	p.Ends()
	p = begin("search x")
	h.Say("cancel")
	p.Ends()
	end("error process-kill The helper had to be killed to be cancelled")

	p = begin("search x") // queues, another environment, a retry
	h.Say("search y")
	h.Say("cancel")
	job++
	h.Expect(fmt.Sprint(job, " status waiting-for-lock"))
	end("error transaction-cancelled Cancelled before it began")
	p.Finish()
	h.Expect(fmt.Sprint(job-1, " status query"), fmt.Sprint(job-1, " finished"))
	h.Say("set locale C.UTF-8")
	h.Say("search x")
	p.Command("exit")
	p.Exit(0)
	p = th.Enter()
	p.Expect("command")
	p.Finish()
	job++
	end("status query")
	h.Say("search x")
	p.Expect("command")
	p.Exit(0)
	p = th.Enter()
	p.Expect("command")
	p.Auto("status\tquery", "package\tavailable\t"+foo+"\tA foo", "finished")
	job++
	end("status query", "packages available "+foo+" A foo")

	job += n
	h.Say("repeat %d x", n)
	h.Expect("done")
	busy := begin("install " + foo) // and one that is destroyed while it runs
	h.Say("install %s", bar)
	h.Expect(fmt.Sprint(job+1, " status waiting-for-lock"))
	h.End()
	busy.Ends()
}
