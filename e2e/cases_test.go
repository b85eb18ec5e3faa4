// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A given is a small repository that somebody else made of what is in a distribution's, and the
// right answer to it, which dnf gave.
type given struct {
	repo, base, more string   // folders of the repository and of the base's RPMs, and configuration
	trees            []string // each tree, sorted by name: its packages without their order
	unsolved         string   // what a reason has, by name; empty: none is unsolved
	fails            string   // what the error of the build has
}

// TestCases builds the repositories in ../shared/cases, beside this project, each of which was
// wrong once. Where they aren't there the tests of packages solve and publish have the same kinds.
func TestCases(t *testing.T) {
	cases, err := filepath.Abs("../../shared/cases")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cases); err != nil {
		t.Skip("*** THE CASES ARE NOT HERE (../shared/cases beside the project): nothing is built of them")
	}
	app := []string{"app: app-1-1.noarch"}
	app2 := []string{"app: app-2-1.noarch"}
	for name, c := range map[string]given{
		"absolute-href":         {trees: app},
		"all-unsolved":          {base: "missing-rpm/.", fails: "none of the names can be solved", unsolved: "app: nothing provides libfoo"},
		"appstream-broken":      {trees: app},
		"appstream-missing":     {trees: app},
		"bin-only-in-filelists": {trees: []string{"tool: tool-1-1.noarch"}, unsolved: "app: nothing provides /usr/bin/tool needed by app-1-1.noarch"},
		"installonly":           {base: "base", trees: []string{"kernel-modules-extra: kernel-core-5.14.0-200.x86_64 kernel-modules-extra-5.14.0-200.x86_64"}},
		"latin1-primary":        {trees: app},
		"missing-rpm":           {base: ".", more: "rpms = \"copy\"\n", trees: []string{"foo: foo-1-1.noarch"}, unsolved: "bar: the RPM of bar-2-1.noarch can't be had"},
		"modules": {trees: []string{"db: db-10.1-1.module_el8.x86_64", "dbapp: db-10.1-1.module_el8.x86_64 dbapp-1-1.x86_64"},
			unsolved: "db12only: "},
		"multilib": {trees: []string{"app32: app32-1-1.i686 libfoo-1-1.i686 libfoo-1-1.x86_64", "app: app-1-1.x86_64 app32-1-1.i686 libfoo-1-1.i686 libfoo-1-1.x86_64", "libfoo: libfoo-1-1.x86_64"}},
		"multilib, installed": {repo: "multilib/rpms", base: "multilib/base",
			trees: []string{"app32: app32-1-1.i686 libfoo-1-1.i686", "app: app-1-1.x86_64 app32-1-1.i686 libfoo-1-1.i686"}},
		"obsoleted-name":        {trees: []string{"libesd0: libesd0-1-1.noarch", "pulse-esound-compat: pulse-esound-compat-0.9-1.noarch"}},
		"sha512":                {trees: app},
		"source-only":           {fails: "has nothing for x86_64: it has packages for src only"},
		"updateinfo-broken":     {trees: app2},
		"updateinfo-epoch-none": {trees: app2},
		"updateinfo-latin1":     {trees: app2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.repo == "" {
				c.repo = name + "/repo"
			}
			trees, unsolved, failed := buildGiven(t, cases, name, c)
			if c.fails != "" {
				if !strings.Contains(failed, c.fails) {
					t.Errorf("the build says %q, and should say %q", failed, c.fails)
				}
			} else if failed != "" {
				t.Error(failed)
			}
			if !slices.Equal(trees, c.trees) {
				t.Errorf("trees\n%q, want\n%q\n%s", trees, c.trees, failed)
			}
			if !strings.HasPrefix(unsolved, c.unsolved) || c.unsolved == "" && unsolved != "" {
				t.Errorf("unsolved %q, want %q", unsolved, c.unsolved)
			}
		})
	}
}

// buildGiven publishes a case, and tells what is published, the first name that can't be solved
// with the reason, and what the build says where it fails.
func buildGiven(t *testing.T, cases, name string, c given) (trees []string, unsolved, failed string) {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("platform = \"case-1-x86_64\"\narch = \"x86_64\"\noutput = %q\n", filepath.Join(dir, "out"))
	text += c.more + fmt.Sprintf("[[repository]]\nid = \"main\"\nurl = \"file://%s\"\n[toplevel]\nall = true\n", filepath.Join(cases, c.repo))
	if c.base == "" {
		text += "[base]\npackages = [\"base-files\"]\n"
	} else {
		folder := filepath.Join(cases, name, c.base)
		if strings.Contains(c.base, "/") {
			folder = filepath.Join(cases, c.base)
		}
		rpms, err := filepath.Glob(filepath.Join(folder, "*.rpm"))
		if err != nil || len(rpms) == 0 {
			t.Fatalf("%s has no RPMs: %v", folder, err)
		}
		root := filepath.Join(dir, "root")
		if err := os.MkdirAll(filepath.Join(root, "var/lib/rpm"), 0o755); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"--root", root, "--dbpath", "/var/lib/rpm", "-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch"}, rpms...)
		if out, err := exec.Command("rpm", args...).CombinedOutput(); err != nil {
			t.Fatalf("rpm: %v\n%s", err, out)
		}
		text += fmt.Sprintf("[base]\nroot = %q\nrpmdb = \"/var/lib/rpm\"\n", root)
	}
	config := filepath.Join(dir, "presolver.toml")
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := school.Tools.Build(config); err != nil {
		failed = out + err.Error()
	}
	published := filepath.Join(dir, "out/case-1-x86_64")
	files, err := filepath.Glob(filepath.Join(published, "trees/*.json.zst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tree.KeptTree(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		var packages []string
		for _, p := range got.Packages {
			packages = append(packages, p.NEVRA.String())
		}
		slices.Sort(packages)
		trees = append(trees, got.Name+": "+strings.Join(packages, " "))
	}
	slices.Sort(trees)
	var report struct {
		Unsolved []struct{ Name, Reason string }
	}
	if _, err := os.Stat(filepath.Join(published, "report.json")); err == nil {
		readJSON(t, filepath.Join(published, "report.json"), &report)
	}
	if len(report.Unsolved) > 0 {
		unsolved = report.Unsolved[0].Name + ": " + report.Unsolved[0].Reason
	}
	return trees, unsolved, failed
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
