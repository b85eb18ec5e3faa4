// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"errors"
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
)

func TestInstallTellsStepsInOrder(t *testing.T) {
	d := newRoot(t)
	dir := t.TempDir()
	long := strings.Repeat("very-", 12) + "long-name"
	files := []string{
		pack{name: "base", files: map[string]string{"/opt/base": strings.Repeat("x", 200_000)}}.make(t, dir),
		pack{name: long, version: "2.0~rc1", release: "3.fc18", epoch: 7, requires: "base", files: map[string]string{"/opt/long": "y"},
			pre: `print("chatter of a-script-let 1.2")`, post: `print("%% 50") print("more\n")`}.make(t, dir),
	}
	var steps []Step
	if err := d.Install(nil, files, false, func(s Step) { steps = append(steps, s) }); err != nil {
		t.Fatal(err)
	}
	var order []string // each stage and package once, as they came
	last := Step{Stage: -1}
	for _, s := range steps {
		if s.Percent < 0 || s.Percent > 100 {
			t.Errorf("a percentage of %v: %+v", s.Percent, s)
		}
		if s.Stage != last.Stage || s.Package != last.Package {
			order = append(order, fmt.Sprint(s.Stage, s.Package))
		} else if s.Percent < last.Percent && s.Percent != 50 { // 50: what the scriptlet makes believe
			t.Errorf("percentages go back from %+v to %+v", last, s)
		}
		last = s
	}
	want := []string{"0", "1", "2base-1-1", "2" + long + "-7:2.0~rc1-3.fc18"}
	if !slices.Equal(order, want) {
		t.Errorf("steps came in the order %q, want %q", order, want)
	}
	if got := read(t, d); len(got) != 2 || got["base"] == nil || got[long] == nil {
		t.Errorf("the database has %v", got)
	}
}

// While rpm prints nothing, how far it is is known all the same: it waits in a scriptlet after the payload
// of the first of two packages, until that was told.
func TestInstallTellsHowFarItIs(t *testing.T) {
	d := newRoot(t)
	fifo := filepath.Join(d.Root, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := []string{
		pack{name: "large", files: map[string]string{"/opt/large": strings.Repeat("x", 200_000)}, post: `io.open("/fifo", "r"):read("*a")`}.make(t, dir),
		pack{name: "next", requires: "large"}.make(t, dir),
	}
	var steps []Step
	told := sync.OnceFunc(func() {
		if err := os.WriteFile(fifo, nil, 0); err != nil {
			t.Error(err)
		}
	})
	late := time.AfterFunc(time.Minute, func() {
		t.Error("it wasn't told while rpm waited")
		told()
	})
	defer late.Stop()
	err := d.Install(nil, files, false, func(s Step) {
		steps = append(steps, s)
		if s.Package == "large-1-1" && s.Percent > 0 {
			told()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var large []float64
	for _, s := range steps {
		if s.Package == "large-1-1" {
			large = append(large, s.Percent)
		}
	}
	if len(large) < 2 || large[0] != 0 || large[1] < 50 || large[len(large)-1] != 100 {
		t.Errorf("of the first package was told %v: %+v", large, steps)
	}
	if last := steps[len(steps)-1]; last.Package != "next-1-1" || last.Percent != 100 {
		t.Errorf("the last step is %+v", last)
	}
}

func TestInstallFails(t *testing.T) {
	body := strings.Repeat("some text that is in the payload ", 3000)
	tests := []struct {
		name  string
		files func(t *testing.T, dir string) []string
		kind  Kind
		says  string
	}{
		{"missing dependency", func(t *testing.T, dir string) []string {
			return []string{pack{name: "needy", requires: "nowhere"}.make(t, dir)}
		}, Dependencies, "nowhere is needed by needy-1-1.noarch"},
		{"file conflict with an installed package", func(t *testing.T, dir string) []string {
			return []string{pack{name: "other", files: map[string]string{"/opt/there": "different"}}.make(t, dir)}
		}, Conflicts, "conflicts with file from package there"},
		{"file conflict among new packages", func(t *testing.T, dir string) []string {
			return []string{pack{name: "x", files: map[string]string{"/opt/xy": "x"}}.make(t, dir), pack{name: "y", files: map[string]string{"/opt/xy": "y"}}.make(t, dir)}
		}, Conflicts, "conflicts between attempted installs"},
		{"package conflict", func(t *testing.T, dir string) []string {
			return []string{pack{name: "enemy", conflicts: "there"}.make(t, dir)}
		}, Conflicts, "there conflicts with enemy"},
		{"flipped bytes in the payload", func(t *testing.T, dir string) []string {
			return []string{damaged(t, pack{name: "flipped", files: map[string]string{"/opt/f": body}}.make(t, dir), func(b []byte) []byte {
				for i := len(b) - 60; i < len(b)-50; i++ {
					b[i] ^= 0xff
				}
				return b
			})}
		}, Corrupt, "BAD"},
		{"flipped bytes in the header", func(t *testing.T, dir string) []string {
			return []string{damaged(t, pack{name: "flipped"}.make(t, dir), func(b []byte) []byte {
				i := strings.Index(string(b), "Summary of")
				b[i] ^= 0x20
				return b
			})}
		}, Corrupt, "BAD"},
		{"truncated payload", func(t *testing.T, dir string) []string {
			return []string{damaged(t, pack{name: "short", files: map[string]string{"/opt/f": body}}.make(t, dir), func(b []byte) []byte { return b[:len(b)-100] })}
		}, Corrupt, "BAD"},
		{"truncated header", func(t *testing.T, dir string) []string {
			return []string{damaged(t, pack{name: "short"}.make(t, dir), func(b []byte) []byte { return b[:400] })}
		}, Corrupt, ""},
		{"empty file", func(t *testing.T, dir string) []string {
			return []string{damaged(t, pack{name: "empty"}.make(t, dir), func(b []byte) []byte { return nil })}
		}, Corrupt, ""},
		{"no RPM", func(t *testing.T, dir string) []string {
			return []string{damaged(t, pack{name: "html"}.make(t, dir), func(b []byte) []byte { return []byte("<html>please log in</html>\n") })}
		}, Corrupt, "html.rpm cannot be installed"},
		{"missing file", func(t *testing.T, dir string) []string { return []string{filepath.Join(dir, "missing.rpm")} }, Other, "File not found"},
		{"a name like an option", func(t *testing.T, dir string) []string { return []string{"--version"} }, Other, "File not found: --version"},
		{"failing %pre", func(t *testing.T, dir string) []string {
			return []string{pack{name: "badpre", pre: `error("this needs your attention")`}.make(t, dir)}
		}, Other, "badpre"},
		{"already installed", func(t *testing.T, dir string) []string {
			return []string{pack{name: "there", files: map[string]string{"/opt/there": "there"}}.make(t, dir)}
		}, Other, "package there-1-1.noarch is already installed"},
	}
	d := newRoot(t)
	install(t, d, pack{name: "there", files: map[string]string{"/opt/there": "there"}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := d.Install(nil, tt.files(t, t.TempDir()), false, func(Step) {})
			var failed *Error
			if !errors.As(err, &failed) {
				t.Fatalf("Install: %v, want an *Error", err)
			}
			if failed.Kind != tt.kind || !strings.Contains(failed.Output, tt.says) {
				t.Errorf("kind %v and output %q, want kind %v and %q", failed.Kind, failed.Output, tt.kind, tt.says)
			}
			if strings.Contains(failed.Error(), "Alien") {
				t.Errorf("Debian's advice is in %q", failed)
			}
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Errorf("%v does not wrap the exit status", err)
			}
			if got := read(t, d); len(got) != 1 {
				t.Errorf("the database has %d packages, want 1", len(got))
			}
		})
	}
}

func TestInstallTakesAnyFileName(t *testing.T) {
	d := newRoot(t)
	dir := filepath.Join(t.TempDir(), "a b[1]{x,y}*?")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.Install(nil, []string{pack{name: "odd"}.make(t, dir)}, false, func(Step) {}); err != nil {
		t.Error(err)
	}
}

// TestFullDatabase has an rpm whose database is on a full disk: it says so, and ends as if all were
// well.
func TestFullDatabase(t *testing.T) {
	dir := t.TempDir()
	says := "#!/bin/sh\necho \"error: sqlite failure: RELEASE 'rwlock': database or disk is full\" >&2\n"
	if err := os.WriteFile(filepath.Join(dir, "rpm"), []byte(says), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	var e *Error
	if err := (Database{Root: dir, Path: dir}).Erase(nil, []string{"a-1-1.noarch"}, func(Step) {}); !errors.As(err, &e) || e.Kind != NoSpace {
		t.Errorf("got %v", err)
	}
}

func TestKindOf(t *testing.T) {
	// What the real rpm here can't be brought to say; its words are from rpm's lib/rpmprob.c.
	tests := []struct {
		output string
		kind   Kind
	}{
		{"\tinstalling package big-1-1.noarch needs 12MB more space on the / filesystem\n", NoSpace},
		{"\tinstalling package big-1-1.noarch needs 12MB on the / filesystem\n", NoSpace},
		{"\tinstalling package big-1-1.noarch needs 12 more inodes on the /usr filesystem\n", NoSpace},
		{"error: unpacking of archive failed on file /x: cpio: write failed - No space left on device\n", NoSpace},
		{"error: sqlite failure: COMMIT: database or disk is full\n", NoSpace},
		{"error: unpacking of archive failed: cpio: Bad magic\n", Corrupt},
		{"error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)\n", Locked},
		{"error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Permission denied)\n", Denied},
		{"error: unpacking of archive failed on file /usr/x: cpio: open failed - Read-only file system\n", Denied},
		{"\tpackage x-1-1.noarch does not verify: no signature\n", Corrupt},
		{"\tpackage x-1-1.noarch is obsoleted by y-1-1.noarch\n", Conflicts},
		{"\tpackage x-1-1.noarch is intended for a different architecture\n", Other},
		{"warning: the user needs a password; a BADGE is missing\n", Other},
		{"", Other},
	}
	for _, tt := range tests {
		if got := kindOf(tt.output, errors.New("exit status 1")); got != tt.kind {
			t.Errorf("kindOf(%q) = %v, want %v", tt.output, got, tt.kind)
		}
	}
}

func TestInstallWithoutRPM(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := Database{Root: t.TempDir(), Path: "/var/lib/rpm"}.Install(nil, []string{"x.rpm"}, false, func(Step) {})
	var failed *Error
	if !errors.As(err, &failed) || failed.Kind != NotFound {
		t.Errorf("Install: %v, want an *Error of kind NotFound", err)
	}
}

// A package's %post waits at a pipe that nobody opens: rpm is there to be killed for as long as
// that takes.
func TestInstallKilled(t *testing.T) {
	d := newRoot(t)
	if err := syscall.Mkfifo(filepath.Join(d.Root, "wait"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := []string{
		pack{name: "waits", files: map[string]string{"/opt/w": "w"}, post: `io.open("/wait"):read()`}.make(t, dir),
		pack{name: "later", requires: "waits", files: map[string]string{"/opt/l": "l"}}.make(t, dir),
	}
	killed := false
	err := d.Install(nil, files, false, func(s Step) {
		if s.Stage == Installing && !killed {
			killed = true
			pid := child(t, "rpm")
			if group, err := syscall.Getpgid(pid); err != nil || group == syscall.Getpgrp() {
				t.Errorf("rpm is in the process group %d (%v): a Ctrl-C would reach it", group, err)
			}
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	})
	var failed *Error
	if !killed || !errors.As(err, &failed) || failed.Kind != Killed {
		t.Errorf("Install: %v (killed: %v), want an *Error of kind Killed", err, killed)
	}
	before, err := d.State()
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, d); got["later"] != nil {
		t.Error("the package after the kill is installed")
	}
	// The database is whole: the rest can be installed, and State sees it.
	if err := d.Install(nil, []string{pack{name: "other"}.make(t, dir)}, false, func(Step) {}); err != nil {
		t.Error(err)
	}
	if after, err := d.State(); err != nil || after == before {
		t.Errorf("State %q, %v: the same as before an install", after, err)
	}
	if got := read(t, d); got["other"] == nil {
		t.Error("the package installed after the kill is not there")
	}
}

// A scriptlet's daemon that keeps rpm's stdout and stderr must not keep Install.
func TestInstallLeavesDaemonsBehind(t *testing.T) {
	d := newRoot(t)
	fifo := filepath.Join(d.Root, "wait")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// The daemon opens the pipe once for each that opens it to write, and ends with the first.
	p := pack{name: "service", post: `if posix.fork() == 0 then io.open("/wait"):read() posix._exit(0) end`}.make(t, t.TempDir())
	if err := d.Install(nil, []string{p}, false, func(Step) {}); err != nil {
		t.Error(err)
	}
	w, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatalf("the daemon has ended before Install: %v", err)
	}
	io.WriteString(w, "end\n")
	w.Close()
}

func damaged(t *testing.T, path string, change func([]byte) []byte) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// child is the process id of this process's child of a name.
func child(t *testing.T, name string) int {
	t.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, s := range stats {
		b, _ := os.ReadFile(s)
		pid, rest, _ := strings.Cut(string(b), " ")
		if want := fmt.Sprintf("(%s) ", name); strings.HasPrefix(rest, want) {
			if f := strings.Fields(rest[len(want):]); f[1] == strconv.Itoa(os.Getpid()) {
				n, _ := strconv.Atoi(pid)
				return n
			}
		}
	}
	t.Fatalf("there is no child called %s", name)
	return 0
}
