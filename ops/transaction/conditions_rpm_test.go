// SPDX-License-Identifier: GPL-2.0-or-later

//go:build cgo

package transaction

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

const chanceNames = 9 // of packages in a repository by chance

// A chance makes repositories by chance.
type chance struct{ *rand.Rand }

func (r chance) dep() string {
	names := []string{"cap0", "cap1", "cap2", "/usr/share/file1", "/usr/share/file2"}
	for i := range chanceNames {
		names = append(names, fmt.Sprintf("p%d", i))
	}
	name := names[r.IntN(len(names))]
	if r.IntN(3) > 0 || name[0] == '/' {
		return name
	}
	return name + []string{" < ", " <= ", " = ", " >= ", " > "}[r.IntN(5)] + fmt.Sprint(1+r.IntN(3))
}

func (r chance) rich(depth int, one bool) string {
	if depth == 0 || r.IntN(3) == 0 {
		return r.dep()
	}
	op := []string{"with", "without", "or", "and", "if", "unless", "else", "elseunless"}[r.IntN(8)]
	if one {
		op = []string{"with", "without", "or"}[r.IntN(3)]
	}
	one = one || op == "with" || op == "without"
	a, b := r.rich(depth-1, one), r.rich(depth-1, one)
	switch op {
	case "else":
		return "(" + a + " if " + b + " else " + r.rich(depth-1, one) + ")"
	case "elseunless":
		return "(" + a + " unless " + b + " else " + r.rich(depth-1, one) + ")"
	}
	return "(" + a + " " + op + " " + b + ")"
}

func (r chance) repository(version int) (all []testbed.RPM) {
	all = []testbed.RPM{{Name: "base", Provides: []string{"cap2 = 1"}}}
	for i := range chanceNames {
		p := testbed.RPM{Name: fmt.Sprintf("p%d", i), Version: fmt.Sprint(version), Files: map[string]string{}}
		if r.IntN(2) == 0 {
			p.Provides = append(p.Provides, fmt.Sprintf("cap%d = %d", r.IntN(2), 1+r.IntN(3)))
		}
		if r.IntN(3) == 0 {
			p.Files[fmt.Sprintf("/usr/share/file%d", 1+r.IntN(2))] = "the same\n"
		}
		for range r.IntN(3) {
			if d := r.rich(2, false); d[0] == '(' {
				p.Requires = append(p.Requires, d)
			}
		}
		if r.IntN(3) == 0 {
			p.Conflicts = append(p.Conflicts, r.rich(2, false))
		}
		all = append(all, p)
	}
	return all
}

// TestConditionsAreRPMs compares what is refused with what rpm refuses: all trees of repositories
// made by chance, on computers that have any other tree, of the same repository or of one before.
func TestConditionsAreRPMs(t *testing.T) {
	agreed, refused, older := 0, 0, 0
	for _, seed := range []uint64{19, 26} { // of 40 those that found faults: the first 40 take a minute
		r := chance{rand.New(rand.NewPCG(seed, 7))}
		var dirs []string
		var trees [2][][]tree.Package
		for season := range trees {
			dir := t.TempDir()
			if err := testbed.Repository(dir, r.repository(season+1)...); err != nil {
				t.Fatal(err)
			}
			p, err := solve.Open(t.Context(), solve.Config{Arch: "x86_64", Repositories: []solve.Repository{{ID: "r", URL: "file://" + dir}}, Base: solve.Base{Packages: []string{"base"}}, FileLists: true})
			if err != nil {
				t.Fatal(err)
			}
			for i := range chanceNames {
				if packages := solved(t, p, fmt.Sprintf("p%d", i)); len(packages) > 0 {
					trees[season] = append(trees[season], packages)
				}
			}
			p.Close()
			dirs = append(dirs, dir)
		}
		for season := range trees {
			for _, there := range trees[season] {
				root := t.TempDir()
				put := []string{filepath.Join(dirs[0], "base-1.0-1.noarch.rpm")}
				for _, p := range there {
					put = append(put, filepath.Join(dirs[season], p.String()+".rpm"))
				}
				if err := testbed.Root(root, put...); err != nil {
					t.Fatal(err)
				}
				s := system(t, root)
				for _, come := range trees[1] {
					p, add := planFor(there, come, dirs[1])
					if len(add) == 0 {
						continue
					}
					w, err := p.look(t.Context(), s)
					if err != nil {
						t.Fatal(err)
					}
					var here []string
					for _, c := range w.conditions {
						if c.broken(w) {
							here = append(here, w.refuse(c, nil).Error())
						}
					}
					said := askRPM(t, root, add)
					switch {
					case (said != "") == (len(here) > 0):
						agreed++
						refused += min(len(said), 1)
					case said != "" && season == 0:
						older++ // what nobody on the server asks any more isn't told: rpm has the last word
					default:
						t.Errorf("seed %d: installed %s, coming %s: rpm says %q, here it is %q", seed, put, add, said, here)
					}
				}
			}
		}
	}
	t.Logf("agreed %d times, %d of them refused; left to rpm: %d", agreed, refused, older)
	if agreed < 100 || refused < 10 || older > agreed/10 {
		t.Errorf("agreed %d times, %d of them refused; left to rpm: %d", agreed, refused, older)
	}
}

// planFor is the plan of a tree on a computer that has another one, and the RPMs that come.
func planFor(there, come []tree.Package, dir string) (*Plan, []string) {
	plan, add := &Plan{}, []string(nil)
	for i := range come {
		p := &come[i]
		if slices.ContainsFunc(there, func(q tree.Package) bool { return q.NEVRA == p.NEVRA }) {
			continue
		}
		it := &Item{Planned: db.Planned{NEVRA: p.NEVRA}, pkg: p}
		for _, q := range there {
			if q.Name == p.Name {
				it.Old = append(it.Old, db.Package{NEVRA: q.NEVRA})
			}
		}
		plan.Items, add = append(plan.Items, it), append(add, filepath.Join(dir, p.String()+".rpm"))
	}
	return plan, add
}

// askRPM is what rpm has against RPMs; empty: nothing.
func askRPM(t *testing.T, root string, add []string) string {
	t.Helper()
	cmd := exec.Command("rpm", append([]string{"--root", root, "--dbpath", testbed.DBPath, "-U", "--test", "--nosignature", "--nodigest"}, add...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	if !strings.Contains(string(out), "Failed dependencies") {
		t.Fatalf("rpm: %v\n%s", err, out)
	}
	return string(out)
}

// solved are the packages of a tree; none where it can't be solved.
func solved(t *testing.T, p *solve.Platform, name string) (all []tree.Package) {
	t.Helper()
	err := p.Solve(t.Context(), []string{name}, func(r solve.Result) error {
		for _, pkg := range r.Packages {
			all = append(all, pkg.Package)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// system is a laptop of which only the RPM database counts.
func system(t *testing.T, root string) *ops.System {
	t.Helper()
	record, err := db.Open(t.Context(), filepath.Join(t.TempDir(), "record.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { record.Close() })
	net := transport.New(transport.Options{})
	t.Cleanup(net.Close)
	s, err := ops.NewSystem(t.Context(), ops.Config{Record: record, Net: net, RPM: rpm.Database{Root: root, Path: testbed.DBPath}, State: t.TempDir(), Log: hclog.NewNullLogger()}, offers.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
