// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// demanding is the environment of a helper whose rpm is configured with macros, as root may be.
func demanding(t *testing.T, macros string) []string {
	t.Helper()
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".rpmmacros"), []byte(macros), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"HOME=" + home}
}

// Where rpm's policy demands signatures, what isn't signed is refused: before the download where the
// tree tells, else after one. What the words say helps.
func TestRPMDemandsSignatures(t *testing.T) {
	school := moodySchool(t)
	const id = "inway;1.0-1;noarch;school"
	for _, level := range []string{"all", "signature"} {
		l := newMoody(t, school, demanding(t, "%_pkgverify_level "+level+"\n"))
		for _, flags := range []string{"none", "only-trusted", "simulate", "simulate;only-trusted"} {
			text := l.Fails("missing-gpg-signature", "install-packages", flags, id)
			says(t, text, "inway-1.0-1.noarch is not signed", "its macro %_pkgverify_level is \""+level+"\"", "rpm --import", "%_pkgverify_level digest", "/etc/rpm")
		}
		if n := l.downloads(); n != 0 {
			t.Errorf("%d downloads: %q", n, l.proxy.Requests())
		}
		l.has("", "inway")
		l.OK("download-packages", t.TempDir(), id) // isn't installing

		// A source that doesn't tell.
		proxy, err := school.Proxy()
		if err != nil {
			t.Fatal(err)
		}
		defer proxy.Close()
		laptop, err := school.Laptop(proxy.URL+sugarPath, "sugar-network", "")
		if err != nil {
			t.Fatal(err)
		}
		l = &moodyLaptop{Laptop: laptop, Helper: laptoptest.Start(t, school.Tools, laptop, demanding(t, "%_pkgverify_level "+level+"\n")), proxy: proxy, t: t}
		for range 3 {
			says(t, l.Fails("missing-gpg-signature", "install-packages", "none", "inway;;;school"), "is not signed", "%_pkgverify_level")
		}
		if n := l.downloads(); n != 1 {
			t.Errorf("%d downloads: %q", n, l.proxy.Requests())
		}
		l.has("", "inway")
	}
	for _, level := range []string{"none", "digest"} {
		l := newMoody(t, school, demanding(t, "%_pkgverify_level "+level+"\n"))
		l.OK("install-packages", "none", id)
		l.has("inway", "inway")
	}
}

// The same with an RPM that is signed with a key that RPM's keyring doesn't have, until it does.
func TestRPMDemandsKnownKeys(t *testing.T) {
	for _, program := range []string{"gpg", "rpmsign"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT TESTED: %v", err)
		}
	}
	dir := t.TempDir()
	school, err := testbed.NewSchool(dir, school.Tools, moody...)
	if err != nil {
		t.Fatal(err)
	}
	defer school.Close()
	key := laptoptest.NewKey(t, t.TempDir())
	key.Sign(t, filepath.Join(dir, "repository/inway-1.0-1.noarch.rpm"))
	if err := testbed.CreateRepo(filepath.Join(dir, "repository")); err != nil {
		t.Fatal(err)
	}
	if _, err := school.Build(filepath.Join(dir, "presolver.toml")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"inway": false, "mood": true} { // who is signed is published
		trees, _ := filepath.Glob(filepath.Join(school.Published(), testbed.Platform, "trees", name+"@*"))
		signed := 0
		for _, path := range trees {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := tree.KeptTree(data, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !kept.Top().Unsigned {
				signed++
			}
		}
		if len(trees) == 0 || want != (signed == 0) {
			t.Errorf("%s: %q, %d signed", name, trees, signed)
		}
	}
	l := newMoody(t, school, demanding(t, "%_pkgverify_level all\n"))
	for range 2 {
		text := l.Fails("missing-gpg-signature", "install-packages", "none", "inway;1.0-1;noarch;school")
		says(t, text, "is signed with the key "+key.ID()+", which this computer doesn't know", "have RPM know it (install the signature "+key.ID(), `its macro %_pkgverify_level is "all"`)
	}
	if n := l.downloads(); n != 1 {
		t.Errorf("%d downloads: %q", n, l.proxy.Requests())
	}
	armoured := filepath.Join(t.TempDir(), "key.asc")
	key.Export(t, armoured)
	if out, err := testbed.RPMQuery(l.Root, "--import", armoured); err != nil {
		t.Fatal(err, out)
	}
	l.OK("install-packages", "none", "inway;1.0-1;noarch;school")
	if n := l.downloads(); n != 1 {
		t.Errorf("%d downloads: %q", n, l.proxy.Requests())
	}
	l.has("inway", "inway")
}

// An RPM database that rpm can read and can't write is told before anything is downloaded, and
// repaired.
func TestDatabaseThatRPMCantWrite(t *testing.T) {
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
	if err != nil {
		t.Fatal(err)
	}
	for file, rebuilt := range map[string]bool{"libuuid/Packages": true, "sle15-bci/Packages.db": false} {
		content, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(module)), "pkg/testdata", file))
		if err != nil {
			t.Skip("NOT TESTED: go-rpmdb's testdata is not in the module cache")
		}
		l := newMoody(t, moodySchool(t), nil)
		l.OK("get-repo-list", "none") // the helper has found its database
		db := filepath.Join(l.Root, testbed.DBPath)
		if err := os.RemoveAll(db); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(db, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(db, filepath.Base(file)), content, 0o644); err != nil {
			t.Fatal(err)
		}
		const id = "inway;1.0-1;noarch;school"
		reply := l.Answer("install-packages", "none", id)
		e := laptoptest.ErrorOf(reply)
		if e == "" && !rebuilt {
			t.Skip("this rpm writes ndb")
		}
		if !strings.HasPrefix(e, "transaction-error\t") || l.downloads() != 0 {
			t.Errorf("%s: %q, %d downloads", file, reply, l.downloads())
		}
		says(t, e, "can't write to", map[bool]string{true: "rpm --rebuilddb", false: "rpmdb --exportdb"}[rebuilt])
		if !rebuilt {
			continue
		}
		says(t, e, "repair the system")
		if told := l.OK("repair-system", "none"); !has(told, "package\tcleanup\trpm-database;1;noarch;rebuilt") {
			t.Errorf("repair-system: %q", told)
		}
		l.OK("install-packages", "none", id)
		l.has("inway", "inway")
		if installed := strings.Join(laptoptest.Installed(t, l.Laptop), " "); !strings.Contains(installed, "libuuid-") {
			t.Errorf("%q are installed", installed)
		}
	}
}
