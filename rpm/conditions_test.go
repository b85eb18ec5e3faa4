// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What rpmbuild wrote of a package's relations is read as rpm prints it.
func TestHeaderTellsConditions(t *testing.T) {
	dir := t.TempDir()
	spec := filepath.Join(dir, "a.spec")
	err := os.WriteFile(spec, []byte("Name: a\nEpoch: 2\nVersion: 1\nRelease: 3\nSummary: a\nLicense: GPLv2+\nBuildArch: noarch\n"+
		"Requires: plain >= 1:2-3\nRequires: (plugin if editor)\nRequires: other\nRequires(pre): (before if editor)\nRequires(pre,postun): (lasting if editor)\nRequires(post): soon\n"+
		"Conflicts: old < 2, (b and c)\nProvides: api = 7, bare\n%description\n%install\nmkdir -p %{buildroot}/usr/share/a\ntouch %{buildroot}/usr/share/a/one %{buildroot}/usr/share/a/two\n%files\n/usr/share/a\n"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("rpmbuild", "-bb", "--quiet", "--define", "_topdir "+dir, "--define", "_rpmdir "+dir, "--define", "_rpmfilename a.rpm", spec).CombinedOutput()
	if err != nil {
		t.Fatalf("rpmbuild: %v\n%s", err, out)
	}
	path := filepath.Join(dir, "a.rpm")
	h, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := func(string) bool { return true }
	for _, c := range []struct {
		option string
		got    []string
	}{{"--conflicts", h.Conflicts()}, {"--provides", h.Provided(all)}, {"--requires", h.requirements()}} {
		out, err := exec.Command("rpm", "-qp", "--nosignature", c.option, path).Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(strings.TrimSpace(string(out)), "\n")
		slices.Sort(want)
		slices.Sort(c.got)
		if !slices.Equal(slices.Compact(c.got), slices.Compact(want)) {
			t.Errorf("rpm -q %s says %q, read: %q", c.option, want, c.got)
		}
	}
	wanted := func(names ...string) func(string) bool {
		return func(name string) bool { return slices.Contains(names, name) }
	}
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"rich", h.Rich(false), []string{"(before if editor)", "(lasting if editor)", "(plugin if editor)"}},
		{"rich, installed", h.Rich(true), []string{"(lasting if editor)", "(plugin if editor)"}},
		{"required", h.Required(wanted("plain", "other", "soon")), []string{"other", "plain >= 1:2-3"}},
		{"provided", h.Provided(wanted("a", "api")), []string{"a = 2:1-3", "api = 7"}},
		{"files", h.FilesAmong(map[string]bool{"/usr/share/a/two": true, "two": true, "/usr/share/a": true}), []string{"/usr/share/a", "/usr/share/a/two"}},
	} {
		slices.Sort(c.got)
		if fmt.Sprintf("%q", slices.Compact(c.got)) != fmt.Sprintf("%q", c.want) {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
}
