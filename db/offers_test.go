// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// grouped is an entry in a group that provides things.
func grouped(name, group string, provides ...string) *tree.Entry {
	e := entry(name, "1-1")
	e.Group, e.Provides = group, provides
	e.Files = tree.NewRef("files/"+name+"@", []byte(name), ".json")
	return e
}

func keep(t *testing.T, r *Record, enabled, disabled []string) (changed bool) {
	t.Helper()
	changed, err := r.KeepSources(ctx, enabled, disabled)
	must(t, err)
	return changed
}

// What a disabled source listed is kept and not offered.
func TestDisabledSources(t *testing.T) {
	r := fresh(t)
	load(t, r, "school", "sha1", grouped("a", "games"), grouped("b", "office"))
	load(t, r, "usb", "sha2", grouped("b", "office"), grouped("c", "education"))
	for _, tt := range []struct {
		on, off    []string
		want       string
		groups     string
		listedHere int
	}{
		{[]string{"school", "usb"}, nil, "a b b c", "education games office", 2},
		{[]string{"school"}, []string{"usb"}, "a b", "games office", 2},
		{nil, []string{"school", "usb"}, "", "", 2},
		{[]string{"usb"}, []string{"school"}, "b c", "education office", 2},
		{[]string{"usb", "school"}, nil, "a b b c", "education games office", 2},
		{nil, []string{"usb"}, "", "", 1},
		{[]string{"usb"}, nil, "b c", "education office", 1},
	} {
		keep(t, r, tt.on, tt.off)
		if got := names(t, r.Available, Query{}); got != tt.want {
			t.Errorf("%q on, %q off: %q, want %q", tt.on, tt.off, got, tt.want)
		}
		offers, err := r.Offers("b")
		if must(t, err); len(offers) != strings.Count(tt.want, "b") {
			t.Errorf("%q on, %q off: %d offers of b", tt.on, tt.off, len(offers))
		}
		groups, err := r.Groups([]string{"education", "fonts", "games", "office"})
		if must(t, err); strings.Join(groups, " ") != tt.groups {
			t.Errorf("%q on, %q off: groups %q, want %q", tt.on, tt.off, groups, tt.groups)
		}
		if shards, err := r.Shards(); err != nil || len(shards) != tt.listedHere {
			t.Errorf("%q on, %q off: shards %v, %v", tt.on, tt.off, shards, err)
		}
		if keep(t, r, tt.on, tt.off) {
			t.Errorf("%q on, %q off: the second time changes something", tt.on, tt.off)
		}
	}
}

func TestGroupsAndSets(t *testing.T) {
	r := fresh(t)
	load(t, r, "school", "sha1", grouped("a", "games"), grouped("b", "office"), grouped("c", ""))
	load(t, r, "usb", "sha2", grouped("d", "games"))
	update(t, r, "s", "b", "base")
	must(t, r.Conclude(&Transaction{Plan: []Planned{{NEVRA: pkg("b", "1-1").NEVRA, Source: "usb"}}}, Done))
	ids, err := r.Providing("a", "a", func(string) bool { return false })
	must(t, err)
	for _, tt := range []struct {
		q                    Query
		available, installed string
	}{
		{Query{Group: []string{"games"}}, "a d", ""},
		{Query{Group: []string{"office"}}, "", "b"},
		{Query{Group: []string{"unknown", ""}}, "c", "base"},
		{Query{Group: []string{"games", "office"}, Source: []string{"nowhere"}}, "a d", "b"},
		{Query{Source: []string{"usb"}}, "d", "b"},
		{Query{Group: []string{"games"}, In: []string{"a"}}, "a", ""},
		{Query{Among: &Set{Available: ids, Installed: []string{"base", "gone"}}}, "a", "base"},
		{Query{Among: &Set{}}, "", ""},
	} {
		if got := names(t, r.Available, tt.q); got != tt.available {
			t.Errorf("%+v: available %q, want %q", tt.q, got, tt.available)
		}
		if got := names(t, r.Installed, tt.q); got != tt.installed {
			t.Errorf("%+v: installed %q, want %q", tt.q, got, tt.installed)
		}
	}
}

func TestProviding(t *testing.T) {
	r := fresh(t)
	load(t, r, "school", "sha1", grouped("a", "", "font(:lang=en)", "font(:lang=eng)", "mimehandler(x/y)"), grouped("b", "", "font(:lang=en)"), grouped("font(:lang=en)", ""))
	for _, tt := range []struct{ name, prefix, want string }{
		{"font(:lang=en)", "font(:lang=en)", "a b font(:lang=en)"}, {"", "font(", "a b"}, {"a", "nothing", "a"}, {"x", "mimehandler(x/", "a"}, {"x", "MIMEHANDLER(x/", ""},
	} {
		match := func(p string) bool { return tt.prefix != tt.name || p == tt.name }
		ids, err := r.Providing(tt.name, tt.prefix, match)
		must(t, err)
		if got := names(t, r.Available, Query{Among: &Set{Available: ids}}); got != tt.want {
			t.Errorf("%s, %s: %q, want %q", tt.name, tt.prefix, got, tt.want)
		}
	}
	keep(t, r, nil, nil)
	var n int
	if must(t, r.db.QueryRow("SELECT count(*) FROM provided").Scan(&n)); n != 0 {
		t.Errorf("%d rows stay when the catalogue is gone", n)
	}
}

func TestPaths(t *testing.T) {
	r := fresh(t)
	a, b, without := grouped("a", ""), grouped("b", ""), entry("c", "1-1")
	without.Files = tree.Ref{}
	load(t, r, "school", "sha1", a, b, without)
	load(t, r, "usb", "sha2", a, grouped("here", ""))
	update(t, r, "s", "here")
	listless := func() string {
		all, err := r.MissingPaths()
		must(t, err)
		var s []string
		for _, l := range all {
			if l.Entry.Files.Path == "" || l.Entry.Files.Size == 0 {
				t.Errorf("%+v", l.Entry)
			}
			s = append(s, l.Source+":"+l.Entry.NEVRA.String())
		}
		return strings.Join(s, " ")
	}
	if got := listless(); got != "school:a-1-1.noarch school:b-1-1.noarch" {
		t.Errorf("without paths are %s", got)
	}
	must(t, r.KeepPaths(ctx, map[string][]string{a.Files.SHA256: {"/usr/bin/a", "/usr/share/a b/Tool"}, b.Files.SHA256: nil}))
	if got := listless(); got != "" {
		t.Errorf("without paths are %s", got)
	}
	for file, want := range map[string]string{
		"/usr/bin/a": "a a", "/usr/bin": "", "usr/bin/a": "a a", "bin/a": "a a", "a": "a a", "in/a": "", "/a": "", "tool": "", "Tool": "a a", "a b/Tool": "a a", "b/Tool": "", "": "", "\n": "",
	} {
		ids, err := r.WithFile([]string{file})
		must(t, err)
		if got := names(t, r.Available, Query{Among: &Set{Available: ids}}); got != want {
			t.Errorf("with the file %q: %q, want %q", file, got, want)
		}
	}
	must(t, r.SetListing(ctx, Listing{Source: "school"}))
	var left int
	if must(t, r.db.QueryRow("SELECT count(*) FROM top_paths").Scan(&left)); left != 1 {
		t.Errorf("%d paths are kept of what is offered no more, want a's of the stick", left)
	}
}

func TestKeptTrees(t *testing.T) {
	r := fresh(t)
	a, b := entry("a", "1-1"), entry("b", "1-1")
	of := func(e *tree.Entry) []byte {
		body, err := (&tree.Tree{Format: tree.Format, Platform: "p", Name: e.Name, Packages: []tree.Package{{NEVRA: e.NEVRA}}}).Encode()
		must(t, err)
		return body
	}
	a.Tree = tree.NewRef("trees/a@", of(a), ".json")
	load(t, r, "school", "sha1", a, b)
	must(t, r.KeepPublished(ctx, a.Tree.SHA256, of(a), []tree.Package{{NEVRA: a.NEVRA}}))
	must(t, r.KeepPublished(ctx, digest(of(b)), of(b), []tree.Package{{NEVRA: b.NEVRA}})) // nobody offers it
	must(t, r.KeepPublished(ctx, digest([]byte("a file list")), []byte("a file list"), nil))
	var got []string
	must(t, r.KeptTrees(func(source string, kept *tree.Tree) error {
		body(t, r, digest([]byte("a file list"))) // a method may be called from within
		got = append(got, source+" "+kept.Name)
		return nil
	}))
	if !slices.Equal(got, []string{"school a"}) {
		t.Errorf("%q", got)
	}
}

// older makes a record of an older version, from the first schema on, and gives its database.
func older(t *testing.T, path string, version int) *sql.DB {
	t.Helper()
	first, err := os.ReadFile("testdata/schema1.sql")
	must(t, err)
	db, err := connect(path, "&_pragma=journal_mode(WAL)")
	must(t, err)
	for _, s := range append([]string{string(first)}, migrations[:version-1]...) {
		_, err := db.Exec(s)
		must(t, err)
	}
	_, err = db.Exec(fmt.Sprint("PRAGMA user_version = ", version))
	must(t, err)
	return db
}

// A record of the first schema keeps what it has, and what-provides works at once.
func TestMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	old := older(t, path, 1)
	for _, q := range []string{
		"INSERT INTO shard (id, sha256) VALUES (1, 'sha1')",
		"INSERT INTO listed (source, number, sha256) VALUES ('school', 0, 'sha1')",
		"INSERT INTO entry VALUES (7, 1, 'a', '1-1', 'noarch', '', '', '', 'games', '', 1, 1, 'font(x)' || char(10) || 'mimehandler(\"y\")', '', '', 0, '', '', 0)",
		"INSERT INTO entry VALUES (8, 1, 'b', '1-1', 'noarch', '', '', '', '', '', 1, 1, '', '', '', 0, '', '', 0)",
		"INSERT INTO remote (url, validator, body, checked) VALUES ('http://x/', 'v', 'body', 7)",
	} {
		_, err := old.Exec(q)
		must(t, err)
	}
	must(t, old.Close())
	r := open(t, path)
	if got := names(t, r.Available, Query{}); got != "a b" {
		t.Errorf("available are %q", got)
	}
	for _, name := range []string{"font(x)", `mimehandler("y")`} {
		if ids, err := r.Providing(name, name, func(p string) bool { return p == name }); fmt.Sprint(ids) != "[7]" || err != nil {
			t.Errorf("%s is provided by %v, %v", name, ids, err)
		}
	}
	if f, ok, err := r.Remote("http://x/", nil); !ok || err != nil || string(f.Body) != "body" { // it has no checksum
		t.Errorf("kept: %q, %v, %v", f.Body, ok, err)
	}
}

// A record that was migrated has the schema of a new one, and its pages where patch believes them.
func TestMigratedSchema(t *testing.T) {
	object := func(s scan) (text string, err error) {
		var kind, name, of, create string
		var root int
		err = s(&kind, &name, &of, &root, &create)
		create = regexp.MustCompile("--.*").ReplaceAllString(create, "")
		create = strings.ReplaceAll(create, `"`, "") // ALTER TABLE quotes names
		create = strings.ReplaceAll(strings.Join(strings.Fields(create), " "), "( ", "(")
		return fmt.Sprint(kind, " ", name, " ", of, ", page ", root, ": ", create), err
	}
	schemaOf := func(r *Record) []string {
		all, err := rows(r, "SELECT type, name, tbl_name, rootpage, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name", object)
		must(t, err)
		var n int
		must(t, r.db.QueryRow("PRAGMA user_version").Scan(&n))
		return append(all, fmt.Sprint("version ", n))
	}
	want := schemaOf(fresh(t))
	if len(migrations) != schemaVersion-1 {
		t.Fatalf("%d migrations lead to version %d", len(migrations), schemaVersion)
	}
	for version := 1; version < schemaVersion; version++ {
		path := filepath.Join(t.TempDir(), "record.db")
		must(t, older(t, path, version).Close())
		got := schemaOf(open(t, path))
		for i := range max(len(got), len(want)) {
			if g, w := at(got, i), at(want, i); g != w {
				t.Errorf("from version %d:\n%s, want\n%s", version, g, w)
			}
		}
	}
}

func at(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return "nothing"
}

// What obsoletes a name is found by it, as long as a source offers it.
func TestObsoleting(t *testing.T) {
	r := fresh(t)
	bar, baz := entry("bar", "2-1"), entry("baz", "3-1")
	bar.Obsoletes, bar.Provides = []string{"foo < 2", "old", "foo-data < 1:3-4"}, nil
	baz.Obsoletes = []string{"foo < 3"}
	load(t, r, "school", "sha1", bar, entry("foo", "1-1"))
	load(t, r, "usb", "sha2", baz)
	found := func(name string) string {
		all, err := r.Obsoleting(name)
		must(t, err)
		var said []string
		for _, p := range all {
			said = append(said, fmt.Sprint(p.Source, ":", p.Name, p.Entry.Obsoletes))
		}
		return strings.Join(said, " ")
	}
	const ofBar, ofBaz = "school:bar[foo < 2 old foo-data < 1:3-4]", "usb:baz[foo < 3]"
	for name, want := range map[string]string{"foo": ofBar + " " + ofBaz, "old": ofBar, "foo-data": ofBar, "bar": "", "fo": "", "foo < 2": ""} {
		if got := found(name); got != want {
			t.Errorf("%s is obsoleted by %s, want %s", name, got, want)
		}
	}
	keep(t, r, []string{"school"}, []string{"usb"})
	if got := found("foo"); got != ofBar {
		t.Errorf("without usb foo is obsoleted by %s", got)
	}
	load(t, r, "school", "sha3", entry("foo", "1-1"))
	if got := found("old"); got != "" {
		t.Errorf("old is obsoleted by %s, which is gone", got)
	}
}
