// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// askDNF is a program for dnf's Python: for each name in the first argument, what "dnf install NAME"
// would install from the repository in the second into the root in the third; null where it can't.
const askDNF = `
import json, sys, tempfile, dnf
names, url, root = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
base = dnf.Base()
base.conf.installroot, base.conf.cachedir, base.conf.gpgcheck = root, tempfile.mkdtemp(), False
base.conf.substitutions.update(arch='x86_64', basearch='x86_64', releasever='1')
base.conf.plugins, base.conf.install_weak_deps = False, False
base.repos.add_new_repo('main', base.conf, baseurl=[url])
base.fill_sack(load_system_repo=True)
said = {}
for name in names:
    base.reset(goal=True)
    try:
        base.install(name)
        base.resolve()
        went = [p for p in base.transaction.remove_set]
        said[name] = None if went else sorted(str(p) for p in base.transaction.install_set)
    except dnf.exceptions.Error:
        said[name] = None
print(json.dumps(said))
`

// dnfPython is the Python that has dnf; skipped, loudly, where there is none.
func dnfPython(t *testing.T) string {
	t.Helper()
	const python = "/usr/bin/python3"
	if out, err := exec.Command(python, "-c", "import dnf").CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("dnf's Python is not here: run ./setup: %s", out)
		}
		t.Skipf("*** NOT COMPARED WITH DNF: its Python is not here (run ./setup): %v", err)
	}
	return python
}

// asDNF compares what is solved for names with what dnf installs, beside an installed base.
func asDNF(t *testing.T, repo, base pkgs, names []string) {
	t.Helper()
	asDNFFrom(t, repotest.URL(repotest.New(t, repo...)), base, names)
}

// asDNFFrom is asDNF with a repository that is there.
func asDNFFrom(t *testing.T, url string, base pkgs, names []string) {
	t.Helper()
	python := dnfPython(t)
	root := t.TempDir()
	path, err := exec.Command("rpm", "--eval", "%_dbpath").Output() // where dnf looks in any root
	if err != nil {
		t.Fatal(err)
	}
	db := strings.Trim(string(path), "/\n")
	repotest.Install(t, root, db, base...)
	p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "main", URL: url}}, Base: Base{Root: root, RPMDB: db}})
	if names == nil {
		names = p.Names()
	}
	var mu sync.Mutex
	got := make(map[string][]string)
	if err := p.Solve(t.Context(), names, func(r Result) error {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.Unsolvable != "":
			t.Logf("%s: %s", r.Name, r.Unsolvable)
			got[r.Name] = nil
		default:
			got[r.Name] = []string{}
			for _, pkg := range r.Packages {
				got[r.Name] = append(got[r.Name], pkg.NEVRA.String())
			}
			slices.Sort(got[r.Name])
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", askDNF, string(list), url, root)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dnf: %v\n%s", err, stderr.String())
	}
	want := make(map[string][]string)
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatalf("dnf says %s: %v", out, err)
	}
	solvable := 0
	for _, name := range names {
		if want[name] != nil {
			solvable++
		}
		if fmt.Sprintf("%q", got[name]) != fmt.Sprintf("%q", want[name]) || (got[name] == nil) != (want[name] == nil) {
			t.Errorf("%s: got\n%q, and dnf installs\n%q", name, got[name], want[name])
		}
	}
	t.Logf("%d names, of which dnf can install %d", len(names), solvable)
	if solvable < len(names)/2 {
		t.Errorf("dnf can install only %d of %d names: the repository proves little", solvable, len(names))
	}
}

// A repository as Fedora's: libraries for both word sizes, in two versions, programs for one or
// both, and what is only there for one.
func TestMultilibAsDNF(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 4))
	var repo pkgs
	var names []string
	const libraries, programs = 16, 24
	soname := func(i int, arch string) string {
		if arch == "x86_64" {
			return fmt.Sprintf("lib%d.so.1()(64bit)", i)
		}
		return fmt.Sprintf("lib%d.so.1", i)
	}
	for i := range libraries {
		name := fmt.Sprintf("lib%d", i)
		for version := 1; version <= 1+i%2; version++ {
			for _, arch := range []string{"x86_64", "i686"} {
				if i == 9 && arch == "x86_64" || i == 6 && arch == "i686" || version == 2 && i%3 == 1 && arch == "i686" {
					continue
				}
				pkg := repotest.Package{NEVRA: fmt.Sprintf("%s-%d-1.%s", name, version, arch), Provides: []string{soname(i, arch)}}
				for range random.IntN(3) {
					if i > 0 {
						pkg.Requires = append(pkg.Requires, soname(random.IntN(i), arch))
					}
				}
				if random.IntN(4) == 0 {
					pkg.Requires = append(pkg.Requires, "common")
				}
				repo = append(repo, pkg)
			}
		}
		names = append(names, name, name+".i686", name+".x86_64")
	}
	for i := range programs {
		name, arch := fmt.Sprintf("program%d", i), []string{"x86_64", "i686", "noarch"}[random.IntN(3)]
		pkg := repotest.Package{NEVRA: name + "-1-1." + arch}
		for range 1 + random.IntN(3) {
			pkg.Requires = append(pkg.Requires, soname(random.IntN(libraries), []string{"x86_64", "i686"}[random.IntN(2)]))
		}
		if random.IntN(3) == 0 {
			pkg.Requires = append(pkg.Requires, fmt.Sprintf("lib%d", random.IntN(libraries)))
		}
		repo, names = append(repo, pkg), append(names, name)
	}
	repo = append(repo, repotest.Package{NEVRA: "common-1-1.noarch"}, repotest.Package{NEVRA: "python3.11-1-1.x86_64"})
	asDNF(t, repo, pkgs{{NEVRA: "base-1-1.noarch"}, {NEVRA: "lib0-1-1.x86_64", Provides: []string{soname(0, "x86_64")}}}, append(names, "common", "python3.11"))
}

// Packages that took others' places: once and in chains, several one and one several, in loops, only
// of versions that are gone, with and without the old name among what they provide.
func TestObsoletesAsDNF(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 5))
	const count = 70
	var repo pkgs
	for i := range count {
		pkg := repotest.Package{NEVRA: fmt.Sprintf("p%02d-%d-1.%s", i, 1+random.IntN(3), []string{"noarch", "x86_64"}[random.IntN(2)])}
		for range random.IntN(3) {
			other := fmt.Sprintf("p%02d", random.IntN(count))
			if other == fmt.Sprintf("p%02d", i) {
				continue
			}
			what := other
			if random.IntN(4) > 0 {
				what += fmt.Sprintf(" < %d", 1+random.IntN(4))
			}
			if random.IntN(3) == 0 {
				pkg.Obsoletes = append(pkg.Obsoletes, what)
				if random.IntN(2) == 0 {
					pkg.Provides = append(pkg.Provides, other+" = 9")
				}
			}
		}
		if i > 0 && random.IntN(2) == 0 {
			pkg.Requires = append(pkg.Requires, fmt.Sprintf("p%02d", random.IntN(i)))
		}
		repo = append(repo, pkg)
		if random.IntN(5) == 0 {
			repo = append(repo, repotest.Package{NEVRA: fmt.Sprintf("p%02d-5-1.x86_64", i)})
		}
	}
	repo = append(repo,
		repotest.Package{NEVRA: "first-1-1.noarch"}, repotest.Package{NEVRA: "second-2-1.noarch", Obsoletes: []string{"first < 2"}},
		repotest.Package{NEVRA: "third-3-1.noarch", Obsoletes: []string{"second < 3"}},
		repotest.Package{NEVRA: "left-1-1.noarch", Obsoletes: []string{"right"}}, repotest.Package{NEVRA: "right-1-1.noarch", Obsoletes: []string{"left"}},
		repotest.Package{NEVRA: "whole-1-1.x86_64"}, repotest.Package{NEVRA: "half-2-1.x86_64", Obsoletes: []string{"whole < 2"}, Requires: []string{"half-data"}},
		repotest.Package{NEVRA: "half-data-2-1.noarch", Obsoletes: []string{"whole < 2"}, Requires: []string{"half"}},
		// What is installed recommends the second of two successors.
		repotest.Package{NEVRA: "parted-1-1.noarch"}, repotest.Package{NEVRA: "part-a-2-1.noarch", Obsoletes: []string{"parted < 2"}},
		repotest.Package{NEVRA: "part-b-2-1.noarch", Obsoletes: []string{"parted < 2"}},
		repotest.Package{NEVRA: "here-2-1.noarch", Obsoletes: []string{"gone < 2"}},
	)
	asDNF(t, repo, pkgs{{NEVRA: "base-1-1.noarch", Recommends: []string{"part-b"}}, {NEVRA: "here-1-1.noarch"}}, nil)
}

// Kernels of several versions beside an installed one.
func TestInstallOnlyAsDNF(t *testing.T) {
	var repo pkgs
	kernel := func(version string) pkgs {
		return pkgs{
			{NEVRA: "kernel-core-" + version + "-1.x86_64", Provides: []string{"installonlypkg(kernel)", "kernel-uname-r = " + version}},
			{NEVRA: "kernel-modules-" + version + "-1.x86_64", Provides: []string{"installonlypkg(kernel-module)"}, Requires: []string{"kernel-uname-r = " + version}},
			{NEVRA: "kernel-" + version + "-1.x86_64", Requires: []string{"kernel-core = " + version, "kernel-modules = " + version}},
			{NEVRA: "kernel-tools-" + version + "-1.x86_64", Requires: []string{"kernel-uname-r >= " + version}},
		}
	}
	for _, version := range []string{"5.1", "5.2", "5.3"} {
		repo = append(repo, kernel(version)...)
	}
	repo = append(repo, repotest.Package{NEVRA: "module-old-1-1.x86_64", Requires: []string{"kernel-uname-r = 5.2"}},
		repotest.Package{NEVRA: "machine-1-1.noarch", Provides: []string{"installonlypkg(vm)"}, Requires: []string{"kernel-tools"}},
		repotest.Package{NEVRA: "program-1-1.noarch", Requires: []string{"kernel-core"}})
	for i := range 4 {
		repo = append(repo, repotest.Package{NEVRA: fmt.Sprintf("driver%d-1-1.x86_64", i), Requires: []string{fmt.Sprintf("kernel-modules = 5.%d", i)}})
	}
	asDNF(t, repo, kernel("5.1")[:2], []string{"kernel", "kernel-tools", "module-old", "machine", "program", "driver0", "driver1", "driver2", "driver3"})
}
