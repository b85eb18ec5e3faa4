// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A serial can be read as long as what it names is there, and no longer.
func TestSerialsAreKept(t *testing.T) {
	o := options(t)
	o.ValidFor = 10 * time.Hour
	names := func(serial int64) (all []string) {
		t.Helper()
		p, err := OpenPublished(o.home(), serial)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.References(func(r *tree.Reference) error {
			tr, err := p.Tree(r)
			if err == nil {
				all = append(all, tr.Top().NEVRA.String())
			}
			return err
		}); err != nil {
			t.Fatalf("serial %d: %v", serial, err)
		}
		slices.Sort(all)
		return all
	}
	for _, version := range []string{"1", "2", "3"} {
		mustBuild(t, openRepo(t, []repotest.Package{{NEVRA: "base-1-1.noarch"}, {NEVRA: "write-" + version + "-1.noarch"}}), o)
		o.Now = o.Now.Add(4 * time.Hour)
	}
	for serial, want := range map[int64]string{0: "write-3-1.noarch", 1: "write-1-1.noarch", 2: "write-2-1.noarch", 3: "write-3-1.noarch"} {
		if got := names(serial); !slices.Equal(got, []string{want}) {
			t.Errorf("serial %d has %q and should have %s", serial, got, want)
		}
	}
	if p, err := OpenPublished(o.home(), 2); err != nil || p.Report.Serial != 0 {
		t.Errorf("the report of another serial counts: %v", err)
	}
	o.Now = o.Now.Add(24 * time.Hour)
	mustBuild(t, openRepo(t, []repotest.Package{{NEVRA: "base-1-1.noarch"}, {NEVRA: "write-3-1.noarch"}}), o) // from another place: serial 4
	if _, err := OpenPublished(o.home(), 1); err == nil || !strings.Contains(err.Error(), "there are [3 4]") {
		t.Errorf("the error is %v", err)
	}
	// What is damaged is told.
	file := filepath.Join(o.home(), "trees")
	trees, err := os.ReadDir(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range trees {
		if err := os.WriteFile(filepath.Join(file, e.Name()), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := OpenPublished(o.home(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.References(func(r *tree.Reference) error { _, err := p.Tree(r); return err }); err == nil || !strings.Contains(err.Error(), "the tree of write") {
		t.Errorf("the error is %v", err)
	}
}

func TestReady(t *testing.T) {
	o := options(t)
	if err := Ready(o); err != nil {
		t.Fatal(err)
	}
	if left := snapshot(t, o.Output); len(left) != 1 { // the lock
		t.Errorf("left: %v", left)
	}
	unlock, err := newFolder(o.home(), []string{""}, nil).lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := Ready(o); err == nil || !strings.Contains(err.Error(), "another presolver is writing to ") {
		t.Errorf("while another one builds: %v", err)
	}
	unlock()
	o.Output = filepath.Join(o.Output, "file")
	if err := os.WriteFile(o.Output, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Ready(o); err == nil || !strings.Contains(err.Error(), "set output to a folder that presolver may write to") {
		t.Errorf("a file in place of the output: %v", err)
	}
}
