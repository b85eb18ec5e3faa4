// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// available are the packages that a query is for, with their sources.
func available(t *testing.T, o *Offers, q Query) string {
	t.Helper()
	var all []string
	must(t, o.Available(q, func(p *db.Package) error {
		all = append(all, p.Source+":"+p.NEVRA.String())
		return nil
	}))
	return strings.Join(all, " ")
}

func ready(t *testing.T, o *Offers, names []string) {
	t.Helper()
	must(t, o.Ready(t.Context(), nobody{}, names))
}

// files are the search files that are here.
func files(t *testing.T, o *Offers) []string {
	t.Helper()
	all, err := os.ReadDir(o.folder())
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// One name costs its shard, all names the search file, and what a later build changed the difference.
func TestCatalogueIsBrought(t *testing.T) {
	folder := t.TempDir()
	first := publication{Serial: 1, Packages: map[string][]string{"paint-1-1.noarch": nil, "chess-1-1.noarch": nil}}
	was := first.write(t, folder)
	o := newOffers(t, nil, Source{ID: "school", URL: "file://" + folder, Layout: Presolve})
	ready(t, o, []string{"paint"})
	if l, err := o.Line(Wanted{Name: "paint"}); err != nil || l == nil || l.Summary != "It is paint-1-1.noarch" {
		t.Fatalf("%+v, %v", l, err)
	}
	if got := files(t, o); len(got) != 0 {
		t.Errorf("for one name there are %q", got)
	}
	ready(t, o, nil)
	if got := available(t, o, Query{}); got != "school:chess-1-1.noarch school:paint-1-1.noarch" {
		t.Error(got)
	}
	if got := files(t, o); !slices.Equal(got, []string{was.Search.Content}) {
		t.Errorf("there are %q", got)
	}

	// A later build, of which only the difference is there.
	second := publication{Serial: 2, Packages: map[string][]string{"paint-2-1.noarch": {"old < 2"}, "song-1-1.noarch": nil}}
	second.Change = func(p *tree.Platform) {
		lines := [][]byte{
			(&tree.Entry{NEVRA: tree.NEVRA{Name: "old"}, By: []string{"paint"}}).Line(),
			(&tree.Entry{NEVRA: tree.NEVRA{Name: "paint", Version: "2", Release: "1", Arch: "noarch"}, Summary: "It is paint-2-1.noarch", Group: "games", Obsoletes: []string{"old < 2"}}).Line(),
			(&tree.Entry{NEVRA: tree.NEVRA{Name: "song", Version: "1", Release: "1", Arch: "noarch"}, Summary: "It is song-1-1.noarch", Group: "games"}).Line(),
		}
		d, body, err := tree.EncodeDifference("search", was.Search.Content, []string{"chess", "old", "paint", "song"}, lines)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(folder, stickPlatform, d.Path), body, 0o644))
		p.Search.Differences = []tree.Difference{d}
		must(t, os.Remove(filepath.Join(folder, stickPlatform, p.Search.Path)))
	}
	is := second.write(t, folder)
	must(t, o.Refresh(t.Context(), nobody{}, false))
	if got := available(t, o, Query{}); got != "school:paint-2-1.noarch school:song-1-1.noarch" {
		t.Error(got)
	}
	if got := files(t, o); !slices.Equal(got, []string{is.Search.Content}) {
		t.Errorf("there are %q", got)
	}
	found, err := o.Find(t.Context(), nobody{}, Wanted{Name: "old"})
	if err != nil || found.Tree.Name != "paint" || found.Package().EVR() != "2-1" {
		t.Errorf("%+v, %v", found, err)
	}

	// An older one only for who insists.
	first.write(t, folder)
	if err := o.Refresh(t.Context(), nobody{}, false); err == nil || !strings.Contains(err.Error(), "serial") {
		t.Error(err)
	}
	if got := available(t, o, Query{Name: "song"}); got != "school:song-1-1.noarch" {
		t.Error(got)
	}
	must(t, o.Refresh(t.Context(), nobody{}, true))
	if got := available(t, o, Query{In: []string{"CHE"}}); got != "school:chess-1-1.noarch" {
		t.Error(got)
	}
}

// What a source publishes and isn't what it promised leaves what was there.
func TestCatalogueIsRefused(t *testing.T) {
	folder := t.TempDir()
	good := publication{Serial: 1, Packages: map[string][]string{"paint-1-1.noarch": nil}}
	was := good.write(t, folder)
	o := newOffers(t, nil, Source{ID: "school", URL: "file://" + folder, Layout: Presolve})
	must(t, o.Refresh(t.Context(), nobody{}, false))
	for name, change := range map[string]func(*tree.Platform){
		"other content": func(p *tree.Platform) { p.Search.Content = strings.Repeat("0", 64) },
		"fewer bytes":   func(p *tree.Platform) { p.Search.Unpacked-- },
		"more lines":    func(p *tree.Platform) { p.Search.Lines++ },
		"another digest": func(p *tree.Platform) {
			must(t, os.WriteFile(filepath.Join(folder, stickPlatform, p.Search.Path), []byte("x"), 0o644))
		},
		"format 1":        func(p *tree.Platform) { p.Format = 1 },
		"a later format":  func(p *tree.Platform) { p.Format = 3 },
		"another's":       func(p *tree.Platform) { p.Platform = "other" },
		"no architecture": func(p *tree.Platform) { p.Arch = "" },
	} {
		bad := publication{Serial: 2, Packages: map[string][]string{"song-1-1.noarch": nil}, Change: change}
		bad.write(t, folder)
		err := o.Refresh(t.Context(), nobody{}, false)
		if err == nil {
			t.Errorf("%s: taken", name)
		}
		if name == "format 1" && !strings.Contains(fmt.Sprint(err), "update") {
			t.Errorf("%s: %v", name, err)
		}
		if got := available(t, o, Query{}); got != "school:paint-1-1.noarch" {
			t.Errorf("%s: %s", name, got)
		}
		if got := files(t, o); !slices.Equal(got, []string{was.Search.Content}) {
			t.Errorf("%s: there are %q", name, got)
		}
	}
}

// A search file that is damaged on the disk is downloaded again.
func TestCatalogueIsMended(t *testing.T) {
	folder := t.TempDir()
	is := publication{Serial: 1, Packages: map[string][]string{"paint-1-1.noarch": nil}}.write(t, folder)
	source := Source{ID: "school", URL: "file://" + folder, Layout: Presolve}
	o := newOffers(t, nil, source)
	must(t, o.Refresh(t.Context(), nobody{}, false))
	path := o.path(is.Search.Content)
	whole, err := os.ReadFile(path)
	must(t, err)
	for at := 0; at < len(whole); at += 61 {
		spoilt := slices.Clone(whole)
		spoilt[at] ^= 0x55
		for content, f := range o.open { // as by another process, that starts with it
			f.Close()
			delete(o.open, content)
		}
		must(t, os.Remove(path))
		must(t, os.WriteFile(path, spoilt, 0o600))
		o.outdated()
		for try := 0; ; try++ {
			ready(t, o, nil)
			var got string
			err := o.Available(Query{Text: []string{"paint"}}, func(p *db.Package) error { got += p.NEVRA.String(); return nil })
			if err == nil && got == "paint-1-1.noarch" {
				break
			}
			if err == nil || try > 0 {
				t.Fatalf("byte %d: %q, %v", at, got, err)
			}
			dropped, err := o.DropDamaged(t.Context())
			if err != nil || !dropped {
				t.Fatalf("byte %d: %v, %v", at, dropped, err)
			}
		}
	}
}

// Several sources are one list; what is switched off is in none, and comes back without a download.
func TestSeveralCatalogues(t *testing.T) {
	school, usb := t.TempDir(), t.TempDir()
	publication{Serial: 1, Packages: map[string][]string{"paint-1-1.noarch": nil, "chess-1-1.noarch": nil, "z-1-1.noarch": nil}, Texts: map[string]string{"paint": "Pinte à vontade", "chess": "Xadrez"}}.write(t, school)
	publication{Serial: 1, Packages: map[string][]string{"paint-2-1.noarch": nil, "chess-1-1.noarch": nil, "a-1-1.noarch": nil}}.write(t, usb)
	sources := []Source{{ID: "school", URL: "file://" + school, Layout: Presolve}, {ID: "usb", URL: "file://" + usb, Layout: Presolve}}
	o := newOffers(t, nil, slices.Clone(sources)...)
	o.SetLocale("pt_BR.UTF-8")
	ready(t, o, nil)
	const all = "usb:a-1-1.noarch school:chess-1-1.noarch usb:chess-1-1.noarch school:paint-1-1.noarch usb:paint-2-1.noarch school:z-1-1.noarch"
	for _, test := range []struct {
		q    Query
		want string
	}{
		{Query{}, all},
		{Query{Group: []string{"games"}}, all},
		{Query{Group: []string{"office"}}, ""},
		{Query{Source: []string{"usb"}}, "usb:a-1-1.noarch usb:chess-1-1.noarch usb:paint-2-1.noarch"},
		{Query{Source: []string{"usb"}, Names: []string{"z"}}, "usb:a-1-1.noarch usb:chess-1-1.noarch usb:paint-2-1.noarch school:z-1-1.noarch"},
		{Query{Names: []string{"z", "a", "none"}}, "usb:a-1-1.noarch school:z-1-1.noarch"},
		{Query{Name: "paint"}, "school:paint-1-1.noarch usb:paint-2-1.noarch"},
		{Query{Name: "../paint"}, ""},
		{Query{Text: []string{"VONTADE"}}, "school:paint-1-1.noarch usb:paint-2-1.noarch"},
		{Query{Text: []string{"À"}}, "school:paint-1-1.noarch usb:paint-2-1.noarch"},
		{Query{Text: []string{"it is", "chess"}}, "school:chess-1-1.noarch usb:chess-1-1.noarch"},
		{Query{Text: []string{"xadrez", "it is"}}, ""}, // all of it in one language
		{Query{Among: []tree.NEVRA{}}, ""},
		{Query{Among: []tree.NEVRA{{Name: "paint", Version: "2", Release: "1", Arch: "noarch"}, {Name: "z"}}}, "usb:paint-2-1.noarch"},
	} {
		if got := available(t, o, test.q); got != test.want {
			t.Errorf("%+v: %s, want %s", test.q, got, test.want)
		}
	}
	var summary string
	must(t, o.Available(Query{Name: "paint"}, func(p *db.Package) error { summary += p.Summary + "|"; return nil }))
	if summary != "Pinte à vontade|Pinte à vontade|" {
		t.Errorf("in Portuguese it is %q", summary)
	}
	if got, err := o.Groups(); !slices.Equal(got, []string{"games"}) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	before := files(t, o)
	sources[0].Disabled = true
	must(t, o.use(t.Context(), slices.Clone(sources)))
	ready(t, o, nil)
	if got := available(t, o, Query{Name: "chess"}); got != "usb:chess-1-1.noarch" {
		t.Error(got)
	}
	must(t, o.Refresh(t.Context(), nobody{}, false))
	if got := files(t, o); !slices.Equal(got, before) {
		t.Errorf("there are %q, and were %q", got, before)
	}
	must(t, os.RemoveAll(school))
	sources[0].Disabled = false
	must(t, o.use(t.Context(), slices.Clone(sources)))
	ready(t, o, nil)
	if got := available(t, o, Query{}); got != all {
		t.Error(got)
	}
	must(t, o.use(t.Context(), sources[1:]))
	ready(t, o, nil)
	must(t, o.Refresh(t.Context(), nobody{}, false))
	if got := files(t, o); len(got) != 1 {
		t.Errorf("there are %q", got)
	}
}

// What is installed in the same version isn't available.
func TestInstalledIsNotAvailable(t *testing.T) {
	folder := t.TempDir()
	publication{Serial: 1, Packages: map[string][]string{"paint-1:1-1.noarch": nil, "chess-2-1.noarch": nil}}.write(t, folder)
	o := newOffers(t, nil, Source{ID: "school", URL: "file://" + folder, Layout: Presolve})
	ready(t, o, nil)
	for _, test := range []struct{ installed, want string }{
		{"paint-1:1-1.noarch chess-1-1.noarch", "school:chess-2-1.noarch"},
		{"paint-1-1.noarch chess-2-1.noarch", "school:paint-1:1-1.noarch"},
		{"", "school:chess-2-1.noarch school:paint-1:1-1.noarch"},
	} {
		must(t, o.Record.UpdateInstalled(t.Context(), test.installed, func(u *db.InstalledUpdate) error {
			for _, text := range strings.Fields(test.installed) {
				n, err := tree.ParseNEVRA(text)
				must(t, err)
				if err := u.Add(text, db.Package{NEVRA: n}); err != nil {
					return err
				}
			}
			return nil
		}))
		if got := available(t, o, Query{}); got != test.want {
			t.Errorf("with %s: %s", test.installed, got)
		}
	}
}

// While a source is asked what it offers now, what it offered before is asked for already; where it
// offers something else, that counts.
func TestShardsAreAskedForAhead(t *testing.T) {
	folder := t.TempDir()
	first := publication{Serial: 1, Packages: map[string][]string{"paint-1-1.noarch": nil, "chess-1-1.noarch": nil}}
	first.write(t, folder)
	var waits atomic.Bool
	asked := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/references/"):
			asked <- r.URL.Path
		case waits.Load() && strings.HasSuffix(r.URL.Path, "/platform.json"):
			select {
			case <-asked:
			case <-time.After(10 * time.Second):
				t.Error("nothing is asked for before platform.json is here")
			}
		}
		http.FileServer(http.Dir(folder)).ServeHTTP(w, r)
	}))
	defer server.Close()
	o := newOffers(t, nil, Source{ID: "school", URL: server.URL, Layout: Presolve})
	o.CacheAge = 1
	shardOf := func(name string) int { return tree.Shard(name, 4) }
	if shardOf("paint") == shardOf("chess") || shardOf("paint") == shardOf("song") {
		t.Fatal("they are in the same shard")
	}
	ready(t, o, []string{"paint"})
	<-asked
	waits.Store(true)
	ready(t, o, []string{"chess"})
	if l, err := o.Line(Wanted{Name: "chess"}); err != nil || l == nil {
		t.Errorf("%+v, %v", l, err)
	}
	if len(asked) != 0 {
		t.Errorf("%d shards were asked for again", len(asked))
	}
	publication{Serial: 2, Packages: map[string][]string{"paint-1-1.noarch": nil, "song-1-1.noarch": nil}}.write(t, folder)
	ready(t, o, []string{"song"})
	if l, err := o.Line(Wanted{Name: "song"}); err != nil || l == nil {
		t.Errorf("%+v, %v", l, err)
	}
}
