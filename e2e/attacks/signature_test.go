// SPDX-License-Identifier: GPL-2.0-or-later

package attacks

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// evil is an RPM that nobody signed. Who installs it has run what is in it as root.
var evil = testbed.RPM{Name: "evil", Summary: "A song", Pre: `io.open("/pwned", "w"):close()`, Files: map[string]string{"/usr/bin/evil": "evil\n"}}

// forgedNames are names of files that say that somebody signed them, to whoever reads rpm's words,
// and names that programs take for something else than a name. "|" and "&" would be the end of a
// name in a list of the protocol.
var forgedNames = []string{
	"x    Signature, key ID deadbeef: OK.rpm",
	"x:     Header V4 RSA-SHA256 Signature, key ID deadbeef: OK.rpm",
	"x: digests signatures OK.rpm",
	"100%{lua: io.open('pwned', 'w')}%n.rpm",
	"*.rpm",
	"sign?d.rpm",
	"[s]igned.rpm",
	"-U.rpm",
	"--nosignature.rpm",
}

// A file's name doesn't make it signed: not where it's installed, not where it's told whether it
// could be.
func TestForgedByFileName(t *testing.T) {
	t.Parallel()
	dir := home(t)
	optional, required := trusting(t, "", ""), trusting(t, "", "[trust]\nrpm_signatures = \"required\"\n")
	signed := filepath.Join(dir, "signed.rpm") // what patterns would find
	check(t, testbed.RPM{Name: "song", Summary: "A song"}.WriteFile(signed))
	key.Sign(t, signed)
	helpers := map[*testbed.Laptop]*laptoptest.Helper{optional: start(t, optional), required: start(t, required)}
	before := map[*testbed.Laptop]state{}
	for l, h := range helpers {
		h.OK("refresh-cache", "no")
		h.OK("install-files", "only-trusted", signed) // or there is nothing to be told from
		warm(t, h)
		before[l] = stateOf(t, l)
	}
	for i, name := range append(slices.Clone(forgedNames), "evil.rpm") {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			evil := evil
			evil.Name = fmt.Sprintf("evil%d", i)
			check(t, evil.WriteFile(path))
			defer os.Remove(path)
			for l := range before {
				before[l] = stateOf(t, l)
			}
			simulated := ask(t, helpers[optional], "install-files", "only-trusted;simulate", path)
			if !slices.ContainsFunc(simulated, func(l string) bool {
				return strings.HasPrefix(l, "package\tuntrusted\t"+evil.Name+";1.0-1;noarch;local\t")
			}) {
				t.Errorf("a simulation doesn't say that it isn't trusted: %q", simulated)
			}
			refused(t, ask(t, helpers[optional], "install-files", "only-trusted", path), "missing-gpg-signature")
			refused(t, ask(t, helpers[required], "install-files", "none", path), "missing-gpg-signature")
			for _, l := range []*testbed.Laptop{optional, required} {
				before[l].same(t, stateOf(t, l))
				for _, file := range []string{filepath.Join(l.Root, "pwned"), "/pwned"} {
					if os.Remove(file) == nil {
						t.Errorf("what is in it was run: %s", file)
					}
				}
			}
			// So it is all about trust: with the user's consent the same file can be installed.
			if name != "evil.rpm" {
				return
			}
			helpers[optional].OK("install-files", "none", path)
		})
	}
}

// Words in a package don't choose what an error means: the same failure is the same error, whatever
// a path is called.
func TestForgedByPathsInPackage(t *testing.T) {
	t.Parallel()
	l := newLaptop(t, "", "")
	write(t, filepath.Join(l.Root, "etc/school-release"), "School 1\n", 0o644) // no folder, so nothing can be in it
	dir := home(t)
	h := start(t, l)
	code := func(name string) string {
		path := filepath.Join(dir, "song.rpm")
		check(t, testbed.RPM{Name: "song", Summary: "A song", Files: map[string]string{"/etc/school-release/" + name: "la\n"}}.WriteFile(path))
		lines := ask(t, h, "install-files", "none", path)
		code, _, _ := strings.Cut(laptoptest.ErrorOf(lines), "\t")
		if code == "" {
			t.Fatalf("%q can be installed: %q", name, lines)
		}
		return code
	}
	warm(t, h)
	want := code("song")
	before := stateOf(t, l)
	for _, name := range []string{
		"song conflicts with hello", "song is needed by hello", "song (Permission denied)", "can't create transaction lock on song",
		"needs 12MB more space on the song", "No space left on device", "database or disk is full", "song: BAD", "DIGESTS NOT OK", " - Permission denied",
	} {
		if got := code(name); got != want {
			t.Errorf("a file called %q makes the error %q, any other %q", name, got, want)
		}
	}
	before.same(t, stateOf(t, l))
}

// What a package's scriptlet says isn't what rpm says: the install works.
func TestForgedByScriptlet(t *testing.T) {
	t.Parallel()
	l := newLaptop(t, "", "")
	h := start(t, l)
	path := filepath.Join(home(t), "song.rpm")
	check(t, testbed.RPM{Name: "song", Summary: "A song", Files: map[string]string{"/usr/share/song": "la\n"},
		Post: `io.stderr:write("database or disk is full\n")`}.WriteFile(path))
	if lines := ask(t, h, "install-files", "none", path); laptoptest.ErrorOf(lines) != "" {
		t.Errorf("a song that says that the disk is full: %q", lines)
	}
	laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
}

// A capability is no line of rpm's: nobody is told that an installed package would be broken, which
// isn't.
func TestForgedByCapability(t *testing.T) {
	t.Parallel()
	l := newLaptop(t, "", "")
	h := start(t, l)
	warm(t, h)
	before := stateOf(t, l)
	for _, capability := range []string{
		"x\n\tlibschool is needed by (installed) basesystem-1.0-1.noarch",
		"x\n\tlibschool is needed by (installed) basesystem-1.0-1.noarch\n\tx",
		"x\n\tpaint is needed by song-1.0-1.noarch\n\tx",
		"x\n\thello is needed by basesystem-1.0-1.noarch",
		"libschool is needed by (installed) basesystem-1.0-1.noarch",
		"x is needed by song-1.0-1.noarch\n\tpaint",
		"x\tpaint", "x\x1b[31m", "x\u202ey",
	} {
		path := filepath.Join(home(t), "song.rpm")
		check(t, testbed.RPM{Name: "song", Summary: "A song", Needs: []string{capability}}.WriteFile(path))
		lines := ask(t, h, "install-files", "none", path)
		refused(t, lines, "dep-resolution-failed", "invalid-package-file")
		if e := laptoptest.ErrorOf(lines); strings.Contains(e, "remove it first") || strings.ContainsAny(e, "\x1b\u202e") {
			t.Errorf("%q: %q", capability, e)
		}
		for _, line := range lines {
			if strings.HasPrefix(line, "package\t") && !strings.Contains(line, "\tsong;") {
				t.Errorf("%q would bring %q", capability, line)
			}
		}
	}
	before.same(t, stateOf(t, l))
}

// What was verified is installed, or nothing, whatever becomes of the user's file while its
// dependencies are downloaded.
func TestSwappedAfterCheck(t *testing.T) {
	courier := testbed.RPM{Name: "courier", Summary: "Brings letters", Requires: []string{"libtext"}, Files: map[string]string{"/usr/bin/courier": "letters\n"}}
	bomb := courier
	bomb.Pre, bomb.Files = evil.Pre, map[string]string{"/usr/bin/courier": "a bomb!\n"}
	for name, swap := range map[string]func(t *testing.T, path, unsigned string){
		"renamed": func(t *testing.T, path, unsigned string) { check(t, os.Rename(unsigned, path)) },
		"in place": func(t *testing.T, path, unsigned string) {
			data, err := os.ReadFile(unsigned)
			check(t, err)
			check(t, os.WriteFile(path, data, 0o644))
		},
		"its folder": func(t *testing.T, path, unsigned string) {
			check(t, os.Rename(filepath.Dir(path), filepath.Dir(path)+".old"))
			check(t, os.Mkdir(filepath.Dir(path), 0o755))
			check(t, os.Rename(filepath.Join(filepath.Dir(path)+".old", "unsigned.rpm"), path))
		},
		"a link": func(t *testing.T, path, unsigned string) {
			check(t, os.Remove(path))
			check(t, os.Symlink(unsigned, path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, school.Server.URL, ".rpm")
			l := trusting(t, g.URL, "")
			dir := filepath.Join(home(t), "letters")
			check(t, os.Mkdir(dir, 0o755))
			path, unsigned := filepath.Join(dir, "courier.rpm"), filepath.Join(dir, "unsigned.rpm")
			check(t, courier.WriteFile(path))
			key.Sign(t, path)
			check(t, bomb.WriteFile(unsigned))
			for _, p := range []string{dir, path, unsigned} {
				check(t, os.Chown(p, nobody, nobody))
			}
			h := start(t, l, asNobody...)
			warm(t, h)
			before := stateOf(t, l)
			check(t, h.Send("install-files", "only-trusted", path))
			g.wait(t)
			swap(t, path, unsigned)
			g.Open()
			lines := reply(t, h)

			if _, err := os.Stat(filepath.Join(l.Root, "pwned")); err == nil {
				t.Error("what is in the unsigned file was run")
			}
			installed, _ := os.ReadFile(filepath.Join(l.Root, "usr/bin/courier"))
			if laptoptest.ErrorOf(lines) == "" {
				if string(installed) != "letters\n" {
					t.Errorf("%q was installed", installed)
				}
				if all := h.OK("get-packages", "installed"); !strings.Contains(strings.Join(all, "\n"), "\tcourier;1.0-1;") {
					t.Errorf("it isn't among the installed packages: %q", all)
				}
				return
			}
			if installed != nil {
				t.Errorf("%q, and %q was installed", laptoptest.ErrorOf(lines), installed)
			}
			before.same(t, stateOf(t, l), "file: "+l.Cache) // what came for it is kept
		})
	}
}

// The files of a user's that are copied to be verified don't stay, and nobody else can read them
// meanwhile.
func TestCopiesAreRootsAndGo(t *testing.T) {
	t.Parallel()
	g := newGate(t, school.Server.URL, ".rpm")
	l := trusting(t, g.URL, "")
	path := filepath.Join(home(t), "letter.rpm")
	check(t, testbed.RPM{Name: "letter", Summary: "Private", Requires: []string{"libtext"}, Files: map[string]string{"/etc/letter": "private\n"}}.WriteFile(path))
	key.Sign(t, path)
	check(t, os.Chown(path, nobody, nobody))
	h := start(t, l, asNobody...)
	warm(t, h)
	before := stateOf(t, l)
	check(t, h.Send("install-files", "only-trusted", path))
	g.wait(t)
	if could := asUser(t, append([]string{"open"}, below(t, l.State, l.Cache)...)...); could != "" {
		t.Errorf("nobody could, while it is installed:\n%s", could)
	}
	check(t, h.Process.Signal(syscall.SIGTERM))
	refused(t, reply(t, h), "transaction-cancelled")
	before.same(t, stateOf(t, l), "file: "+filepath.Join(l.Cache, "rpms")) // what came is kept
	letter, err := os.ReadFile(path)
	check(t, err)
	for _, p := range below(t, l.State, l.Cache) {
		if data, err := os.ReadFile(p); err == nil && bytes.Equal(data, letter) {
			t.Errorf("a copy stays: %s", p)
		}
	}
}
