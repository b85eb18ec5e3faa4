// SPDX-License-Identifier: GPL-2.0-or-later

// Package laptoptest talks to the helper of a testbed's laptop for the end-to-end tests, failing
// the test where it can't, and compares what the helper tells with what rpm does.
//
// Only tests import it.
package laptoptest

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the record

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A Helper is a running helper whose failures are the test's.
type Helper struct {
	*testbed.Helper
	t testing.TB
}

// NewSchool makes a school of the test's own, with more programs beside its usual ones. It needs
// what ./setup installs.
func NewSchool(t testing.TB, more ...testbed.RPM) *testbed.School {
	t.Helper()
	dir := t.TempDir()
	tools, err := testbed.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	school, err := testbed.NewSchool(dir, tools, more...)
	if err != nil {
		t.Fatalf("%v: run ./setup", err)
	}
	t.Cleanup(func() { school.Close() })
	return school
}

// Start starts the helper of a laptop, which is killed when the test ends. env are variables beside
// the test's own.
func Start(t testing.TB, tools testbed.Tools, l *testbed.Laptop, env []string, args ...string) *Helper {
	t.Helper()
	h, err := tools.Start(l.Config, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Kill)
	return &Helper{h, t}
}

// Answer carries out a command and gives the lines of its reply.
func (h *Helper) Answer(words ...string) []string {
	h.t.Helper()
	lines, err := h.Do(words...)
	if err != nil {
		h.t.Fatal(err)
	}
	return lines
}

// OK carries out a command that must work.
func (h *Helper) OK(words ...string) []string {
	h.t.Helper()
	lines := h.Answer(words...)
	if e := ErrorOf(lines); e != "" {
		h.t.Fatalf("%q failed: %s", words, e)
	}
	return lines
}

// Fails carries out a command that must fail, and gives its error.
func (h *Helper) Fails(code string, words ...string) string {
	h.t.Helper()
	e := ErrorOf(h.Answer(words...))
	if !strings.HasPrefix(e, code+"\t") {
		h.t.Fatalf("%q answered %q, want %s", words, e, code)
	}
	return e
}

// ErrorOf is the code and text of the error in a reply, "" where there is none.
func ErrorOf(lines []string) string {
	for _, l := range lines {
		if e, ok := strings.CutPrefix(l, "error\t"); ok {
			return e
		}
	}
	return ""
}

// Installed are the packages that "rpm -qa" names, "name-[epoch:]version-release.arch", sorted.
func Installed(t testing.TB, l *testbed.Laptop) []string {
	t.Helper()
	out, err := testbed.RPMQuery(l.Root, "-qa", "--qf", `%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH}\n`)
	if err != nil {
		t.Fatal(err, out)
	}
	all := strings.Fields(strings.ReplaceAll(out, "-0:", "-"))
	slices.Sort(all)
	return all
}

// Agrees tells whether the record, as the reply to get-packages tells it, and "rpm -qa" name the
// same packages.
func Agrees(t testing.TB, l *testbed.Laptop, lines []string) {
	t.Helper()
	var record []string
	for _, line := range lines {
		if f := strings.Split(line, "\t"); f[0] == "package" {
			id := strings.Split(f[2], ";")
			record = append(record, id[0]+"-"+id[1]+"."+id[2])
		}
	}
	slices.Sort(record)
	if database := Installed(t, l); !slices.Equal(record, database) {
		t.Errorf("the record has %d packages and rpm -qa %d:\n%q\n%q", len(record), len(database), record, database)
	}
}

// Write is Sugar's word processor, 36 real packages, published and served.
type Write struct {
	Platform  string
	Published string   // folder
	URL       string   // of the server
	Base      []string // RPM files of the standard installation
	Key       string   // fingerprint of who signs it in the layout presolve
}

// ServeWrite publishes it, in both layouts, from the real packages beside the repository; root is
// the path of the repository from the test's folder. They are not the project's: where they aren't
// there the test is skipped.
func ServeWrite(t testing.TB, tools testbed.Tools, root string) *Write {
	t.Helper()
	corpus, err := filepath.Abs(filepath.Join(root, "../shared/corpus"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("SKIPPED: the real packages are not here: %v", err)
	}
	dir := t.TempDir()
	w := &Write{Platform: "debian-12-x86_64", Published: filepath.Join(dir, "published")}
	w.Base, err = filepath.Glob(filepath.Join(corpus, "base", "*.rpm"))
	if err != nil || len(w.Base) != 384 {
		t.Fatalf("%d packages in the base, %v", len(w.Base), err)
	}
	image := filepath.Join(dir, "image")
	if err := testbed.Root(image, w.Base...); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "presolver.toml")
	secret := filepath.Join(dir, "presolver.key")
	key, err := testbed.NewKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	w.Key = key.Fingerprint
	err = os.WriteFile(config, fmt.Appendf(nil, "platform = %q\narch = \"x86_64\"\noutput = %q\nrpms = \"copy\"\nlayouts = [\"presolve\", \"sugar-network\"]\n"+
		"[[repository]]\nid = \"sugar\"\nurl = \"file://%s/rpms\"\n[base]\nroot = %q\nrpmdb = %q\n[toplevel]\npackages = [\"sugar-write-activity\"]\n[signing]\nkey = %q\n",
		w.Platform, w.Published, corpus, image, testbed.DBPath, secret), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := tools.Build(config, "--strict"); err != nil {
		t.Fatal(err, out)
	}
	server, err := tools.Serve(w.Published)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	w.URL = server.URL
	return w
}

// Record is the file of a laptop's record.
func Record(l *testbed.Laptop) string { return filepath.Join(l.State, "record.sqlite") }

// Wipe overwrites with zeros the pages of a laptop's record that hold the tables and indexes of
// these names, in place, as a disk that lies does. "sqlite_schema" is in the first page; no names
// are all pages.
func Wipe(t testing.TB, l *testbed.Laptop, names ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+Record(l))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil { // or the log would do instead
		t.Fatal(err)
	}
	list, _ := json.Marshal(names)
	rows, err := db.Query("SELECT pageno, pgsize FROM dbstat WHERE ?1 = 'null' OR name IN (SELECT value FROM json_each(?1))", string(list))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var pages [][2]int64
	for rows.Next() {
		var p [2]int64
		if err := rows.Scan(&p[0], &p[1]); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, p)
	}
	if err := rows.Err(); err != nil || len(pages) == 0 {
		t.Fatalf("the record has %d pages of %q: %v", len(pages), names, err)
	}
	f, err := os.OpenFile(Record(l), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range pages {
		if _, err := f.WriteAt(make([]byte, p[1]), (p[0]-1)*p[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// Rebuilt tells whether the laptop's record was rebuilt since the last call.
func Rebuilt(t testing.TB, l *testbed.Laptop) bool {
	t.Helper()
	aside, err := filepath.Glob(Record(l) + ".damaged*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range aside {
		os.Remove(f)
	}
	return len(aside) > 0
}
