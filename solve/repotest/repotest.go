// SPDX-License-Identifier: GPL-2.0-or-later

// Package repotest makes real RPMs, repositories and RPM databases for the server's tests, in few
// words: what testbed makes, from NEVRAs, failing the test where it can't.
//
// It knows nothing of solving. Only tests import it.
package repotest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Package is an RPM to make. NEVRA is e.g. "laby-0.7-1.noarch"; the lists are dependencies as
// spec files have them, Files absolute paths.
type Package struct {
	NEVRA                                                string
	Requires, Provides, Conflicts, Obsoletes, Recommends []string
	Files                                                []string
	Group                                                string
}

// New makes a repository of packages in a temporary folder, which it returns.
func New(t testing.TB, packages ...Package) string {
	t.Helper()
	dir := t.TempDir()
	Write(t, dir, packages...)
	return dir
}

// URL is the file URL of a folder.
func URL(dir string) string { return "file://" + dir }

// Write makes the RPMs of packages in a folder and, with createrepo_c, the metadata of all RPMs
// there.
func Write(t testing.TB, dir string, packages ...Package) {
	t.Helper()
	WriteRPMs(t, dir, packages...)
	CreateRepo(t, dir)
}

// CreateRepo runs createrepo_c on a folder.
func CreateRepo(t testing.TB, dir string, options ...string) {
	t.Helper()
	check(t, testbed.CreateRepo(dir, options...))
}

// Modify adds a file of metadata, by its type, to the repository in a folder.
func Modify(t testing.TB, dir, kind, file string) {
	t.Helper()
	out, err := exec.Command("modifyrepo_c", "--mdtype="+kind, file, filepath.Join(dir, "repodata")).CombinedOutput()
	if err != nil {
		t.Fatalf("modifyrepo_c: %v\n%s (run ./setup)", err, out)
	}
}

// WriteRPMs makes the RPMs of packages in a folder.
func WriteRPMs(t testing.TB, dir string, packages ...Package) {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o755))
	for _, p := range packages {
		p.write(t, dir)
	}
}

func (p Package) write(t testing.TB, dir string) (path string) {
	t.Helper()
	n, err := tree.ParseNEVRA(p.NEVRA)
	check(t, err)
	r := testbed.RPM{
		Name: n.Name, Epoch: uint32(n.Epoch), Version: n.Version, Release: n.Release, Arch: n.Arch, Summary: "the summary of " + n.Name, Group: p.Group,
		Requires: p.Requires, Provides: p.Provides, Conflicts: p.Conflicts, Obsoletes: p.Obsoletes, Recommends: p.Recommends, Files: make(map[string]string),
	}
	for _, f := range p.Files {
		r.Files[f] = n.Name + "\n"
	}
	path, err = r.Write(dir)
	check(t, err)
	return path
}

// Install puts packages into the RPM database in the folder db of root, without their files.
func Install(t testing.TB, root, db string, packages ...Package) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--root", root, "--dbpath", "/" + db, "-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch"}
	for _, p := range packages {
		args = append(args, p.write(t, dir))
	}
	check(t, os.MkdirAll(filepath.Join(root, db), 0o755))
	if out, err := exec.Command("rpm", args...).CombinedOutput(); err != nil {
		t.Fatalf("rpm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (the tests need createrepo_c and rpm: run ./setup)", err)
	}
}
