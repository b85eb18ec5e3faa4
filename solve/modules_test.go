// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// modular makes a repository of packages with a modules.yaml.
func modular(t *testing.T, yaml string, packages ...repotest.Package) string {
	t.Helper()
	dir := repotest.New(t, packages...)
	addModules(t, dir, yaml, "--compress-type=gz")
	return dir
}

func addModules(t *testing.T, dir, yaml string, options ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "modules.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--mdtype=modules"}, append(options, file, filepath.Join(dir, "repodata"))...)
	if out, err := exec.Command("modifyrepo_c", args...).CombinedOutput(); err != nil {
		t.Fatalf("modifyrepo_c: %v\n%s (the tests need createrepo_c: run ./setup)", err, out)
	}
}

const dbModules = `---
document: modulemd
version: 2
data:
  name: db
  stream: "10"
  version: 820190104140132
  context: aaaa1111
  arch: x86_64
  summary: s
  description: d
  license: {module: [MIT], content: [MIT]}
  artifacts:
    rpms: [db-0:10.1-1.module_el8.x86_64]
...
---
document: modulemd
version: 2
data:
  name: db
  stream: "12"
  version: 820190104140133
  context: bbbb2222
  arch: x86_64
  summary: s
  description: d
  license: {module: [MIT], content: [MIT]}
  artifacts:
    rpms: ["db-0:12.1-1.module_el8.x86_64", db12only-0:12.1-1.module_el8.x86_64]
...
---
document: modulemd-defaults
version: 1
data:
  module: db
  stream: "10"
  profiles: {"10": [], "12": []}
...
`

var dbPackages = pkgs{
	{NEVRA: "base-1-1.noarch"},
	{NEVRA: "db-10.1-1.module_el8.x86_64"},
	{NEVRA: "db-12.1-1.module_el8.x86_64"},
	{NEVRA: "db12only-12.1-1.module_el8.x86_64", Requires: []string{"db >= 12"}},
	{NEVRA: "dbapp-1-1.x86_64", Requires: []string{"db"}},
}

// ../shared/cases/modules.
func TestModules(t *testing.T) {
	dir := modular(t, dbModules, dbPackages...)
	for _, test := range []struct {
		enabled []Module
		want    map[string]string
	}{{nil, map[string]string{
		"db": "db-10.1-1.module_el8.x86_64", "dbapp": "db-10.1-1.module_el8.x86_64 dbapp-1-1.x86_64[db]",
		"db12only": `unsolvable: its packages are in the stream 12 of the module db, which isn't enabled: add [[module]] name = "db", stream = "12"`,
	}}, {[]Module{{"db", "12"}}, map[string]string{
		"db": "db-12.1-1.module_el8.x86_64", "dbapp": "db-12.1-1.module_el8.x86_64 dbapp-1-1.x86_64[db]",
		"db12only": "db-12.1-1.module_el8.x86_64 db12only-12.1-1.module_el8.x86_64[db]",
	}}} {
		p := open(t, Config{Arch: "x86_64", Modules: test.enabled, Repositories: []Repository{{ID: "r", URL: repotest.URL(dir)}}, Base: Base{Packages: []string{"base"}}})
		for name, want := range test.want {
			r := solveOne(t, p, name)
			got := show(r)
			if r.Unsolvable != "" {
				got = "unsolvable: " + r.Unsolvable
			}
			if got != want {
				t.Errorf("%v, %s:\n%s\nwant %s", test.enabled, name, got, want)
			}
		}
	}
}
