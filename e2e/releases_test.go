// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

var keep = flag.String("keep", "", "keep what this version publishes, and a laptop's state, in testdata/releases as the release of this name")

// What each release has published, and what it has left on a laptop, is what this version goes on
// with: testdata/releases has an archive of each, which -keep made. The laptop of then knows what
// its programs are and why, installs from the server of then, and removes; the server of now takes
// the folder of then over.
func TestReleases(t *testing.T) {
	if *keep != "" {
		keepRelease(t, filepath.Join("testdata", "releases", *keep+".tar.gz"))
	}
	archives, err := filepath.Glob("testdata/releases/*.tar.gz")
	if err != nil || len(archives) == 0 {
		t.Fatalf("there are no releases: %v", err)
	}
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), func(t *testing.T) {
			dir := t.TempDir()
			execute(t, "tar", "-xzf", archive, "-C", dir)
			key, err := os.ReadFile(filepath.Join(dir, "key"))
			check(t, err)
			published := filepath.Join(dir, "published")
			installed, err := filepath.Glob(filepath.Join(dir, "installed", "*.rpm"))
			check(t, err)
			l, err := testbed.NewLaptop(filepath.Join(dir, "laptop"), testbed.Platform, "file://"+published, "presolve", string(key), "", installed...)
			check(t, err)
			check(t, os.Rename(filepath.Join(dir, "state"), l.State))

			h := start(t, l)
			if lines := h.Answer("resolve", "installed", "hello"); !has(lines, "package\tinstalled\thello;1.0-1;noarch;installed") {
				t.Errorf("hello: %q", lines)
			}
			if lines := h.Answer("install-packages", "none", "paint;3.1-1;x86_64;school"); !has(lines, "finished") || has(lines, "error") {
				t.Errorf("installing: %q", lines)
			}
			// It was asked for, and libgreet came with it: the record knows.
			if lines := h.Answer("remove-packages", "none", "hello;1.0-1;noarch;installed", "no", "yes"); has(lines, "error") {
				t.Errorf("removing: %q", lines)
			}
			left, err := testbed.RPMQuery(l.Root, "-qa", "--qf", "%{NAME}\n")
			check(t, err)
			if names := strings.Fields(left); slices.Contains(names, "hello") || slices.Contains(names, "libgreet") || !slices.Contains(names, "libtext") || !slices.Contains(names, "paint") {
				t.Errorf("in the end there are %q", names)
			}
			h.Stop()

			execute(t, school.Presolver, "verify", "--key", string(key), published)
			before := serial(t, published)
			config, err := os.ReadFile(filepath.Join(school.Dir, "presolver.toml"))
			check(t, err)
			file := filepath.Join(dir, "presolver.toml")
			check(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(config), fmt.Sprintf("output = %q", school.Published()), fmt.Sprintf("output = %q", published))), 0o644))
			if _, err := school.Build(file); err != nil {
				t.Fatal(err)
			}
			if after := serial(t, published); after <= before {
				t.Errorf("the serial was %d and is %d", before, after)
			}
			execute(t, school.Presolver, "verify", "--key", school.Key.Fingerprint, published)
		})
	}
}

// serial is the serial of what is published.
func serial(t *testing.T, published string) int64 {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(published, testbed.Platform, "platform.json"))
	check(t, err)
	p, err := tree.ParsePlatform(data, testbed.Platform)
	check(t, err)
	return int64(p.Serial)
}

// keepRelease makes the archive: published/, which a century later is still valid; state/, of a laptop
// that has installed hello from it; installed/, the RPMs that it has; key, who signed.
func keepRelease(t *testing.T, archive string) {
	t.Helper()
	s := laptoptest.NewSchool(t)
	config := filepath.Join(s.Dir, "presolver.toml")
	text, err := os.ReadFile(config)
	check(t, err)
	check(t, os.WriteFile(config, append([]byte("valid_for = \"876000h\"\n"), text...), 0o644))
	check(t, os.RemoveAll(s.Published()))
	if _, err := s.Build(config); err != nil {
		t.Fatal(err)
	}
	l, err := s.Laptop("file://"+s.Published(), "presolve", "")
	check(t, err)
	h := laptoptest.Start(t, s.Tools, l, nil)
	if lines := h.Answer("install-packages", "none", "hello;1.0-1;noarch;school"); has(lines, "error") {
		t.Fatalf("installing: %q", lines)
	}
	h.Stop()
	dir := t.TempDir()
	check(t, os.Rename(l.State, filepath.Join(dir, "state")))
	check(t, os.RemoveAll(filepath.Join(dir, "state", "reserve"))) // a megabyte of nothing
	check(t, os.Rename(s.Published(), filepath.Join(dir, "published")))
	check(t, os.WriteFile(filepath.Join(dir, "key"), []byte(s.Key.Fingerprint), 0o644))
	for _, name := range []string{"basesystem", "libschool", "hello", "libgreet", "libtext"} {
		found, err := filepath.Glob(filepath.Join(s.Dir, "repository", name+"-[0-9]*.rpm"))
		check(t, err)
		execute(t, "install", append([]string{"-D", "-m644", "-t", filepath.Join(dir, "installed")}, found...)...)
	}
	execute(t, "tar", "-czf", archive, "-C", dir, "--owner=0", "--group=0", "published", "state", "installed", "key")
}

// execute runs a program.
func execute(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
