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

func fresh(t *testing.T) *Record { return open(t, inFolder(t)) }

// inFolder is where a record may be, in a folder that has its reserve already: to make one costs more
// than a short test.
func inFolder(t testing.TB) string {
	dir := t.TempDir()
	reserve := filepath.Join(dir, "reserve")
	must(t, errors.Join(os.WriteFile(reserve, nil, 0o600), os.Truncate(reserve, reserveSize)))
	return filepath.Join(dir, "record.db")
}

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
			if err := r.SetListing(ctx, "x", nil, nil); err != nil {
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

// names are the names of the installed packages that a query is for.
func names(t *testing.T, r *Record, q Query) string {
	t.Helper()
	var all []string
	must(t, r.Installed(q, func(p *Package) error { all = append(all, p.Name); return nil }))
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
	if got := names(t, r, Query{Text: []string{"Summary of b"}}); got != "" {
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

func TestQuery(t *testing.T) {
	r := fresh(t)
	must(t, r.UpdateInstalled(ctx, "1", func(u *InstalledUpdate) error {
		for _, texts := range [][3]string{
			{"Gbrainy", "Brain teaser", "fun"}, {"gcc-c++", "Compiler 100%", `back\slash`}, {"libx_1", `a "quoted" word`, "under_score"},
			{"libxa1", "Écriture ЖЖ", "Übung макет"}, {"x", "音楽 player", "o'brien"},
		} {
			p := pkg(texts[0], "1-1")
			p.Summary, p.Description, p.License, p.Group, p.URL = texts[1], texts[2], "MIT", "office", "http://x/"
			if err := u.Add("digest of "+p.Name, p); err != nil {
				return err
			}
		}
		return nil
	}))
	const all = "Gbrainy gcc-c++ libx_1 libxa1 x"
	tests := []struct {
		q    Query
		want string
	}{
		{Query{}, all},
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
		{Query{Text: []string{"mit"}}, all},
		{Query{Text: []string{"OFFICE"}}, all},
		{Query{Text: []string{"http"}}, ""},
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
		{Query{Text: []string{"teaser"}, Or: []string{"x", "lib%", `"`}}, "Gbrainy x"},
		{Query{Text: []string{"teaser", "compiler"}, Or: []string{"libx_1", "gcc-c++"}}, "gcc-c++ libx_1"},
		{Query{Text: []string{"e"}, Or: []string{"gone"}}, "Gbrainy gcc-c++ libx_1 libxa1 x"},
		{Query{Text: []string{"音"}, Or: []string{"X"}}, "x"},
		{Query{Text: []string{"teaser"}, Or: []string{"x"}, In: []string{"brain"}}, "Gbrainy"},
		{Query{In: []string{"gcc"}, Or: []string{"x"}}, "gcc-c++"},
		{Query{Among: []string{"digest of x", "digest of libx_1", "gone", "gcc-c++"}}, "libx_1 x"},
		{Query{Among: []string{}}, ""},
		{Query{Among: []string{"digest of x", "digest of libx_1"}, In: []string{"lib"}}, "libx_1"},
		{Query{Among: []string{"digest of gcc-c++"}, Text: []string{"teaser"}, Or: []string{"gcc-c++", "x"}}, "gcc-c++"},
	}
	for _, tt := range tests {
		if got := names(t, r, tt.q); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.q, got, tt.want)
		}
	}
	must(t, r.Conclude(&Transaction{Plan: []Planned{{NEVRA: pkg("x", "1-1").NEVRA, Source: "usb"}}}, Done))
	want := Package{NEVRA: pkg("x", "1-1").NEVRA, Summary: "音楽 player", Description: "o'brien", License: "MIT", Group: "office", URL: "http://x/", Size: 5, Source: "usb", Installed: true}
	if got, err := r.InstalledByName("x"); len(got) != 1 || got[0] != want || err != nil {
		t.Errorf("x is %+v, %v, want %+v", got, err, want)
	}
	stop := errors.New("stop")
	calls := 0
	if err := r.Installed(Query{}, func(*Package) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("%v after %d packages, want yield's own error after the first", err, calls)
	}
	if got := names(t, r, Query{Name: "x"}); got != "x" {
		t.Errorf("after a list that was broken off: %s", got)
	}
}

// The versions that are held in memory are those that are installed, whoever changed them.
func TestInstalledVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	r, other := open(t, path), open(t, path)
	check := func(when, want string) {
		t.Helper()
		all, err := r.InstalledVersions()
		must(t, err)
		var got []string
		for name, versions := range all {
			for _, v := range versions {
				if v.Name != name {
					t.Errorf("%s: %s is among those of %s", when, v, name)
				}
				got = append(got, v.String())
			}
		}
		slices.Sort(got)
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	check("at first", "")
	update(t, r, "s1", "a")
	check("after a change of our own", "a-1-1.noarch")
	update(t, other, "s2", "a", "b")
	check("after another's", "a-1-1.noarch b-1-1.noarch")
	must(t, r.UpdateInstalled(ctx, "s3", func(u *InstalledUpdate) error {
		u.Known("a")
		return errors.Join(u.Add("k1", pkg("kernel", "1-1")), u.Add("k2", pkg("kernel", "3:2-1")))
	}))
	check("two versions of one", "a-1-1.noarch kernel-1-1.noarch kernel-3:2-1.noarch")
	failure := errors.New("rpm is writing")
	if err := r.UpdateInstalled(ctx, "s4", func(u *InstalledUpdate) error { must(t, u.Add("c", pkg("c", "1-1"))); return failure }); !errors.Is(err, failure) {
		t.Error(err)
	}
	check("after a failure", "a-1-1.noarch kernel-1-1.noarch kernel-3:2-1.noarch")
	// A connection begins to count anew: its version may be what it was in a file that was replaced.
	r.versions = &versions{must1(r.Version())(t), nil}
	must(t, r.Close())
	must(t, r.open(ctx))
	check("after it was opened anew", "a-1-1.noarch kernel-1-1.noarch kernel-3:2-1.noarch")
}

func TestSources(t *testing.T) {
	r := fresh(t)
	of := func(source string) (tree.Index, [][]byte) {
		x, files, err := tree.EncodeIndex([][][]byte{{[]byte(source + "\n")}, {[]byte("second\n")}})
		must(t, err)
		return x, files
	}
	school, schools := of("school")
	usb, usbs := of("usb")
	newer, newers := of("newer")
	kept := func(source, folder string, x tree.Index, number int) string {
		t.Helper()
		lines := ""
		ok, err := r.KeptShard(source, folder, x, number, func(body []byte) error {
			return x.Lines(number, body, func(line []byte) error { lines += string(line); return nil })
		})
		if must(t, err); !ok {
			return "none"
		}
		return strings.TrimSpace(lines)
	}
	if got := kept("school", "references", school, 0); got != "none" {
		t.Errorf("nothing was kept, and there is %s", got)
	}
	for range 2 { // twice is no harm
		must(t, r.KeepShard(ctx, "school", "references", school, 0, schools[0]))
	}
	must(t, r.KeepShard(ctx, "school", "references", school, 1, schools[1]))
	must(t, r.KeepShard(ctx, "school", "capabilities", usb, 0, usbs[0]))
	must(t, r.KeepShard(ctx, "usb", "references", usb, 0, usbs[0]))
	for _, tt := range []struct {
		source, folder string
		x              tree.Index
		number         int
		want           string
	}{
		{"school", "references", school, 0, "school"}, {"school", "references", school, 1, "second"}, {"school", "references", usb, 0, "none"},
		{"school", "capabilities", usb, 0, "usb"}, {"school", "capabilities", usb, 1, "none"}, {"usb", "references", usb, 0, "usb"}, {"usb", "capabilities", usb, 0, "none"},
	} {
		if got := kept(tt.source, tt.folder, tt.x, tt.number); got != tt.want {
			t.Errorf("%s of %s, %d: %s, want %s", tt.folder, tt.source, tt.number, got, tt.want)
		}
	}

	// What a source lists now: the shards of its earlier indexes go, and nobody else's.
	file := Remote{"etag", []byte("body"), time.Unix(7, 0)}
	must(t, r.SetListing(ctx, "school", map[string]Remote{"http://x/p": file, "http://x/q": {Body: []byte("q")}}, []string{newer.Root, usb.Root}))
	for url, want := range map[string]Remote{"http://x/p": file, "http://x/q": {Body: []byte("q"), Checked: time.Time{}}} {
		got, ok, err := r.Remote(url, func(body []byte) error {
			if string(body) != string(want.Body) {
				t.Errorf("%s is %q", url, body)
			}
			return nil
		})
		if !ok || err != nil || got.Validator != want.Validator || string(got.Body) != string(want.Body) || !got.Checked.Equal(want.Checked) {
			t.Errorf("%s: %+v, %v, %v", url, got, ok, err)
		}
	}
	if _, ok, err := r.Remote("http://x/r", nil); ok || err != nil {
		t.Errorf("a file that was never seen: %v, %v", ok, err)
	}
	file.Validator, file.Checked = "", time.Unix(8, 0)
	must(t, r.SetListing(ctx, "school", map[string]Remote{"http://x/p": file}, []string{newer.Root, usb.Root}))
	if got, _, err := r.Remote("http://x/p", nil); err != nil || got.Validator != "" || !got.Checked.Equal(file.Checked) {
		t.Errorf("after it was seen again: %+v, %v", got, err)
	}
	if a, b, c, d := kept("school", "references", school, 0), kept("school", "references", school, 1), kept("school", "capabilities", usb, 0), kept("usb", "references", usb, 0); a != "none" || b != "none" || c != "usb" || d != "usb" {
		t.Errorf("after a new listing: %s, %s, %s, %s", a, b, c, d)
	}
	// A shard of an earlier index stays until the newer one is listed.
	must(t, r.KeepShard(ctx, "usb", "references", newer, 0, newers[0]))
	if a, b := kept("usb", "references", newer, 0), kept("usb", "references", usb, 0); a != "newer" || b != "usb" {
		t.Errorf("beside a newer one: %s, %s", a, b)
	}
	must(t, r.SetListing(ctx, "usb", nil, []string{newer.Root}))
	if a, b := kept("usb", "references", newer, 0), kept("usb", "references", usb, 0); a != "newer" || b != "none" {
		t.Errorf("after a newer one: %s, %s", a, b)
	}
	must(t, r.KeepSources(ctx, []string{"usb"}, []string{`odd "id"`}))
	if a, b := kept("school", "capabilities", usb, 0), kept("usb", "references", newer, 0); a != "none" || b != "newer" {
		t.Errorf("after a source is gone: %s, %s", a, b)
	}
	// Where nothing changes, nothing is written: another process may be at it.
	release := writing(t, r.path)
	must(t, r.KeepSources(ctx, []string{"usb"}, []string{`odd "id"`}))
	release()
	must(t, r.SetListing(ctx, "usb", nil, nil))
	must(t, r.KeepSources(ctx, nil, nil))
	var n int
	if must(t, r.db.QueryRow("SELECT count(*) FROM shard").Scan(&n)); n != 0 {
		t.Errorf("without sources there are %d shards", n)
	}
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
	go func() { second <- two.SetListing(ctx, "school", nil, nil) }()
	select {
	case err := <-second:
		t.Errorf("a write did not wait for another: %v", err)
	default:
	}
	close(release)
	must(t, <-written)
	must(t, <-second)
	if got := names(t, two, Query{}); got != "b" {
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
			for i := range 500 { // more than fits into the page cache, so that some of it is in the file already
				if _, err := tx.Exec("INSERT INTO remote (url, validator, body, checked, sum) VALUES (?, '', ?, 0, 0)", fmt.Sprint("new-", i), make([]byte, 1000)); err != nil {
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
		if got := names(t, r, Query{}); got != "a b" {
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
