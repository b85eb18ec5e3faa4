// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A whole record of realRecord's with texts and paths in it, and what it is asked about them.
func fullRecord(t *testing.T, path string) {
	t.Helper()
	realRecord(t, path, few)
	r, err := Open(ctx, path)
	must(t, err)
	defer r.Close()
	must(t, r.SetTexts(ctx, "school", "pt", "sha", []tree.Text{{Name: program(1), Summary: "Programa", Description: "Um programa"}}))
	must(t, r.KeepPaths(ctx, map[string][]string{"sha": {"/usr/bin/a"}}))
}

// Whatever is spoilt in the tables, each method answers or says that the record is damaged, and no
// kept file is given that is not what was kept. What was said to be damaged is answered after a
// rebuild.
func TestSpoiltTables(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "record.db")
	fullRecord(t, whole)
	good, err := os.ReadFile(whole)
	must(t, err)
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
	if len(spots) < 50 {
		t.Fatalf("there are only %v", spots)
	}
	checked := map[spot]bool{ // by a digest or a checksum, or by what a row must say
		{"published", "body"}: true, {"published", "sha256"}: true, {"journal", "plan"}: true, {"journal", "state"}: true,
		{"remote", "body"}: true, {"remote", "validator"}: true, {"remote", "sum"}: true, {"remote", "checked"}: true,
	}
	for _, s := range spots {
		t.Run(s.table+"."+s.column, func(t *testing.T) {
			t.Parallel()
			for i, value := range []string{"CAST('{' AS BLOB)", "'spoilt'", "-1"} {
				path := filepath.Join(t.TempDir(), fmt.Sprint(i))
				must(t, os.WriteFile(path, good, 0o600))
				db, err := connect(path, "")
				must(t, err)
				_, err = db.Exec(fmt.Sprintf("DROP TRIGGER IF EXISTS provided_removed; UPDATE OR REPLACE %s SET %s = %s", s.table, s.column, value))
				must(t, errors.Join(err, db.Close()))
				r, err := Open(ctx, path)
				must(t, err)
				_, err = readEverything(r)
				if err == nil {
					err = readKept(r)
				}
				if err != nil && !errors.Is(err, ErrDamaged) {
					t.Errorf("%s: %v", value, err)
				}
				if checked[s] && err == nil && !answersAsBefore(r) {
					t.Errorf("%s is taken for what was kept", value)
				}
				if s.table == "entry" && s.column != "shard" {
					if problems, err := r.Check(ctx); problems == nil && !errors.Is(err, ErrDamaged) {
						t.Errorf("%s is not found by Check: %v", value, err)
					}
				}
				if err != nil {
					if saved, err := r.Rebuild(ctx); err != nil || saved == nil {
						t.Errorf("%s: rebuilt: %v, %v", value, saved, err)
					}
					if _, err := readEverything(r); err != nil {
						t.Errorf("%s, rebuilt: %v", value, err)
					}
					if err := readKept(r); err != nil {
						t.Errorf("%s, rebuilt: %v", value, err)
					}
				}
				must(t, r.Close())
			}
		})
	}
}

// readKept reads all that is kept as it came.
func readKept(r *Record) error {
	for i := range few {
		offers, err := r.Offers(program(i))
		if err != nil {
			return err
		}
		for _, o := range offers {
			kept, err := r.Tree(o.Entry.Tree.SHA256)
			if err != nil {
				return err
			}
			if kept != nil && kept.Name != program(i) {
				return fmt.Errorf("the tree of %s is that of %q", program(i), kept.Name)
			}
		}
	}
	_, _, err := r.Remote("http://school/platform.json", nil)
	return err
}

// answersAsBefore tells whether what is kept as it came is what realRecord has put there.
func answersAsBefore(r *Record) bool {
	f, ok, err := r.Remote("http://school/platform.json", nil)
	trees := 0
	failed := r.KeptTrees(func(string, *tree.Tree) error { trees++; return nil })
	unfinished, wrong := r.Unfinished()
	return ok && errors.Join(err, failed, wrong) == nil && f.Validator == `"1"` && f.Checked.Unix() == 5 && trees == few && len(unfinished) == 1
}

// What is as it was kept and can't be parsed goes with a rebuild: it would be damaged for ever.
func TestUnreadable(t *testing.T) {
	r := fresh(t)
	sha := digest([]byte("from another version"))
	must(t, r.KeepPublished(ctx, sha, []byte("from another version"), []tree.Package{{NEVRA: pkg("a", "1-1").NEVRA}}))
	must(t, r.SetListing(ctx, Listing{Source: "s", Files: map[string]Remote{"http://x/": {Body: []byte("from another version")}}}))
	wrong := errors.New("unknown format")
	for _, read := range []func() (bool, error){
		func() (bool, error) { return r.Kept(sha, func([]byte) error { return wrong }) },
		func() (bool, error) {
			_, ok, err := r.Remote("http://x/", func([]byte) error { return wrong })
			return ok, err
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
}
