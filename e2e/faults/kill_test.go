// SPDX-License-Identifier: GPL-2.0-or-later

package faults

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// points is at how many points of an install each of the two is killed.
func points() int {
	if long {
		return 200
	}
	return 12
}

// TestKilledHelper kills the helper, as a flat battery would, after one line of its protocol after
// another. rpm goes on by itself.
func TestKilledHelper(t *testing.T) {
	all := len(linesOf(t))
	for i := range points() {
		at := 1 + i*(all-1)/points()
		t.Run(fmt.Sprint("after line ", at), func(t *testing.T) {
			t.Parallel()
			k := newKilling(t)
			h := start(t, k.laptop)
			if err := h.Send(installOf("atlas")...); err != nil {
				t.Fatal(err)
			}
			for n, l := 0, ""; n < at && l != "finished"; n++ {
				var err error
				if l, err = h.Line(); err != nil {
					t.Fatal(err)
				}
			}
			h.Kill()
			k.completes(atlas)
		})
	}
}

// TestKilledRPM kills rpm, after one line after another of what the helper tells of it.
func TestKilledRPM(t *testing.T) {
	lines := linesOf(t)
	first := slices.Index(lines, "allow-cancel\tfalse")
	all := slices.Index(lines, "allow-cancel\ttrue") - first
	for i := range points() {
		at := i * all / points()
		t.Run(fmt.Sprint("after line ", at), func(t *testing.T) {
			t.Parallel()
			k := newKilling(t)
			h := start(t, k.laptop)
			if err := h.Send(installOf("atlas")...); err != nil {
				t.Fatal(err)
			}
			began, n, hit := false, 0, false
			lines, err := h.Reply(func(l string) {
				began = began || l == "allow-cancel\tfalse"
				if !began {
					return
				}
				if n >= at && !hit {
					hit = kill(h.Process.Pid, "rpm")
				}
				n++
			})
			if err != nil {
				t.Fatal(err)
			}
			if e := laptoptest.ErrorOf(lines); hit && e != "" && !strings.HasPrefix(e, "process-kill\t") {
				t.Errorf("answered %q", e)
			}
			laptoptest.Agrees(t, k.laptop, h.OK("get-packages", "installed"))
			h.Stop()
			k.completes(atlas)
		})
	}
}

// TestKilledInScriptlet kills rpm while a package's %post runs: the package is in the database and
// its files are whole, and still it isn't installed.
func TestKilledInScriptlet(t *testing.T) {
	t.Parallel()
	k := newKilling(t)
	pipe := filepath.Join(k.laptop.Root, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	h := start(t, k.laptop)
	if err := h.Send(installOf("slowpoke")...); err != nil {
		t.Fatal(err)
	}
	w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // as soon as the scriptlet has it open
	if err != nil {
		t.Fatal(err)
	}
	if !kill(h.Process.Pid, "rpm") {
		t.Fatal("rpm doesn't run")
	}
	w.Close()
	os.Remove(pipe)
	if lines, err := h.Reply(nil); err != nil || !strings.HasPrefix(laptoptest.ErrorOf(lines), "process-kill\t") {
		t.Errorf("answered %q, %v", lines, err)
	}
	k.completes(slowpoke)
	if _, err := os.Stat(filepath.Join(k.laptop.Root, "ran")); err != nil {
		t.Errorf("the scriptlet didn't run to its end: %v", err)
	}
}

// linesOf are the lines of an install that nobody kills.
func linesOf(t *testing.T) []string {
	t.Helper()
	k := newKilling(t)
	return start(t, k.laptop).OK(installOf("atlas")...)
}

// A killing is a laptop on which something is killed.
type killing struct {
	t      *testing.T
	front  *front
	laptop *testbed.Laptop
}

func newKilling(t *testing.T) *killing {
	t.Helper()
	k := &killing{t: t, front: newFront(t, nil)}
	l := lay(t, k.front.URL, weather{Rate: 8 << 20}) // so that the download has a middle
	k.laptop = makeLaptop(t, l.URL, "", "")
	return k
}

// completes tells whether the next install brings everything right, without asking again for what
// was there.
func (k *killing) completes(program []testbed.RPM) {
	t := k.t
	t.Helper()
	there := map[string]int64{} // by RPM, bytes; -1: whole
	files, err := filepath.Glob(filepath.Join(k.laptop.Cache, "rpms", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		_, name, _ := strings.Cut(filepath.Base(f), "-") // the digest
		if rpm, partial := strings.CutSuffix(name, ".part"); partial {
			if fi, err := os.Stat(f); err == nil {
				there[rpm] = fi.Size()
			}
		} else {
			there[name] = -1
		}
	}
	before := len(k.front.asked(0))

	h := start(t, k.laptop)
	if e := laptoptest.ErrorOf(h.Answer(installOf(program[0].Name)...)); e != "" && !strings.HasPrefix(e, "package-already-installed\t") {
		t.Errorf("the next install: %s", e)
	}
	whole(t, h, k.laptop, program)
	for _, asked := range k.front.asked(before) {
		rpm, from, ranged := strings.Cut(asked, " bytes=")
		had, ok := there[rpm]
		if !ok || had == 0 {
			continue
		}
		n, _ := strconv.ParseInt(strings.TrimSuffix(from, "-"), 10, 64)
		if had < 0 || !ranged || n < had {
			t.Errorf("%q was asked for, and %d bytes of it were there (-1: all)", asked, had)
		}
	}
	if left := litter(k.laptop.Root); len(left) > 0 {
		t.Errorf("rpm's temporary files are left: %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(k.laptop.Cache, "rpms", "*")); len(left) > 0 {
		t.Errorf("the cache still has what is installed: %q", left)
	}
}

var temporary = regexp.MustCompile(`;[0-9a-f]{8}$`)

// litter is what rpm calls a file until it is whole.
func litter(root string) (all []string) {
	filepath.WalkDir(root, func(path string, _ fs.DirEntry, _ error) error {
		if temporary.MatchString(path) {
			all = append(all, path)
		}
		return nil
	})
	return all
}

// kill kills the child of a process that runs a program, and tells whether there was one.
func kill(parent int, program string) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, thread := range threads {
		children, _ := os.ReadFile(thread)
		for _, child := range strings.Fields(string(children)) {
			comm, _ := os.ReadFile("/proc/" + child + "/comm")
			if pid, err := strconv.Atoi(child); err == nil && strings.TrimSpace(string(comm)) == program {
				return syscall.Kill(pid, syscall.SIGKILL) == nil
			}
		}
	}
	return false
}
