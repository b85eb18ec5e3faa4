// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

var ctx = context.Background()

func open(t *testing.T, path string) *Record {
	t.Helper()
	r, err := Open(ctx, path)
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func fresh(t *testing.T) *Record { return open(t, filepath.Join(t.TempDir(), "record.db")) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpen(t *testing.T) {
	// A folder that is not there, with characters that mean something in a URL.
	path := filepath.Join(t.TempDir(), "a ?%41#&b", "c", "record.db")
	r := open(t, path)
	update(t, r, "s1", "bash")
	must(t, r.Close())
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	r = open(t, path)
	if s, err := r.RPMState(); s != "s1" || err != nil {
		t.Errorf("after reopening the state is %q, %v", s, err)
	}
	var mode string
	var sync int
	must(t, r.db.QueryRow("PRAGMA journal_mode").Scan(&mode))
	must(t, r.db.QueryRow("PRAGMA synchronous").Scan(&sync))
	if mode != "wal" || sync != 2 {
		t.Errorf("journal_mode %s and synchronous %d, want wal and 2 (FULL)", mode, sync)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer.db")
	r := open(t, newer)
	_, err := r.db.Exec("PRAGMA user_version = 99")
	must(t, err)
	must(t, r.Close())
	text := filepath.Join(dir, "text.db")
	must(t, os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "folder.db"), 0o755))
	for path, says := range map[string]string{
		newer:                           fmt.Sprintf("version 99 and this program knows up to %d: update packagekit-backend-presolve, or move the file away", schemaVersion),
		text:                            "not a database",
		filepath.Join(dir, "folder.db"): "opening the record",
		filepath.Join(text, "x.db"):     "making the folder of the record",
	} {
		if _, err := Open(ctx, path); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), filepath.Base(path)) && !strings.Contains(err.Error(), text) {
			t.Errorf("Open(%s): %v, want %q and the file", path, err, says)
		}
	}
	if b, _ := os.ReadFile(text); len(b) != 1500 {
		t.Error("a file that is not a record was changed")
	}
}

// Both of PackageKit's helpers may be the first to open the record.
func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r, err := Open(ctx, path)
			if err != nil {
				t.Error(err)
				return
			}
			if err := r.SetListing(ctx, Listing{Source: "x"}); err != nil {
				t.Error(err)
			}
			r.Close()
		})
	}
	all.Wait()
}

func pkg(name, evr string) Package {
	version, release, _ := strings.Cut(evr, "-")
	return Package{NEVRA: tree.NEVRA{Name: name, Version: version, Release: release, Arch: "noarch"}, Summary: "Summary of " + name, Size: 5}
}

// update makes packages of version 1-1 be what is installed. A digest is the package's name.
func update(t *testing.T, r *Record, state string, names ...string) {
	t.Helper()
	must(t, r.UpdateInstalled(ctx, state, func(u *InstalledUpdate) error {
		for _, name := range names {
			if !u.Known(name) {
				if err := u.Add(name, pkg(name, "1-1")); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}

func names(t *testing.T, list func(Query, func(*Package) error) error, q Query) string {
	t.Helper()
	var all []string
	must(t, list(q, func(p *Package) error { all = append(all, p.Name); return nil }))
	return strings.Join(all, " ")
}

func TestUpdateInstalled(t *testing.T) {
	r := fresh(t)
	if s, err := r.RPMState(); s != "" || err != nil {
		t.Errorf("a new record has the state %q, %v", s, err)
	}
	update(t, r, "s1", "a", "b", "c")
	tx := &Transaction{Began: time.Unix(1, 0), Command: "install-packages", Plan: []Planned{
		{NEVRA: pkg("b", "1-1").NEVRA, Source: "school", Asked: true, By: []string{"b"}}, {NEVRA: pkg("a", "1-1").NEVRA, Source: "school", By: []string{"b", "c"}}}}
	must(t, r.Begin(ctx, tx))
	must(t, r.Conclude(tx, Done))
	ids := func() (s string) {
		rows, err := r.db.Query("SELECT id, name FROM installed ORDER BY name")
		must(t, err)
		defer rows.Close()
		for rows.Next() {
			var id int
			var name string
			must(t, rows.Scan(&id, &name))
			s += fmt.Sprint(id, name, " ")
		}
		return s
	}
	before := ids()
	failure := errors.New("rpm is writing")
	err := r.UpdateInstalled(ctx, "s2", func(u *InstalledUpdate) error {
		u.Known("a")
		must(t, u.Add("d", pkg("d", "1-1")))
		return failure
	})
	if !errors.Is(err, failure) || ids() != before {
		t.Errorf("after a failure (%v) there is %s, before there was %s", err, ids(), before)
	}
	if s, _ := r.RPMState(); s != "s1" {
		t.Errorf("after a failure the state is %s", s)
	}
	func() { // a panic is a failure too
		defer func() { recover() }()
		r.UpdateInstalled(ctx, "s2", func(u *InstalledUpdate) error { panic("oh no") })
	}()
	if ids() != before {
		t.Errorf("after a panic there is %s, before there was %s", ids(), before)
	}
	update(t, r, "s3", "a", "c", "d") // b is gone, and with it the reasons
	if got := ids(); got != strings.Replace(before, strings.Fields(before)[1]+" ", "", 1)+got[len(got)-3:] || !strings.HasSuffix(got, "d ") {
		t.Errorf("there is %s, before there was %s", got, before)
	}
	if s, _ := r.RPMState(); s != "s3" {
		t.Errorf("the state is %s, want s3", s)
	}
	if all, own, err := r.CountInstalled(); all != 3 || own != 1 || err != nil {
		t.Errorf("%d installed, %d own, %v", all, own, err)
	}
	if own, _, _, err := r.Why(pkg("b", "1-1").NEVRA); own || err != nil {
		t.Errorf("b is gone and still own (%v)", err)
	}
	if own, asked, by, err := r.Why(pkg("a", "1-1").NEVRA); !own || asked || !slices.Equal(by, []string{"c"}) || err != nil {
		t.Errorf("why a: %v %v %q %v, want own, by c", own, asked, by, err)
	}
	if got := names(t, r.Installed, Query{Text: []string{"Summary of b"}}); got != "" {
		t.Errorf("the index of texts still has %s", got)
	}
}

// One package that is named in an odd way must not hide all others.
func TestOddInstalledPackages(t *testing.T) {
	r := fresh(t)
	odd := []tree.NEVRA{{Name: "no-arch", Version: "1", Release: "1"}, {Name: "nothing"}, {Name: "epoch", Epoch: 3, Version: "1~x", Release: "2.fc18", Arch: "i686"},
		{Name: "a-1", Version: "2", Release: "3", Arch: "x.y"}}
	must(t, r.UpdateInstalled(ctx, "s", func(u *InstalledUpdate) error {
		for _, p := range odd {
			must(t, u.Add(p.Name, Package{NEVRA: p}))
		}
		return nil
	}))
	for _, p := range odd {
		all, err := r.InstalledByName(p.Name)
		if err != nil || len(all) != 1 || all[0].NEVRA != p || !all[0].Installed {
			t.Errorf("%+v is read as %+v, %v", p, all, err)
		}
	}
}

func entry(name, evr string) *tree.Entry {
	p := pkg(name, evr)
	return &tree.Entry{NEVRA: p.NEVRA, Summary: p.Summary, Description: "Describes " + name, License: "GPL", Group: "games", URL: "http://x/", Size: 5, Download: 50,
		Provides: []string{"mime(a/b)", "font(c)"}, Tree: tree.NewRef("trees/"+name+"@", []byte(name), ".json")}
}

// load makes a source list one shard with entries.
func load(t *testing.T, r *Record, source, shard string, entries ...*tree.Entry) {
	t.Helper()
	must(t, r.AddShard(ctx, shard, func(add func(*tree.Entry) error) error {
		for _, e := range entries {
			if err := add(e); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, r.SetListing(ctx, Listing{Source: source, Shards: []string{shard}}))
}

func TestQuery(t *testing.T) {
	r := fresh(t)
	e := func(name, summary, description string) *tree.Entry {
		x := entry(name, "1-1")
		x.Summary, x.Description, x.License, x.Group = summary, description, "MIT", "office"
		return x
	}
	load(t, r, "s", "sha", e("Gbrainy", "Brain teaser", "fun"), e("gcc-c++", "Compiler 100%", `back\slash`), e("libx_1", `a "quoted" word`, "under_score"),
		e("libxa1", "Écriture ЖЖ", "Übung макет"), e("x", "音楽 player", "o'brien"))
	must(t, r.UpdateInstalled(ctx, "1", func(u *InstalledUpdate) error { return u.Add("z", pkg("zlib", "1-1")) }))
	tests := []struct {
		q    Query
		want string
	}{
		{Query{}, "Gbrainy gcc-c++ libx_1 libxa1 x"},
		{Query{Name: "x"}, "x"},
		{Query{Name: "gbrainy"}, ""},
		{Query{Name: "lib%"}, ""},
		{Query{In: []string{"BRAIN"}}, "Gbrainy"},
		{Query{In: []string{"teaser"}}, ""},
		{Query{In: []string{"lib"}}, "libx_1 libxa1"},
		{Query{In: []string{"LI"}}, "libx_1 libxa1"},
		{Query{In: []string{"g"}}, "Gbrainy gcc-c++"},
		{Query{In: []string{"x_"}}, "libx_1"},
		{Query{In: []string{"x_1"}}, "libx_1"},
		{Query{In: []string{"+"}}, "gcc-c++"},
		{Query{In: []string{"c++"}}, "gcc-c++"},
		{Query{In: []string{"gcc", "c"}}, "gcc-c++"},
		{Query{In: []string{"gcc", "lib"}}, ""},
		{Query{Text: []string{"teaser"}}, "Gbrainy"},
		{Query{Text: []string{"teaser", "fun", "Gb"}}, "Gbrainy"},
		{Query{Text: []string{"teaser", "compiler"}}, ""},
		{Query{Text: []string{"%"}}, "gcc-c++"},
		{Query{Text: []string{"00%"}}, "gcc-c++"},
		{Query{Text: []string{`\`}}, "gcc-c++"},
		{Query{Text: []string{`k\s`}}, "gcc-c++"},
		{Query{Text: []string{`"`}}, "libx_1"},
		{Query{Text: []string{`"quoted"`}}, "libx_1"},
		{Query{Text: []string{`"""`}}, ""},
		{Query{Text: []string{"o'b"}}, "x"},
		{Query{Text: []string{"'"}}, "x"},
		{Query{Text: []string{"r_s"}}, "libx_1"},
		{Query{Text: []string{"mit"}}, "Gbrainy gcc-c++ libx_1 libxa1 x"},
		{Query{Text: []string{"OFFICE"}}, "Gbrainy gcc-c++ libx_1 libxa1 x"},
		{Query{Text: []string{"éCRI"}}, "libxa1"},
		{Query{Text: []string{"é"}}, "libxa1"},
		{Query{Text: []string{"ü"}}, "libxa1"},
		{Query{Text: []string{"МА"}}, "libxa1"},
		{Query{Text: []string{"жж"}}, "libxa1"},
		{Query{Text: []string{"Жж"}}, "libxa1"},
		{Query{Text: []string{"МАКЕТ"}}, "libxa1"},
		{Query{Text: []string{"音楽"}}, "x"},
		{Query{Text: []string{"NOT", "AND"}}, ""},
		{Query{Text: []string{"a* OR b"}}, ""},
		{Query{Text: []string{"name : x"}}, ""},
		{Query{Name: "x", In: []string{"x"}, Text: []string{"player", "音"}}, "x"},
		{Query{Name: "x", Text: []string{"teaser"}}, ""},
	}
	for _, tt := range tests {
		if got := names(t, r.Available, tt.q); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.q, got, tt.want)
		}
	}
	if got := names(t, r.Installed, Query{In: []string{"lib"}}); got != "zlib" {
		t.Errorf("installed: %s, want zlib", got)
	}
	stop := errors.New("stop")
	calls := 0
	if err := r.Available(Query{}, func(*Package) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("%v after %d packages, want yield's own error after the first", err, calls)
	}
	if got := names(t, r.Available, Query{Name: "x"}); got != "x" {
		t.Errorf("after a list that was broken off: %s", got)
	}
}

func TestSources(t *testing.T) {
	r := fresh(t)
	load(t, r, "school", "sha1", entry("a", "1-1"), entry("b", "1-1"))
	must(t, r.SetListing(ctx, Listing{Source: "usb", Shards: []string{"sha1", "sha2"}, Files: map[string]Remote{"http://x/p": {"etag", []byte("body"), time.Unix(7, 0)}}}))
	if got := names(t, r.Available, Query{}); got != "a a b b" {
		t.Errorf("of two sources with the same shard: %s", got)
	}
	if f, ok, err := r.Remote("http://x/p", nil); !ok || err != nil || f.Validator != "etag" || string(f.Body) != "body" || !f.Checked.Equal(time.Unix(7, 0)) {
		t.Errorf("Remote: %+v, %v, %v", f, ok, err)
	}
	if _, ok, err := r.Remote("http://x/q", nil); ok || err != nil {
		t.Errorf("a file that was never seen: %v, %v", ok, err)
	}
	if l, err := r.Listed("usb"); !slices.Equal(l, []string{"sha1", "sha2"}) || err != nil {
		t.Errorf("Listed: %q, %v", l, err)
	}
	offers, err := r.Offers("a")
	must(t, err)
	if len(offers) != 2 || fmt.Sprint(*offers[0].Entry) != fmt.Sprint(*entry("a", "1-1")) || offers[0].Source == offers[1].Source {
		t.Errorf("Offers: %+v", offers)
	}

	update(t, r, "s", "a") // the version that is installed is not available; another would be
	if got := names(t, r.Available, Query{}); got != "b b" {
		t.Errorf("with a installed: %s", got)
	}
	load(t, r, "newer", "sha3", entry("a", "2-1"))
	if got := names(t, r.Available, Query{}); got != "a b b" {
		t.Errorf("with a newer a on offer: %s", got)
	}

	// A shard that is there stays as it is; one that fails leaves nothing.
	must(t, r.AddShard(ctx, "sha1", func(func(*tree.Entry) error) error { t.Error("asked for a shard that is there"); return nil }))
	failure := errors.New("damaged")
	err = r.AddShard(ctx, "sha4", func(add func(*tree.Entry) error) error {
		must(t, add(entry("x", "1-1")))
		return failure
	})
	shards, _ := r.Shards()
	if !errors.Is(err, failure) || shards["sha4"] || len(shards) != 2 {
		t.Errorf("AddShard: %v, shards %v", err, shards)
	}
	var n int
	must(t, r.db.QueryRow("SELECT count(*) FROM entry WHERE name = 'x'").Scan(&n))
	if n != 0 {
		t.Error("a shard that failed left an entry")
	}

	// As long as one source lists a shard it stays.
	must(t, r.SetListing(ctx, Listing{Source: "usb"}))
	if got := names(t, r.Available, Query{Name: "b"}); got != "b" {
		t.Errorf("listed by one source: %s", got)
	}
	keep(t, r, []string{"usb", `odd "id"`, "newer"}, nil)
	if shards, _ := r.Shards(); shards["sha1"] || !shards["sha3"] {
		t.Errorf("after a source is gone: shards %v", shards)
	}
	keep(t, r, nil, nil)
	for _, table := range []string{"entry", "shard", "listed"} {
		must(t, r.db.QueryRow("SELECT count(*) FROM "+table).Scan(&n))
		if n != 0 {
			t.Errorf("without sources the table %s has %d rows", table, n)
		}
	}
	_, err = r.db.Exec("INSERT INTO entry_text (entry_text) VALUES ('integrity-check')")
	must(t, err)
	_, err = r.db.Exec("INSERT INTO installed_text (installed_text) VALUES ('integrity-check')")
	must(t, err)
}

// body is a kept file as it is, and whether it is kept.
func body(t *testing.T, r *Record, sha256 string) (body []byte, ok bool) {
	t.Helper()
	ok, err := r.Kept(sha256, func(b []byte) error { body = b; return nil })
	must(t, err)
	return body, ok
}

func TestPublished(t *testing.T) {
	r := fresh(t)
	one, two := digest([]byte("tree")), digest([]byte("tree2"))
	if _, ok := body(t, r, one); ok {
		t.Error("nothing was kept")
	}
	members := []tree.Package{{NEVRA: pkg("a", "1-1").NEVRA}, {NEVRA: pkg("b", "1-1").NEVRA}}
	for range 2 { // twice is no harm
		must(t, r.KeepPublished(ctx, one, []byte("tree"), members))
	}
	must(t, r.KeepPublished(ctx, two, []byte("tree2"), members[1:]))
	must(t, r.KeepPublished(ctx, digest([]byte("files")), []byte("files"), nil))
	if err := r.KeepPublished(ctx, two, []byte("another"), nil); err == nil {
		t.Error("a file was kept by the digest of another")
	}
	if body, ok := body(t, r, one); string(body) != "tree" || !ok {
		t.Errorf("kept: %q, %v", body, ok)
	}
	for name, want := range map[string][]string{"a": {one}, "b": {one, two}, "c": nil} {
		got, err := r.TreesWith(name, "1-1", "noarch")
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) || err != nil {
			t.Errorf("TreesWith(%s) = %q, %v", name, got, err)
		}
	}
}

func TestJournal(t *testing.T) {
	r := fresh(t)
	plan := []Planned{
		{NEVRA: pkg("dep", "1-1").NEVRA, Source: "school", By: []string{"top"}},
		{NEVRA: pkg("kept", "1-1").NEVRA, Source: "school", By: []string{"top"}, Kept: true},
		{NEVRA: pkg("foreign", "1-1").NEVRA, Asked: true, By: []string{"foreign"}, Kept: true},
		{NEVRA: pkg("top", "1-1").NEVRA, Source: "school", Asked: true, By: []string{"top"}},
		{NEVRA: pkg("failed", "1-1").NEVRA, Source: "school", Asked: true, By: []string{"failed"}},
	}
	update(t, r, "s", "kept", "foreign")
	kept := &Transaction{Began: time.Unix(5, 0), Command: "install-packages", Plan: []Planned{{NEVRA: pkg("kept", "1-1").NEVRA, Source: "usb", Asked: true, By: []string{"kept"}}}}
	must(t, r.Begin(ctx, kept))
	must(t, r.Conclude(kept, Done))

	tx := &Transaction{Began: time.Unix(9, 0), Command: "install-packages", Plan: plan}
	must(t, r.Begin(ctx, tx))
	must(t, r.SetState(tx, Installing))
	all, err := r.Unfinished()
	must(t, err)
	if len(all) != 1 || fmt.Sprint(*all[0]) != fmt.Sprint(*tx) || tx.State != Installing {
		t.Errorf("Unfinished: %+v, want %+v", all, tx)
	}
	update(t, r, "s", "kept", "foreign", "dep", "top") // rpm did not get to "failed"
	must(t, r.Conclude(all[0], Failed))
	if all, err := r.Unfinished(); len(all) != 0 || err != nil {
		t.Errorf("Unfinished after Conclude: %+v, %v", all, err)
	}
	for name, want := range map[string]string{
		"dep": "true false [top]", "top": "true true [top]", "kept": "true true [kept top]", "foreign": "false false [foreign]", "failed": "false false []",
	} {
		own, asked, by, err := r.Why(pkg(name, "1-1").NEVRA)
		if got := fmt.Sprint(own, asked, by); got != want || err != nil {
			t.Errorf("why %s: %s, %v, want %s", name, got, err, want)
		}
	}
	if p, err := r.InstalledByName("kept"); err != nil || len(p) != 1 || p[0].Source != "usb" {
		t.Errorf("kept: %+v, %v, want the source that it was installed from", p, err)
	}

	// Old ones that are over are forgotten, and none that is not.
	open := &Transaction{Command: "x"}
	must(t, r.Begin(ctx, open))
	for range 120 {
		tx := &Transaction{Command: "x"}
		must(t, r.Begin(ctx, tx))
		must(t, r.SetState(tx, Done))
	}
	var n int
	must(t, r.db.QueryRow("SELECT count(*) FROM journal").Scan(&n))
	if all, _ := r.Unfinished(); n > 102 || len(all) != 1 || all[0].ID != open.ID {
		t.Errorf("%d transactions are kept, unfinished are %v", n, all)
	}
}

// Two processes on one record: one writes, the other reads and then writes too.
func TestTwoRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	one, two := open(t, path), open(t, path)
	version := func(r *Record) int64 {
		t.Helper()
		v, err := r.Version()
		must(t, err)
		return v
	}
	v1, v2 := version(one), version(two)
	update(t, one, "s1", "a")
	if version(one) != v1 {
		t.Error("a Record's own change changes its Version")
	}
	if version(two) == v2 {
		t.Error("another's change doesn't change the Version")
	}
	if v := version(two); version(two) != v {
		t.Error("the Version changes without a change")
	}
	inside, written := make(chan struct{}), make(chan error, 1)
	release := make(chan struct{})
	go func() {
		written <- one.UpdateInstalled(ctx, "s2", func(u *InstalledUpdate) error {
			close(inside)
			<-release
			return u.Add("b", pkg("b", "1-1"))
		})
	}()
	<-inside
	// Reading doesn't wait, and sees what was before.
	if s, err := two.RPMState(); s != "s1" || err != nil {
		t.Errorf("during another's write the state is %q, %v", s, err)
	}
	second := make(chan error, 1)
	go func() { second <- two.SetListing(ctx, Listing{Source: "school", Shards: []string{"x"}}) }()
	select {
	case err := <-second:
		t.Errorf("a write did not wait for another: %v", err)
	default:
	}
	close(release)
	must(t, <-written)
	must(t, <-second)
	if got := names(t, two.Installed, Query{}); got != "b" {
		t.Errorf("installed: %s, want b", got)
	}
}

// TestMain is also the process that TestKilled kills: it stops in the middle of a write and says
// so.
func TestMain(m *testing.M) {
	path := os.Getenv("PRESOLVE_TEST_WRITE_AND_WAIT")
	if path == "" {
		// In memory where that is possible: hundreds of records are written, and each is synced.
		dir, err := os.MkdirTemp("/dev/shm", "presolve-db-test-")
		if err == nil {
			os.Setenv("TMPDIR", dir)
		}
		status := m.Run()
		if err == nil {
			os.RemoveAll(dir)
		}
		os.Exit(status)
	}
	r, err := Open(ctx, path)
	if err == nil {
		err = r.write(ctx, func(tx *sql.Tx) error {
			for i := range 5000 { // more than fits into the page cache, so that some of it is in the file already
				if _, err := tx.Exec("INSERT INTO remote (url, validator, body, checked) VALUES (?, '', ?, 0)", fmt.Sprint("new-", i), make([]byte, 1000)); err != nil {
					return err
				}
			}
			if _, err := tx.Exec("DELETE FROM installed"); err != nil {
				return err
			}
			fmt.Println("in the middle")
			_, err := io.Copy(io.Discard, os.Stdin) // until it is killed
			return err
		})
	}
	fmt.Println("not killed:", err)
	os.Exit(1)
}

func TestKilledInTheMiddleOfAWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	r := open(t, path)
	update(t, r, "s1", "a", "b")
	for _, stillOpen := range []bool{true, false} {
		if !stillOpen {
			must(t, r.Close())
		}
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "PRESOLVE_TEST_WRITE_AND_WAIT="+path)
		stdout, err := child.StdoutPipe()
		must(t, err)
		stdin, err := child.StdinPipe()
		must(t, err)
		must(t, child.Start())
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		if err := child.Process.Kill(); err != nil || line != "in the middle\n" {
			t.Fatalf("%v: the child said %q", err, line)
		}
		child.Wait()
		stdin.Close()
		if !stillOpen {
			r = open(t, path)
		}
		if got := names(t, r.Installed, Query{}); got != "a b" {
			t.Errorf("installed: %s, want what was before", got)
		}
		if _, ok, err := r.Remote("new-0", nil); ok || err != nil {
			t.Errorf("half of a write is there: %v, %v", ok, err)
		}
		var check string
		must(t, r.db.QueryRow("PRAGMA integrity_check").Scan(&check))
		if check != "ok" {
			t.Error(check)
		}
		update(t, r, "s1", "a", "b") // and it can be written to
	}
}

// On a full or read-only disk nothing is pretended.
func TestReadOnly(t *testing.T) {
	r := fresh(t)
	update(t, r, "s1", "a")
	_, err := r.db.Exec("PRAGMA query_only = 1")
	must(t, err)
	if err := r.UpdateInstalled(ctx, "s2", func(u *InstalledUpdate) error { return nil }); err == nil || !strings.Contains(err.Error(), r.path) {
		t.Errorf("UpdateInstalled: %v, want an error with the file", err)
	}
	if s, err := r.RPMState(); s != "s1" || err != nil {
		t.Errorf("the state is %q, %v", s, err)
	}
}
