// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Programs in the record of realRecord, each with ten packages that only it needs.
const (
	programs = 8 // so many that tables have several pages
	few      = 2 // where that doesn't matter
)

// school is their source. Its name is so long that few rows fill a page.
var school = "school-" + strings.Repeat("of-the-village-", 15)

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func program(i int) string { return fmt.Sprintf("%c-program-%d", 'a'+i%26, i) }

func partsOf(i int) (all []string) {
	for n := range 10 {
		all = append(all, fmt.Sprintf("%c-part-%d-%d", 'a'+(i+n)%26, i, n))
	}
	return append(all, program(i))
}

// installEverything reads what realRecord has installed from an RPM database, whose state is told.
func installEverything(t testing.TB, r *Record, state string, programs int) {
	all := []string{"bash", "glibc", "by-hand"}
	for i := range programs {
		all = append(all, partsOf(i)...)
	}
	must(t, r.UpdateInstalled(ctx, state, func(u *InstalledUpdate) error {
		for _, name := range all {
			if !u.Known(name) {
				if err := u.Add(name, pkg(name, "1-1")); err != nil {
					return err
				}
			}
		}
		return nil
	}))
}

// references are the shards of an index that leads to the trees of programs.
func references(t testing.TB, trees []tree.Ref) (tree.Index, [][]byte) {
	t.Helper()
	shards := make([][][]byte, 4)
	for i, ref := range trees {
		line, err := (&tree.Reference{NEVRA: pkg(program(i), "1-1").NEVRA, Summary: "x", Tree: ref}).Line()
		must(t, err)
		n := tree.Shard(program(i), len(shards))
		shards[n] = append(shards[n], line)
	}
	x, files, err := tree.EncodeIndex(shards)
	must(t, err)
	return x, files
}

// realRecord makes a record that has some of everything.
func realRecord(t testing.TB, path string, programs int) {
	t.Helper()
	whole, made := realRecords.Load(programs)
	if !made {
		path := filepath.Join(t.TempDir(), "whole.db")
		makeRealRecord(t, path, programs)
		body, err := os.ReadFile(path)
		must(t, err)
		whole, _ = realRecords.LoadOrStore(programs, body)
	}
	must(t, os.WriteFile(path, whole.([]byte), 0o600))
}

// realRecords are the files of those that were made, by their number of programs.
var realRecords sync.Map

func makeRealRecord(t testing.TB, path string, programs int) {
	t.Helper()
	r, err := Open(ctx, path)
	must(t, err)
	installEverything(t, r, "s1", programs)
	dictionary, packer := packing(t)
	must(t, r.KeepPublished(ctx, digest(dictionary), dictionary, nil))
	var trees []tree.Ref
	for i := range programs {
		kept := &tree.Tree{Format: tree.Format, Platform: "p", Name: program(i)}
		plan := &Transaction{Began: time.Unix(int64(i), 0), Command: "install-packages"}
		for _, name := range partsOf(i) {
			p := tree.Package{NEVRA: pkg(name, "1-1").NEVRA, Summary: "Summary of " + name, Size: 1, SHA256: digest([]byte(name)), Location: "rpms/" + name + ".rpm"}
			kept.Packages = append(kept.Packages, p)
			plan.Plan = append(plan.Plan, Planned{NEVRA: p.NEVRA, Source: school, Asked: name == program(i), By: []string{program(i)}})
		}
		body, err := kept.Encode()
		if i%2 == 0 {
			body, err = packer.Tree(kept)
		}
		must(t, err)
		trees = append(trees, tree.NewRef("trees/x@", body, ".json"))
		must(t, r.KeepPublished(ctx, trees[i].SHA256, body, kept.Packages))
		must(t, r.Begin(ctx, plan))
		must(t, r.SetState(plan, Installing))
		must(t, r.Conclude(plan, Done))
	}
	unfinished := &Transaction{Began: time.Unix(99, 0), Command: "remove-packages", Plan: []Planned{{NEVRA: pkg(program(0), "1-1").NEVRA, Removed: true}}}
	must(t, r.Begin(ctx, unfinished))
	x, files := references(t, trees)
	for i, body := range files {
		must(t, r.KeepShard(ctx, school, "references", x, i, body))
	}
	body, err := (&tree.Platform{References: x}).Encode()
	must(t, err)
	must(t, r.SetListing(ctx, school, map[string]Remote{platformURL: {Validator: `"1"`, Body: body, Checked: time.Unix(5, 0)}}, []string{x.Root}))
	must(t, r.Close())
}

// packing is a dictionary of trees as realRecord has them, and what packs by it.
func packing(t testing.TB) ([]byte, *tree.Packer) {
	t.Helper()
	dictionary, err := tree.EncodeDictionary(bytes.Repeat([]byte("Summary of part-program-"), 20))
	must(t, err)
	packer, err := tree.NewPacker(dictionary)
	must(t, err)
	return dictionary, packer
}

const platformURL = "http://school/platform.json"

// readEverything calls all methods that read, and tells what the record has.
func readEverything(r *Record) (owned map[string]OwnPackage, err error) {
	fail := func(e error) {
		if err == nil {
			err = e
		}
	}
	for _, q := range []Query{
		{}, {Name: program(1)}, {In: []string{"program"}}, {Text: []string{"summary", "pa"}, Or: []string{"bash"}}, {Among: []string{"bash"}},
	} {
		fail(r.Installed(q, func(*Package) error { return nil }))
	}
	_, e := r.Version()
	fail(e)
	_, e = r.RPMState()
	fail(e)
	_, e = r.InstalledVersions()
	fail(e)
	_, e = r.Size()
	fail(e)
	_, e = r.Programs(program(1))
	fail(e)
	_, e = r.TreesWith(program(1), "1-1", "noarch")
	fail(e)
	_, e = r.Unused(ctx, nil)
	fail(e)
	_, e = r.Unfinished()
	fail(e)
	_, e = r.Meant(pkg(program(1), "1-1").NEVRA)
	fail(e)
	_, e = r.NotRemoved()
	fail(e)
	_, _, e = r.CountInstalled()
	fail(e)
	_, e = readKept(r)
	fail(e)
	all, e := r.OwnPackages()
	fail(e)
	owned = make(map[string]OwnPackage)
	for _, o := range all {
		owned[o.Name] = o
	}
	return owned, err
}

// readKept reads what is kept as it came as package offers does, and tells what of realRecord's there
// is: platform.json with its validator, how many trees, and how many programs the shards lead to.
func readKept(r *Record) (is string, err error) {
	trees, err := r.Trees()
	if err != nil {
		return "", err
	}
	for _, sha256 := range trees {
		if t, err := r.Tree(sha256); err != nil || t == nil || !strings.Contains(t.Name, "-program-") {
			return "", fmt.Errorf("a tree is %v: %w", t, err)
		}
	}
	var x tree.Index
	remote, ok, err := r.Remote(platformURL, func(body []byte) error {
		var p tree.Platform
		defer func() { x = p.References }()
		return json.Unmarshal(body, &p)
	})
	if err != nil || !ok {
		return fmt.Sprint(len(trees), " trees"), err
	}
	shards, lines := 0, 0
	for number := range x.Shards {
		ok, err := r.KeptShard(school, "references", x, number, func(body []byte) error {
			return x.Lines(number, body, func(line []byte) error {
				lines++
				_, err := x.ParseReference(number, line)
				return err
			})
		})
		if err != nil {
			return "", err
		}
		if ok {
			shards++
		}
	}
	return fmt.Sprintf("%d trees, %s of %d, %d shards with %d references", len(trees), remote.Validator, remote.Checked.Unix(), shards, lines), nil
}

// mended opens a damaged record as the helper does, reads everything, and rebuilds it where damage
// shows.
func mended(t testing.TB, path string) (r *Record, s *Salvage) {
	t.Helper()
	r, err := Open(ctx, path)
	if errors.Is(err, ErrDamaged) {
		r, s, err = Rebuild(ctx, path)
	}
	must(t, err)
	t.Cleanup(func() { r.Close() })
	for range 2 {
		if _, err = readEverything(r); err == nil {
			var problems []string
			if problems, err = r.Check(ctx); err == nil && problems == nil {
				break
			}
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		if s != nil {
			t.Fatalf("a record that was rebuilt is damaged: %v", err)
		}
		s, err = r.Rebuild(ctx)
		must(t, err)
		if s == nil {
			t.Fatal("nothing was rebuilt")
		}
	}
	return r, s
}

func pages(t testing.TB, path, where string) (all []int64) {
	t.Helper()
	db, err := connect(path, "")
	must(t, err)
	defer db.Close()
	rows, err := db.Query("SELECT pageno FROM dbstat WHERE " + where + " ORDER BY pageno")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var n int64
		must(t, rows.Scan(&n))
		all = append(all, n)
	}
	if len(all) == 0 {
		t.Fatalf("no page has %s", where)
	}
	return all
}

const pageSize = 4096

func overwrite(t testing.TB, path string, at int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(b, at)
	must(t, errors.Join(err, f.Close()))
}

func garbage(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// A damage is done to a closed record.
type damage struct {
	name string
	do   func(t *testing.T, path string)
	none bool // it does no harm: nothing is rebuilt
	lost bool // what this backend installed is lost, with the journal and the trees that would tell
	gone int  // so many packages that this backend installed may be lost
	kept bool // nothing is lost but what can be had from the tables that are left
}

func size(t testing.TB, path string) int64 {
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}

// wipe overwrites pages that hold something.
func wipe(where string, pick func(all []int64) []int64) func(t *testing.T, path string) {
	return func(t *testing.T, path string) {
		for _, n := range pick(pages(t, path, where)) {
			overwrite(t, path, (n-1)*pageSize, make([]byte, pageSize))
		}
	}
}

func first(all []int64) []int64 { return all[:1] }

func every(all []int64) []int64 { return all }

var damages = []damage{
	{name: "none", do: func(*testing.T, string) {}, none: true},
	{name: "first bytes", do: func(t *testing.T, path string) { overwrite(t, path, 0, make([]byte, 16)) }, kept: true},
	{name: "header", do: func(t *testing.T, path string) { overwrite(t, path, 0, garbage(1, 100)) }, kept: true},
	{name: "first page", do: func(t *testing.T, path string) { overwrite(t, path, 0, make([]byte, pageSize)) }, kept: true},
	{name: "all of the schema", do: wipe("name = 'sqlite_schema'", every), kept: true},
	{name: "version", do: func(t *testing.T, path string) { overwrite(t, path, 60, []byte{255, 0, 0, 1}) }, kept: true},
	// As if an older version had made it: what the sources have goes.
	{name: "version of an older one", do: func(t *testing.T, path string) { overwrite(t, path, 60, []byte{0, 0, 0, 1}) }, none: true},
	{name: "half", do: func(t *testing.T, path string) { must(t, os.Truncate(path, size(t, path)/2/pageSize*pageSize)) }, gone: programs * 11},
	{name: "half of a page", do: func(t *testing.T, path string) { must(t, os.Truncate(path, size(t, path)-pageSize/2)) }, gone: programs * 11},
	{name: "100 bytes", do: func(t *testing.T, path string) { must(t, os.Truncate(path, 100)) }, lost: true},
	{name: "nothing", do: func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, lost: true},
	{name: "another file", do: func(t *testing.T, path string) { must(t, os.WriteFile(path, garbage(2, 50000), 0o644)) }, lost: true},
	{name: "text", do: func(t *testing.T, path string) {
		must(t, os.WriteFile(path, bytes.Repeat([]byte("text\n"), 9999), 0o644))
	}, lost: true},
	{name: "garbage in the log", do: func(t *testing.T, path string) { must(t, os.WriteFile(path+"-wal", garbage(3, 30000), 0o644)) }, none: true},
	{name: "garbage in the index of the log", do: func(t *testing.T, path string) { must(t, os.WriteFile(path+"-shm", garbage(4, 32768), 0o644)) }, none: true},
	{name: "a page of own", do: wipe("name = 'own' AND pagetype = 'leaf'", first), kept: true},
	{name: "the root of own", do: wipe("name = 'own' AND pagetype = 'internal'", first), kept: true},
	{name: "all of own and needed", do: wipe("name IN ('own', 'needed')", every), kept: true},
	{name: "own, needed and the journal", do: wipe("name IN ('own', 'needed', 'journal')", every)},
	{name: "own, needed and the trees", do: wipe("name IN ('own', 'needed', 'published')", every), kept: true},
	{name: "own, the journal and the trees", do: wipe("name IN ('own', 'journal', 'published')", every), lost: true},
	// Nothing else would tell: the rest of some six pages is left.
	{name: "two pages of own, the journal and the trees", do: func(t *testing.T, path string) {
		wipe("name = 'own' AND pagetype = 'leaf'", func(all []int64) []int64 { return []int64{all[0], all[len(all)-1]} })(t, path)
		wipe("name IN ('journal', 'published')", every)(t, path)
	}, gone: 36},
	{name: "a page of trees", do: wipe("name = 'published' AND pagetype = 'leaf'", first), kept: true},
	{name: "the journal", do: wipe("name = 'journal'", every)},
	{name: "the shards", do: wipe("name = 'shard'", every), kept: true},
	{name: "an index", do: wipe("name = 'installed_name'", every), kept: true},
	{name: "an index of texts", do: wipe("name = 'installed_text_data'", every), kept: true},
	{name: "the installed packages", do: wipe("name = 'installed'", every), kept: true},
}

func TestDamage(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "record.db")
	realRecord(t, whole, programs)
	bytes, err := os.ReadFile(whole)
	must(t, err)
	all := damages
	for seed := range uint64(8) { // a page in the middle, zeros or garbage
		all = append(all, damage{name: fmt.Sprint("page by seed ", seed), gone: programs * 11, do: func(t *testing.T, path string) {
			r := rand.New(rand.NewPCG(seed, 1))
			for range 1 + seed/3 {
				page := garbage(seed, pageSize)
				if seed%2 == 0 {
					clear(page)
				}
				overwrite(t, path, r.Int64N(int64(len(bytes))/pageSize)*pageSize, page)
			}
		}})
	}
	for _, d := range all {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			path := inFolder(t)
			must(t, os.WriteFile(path, bytes, 0o644))
			d.do(t, path)
			r, s := mended(t, path)
			if (s == nil) != d.none && d.gone == 0 {
				t.Fatalf("rebuilt: %v", s)
			}
			t.Log(s)
			if state, err := r.RPMState(); s != nil && (state != "" || err != nil) {
				t.Errorf("the installed packages are said to be known: %q, %v", state, err)
			}
			installEverything(t, r, "s1", programs)
			owned, err := readEverything(r)
			must(t, err)
			if problems, err := r.Check(ctx); problems != nil || err != nil {
				t.Errorf("afterwards: %q, %v", problems, err)
			}
			for name, o := range owned {
				if want := o.By; len(want) != 1 || o.Source != school || o.Asked != (name == want[0]) {
					t.Errorf("%s: %q, %v, %q", name, o.Source, o.Asked, o.By)
				}
			}
			for _, name := range []string{"bash", "by-hand"} {
				if _, is := owned[name]; is {
					t.Errorf("%s has become this backend's own", name)
				}
			}
			switch want := programs * 11; {
			case d.lost && len(owned) > 0:
				t.Errorf("%d packages are known to be this backend's: from where?", len(owned))
			case !d.lost && len(owned) < want-d.gone:
				t.Errorf("%d packages of %d are known to be this backend's", len(owned), want)
			}
			if unfinished, err := r.Unfinished(); d.kept && (len(unfinished) != 1 || unfinished[0].Plan[0].Name != program(0)) || err != nil {
				t.Errorf("unfinished are %v, %v", unfinished, err)
			}
			if d.kept {
				want := keptOf(programs)
				if slices.Contains(s.Lost, "published") { // less than all trees
					_, want, _ = strings.Cut(want, " ")
				}
				if slices.Contains(s.Lost, "shard") {
					want = strings.Replace(want, fmt.Sprintf("4 shards with %d", programs), "0 shards with 0", 1)
				}
				if got, err := readKept(r); !strings.HasSuffix(got, want) || err != nil {
					t.Errorf("kept is %s, %v, want %s", got, err, want)
				}
			}
			aside, err := os.ReadFile(path + aside)
			if s != nil && err != nil || s == nil && err == nil {
				t.Errorf("set aside were %d bytes, %v", len(aside), err)
			}
			left, _ := filepath.Glob(path + ".*")
			if s != nil && len(left) > 3 || slices.ContainsFunc(left, func(name string) bool { return filepath.Ext(name) == building || filepath.Ext(name) == patched }) {
				t.Errorf("left over: %q", left)
			}
			update(t, r, "s2", slices.Sorted(maps.Keys(owned))...) // it can be written to
		})
	}
}

// keptOf is what readKept says of realRecord's.
func keptOf(programs int) string {
	return fmt.Sprintf(`%d trees, "1" of 5, 4 shards with %d references`, programs, programs)
}

// A record that was rebuilt has its tables where a new one has them, so that the loss of its first
// page is no loss either.
func TestRebuiltTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	realRecord(t, path, programs)
	before := pages(t, path, "name = 'sqlite_schema'")
	for range 2 {
		wipe("name = 'sqlite_schema'", every)(t, path)
		r, s := mended(t, path)
		if s == nil || s.Own != programs*11 || s.Trees != programs+1 || s.Shards != 4 || s.Transactions != programs+1 || s.Lost != nil {
			t.Errorf("%v", s)
		}
		must(t, r.Close())
		if after := pages(t, path, "name = 'sqlite_schema'"); !slices.Equal(after, before) {
			t.Errorf("the schema is in the pages %d, and was in %d", after, before)
		}
	}
	r := open(t, path)
	if got, err := readKept(r); got != keptOf(programs) || err != nil {
		t.Errorf("kept is %s, %v", got, err)
	}
	installEverything(t, r, "s2", programs)
	if got := names(t, r, Query{Text: []string{"of " + program(3)}}); got != program(3) { // by the index of texts
		t.Errorf("installed are %q", got)
	}
}

// What Rebuild makes is a whole record whatever was done to the old one, and no method panics.
func FuzzDamage(f *testing.F) {
	whole := filepath.Join(f.TempDir(), "record.db")
	realRecord(f, whole, few)
	record, err := os.ReadFile(whole)
	must(f, err)
	f.Add(uint32(0), []byte("x"), uint32(0))
	f.Add(uint32(60), []byte{255, 255, 255, 255}, uint32(0)) // the version
	f.Add(uint32(24), []byte{255, 255, 255, 255}, uint32(0))
	f.Add(uint32(4096+3), []byte{0, 200}, uint32(0))
	f.Add(uint32(90000), []byte{1}, uint32(100000))
	f.Fuzz(func(t *testing.T, at uint32, flips []byte, end uint32) {
		damaged := slices.Clone(record)
		for i, b := range flips { // spread over the file
			damaged[(int(at)+i*i*997)%len(damaged)] ^= b
		}
		if end > 0 {
			damaged = damaged[:int(end)%len(damaged)]
		}
		path := inFolder(t)
		must(t, os.WriteFile(path, damaged, 0o644))
		r, err := Open(ctx, path)
		switch {
		case errors.Is(err, ErrDamaged):
			if r, _, err = Rebuild(ctx, path); err != nil {
				t.Fatal(err)
			}
		case err != nil: // e.g. a newer version
			t.Skip(err)
		}
		defer r.Close()
		if _, err := readEverything(r); err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("not known for damage: %v", err)
		}
		r.suspect = true
		_, err = r.Rebuild(ctx)
		must(t, err)
		installEverything(t, r, "s1", few)
		_, err = readEverything(r)
		must(t, err)
		if problems, err := r.Check(ctx); problems != nil || err != nil {
			t.Errorf("afterwards: %q, %v", problems, err)
		}
	})
}

// Two processes have the record open. What one of them rebuilds the other takes over, and nothing
// that it has to write down is lost.
func TestRebuildBesideAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	realRecord(t, path, few)
	one, two := open(t, path), open(t, path)
	must(t, two.UpdateInstalled(ctx, "s1", func(u *InstalledUpdate) error { return u.Add("new", pkg("new", "1-1")) }))
	plan := &Transaction{Began: time.Unix(9, 0), Command: "install-packages", Plan: []Planned{{NEVRA: pkg("by-hand", "1-1").NEVRA, Source: "school", Asked: true}}}
	must(t, two.Begin(ctx, plan))
	must(t, two.SetState(plan, Installing))
	if s, err := one.Rebuild(ctx); s != nil || err != nil {
		t.Errorf("a whole record was rebuilt: %v, %v", s, err)
	}
	one.suspect = true
	s, err := one.Rebuild(ctx)
	must(t, err)
	if s == nil || one.Replaced() || !two.Replaced() {
		t.Fatalf("%v, %v, %v", s, one.Replaced(), two.Replaced())
	}
	if unfinished, err := one.Unfinished(); len(unfinished) != 2 || unfinished[1].State != Installing || err != nil {
		t.Errorf("unfinished are %v, %v", unfinished, err)
	}
	_, err = one.db.Exec("DELETE FROM journal") // as if it had been lost
	must(t, err)
	if err := two.Conclude(plan, Done); !errors.Is(err, ErrDamaged) {
		t.Errorf("written to a file that was set aside: %v", err)
	}
	if s, err := two.Rebuild(ctx); s != nil || err != nil {
		t.Errorf("rebuilt twice: %v, %v", s, err)
	}
	installEverything(t, two, "s2", few)
	must(t, two.Conclude(plan, Done))
	if own, asked, _, err := one.Why(pkg("by-hand", "1-1").NEVRA); !own || !asked || err != nil {
		t.Errorf("the other process knows: %v, %v, %v", own, asked, err)
	}
	must(t, one.Close())
	must(t, two.Close())
	three := open(t, path)
	if own, _, _, err := three.Why(pkg("by-hand", "1-1").NEVRA); !own || err != nil {
		t.Errorf("after both have ended: %v, %v", own, err)
	}
	must(t, os.Remove(path))
	if !three.Replaced() {
		t.Error("a record that was removed isn't noticed")
	}
}

// A power cut in the middle of Rebuild leaves the damaged file, or the new one.
func TestRebuildCutOff(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "record.db")
	realRecord(t, path, few)
	good, err := os.ReadFile(path)
	must(t, err)
	other := filepath.Join(dir, "other.db") // whose log must not get into the new record
	o := open(t, other)
	update(t, o, "s9", "stale")
	log, err := os.ReadFile(other + "-wal")
	must(t, err)
	for name, files := range map[string]map[string][]byte{
		"before anything":          {},
		"while it is made":         {building: good[:5000], building + "-journal": garbage(1, 600), patched: good, aside: []byte("old")},
		"when it is made":          {building: good, aside: garbage(2, 9000)},
		"when it has its name":     {rebuilt: good, "-wal": log},
		"when the log is removed":  {rebuilt: good},
		"when the log has no file": {rebuilt: good, "-wal": log, "": nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := inFolder(t)
			damaged := slices.Clone(good)
			clear(damaged[:pageSize])
			must(t, os.WriteFile(path, damaged, 0o644))
			for suffix, content := range files {
				if content == nil {
					must(t, os.Remove(path+suffix))
					continue
				}
				must(t, os.WriteFile(path+suffix, content, 0o644))
			}
			_, done := files[rebuilt]
			r, s := mended(t, path)
			if (s == nil) != done {
				t.Errorf("%v", s)
			}
			if owned, err := readEverything(r); len(owned) != 0 && !done || err != nil { // they are not read from the RPM database yet
				t.Errorf("%d, %v", len(owned), err)
			}
			installEverything(t, r, "s3", few)
			if owned, err := readEverything(r); len(owned) != few*11 || err != nil {
				t.Errorf("%d packages are this backend's, %v", len(owned), err)
			}
			for _, suffix := range []string{building, patched, rebuilt, building + "-journal"} {
				if _, err := os.Stat(path + suffix); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is left: %v", suffix, err)
				}
			}
		})
	}
}

// What isn't damage: a newer version, no space, somebody else's damaged database.
func TestNotDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	r := open(t, path)
	update(t, r, "s1", "a")
	text := filepath.Join(t.TempDir(), "rpmdb")
	must(t, os.WriteFile(text, garbage(1, 9000), 0o644))
	other, err := connect(text, "")
	must(t, err)
	defer other.Close()
	theirs := other.QueryRow("SELECT 1 FROM sqlite_schema").Err()
	if !damaged(theirs) {
		t.Fatal(theirs)
	}
	if err := r.UpdateInstalled(ctx, "s2", func(*InstalledUpdate) error { return theirs }); err == nil || errors.Is(err, ErrDamaged) || !errors.Is(err, theirs) {
		t.Errorf("RPM's database is damaged: %v", err)
	}
	_, err = r.db.Exec("PRAGMA max_page_count = 1")
	must(t, err)
	full := r.KeepPublished(ctx, digest(make([]byte, 1<<20)), make([]byte, 1<<20), nil)
	if full == nil || errors.Is(full, ErrDamaged) {
		t.Errorf("the disk is full: %v", full)
	}
	_, err = r.db.Exec("PRAGMA user_version = 99")
	must(t, err)
	must(t, r.Close())
	if _, err := Open(ctx, path); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("a newer version: %v", err)
	}
	if r.suspect {
		t.Error("it would be rebuilt")
	}
}
