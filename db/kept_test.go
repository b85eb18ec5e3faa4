// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Whatever is spoilt in the tables, each method answers or says that the record is damaged, and no
// kept file is given that is not what was kept. What was said to be damaged is answered after a
// rebuild.
func TestSpoiltTables(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "record.db")
	realRecord(t, whole, few)
	db, err := connect(whole, "")
	must(t, err)
	type spot struct{ table, column string }
	var spots []spot
	rows, err := db.Query(`SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' AND m.name NOT LIKE '%\_text\_%' ESCAPE '\' AND c.name <> 'id'`)
	must(t, err)
	for rows.Next() {
		var s spot
		must(t, rows.Scan(&s.table, &s.column))
		spots = append(spots, s)
	}
	must(t, errors.Join(rows.Err(), rows.Close(), db.Close()))
	if len(spots) < 38 {
		t.Fatalf("there are only %v", spots)
	}
	checked := map[spot]bool{ // by a digest or a checksum, or by what a row must say
		{"published", "body"}: true, {"published", "sha256"}: true, {"journal", "plan"}: true, {"journal", "state"}: true,
		{"remote", "body"}: true, {"remote", "validator"}: true, {"remote", "sum"}: true, {"remote", "checked"}: true,
		{"shard", "body"}: true, {"shard", "root"}: true, {"shard", "number"}: true, {"shard", "shards"}: true,
	}
	for _, s := range spots {
		t.Run(s.table+"."+s.column, func(t *testing.T) {
			t.Parallel()
			values := []string{"CAST('{' AS BLOB)", "'spoilt'", "-1"}
			if checked[s] {
				values = append(values, "1")
			}
			for _, value := range values {
				path := inFolder(t)
				realRecord(t, path, few)
				db, err := connect(path, "")
				must(t, err)
				_, err = db.Exec(fmt.Sprintf("UPDATE OR REPLACE %s SET %s = %s", s.table, s.column, value))
				must(t, errors.Join(err, db.Close()))
				r, err := Open(ctx, path)
				must(t, err)
				_, err = readEverything(r)
				if err != nil && !errors.Is(err, ErrDamaged) {
					t.Errorf("%s: %v", value, err)
				}
				if checked[s] {
					if err == nil && !answersAsBefore(r) {
						t.Errorf("%s is taken for what was kept", value)
					}
					if problems, err := r.Check(ctx); problems == nil && !errors.Is(err, ErrDamaged) && s.table != "journal" {
						t.Errorf("%s is not found by Check: %v", value, err)
					}
				}
				if r.suspect {
					if saved, err := r.Rebuild(ctx); err != nil || saved == nil {
						t.Errorf("%s: rebuilt: %v, %v", value, saved, err)
					}
					if _, err := readEverything(r); err != nil {
						t.Errorf("%s, rebuilt: %v", value, err)
					}
					if problems, err := r.Check(ctx); problems != nil || err != nil {
						t.Errorf("%s, rebuilt: %q, %v", value, problems, err)
					}
				}
				must(t, r.Close())
			}
		})
	}
}

// answersAsBefore tells whether what is answered of what is kept is what realRecord has put there.
// Shards that are not found are asked for anew.
func answersAsBefore(r *Record) bool {
	is, err := readKept(r)
	unfinished, wrong := r.Unfinished()
	return errors.Join(err, wrong) == nil && strings.HasPrefix(is, fmt.Sprintf(`%d trees, "1" of 5, `, few)) && len(unfinished) == 1
}

// A tree is read with its dictionary, and goes with it.
func TestDictionary(t *testing.T) {
	path := inFolder(t)
	realRecord(t, path, few)
	r := open(t, path)
	dictionary, _ := packing(t)
	trees, err := r.Trees()
	must(t, err)
	of := make(map[string]int)
	for _, sha256 := range trees {
		needs, err := r.DictionaryOf(sha256)
		must(t, err)
		of[needs]++
	}
	if want := map[string]int{digest(dictionary): few / 2, "": few / 2}; !maps.Equal(of, want) {
		t.Errorf("dictionaries are %v, want %v", of, want)
	}
	if got, err := r.Dictionary(digest(dictionary)[:8]); string(got) != string(dictionary) || err != nil {
		t.Errorf("it is %q, %v", got, err)
	}
	if got, err := r.Dictionary("00000000"); got != nil || err != nil {
		t.Errorf("there is %q, %v", got, err)
	}
	_, err = r.db.Exec("UPDATE published SET body = 'spoilt' WHERE sha256 = ?", digest(dictionary))
	must(t, err)
	if _, err := readKept(r); !errors.Is(err, ErrDamaged) {
		t.Errorf("a tree without its dictionary is read: %v", err)
	}
	if s, err := r.Rebuild(ctx); err != nil || s == nil || s.Trees != few/2 {
		t.Errorf("rebuilt: %v, %v", s, err)
	}
	if got, err := readKept(r); !strings.HasPrefix(got, fmt.Sprint(few/2, " trees, ")) || err != nil {
		t.Errorf("kept is %s, %v", got, err)
	}
}

// What is as it was kept and can't be parsed goes with a rebuild: it would be damaged for ever.
func TestUnreadable(t *testing.T) {
	r := fresh(t)
	sha := digest([]byte("from another version"))
	must(t, r.KeepPublished(ctx, sha, []byte("from another version"), []tree.Package{{NEVRA: pkg("a", "1-1").NEVRA}}))
	must(t, r.SetListing(ctx, "s", map[string]Remote{"http://x/": {Body: []byte("from another version")}}, nil))
	x, files := references(t, nil)
	for i := range files {
		must(t, r.KeepShard(ctx, "s", "references", x, i, files[i]))
	}
	wrong := errors.New("unknown format")
	for _, read := range []func() (bool, error){
		func() (bool, error) { return r.Kept(sha, func([]byte) error { return wrong }) },
		func() (bool, error) {
			_, ok, err := r.Remote("http://x/", func([]byte) error { return wrong })
			return ok, err
		},
		func() (bool, error) {
			return r.KeptShard("s", "references", x, 1, func([]byte) error { return wrong })
		},
	} {
		if ok, err := read(); ok || !errors.Is(err, ErrDamaged) || !errors.Is(err, wrong) {
			t.Errorf("%v, %v", ok, err)
		}
		s, err := r.Rebuild(ctx)
		must(t, err)
		if s == nil {
			t.Fatal("nothing was rebuilt")
		}
		if ok, err := read(); ok || err != nil {
			t.Errorf("after a rebuild: %v, %v", ok, err)
		}
	}
	if ok, err := r.KeptShard("s", "references", x, 0, func(body []byte) error { return x.Check(0, body) }); !ok || err != nil {
		t.Errorf("the shard beside it: %v, %v", ok, err)
	}
}
