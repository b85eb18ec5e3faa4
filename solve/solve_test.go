// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

type pkgs = []repotest.Package

func TestSolve(t *testing.T) {
	base := repotest.Package{NEVRA: "base-1-1.noarch", Files: []string{"/usr/bin/base"}}
	for _, test := range []struct {
		name    string
		arch    string // x86_64 where empty
		weak    bool
		repo    pkgs
		top     string
		want    string   // the tree in order: NEVRAs, each with [the names that it requires]
		needs   string   // NEVRAs
		reasons []string // in place of want: what the reason must say
	}{{
		name:  "alone",
		repo:  pkgs{{NEVRA: "a-1-1.noarch"}},
		top:   "a",
		want:  "a-1-1.noarch",
		needs: "",
	}, {
		name:  "the base ends a tree",
		repo:  pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"b", "base"}}, {NEVRA: "b-1-1.x86_64", Requires: []string{"/usr/bin/base"}}},
		top:   "a",
		want:  "b-1-1.x86_64 a-1-1.noarch[b]",
		needs: "base-1-1.noarch",
	}, {
		name: "cycle",
		repo: pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"b"}}, {NEVRA: "b-1-1.noarch", Requires: []string{"c"}}, {NEVRA: "c-1-1.noarch", Requires: []string{"b", "a"}}},
		top:  "a",
		want: "c-1-1.noarch b-1-1.noarch[c] a-1-1.noarch[b]",
	}, {
		name: "or: the first that is there",
		repo: pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"(missing or b)"}}, {NEVRA: "b-1-1.noarch"}},
		top:  "a",
		want: "b-1-1.noarch a-1-1.noarch[b]",
	}, {
		name:  "or: the base",
		repo:  pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"(b or base)"}}, {NEVRA: "b-1-1.noarch"}},
		top:   "a",
		want:  "a-1-1.noarch",
		needs: "base-1-1.noarch",
	}, {
		name: "if: the condition holds",
		repo: pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"(b if base)", "(c if missing)"}}, {NEVRA: "b-1-1.noarch"}, {NEVRA: "c-1-1.noarch"}},
		top:  "a",
		want: "b-1-1.noarch a-1-1.noarch[b]",
	}, {
		name:  "and",
		repo:  pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"(b and base)"}}, {NEVRA: "b-1-1.noarch"}},
		top:   "a",
		want:  "b-1-1.noarch a-1-1.noarch[b]",
		needs: "base-1-1.noarch",
	}, {
		name: "a file that only filelists.xml has",
		repo: pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"/usr/share/b/data"}}, {NEVRA: "b-1-1.noarch", Files: []string{"/usr/share/b/data"}}},
		top:  "a",
		want: "b-1-1.noarch a-1-1.noarch[b]",
	}, {
		name: "the best version, epoch first",
		repo: pkgs{{NEVRA: "a-9-1.noarch"}, {NEVRA: "a-1:2-1.noarch"}, {NEVRA: "a-1:2~rc1-5.noarch"}},
		top:  "a",
		want: "a-1:2-1.noarch",
	}, {
		name: "an older version where the newest can't be installed",
		repo: pkgs{{NEVRA: "a-2-1.noarch", Requires: []string{"missing"}}, {NEVRA: "a-1-1.noarch"}},
		top:  "a",
		want: "a-1-1.noarch",
	}, {
		name: "a version that is asked for",
		repo: pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"b < 2"}}, {NEVRA: "b-1-1.noarch"}, {NEVRA: "b-2-1.noarch"}},
		top:  "a",
		want: "b-1-1.noarch a-1-1.noarch[b]",
	}, {
		name: "the machine's own architecture before what it can run too",
		repo: pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"b"}}, {NEVRA: "b-1-1.i686"}, {NEVRA: "b-1-1.x86_64"}},
		top:  "a",
		want: "b-1-1.x86_64 a-1-1.noarch[b]",
	}, {
		name: "i686 on x86_64, where it is asked for",
		repo: pkgs{{NEVRA: "a-1-1.x86_64", Requires: []string{"b32"}}, {NEVRA: "b-1-1.i686", Provides: []string{"b32"}}, {NEVRA: "b-1-1.x86_64"}},
		top:  "a",
		want: "b-1-1.i686 b-1-1.x86_64 a-1-1.x86_64[b]", // never one without the other: both in one version
	}, {
		name:    "x86_64 on i686",
		arch:    "i686",
		repo:    pkgs{{NEVRA: "a-1-1.x86_64"}, {NEVRA: "b-1-1.noarch"}},
		top:     "a",
		reasons: []string{"no repository has a package a for i686"},
	}, {
		name: "recommended packages are left out",
		repo: pkgs{{NEVRA: "a-1-1.noarch", Recommends: []string{"b"}}, {NEVRA: "b-1-1.noarch"}},
		top:  "a",
		want: "a-1-1.noarch",
	}, {
		name: "recommended packages come in, before the top-level package",
		weak: true,
		repo: pkgs{{NEVRA: "a-1-1.noarch", Recommends: []string{"b", "missing"}}, {NEVRA: "b-1-1.noarch"}},
		top:  "a",
		want: "b-1-1.noarch a-1-1.noarch",
	}, {
		name: "recommendations that aren't followed still tip a choice",
		repo: pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"mail", "c"}}, {NEVRA: "c-1-1.noarch", Recommends: []string{"z"}},
			{NEVRA: "b-1-1.noarch", Provides: []string{"mail"}}, {NEVRA: "z-1-1.noarch", Provides: []string{"mail"}}},
		top:  "a",
		want: "z-1-1.noarch c-1-1.noarch a-1-1.noarch[c z]",
	}, {
		name: "an obsoleted package is passed over",
		repo: pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"b"}}, {NEVRA: "b-1-1.noarch"}, {NEVRA: "c-2-1.noarch", Provides: []string{"b"}, Obsoletes: []string{"b"}}},
		top:  "a",
		want: "c-2-1.noarch a-1-1.noarch[c]",
	}, {
		name:    "nothing provides it",
		repo:    pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"b"}}, {NEVRA: "b-1-1.noarch", Requires: []string{"missing >= 3"}}},
		top:     "a",
		reasons: []string{"nothing provides missing >= 3 needed by b-1-1.noarch"},
	}, {
		name:    "a conflict within the tree",
		repo:    pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"b", "c"}}, {NEVRA: "b-1-1.noarch", Conflicts: []string{"c"}}, {NEVRA: "c-1-1.noarch"}},
		top:     "a",
		reasons: []string{"b-1-1.noarch conflicts with c provided by c-1-1.noarch"},
	}, {
		name:    "a conflict with the base",
		repo:    pkgs{{NEVRA: "a-1-1.noarch", Conflicts: []string{"base"}}},
		top:     "a",
		reasons: []string{"a-1-1.noarch conflicts with base provided by base-1-1.noarch"},
	}, {
		name:    "a newer version of the base",
		repo:    pkgs{{NEVRA: "a-1-1.noarch", Requires: []string{"base >= 2"}}, {NEVRA: "base-2-1.noarch", Files: base.Files}},
		top:     "a",
		reasons: []string{"replace base-1-1.noarch, which belongs to the base, by base-2-1.noarch"},
	}, {
		name:    "the base is obsoleted",
		repo:    pkgs{{NEVRA: "a-1-1.noarch", Obsoletes: []string{"base"}}},
		top:     "a",
		reasons: []string{"replace base-1-1.noarch, which belongs to the base, by a-1-1.noarch"},
	}, {
		name:    "no such name",
		repo:    pkgs{{NEVRA: "a-1-1.noarch", Provides: []string{"b"}}},
		top:     "b",
		reasons: []string{"no repository has a package b for x86_64"},
	}} {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			repotest.Install(t, root, "var/lib/rpm", base)
			p := open(t, Config{
				Arch:             cmp.Or(test.arch, "x86_64"),
				Repositories:     []Repository{{ID: "repo", URL: repotest.URL(repotest.New(t, test.repo...))}},
				Base:             Base{Root: root},
				WeakDependencies: test.weak,
			})
			r := solveOne(t, p, test.top)
			if test.reasons != nil {
				for _, reason := range test.reasons {
					if !strings.Contains(r.Unsolvable, reason) {
						t.Errorf("the reason is %q and should say %q", r.Unsolvable, reason)
					}
				}
				return
			}
			if got := show(r); got != test.want || r.Unsolvable != "" {
				t.Errorf("got  %s %s\nwant %s", got, r.Unsolvable, test.want)
			}
			var needs []string
			for _, n := range r.Needs {
				needs = append(needs, n.String())
			}
			if got := strings.Join(needs, " "); got != test.needs {
				t.Errorf("it needs %q of the base and should need %q", got, test.needs)
			}
		})
	}
}

// show writes a tree on a line.
func show(r Result) string {
	var s []string
	for i, pkg := range r.Packages {
		var names []string
		for _, to := range r.Requires[i] {
			names = append(names, r.Packages[to].Name)
		}
		slices.Sort(names)
		line := pkg.NEVRA.String()
		if len(names) > 0 {
			line += fmt.Sprint(names)
		}
		s = append(s, line)
	}
	return strings.Join(s, " ")
}

func open(t testing.TB, c Config) *Platform {
	t.Helper()
	p, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func solveOne(t testing.TB, p *Platform, name string) Result {
	t.Helper()
	var r Result
	if err := p.Solve(context.Background(), []string{name}, func(got Result) error { r = got; return nil }); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBase(t *testing.T) {
	repo := pkgs{
		{NEVRA: "session-1-1.noarch", Requires: []string{"lib", "/usr/share/data"}, Recommends: []string{"extra"}},
		{NEVRA: "lib-1-1.x86_64"}, {NEVRA: "data-1-1.noarch", Files: []string{"/usr/share/data"}}, {NEVRA: "extra-1-1.noarch"},
		{NEVRA: "a-1-1.noarch", Requires: []string{"lib", "extra", "/usr/share/data"}},
	}
	repos := []Repository{{ID: "repo", URL: repotest.URL(repotest.New(t, repo...))}}
	roots := map[string]Base{"closure": {Packages: []string{"session"}}}
	for _, db := range []string{"var/lib/rpm", "usr/lib/sysimage/rpm"} {
		root := t.TempDir()
		repotest.Install(t, root, db, repo[:3]...)
		roots["found in "+db] = Base{Root: root}
	}
	root := t.TempDir()
	repotest.Install(t, root, "opt/db", repo[:3]...)
	roots["elsewhere"] = Base{Root: root, RPMDB: "/opt/db"}
	for name, base := range roots {
		t.Run(name, func(t *testing.T) {
			p := open(t, Config{Arch: "x86_64", Repositories: repos, Base: base})
			if got, want := fmt.Sprint(p.Base()), "[data-1-1.noarch lib-1-1.x86_64 session-1-1.noarch]"; got != want {
				t.Errorf("the base is %s and should be %s", got, want)
			}
			r := solveOne(t, p, "a")
			if got, want := show(r), "extra-1-1.noarch a-1-1.noarch[extra]"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got, want := fmt.Sprint(r.Needs), "[data-1-1.noarch lib-1-1.x86_64]"; got != want {
				t.Errorf("it needs %s and should need %s", got, want)
			}
			if !solveOne(t, p, "lib").InBase {
				t.Error("lib is in the base and is not reported so")
			}
		})
	}
	for name, test := range map[string]struct {
		base Base
		want string
	}{
		"no database":        {Base{Root: t.TempDir()}, "there is no RPM database in usr/lib/sysimage/rpm or var/lib/rpm of"},
		"no database there":  {Base{Root: t.TempDir(), RPMDB: "/nowhere"}, "correct base.rpmdb"},
		"unknown package":    {Base{Packages: []string{"nope"}}, "the base can't be solved: package nope does not exist"},
		"impossible package": {Base{Packages: []string{"session", "nope2"}}, "nope2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(context.Background(), Config{Arch: "x86_64", Repositories: repos, Base: test.base})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v and should say %q", err, test.want)
			}
		})
	}
}

func TestFacts(t *testing.T) {
	dir := repotest.New(t, repotest.Package{NEVRA: "a+b-2:1.0^git1-3.noarch", Group: "Amusements/Games",
		Provides: []string{"font(dejavu)", "mimehandler(text/plain)", "python3dist(a)", "gstreamer1(decoder-audio/x-vorbis)()(64bit)", "liba.so.1()(64bit)", "application(a.desktop)", "a-thing", "python3-x"},
		Files:    []string{"/usr/share/a/two", "/usr/bin/one"}}, repotest.Package{NEVRA: "base-1-1.noarch"})
	p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "repo", URL: repotest.URL(dir)}}, Base: Base{Packages: []string{"base"}}, FileLists: true})
	r := solveOne(t, p, "a+b")
	if len(r.Packages) != 1 {
		t.Fatal(r.Unsolvable)
	}
	got := *r.Packages[0]
	info, err := os.Stat(filepath.Join(dir, "a+b-1.0^git1-3.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	want := Package{
		Package: tree.Package{
			NEVRA:   tree.NEVRA{Name: "a+b", Epoch: 2, Version: "1.0^git1", Release: "3", Arch: "noarch"},
			Summary: "the summary of a+b", Description: "the summary of a+b, at length.", License: "GPLv2+", Group: "games",
			URL: "http://example.org/a+b", Size: info.Size(), Installed: got.Installed, SHA256: got.Checksum,
			URLs: []string{repotest.URL(dir) + "/a%2Bb-1.0%5Egit1-3.noarch.rpm"},
		},
		Checksum: got.Checksum, ChecksumKind: "sha256", id: got.id, location: "a+b-1.0^git1-3.noarch.rpm",
		Provides: []string{"application(a.desktop)", "font(dejavu)", "gstreamer1(decoder-audio/x-vorbis)()(64bit)", "mimehandler(text/plain)", "python3dist(a)"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %#v\nwant %#v", got, want)
	}
	if files := p.Files(r.Packages[0]); !slices.Equal(files, []string{"/usr/bin/one", "/usr/share/a/two"}) {
		t.Errorf("its files are %q", files)
	}
	rpm, sum, err := p.RPM(context.Background(), r.Packages[0])
	if is, wrong := os.Stat(rpm); err != nil || wrong != nil || sum != got.SHA256 || is.Size() != info.Size() {
		t.Errorf("its RPM: SHA-256 %s, %v, %v", sum, err, wrong)
	}
}

// Many names on all processors, for the race detector, and an end at the first error.
func TestSolveMany(t *testing.T) {
	var repo pkgs
	var names []string
	for i := range 40 {
		p := repotest.Package{NEVRA: fmt.Sprintf("p%02d-1-1.noarch", i)}
		if i > 0 {
			p.Requires = []string{fmt.Sprintf("p%02d", i-1)}
		}
		repo = append(repo, p)
		names = append(names, fmt.Sprintf("p%02d", i))
	}
	p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "repo", URL: repotest.URL(repotest.New(t, repo...))}}, Base: Base{Packages: []string{"p00"}}})
	var mu sync.Mutex
	got := make(map[string]int)
	err := p.Solve(context.Background(), names, func(r Result) error {
		mu.Lock()
		defer mu.Unlock()
		got[r.Name] = len(r.Packages)
		return nil
	})
	if err != nil || len(got) != 40 || got["p39"] != 39 {
		t.Errorf("%d results, %d packages for p39, %v", len(got), got["p39"], err)
	}
	enough := errors.New("enough")
	if err := p.Solve(context.Background(), names, func(Result) error { return enough }); err != enough {
		t.Errorf("the error is %v and should be do's", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Solve(ctx, names, func(Result) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v and should be the context's", err)
	}
	runtime.GC()
}
