// SPDX-License-Identifier: GPL-2.0-or-later

package backend_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
)

// However a helper ends, or must be ended, its job ends with the right error, and the next one
// works.
func TestFaults(t *testing.T) {
	for _, f := range []struct {
		name  string
		fault func(p *puppet)
		code  uint32
		text  string // part of the error's
	}{
		{"exits", func(p *puppet) { p.Exit(0) }, errorInternal, "exited with status 0 during search-name"},
		{"exits with an error", func(p *puppet) { p.Exit(7) }, errorInternal, "exited with status 7"},
		{"gives up", func(p *puppet) {
			p.Write("status\tquery", "error\tpackage-not-found\tNo x")
			p.Exit(254)
		}, errorPackageNotFound, "No x"},
		{"exits after some replies", func(p *puppet) {
			p.Write("status\tquery", "package\tavailable\t"+foo+"\t", "percentage\t5")
			p.Exit(0)
		}, errorInternal, "exited"},
		{"exits within a line", func(p *puppet) { p.WriteRaw("status\tquery\nfinis"); p.Exit(0) }, errorInternal, "exited"},
		{"is ended by a signal", func(p *puppet) { p.Kill(syscall.SIGHUP) }, errorInternal, "signal 1 "},
		{"is killed", func(p *puppet) { syscall.Kill(p.Pid, syscall.SIGKILL) }, errorInternal, "signal 9"},
		{"closes stdout", func(p *puppet) { p.CloseStdout(); p.SeesAll("eof", "signal") }, errorInternal, "signal 9"},
		{"closes stdout and ends", func(p *puppet) { p.CloseStdout(); p.SeesAll("eof", "signal"); p.Exit(3) }, errorInternal, "status 3"},
		{"prints nonsense", func(p *puppet) {
			p.WriteRaw(strings.Repeat("Segmentation fault (core dumped)\n", 200))
			p.SeesAll("eof", "signal")
			p.Exit(0)
		}, errorInternal, "too many lines"},
		{"prints a long line", func(p *puppet) { p.WriteRaw(strings.Repeat("x", 1<<20+1)) }, errorInternal, "a line is too long"},
		{"prints zeros", func(p *puppet) { p.WriteRaw(string(make([]byte, 3<<20))) }, errorInternal, "a line is too long"},
	} {
		t.Run(f.name, func(t *testing.T) {
			d, th := start(t)
			x := d.Begin()
			x.Call("SearchNames", none, []string{"x"})
			p := th.Enter()
			p.Expect("command")
			f.fault(p)
			result := x.Wait()
			if code, text := result.Error(); code != f.code || !strings.Contains(text, f.text) || result.Exit() != exitFailed {
				t.Errorf("error %d %q, exit %d", code, text, result.Exit())
			}
			works(d, th)
			isGone(t, p.Pid)
		})
	}
}

func isGone(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the helper is still there: %v", err)
	}
}

// While rpm runs, a helper whose stdout is closed isn't killed: its job ends when it does.
func TestStdoutClosedDuringRPM(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("InstallPackages", uint64(0), []string{foo})
	p := th.Enter()
	p.Expect("command")
	p.Write("status\tinstall", "allow-cancel\tfalse")
	x.UntilProperty("AllowCancel", false)
	p.CloseStdout()
	p.SeesAll("eof", "signal")
	d.WaitLog("must not be killed now")
	p.Exit(0)
	if code, _ := x.Wait().Error(); code != errorInternal {
		t.Errorf("error %d", code)
	}
}

func TestNoHelper(t *testing.T) {
	d := pktest.Start(t, filepath.Join(t.TempDir(), "missing"))
	for range 3 {
		result := d.Run("SearchNames", none, []string{"x"})
		if code, text := result.Error(); code != errorInternal || !strings.Contains(text, "can't be started") {
			t.Errorf("error %d %q", code, text)
		}
	}
}

// A helper that exits when it's idle is noticed, and the next command has a fresh one.
func TestIdleExit(t *testing.T) {
	d, th := start(t)
	for range 3 {
		x := d.Begin()
		x.Call("SearchNames", none, []string{"x"})
		p := th.Enter()
		p.Expect("command")
		p.Finish()
		x.Wait()
		p.Exit(0)
		p.Ends()
	}
}

// A command that reaches a helper which is about to exit is run again, once.
func TestExitCrossesCommand(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("SearchNames", none, []string{"x"})
	p := th.Enter()
	p.Expect("command")
	p.Finish()
	x.Wait()
	for i := range 2 {
		y := d.Begin()
		y.Call("SearchNames", none, []string{"y"})
		p.Command("search-name", "none", "y")
		p.Exit([]int{0, 254}[i])
		p = th.Enter()
		p.Command("search-name", "none", "y")
		if i == 1 {
			p.Exit(0)
			if code, _ := y.Wait().Error(); code != errorInternal {
				t.Errorf("error %d", code)
			}
			break
		}
		p.Finish()
		if exit := y.Wait().Exit(); exit != exitSuccess {
			t.Errorf("exit %d", exit)
		}
	}
}

// But not where it has crashed, or said something.
func TestCrashIsNotRetried(t *testing.T) {
	for name, fault := range map[string]func(p *puppet){
		"crashed":        func(p *puppet) { p.Kill(syscall.SIGHUP) },
		"said something": func(p *puppet) { p.Write("status\tquery"); p.Exit(0) },
	} {
		t.Run(name, func(t *testing.T) {
			d, th := start(t)
			x := d.Begin()
			x.Call("SearchNames", none, []string{"x"})
			p := th.Enter()
			p.Expect("command")
			p.Finish()
			x.Wait()
			y := d.Begin()
			y.Call("SearchNames", none, []string{"y"})
			p.Expect("command")
			fault(p)
			if code, _ := y.Wait().Error(); code != errorInternal {
				t.Errorf("error %d", code)
			}
		})
	}
}

// The same where stdin is closed already.
func TestBrokenPipe(t *testing.T) {
	dir := t.TempDir()
	helper := filepath.Join(dir, "helper")
	script := "#!/bin/sh\necho started >>" + dir + "/log\nexec 0<&-\nprintf 'status\\tquery\\nfinished\\n'\nexec sleep 1000\n"
	if err := os.WriteFile(helper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	d := pktest.StartWith(t, pktest.Options{Helper: helper, Flags: impatient})
	for i := range 3 {
		if exit := d.Run("SearchNames", none, []string{"x"}).Exit(); exit != exitSuccess {
			t.Errorf("exit %d", exit)
		}
		if log, _ := os.ReadFile(dir + "/log"); strings.Count(string(log), "started") != i+1 {
			t.Errorf("%d commands took helpers: %q", i+1, log)
		}
	}
}

// A command that is longer than a pipe is written as the helper reads it, and doesn't keep
// packagekitd waiting; one that is longer than a command line takes is written, too.
func TestLongCommand(t *testing.T) {
	d, th := start(t)
	var names []string
	for i := range 4000 {
		names = append(names, fmt.Sprintf("a-name-that-is-%d-rather-long-for-a-name", i))
	}
	var p *puppet
	for range 2 {
		x := d.Begin()
		if err := x.Call("Resolve", none, names); err != nil {
			t.Fatal(err)
		}
		if p == nil {
			p = th.Enter()
			if want := []string{"--dialect", "1.3", "--stay"}; !slices.Equal(p.Argv, want) {
				t.Errorf("started with %q, want %q", p.Argv, want)
			}
		}
		p.Command("resolve", "none", strings.Join(names, "&"))
		p.Finish()
		if exit := x.Wait().Exit(); exit != exitSuccess {
			t.Errorf("exit %d", exit)
		}
	}

	// This one isn't read at all.
	if err := syscall.Kill(p.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := d.Begin().Call("Resolve", none, names); err != nil {
		t.Fatal(err)
	}
	other := d.Begin()
	other.Call("RefreshCache", true)
	th.Enter().Finish()
	other.Wait()
}

// Its log goes to packagekitd's.
func TestHelperLog(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("SearchNames", none, []string{"x"})
	p := th.Enter()
	p.Expect("command")
	p.Log("<4>2026-01-02T03:04:05 [WARN]  pk-presolve: no \xff server\n<7>half a")
	p.Log(" line\nlast words")
	p.Finish()
	x.Wait()
	p.Exit(0)
	d.WaitLog("[WARN]  pk-presolve: no \ufffd server\n")
	d.WaitLog(": half a line\n")
	d.WaitLog(": last words\n")
}

// After BackendShutdownTimeout seconds without a command, 5 where the configuration has none, a
// helper is asked to exit.
func TestShutdownTimeout(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("SearchNames", none, []string{"x"})
	p := th.Enter()
	p.Command("search-name", "none", "x")
	p.Finish()
	x.Wait()
	p.Command("exit")
	p.Expect("eof")
	p.Expect("signal") // which it has ignored
	p.Ends()           // and this, too
	works(d, th)
}

// Nothing is left when packagekitd ends, whatever the helpers are doing, and however it ends.
func TestDestroy(t *testing.T) {
	d, th := start(t)
	install, search, idle := d.Begin(), d.Begin(), d.Begin()
	idle.Call("SearchNames", none, []string{"x"})
	queries := th.Enter()
	queries.Command("search-name", "none", "x")
	queries.Finish()
	idle.Wait()
	install.Call("InstallPackages", uint64(0), []string{foo})
	changes := th.Enter()
	changes.Expect("command")
	search.Call("SearchNames", none, []string{"x"})
	queries.Command("search-name", "none", "x")
	go d.Stop()
	for _, p := range []*puppet{queries, changes} {
		p.SeesAll("eof", "signal") // in any order
		p.Ends()                   // killed, since it has ignored both
	}
	d.Stop()
	isGone(t, queries.Pid)
	isGone(t, changes.Pid)
}

func TestDestroyIdle(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("SearchNames", none, []string{"x"})
	p := th.Enter()
	p.Expect("command")
	p.Finish()
	x.Wait()
	go d.Stop()
	p.Command("exit")
	p.Expect("eof")
	p.Exit(0)
	d.Stop()
	isGone(t, p.Pid)
}

func TestDaemonKilled(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("SearchNames", none, []string{"x"})
	p := th.Enter()
	p.Expect("command")
	d.Kill(syscall.SIGKILL)
	p.SeesAll("eof", "signal")
}

// Many commands leave nothing behind in packagekitd, and are all answered by one helper.
// packagekitd itself allows 500 in a few seconds; many more, and what becomes of memory, are in
// TestLeaks.
func TestManyCommands(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("SearchNames", none, []string{"x"})
	p := th.Enter()
	p.Expect("command")
	p.Auto("status\tquery", "package\tavailable\t"+foo+"\tA foo", "finished")
	x.Wait()
	pipes := openPipes(t, d.Pid())
	for range 20 {
		var xs []*pktest.Transaction
		for range 20 {
			x := d.Begin()
			if err := x.Call("SearchNames", none, []string{"x"}); err != nil {
				t.Fatal(err)
			}
			xs = append(xs, x)
		}
		for _, x := range xs {
			if result := x.Wait(); result.Exit() != exitSuccess || len(result.All("Package")) != 1 {
				t.Fatal(result)
			}
		}
	}
	if n := openPipes(t, d.Pid()); n != pipes {
		t.Errorf("%d pipes after 400 commands, %d before", n, pipes)
	}
}

// openPipes counts a process's pipes: the stub has three for a helper. Other descriptors
// packagekitd has for each transaction, until some seconds after its end.
func openPipes(t *testing.T, pid int) (n int) {
	t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, _ := os.Readlink(link); strings.HasPrefix(target, "pipe:") {
			n++
		}
	}
	return n
}
