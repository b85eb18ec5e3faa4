// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What is done to the tables of an older record: what there is only here, and what can be had again.
const older = `
INSERT INTO meta (key, value) VALUES ('rpm-state', 's1');
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 90)
	INSERT INTO installed (name, evr, arch, summary, description, license, grp, url, size, digest) SELECT 'p' || i, '1-1', 'noarch', 'S', 'D', 'L', 'G', 'U', 1, i FROM n;
INSERT INTO own (name, evr, arch, source, asked) SELECT name, evr, arch, 'school-' || printf('%0200d', 0), id % 9 = 0 FROM installed;
INSERT INTO needed (name, by) SELECT name, 'p' || (id - id % 9) FROM installed;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)
	INSERT INTO journal (began, command, state, plan) SELECT i, 'install-packages', 'done', '[{"name": "p' || i || '", "version": "1", "release": "1", "arch": "noarch", "source": "school", "asked": true, "by": ["p' || i || '"]}]' FROM n;
INSERT INTO journal (id, began, command, state, plan) VALUES (77, 7, 'remove-packages', 'installing', '[{"name": "p1", "version": "1", "release": "1", "arch": "noarch", "source": "", "asked": false, "by": null, "removed": true}]');
INSERT INTO remote (url, validator, body, checked) VALUES ('http://school/platform.json', 'v', '{}', 7);
INSERT INTO shard (id, sha256) VALUES (1, 'sha1');
INSERT INTO listed (source, number, sha256) VALUES ('school', 0, 'sha1');
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
	INSERT INTO entry (shard, name, evr, arch, summary, description, license, grp, url, size, download, provides, tree_path, tree_sha256, tree_size, files_path, files_sha256, files_size)
	SELECT 1, 'e' || i, '1-1', 'noarch', '', printf('%03000d', 0), '', '', '', 1, 1, '', '', '', 0, '', '', 0 FROM n;
INSERT INTO published (sha256, body) VALUES ('sha', zeroblob(1000000));
INSERT INTO member (name, evr, arch, tree_sha256) VALUES ('p1', '1-1', 'noarch', 'sha');
`

// olderRecord makes a record of an older version, in whose log the last transaction is still, as a
// power cut leaves it. mark, where it isn't empty, is what an earlier rebuild has noted.
func olderRecord(t *testing.T, path string, version int, mark string) {
	t.Helper()
	schema, err := os.ReadFile(fmt.Sprintf("testdata/schema%d.sql", version))
	must(t, err)
	making := filepath.Join(t.TempDir(), "making.db")
	db, err := connect(making, "&_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(0)")
	must(t, err)
	defer db.Close()
	_, err = db.Exec(fmt.Sprintf("%s; %s; PRAGMA user_version = %d; PRAGMA wal_checkpoint(TRUNCATE)", schema, older, version))
	must(t, err)
	_, err = db.Exec("BEGIN; UPDATE own SET asked = 1 WHERE name = 'p1'; INSERT INTO meta SELECT 'own-lost', ?1 WHERE ?1 <> ''; COMMIT", mark)
	must(t, err)
	for _, part := range []string{"", "-wal"} {
		must(t, copyFile(path+part, making+part))
	}
}

// onlyHere are the rows of a record that nobody else has, but for the state of the RPM database.
func onlyHere(t *testing.T, db *sql.DB) (all []string) {
	t.Helper()
	for _, query := range []string{
		"SELECT 'meta', key, value, '', '' FROM meta WHERE key <> 'rpm-state'",
		"SELECT name, evr, arch, source, asked FROM own",
		"SELECT 'needed', name, by, '', '' FROM needed",
		"SELECT id, began, command, state, plan FROM journal",
	} {
		rows, err := db.Query(query + " ORDER BY 1, 2, 3")
		must(t, err)
		for rows.Next() {
			var row [5]string
			must(t, rows.Scan(&row[0], &row[1], &row[2], &row[3], &row[4]))
			all = append(all, strings.Join(row[:], "|"))
		}
		must(t, errors.Join(rows.Err(), rows.Close()))
	}
	return all
}

// inFile is onlyHere of a closed record, and its version.
func inFile(t *testing.T, path string) (rows []string, version int) {
	t.Helper()
	db, err := connect(path, "&_pragma=journal_mode(WAL)")
	must(t, err)
	defer db.Close()
	must(t, db.QueryRow("PRAGMA user_version").Scan(&version))
	return onlyHere(t, db), version
}

// carriedOver tells whether a record has become one of this version, with all that was only there and
// nothing else, and whether nothing is beside it.
func carriedOver(t *testing.T, r *Record, want []string) {
	t.Helper()
	if got := onlyHere(t, r.db); !slices.Equal(got, want) {
		t.Errorf("there are\n%q, want\n%q", got, want)
	}
	var had int
	must(t, r.db.QueryRow("SELECT (SELECT count(*) FROM remote) + (SELECT count(*) FROM shard) + (SELECT count(*) FROM published) + (SELECT count(*) FROM member) + (SELECT count(*) FROM installed)").Scan(&had))
	if state, err := r.RPMState(); had != 0 || state != "" || err != nil {
		t.Errorf("%d rows of what is to be had again were carried over, with the state %q, %v", had, state, err)
	}
	if size, err := r.Size(); size > 150_000 || err != nil {
		t.Errorf("it has %d bytes, %v", size, err)
	}
	if problems, err := r.Check(ctx); problems != nil || err != nil {
		t.Errorf("problems: %q, %v", problems, err)
	}
	left, err := filepath.Glob(filepath.Join(r.Folder(), "*"))
	must(t, err)
	for _, path := range left {
		if name := strings.TrimPrefix(path, r.path); !slices.Contains(parts, name) && path != r.reserve() {
			t.Errorf("%s is left", path)
		}
	}
}

// What there is only in a record of an older version is carried over, and the rest of it goes.
func TestOlder(t *testing.T) {
	for _, version := range []int{1, 7} {
		for _, mark := range []string{"", "perhaps", "now", "before"} {
			t.Run(fmt.Sprint(version, mark), func(t *testing.T) {
				path := inFolder(t)
				olderRecord(t, path, version, mark)
				if n := size(t, path); n < 1_200_000 {
					t.Fatalf("it has %d bytes", n)
				}
				must(t, copyFile(path+".copy", path))
				must(t, copyFile(path+".copy-wal", path+"-wal"))
				want, _ := inFile(t, path+".copy")
				must(t, remove(path+".copy"))
				r := open(t, path)
				carriedOver(t, r, want)
				if marked := slices.Contains(want, "meta|own-lost|"+mark+"||"); len(want) < 200 || marked != (mark != "") {
					t.Fatalf("it had %q", want)
				}
				unfinished, err := r.Unfinished()
				if must(t, err); len(unfinished) != 1 || unfinished[0].ID != 77 || unfinished[0].State != Installing || !unfinished[0].Plan[0].Removed {
					t.Errorf("unfinished are %+v", unfinished)
				}
				must(t, r.UpdateInstalled(ctx, "s2", func(u *InstalledUpdate) error {
					return errors.Join(u.Add("1", pkg("p1", "1-1")), u.Add("9", pkg("p9", "1-1")), u.Add("10", pkg("p10", "1-1")), u.Add("x", pkg("by-hand", "1-1")))
				}))
				why := map[string]string{"p1": "true true []", "p9": "true true [p9]", "p10": "true false [p9]", "by-hand": "false false []"}
				if mark == "now" || mark == "perhaps" { // then the journal tells more
					maps.Copy(why, map[string]string{"p1": "true true [p1]", "p10": "true true [p10 p9]"})
				}
				for name, want := range why {
					own, asked, by, err := r.Why(pkg(name, "1-1").NEVRA)
					if got := fmt.Sprint(own, asked, by); got != want || err != nil {
						t.Errorf("why %s: %s, %v, want %s", name, got, err, want)
					}
				}
				must(t, r.Close())
				if _, version := inFile(t, path); version != schemaVersion {
					t.Errorf("it has version %d", version)
				}
				open(t, path)
			})
		}
	}
}

// Where all is stopped while an older record is carried over, the old file is there, or the new one.
func TestOlderCutOff(t *testing.T) {
	dir := t.TempDir()
	old, carried := filepath.Join(dir, "old.db"), filepath.Join(dir, "new", "record.db")
	olderRecord(t, old, 7, "")
	must(t, os.Mkdir(filepath.Dir(carried), 0o700))
	olderRecord(t, carried, 7, "")
	r := open(t, carried)
	want := onlyHere(t, r.db)
	must(t, r.Close())
	new, err := os.ReadFile(carried)
	must(t, err)
	for name, files := range map[string]map[string][]byte{
		"before anything":               {},
		"while the new one is made":     {building: new[:5000], building + "-journal": garbage(1, 600), patched: new, patched + "-wal": garbage(2, 600)},
		"when it is made":               {building: new},
		"when it has its name":          {rebuilt: new},
		"when the log is removed":       {rebuilt: new, "-wal": nil},
		"when all but it is removed":    {rebuilt: new, "-wal": nil, "": nil},
		"when the log alone is left":    {rebuilt: new, "": nil},
		"after it has taken its place":  {"": new, "-wal": nil},
		"what another rebuild has left": {building: garbage(3, 9000), building + "-wal": garbage(4, 600)},
	} {
		t.Run(name, func(t *testing.T) {
			path := inFolder(t)
			for _, part := range []string{"", "-wal"} {
				must(t, copyFile(path+part, old+part))
			}
			for _, suffix := range slices.Sorted(maps.Keys(files)) {
				if content := files[suffix]; content != nil {
					must(t, os.WriteFile(path+suffix, content, 0o600))
				} else {
					must(t, os.Remove(path+suffix))
				}
			}
			carriedOver(t, open(t, path), want)
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		path := inFolder(t)
		for _, part := range []string{"", "-wal"} {
			must(t, copyFile(path+part, old+part))
		}
		for looks := 1; ; looks = looks*5/4 + 1 {
			r, err := Open(newEndsAfter(looks), path)
			if err == nil {
				t.Cleanup(func() { r.Close() })
				if looks < 50 {
					t.Errorf("it is carried over after %d looks", looks)
				}
				carriedOver(t, r, want)
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("after %d looks: %v", looks, err)
			}
			if rows, version := inFile(t, path); version != 7 && version != schemaVersion || !slices.Equal(rows, want) {
				t.Fatalf("after %d looks the record has version %d and not all rows", looks, version)
			}
			if left, _ := filepath.Glob(path + ".*"); left != nil {
				t.Fatalf("after %d looks %q is left", looks, left)
			}
		}
	})
}

// A damaged record of an older version is rebuilt: what is left of it is carried over, what was lost is
// told and marked, and the file is kept.
func TestOlderDamaged(t *testing.T) {
	for _, tt := range []struct {
		name         string
		do           func(t *testing.T, path string)
		own, journal int
		lost         string
	}{
		{"a page of own", wipe("name = 'own' AND pagetype = 'leaf'", first), 60, 31, "own"},
		{"needed", wipe("name = 'needed'", every), 90, 31, "needed"},
		{"the journal", wipe("name = 'journal'", every), 90, 0, "journal"},
		{"the first page", wipe("name = 'sqlite_schema'", first), 90, 0, "journal"},
		{"all of the schema", wipe("name = 'sqlite_schema'", every), 90, 0, "journal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := inFolder(t)
			olderRecord(t, path, 7, "")
			inFile(t, path) // which brings the log into it
			tt.do(t, path)
			if r, err := Open(ctx, path); !errors.Is(err, ErrDamaged) {
				t.Fatalf("opened: %v, %v", r, err)
			}
			r, s, err := Rebuild(ctx, path)
			must(t, err)
			defer r.Close()
			if s == nil || s.Own < tt.own || s.Transactions < tt.journal || !slices.Contains(s.Lost, tt.lost) || s.Trees != 0 || s.Shards != 0 {
				t.Fatalf("%v", s)
			}
			var mark string
			must(t, r.db.QueryRow("SELECT value FROM meta WHERE key = 'own-lost'").Scan(&mark))
			if _, err := os.Stat(path + aside); mark != "now" || err != nil {
				t.Errorf("it is marked %q, and set aside: %v", mark, err)
			}
			if problems, err := r.Check(ctx); problems != nil || err != nil {
				t.Errorf("afterwards: %q, %v", problems, err)
			}
			update(t, r, "s2", "p1", "p2")
			if own, _, _, err := r.Why(pkg("p2", "1-1").NEVRA); !own || err != nil {
				t.Errorf("p2 is own: %v, %v", own, err)
			}
		})
	}
}

// A process that has an older record open, as it is of the older version, notices that the record is
// carried over, and writes nothing to its journal that nobody would read.
func TestOlderBesideAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	olderRecord(t, path, 7, "")
	pool, err := connect(path, "&_pragma=journal_mode(WAL)&_txlock=immediate")
	must(t, err)
	defer pool.Close()
	file, err := os.Stat(path)
	must(t, err)
	other := &Record{path: path, file: file, db: pool, stmt: make(map[string]*sql.Stmt)}
	plan := &Transaction{Began: time.Unix(9, 0), Command: "install-packages", Plan: []Planned{{NEVRA: pkg("by-hand", "1-1").NEVRA, Source: "school", Asked: true}}}
	must(t, other.Begin(ctx, plan)) // is in the log
	if other.Replaced() {
		t.Error("nothing was replaced")
	}
	want := onlyHere(t, pool)
	opened := make(chan error)
	records := make([]*Record, 3)
	for i := range records {
		go func() {
			var err error
			records[i], err = Open(ctx, path)
			opened <- err
		}()
	}
	for range records {
		err = cmp.Or(<-opened, err)
	}
	must(t, err)
	for _, r := range records {
		defer r.Close()
		carriedOver(t, r, want)
		if r.Replaced() {
			t.Error("what was opened now isn't the file that is there")
		}
	}
	if !other.Replaced() {
		t.Error("the other process doesn't notice")
	}
	if err := other.SetState(plan, Installing); !errors.Is(err, ErrDamaged) {
		t.Errorf("written to a file that is gone: %v", err)
	}
	must1(other.Rebuild(ctx))(t)
	defer other.Close()
	must(t, other.SetState(plan, Installing))
	if unfinished, err := records[0].Unfinished(); len(unfinished) != 2 || unfinished[1].State != Installing || err != nil {
		t.Errorf("unfinished are %v, %v", unfinished, err)
	}
}

// Where the disk is full an older record is carried over, and a damaged one rebuilt, in the reserve's
// place.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Skipf("NOT TESTED, a file system can't be mounted: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	path, reserve, rest := filepath.Join(dir, "record.db"), filepath.Join(dir, "reserve"), filepath.Join(dir, "rest")
	olderRecord(t, path, 7, "")
	want, _ := inFile(t, path)
	must(t, os.WriteFile(reserve, make([]byte, reserveSize), 0o600))
	// SQLite's own index of the log has its place, as where a helper was killed.
	must(t, os.WriteFile(path+"-shm", make([]byte, 32768), 0o600))
	fill := func() {
		if err := os.WriteFile(rest, make([]byte, 6<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	fill()
	r := open(t, path)
	if got := onlyHere(t, r.db); !slices.Equal(got, want) {
		t.Errorf("there are\n%q, want\n%q", got, want)
	}
	if _, err := os.Stat(reserve); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reserve wasn't given up: %v", err)
	}
	must(t, os.Remove(rest))
	r.keepReserve()
	fill()
	r.suspect = true
	if s, err := r.Rebuild(ctx); err != nil || s == nil || s.Own != 90 {
		t.Errorf("rebuilt: %v, %v", s, err)
	}
	if _, err := os.Stat(reserve); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reserve wasn't given up for a rebuild: %v", err)
	}
}
