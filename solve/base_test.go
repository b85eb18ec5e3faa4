// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// Real RPM databases of every kind are bases, though this computer's librpm may not read them, and
// though an rpm that can't has made an empty one beside.
func TestBaseOfEveryKind(t *testing.T) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
	if err != nil {
		t.Fatal(err)
	}
	const capability = "libuuid.so.1()(64bit)"
	dir := repotest.New(t, repotest.Package{NEVRA: "a-1-1.noarch", Requires: []string{capability}})
	for _, file := range []string{"libuuid/Packages", "centos6-plain/Packages", "ubi8-s390x/Packages", "sle15-bci/Packages.db", "fedora35/rpmdb.sqlite", "cbl-mariner-2.0/rpmdb.sqlite"} {
		content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(module)), "pkg/testdata", file))
		if err != nil {
			t.Skip("NOT TESTED: go-rpmdb's testdata is not in the module cache")
		}
		for _, beside := range []string{"", "empty", "no packages"} {
			if beside != "" && strings.HasSuffix(file, ".sqlite") {
				continue
			}
			t.Run(strings.TrimSpace(file+" "+beside), func(t *testing.T) {
				root := t.TempDir()
				db := filepath.Join(root, "var/lib/rpm")
				if err := os.MkdirAll(db, 0o755); err != nil {
					t.Fatal(err)
				}
				switch beside {
				case "empty":
					err = os.WriteFile(filepath.Join(db, "rpmdb.sqlite"), nil, 0o644)
				case "no packages":
					err = exec.Command("rpm", "--define", "_db_backend sqlite", "--dbpath", db, "--initdb").Run()
				}
				if err == nil {
					err = os.WriteFile(filepath.Join(db, filepath.Base(file)), content, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
				want, provided := make(map[string]bool), false
				err := rpm.FindDatabase(root, "").Read(t.Context(), func(string) bool { return false }, func(_ string, h *rpm.Header) error {
					want[fmt.Sprintf("%s-%d:%s-%s.%s", h.Name, h.Epoch, h.Version, h.Release, h.Arch)] = true
					provided = provided || slices.Contains(h.Provides(), capability)
					return nil
				})
				if err != nil || len(want) == 0 {
					t.Fatalf("%d packages, %v", len(want), err)
				}
				p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "repo", URL: repotest.URL(dir)}}, Base: Base{Root: root}})
				got := make(map[string]bool)
				for _, b := range p.Base() {
					if b.Name != "gpg-pubkey" {
						got[fmt.Sprintf("%s-%d:%s-%s.%s", b.Name, b.Epoch, b.Version, b.Release, b.Arch)] = true
					}
				}
				if !maps.Equal(got, want) {
					t.Errorf("the base has %d packages, want %d: %q", len(got), len(want), slices.Sorted(maps.Keys(got)))
				}
				r := solveOne(t, p, "a")
				if got := r.Unsolvable == ""; got != provided {
					t.Errorf("a can be solved: %v, and the base provides what it needs: %v: %s", got, provided, r.Unsolvable)
				}
			})
		}
	}
}

// A database of no packages is no base, whatever its kind.
func TestBaseWithoutPackages(t *testing.T) {
	root := t.TempDir()
	if out, err := exec.Command("rpm", "--dbpath", filepath.Join(root, "var/lib/rpm"), "--initdb").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	dir := repotest.New(t, repotest.Package{NEVRA: "a-1-1.noarch"})
	_, err := Open(t.Context(), Config{Arch: "x86_64", Repositories: []Repository{{ID: "repo", URL: repotest.URL(dir)}}, Base: Base{Root: root}})
	if err == nil || !strings.Contains(err.Error(), "has no packages") {
		t.Errorf("%v", err)
	}
}
