// SPDX-License-Identifier: GPL-2.0-or-later

package faults

import (
	"database/sql"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A keptKind is a kind of file that the record keeps as it was published.
type keptKind struct{ name, table, set, where string }

// The kinds that there are now: the names that keptKinds makes of the schema.
const (
	keptTrees        = "published.body of trees"
	keptOthers       = "published.body of no trees" // file lists, notices, categories, dictionaries
	keptReferences   = "shard.body of references"
	keptCapabilities = "shard.body of capabilities"
	keptPlatform     = "remote.body"
)

// keptKinds are the kinds of kept files, as the record's schema has them: each BLOB of a table, of
// those that are kept by their digest alone the trees apart, and of shards each index.
func keptKinds(t *testing.T, record *sql.DB) (kinds []keptKind) {
	t.Helper()
	texts := func(query string) (all []string) {
		rows, err := record.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for _, table := range texts(`SELECT DISTINCT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE '%\_text\_%' ESCAPE '\' AND c.type = 'BLOB'`) {
		const set = "body = CAST('{' AS BLOB)"
		switch table {
		case "published":
			const trees = "sha256 IN (SELECT tree_sha256 FROM member)"
			kinds = append(kinds, keptKind{keptTrees, table, set, trees}, keptKind{keptOthers, table, set, "NOT " + trees})
		case "shard":
			for _, folder := range texts("SELECT DISTINCT folder FROM shard") {
				kinds = append(kinds, keptKind{"shard.body of " + folder, table, set, "folder = '" + folder + "'"})
			}
		default:
			kinds = append(kinds, keptKind{table + ".body", table, set, "true"})
		}
	}
	return kinds
}

// spoil replaces what the laptop's record has of some kinds. No helper may be running.
func spoil(t *testing.T, l *testbed.Laptop, kinds ...keptKind) {
	t.Helper()
	record, err := sql.Open("sqlite", "file:"+laptoptest.Record(l))
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	for _, k := range kinds {
		result, err := record.Exec("UPDATE " + k.table + " SET " + k.set + " WHERE " + k.where)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := result.RowsAffected(); n == 0 || err != nil {
			t.Fatalf("%s: %d files are kept, %v", k.name, n, err)
		}
	}
	if _, err := record.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		t.Fatal(err)
	}
}

// An inquiry is a command of the walk through all of them.
type inquiry struct {
	args []string
	// reads are the kinds of kept files that it reads on the laptop of the walk.
	reads []string
	// seen tells that the answer is of trees that were seen. After a rebuild it is the same once
	// they were seen again.
	seen bool
	// other tells that the answer is another one: it is about the damage.
	other bool
}

// What an answer tells. The rest of the lines say how far the command is.
func told(lines []string) (all []string) {
	for _, l := range lines {
		switch word, _, _ := strings.Cut(l, "\t"); word {
		case "status", "percentage", "subpercentage", "item-progress", "item-percentage", "allow-cancel", "speed", "finished":
		default:
			all = append(all, l)
		}
	}
	slices.Sort(all)
	return all
}

// TestKeptFilesSpoilt spoils each kind of file that the record keeps, so that the record's file is
// whole and they are not what was kept, and carries out each command that there is: each is
// answered as before, after a rebuild where it reads that kind.
func TestKeptFilesSpoilt(t *testing.T) {
	t.Parallel()
	s, err := testbed.NewSchool(t.TempDir(), school.Tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	l, err := s.Laptop("", "presolve", "")
	if err != nil {
		t.Fatal(err)
	}
	song, err := testbed.RPM{Name: "song", Summary: "A song", Requires: []string{"libgreet >= 1.2"}, Files: map[string]string{"/usr/share/song": "la\n"}}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	begin := func() *laptoptest.Helper { return laptoptest.Start(t, s.Tools, l, nil, "--dialect", string(wire.V1_3)) }
	h := begin()
	h.OK("install-packages", "none", "paint;3.1-1;x86_64;school")
	newer := []testbed.RPM{
		{Name: "paint", Version: "4.0", Arch: "x86_64", Summary: "Draws and paints", Requires: []string{"libtext >= 2:0.9", "paint-data = 4.0-1"}, Files: map[string]string{"/usr/bin/paint": "ELF 4\n"}},
		{Name: "paint-data", Version: "4.0", Summary: "Brushes and colours", Requires: []string{"paint = 4.0-1"}, Files: map[string]string{"/usr/share/paint/brushes": "brushes\n"}},
	}
	err = s.Release(`<updates><update from="school@example.org" status="stable" type="bugfix" version="1">
		<id>SCHOOL-1</id><title>paint-4.0</title><issued date="2026-03-22 08:00:00"/><description>Brushes no longer drip.</description>
		<pkglist><collection short="school"><package name="paint" epoch="0" version="4.0" release="1" arch="x86_64"/></collection></pkglist></update></updates>`, newer...)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Metadata("group", `<comps><group><id>drawing</id><name>Drawing</name><packagelist><packagereq>paint</packagereq></packagelist></group></comps>`); err != nil {
		t.Fatal(err)
	}
	h.OK("refresh-cache", "true")

	const update, hello, libgreet = "paint;4.0-1;x86_64;school", "hello;1.0-1;noarch;school", "libgreet;1.2-3;x86_64;school"
	catalogue := []string{keptPlatform}
	trees := append(slices.Clone(catalogue), keptReferences, keptTrees)
	updates := append(slices.Clone(trees), keptOthers)
	index := append(slices.Clone(catalogue), keptCapabilities)
	menus := append(slices.Clone(catalogue), keptOthers)
	inquiries := map[string]inquiry{
		"depends-on":          {args: []string{"none", hello, "true"}, reads: trees},
		"download-packages":   {args: []string{"", hello}, reads: trees},
		"get-categories":      {reads: menus},
		"get-details":         {args: []string{libgreet}, reads: trees, seen: true},
		"get-details-local":   {args: []string{song}},
		"get-distro-upgrades": {reads: catalogue},
		"get-files":           {args: []string{libgreet}, reads: append(slices.Clone(trees), keptOthers), seen: true},
		"get-files-local":     {args: []string{song}},
		"get-packages":        {args: []string{"none"}, reads: catalogue},
		"get-repo-list":       {args: []string{"none"}, reads: []string{keptPlatform}},
		"get-update-detail":   {args: []string{update}, reads: updates},
		"get-updates":         {args: []string{"none"}, reads: updates},
		"install-files":       {args: []string{"simulate", song}, reads: append(slices.Clone(trees), keptCapabilities)},
		"install-packages":    {args: []string{"simulate", hello}, reads: trees},
		"install-signature":   {args: []string{"gpg", "0123456789abcdef", hello}},
		"refresh-cache":       {args: []string{"false"}, reads: catalogue},
		"remove-packages":     {args: []string{"simulate", "paint;3.1-1;x86_64;installed:school", "true", "true"}},
		"repair-system":       {args: []string{"none"}, reads: []string{keptTrees, keptOthers, keptReferences, keptCapabilities, keptPlatform}, other: true},
		"repo-enable":         {args: []string{"school", "true"}},
		"repo-set-data":       {args: []string{"school", "name", "School server"}},
		"required-by":         {args: []string{"none", libgreet, "true"}, reads: append(slices.Clone(trees), keptCapabilities), seen: true},
		"resolve":             {args: []string{"none", "paint-data&hello"}, reads: trees, seen: true},
		"search-details":      {args: []string{"none", "says"}, reads: catalogue},
		"search-file":         {args: []string{"none", "/usr/bin/hello"}, reads: index},
		"search-group":        {args: []string{"none", "education&@drawing"}, reads: menus},
		"search-name":         {args: []string{"none", "a"}, reads: catalogue},
		"set-locale":          {args: []string{"C"}},
		"update-packages":     {args: []string{"simulate", update}, reads: updates},
		"upgrade-system":      {args: []string{"school-2"}, reads: catalogue},
		"what-provides":       {args: []string{"none", "libgreet"}, reads: index},
	}
	if have, all := slices.Sorted(maps.Keys(inquiries)), wire.V1_3.Commands(); !slices.Equal(have, all) {
		t.Fatalf("the walk has the commands %q, and there are %q", have, all)
	}
	want := make(map[string][]string)
	for range 2 { // the second time everything is kept
		for _, name := range slices.Sorted(maps.Keys(inquiries)) {
			want[name] = told(h.Answer(append([]string{name}, inquiries[name].args...)...))
		}
	}
	h.Stop()
	record, err := sql.Open("sqlite", "file:"+laptoptest.Record(l))
	if err != nil {
		t.Fatal(err)
	}
	kinds := keptKinds(t, record)
	record.Close()
	slices.SortFunc(kinds, func(a, b keptKind) int { return strings.Compare(a.name, b.name) })
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	if known := slices.Sorted(slices.Values([]string{keptTrees, keptOthers, keptReferences, keptCapabilities, keptPlatform})); !slices.Equal(names, known) {
		t.Fatalf("the record keeps %q, and the walk knows %q", names, known)
	}
	good, err := os.ReadFile(laptoptest.Record(l))
	if err != nil {
		t.Fatal(err)
	}
	restore := func(body []byte) {
		for _, log := range []string{"-wal", "-shm"} {
			os.Remove(laptoptest.Record(l) + log)
		}
		if err := os.WriteFile(laptoptest.Record(l), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, kind := range kinds {
		restore(good)
		spoil(t, l, kind)
		spoilt, err := os.ReadFile(laptoptest.Record(l))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(inquiries)) {
			ask := inquiries[name]
			restore(spoilt)
			h := begin()
			answer := func() []string { return told(h.Answer(append([]string{name}, ask.args...)...)) }
			got := answer()
			if ask.seen && (kind.name == keptTrees || kind.name == keptReferences) {
				h.OK("depends-on", "none", hello, "false")
				h.OK("get-updates", "none")
				got = answer()
			}
			h.Stop()
			if !ask.other && !slices.Equal(got, want[name]) || strings.HasPrefix(laptoptest.ErrorOf(got), "internal-error") {
				t.Errorf("%s, %s spoilt: answered %q, and before %q", name, kind.name, got, want[name])
			}
			if rebuilt, reads := laptoptest.Rebuilt(t, l), slices.Contains(ask.reads, kind.name); rebuilt != reads {
				t.Errorf("%s, %s spoilt: rebuilt is %v", name, kind.name, rebuilt)
			}
		}
	}
	// Changes that are made and not only simulated, with all kinds spoilt.
	restore(good)
	for _, change := range [][]string{
		{"update-packages", "none", update},
		{"install-files", "none", song},
		{"install-packages", "none", hello},
		{"remove-packages", "none", "paint;4.0-1;x86_64;installed:school", "true", "true"},
	} {
		h := begin()
		h.OK("get-files", "rival;1.0-1;noarch;school") // so that a tree and file lists are kept
		h.OK("what-provides", "none", "libgreet")
		h.Stop()
		spoil(t, l, slices.DeleteFunc(slices.Clone(kinds), func(k keptKind) bool { return k.name == keptOthers })...)
		h = begin()
		h.OK(change...)
		if rebuilt, reads := laptoptest.Rebuilt(t, l), change[0] != "remove-packages"; rebuilt != reads {
			t.Errorf("%s: rebuilt is %v", change[0], rebuilt)
		}
		laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
		h.Stop()
	}
}
