// SPDX-License-Identifier: GPL-2.0-or-later

package faults

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
)

// TestCatalogueDamagedInTheMiddleOfAnAnswer has a list of which a part is told when the damage is
// met. Each package is told once, and the search file comes again.
func TestCatalogueDamagedInTheMiddleOfAnAnswer(t *testing.T) {
	laptop := makeLaptop(t, "", "", "")
	h := start(t, laptop)
	h.OK(installOf("swarm")...)
	search := []string{"search-name", "none", "s"}
	want := h.OK(search...)
	h.Stop()
	files, err := filepath.Glob(filepath.Join(laptop.State, "catalogue", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the search files are %q, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], append(make([]byte, 1000), whole[1000:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	h = start(t, laptop)
	if got := h.OK(search...); !slices.Equal(packages(got), packages(want)) {
		t.Errorf("answered %q, and before %q", packages(got), packages(want))
	}
	if now, err := os.ReadFile(files[0]); !bytes.Equal(now, whole) {
		t.Errorf("it didn't come again: %v", err)
	}
}

// packages are the lines of packages, in order.
func packages(lines []string) (all []string) {
	for _, l := range lines {
		if strings.HasPrefix(l, "package\t") {
			all = append(all, l)
		}
	}
	slices.Sort(all)
	return all
}

// TestRecordDamagedWhileRPMRuns damages the record in the middle of an install. Another helper
// answers meanwhile, and what was installed is known to be this backend's.
func TestRecordDamagedWhileRPMRuns(t *testing.T) {
	for name, tables := range map[string][]string{
		"everything": nil,
		"journal":    {"journal"},
		"first page": {"sqlite_schema"},
	} {
		for _, other := range []bool{true, false} {
			if !other {
				name += ", no other helper"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				laptop := makeLaptop(t, "", "", "")
				pipe := filepath.Join(laptop.Root, "pipe")
				if err := syscall.Mkfifo(pipe, 0o600); err != nil {
					t.Fatal(err)
				}
				h := start(t, laptop)
				h.OK("resolve", "none", "slowpoke")
				if err := h.Send(installOf("slowpoke")...); err != nil {
					t.Fatal(err)
				}
				w, err := os.OpenFile(pipe, os.O_WRONLY, 0) // as soon as the scriptlet has it open
				if err != nil {
					t.Fatal(err)
				}
				laptoptest.Wipe(t, laptop, tables...)
				if other { // which can't know what is in the first helper's memory, but for the log
					q := start(t, laptop)
					q.OK("get-packages", "installed")
					q.OK("search-name", "none", "atlas")
				}
				w.Close()
				os.Remove(pipe)
				lines, err := h.Reply(nil)
				if e := laptoptest.ErrorOf(lines); err != nil || e != "" {
					t.Errorf("answered %q, %v", e, err)
				}
				whole(t, h, laptop, slowpoke)
				h.Stop()
				h = start(t, laptop)
				whole(t, h, laptop, slowpoke)
				if !laptoptest.Rebuilt(t, laptop) {
					t.Error("nobody has noticed the damage")
				}
				if lines := h.OK("repair-system", "none"); strings.Contains(strings.Join(lines, "\n"), "cut off") {
					t.Errorf("repaired: %q", lines)
				}
				whole(t, h, laptop, slowpoke)
				h.OK("remove-packages", "none", "slowpoke;1.0-1;noarch;installed:school", "no", "yes")
			})
		}
	}
}

// TestKeptTreeSpoilt spoils the trees that a record keeps, so that the file is whole and they are
// not what was kept: what reads them is answered after a rebuild.
func TestKeptTreeSpoilt(t *testing.T) {
	laptop := makeLaptop(t, "", "", "")
	h := start(t, laptop)
	h.OK(installOf("swarm")...)
	for _, ask := range [][]string{
		{"required-by", "none", "swarm-1;1.0-1;noarch;school", "yes"},
		{"depends-on", "none", "swarm;1.0-1;noarch;school", "yes"},
	} {
		want := h.OK(ask...)
		record, err := sql.Open("sqlite", "file:"+laptoptest.Record(laptop))
		if err != nil {
			t.Fatal(err)
		}
		result, err := record.Exec("UPDATE published SET body = CAST('{' AS BLOB)")
		if err != nil {
			t.Fatal(err)
		}
		if n, err := result.RowsAffected(); n == 0 || err != nil {
			t.Fatalf("%d files are kept, %v", n, err)
		}
		record.Close()
		h.Stop() // it may have the tree in memory
		h = start(t, laptop)
		if got := h.OK(ask...); len(got) == 0 || ask[0] == "depends-on" && !slices.Equal(packages(got), packages(want)) {
			t.Errorf("%s: answered %q, and before %q", ask[0], packages(got), packages(want))
		}
		if !laptoptest.Rebuilt(t, laptop) {
			t.Errorf("%s: nobody has noticed the damage", ask[0])
		}
	}
}
