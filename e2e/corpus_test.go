package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// Sugar's word processor, a real one with 36 packages, is installed on a laptop with a real standard installation, from
// both layouts. The packages are not the project's; where they aren't there, the school's programs have to do.
func TestInstallWrite(t *testing.T) {
	corpus, err := filepath.Abs("../../shared/corpus")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("SKIPPED: the real packages are not here: %v", err)
	}
	const platform = "debian-12-x86_64"
	base, err := filepath.Glob(filepath.Join(corpus, "base", "*.rpm"))
	if err != nil || len(base) != 384 {
		t.Fatalf("%d packages in the base, %v", len(base), err)
	}
	dir := t.TempDir()
	root := filepath.Join(dir, "image")
	if err := testbed.Root(root, base...); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "presolver.toml")
	err = os.WriteFile(config, fmt.Appendf(nil, "platform = %q\narch = \"x86_64\"\noutput = %q\nrpms = \"copy\"\nlayouts = [\"presolve\", \"sugar-network\"]\n"+
		"[[repository]]\nid = \"sugar\"\nurl = \"file://%s/rpms\"\n[base]\nroot = %q\nrpmdb = %q\n[toplevel]\npackages = [\"sugar-write-activity\"]\n",
		platform, filepath.Join(dir, "published"), corpus, root, testbed.DBPath), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := school.Build(config, "--strict"); err != nil {
		t.Fatal(err, out)
	}
	server, err := school.Serve(filepath.Join(dir, "published"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	for layout, url := range map[string]string{"presolve": server.URL, "sugar-network": server.URL + "/packages/presolve/" + platform} {
		t.Run(layout, func(t *testing.T) {
			laptop, err := testbed.NewLaptop(filepath.Join(t.TempDir(), "laptop"), platform, url, layout, "", base...)
			if err != nil {
				t.Fatal(err)
			}
			installWrite(t, laptop)
		})
	}
}

func installWrite(t *testing.T, laptop *testbed.Laptop) {
	h := start(t, laptop)
	do := h.do
	do("refresh-cache", "yes")
	if lines := do("search-name", "~installed", "write"); !has(lines, "package\tavailable\tsugar-write-activity;101-2;noarch;school\t") {
		t.Error("search-name:", lines)
	}
	id := ""
	for _, l := range do("resolve", "~installed;newest", "sugar-write-activity") {
		if f := strings.Split(l, "\t"); f[0] == "package" {
			id = f[2]
		}
	}
	lines := do("install-packages", "none", id)
	var installed []string
	percent := 0
	for _, l := range lines {
		f := strings.Split(l, "\t")
		switch {
		case f[0] == "error":
			t.Fatal(l)
		case f[0] == "package" && f[1] == "installed":
			installed = append(installed, strings.Split(f[2], ";")[0])
		case f[0] == "percentage":
			var p int
			fmt.Sscan(f[1], &p)
			if p < percent {
				t.Errorf("the percentage goes from %d back to %d", percent, p)
			}
			percent = p
		}
	}
	if len(installed) != 36 || percent != 100 {
		t.Errorf("%d packages at %d%%: %q", len(installed), percent, installed)
	}
	// What rpm finds wrong is what a root without base files can't have: dependencies are there.
	out, _ := testbed.RPMQuery(laptop.Root, append([]string{"-V", "--nouser", "--nogroup"}, installed...)...)
	if out != "" {
		t.Errorf("rpm -V says:\n%s", out)
	}
	if lines := do("install-packages", "none", id); !has(lines, "error\tpackage-already-installed\t") {
		t.Error("the second install:", lines)
	}
	agrees(t, laptop, do("get-packages", "installed"))
	if err := h.Stop(); err != nil {
		t.Error(err)
	}
}

// agrees tells whether the record, as get-packages tells it, and "rpm -qa" name the same packages.
func agrees(t *testing.T, laptop *testbed.Laptop, lines []string) {
	t.Helper()
	var record []string
	for _, l := range lines {
		if f := strings.Split(l, "\t"); f[0] == "package" {
			id := strings.Split(f[2], ";")
			record = append(record, id[0]+"-"+id[1]+"."+id[2])
		}
	}
	out, err := testbed.RPMQuery(laptop.Root, "-qa", "--qf", `%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH}\n`)
	if err != nil {
		t.Fatal(err, out)
	}
	database := strings.Fields(strings.ReplaceAll(out, "-0:", "-"))
	slices.Sort(record)
	slices.Sort(database)
	if !slices.Equal(record, database) {
		t.Errorf("the record has %d packages and rpm -qa %d:\n%q\n%q", len(record), len(database), record, database)
	}
}

func has(lines []string, prefix string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, prefix) })
}
