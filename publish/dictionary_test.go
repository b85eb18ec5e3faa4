// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// manyWith are programs that all need the same library, in a version, in which so many of them are.
func manyWith(version string, changed int) (all []repotest.Package) {
	all = append(all, repotest.Package{NEVRA: "base-1-1.noarch"}, repotest.Package{NEVRA: "lib-" + version + "-1.x86_64"},
		repotest.Package{NEVRA: "common-" + version + "-1.noarch", Requires: []string{"lib"}})
	for i := range leastForDictionary {
		v := "1"
		if i < changed {
			v = version
		}
		all = append(all, repotest.Package{NEVRA: fmt.Sprintf("app%d-%s-1.noarch", i, v), Requires: []string{"common"}})
	}
	return all
}

// A platform of many programs has a dictionary, which stays while half of it is right.
func TestDictionary(t *testing.T) {
	o := options(t)
	var names []string
	for i := range leastForDictionary {
		names = append(names, fmt.Sprintf("app%d", i))
	}
	build := func(packages []repotest.Package, names []string) *published {
		t.Helper()
		if _, err := Build(t.Context(), open(t, repotest.URL(repotest.New(t, packages...))), names, o); err != nil {
			t.Fatal(err)
		}
		return mustFollow(t, o)
	}
	was := build(manyWith("1", 0), names)
	if was.platform.Dictionary.IsZero() || len(was.trees) != len(names) {
		t.Fatalf("platform.json is %+v", was.platform)
	}
	if _, err := Verify(t.Context(), o.home(), was.platform, func(problem error) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
	lost := filepath.Join(o.home(), was.platform.Dictionary.Path)
	if err := os.Rename(lost, lost+".lost"); err != nil {
		t.Fatal(err)
	}
	told := 0
	if _, err := Verify(t.Context(), o.home(), was.platform, func(error) { told++ }); err != nil || told != 2 {
		t.Errorf("without the dictionary %d faults are told, %v", told, err)
	}
	if err := os.Rename(lost+".lost", lost); err != nil {
		t.Fatal(err)
	}
	alone, err := was.trees["app7"].Encode()
	if err != nil {
		t.Fatal(err)
	}
	if with := was.references["app7"].Tree.Size; with > int64(len(alone))*2/3 {
		t.Errorf("a tree has %d bytes with the dictionary and %d without", with, len(alone))
	}
	// Programs change, and what they have in common doesn't.
	is := build(manyWith("1", 0)[:len(names)], names[:leastForDictionary-3])
	if !is.platform.Dictionary.IsZero() {
		t.Error("a platform of few programs has a dictionary")
	}
	was = build(manyWith("1", 0), names)
	packages := manyWith("1", 0)
	packages[100].NEVRA = "app97-2-1.noarch" // after base, lib and common
	is = build(packages, names)
	if is.platform.Dictionary != was.platform.Dictionary || is.references["app97"].Tree == was.references["app97"].Tree || is.references["app98"].Tree != was.references["app98"].Tree {
		t.Errorf("the dictionary was %+v and is %+v", was.platform.Dictionary, is.platform.Dictionary)
	}
	is = build(manyWith("2", 0), names)
	if is.platform.Dictionary == was.platform.Dictionary || is.platform.Dictionary.IsZero() {
		t.Errorf("the dictionary is still %+v", is.platform.Dictionary)
	}
	// One that can't be read is made anew.
	if err := os.WriteFile(filepath.Join(o.Output, o.Platform, is.platform.Dictionary.Path), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again := build(manyWith("2", 0), names); again.platform.Dictionary != is.platform.Dictionary {
		t.Errorf("the dictionary was %+v and is %+v", is.platform.Dictionary, again.platform.Dictionary)
	}
}
