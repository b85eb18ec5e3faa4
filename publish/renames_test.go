// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// What took another package's place is published under its own name, once, and is found by the old
// one; a dead package isn't offered.
func TestRenames(t *testing.T) {
	repo := pkgs{base,
		{NEVRA: "foo-1-1.noarch"}, {NEVRA: "bar-2-1.noarch", Obsoletes: []string{"foo < 2"}, Provides: []string{"foo = 2"}},
		{NEVRA: "usesfoo-1-1.noarch", Requires: []string{"foo"}},
		{NEVRA: "whole-1-1.noarch"}, {NEVRA: "half-2-1.noarch", Obsoletes: []string{"whole < 2"}}, {NEVRA: "rest-2-1.noarch", Obsoletes: []string{"whole < 2"}},
		{NEVRA: "first-1-1.noarch"}, {NEVRA: "second-2-1.noarch", Obsoletes: []string{"first < 2"}}, {NEVRA: "third-3-1.noarch", Obsoletes: []string{"second < 3"}},
		{NEVRA: "left-1-1.noarch", Obsoletes: []string{"right"}}, {NEVRA: "right-1-1.noarch", Obsoletes: []string{"left"}},
		{NEVRA: "heir-2-1.noarch", Obsoletes: []string{"gone < 2"}},
		{NEVRA: "lib-1-1.x86_64"}, {NEVRA: "lib-1-1.i686"},
		{NEVRA: "kernel-5-1.x86_64"}, {NEVRA: "machine-1-1.noarch", Requires: []string{"kernel"}},
	}
	all := openRepo(t, repo).Names()
	for _, test := range []struct {
		name, asked   string // "all": all
		offered, said string
	}{
		{"the old name", "foo", "bar", "foo: bar"},
		{"both names", "bar foo", "bar", "foo: bar"},
		{"a split", "whole", "half rest", "whole: half"},
		{"a chain", "first", "second third", "first: second"}, // as dnf, whose next upgrade leads on
		{"a loop", "left right", "left", "right: left"},
		{"a name that is gone", "gone", "heir", "gone: heir"},
		{"an architecture", "lib.i686", "lib.i686", ""},
		{"both architectures", "lib lib.i686", "lib lib.i686", ""},
		{"all", "all", "bar half heir kernel left lib machine rest second third usesfoo", "first: second foo: bar right: left second: third whole: half"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, o := openRepo(t, repo), options(t)
			names := strings.Fields(test.asked)
			if test.asked == "all" {
				names = all
			}
			r, err := Build(t.Context(), p, names, o)
			if err != nil {
				t.Fatal(err)
			}
			var offered, said []string
			dir := filepath.Join(o.Output, o.Platform)
			for _, e := range entriesOf(t, dir, o.Platform) {
				name := e.Name
				if e.Arch == "i686" {
					name += "." + e.Arch
				}
				offered = append(offered, name)
			}
			for _, one := range r.Replaced {
				said = append(said, one.Name+": "+one.By)
			}
			if got := strings.Join(offered, " "); got != test.offered {
				t.Errorf("offered are %s, want %s", got, test.offered)
			}
			if got := strings.Join(said, " "); got != test.said {
				t.Errorf("replaced are %s, want %s", got, test.said)
			}
			if r.Totals.Replaced != len(r.Replaced) || len(r.Unsolved) > 0 {
				t.Errorf("the report: %+v", r)
			}
			found, err := follow(dir, o.Platform)
			if err != nil {
				t.Fatal(err)
			}
			for old, by := range map[string][]string{"foo": {"bar"}, "whole": {"half", "rest"}, "gone": {"heir"}, "second": {"third"}} {
				by = slices.DeleteFunc(by, func(name string) bool { return found.references[name] == nil })
				if !slices.Equal(found.by[old], by) || len(by) > 0 && !slices.Contains(found.lines[old], old+strings.Repeat("\t", 10)+strings.Join(by, ",")) {
					t.Errorf("%s is obsoleted by %q, said are %q and %q", old, by, found.by[old], found.lines[old])
				}
			}
			for name, tr := range found.trees {
				for _, pkg := range tr.Packages {
					if pkg.InstallOnly != (pkg.Name == "kernel") {
						t.Errorf("in the tree of %s %s is installed beside older versions: %v", name, pkg.NEVRA, pkg.InstallOnly)
					}
				}
			}
		})
	}
}

// entriesOf are the packages of the search file, sorted.
func entriesOf(t *testing.T, dir, platform string) (all []*tree.Entry) {
	t.Helper()
	found, err := follow(dir, platform)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(found.lines)) {
		for _, line := range slices.Backward(found.lines[name]) {
			e, err := tree.ParseEntry([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			if len(e.By) == 0 {
				all = append(all, e)
			}
		}
	}
	return all
}

// A repository's list of obsoletes is clipped to what laptops take.
func TestManyObsoletes(t *testing.T) {
	var all []string
	for i := range 2 * tree.MaxObsoletes {
		all = append(all, fmt.Sprintf("texlive-collection-%d < 2", i))
	}
	p, o := openRepo(t, pkgs{base, repotest.Package{NEVRA: "texlive-1-1.noarch", Obsoletes: all}}), options(t)
	r := mustBuild(t, p, o)
	if len(r.Solved) != 1 {
		t.Fatalf("%+v", r)
	}
	e := entriesOf(t, filepath.Join(o.Output, o.Platform), o.Platform)[0]
	if e.Name != "texlive" {
		t.Fatalf("%+v", e)
	}
	if len(e.Obsoletes) == 0 || len(strings.Join(e.Obsoletes, "")) > tree.MaxObsoletesText {
		t.Errorf("%d are told", len(e.Obsoletes))
	}
}
