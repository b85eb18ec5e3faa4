// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// An again is a platform that is built time and again as presolver does it.
type again struct {
	config  solve.Config
	options Options
}

// newAgain has a repository of packages in a folder.
func newAgain(t testing.TB, dir string, packages pkgs) *again {
	t.Helper()
	repotest.Write(t, dir, packages...)
	o := options(t)
	o.Asked = "all"
	o.Now = time.Now() // files' times are compared with it
	return &again{solve.Config{
		Arch: "x86_64", Repositories: []solve.Repository{{ID: "repo", URL: repotest.URL(dir)}}, Base: solve.Base{Packages: []string{"base"}}, FileLists: true,
	}, o}
}

// unchanged is the first half of a build: nil where the second is needed.
func (a *again) unchanged(t testing.TB) *Report {
	t.Helper()
	in, err := solve.Look(context.Background(), a.config)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Unchanged(context.Background(), in, a.options)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// build is the second half.
func (a *again) build(t testing.TB) *Report {
	t.Helper()
	p, err := solve.Open(context.Background(), a.config)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	in, err := solve.Look(context.Background(), a.config)
	if err != nil || p.Input() != in || in.Key == "" {
		t.Fatalf("the input is %v and looked like %v, %v", p.Input(), in, err)
	}
	return mustBuild(t, p, a.options)
}

// In what is published the second build says once that nothing has changed; after that nothing is
// written but the expiry, when it is due.
func TestUnchanged(t *testing.T) {
	for _, layouts := range [][]*Layout{{Presolve}, Layouts, {SugarNetwork}} {
		a := newAgain(t, t.TempDir(), first)
		a.options.Layouts, a.options.Copy = layouts, len(layouts) > 1 || layouts[0] == SugarNetwork
		if r := a.unchanged(t); r != nil {
			t.Fatalf("before the first build: %+v", r)
		}
		a.build(t)
		before := snapshot(t, a.options.Output)
		if r := a.unchanged(t); r == nil || r.Changed || r.Serial != 1 || r.Totals.TakenOver != 3 || r.Totals.Solved != 3 {
			t.Fatalf("with the same input: %+v", r)
		}
		second := snapshot(t, a.options.Output)
		for name, was := range before {
			if base := filepath.Base(name); second[name] != was && base != "report.json" && base != builtFile {
				t.Errorf("%s changed", name)
			}
		}
		// RPMs that were just written are looked at once more: their times don't tell enough yet.
		a.options.Now = a.options.Now.Add(time.Minute)
		a.unchanged(t)
		third := snapshot(t, a.options.Output)
		a.options.Now = a.options.Now.Add(time.Minute)
		if a.unchanged(t) == nil {
			t.Fatal("the fourth time")
		}
		if fourth := snapshot(t, a.options.Output); len(fourth) != len(third) {
			t.Errorf("there were %d files and there are %d", len(third), len(fourth))
		} else {
			for name := range third {
				if fourth[name] != third[name] {
					t.Errorf("%s changed although nothing had", name)
				}
			}
		}
		if !slices.Contains(layouts, Presolve) {
			continue
		}
		a.options.Now = a.options.Now.Add(6 * time.Hour) // more than half of valid_for
		if a.unchanged(t) == nil {
			t.Fatal("when the expiry is due")
		}
		if p := mustFollow(t, a.options).platform; p.Serial != 1 || !p.Expires.Equal(a.options.Now.Add(a.options.ValidFor).UTC().Truncate(time.Second)) {
			t.Errorf("when the expiry is due: %+v", p)
		}
		if a.unchanged(t) == nil {
			t.Error("after the expiry was renewed")
		}
	}
}

// What has expired goes, though nothing has changed.
func TestUnchangedRemovesWhatHasExpired(t *testing.T) {
	dir := t.TempDir()
	a := newAgain(t, dir, first)
	a.build(t)
	old := mustFollow(t, a.options).references["write"].Tree.Path
	repotest.Write(t, dir, second...)
	a.build(t)
	there := func() bool { return exists(filepath.Join(a.options.home(), old)) }
	if a.unchanged(t) == nil || !there() {
		t.Error("a tree that hasn't expired is gone")
	}
	a.options.Now = a.options.Now.Add(a.options.ValidFor + time.Minute)
	if a.unchanged(t) == nil || there() {
		t.Error("a tree that has expired is there")
	}
}

// All that can change what is published is noticed, and so is what has happened to that.
func TestChangesAreNoticed(t *testing.T) {
	type edit func(t *testing.T, a *again, dir string)
	file := func(name string, content func([]byte) []byte) edit {
		return func(t *testing.T, a *again, _ string) {
			all, err := filepath.Glob(filepath.Join(a.options.home(), name))
			if err != nil || len(all) == 0 {
				t.Fatal(name, err)
			}
			data, err := os.ReadFile(all[0])
			if err != nil {
				t.Fatal(err)
			}
			os.Remove(all[0]) // it may be a link to the repository's
			if data = content(data); data != nil {
				err = os.WriteFile(all[0], data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	gone := func([]byte) []byte { return nil }
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	same := func(b []byte) []byte { return b }
	for what, test := range map[string]struct {
		edit edit
		same bool
	}{
		"nothing":        {func(*testing.T, *again, string) {}, true},
		"a package":      {func(t *testing.T, _ *again, dir string) { repotest.Write(t, dir, third...) }, false},
		"comps":          {func(t *testing.T, _ *again, dir string) { repotest.Modify(t, dir, "group", testFile(t, "<comps/>")) }, false},
		"an unread file": {func(t *testing.T, _ *again, dir string) { repotest.Modify(t, dir, "other_news", testFile(t, "<a/>")) }, true},
		"the revision":   {func(t *testing.T, _ *again, dir string) { repotest.CreateRepo(t, dir, "--revision=7", "--update") }, true},
		"arch":           {func(_ *testing.T, a *again, _ string) { a.config.Arch = "i686" }, false},
		"the id":         {func(_ *testing.T, a *again, _ string) { a.config.Repositories[0].ID = "other" }, false},
		"module_hotfixes": {func(_ *testing.T, a *again, _ string) {
			a.config.Repositories[0].ModuleHotfixes = true
		}, false},
		"weak_dependencies": {func(_ *testing.T, a *again, _ string) { a.config.WeakDependencies = true }, false},
		"file lists":        {func(_ *testing.T, a *again, _ string) { a.config.FileLists = false }, false},
		"platform_id":       {func(_ *testing.T, a *again, _ string) { a.config.PlatformID = "platform:el8" }, false},
		"modules":           {func(_ *testing.T, a *again, _ string) { a.config.Modules = []solve.Module{{Name: "m", Stream: "1"}} }, false},
		"base":              {func(_ *testing.T, a *again, _ string) { a.config.Base.Packages = []string{"base", "same"} }, false},
		"another mirror": {func(_ *testing.T, a *again, _ string) {
			a.config.Repositories[0].URLs = []string{"http://127.0.0.1:1/"}
		}, false},
		"names":               {func(_ *testing.T, a *again, _ string) { a.options.Asked = "some" }, false},
		"nobody says so":      {func(_ *testing.T, a *again, _ string) { a.options.Asked = "" }, false},
		"layouts":             {func(_ *testing.T, a *again, _ string) { a.options.Layouts = []*Layout{Presolve} }, false},
		"rpms":                {func(_ *testing.T, a *again, _ string) { a.options.Copy, a.options.Layouts = false, []*Layout{Presolve} }, false},
		"strict":              {func(_ *testing.T, a *again, _ string) { a.options.Strict = true }, false},
		"valid_for":           {func(_ *testing.T, a *again, _ string) { a.options.ValidFor *= 2 }, true},
		"a tree is gone":      {file("trees/write*", gone), false},
		"a tree is cut":       {file("trees/write*", cut), false},
		"a shard is gone":     {file("references/*/*", gone), false},
		"report.json":         {file("report.json", flip), false},
		"report.json is gone": {file("report.json", gone), false},
		"platform.json":       {file("platform.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"serial":1`), []byte(`"serial":7`), 1) }), false},
		"platform.json gone":  {file("platform.json", gone), false},
		"an RPM is gone":      {file("rpms/write*", gone), false},
		"an RPM is cut":       {file("rpms/write*", cut), false},
		"an RPM is damaged":   {file("rpms/write*", flip), false},
		"an RPM is another":   {file("rpms/write*", same), true},
		"a node is damaged":   {file("../packages/presolve/*/write", flip), false},
		"a linked RPM":        {file("../packages/presolve/*/write*.rpm", flip), false},
		"no state":            {file(builtFile, gone), false},
		"a damaged state":     {file(builtFile, flip), false},
		"half a state":        {file(builtFile, cut), false},
		"an empty state":      {file(builtFile, func([]byte) []byte { return []byte{} }), false},
		"no other state":      {file(madeFile, gone), true},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			a := newAgain(t, dir, first)
			a.options.Layouts, a.options.Copy = Layouts, true
			a.build(t)
			a.options.Now = a.options.Now.Add(time.Minute)
			if a.unchanged(t) == nil {
				t.Fatal("nothing has changed yet")
			}
			test.edit(t, a, dir)
			if r := a.unchanged(t); (r != nil) != test.same {
				t.Errorf("it is unchanged: %v", r != nil)
			}
		})
	}
}

// testFile is a file of a content.
func testFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "comps.xml")
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// The base's RPM database counts by what it has.
func TestAnotherBaseIsNoticed(t *testing.T) {
	a := newAgain(t, t.TempDir(), first)
	root := t.TempDir()
	repotest.Install(t, root, "var/lib/rpm", base)
	a.config.Base = solve.Base{Root: root, RPMDB: "/var/lib/rpm"}
	a.build(t)
	if a.unchanged(t) == nil {
		t.Error("nothing has changed")
	}
	repotest.Install(t, root, "var/lib/rpm", repotest.Package{NEVRA: "more-1-1.noarch"})
	if a.unchanged(t) != nil {
		t.Error("the base has more")
	}
}

// An RPM that couldn't be had is asked for again.
func TestALackIsNotKept(t *testing.T) {
	dir := t.TempDir()
	a := newAgain(t, dir, first)
	a.options.Copy = true
	lib := filepath.Join(dir, "lib-1-1.x86_64.rpm")
	if err := os.Rename(lib, lib+".away"); err != nil {
		t.Fatal(err)
	}
	if r := a.build(t); r.Totals.Solved != 1 {
		t.Errorf("%+v", r)
	}
	if a.unchanged(t) != nil {
		t.Error("the RPM may be there by now")
	}
	if err := os.Rename(lib+".away", lib); err != nil {
		t.Fatal(err)
	}
	if r := a.build(t); r.Totals.Solved != 3 {
		t.Errorf("%+v", r)
	}
	mustFollow(t, a.options)
}

// publishedBy is what readers see in an output folder, and report.json without what tells how it
// was made.
func publishedBy(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	if err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if d.Name() == "report.json" {
			var r Report
			if err := json.Unmarshal(data, &r); err != nil {
				return err
			}
			r.Totals.TakenOver = 0
			if data, err = r.encode(); err != nil {
				return err
			}
		}
		rel, _ := filepath.Rel(dir, name)
		all[rel] = string(data)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// What is built with what the last build left is what is built without, byte for byte, over nights
// in which anything may change.
func TestBuiltAgainIsBuiltAnew(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	worlds := uint64(2)
	if os.Getenv("PRESOLVE_LONG") != "" {
		worlds = 6
	}
	taken, all := 0, 0
	for seed := range worlds {
		w := repotest.NewWorld(1000 + seed)
		o := options(t)
		kept := o
		kept.Output, kept.Asked = t.TempDir(), "all"
		for night := range 8 {
			w.Write(t, dirs)
			c := solve.Config{Arch: "x86_64", Base: solve.Base{Packages: w.Base}, WeakDependencies: w.Weak, FileLists: true}
			for r, dir := range dirs {
				c.Repositories = append(c.Repositories, solve.Repository{ID: fmt.Sprint("r", r), URL: repotest.URL(dir)})
			}
			if w.Stream != "" {
				c.Modules = []solve.Module{{Name: "m", Stream: w.Stream}}
			}
			w.Change()
			o.Now = o.Now.Add(3 * time.Hour)
			kept.Now = o.Now
			var reports [2]*Report
			for i, o := range []Options{o, kept} {
				p, err := solve.Open(context.Background(), c)
				if err != nil {
					break // a base that can't be solved
				}
				reports[i], err = Build(context.Background(), p, w.Names(), o)
				p.Close()
				if err != nil && reports[i] == nil {
					t.Fatal(err)
				}
			}
			if reports[1] == nil {
				continue
			}
			taken, all = taken+reports[1].Totals.TakenOver, all+reports[1].Totals.Solved
			want, got := publishedBy(t, o.Output), publishedBy(t, kept.Output)
			for name := range want {
				if got[name] != want[name] {
					t.Fatalf("world %d, night %d: %s\ngot  %.2000s\nwant %.2000s", seed, night, name, got[name], want[name])
				}
			}
			if len(want) != len(got) {
				t.Fatalf("world %d, night %d: there are %d files and should be %d", seed, night, len(got), len(want))
			}
		}
	}
	t.Logf("%d of %d trees were taken over", taken, all)
	if taken == 0 {
		t.Error("nothing was taken over, so nothing was tried")
	}
}

// What is published is whole, whatever happens to what is kept beside it.
func TestNothingKept(t *testing.T) {
	a := newAgain(t, t.TempDir(), first)
	p, err := solve.Open(context.Background(), a.config)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, what := range []string{"write " + builtFile, "rename " + builtFile, "write " + madeFile, "rename " + madeFile} {
		failed := false
		for _, kept := range []string{builtFile, madeFile} {
			os.Remove(filepath.Join(a.options.home(), kept))
		}
		if _, err := build(context.Background(), p, p.Names(), a.options, func(s string) error {
			if s == what {
				failed = true
				return errors.New("the disk is full")
			}
			return nil
		}); err != nil || !failed {
			t.Errorf("where %s fails: %v, %v", what, failed, err)
		}
		if kept := strings.Fields(what)[1]; exists(filepath.Join(a.options.home(), kept)) {
			t.Errorf("%s is there although it couldn't be written", kept)
		}
		mustFollow(t, a.options)
	}
}

// Whatever bytes there are, they are what was kept or count as none.
func FuzzKept(f *testing.F) {
	dir := newFolder(f.TempDir(), []string{""}, func(string) error { return nil })
	for _, kept := range []*built{{Key: "k"}, {Key: "k", Folders: []builtFolder{{Dir: "d", Named: []namedFile{{Name: "a", Size: 1}}, Others: []otherFile{{Name: "b", SHA256: "c", Looks: looks{1, 2, 3, 4}}}}}}} {
		if err := dir.keep(builtFile, kept); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(dir.path(builtFile))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)-1])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := newFolder(t.TempDir(), []string{""}, func(string) error { return nil })
		if err := os.WriteFile(dir.path(builtFile), data, 0o644); err != nil {
			t.Fatal(err)
		}
		var is, again built
		if !dir.readKept(builtFile, &is) {
			return
		}
		if err := dir.keep(builtFile, &is); err != nil || !dir.readKept(builtFile, &again) || !reflect.DeepEqual(is, again) {
			t.Errorf("%+v became %+v, %v", is, again, err)
		}
	})
}
