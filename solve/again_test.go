// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// openWorld writes the repositories and opens the platform; nil where its base can't be solved.
func openWorld(t *testing.T, w *repotest.World, dirs [2]string) *Platform {
	t.Helper()
	w.Write(t, dirs)
	c := Config{Arch: "x86_64", Base: Base{Packages: w.Base}, WeakDependencies: w.Weak}
	for r, dir := range dirs {
		c.Repositories = append(c.Repositories, Repository{ID: fmt.Sprint("r", r), URL: repotest.URL(dir)})
	}
	if w.Stream != "" {
		c.Modules = []Module{{"m", w.Stream}}
	}
	p, err := Open(context.Background(), c)
	if err == nil {
		t.Cleanup(p.Close)
	} else {
		if !strings.Contains(err.Error(), "the base can't be solved") {
			t.Fatal(err)
		}
		return nil
	}
	return p
}

// answersOf are the answers for names.
func answersOf(t *testing.T, p *Platform, names []string) map[string]string {
	t.Helper()
	var mu sync.Mutex
	all := make(map[string]string)
	if err := p.Solve(context.Background(), names, func(r Result) error {
		mu.Lock()
		defer mu.Unlock()
		all[r.Name] = inWords(r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// inWords is all that a result says.
func inWords(r Result) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Name, r.Successors, r.Requires, r.Needs, r.InBase, r.Unsolvable)
	for _, pkg := range r.Packages {
		fmt.Fprintf(&b, "%+v %s %d\n", pkg.Package, pkg.Checksum, pkg.id)
	}
	return b.String()
}

// nights compares what is solved again with what is solved anew, over some nights of one world.
func nights(t *testing.T, seed uint64, dirs [2]string, n int) (again, firmly, all int) {
	t.Helper()
	w := repotest.NewWorld(seed)
	var kept []byte
	for night := range n {
		anew := openWorld(t, w, dirs)
		if anew == nil {
			w.Change()
			continue
		}
		want := answersOf(t, anew, w.Names())
		p := openWorld(t, w, dirs)
		p.Recall(kept)
		got := answersOf(t, p, w.Names())
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if got[name] != want[name] {
				t.Fatalf("world %d, night %d: %s\ngot  %s\nwant %s", seed, night, name, got[name], want[name])
			}
		}
		for name := range p.again.found.Names {
			candidates := p.candidates(name)
			if _, ok := p.again.steps(name, candidates); !ok {
				continue
			}
			if again++; !free(candidates, p.again.affected) {
				firmly++
			}
		}
		all += len(p.again.found.Names)
		var err error
		if kept, err = p.Keep(); err != nil {
			t.Fatal(err)
		}
		w.Change()
	}
	return again, firmly, all
}

// What is solved again where something has changed is what is solved anew: versions go up and down,
// packages come and go, dependencies of all kinds, the base, the streams of modules.
func TestSolvedAgainIsSolvedAnew(t *testing.T) {
	worlds := uint64(4)
	if n, err := strconv.ParseUint(os.Getenv("PRESOLVE_WORLDS"), 10, 32); err == nil {
		worlds = n
	}
	dirs := [2]string{t.TempDir(), t.TempDir()}
	again, firmly, all := 0, 0, 0
	for seed := range worlds {
		a, f, n := nights(t, seed, dirs, 12)
		again, firmly, all = again+a, firmly+f, all+n
	}
	t.Logf("%d of %d answers were taken over, %d of them because they are firm", again, all, firmly)
	if firmly == 0 || firmly == again {
		t.Error("nothing was taken over, so nothing was tried")
	}
}

// rebuilt writes the corpus's repository with one package in a hundred built anew: in a new release,
// which what requires the old one of some doesn't follow.
func rebuilt(t *testing.T, from, to string, inBase map[string]bool) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(from, "repodata", "*-primary.xml.gz"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	file, err := os.Open(names[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`<version (epoch="[^"]*" ver="[^"]*" rel="[^"]*)"/>`)
	sum := regexp.MustCompile(`(pkgid="YES">)[0-9a-f]{4}`)
	entry := regexp.MustCompile(`^name="([^"]*)" flags="[EGL][QET]" (epoch="[^"]*" ver="[^"]*" rel="[^"]*)"`)
	parts := strings.Split(string(data), "<package ")
	was := make(map[string]string) // by name: what followers require
	for i := 50; i < len(parts); i += 100 {
		_, name, _ := strings.Cut(parts[i], "<name>")
		name, _, _ = strings.Cut(name, "<")
		is := version.FindStringSubmatch(parts[i])[1]
		if parts[i] = version.ReplaceAllString(sum.ReplaceAllString(parts[i], "${1}0000"), `<version $1.1"/>`); i%300 != 50 || inBase[name] {
			was[name] = is
		}
	}
	parts = strings.Split(strings.Join(parts, "<package "), "<rpm:entry ")
	for i, p := range parts {
		name, _, _ := strings.Cut(strings.TrimPrefix(p, `name="`), `"`)
		if is, ok := was[name]; ok { // a regular expression for each entry takes a minute under -race
			if m := entry.FindStringSubmatch(p); m != nil && m[2] == is {
				parts[i] = strings.Replace(p, m[0], strings.TrimSuffix(m[0], `"`)+`.1"`, 1)
			}
		}
	}
	repotest.WriteMetadata(t, to, map[string]string{"primary": strings.Join(parts, "<rpm:entry ")})
}

// A night of the corpus: of some of its names the answers are the same as anew, most without solving
// them again.
func TestCorpusSolvedAgain(t *testing.T) {
	from, to := filepath.Join(corpus(t), "distribution"), t.TempDir()
	open := func(dir string) *Platform {
		p, err := Open(context.Background(), Config{
			Arch: "x86_64", Repositories: []Repository{{ID: "distribution", URL: repotest.URL(dir)}}, Base: Base{Packages: []string{"sugar-session"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	before := open(from)
	rebuilt(t, from, to, before.baseName)
	anew, again := open(to), open(to)
	every := 640
	if long {
		every = 128
	}
	var names []string
	for i, name := range before.Names() {
		if i%every == 0 {
			names = append(names, name)
		}
	}
	before.Recall(nil)
	answersOf(t, before, names)
	kept, err := before.Keep()
	if err != nil {
		t.Fatal(err)
	}
	again.Recall(kept)
	want, got := answersOf(t, anew, names), answersOf(t, again, names)
	for _, name := range names {
		if got[name] != want[name] {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got[name], want[name])
		}
	}
	affected := 0
	for _, yes := range again.again.needing {
		if yes {
			affected++
		}
	}
	t.Logf("of %d packages %d are affected", len(again.packages), affected)
	if again.again.needing == nil {
		t.Error("everything was solved again")
	}
}

func TestLongestRising(t *testing.T) {
	for _, test := range []struct{ list, want []int }{
		{nil, nil},
		{[]int{-1}, nil},
		{[]int{3}, []int{3}},
		{[]int{1, 2, 3}, []int{1, 2, 3}},
		{[]int{3, 2, 1}, []int{1}},
		{[]int{0, 7, -1, 1, 2, 5, 3}, []int{0, 1, 2, 3}},
		{[]int{5, 6, 0, 7, 1}, []int{5, 6, 7}},
	} {
		var got []int
		for i, in := range longestRising(test.list) {
			if in {
				got = append(got, test.list[i])
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, want %v", test.list, got, test.want)
		}
	}
}

// What is damaged, or kept of another platform, counts as none.
func TestRecallOfNothing(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	w := repotest.NewWorld(8)
	want := answersOf(t, openWorld(t, w, dirs), w.Names())
	p := openWorld(t, w, dirs)
	p.Recall(nil)
	answersOf(t, p, w.Names())
	kept, err := p.Keep()
	if err != nil {
		t.Fatal(err)
	}
	w.Weak = !w.Weak
	other := openWorld(t, w, dirs)
	if other.Recall(kept); len(other.again.kept.Places) > 0 {
		t.Error("what was solved without recommendations counts with them")
	}
	w.Weak = !w.Weak
	for _, data := range [][]byte{nil, {}, kept[:len(kept)/2], []byte("nonsense")} {
		p := openWorld(t, w, dirs)
		p.Recall(data)
		if got := answersOf(t, p, w.Names()); !maps.Equal(got, want) {
			t.Errorf("with %d bytes other answers are found", len(data))
		}
	}
}

// Each of these changes one answer, and is one thing that the solver looks at.
func TestWhatChangesAnAnswer(t *testing.T) {
	type pkgs = []repotest.Package
	always := pkgs{{NEVRA: "base-1-1.noarch"}, {NEVRA: "a-1-1.noarch", Provides: []string{"virtual = 2"}}, {NEVRA: "b-1-1.noarch", Provides: []string{"virtual = 1"}}}
	for what, test := range map[string]struct{ before, after pkgs }{
		"a version of what is provided": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"thing"}}, {NEVRA: "c-1-1.noarch", Provides: []string{"thing = 5.1"}}, {NEVRA: "d-1-1.noarch", Provides: []string{"thing = 4.1"}}},
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"thing"}}, {NEVRA: "c-1-1.noarch", Provides: []string{"thing = 5.1"}}, {NEVRA: "d-1-1.noarch", Provides: []string{"thing = 6.1"}}},
		},
		"what is obsolete": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"(a or b)", "y"}}, {NEVRA: "y-1-1.noarch"}},
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"(a or b)", "y"}}, {NEVRA: "y-1-1.noarch", Obsoletes: []string{"a"}}},
		},
		"a conflict": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"virtual", "y"}}, {NEVRA: "y-1-1.noarch"}},
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"virtual", "y"}}, {NEVRA: "y-1-1.noarch", Conflicts: []string{"a"}}},
		},
		"a recommendation": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"virtual", "y"}}, {NEVRA: "y-1-1.noarch"}},
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"virtual", "y"}}, {NEVRA: "y-1-1.noarch", Recommends: []string{"b"}}},
		},
		"a requirement of a requirement": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"y"}}, {NEVRA: "y-1-1.noarch"}},
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"y"}}, {NEVRA: "y-1-1.noarch", Requires: []string{"a"}}},
		},
		"a version of its own": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"y"}}, {NEVRA: "y-1-1.noarch", Requires: []string{"a"}}, {NEVRA: "y-2-1.noarch", Requires: []string{"b"}}},
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"y"}}, {NEVRA: "y-0-1.noarch", Requires: []string{"b"}}, {NEVRA: "y-1-1.noarch", Requires: []string{"a"}}},
		},
		"a successor": {
			pkgs{{NEVRA: "want-1-1.noarch"}},
			pkgs{{NEVRA: "want-1-1.noarch"}, {NEVRA: "new-1-1.noarch", Obsoletes: []string{"want"}, Provides: []string{"want = 2"}}},
		},
		"a provider that comes": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"(missing or b)"}}},
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"(missing or b)"}}, {NEVRA: "a0-1-1.noarch", Provides: []string{"missing"}}},
		},
		"a provider that goes": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"thing"}}, {NEVRA: "c-1-1.noarch", Provides: []string{"thing"}}, {NEVRA: "d-1-1.noarch", Provides: []string{"thing"}}},
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"thing"}}, {NEVRA: "d-1-1.noarch", Provides: []string{"thing"}}},
		},
		"a file": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"/usr/bin/x"}}, {NEVRA: "d-1-1.noarch", Files: []string{"/usr/bin/x"}}},
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"/usr/bin/x"}}, {NEVRA: "c-1-1.noarch", Files: []string{"/usr/bin/x"}}},
		},
		"what the base forbids": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"virtual"}}},
			pkgs{{NEVRA: "base-1-2.noarch", Conflicts: []string{"a"}}, {NEVRA: "want-1-1.noarch", Requires: []string{"virtual"}}},
		},
		"what could take the place of the base's, for whose sake an older version is chosen": {
			pkgs{{NEVRA: "base-1-2.noarch", Requires: []string{"core"}}, {NEVRA: "core-1-1.noarch"}, {NEVRA: "want-1-1.noarch"}, {NEVRA: "want-2-1.noarch", Conflicts: []string{"core"}},
				{NEVRA: "new-1-1.noarch", Obsoletes: []string{"core"}, Requires: []string{"y"}}, {NEVRA: "y-1-1.noarch", Requires: []string{"missing"}}},
			pkgs{{NEVRA: "base-1-2.noarch", Requires: []string{"core"}}, {NEVRA: "core-1-1.noarch"}, {NEVRA: "want-1-1.noarch"}, {NEVRA: "want-2-1.noarch", Conflicts: []string{"core"}},
				{NEVRA: "new-1-1.noarch", Obsoletes: []string{"core"}, Requires: []string{"y"}}, {NEVRA: "y-1-1.noarch"}},
		},
		"what the base has": {
			pkgs{{NEVRA: "want-1-1.noarch", Requires: []string{"virtual"}}},
			pkgs{{NEVRA: "base-1-2.noarch", Provides: []string{"virtual"}}, {NEVRA: "want-1-1.noarch", Requires: []string{"virtual"}}},
		},
	} {
		t.Run(what, func(t *testing.T) {
			open := func(packages pkgs) *Platform {
				p, err := Open(context.Background(), Config{
					Arch: "x86_64", Repositories: []Repository{{ID: "r", URL: repotest.URL(repotest.New(t, slices.Concat(always, packages)...))}}, Base: Base{Packages: []string{"base"}},
				})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(p.Close)
				return p
			}
			names := func(p *Platform) (tree string) {
				if err := p.Solve(context.Background(), []string{"want"}, func(r Result) error {
					tree = r.Unsolvable
					for _, pkg := range r.Packages {
						tree += pkg.NEVRA.String() + " "
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				return tree
			}
			before, after, again := open(test.before), open(test.after), open(test.after)
			before.Recall(nil)
			was, want := names(before), names(after)
			kept, err := before.Keep()
			if err != nil {
				t.Fatal(err)
			}
			again.Recall(kept)
			if was == want {
				t.Errorf("it changes nothing: %s", was)
			}
			if got := names(again); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
