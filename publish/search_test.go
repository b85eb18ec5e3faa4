// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// many is a repository of so many packages, whose names are long; changed says which of them have
// another version.
func many(n int, changed map[int]int) pkgs {
	all := pkgs{base}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		all = append(all, repotest.Package{NEVRA: fmt.Sprintf("p%d-%x-%x-%d-1.noarch", i, random.Uint64(), random.Uint64(), changed[i])})
	}
	return all
}

// laptop is a search file that a laptop has, by name.
type laptop map[string][]string

func (l laptop) content() string {
	var lines [][]byte
	for _, of := range l {
		for _, line := range of {
			lines = append(lines, []byte(line))
		}
	}
	return tree.ContentOf(tree.SortLines(lines))
}

// follow brings it up to date by a difference.
func (l laptop) follow(t *testing.T, o Options, s tree.Search) {
	t.Helper()
	d := s.From(l.content())
	if d == nil {
		t.Fatalf("there is no difference from %s among %+v", l.content(), s.Differences)
	}
	data, err := os.ReadFile(filepath.Join(o.Output, o.Platform, d.Path))
	if err == nil {
		err = d.Check(data)
	}
	changed := make(laptop)
	if err == nil {
		err = tree.SearchLines(bytes.NewReader(data), tree.MaxUnpacked, func(line []byte) error {
			name := string(tree.NameOf(line))
			if string(line) == name {
				changed[name] = nil
			} else {
				changed[name] = append(changed[name], string(line))
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(l, changed)
	if l.content() != s.Content {
		t.Error("the difference leads elsewhere")
	}
}

// A laptop that comes rarely brings its search file up to date by one difference, though the files
// that lay between are gone.
func TestDifferences(t *testing.T) {
	o := options(t)
	var laptops []laptop
	for day := range tree.MaxDifferences + 3 {
		o.Now = noon.Add(time.Duration(day) * 24 * time.Hour)
		packages := many(80, map[int]int{day % 3: day + 1})
		if day%2 == 1 { // one comes and goes
			packages = append(packages, repotest.Package{NEVRA: "odd-1-1.noarch", Obsoletes: []string{"p3 < 0"}})
		}
		p := openRepo(t, packages)
		if r := mustBuild(t, p, o); !r.Changed {
			t.Fatal("nothing has changed")
		}
		found := mustFollow(t, o)
		s := found.platform.Search
		if len(s.Differences) != min(day, tree.MaxDifferences) {
			t.Fatalf("day %d: %d differences", day, len(s.Differences))
		}
		for i, l := range slices.Backward(laptops) {
			if i < day-tree.MaxDifferences {
				if s.From(l.content()) != nil {
					t.Errorf("day %d: there is a difference from day %d", day, i)
				}
				continue
			}
			maps.Clone(l).follow(t, o, s)
		}
		laptops = append(laptops, laptop(found.lines))
		// The files themselves go after the time that they are valid for.
		files, err := filepath.Glob(filepath.Join(o.Output, o.Platform, "search", "*"))
		if err != nil || len(files) > 3*(tree.MaxDifferences+1) {
			t.Errorf("day %d: %d files: %v", day, len(files), err)
		}
		if r := mustBuild(t, p, o); r.Changed {
			t.Error("the same packages are a change")
		}
	}
	// What is as it was some days ago needs no difference from that.
	p := openRepo(t, many(80, map[int]int{0: 7}))
	mustBuild(t, p, o)
	s := mustFollow(t, o).platform.Search
	if s.Content != laptops[6].content() || s.From(s.Content) != nil || len(s.Differences) == 0 {
		t.Errorf("%d differences of %s", len(s.Differences), s.Content)
	}
	// A file that is gone is written again, and what can't be told any more isn't.
	old := s.Differences
	if err := os.Remove(filepath.Join(o.Output, o.Platform, s.Path)); err != nil {
		t.Fatal(err)
	}
	mustBuild(t, p, o)
	if s := mustFollow(t, o).platform.Search; len(s.Differences) != 0 || s.Content != laptops[6].content() {
		t.Errorf("%d differences, of %d", len(s.Differences), len(old))
	}
	// Where most have changed, the whole costs no more.
	changed := make(map[int]int)
	for i := range 100 {
		changed[i] = 100
	}
	mustBuild(t, openRepo(t, many(80, changed)), o)
	if s := mustFollow(t, o).platform.Search; len(s.Differences) != 0 {
		t.Errorf("%+v", s.Differences)
	}
}

// Texts that change have a difference, too, and those that don't stay as they are.
func TestDifferencesOfTexts(t *testing.T) {
	o := options(t)
	texts := func(changed string) string {
		var all strings.Builder
		random := rand.New(rand.NewPCG(1, 2))
		for i, one := range many(100, nil)[1:] {
			name := strings.TrimSuffix(one.NEVRA, "-0-1.noarch")
			summary := fmt.Sprint(random.Uint64(), random.Uint64())
			if i == 50 {
				summary = changed
			}
			for _, language := range []string{"de", "de_AT", "fr"} {
				if language == "fr" && i == 50 {
					continue
				}
				fmt.Fprintf(&all, `<component><pkgname>%s</pkgname><summary xml:lang="%s">%s</summary></component>`, name, language, summary)
			}
		}
		return all.String()
	}
	var was *published
	for _, text := range []string{"eins", "zwei"} {
		repository := repotest.New(t, many(100, nil)...)
		withTexts(t, repository, texts(text))
		mustBuild(t, open(t, repotest.URL(repository)), o)
		found := mustFollow(t, o)
		if was != nil {
			for language, s := range found.texts {
				if before := was.texts[language]; (s.Content == before.Content) != (language == "fr") || (s.From(before.Content) != nil) != (language != "fr") {
					t.Errorf("%s: %+v, before: %+v", language, s, before)
				}
			}
			if found.platform.Search.Path != was.platform.Search.Path || len(found.platform.Search.Differences) > 0 {
				t.Error("the search file has changed with the texts")
			}
		}
		was = found
	}
}

// What a version before has published is gone on from: the serial grows, and what was told is kept
// until it expires.
func TestAfterAnOlderVersion(t *testing.T) {
	o := options(t)
	dir := filepath.Join(o.Output, o.Platform)
	old := map[string]string{
		"platform.json":                        `{"format":1,"platform":"test-1-x86_64","arch":"x86_64","serial":41,"expires":"2026-11-23T12:00:00Z","catalogue":[]}`,
		"catalogue/0123456789abcdef.jsonl.zst": "x", "capabilities/0123456789abcdef.jsonl.zst": "x", "texts/de@0123456789abcdef.json": "x",
	}
	for name, content := range old {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	delete(old, "platform.json")
	p := openRepo(t, first)
	for _, hours := range []int{0, 71, 73} {
		o.Now = noon.Add(time.Duration(hours) * time.Hour)
		if r := mustBuild(t, p, o); r.Serial != 42 {
			t.Errorf("the serial is %d", r.Serial)
		}
		mustFollow(t, o)
		for name := range old {
			if exists(filepath.Join(dir, name)) != (hours < 72) {
				t.Errorf("after %d hours: is %s there? %v", hours, name, hours >= 72)
			}
		}
	}
	newer, err := json.Marshal(map[string]any{"format": tree.Format + 1, "serial": 50})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "platform.json"), newer, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), p, p.Names(), o); err == nil || !strings.Contains(err.Error(), "update packagekit-backend-presolve") {
		t.Errorf("after a newer version: %v", err)
	}
}

// A folder that is named by its content is there as a whole or not at all, whenever what writes and
// removes it is killed.
func TestAFolderAppearsAndGoesAsAWhole(t *testing.T) {
	dir := t.TempDir()
	was := [][]byte{[]byte("a"), []byte("b")}
	begin := func() *folder {
		t.Helper()
		f := newFolder(dir, []string{"", "all/"}, func(string) error { return nil })
		if err := f.removeLeftovers(); err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, kill := range []bool{true, false} {
		f := begin()
		if err := f.addAll("all/x", was); err != nil {
			t.Fatal(err)
		}
		if exists(f.path("all/x")) {
			t.Error("it is seen before it is whole")
		}
		if kill { // in the middle
			if err := os.Remove(filepath.Join(f.aside("all/x"), "1")); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := f.commit(); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	f := begin()
	if err := f.each(func(name string) error { seen = append(seen, name); return nil }); err != nil || !slices.Equal(seen, []string{"all/x"}) {
		t.Error(seen, err)
	}
	if data, err := os.ReadFile(f.path("all/x/1")); err != nil || string(data) != "b" {
		t.Error(string(data), err)
	}
	if err := os.Rename(f.path("all/x"), f.aside("all/x")); err != nil { // killed when it was about to go
		t.Fatal(err)
	}
	f = begin()
	if err := f.addAll("all/x", was); err != nil || f.commit() != nil {
		t.Fatal(err)
	}
	if err := f.remove("all/x"); err != nil || exists(f.path("all/x")) || exists(f.aside("all/x")) {
		t.Error(err)
	}
	if err := begin().addAll("all/x", was); err != nil {
		t.Fatal(err)
	}
	if f := begin(); exists(f.aside("all/x")) {
		t.Error("what was written aside is left")
	}
}
