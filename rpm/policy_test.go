// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// macros configures rpm for this test, as the user who runs it may.
func macros(t *testing.T, text string) {
	t.Helper()
	home := t.TempDir()
	must(t, os.WriteFile(filepath.Join(home, ".rpmmacros"), []byte(text), 0o644))
	t.Setenv("HOME", home)
}

// What rpm refuses is what its policy is said to be.
func TestPolicyIsWhatRPMDoes(t *testing.T) {
	for _, level := range []string{"", "none", "digest", "signature", "all"} {
		t.Run(level, func(t *testing.T) {
			d := newRoot(t)
			file := pack{name: "a"}.make(t, t.TempDir())
			if level != "" {
				macros(t, "%_pkgverify_level "+level+"\n")
			}
			p, err := d.Policy(t.Context())
			must(t, err)
			refused := d.Install(nil, []string{file}, false, func(Step) {}) != nil
			if (p.Demands != "") != refused || refused && p.Demands != level {
				t.Errorf("demanded is %q, and rpm refuses what isn't signed: %v", p.Demands, refused)
			}
		})
	}
}

// An rpm before 4.14.2 doesn't know the macros, and prints empty lines.
func TestPolicyOfOldRPM(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "rpm"), []byte("#!/bin/sh\necho\necho\n"), 0o755))
	t.Setenv("PATH", dir)
	for name, want := range map[string]bool{"Packages": true, "rpmdb.sqlite": false, "Packages.db": false} {
		d := Database{Root: "/", Path: t.TempDir()}
		must(t, os.WriteFile(filepath.Join(d.Path, name), nil, 0o644))
		p, err := d.Policy(t.Context())
		if err != nil || p != (Policy{}) {
			t.Errorf("%+v, %v", p, err)
		}
		if err := d.CheckWritable(t.Context(), p); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// count is how many packages a database has.
func count(t *testing.T, d Database) (n int) {
	t.Helper()
	must(t, d.Headers(t.Context(), func([]byte) error { n++; return nil }))
	return n
}

// list names the files in a database's folder.
func list(t *testing.T, d Database) string {
	t.Helper()
	entries, err := os.ReadDir(d.Dir())
	must(t, err)
	var all []string
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		all = append(all, fmt.Sprint(e.Name(), " ", info.Size(), " ", info.ModTime()))
	}
	return strings.Join(all, "\n")
}

// Real databases of each kind: what is said of them is what rpm does, and saying it leaves them as
// they are.
func TestCheckWritableIsWhatRPMDoes(t *testing.T) {
	dir := testdata(t, systems...)
	for _, path := range systems {
		t.Run(path, func(t *testing.T) {
			d := newRoot(t)
			must(t, os.RemoveAll(d.Dir()))
			must(t, os.MkdirAll(d.Dir(), 0o755))
			b, err := os.ReadFile(filepath.Join(dir, path))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(d.Dir(), filepath.Base(path)), b, 0o644))
			before, files := count(t, d), list(t, d)
			p, err := d.Policy(t.Context())
			must(t, err)
			said := d.CheckWritable(t.Context(), p)
			if now := list(t, d); now != files {
				t.Errorf("the folder has\n%s\nand had\n%s", now, files)
			}
			var u *UnwritableError
			if errors.As(said, &u) && u.Rebuild {
				must(t, d.Rebuild(nil))
				if n := count(t, d); n != before {
					t.Errorf("the rebuilt database has %d packages, not %d", n, before)
				}
				if err := d.CheckWritable(t.Context(), p); err != nil {
					t.Errorf("rebuilt: %v", err)
				}
				said = nil
			}
			// An rpm that can't read the database makes one of its own.
			err = d.Install(nil, []string{pack{name: "added"}.make(t, t.TempDir())}, false, func(Step) {})
			if works := err == nil && count(t, d) == before+1; works != (said == nil) {
				t.Errorf("%v was said; rpm: %v, and there are %d packages, %d before", said, err, count(t, d), before)
			}
			if said == nil {
				return
			}
			// Now the one that rpm uses is beside the real one, and isn't empty: it counts.
			if got := filepath.Base(d.File()); got != "rpmdb.sqlite" {
				t.Errorf("the database is in %s", got)
			}
		})
	}
}

// An empty database that rpm has made beside a real one of another kind isn't taken for it.
func TestEmptyDatabaseBesideARealOne(t *testing.T) {
	paths := []string{"libuuid/Packages", "sle15-bci/Packages.db"}
	dir := testdata(t, paths...)
	for _, path := range paths {
		for _, size := range []string{"none", "no packages"} {
			d := newRoot(t)
			if size == "none" {
				must(t, os.RemoveAll(d.Dir()))
				must(t, os.MkdirAll(d.Dir(), 0o755))
				must(t, os.WriteFile(filepath.Join(d.Dir(), "rpmdb.sqlite"), nil, 0o644))
			}
			if got := filepath.Base(d.File()); got != "rpmdb.sqlite" {
				t.Fatalf("rpm makes %s here", got)
			}
			b, err := os.ReadFile(filepath.Join(dir, path))
			must(t, err)
			real := filepath.Join(d.Dir(), filepath.Base(path))
			must(t, os.WriteFile(real, b, 0o644))
			if got := d.File(); got != real || count(t, d) == 0 {
				t.Errorf("%s beside one of %s: it is in %s", path, size, got)
			}
			p, err := d.Policy(t.Context())
			must(t, err)
			if err := d.CheckWritable(t.Context(), p); err == nil || !strings.Contains(err.Error(), "rpmdb.sqlite for its database, which is empty") {
				t.Errorf("writable: %v", err)
			}
			// In another folder, too.
			other := filepath.Join(d.Root, "usr/lib/sysimage/rpm")
			must(t, os.MkdirAll(other, 0o755))
			must(t, os.Rename(filepath.Join(d.Dir(), "rpmdb.sqlite"), filepath.Join(other, "rpmdb.sqlite")))
			if got := FindDatabase(d.Root, ""); got != d {
				t.Errorf("the database is in %+v", got)
			}
		}
	}
}

// What rpm complains of where it says that all is well is told, once and at last.
func TestSaidAllTheSame(t *testing.T) {
	d := newRoot(t)
	var steps []Step
	file := pack{name: "a", post: `print("about to fail") error("the words\27[31m of it")`}.make(t, t.TempDir())
	must(t, d.Install(nil, []string{file}, false, func(s Step) { steps = append(steps, s) }))
	last := steps[len(steps)-1]
	if last.Stage != Ended || !strings.Contains(last.Said, "%post(a-1-1.noarch)") || !strings.Contains(last.Said, "the words\uFFFD[31m of it") || !strings.Contains(last.Said, "about to fail") {
		t.Errorf("%+v", last)
	}
	for _, s := range steps[:len(steps)-1] {
		if s.Stage == Ended || s.Said != "" {
			t.Errorf("%+v", s)
		}
	}
	var failed *Error
	err := d.Install(nil, []string{pack{name: "b", pre: `print("no such group: staff") error("useradd failed")`}.make(t, t.TempDir())}, false, func(s Step) {
		if s.Stage == Ended {
			t.Errorf("%+v", s)
		}
	})
	if !errors.As(err, &failed) || !strings.Contains(failed.Error(), "%prein(b-1-1.noarch)") || !strings.Contains(failed.Error(), "no such group: staff") {
		t.Errorf("%v", err)
	}
}

func TestWordsAreBounded(t *testing.T) {
	var chat tail
	for range 1000 {
		chat.add(strings.Repeat("ä", 100))
	}
	chat.add("the last")
	got := words(strings.Repeat("ü\a\u202e", 10_000), string(chat))
	if len(got) > maxWords+3*maxChat+100 || !utf8.ValidString(got) || strings.ContainsAny(got, "\a\u202e") || !strings.HasSuffix(got, "the last") {
		t.Errorf("%d bytes: %.100q…", len(got), got)
	}
}
