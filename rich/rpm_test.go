// SPDX-License-Identifier: GPL-2.0-or-later

package rich

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// forms are dependencies that rpmbuild takes, for requirements and for conflicts.
var requirements = []string{
	"a", "a = 1", "a >= 1-2", "a < 2", "cap > 1", "/usr/share/world/b",
	"(a and b)", "(a or b)", "(a or b or c)", "(a and b and c)", "(a if b)", "(a = 2 if b)", "(a if b else c)", "(cap if a >= 2 else b)",
	"(a with cap)", "(cap with b)", "(cap >= 3 with b)", "(a or (b with cap))", "(cap without b)", "(cap without a = 1)", "(a with cap with x)",
	"((b unless c) or x)", "((b unless c else a) or nothing)", "((b unless (a and c)) or nothing)", "((a if b) and (b if c))", "((a or c) if (b and cap = 3))",
	"(a if (b if c))", "(a if (b or c) else (cap = 2))", "((a if b else c) and (b if a))", "(/usr/share/world/b if a)", "(a if /usr/share/world/b)",
	"((cap or x) with a)", "(a if rpmlib(CompressedFileNames) <= 3.0.4-1)",
}

var conflicts = []string{
	"a", "a = 1", "a < 2", "cap < 3", "/usr/share/world/b", "own-cap",
	"(a and b)", "(a or b)", "(a or b or c)", "(a unless b)", "(a = 2 unless b)", "(a unless b else c)", "(a with cap)", "(cap without b)", "(cap with b)",
	"((a unless b) or (b unless c))", "(own-cap and b)", "(a and (b or c))", "(/usr/share/world/b and a)",
}

// A piece is a package of the world.
type piece struct {
	label    string
	provides []Dep
	replaces string // the label of the package that it takes the place of where that is installed
}

var pieces = map[string]piece{
	"a1": {label: "a-1-1", provides: []Dep{{"a", Equal, "1-1"}, {"x", 0, ""}}},
	"a2": {label: "a-2-1", provides: []Dep{{"a", Equal, "2-1"}, {"cap", Equal, "2"}, {"x", 0, ""}}, replaces: "a1"},
	"b":  {label: "b-1-1", provides: []Dep{{"b", Equal, "1-1"}, {"cap", Equal, "3"}, {"/usr/share/world/b", 0, ""}}},
	"c":  {label: "c-1-1", provides: []Dep{{"c", Equal, "1-1"}, {"a", Equal, "1-2"}}},
}

// states are where each package may be. "a1>a2": a1 is installed, and a2 comes.
var states = [][]string{{"", "a1", "+a1", "a2", "+a2", "a1>a2"}, {"", "b", "+b"}, {"", "c", "+c"}}

const specHead = "Name: world\nVersion: 1\nRelease: 1\nSummary: world\nLicense: GPLv2+\nBuildArch: noarch\n%description\n"

// specs are the packages: a and c, a in its other version, and one for each form.
func specs() []string {
	first := specHead +
		"%package -n a\nSummary: a\nProvides: x\n%description -n a\n%files -n a\n" +
		"%package -n b\nSummary: b\nProvides: cap = 3\n%description -n b\n%files -n b\n/usr/share/world/b\n" +
		"%package -n c\nSummary: c\nProvides: a = 1-2\n%description -n c\n%files -n c\n" +
		"%install\nmkdir -p %{buildroot}/usr/share/world\ntouch %{buildroot}/usr/share/world/b\n"
	for kind, forms := range map[string][]string{"Requires": requirements, "Conflicts": conflicts} {
		for i, form := range forms {
			name := owner(kind, i)
			first += fmt.Sprintf("%%package -n %s\nSummary: %s\nProvides: own-cap-%s\n%s: %s\n%%description -n %s\n%%files -n %s\n", name, name, name, kind, strings.ReplaceAll(form, "own-cap", "own-cap-"+name), name, name)
		}
	}
	second := strings.ReplaceAll(specHead, "Version: 1", "Version: 2") + "%package -n a\nSummary: a\nProvides: x\nProvides: cap = 2\n%description -n a\n%files -n a\n"
	return []string{first, second}
}

func owner(kind string, i int) string { return fmt.Sprintf("%s-%d", strings.ToLower(kind), i) }

// TestRPM asks the real rpm about each form, with the package that has it coming and installed, in
// each state of the other packages.
func TestRPM(t *testing.T) {
	dir := t.TempDir()
	for i, text := range specs() {
		spec := filepath.Join(dir, fmt.Sprintf("%d.spec", i))
		if err := os.WriteFile(spec, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, "--define", "_rpmdir "+dir, "--define", "_rpmfilename %%{NAME}-%%{VERSION}.rpm",
			"--define", "_binary_payload w0.gzdio", "--define", "_use_internal_dependency_generator 1", spec).CombinedOutput()
		if err != nil {
			t.Fatalf("rpmbuild: %v (run ./setup)\n%s", err, out)
		}
	}
	file := func(p string) string { return filepath.Join(dir, strings.TrimSuffix(pieces[p].label, "-1")+".rpm") }
	var owners []string
	for i := range requirements {
		owners = append(owners, filepath.Join(dir, owner("Requires", i)+"-1.rpm"))
	}
	for i := range conflicts {
		owners = append(owners, filepath.Join(dir, owner("Conflicts", i)+"-1.rpm"))
	}
	asked := 0
	for _, a := range states[0] {
		for _, b := range states[1] {
			for _, c := range states[2] {
				var there, come []string
				for _, s := range []string{a, b, c} {
					old, new, _ := strings.Cut(s, ">")
					switch {
					case new != "":
						there, come = append(there, old), append(come, new)
					case strings.HasPrefix(s, "+"):
						come = append(come, s[1:])
					case s != "":
						there = append(there, s)
					}
				}
				for _, installed := range []bool{false, true} {
					if installed && len(come) == 0 {
						continue
					}
					asked += askRPM(t, filepath.Join(dir, fmt.Sprintf("root-%s-%s-%s-%v", a, b, c, installed)), file, owners, there, come, installed)
				}
			}
		}
	}
	if asked < 3000 {
		t.Errorf("rpm was asked only %d times", asked)
	}
}

// askRPM compares what rpm says of all forms in one state.
func askRPM(t *testing.T, root string, file func(string) string, owners, there, come []string, installed bool) (asked int) {
	t.Helper()
	run := func(args ...string) (string, error) {
		cmd := exec.Command("rpm", append([]string{"--root", root, "--dbpath", "/db", "--nosignature", "--nodigest"}, args...)...)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	var put, add []string
	for _, p := range there {
		put = append(put, file(p))
	}
	for _, p := range come {
		add = append(add, file(p))
	}
	if installed {
		put = append(put, owners...)
	} else {
		add = append(add, owners...)
	}
	if len(put) > 0 {
		if out, err := run(append([]string{"-i", "--nodeps", "--justdb"}, put...)...); err != nil {
			t.Fatalf("rpm -i: %v\n%s", err, out)
		}
	}
	said, _ := run(append([]string{"-U", "--test", "--oldpackage", "--replacepkgs"}, add...)...)

	// The world after that.
	var w world
	gone := make(map[string]bool)
	came, went := make(Provided), make(Provided)
	for _, p := range come {
		w = append(w, pieces[p].provides)
		came.Add(pieces[p].provides...)
		if slices.Contains(there, pieces[p].replaces) {
			gone[pieces[p].replaces] = true
			went.Add(pieces[pieces[p].replaces].provides...)
		}
	}
	for _, p := range there {
		if !gone[p] {
			w = append(w, pieces[p].provides)
		}
	}
	check := func(kind string, forms []string) {
		for i, form := range forms {
			e, err := Parse(form)
			if err != nil {
				t.Fatal(err)
			}
			name := owner(kind, i)
			own := world{{{name, Equal, "1-1"}, {"own-cap", 0, ""}}}
			if kind == "Conflicts" && e.Op == Plain {
				own = nil // nobody is in conflict with himself
			}
			conflict := kind == "Conflicts"
			touched := !installed || e.Asks(conflict, came, went)
			want := touched && e.Met(append(own, w...)) == conflict
			got := false
			for line := range strings.Lines(said) {
				if conflict {
					got = got || strings.HasSuffix(line, " conflicts with "+name+"-1-1.noarch\n") || strings.HasSuffix(line, " conflicts with (installed) "+name+"-1-1.noarch\n")
				} else {
					got = got || strings.HasSuffix(line, " is needed by "+name+"-1-1.noarch\n") || strings.HasSuffix(line, " is needed by (installed) "+name+"-1-1.noarch\n")
				}
			}
			if got != want {
				t.Errorf("%s: %s of %s, installed: %v, there %v, coming %v: refused by rpm: %v, here: %v\n%s", kind, form, name, installed, there, come, got, want, said)
			}
			asked++
		}
	}
	check("Requires", requirements)
	check("Conflicts", conflicts)
	return asked
}
