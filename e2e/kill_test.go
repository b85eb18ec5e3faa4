// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// The helper is killed, as by a flat battery, at one point after another of an install. The next
// one completes it, waiting for the rpm that the killed one left, if need be; and the record and
// the RPM database agree.
func TestKilled(t *testing.T) {
	for _, at := range []string{
		"status\tdep-resolve", "status\tdownload", "item-progress\tlibtext;2:0.9-1;x86_64;school\tdownload", "allow-cancel\tfalse", "status\tsig-check",
		"status\ttest-commit", "package\tinstalling\tlibtext;", "package\tinstalling\tlibgreet;", "item-progress\thello;1.0-1;noarch;school\tinstall\t100",
		"package\tinstalled\tlibtext;",
	} {
		t.Run(strings.ReplaceAll(at, "\t", " "), func(t *testing.T) {
			t.Parallel()
			laptop := makeLaptop(t, "", "")
			h := start(t, laptop)
			if err := h.Send("install-packages", "none", "hello;1.0-1;noarch;school"); err != nil {
				t.Fatal(err)
			}
			for {
				l, err := h.Line()
				if err != nil || l == "finished" {
					t.Fatalf("%q did not come before the end: %q, %v", at, l, err)
				}
				if strings.HasPrefix(l, at) {
					break
				}
			}
			h.Kill()
			completes(t, laptop)
		})
	}
}

// completes tells whether the next helper brings hello to its end.
func completes(t *testing.T, laptop *testbed.Laptop) {
	t.Helper()
	h := start(t, laptop)
	if e := laptoptest.ErrorOf(h.Answer("install-packages", "none", "hello;1.0-1;noarch;school")); e != "" && !strings.HasPrefix(e, "package-already-installed\t") {
		t.Error("the next install:", e)
	}
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
	for _, name := range []string{"hello", "libgreet", "libtext"} {
		if lines := h.OK("resolve", "installed", name); !has(lines, "package\tinstalled\t"+name+";") || !strings.Contains(lines[1], ";installed:school\t") {
			t.Errorf("%s is not known to be this backend's: %q", name, lines)
		}
	}
	if out, err := testbed.RPMQuery(laptop.Root, "-V", "hello", "libgreet", "libtext"); err != nil {
		t.Errorf("rpm -V: %v, %s", err, out)
	}
}

// A second helper that wants to change the system while another one does is told who that is, and
// can ask all the same.
func TestLocked(t *testing.T) {
	laptop := makeLaptop(t, "", "")
	first := start(t, laptop)
	first.OK("refresh-cache", "no")
	gate := filepath.Join(laptop.Root, testbed.Gate)
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := first.Send("install-packages", "none", "patient;1.0-1;noarch;school"); err != nil {
		t.Fatal(err)
	}
	open, err := os.OpenFile(gate, os.O_WRONLY, 0) // returns when rpm is in the middle
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	second := start(t, laptop)
	want := fmt.Sprintf(", process %d is changing the system", first.Process.Pid)
	if e := laptoptest.ErrorOf(second.Answer("install-packages", "none", "paint;3.1-1;x86_64;school")); !strings.HasPrefix(e, "cannot-get-lock\t") || !strings.Contains(e, want) {
		t.Errorf("answered %q, want %q", e, want)
	}
	second.OK("resolve", "none", "paint")
	open.Close()
	if lines, err := first.Reply(nil); err != nil || laptoptest.ErrorOf(lines) != "" {
		t.Error(lines, err)
	}
	second.OK("install-packages", "none", "paint;3.1-1;x86_64;school")
	laptoptest.Agrees(t, laptop, second.OK("get-packages", "installed"))
}

// Helpers that start at once on a laptop that has no record yet, as packagekitd's two may, all
// work.
func TestStartTogether(t *testing.T) {
	for range 5 {
		laptop := makeLaptop(t, "", "")
		var all []*laptoptest.Helper
		for range 4 {
			h := start(t, laptop)
			if err := h.Send("resolve", "none", "hello"); err != nil {
				t.Fatal(err)
			}
			all = append(all, h)
		}
		for _, h := range all {
			if lines, err := h.Reply(nil); err != nil || !has(lines, "package\tavailable\thello;") {
				t.Error(lines, err)
			}
		}
	}
}
