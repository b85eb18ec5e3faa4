// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

const hello = "hello;1.0-1;noarch;installed:school"

// onStick makes a laptop that has installed hello from a folder "stick" in dir, and takes the
// folder away: nothing can be had again.
func onStick(t *testing.T, dir string) *testbed.Laptop {
	t.Helper()
	stick := filepath.Join(dir, "stick")
	if err := os.Symlink(school.Published(), stick); err != nil {
		t.Fatal(err)
	}
	laptop := makeLaptop(t, "file://"+stick, "")
	h := start(t, laptop)
	h.OK("refresh-cache", "no")
	h.OK("install-packages", "none", "hello;1.0-1;noarch;school")
	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(stick); err != nil {
		t.Fatal(err)
	}
	return laptop
}

// removes tells whether hello is known to be this backend's, and removes it with what it brought
// in.
func removes(t *testing.T, h *laptoptest.Helper, l *testbed.Laptop) {
	t.Helper()
	laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
	if lines := h.OK("resolve", "installed", "hello"); !has(lines, "package\tinstalled\t"+hello) {
		t.Errorf("hello is not known to be this backend's: %q", lines)
	}
	h.OK("remove-packages", "none", hello, "no", "yes")
	if left := laptoptest.Installed(t, l); slices.ContainsFunc(left, func(s string) bool { return strings.HasPrefix(s, "hello-") || strings.HasPrefix(s, "libgreet-") }) {
		t.Errorf("left are %q", left)
	}
}

// The record is damaged while no helper runs, on a laptop that is offline.
func TestDamagedRecord(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(t *testing.T, l *testbed.Laptop)
		lost bool // all of it
	}{
		"first page":                  {do: func(t *testing.T, l *testbed.Laptop) { laptoptest.Wipe(t, l, "sqlite_schema") }},
		"why packages were installed": {do: func(t *testing.T, l *testbed.Laptop) { laptoptest.Wipe(t, l, "own", "needed") }},
		"the same and the journal":    {do: func(t *testing.T, l *testbed.Laptop) { laptoptest.Wipe(t, l, "own", "needed", "journal") }},
		"installed packages":          {do: func(t *testing.T, l *testbed.Laptop) { laptoptest.Wipe(t, l, "installed", "installed_name") }},
		"indexes of texts":            {do: func(t *testing.T, l *testbed.Laptop) { laptoptest.Wipe(t, l, "installed_text_data") }},
		"everything":                  {do: func(t *testing.T, l *testbed.Laptop) { laptoptest.Wipe(t, l) }, lost: true},
		"emptied":                     {do: func(t *testing.T, l *testbed.Laptop) { os.Truncate(laptoptest.Record(l), 0) }, lost: true},
		"another file": {do: func(t *testing.T, l *testbed.Laptop) {
			os.WriteFile(laptoptest.Record(l), []byte(strings.Repeat("The dog ate it.\n", 999)), 0o644)
		}, lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stick := t.TempDir()
			laptop := onStick(t, stick)
			c.do(t, laptop)
			h := start(t, laptop)
			laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
			if c.lost {
				if !laptoptest.Rebuilt(t, laptop) {
					t.Error("the damaged record is not set aside")
				}
				h.Fails("cannot-remove-system-package", "remove-packages", "none", hello, "no", "yes")
				// The stick is back, and with it the tree that tells.
				if err := os.Symlink(school.Published(), filepath.Join(stick, "stick")); err != nil {
					t.Fatal(err)
				}
				h.OK("depends-on", "none", "hello;1.0-1;noarch;school", "yes")
				removes(t, h, laptop)
				return
			}
			for _, query := range [][]string{{"search-details", "none", "draws"}, {"search-name", "none", "paint"}} {
				if lines := h.OK(query...); !has(lines, "package\tavailable\tpaint;3.1-1;x86_64;school\t") {
					t.Errorf("%q: %q", query, lines)
				}
			}
			h.OK("depends-on", "none", "hello;1.0-1;noarch;school", "yes")
			removes(t, h, laptop)
			if !laptoptest.Rebuilt(t, laptop) {
				t.Error("the record was not rebuilt")
			}
		})
	}
}

// The record is damaged under two helpers that wait for commands. Whichever finds it out, both go
// on with one record.
func TestDamagedUnderHelpers(t *testing.T) {
	laptop := onStick(t, t.TempDir())
	one, two := start(t, laptop), start(t, laptop)
	one.OK("get-packages", "installed")
	two.OK("get-packages", "installed")
	laptoptest.Wipe(t, laptop)
	for range 2 { // what a helper has in memory may do for its first answers
		for _, h := range []*laptoptest.Helper{one, two} {
			laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
			h.OK("search-file", "installed", "/usr/bin/hello")
			h.OK("get-details", hello)
		}
	}
	three := start(t, laptop)
	laptoptest.Agrees(t, laptop, three.OK("get-packages", "installed"))
	if !laptoptest.Rebuilt(t, laptop) {
		t.Error("the record was not rebuilt")
	}
	// All of them have the new one.
	if out, err := testbed.RPMQuery(laptop.Root, "-e", "hello"); err != nil {
		t.Fatal(err, out)
	}
	three.OK("repair-system", "none")
	for _, h := range []*laptoptest.Helper{one, two} {
		if lines := h.OK("resolve", "installed", "hello"); has(lines, "package\t") {
			t.Errorf("an old record answers: %q", lines)
		}
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	}
	laptoptest.Agrees(t, laptop, three.OK("get-packages", "installed"))
	if laptoptest.Rebuilt(t, laptop) {
		t.Error("the record was damaged by those who had the old one open")
	}
}

// repair-system finds what no query has stumbled over.
func TestRepairOfTheRecord(t *testing.T) {
	laptop := onStick(t, t.TempDir())
	laptoptest.Wipe(t, laptop, "installed_name", "own")
	h := start(t, laptop)
	const told = "package\tcleanup\trecord;1;noarch;rebuilt\tThe record "
	if lines := h.OK("repair-system", "simulate"); !has(lines, told) || laptoptest.Rebuilt(t, laptop) {
		t.Errorf("simulated: %q", lines)
	}
	if lines := h.OK("repair-system", "none"); !has(lines, told+"was damaged and is made anew: 0 packages that this backend installed, 1 transactions") || !laptoptest.Rebuilt(t, laptop) {
		t.Errorf("repaired: %q", lines)
	}
	if lines := h.OK("repair-system", "none"); has(lines, "package\t") {
		t.Errorf("once more: %q", lines)
	}
	removes(t, h, laptop)
}

// What another helper has rebuilt is used from the next command on, though the old file would still
// answer.
func TestRebuiltByAnother(t *testing.T) {
	dir := t.TempDir()
	laptop := onStick(t, dir)
	if err := os.Symlink(school.Published(), filepath.Join(dir, "stick")); err != nil {
		t.Fatal(err)
	}
	laptoptest.Wipe(t, laptop, "installed_name")
	one, two := start(t, laptop), start(t, laptop)
	one.OK("resolve", "none", "paint")
	two.OK("repair-system", "none")
	if !laptoptest.Rebuilt(t, laptop) {
		t.Fatal("the record was not rebuilt")
	}
	two.OK("install-packages", "none", "paint;3.1-1;x86_64;school")
	if lines := one.OK("resolve", "installed", "paint"); !has(lines, "package\tinstalled\tpaint;3.1-1;x86_64;installed:school\t") {
		t.Errorf("the other helper knows: %q", lines)
	}
	one.OK("remove-packages", "none", "paint;3.1-1;x86_64;installed:school", "no", "yes")
	removes(t, two, laptop)
	if laptoptest.Rebuilt(t, laptop) {
		t.Error("the record was damaged by those who had the old one open")
	}
}
