// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/rich"
	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// TestConditions: what a tree leaves to the laptop is what the base doesn't decide, and all that
// such a condition is about is told.
func TestConditions(t *testing.T) {
	dir := repotest.New(t,
		repotest.Package{NEVRA: "base-1-1.noarch", Provides: []string{"base-api = 3"}, Requires: []string{"(base-plugin if app)"}},
		repotest.Package{NEVRA: "plain-1-1.noarch", Requires: []string{"lib", "(lib or other)", "(lib with lib-api)"}},
		repotest.Package{NEVRA: "lib-1-1.noarch", Provides: []string{"lib-api = 1"}},
		repotest.Package{NEVRA: "other-1-1.noarch"},
		repotest.Package{NEVRA: "app-2-1.noarch", Requires: []string{"(plugin if editor)", "(plugin if nothing)", "(editor-api > 1 if (editor and lib and other) else base)"}},
		repotest.Package{NEVRA: "decided-1-1.noarch", Requires: []string{"(base if editor)", "(plugin if base < 1)", "(decided if editor)", "(plugin if base)"}},
		repotest.Package{NEVRA: "rival-1-1.noarch", Conflicts: []string{"app < 2", "base < 1", "(lib and other)", "rival-cap"}, Provides: []string{"rival-cap"}},
		repotest.Package{NEVRA: "unlike-1-1.noarch", Requires: []string{"((lib unless editor) or other)", "(app if /usr/share/data/file)", "(app if /usr/bin/prog)"}},
		repotest.Package{NEVRA: "editor-1-1.noarch", Provides: []string{"editor-api = 2", "unasked = 1", "editor = 7"}, Files: []string{"/usr/bin/prog", "/usr/share/data/file", "/usr/share/data/more"}},
		repotest.Package{NEVRA: "plugin-1-1.noarch", Provides: []string{"base-plugin"}},
		repotest.Package{NEVRA: "weak-1-1.noarch", Recommends: []string{"lib", "(plugin if editor)", "(base if editor)"}},
	)
	for _, weak := range []bool{false, true} {
		p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "r", URL: repotest.URL(dir)}}, Base: Base{Packages: []string{"base"}}, WeakDependencies: weak})
		want := map[string]string{
			"plain":   `{}`,
			"lib":     `{}`,
			"other":   `{}`,
			"app":     `{"conditions":{"requires":["(editor-api > 1 if (editor and lib and other) else base)","(plugin if editor)","(plugin if nothing)"]}}`,
			"decided": `{}`,
			"rival":   `{"conditions":{"conflicts":["(lib and other)","app < 2","rival-cap"]},"meets":["rival-cap"]}`,
			"unlike":  `{"conditions":{"requires":["((lib unless editor) or other)","(app if /usr/bin/prog)","(app if /usr/share/data/file)"]}}`,
			"editor":  `{"meets":["/usr/bin/prog","/usr/share/data/file","editor = 7","editor-api = 2"]}`,
			"plugin":  `{"meets":["base-plugin"]}`,
			"weak":    `{}`,
		}
		if weak {
			want["weak"] = `{"conditions":{"recommends":["(plugin if editor)"]}}`
		}
		for _, pkg := range p.packages {
			if pkg == nil || pkg.Name == "base" {
				continue
			}
			var got struct {
				Conditions any      `json:"conditions,omitempty"`
				Meets      []string `json:"meets,omitempty"`
			}
			if !pkg.Conditions.IsZero() {
				got.Conditions = pkg.Conditions
			}
			got.Meets = pkg.Provided
			var text strings.Builder
			enc := json.NewEncoder(&text)
			enc.SetEscapeHTML(false)
			enc.Encode(got)
			if got := strings.TrimSpace(text.String()); got != want[pkg.Name] {
				t.Errorf("weak: %v: %s has\n%s, want\n%s", weak, pkg.Name, got, want[pkg.Name])
			}
			for _, c := range slices.Concat(pkg.Conditions.Requires, pkg.Conditions.Conflicts, pkg.Conditions.Recommends) {
				if _, err := rich.Parse(c); err != nil {
					t.Errorf("%s: %v", pkg.Name, err)
				}
			}
		}
	}
}

// TestRichTreesAreDnfs compares the trees of all forms with what dnf installs.
func TestRichTreesAreDnfs(t *testing.T) {
	dir := repotest.New(t,
		repotest.Package{NEVRA: "base-1-1.noarch", Provides: []string{"base-cap"}},
		repotest.Package{NEVRA: "a-1-1.noarch", Requires: []string{"(b if c)"}},
		repotest.Package{NEVRA: "b-1-1.noarch"},
		repotest.Package{NEVRA: "c-1-1.noarch", Requires: []string{"a"}},
		repotest.Package{NEVRA: "d-1-1.noarch", Requires: []string{"(b or e)"}},
		repotest.Package{NEVRA: "e-1-1.noarch"},
		repotest.Package{NEVRA: "f-1-1.noarch", Requires: []string{"((b with x) or e)"}},
		repotest.Package{NEVRA: "g-1-1.noarch", Requires: []string{"((x unless b) or nothing)"}},
		repotest.Package{NEVRA: "x-1-1.noarch", Provides: []string{"y", "z = 2"}},
		repotest.Package{NEVRA: "h-1-1.noarch", Requires: []string{"b", "c"}, Conflicts: []string{"(b and c)"}},
		repotest.Package{NEVRA: "i-1-1.noarch", Requires: []string{"(b if c else e)"}},
		repotest.Package{NEVRA: "j-1-1.noarch", Requires: []string{"i", "c"}},
		repotest.Package{NEVRA: "k-1-1.noarch", Requires: []string{"(x if base-cap)", "(e if nothing)"}},
		repotest.Package{NEVRA: "l-1-1.noarch", Requires: []string{"(y with z >= 2)"}},
		repotest.Package{NEVRA: "m-1-1.noarch", Requires: []string{"(y without z)"}},
		repotest.Package{NEVRA: "n-1-1.noarch", Requires: []string{"(b and (e or x))", "((e if b) and (b if e))"}},
		repotest.Package{NEVRA: "o-1-1.noarch", Requires: []string{"b", "((x unless b else e) or nothing)"}},
		repotest.Package{NEVRA: "p-1-1.noarch", Requires: []string{"b"}, Conflicts: []string{"(e unless b)"}},
	)
	base := Base{Root: t.TempDir()}
	repotest.Install(t, base.Root, "var/lib/rpm", repotest.Package{NEVRA: "base-1-1.noarch", Provides: []string{"base-cap"}})
	p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "r", URL: repotest.URL(dir)}}, Base: base})
	live := exec.Command("/usr/bin/python3", "-c", "import dnf").Run() == nil
	if !live {
		t.Log("DNF IS NOT HERE: the trees are compared with what it said when this was written")
	}
	want := map[string]string{
		"a": "a", "b": "b", "c": "a b c", "d": "b d", "e": "e", "f": "e f", "g": "g x", "h": "", "i": "a b c i", "j": "a b c i j", "k": "k x", "l": "l x", "m": "", "n": "b e n",
		"o": "b e o", "p": "b p", "x": "x",
	}
	for _, name := range p.Names() {
		if name == "base" {
			continue
		}
		var got []string
		for _, pkg := range solveOne(t, p, name).Packages {
			got = append(got, pkg.Name)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want[name] {
			t.Errorf("the tree of %s is %q, want %q", name, got, want[name])
		}
		if live {
			if said := dnf(t, dir, base.Root, name); said != want[name] {
				t.Errorf("dnf installs %q for %s, want %q", said, name, want[name])
			}
		}
	}
}

// dnf is what dnf would install for a name, without what is only recommended; empty: it can't.
func dnf(t *testing.T, repo, root, name string) string {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "-c", `import sys, dnf
c = dnf.conf.Conf()
c.installroot, c.cachedir, c.persistdir, c.install_weak_deps = sys.argv[2], sys.argv[2] + "/cache", sys.argv[2] + "/dnf", False
c.substitutions["arch"] = c.substitutions["basearch"] = "x86_64"
b = dnf.Base(c)
b.repos.add_new_repo("r", c, baseurl=["file://" + sys.argv[1]])
b.fill_sack()
try:
    b.install(sys.argv[3])
    b.resolve()
    print(" ".join(sorted(p.name for p in b.transaction.install_set)))
except (dnf.exceptions.Error):
    print()
`, repo, root, name)
	home := filepath.Join(root, "home")
	os.Mkdir(home, 0o755)
	if err := os.WriteFile(filepath.Join(home, ".rpmmacros"), []byte("%_dbpath /var/lib/rpm\n"), 0o644); err != nil { // Debian's is in the home folder
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "HOME="+home)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("dnf: %v", err)
	}
	return strings.TrimSpace(string(out))
}
