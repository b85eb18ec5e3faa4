// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
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

// build is a document about one build of a module's stream. requires is a mapping as YAML has it in
// one line, more what else there is, in lines.
func build(module, version, context, requires, more string, artifacts ...string) string {
	name, stream, _ := strings.Cut(module, ":")
	return fmt.Sprintf(`---
document: modulemd
version: 2
data:
  name: %s
  stream: %s
  version: %s
  context: %s
  arch: x86_64
  summary: s
  description: >-
    d
  license: {module: [MIT], content: [MIT]}
  dependencies:
  - buildrequires: {platform: [el7, el8]}
    requires: %s
%s  artifacts:
    rpms: [%s]
...
`, name, stream, version, context, requires, more, strings.Join(artifacts, ", "))
}

func defaultTo(module string) string {
	name, stream, _ := strings.Cut(module, ":")
	return fmt.Sprintf("---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: %s\n  stream: %s\n  modified: 201812071200\n  profiles: {}\n...\n", name, stream)
}

const el8 = "{platform: [el8]}"

// Modules that depend on each other in all the ways that there are, and what they take the names of.
var manyModules = strings.Join([]string{
	build(`db:"10"`, "1", "c1", el8, "", "db-0:10.0-1.x86_64", "db-libs-0:10.0-1.x86_64"),
	build(`db:"10"`, "2", "c1", el8, "  demodularized:\n    rpms: [db-libs]\n", "db-0:10.1-1.x86_64", "db-0:10.1-1.src", "db-libs-0:10.1-1.x86_64", "db-doc-0:10.1-1.noarch"),
	build(`db:"12"`, "3", "c1", el8, "", "db-0:12.1-1.x86_64", "db-libs-0:12.1-1.x86_64", "db-new-0:12.1-1.x86_64"),
	build(`db:"14"`, "3", "c1", "{platform: [el7]}", "", "db-0:14-1.x86_64"),
	defaultTo(`db:"12"`), defaultTo(`db:"10"`), // the last one counts
	build("app:1", "1", "c1", "{db: ['10'], platform: [el8]}", "", "app-0:1-1.x86_64"),
	build("app:2", "1", "c1", "{db: ['12'], platform: [el8]}", "", "app-0:2-1.x86_64"),
	defaultTo("app:1"),
	build("any:1", "1", "c1", "{db: [], platform: []}", "", "any-0:1-1.noarch"), defaultTo("any:1"),
	build("either:1", "1", "c1", "{db: ['10', '12', '14']}", "", "either-0:1-1.noarch"), defaultTo("either:1"),
	build("not:1", "1", "c1", "{db: ['-12'], platform: [el8]}", "", "not-0:1-1.noarch"), defaultTo("not:1"),
	build("tool:1.10", "1", "c1", el8, "", "tool-0:1.10-1.noarch"),
	build("tool:rhel8", "1", "c1", "{app: ['2']}", "", "tool-0:8-1.noarch"),
	build("ping:1", "1", "c1", "{pong: ['1']}", "", "ping-0:1-1.noarch"), defaultTo("ping:1"),
	build("pong:1", "1", "c1", "{ping: ['1']}", "", "pong-0:1-1.noarch"), defaultTo("pong:1"),
	build("pong:2", "1", "c1", "{}", "", "pong-0:2-1.noarch"),
	build("perl:5.26", "1", "c1", el8, "", "perl-0:5.26-1.noarch"), defaultTo("perl:5.26"),
	build("perl:5.30", "1", "c1", el8, "", "perl-0:5.30-1.noarch"),
	build("perl-dbi:1", "1", "p26", "{perl: [5.26]}", "", "perl-dbi-0:1.0-1.x86_64"), defaultTo("perl-dbi:1"),
	build("perl-dbi:1", "2", "q26", "{perl: [5.26]}", "", "perl-dbi-0:1.1-1.x86_64"),
	build("perl-dbi:1", "2", "q30", "{perl: [5.30]}", "", "perl-dbi-0:1.2-1.x86_64"),
	build("static:1", "1", "abcd", "{perl: [5.26]}", "", "static-0:1-1.noarch", "static-old-0:1-1.noarch"), defaultTo("static:1"),
	build("static:1", "2", "chosen", "{perl: [5.26]}", "  static_context: true\n", "static-0:2-1.noarch"),
	build("static:1", "3", "chosen2", "{perl: [5.30]}", "  static_context: true\n", "static-0:3-1.noarch"),
	build("best:1", "1", "c1", el8, "", "best-0:1-1.noarch"), defaultTo("best:1"),
	build("best:1", "2", "c1", "{platform: [el9]}", "", "best-0:2-1.noarch"),
	build("old:1", "1", "c1", "{platform: [el7]}", "", "old-0:1-1.noarch"), defaultTo("old:1"),
	build("lonely:1", "1", "c1", "{gone: []}", "", "lonely-0:1-1.noarch"), defaultTo("lonely:1"),
	build("nostream:1", "1", "c1", el8, "", "nostream-0:1-1.noarch"),
	"---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: nostream\n  profiles: {}\n...\n",
	"---\ndocument: modulemd\nversion: 1\ndata:\n  name: first\n  stream: 1\n  version: 1\n  context: c1\n  arch: x86_64\n  summary: s\n  description: d\n" +
		"  license: {module: [MIT]}\n  dependencies:\n    requires: {db: 10}\n  artifacts:\n    rpms: [first-0:1-1.noarch]\n...\n", defaultTo("first:1"),
	"---\ndocument: modulemd-obsoletes\nversion: 1\ndata:\n  modified: 2018-05-23T14:25Z\n  module: perl\n  stream: 5.30\n  eol_date: 2020-03-19T00:00Z\n" +
		"  message: no longer supported\n  obsoleted_by: {module: perl, stream: 5.26}\n...\n",
	"---\ndocument: modulemd-translations\nversion: 1\ndata: {module: db, stream: 10, modified: 1, translations: {}}\n...\n",
}, "")

var manyPackages = pkgs{
	{NEVRA: "base-1-1.noarch"},
	{NEVRA: "db-10.0-1.x86_64"}, {NEVRA: "db-10.1-1.x86_64"}, {NEVRA: "db-12.1-1.x86_64"}, {NEVRA: "db-14-1.x86_64"},
	{NEVRA: "db-99-1.x86_64"}, // of no module
	{NEVRA: "db-libs-10.0-1.x86_64"}, {NEVRA: "db-libs-10.1-1.x86_64"}, {NEVRA: "db-libs-12.1-1.x86_64"}, {NEVRA: "db-libs-98-1.x86_64"},
	{NEVRA: "db-doc-10.1-1.noarch"}, {NEVRA: "db-doc-11-1.noarch"},
	{NEVRA: "db-new-12.1-1.x86_64"},
	{NEVRA: "otherdb-1-1.x86_64", Provides: []string{"db = 98"}},
	{NEVRA: "needs-db-1-1.noarch", Requires: []string{"db"}}, {NEVRA: "needs-db12-1-1.noarch", Requires: []string{"db >= 12", "db-libs"}},
	{NEVRA: "app-1-1.x86_64", Requires: []string{"db"}}, {NEVRA: "app-2-1.x86_64", Requires: []string{"db", "tool"}},
	{NEVRA: "any-1-1.noarch"}, {NEVRA: "either-1-1.noarch", Requires: []string{"db-libs"}}, {NEVRA: "not-1-1.noarch"},
	{NEVRA: "tool-0.9-1.noarch"}, {NEVRA: "tool-1.10-1.noarch"}, {NEVRA: "tool-8-1.noarch"},
	{NEVRA: "ping-1-1.noarch", Requires: []string{"pong"}}, {NEVRA: "pong-1-1.noarch", Requires: []string{"perl"}}, {NEVRA: "pong-2-1.noarch"},
	{NEVRA: "perl-5.26-1.noarch"}, {NEVRA: "perl-5.30-1.noarch"}, {NEVRA: "perl-5.28-1.noarch"},
	{NEVRA: "perl-dbi-1.0-1.x86_64"}, {NEVRA: "perl-dbi-1.1-1.x86_64"}, {NEVRA: "perl-dbi-1.2-1.x86_64", Requires: []string{"perl"}},
	{NEVRA: "static-1-1.noarch"}, {NEVRA: "static-2-1.noarch"}, {NEVRA: "static-3-1.noarch"}, {NEVRA: "static-old-1-1.noarch"}, {NEVRA: "static-old-0.1-1.noarch"},
	{NEVRA: "best-1-1.noarch"}, {NEVRA: "best-2-1.noarch"}, {NEVRA: "best-0.5-1.noarch"},
	{NEVRA: "old-1-1.noarch"}, {NEVRA: "old-0.5-1.noarch"}, {NEVRA: "lonely-1-1.noarch"}, {NEVRA: "nostream-1-1.noarch"}, {NEVRA: "first-1-1.noarch"},
}

// In a repository without filtering, and one that is filtered and has no modules of its own.
var (
	hotfixPackages = pkgs{{NEVRA: "db-doc-12-1.noarch"}, {NEVRA: "perl-5.29-1.noarch"}, {NEVRA: "old-1-1.noarch"}, {NEVRA: "hotfix-1-1.noarch", Requires: []string{"db-doc"}}}
	plainPackages  = pkgs{{NEVRA: "static-9-1.noarch"}, {NEVRA: "plain-1-1.noarch", Requires: []string{"static"}}, {NEVRA: "pong-3-1.noarch"}}
)

// Every name's tree is the set that dnf installs, whatever is enabled.
func TestModulesAsDnf(t *testing.T) {
	if err := exec.Command("/usr/bin/python3", "-c", "import dnf").Run(); err != nil {
		t.Skip("NOT COMPARED WITH DNF, which isn't here: apt-get install dnf")
	}
	repositories := []Repository{
		{ID: "modular", URL: repotest.URL(modular(t, manyModules, manyPackages...))},
		{ID: "hotfix", URL: repotest.URL(repotest.New(t, hotfixPackages...)), ModuleHotfixes: true},
		{ID: "plain", URL: repotest.URL(repotest.New(t, plainPackages...))},
	}
	var names []string
	for _, p := range slices.Concat(manyPackages, hotfixPackages, plainPackages) {
		n, err := tree.ParseNEVRA(p.NEVRA)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, n.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	sets := make(map[string]int)
	all := [][]Module{
		nil,
		{{"db", "10"}},
		{{"db", "12"}},
		{{"app", "2"}},
		{{"tool", "1.10"}},
		{{"tool", "rhel8"}},
		{{"perl", "5.30"}},
		{{"perl", "5.30"}, {"perl-dbi", "1"}, {"static", "1"}},
		{{"pong", "2"}},
		{{"ping", "1"}, {"app", "2"}},
		{{"nostream", "1"}, {"either", "1"}},
		{{"not", "1"}, {"best", "1"}},
	}
	answers := modularDnf(t, all, repositories, names)
	for i, enabled := range all {
		want := answers[i]
		p := open(t, Config{Arch: "x86_64", Modules: enabled, PlatformID: "platform:el8", Repositories: repositories, Base: Base{Packages: []string{"base"}}})
		for _, r := range solveAll(t, p, names) {
			name := r.Name
			if name == "base" {
				continue
			}
			var got []string
			for _, pkg := range r.Packages {
				got = append(got, pkg.NEVRA.String())
			}
			slices.Sort(got)
			if !slices.Equal(got, want[name]) {
				t.Errorf("with %v enabled %s takes %q %s\nand dnf %q", enabled, name, got, r.Unsolvable, want[name])
			}
			sets[fmt.Sprint(got)]++
		}
	}
	if len(sets) < 30 {
		t.Errorf("there were only %d different answers: %v", len(sets), sets)
	}
}

// solveAll gives the results in no particular order.
func solveAll(t *testing.T, p *Platform, names []string) (all []Result) {
	t.Helper()
	var mu sync.Mutex
	if err := p.Solve(t.Context(), names, func(r Result) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// modularDnf asks dnf what it would install for each name, with these streams enabled or those; nil
// where it can't.
func modularDnf(t *testing.T, enabled [][]Module, repositories []Repository, names []string) []map[string][]string {
	t.Helper()
	var roots []string
	for _, streams := range enabled {
		root := t.TempDir()
		roots = append(roots, root)
		folder := filepath.Join(root, "etc/dnf/modules.d")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, m := range streams {
			text := fmt.Sprintf("[%s]\nname=%s\nstream=%s\nprofiles=\nstate=enabled\n", m.Name, m.Name, m.Stream)
			if err := os.WriteFile(filepath.Join(folder, m.Name+".module"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	question, err := json.Marshal(map[string]any{"roots": roots, "names": names, "repositories": repositories})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/usr/bin/python3", "-c", `
import dnf, json, sys
q = json.load(sys.stdin)
def ask(root):
    base = dnf.Base()
    base.conf.installroot = root
    base.conf.cachedir = q["roots"][0] + "/cache"
    base.conf.persistdir = root + "/persist"
    base.conf.logdir = root
    base.conf.module_platform_id = "platform:el8"
    base.conf.install_weak_deps = False
    base.conf.best = False
    base.conf.substitutions.update(arch="x86_64", basearch="x86_64", releasever="8")
    for r in q["repositories"]:
        base.repos.add_new_repo(r["ID"], base.conf, baseurl=[r["URL"]], module_hotfixes=r["ModuleHotfixes"])
    base.fill_sack(load_system_repo=False)
    answers = {}
    for name in q["names"]:
        base.reset(goal=True)
        try:
            base.install(name)
            base.resolve()
        except dnf.exceptions.Error:
            continue
        answers[name] = sorted("%s-%s%s-%s.%s" % (p.name, "%s:" % p.epoch if p.epoch else "", p.version, p.release, p.arch) for p in base.transaction.install_set)
    return answers
json.dump([ask(root) for root in q["roots"]], sys.stdout)
`)
	c.Stdin = bytes.NewReader(question)
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	var answers []map[string][]string
	if err == nil {
		err = json.Unmarshal(out, &answers)
	}
	if err != nil {
		t.Fatalf("dnf: %v\n%s", err, said.Bytes())
	}
	return answers
}

func TestModulesWrong(t *testing.T) {
	el9 := build("nine:1", "1", "c1", "{platform: [el9]}", "", "nine-0:1-1.noarch")
	for _, test := range []struct {
		name     string
		yaml     string
		platform string
		enabled  []Module
		want     string // in the error
		warning  string // in place of it
		db       string // db's tree
	}{
		{name: "the only platform that is named", yaml: build("db:10", "1", "c", el8, "", "db-0:10.1-1.module_el8.x86_64") + defaultTo("db:10"), db: "db-10.1-1.module_el8.x86_64"},
		{name: "two platforms", yaml: dbModules + el9 + build("eight:1", "1", "c", el8, ""),
			want: `the modules are for several platforms, el8, el9: say which one this is before the tables, e.g. platform_id = "platform:el8"`},
		{name: "another platform", yaml: build("db:10", "1", "c", el8, "", "db-0:10.1-1.module_el8.x86_64") + defaultTo("db:10"), platform: "platform:el9",
			warning: "the default stream 10 of the module db isn't active", db: "db-12.1-1.module_el8.x86_64"},
		{name: "no such module", yaml: dbModules, enabled: []Module{{"database", "12"}}, want: "the stream 12 of the module database is enabled and no repository has it: there is no such module"},
		{name: "no such stream", yaml: dbModules, enabled: []Module{{"db", "13"}}, want: "the stream 13 of the module db is enabled and no repository has it: there are 10, 12"},
		{name: "what can't be active", yaml: dbModules + el9, platform: "platform:el8", enabled: []Module{{"nine", "1"}},
			want: "the modules that are enabled can't be active together: nothing provides module(platform:el9) needed by nine:1"},
		{name: "obsolete", yaml: dbModules + "---\ndocument: modulemd-obsoletes\nversion: 1\ndata: {modified: 2018-05-23T14:25Z, module: db, stream: 12, eol_date: 2020-03-19T00:00Z, message: gone, obsoleted_by: {module: db, stream: 10}}\n",
			enabled: []Module{{"db", "12"}}, warning: "the stream 12 of the module db, which is enabled, is obsolete since 2020-03-19T00:00Z: enable the stream 10 of the module db: gone", db: "db-12.1-1.module_el8.x86_64"},
		{name: "no YAML", yaml: "---\na: [\n", want: "repository r: its modules can't be read, so it isn't known which versions of packages count: "},
	} {
		dir := modular(t, test.yaml, dbPackages...)
		var warnings []string
		c := Config{Arch: "x86_64", Modules: test.enabled, PlatformID: test.platform, Repositories: []Repository{{ID: "r", URL: repotest.URL(dir)}}, Base: Base{Packages: []string{"base"}},
			Warn: func(w Warning) { warnings = append(warnings, w.String()) }}
		p, err := Open(t.Context(), c)
		if test.want != "" {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %s", test.name, err, test.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		defer p.Close()
		if got := show(solveOne(t, p, "db")); got != test.db {
			t.Errorf("%s: %s, want %s", test.name, got, test.db)
		}
		if len(warnings) != min(len(test.warning), 1) || test.warning != "" && !strings.Contains(warnings[0], test.warning) {
			t.Errorf("%s: %q, want %s", test.name, warnings, test.warning)
		}
	}
	// A repository that isn't filtered does without.
	dir := modular(t, "---\na: [\n", dbPackages...)
	p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "r", URL: repotest.URL(dir), ModuleHotfixes: true}}, Base: Base{Packages: []string{"base"}}})
	if w := p.Warnings(); len(w) != 1 || show(solveOne(t, p, "db")) != "db-12.1-1.module_el8.x86_64" {
		t.Error(w)
	}
}

// What the base has installed stays, whatever stream it is of, and the message says what hides a
// package of no module.
func TestModulesAndBase(t *testing.T) {
	root := t.TempDir()
	repotest.Install(t, root, "var/lib/rpm", dbPackages[0], dbPackages[2]) // db 12
	dir := modular(t, dbModules, append(dbPackages, repotest.Package{NEVRA: "mydb-1-1.noarch", Provides: []string{"db"}})...)
	p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "r", URL: repotest.URL(dir)}}, Base: Base{Root: root}})
	if r := solveOne(t, p, "dbapp"); show(r) != "dbapp-1-1.x86_64" || len(r.Needs) != 1 || r.Needs[0].String() != "db-12.1-1.module_el8.x86_64" {
		t.Errorf("%s, %v", show(r), r.Needs)
	}
	if r := solveOne(t, p, "mydb"); r.Unsolvable != "its packages are of no module and left out for the stream 10 of the module db, which has packages of their name, or of one that they provide: set module_hotfixes = true for their repository to have them" {
		t.Error(r.Unsolvable)
	}
	if slices.Contains(p.Names(), "mydb") || slices.Contains(p.Names(), "db12only") {
		t.Error(p.Names())
	}
}
