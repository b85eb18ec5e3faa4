// Package repotest makes real RPMs, repositories and RPM databases for tests, with rpmpack, createrepo_c and rpm.
//
// It knows nothing of solving. Only tests import it.
package repotest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Package is an RPM to make. NEVRA is e.g. "laby-0.7-1.noarch"; the lists are dependencies as spec files have them,
// Files absolute paths.
type Package struct {
	NEVRA                                                string
	Requires, Provides, Conflicts, Obsoletes, Recommends []string
	Files                                                []string
	Group                                                string
}

// File is the name of the package's RPM file.
func (p Package) File(t testing.TB) string {
	n := p.nevra(t)
	return n.Name + "-" + n.Version + "-" + n.Release + "." + n.Arch + ".rpm"
}

func (p Package) nevra(t testing.TB) tree.NEVRA {
	t.Helper()
	n, err := tree.ParseNEVRA(p.NEVRA)
	if err != nil {
		t.Fatal(err)
	}
	return n
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

// Write makes the RPMs of packages in a folder and, with createrepo_c, the metadata of all RPMs there.
func Write(t testing.TB, dir string, packages ...Package) {
	t.Helper()
	WriteRPMs(t, dir, packages...)
	CreateRepo(t, dir)
}

// CreateRepo runs createrepo_c on a folder.
func CreateRepo(t testing.TB, dir string, options ...string) {
	t.Helper()
	run(t, "createrepo_c", append(append([]string{"--quiet", "--workers=1"}, options...), dir)...)
}

// WriteRPMs makes the RPMs of packages in a folder.
func WriteRPMs(t testing.TB, dir string, packages ...Package) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		p.write(t, dir)
	}
}

func (p Package) write(t testing.TB, dir string) {
	t.Helper()
	n := p.nevra(t)
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: n.Name, Epoch: uint32(n.Epoch), Version: n.Version, Release: n.Release, Arch: n.Arch, OS: "linux",
		Summary: "the summary of " + n.Name, Description: "The description of " + n.Name + ".", Licence: "GPLv2+",
		URL: "http://example.org/" + n.Name, Group: p.Group, BuildHost: "localhost", BuildTime: time.Unix(1700000000, 0),
		Requires: relations(t, p.Requires), Provides: relations(t, p.Provides), Conflicts: relations(t, p.Conflicts),
		Obsoletes: relations(t, p.Obsoletes), Recommends: relations(t, p.Recommends),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Files {
		r.AddFile(rpmpack.RPMFile{Name: f, Body: []byte(n.Name + "\n"), Mode: 0o644, Owner: "root", Group: "root", MTime: 1700000000})
	}
	w, err := os.Create(filepath.Join(dir, p.File(t)))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func relations(t testing.TB, list []string) rpmpack.Relations {
	t.Helper()
	var r rpmpack.Relations
	for _, s := range list {
		if err := r.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// Install puts packages into the RPM database in the folder db of root, without their files.
func Install(t testing.TB, root, db string, packages ...Package) {
	t.Helper()
	dir := t.TempDir()
	args := []string{"--root", root, "--dbpath", "/" + db, "-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch", "--force-debian"}
	for _, p := range packages {
		p.write(t, dir)
		args = append(args, filepath.Join(dir, p.File(t)))
	}
	if err := os.MkdirAll(filepath.Join(root, db), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "rpm", args...)
}

func run(t testing.TB, program string, args ...string) {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s(the tests need createrepo_c and rpm: apt-get install createrepo-c rpm)", program, strings.Join(args, " "), err, out)
	}
}
