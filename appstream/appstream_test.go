// SPDX-License-Identifier: GPL-2.0-or-later

package appstream

import (
	"encoding/xml"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

var png = []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x40\x00\x00\x00\x40…")

func chess() Program {
	return Program{
		Component: tree.Component{ID: "chess.desktop", Name: "chess", Type: tree.DesktopApplication, Title: "Chess & <Go>", Categories: "Game;BoardGame", Launch: "chess.desktop", Icon: tree.IconDigest(png)},
		Summary:   "A game", Description: "A game\x00\x1b for two.\n\n- Kings\n", URL: "https://example.org/?a&b",
		Language: "de", Translated: tree.Text{Summary: "Ein Spiel", Description: "Für zwei."},
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// centre is a system that has a software centre of a version.
func centre(t *testing.T, p place) (string, *Folder) {
	t.Helper()
	root := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(root, p.reader), 0o755))
	f, err := Open(root)
	check(t, err)
	t.Cleanup(func() { f.Close() })
	return root, f
}

func gives(digests []string) (map[string][]byte, error) {
	return map[string][]byte{tree.IconDigest(png): png}, nil
}

func TestNoCentre(t *testing.T) {
	if f, err := Open(t.TempDir()); f != nil || err != nil {
		t.Errorf("%v, %v", f, err)
	}
}

func TestWrite(t *testing.T) {
	for _, p := range places {
		root, f := centre(t, p)
		old := filepath.Join(root, p.catalogues, "fedora.xml")
		check(t, f.Write("school", []Program{chess(), {Component: tree.Component{ID: "grep", Name: "grep", Type: tree.ConsoleApplication, Title: "grep"}}}, gives))
		check(t, os.WriteFile(old, nil, 0o644)) // somebody else's
		name := filepath.Join(root, p.catalogues, "presolve-school.xml")
		content, err := os.ReadFile(name)
		check(t, err)
		for _, want := range []string{
			`<components version="` + p.version + `" origin="presolve-school">`, `<component type="desktop-application">`, `<name>Chess &amp; &lt;Go&gt;</name>`, `<summary>A game</summary>`,
			`<summary xml:lang="de">Ein Spiel</summary>`, `<p>- Kings</p>`, `<category>BoardGame</category>`, `<icon type="cached" width="64" height="64">` + tree.IconDigest(png) + `.png</icon>`,
			`<launchable type="desktop-id">chess.desktop</launchable>`, `<summary>grep</summary>`, `<url type="homepage">https://example.org/?a&amp;b</url>`,
		} {
			if !strings.Contains(string(content), want) {
				t.Errorf("the catalogue lacks %s:\n%s", want, content)
			}
		}
		if err := xml.Unmarshal(content, new(struct{})); err != nil {
			t.Error(err)
		}
		icon := filepath.Join(root, p.icons, "presolve-school", p.pixels, tree.IconDigest(png)+".png")
		if is, err := os.ReadFile(icon); string(is) != string(png) {
			t.Error(err)
		}
		for path, mode := range map[string]fs.FileMode{name: 0o644, icon: 0o644, filepath.Dir(icon): 0o755} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
		}

		was, err := os.Stat(name)
		check(t, err)
		check(t, os.WriteFile(icon, nil, 0o644)) // as after a loss of power
		check(t, f.Write("school", []Program{chess(), {Component: tree.Component{ID: "grep", Name: "grep", Type: tree.ConsoleApplication, Title: "grep"}}}, gives))
		if is, err := os.Stat(name); err != nil || !os.SameFile(was, is) {
			t.Error("the same again was written again")
		}
		if is, _ := os.ReadFile(icon); string(is) != string(png) {
			t.Error("a damaged icon stays")
		}

		other := chess()
		other.Icon = ""
		check(t, f.Write("school", []Program{other}, nil))
		if _, err := os.Stat(icon); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an icon that nothing names stays: %v", err)
		}
		check(t, f.Write("school.xml", []Program{chess()}, gives))
		check(t, f.Keep([]string{"school.xml"}))
		left := names(t, root, p)
		if want := []string{"fedora.xml", "presolve-school.xml", "presolve-school.xml.xml"}; !slices.Equal(left, want) {
			t.Errorf("%q are left, want %q", left, want)
		}
	}
}

// names are those of all catalogues, and of all folders of icons.
func names(t *testing.T, root string, p place) (all []string) {
	t.Helper()
	for _, dir := range []string{p.catalogues, p.icons} {
		found, err := os.ReadDir(filepath.Join(root, dir))
		check(t, err)
		for _, e := range found {
			all = append(all, e.Name())
		}
	}
	slices.Sort(all)
	return all
}

// Nothing is written outside of the root, or through a link out of it.
func TestLinkOut(t *testing.T) {
	root, f := centre(t, places[0])
	outside := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(root, "var/cache"), 0o755))
	check(t, os.Symlink(outside, filepath.Join(root, "var/cache/swcatalog")))
	if err := f.Write("school", []Program{chess()}, gives); err == nil {
		t.Error("it was written")
	}
	if left, err := os.ReadDir(outside); len(left) > 0 || err != nil {
		t.Errorf("%v, %v", left, err)
	}
}

// A catalogue that can't be written leaves the last one.
func TestKeptWhenItFails(t *testing.T) {
	root, f := centre(t, places[0])
	check(t, f.Write("school", []Program{chess()}, gives))
	name := filepath.Join(root, places[0].catalogues, "presolve-school.xml")
	was, err := os.ReadFile(name)
	check(t, err)
	other := chess()
	other.Icon = tree.IconDigest([]byte("another"))
	failed := errors.New("no network")
	if err := f.Write("school", []Program{other}, func([]string) (map[string][]byte, error) { return nil, failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	if is, err := os.ReadFile(name); string(is) != string(was) {
		t.Errorf("it is another one: %v", err)
	}
}

// AppStream's own program takes what is written.
func TestValid(t *testing.T) {
	if _, err := exec.LookPath("appstreamcli"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("NOT TESTED: %v: run ./setup", err)
	}
	root, f := centre(t, places[0])
	check(t, f.Write("school", []Program{chess()}, gives))
	out, err := exec.Command("appstreamcli", "validate", "--no-net", filepath.Join(root, places[0].catalogues, "presolve-school.xml")).CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) || strings.Contains(string(out), "E: ") {
		t.Errorf("%v: %s", err, out)
	}
}
