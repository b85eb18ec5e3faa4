// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

type pkgs = []repotest.Package

var (
	noon = time.Date(2026, 11, 20, 12, 0, 0, 500, time.UTC)
	base = repotest.Package{NEVRA: "base-1-1.noarch"}
	// first and second are a repository before and after an update.
	first = pkgs{base,
		{NEVRA: "write-1-1.noarch", Requires: []string{"lib", "base"}, Files: []string{"/usr/share/write/a", "/usr/bin/write"}, Group: "education", Provides: []string{"mimehandler(text/plain)"}},
		{NEVRA: "lib-1-1.x86_64", Files: []string{"/usr/lib/lib.so"}},
		{NEVRA: "bad-1-1.noarch", Requires: []string{"missing"}},
		{NEVRA: "same-1-1.noarch"}}
	second = pkgs{base,
		{NEVRA: "write-2-1.noarch", Requires: []string{"lib >= 2", "base"}},
		{NEVRA: "lib-2-1.x86_64", Files: []string{"/usr/lib/lib.so"}},
		{NEVRA: "bad-1-1.noarch", Requires: []string{"missing"}},
		{NEVRA: "same-1-1.noarch"}}
	third = append(slices.Clone(second), repotest.Package{NEVRA: "new-1-1.noarch"})
)

func open(t testing.TB, url string) *solve.Platform {
	t.Helper()
	p, err := solve.Open(context.Background(), solve.Config{
		Arch: "x86_64", Repositories: []solve.Repository{{ID: "repo", URL: url}}, Base: solve.Base{Packages: []string{"base"}}, FileLists: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func openRepo(t testing.TB, packages pkgs) *solve.Platform {
	t.Helper()
	return open(t, repotest.URL(repotest.New(t, packages...)))
}

func options(t testing.TB) Options {
	return Options{Platform: "test-1-x86_64", Arch: "x86_64", Output: t.TempDir(), Layouts: []*Layout{Presolve}, ValidFor: 10 * time.Hour, Now: noon}
}

func mustBuild(t testing.TB, p *solve.Platform, o Options) *Report {
	t.Helper()
	r, err := Build(context.Background(), p, p.Names(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// published is all that a reader finds when it follows platform.json and checks every digest.
type published struct {
	platform   *tree.Platform
	lines      map[string][]string // of the search file, by name
	references map[string]*tree.Reference
	texts      map[string]tree.Search
	by         map[string][]string // of names that are obsoleted
	trees      map[string]*tree.Tree
	files      map[string][]string // by name
}

// follow reads as a laptop does.
func follow(dir, platform string) (*published, error) {
	data, err := os.ReadFile(filepath.Join(dir, "platform.json"))
	if err != nil {
		return nil, err
	}
	r := &published{references: map[string]*tree.Reference{}, texts: map[string]tree.Search{}, by: map[string][]string{}, trees: map[string]*tree.Tree{}, files: map[string][]string{}}
	if r.platform, err = tree.ParsePlatform(data, platform); err != nil {
		return nil, err
	}
	read := func(ref tree.Ref) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(dir, ref.Path))
		if err != nil {
			return nil, err
		}
		return data, ref.Check(data)
	}
	if r.lines, err = searchLines(read, r.platform.Search); err != nil {
		return r, err
	}
	for i := range r.platform.Texts.Shards {
		data, err := os.ReadFile(filepath.Join(dir, r.platform.Texts.Path("texts", i)))
		if err != nil {
			return r, err
		}
		if err := r.platform.Texts.Lines(i, data, func(line []byte) error {
			l, err := r.platform.Texts.ParseLanguage(i, line)
			if err == nil {
				r.texts[l.Language] = l.Search
				_, err = searchLines(read, l.Search)
			}
			return err
		}); err != nil {
			return r, err
		}
	}
	for i := range r.platform.References.Shards {
		data, err := os.ReadFile(filepath.Join(dir, r.platform.References.Path("references", i)))
		if err != nil {
			return r, err
		}
		if err := r.platform.References.Lines(i, data, func(line []byte) error {
			x, err := r.platform.References.ParseReference(i, line)
			switch {
			case err != nil:
			case len(x.By) > 0:
				r.by[x.Name] = x.By
			default:
				r.references[x.Name] = x
			}
			return err
		}); err != nil {
			return r, err
		}
	}
	var dictionary []byte
	if ref := r.platform.Dictionary; !ref.IsZero() {
		if dictionary, err = read(ref); err != nil {
			return r, err
		}
	}
	for name, x := range r.references {
		data, err := read(x.Tree)
		if err != nil {
			return r, err
		}
		t, err := tree.ParseTree(data, dictionary, platform, name)
		if err != nil {
			return r, err
		}
		r.trees[name] = t
		for _, pkg := range t.Packages {
			if !pkg.Files.IsZero() {
				data, err := read(pkg.Files)
				if err != nil {
					return r, err
				}
				f, err := tree.ParseFileList(data, pkg.Name)
				if err != nil {
					return r, err
				}
				r.files[pkg.Name] = f.Files
			}
			if pkg.Location == "" || pkg.Repository > 0 {
				continue
			}
			rpm, err := os.ReadFile(filepath.Join(dir, pkg.Location))
			if err != nil {
				return r, err
			}
			if sum := sha256.Sum256(rpm); hex.EncodeToString(sum[:]) != pkg.SHA256 || int64(len(rpm)) != pkg.Size {
				return r, fmt.Errorf("%s is not the RPM that the tree of %s wants", pkg.Location, name)
			}
		}
	}
	return r, nil
}

// searchLines are the lines of a search file by name, which its differences lead to as well: each of
// them has for its names what the file has.
func searchLines(read func(tree.Ref) ([]byte, error), s tree.Search) (map[string][]string, error) {
	data, err := read(s.Ref)
	if err != nil {
		return nil, err
	}
	all := make(map[string][]string)
	var lines [][]byte
	if err := tree.SearchLines(bytes.NewReader(data), s.Unpacked, func(line []byte) error {
		e, err := tree.ParseEntry(line)
		if err == nil {
			all[e.Name] = append(all[e.Name], string(line))
			lines = append(lines, bytes.Clone(line))
		}
		return err
	}); err != nil {
		return nil, err
	}
	if tree.ContentOf(lines) != s.Content || len(lines) != s.Lines {
		return nil, fmt.Errorf("%s hasn't the content that is promised", s.Path)
	}
	for _, d := range s.Differences {
		data, err := read(d.Ref)
		if err != nil {
			return nil, err
		}
		changed := make(map[string][]string)
		if err := tree.SearchLines(bytes.NewReader(data), tree.MaxUnpacked, func(line []byte) error {
			name := string(tree.NameOf(line))
			changed[name] = append(changed[name], string(line))
			return nil
		}); err != nil {
			return nil, err
		}
		for name, lines := range changed {
			want := all[name]
			if want == nil {
				want = []string{name}
			}
			if !slices.Equal(lines, want) {
				return nil, fmt.Errorf("the difference from %s has of %s %q, and the file %q", d.From, name, lines, want)
			}
		}
	}
	return all, nil
}

func mustFollow(t testing.TB, o Options) *published {
	t.Helper()
	r, err := follow(filepath.Join(o.Output, o.Platform), o.Platform)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBuild(t *testing.T) {
	o := options(t)
	dir := repotest.New(t, first...)
	report := mustBuild(t, open(t, repotest.URL(dir)), o)
	r := mustFollow(t, o)
	p := r.platform
	if p.Serial != 1 || p.Arch != "x86_64" || p.Base.Packages != 1 || !p.Created.Equal(noon.Truncate(time.Second)) || !p.Expires.Equal(p.Created.Add(o.ValidFor)) {
		t.Errorf("platform.json is %+v", p)
	}
	if sum := sha256.Sum256([]byte("base-1-1.noarch\n")); p.Base.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("the base's digest is %s", p.Base.SHA256)
	}
	x, tr := r.references["write"], r.trees["write"]
	if len(r.references) != 3 || len(r.lines) != 3 || x == nil || len(r.lines["write"]) != 1 {
		t.Fatalf("the catalogue has %d references and %q", len(r.references), r.lines)
	}
	if e, err := tree.ParseEntry([]byte(r.lines["write"][0])); err != nil || e.Group != "education" || e.Summary != "the summary of write" || e.NEVRA != x.NEVRA || e.Size != tr.Top().Installed {
		t.Errorf("the entry is %+v", e)
	}
	if x.Download != tr.Packages[0].Size+tr.Packages[1].Size || x.Summary != "the summary of write" {
		t.Errorf("the reference is %+v", x)
	}
	if got := fmt.Sprint(tr.Packages[0].NEVRA, tr.Packages[1].NEVRA, tr.Packages[1].Requires, tr.Needs); got != "lib-1-1.x86_64 write-1-1.noarch [0] [base-1-1.noarch]" {
		t.Errorf("the tree is %s", got)
	}
	if got, want := p.URLs(&tr.Packages[0]), []string{repotest.URL(dir) + "/lib-1-1.x86_64.rpm"}; !slices.Equal(got, want) || tr.Packages[0].Repository != 1 || tr.Packages[0].URLs != nil {
		t.Errorf("the RPM is at %q", got)
	}
	data, err := os.ReadFile(filepath.Join(o.Output, o.Platform, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var published Report
	if err := json.Unmarshal(data, &published); err != nil {
		t.Fatal(err)
	}
	want := Totals{Names: 5, Solved: 3, Unsolved: 1, InBase: 1}
	if published.Totals != want || report.Totals != want || published.Serial != 1 || published.Unsolved[0].Name != "bad" ||
		!strings.Contains(published.Unsolved[0].Reason, "nothing provides missing needed by bad-1-1.noarch") || published.InBase[0] != "base" {
		t.Errorf("the report is %s", data)
	}
	if published.Solved[2].Name != "write" || published.Solved[2].Packages != 2 || published.Solved[2].Download != x.Download || published.Solved[2].Version != "1-1" {
		t.Errorf("the report says of write %+v", published.Solved[2])
	}
}

// snapshot is every file with what it has and which file it is.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		rel, _ := filepath.Rel(dir, name)
		files[rel] = fmt.Sprintf("%x %s", sha256.Sum256(data), info.ModTime())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestNothingChangedChangesNothing(t *testing.T) {
	for _, copies := range []bool{false, true} {
		o := options(t)
		o.Copy = copies
		if copies {
			o.Layouts = Layouts
		}
		p := openRepo(t, first)
		mustBuild(t, p, o)
		before := snapshot(t, o.Output)
		o.Now = noon.Add(4 * time.Hour)
		if r := mustBuild(t, p, o); r.Changed || r.Serial != 1 {
			t.Errorf("the second build: changed %v, serial %d", r.Changed, r.Serial)
		}
		after := snapshot(t, o.Output)
		for name := range before {
			if before[name] != after[name] {
				t.Errorf("%s changed", name)
			}
		}
		if len(before) != len(after) {
			t.Errorf("there were %d files and now there are %d", len(before), len(after))
		}
		o.Now = noon.Add(6 * time.Hour)
		mustBuild(t, p, o)
		r := mustFollow(t, o)
		if r.platform.Serial != 1 || !r.platform.Expires.Equal(noon.Add(16*time.Hour).Truncate(time.Second)) || !r.platform.Created.Equal(noon.Truncate(time.Second)) {
			t.Errorf("when half its time is over, platform.json is %+v", r.platform)
		}
		for name, was := range after {
			if now := snapshot(t, o.Output)[name]; now != was && filepath.Base(name) != "platform.json" {
				t.Errorf("%s changed with the expiry", name)
			}
		}
	}
}

func TestTheLastSerialStaysUntilTheBuildAfter(t *testing.T) {
	for _, copies := range []bool{false, true} {
		o := options(t)
		o.Copy = copies
		if copies {
			o.Layouts = Layouts
		}
		dir := filepath.Join(o.Output, o.Platform)
		var paths [3][]string // what each serial refers to
		for i, packages := range []pkgs{first, second, third} {
			o.Now = noon.Add(time.Duration(i) * (o.ValidFor + time.Minute))
			if r := mustBuild(t, openRepo(t, packages), o); !r.Changed || r.Serial != int64(i+1) {
				t.Errorf("build %d: changed %v, serial %d", i+1, r.Changed, r.Serial)
			}
			r := mustFollow(t, o)
			paths[i] = append(paths[i], r.platform.Search.Path, r.platform.References.Folder("references"), r.platform.Capabilities.Folder("capabilities"))
			for name, x := range r.references {
				paths[i] = append(paths[i], x.Tree.Path)
				for _, pkg := range r.trees[name].Packages {
					if !pkg.Files.IsZero() {
						paths[i] = append(paths[i], pkg.Files.Path)
					}
					if pkg.Repository == 0 {
						paths[i] = append(paths[i], pkg.Location, "../packages/presolve/"+o.Platform+"/"+filepath.Base(pkg.Location))
					}
				}
			}
			if i > 0 {
				for _, p := range paths[i-1] {
					if _, err := os.Stat(filepath.Join(dir, p)); err != nil {
						t.Errorf("after build %d: %v", i+1, err)
					}
				}
			}
		}
		for _, p := range paths[0] {
			_, err := os.Stat(filepath.Join(dir, p))
			wanted := slices.Contains(paths[1], p) || slices.Contains(paths[2], p)
			if (err == nil) != wanted {
				t.Errorf("%s: wanted %v, %v", p, wanted, err)
			}
		}
	}
}

// What a laptop was told of is there until that expires, however many builds there were; then the
// next build removes it, even one that changes nothing else.
func TestWhatHasNotExpiredIsKept(t *testing.T) {
	p1, p2, p3 := openRepo(t, first), openRepo(t, second), openRepo(t, third)
	for _, layouts := range [][]*Layout{{Presolve}, Layouts, {SugarNetwork}} {
		o := options(t)
		o.Copy, o.Layouts = true, layouts
		mustBuild(t, p1, o)
		told := snapshot(t, o.Output) // what the first platform.json leads to, and more
		for name := range told {
			if base := filepath.Base(name); strings.HasSuffix(base, ".json") && !strings.Contains(base, "@") || base[0] == '.' || !strings.ContainsAny(base, ".0") && strings.HasPrefix(name, "packages/") {
				delete(told, name) // changes in place
			} else if isHead(base) {
				delete(told, name) // expires before what it leads to: the expiry moves below
			}
		}
		missing := func() (names []string) {
			for name := range told {
				if !exists(filepath.Join(o.Output, name)) {
					names = append(names, name)
				}
			}
			return names
		}
		o.Now = noon.Add(6 * time.Hour)
		mustBuild(t, p1, o) // the expiry moves to the 16th hour
		for i, p := range []*solve.Platform{p2, p3, p2} {
			o.Now = noon.Add(time.Duration(7+i) * time.Hour)
			mustBuild(t, p, o)
			if m := missing(); len(m) > 0 {
				t.Errorf("%d builds later %s are gone", i+1, m)
			}
		}
		// A build that fails, or publishes nothing, removes nothing.
		o.Now = noon.Add(30 * time.Hour)
		if _, err := Build(context.Background(), p1, []string{"bad"}, o); err == nil || len(missing()) > 0 {
			t.Errorf("a build of nothing: %v, %s are gone", err, missing())
		}
		o.Now = noon.Add(17 * time.Hour)
		if r := mustBuild(t, p2, o); r.Changed || len(missing()) != 0 {
			t.Errorf("at the 17th hour: changed %v, gone %v", r.Changed, missing())
		}
		o.Now = o.Now.Add(time.Minute)
		r := mustBuild(t, p2, o)
		for _, name := range missing() {
			delete(told, name)
		}
		for name := range told {
			// What is still published: lib has the same files as ever.
			if stem := filepath.Base(name); !strings.HasPrefix(stem, "same") && !strings.HasPrefix(stem, "lib@") {
				t.Errorf("%s is still there when nobody can ask for it", name)
			}
		}
		if len(told) == 0 || r.Changed {
			t.Errorf("changed %v, left %v", r.Changed, told)
		}
		if slices.Contains(layouts, Presolve) {
			mustFollow(t, o)
		}
		if slices.Contains(layouts, SugarNetwork) {
			followNodes(t, o)
		}
	}
}

// A record of what waits that is damaged has it wait anew.
func TestDamagedWaiting(t *testing.T) {
	o := options(t)
	mustBuild(t, openRepo(t, first), o)
	old := mustFollow(t, o).references["write"].Tree.Path
	mustBuild(t, openRepo(t, second), o)
	dir := filepath.Join(o.Output, o.Platform)
	for i, there := range []bool{true, true, false} {
		if i == 0 {
			if err := os.WriteFile(filepath.Join(dir, waiting), []byte(`{"trees`), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		o.Now = noon.Add(11*time.Hour + time.Duration(i)*6*time.Hour)
		mustBuild(t, openRepo(t, second), o)
		if exists(filepath.Join(dir, old)) != there {
			t.Errorf("build %d: %s: %v", i, old, !there)
		}
	}
}

// A program that is no longer offered is no longer listed, at once, though nothing else has
// changed.
func TestANodeThatGoes(t *testing.T) {
	o := options(t)
	o.Copy, o.Layouts = true, []*Layout{SugarNetwork}
	mustBuild(t, openRepo(t, first), o)
	p := openRepo(t, first)
	r, err := Build(context.Background(), p, []string{"write", "lib"}, o)
	if nodes := followNodes(t, o); err != nil || len(nodes) != 2 || !r.Changed || r.Serial != 2 {
		t.Errorf("%v: %v, %+v", err, nodes, r)
	}
}

// Wherever a build fails, the last one is as it was, and the next one succeeds.
func TestABuildThatFailsAnywhereLeavesTheLast(t *testing.T) {
	keys := newKeys(t, 2)
	for _, copies := range []bool{false, true} {
		p1, p2 := openRepo(t, first), openRepo(t, second)
		broken := errors.New("the disk is broken")
		for failing := 0; ; failing++ {
			o := options(t)
			o.Copy = copies
			if copies {
				o.Layouts = Layouts
			} else {
				o.Now, o.Signing = time.Now(), signedBy(t, keys, 1)
			}
			mustBuild(t, p1, o)
			if !copies {
				o.Signing = signedBy(t, keys, 2)
			}
			dir := filepath.Join(o.Output, o.Platform)
			old, err := os.ReadFile(filepath.Join(dir, "platform.json"))
			if err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			step, where := 0, ""
			_, err = build(context.Background(), p2, p2.Names(), o, func(what string) error {
				mu.Lock()
				defer mu.Unlock()
				if step++; step > failing {
					if where == "" {
						where = what
					}
					return broken
				}
				return nil
			})
			if where == "" {
				if err != nil {
					t.Fatal(err)
				}
				if failing < 10 {
					t.Errorf("only %d steps were tried", failing)
				}
				break
			}
			if !errors.Is(err, broken) {
				t.Fatalf("at %q: the error is %v", where, err)
			}
			now, err := os.ReadFile(filepath.Join(dir, "platform.json"))
			if err != nil {
				t.Fatal(err)
			}
			appeared := strings.HasPrefix(where, "remove") || strings.HasSuffix(where, waiting) || where == "sync" && !bytes.Equal(now, old)
			if !bytes.Equal(now, old) && !appeared {
				t.Errorf("at %q: platform.json has changed", where)
			}
			mustFollow(t, o)
			if copies {
				followNodes(t, o)
			} else {
				keys.believed(t, o)
			}
			r := mustBuild(t, p2, o)
			if r.Serial != 2 {
				t.Errorf("after a failure at %q the next build has the serial %d", where, r.Serial)
			}
			mustFollow(t, o)
			for name := range snapshot(t, o.Output) {
				if strings.HasPrefix(filepath.Base(name), aside) {
					t.Errorf("after a failure at %q %s is left over", where, name)
				}
			}
		}
	}
}

// followNodes reads the Sugar Network layout: every RPM that a node names must be there.
func followNodes(t testing.TB, o Options) map[string]map[string][]nodeRPM {
	t.Helper()
	dir := filepath.Join(o.Output, "packages", Project, o.Platform)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	nodes := make(map[string]map[string][]nodeRPM)
	for _, e := range entries {
		if (*sugarNetwork)(nil).fate(e.Name()) != goes {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var n map[string][]nodeRPM
		if err := json.Unmarshal(data, &n); err != nil {
			t.Fatal(err)
		}
		nodes[e.Name()] = n
		for _, list := range n {
			for _, rpm := range list {
				if _, err := os.Stat(filepath.Join(dir, rpm.Path)); err != nil {
					t.Errorf("%s: %v", e.Name(), err)
				}
			}
		}
	}
	return nodes
}

// A reader that comes while builds go on sees whole files only.
func TestAReaderSeesWholeBuilds(t *testing.T) {
	o := options(t)
	o.Copy, o.Signing = true, signedBy(t, newKeys(t, 0), 0)
	platforms := []*solve.Platform{openRepo(t, first), openRepo(t, second), openRepo(t, third)}
	mustBuild(t, platforms[0], o)
	built := make(chan error, 1)
	const builds = 30
	go func() {
		for i := range builds {
			if _, err := Build(context.Background(), platforms[(i+1)%3], platforms[2].Names(), o); err != nil {
				built <- err
				return
			}
		}
		built <- nil
	}()
	dir := filepath.Join(o.Output, o.Platform)
	reads, serial := 0, int64(0)
	for done := false; !done; reads++ {
		select {
		case err := <-built:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
		}
		head, err := os.ReadFile(filepath.Join(dir, "platform.json"))
		if err != nil {
			t.Fatal(err)
		}
		signatures, err := os.ReadFile(filepath.Join(dir, tree.SignatureName(tree.HeadName(head))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pgp.Verify(head, signatures, []*pgp.Key{o.Signing.Signer.Key}, noon); err != nil {
			t.Fatal(err)
		}
		r, err := follow(dir, o.Platform)
		if r == nil || r.platform == nil {
			t.Fatalf("platform.json can't be read: %v", err)
		}
		if r.platform.Serial < serial {
			t.Errorf("the serial went back from %d to %d", serial, r.platform.Serial)
		}
		serial = r.platform.Serial
		if err == nil {
			continue
		}
		// All of this is before the first expiry, so nothing that a reader was told of is gone.
		t.Fatalf("at serial %d: %v", serial, err)
	}
	if serial != builds+1 {
		t.Errorf("the last serial is %d", serial)
	}
	t.Logf("%d reads", reads)
}

func TestTwoBuildsAtOnce(t *testing.T) {
	o := options(t)
	p := openRepo(t, first)
	var inner error
	_, err := build(context.Background(), p, []string{"same"}, o, func(string) error {
		if inner == nil {
			_, inner = Build(context.Background(), p, []string{"same"}, o)
		}
		return nil
	})
	if err != nil || inner == nil || !strings.Contains(inner.Error(), "another presolver is writing to") {
		t.Errorf("the first build: %v, the second: %v", err, inner)
	}
}

func TestChecksumsThatLaptopsDontTake(t *testing.T) {
	dir := t.TempDir()
	repotest.WriteRPMs(t, dir, first...)
	repotest.CreateRepo(t, dir, "--checksum=sha1")
	p := open(t, repotest.URL(dir))
	o := options(t)
	if _, err := Build(context.Background(), p, []string{"write"}, o); err == nil || !strings.Contains(err.Error(), `checksum of the kind "sha1" for lib-1-1.x86_64`) {
		t.Errorf("upstream: the error is %v", err)
	}
	o.Copy = true
	mustBuild(t, p, o)
	mustFollow(t, o)
}

// As openSUSE has them. Trees that point to the repository have its digests; RPMs in the folder have
// the one that is written here.
func TestLongerChecksums(t *testing.T) {
	schema := schemas(t)("tree")
	for kind, digits := range map[string]int{"sha384": 96, "sha512": 128} {
		dir := t.TempDir()
		repotest.WriteRPMs(t, dir, first...)
		repotest.CreateRepo(t, dir, "--checksum="+kind)
		p := open(t, repotest.URL(dir))
		{
			o := options(t)
			mustBuild(t, p, o)
			all, err := filepath.Glob(filepath.Join(o.Output, o.Platform, "trees/write@*"))
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			data := documents(t, all[0])[0]
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Error(err)
			}
			packed, err := os.ReadFile(all[0])
			if err != nil {
				t.Fatal(err)
			}
			tr, err := tree.ParseTree(packed, nil, o.Platform, "write")
			if err != nil {
				t.Fatal(err)
			}
			for _, pkg := range tr.Packages {
				d := pkg.RPMDigest()
				if pkg.SHA256 != "" || d.Algorithm() != kind || len(d.Hex()) != digits {
					t.Errorf("%s: %s has the digests %q and %q", kind, pkg.Name, pkg.SHA256, pkg.Digest)
				}
				rpm, err := os.ReadFile(filepath.Join(dir, pkg.Location))
				if err != nil {
					t.Fatal(err)
				}
				sum := d.Hash()
				sum.Write(rpm)
				if !d.Is(sum) {
					t.Errorf("%s: %s is not the digest of the RPM of %s", kind, d, pkg.Name)
				}
			}
		}
		o := options(t)
		o.Copy = true
		mustBuild(t, p, o)
		for _, pkg := range mustFollow(t, o).trees["write"].Packages {
			if pkg.Digest != "" || pkg.SHA256 == "" {
				t.Errorf("%s, copied: %s has the digests %q and %q", kind, pkg.Name, pkg.SHA256, pkg.Digest)
			}
		}
	}
}

func TestCopy(t *testing.T) {
	dir := repotest.New(t, first...)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for _, url := range []string{repotest.URL(dir), server.URL} {
		o := options(t)
		o.Copy, o.Layouts = true, Layouts
		mustBuild(t, open(t, url), o)
		lib := mustFollow(t, o).trees["write"].Packages[0]
		if lib.Location != "rpms/lib-1-1.x86_64.rpm" || lib.URLs != nil {
			t.Errorf("%s: the RPM is at %q %q", url, lib.Location, lib.URLs)
		}
		inFolder, err := os.Stat(filepath.Join(o.Output, o.Platform, lib.Location))
		if err != nil {
			t.Fatal(err)
		}
		inSugar, err := os.Stat(filepath.Join(o.Output, "packages/presolve", o.Platform, "lib-1-1.x86_64.rpm"))
		if err != nil || !os.SameFile(inFolder, inSugar) {
			t.Errorf("%s: the layouts don't share the RPM: %v", url, err)
		}
		in, err := os.Stat(filepath.Join(dir, "lib-1-1.x86_64.rpm"))
		if err != nil || strings.HasPrefix(url, "file:") != os.SameFile(in, inFolder) {
			t.Errorf("%s: hard link to the repository: %v", url, os.SameFile(in, inFolder))
		}
	}
}

// A symbolic link in a repository isn't published, but what it leads to, where that is the RPM.
func TestLinksInARepository(t *testing.T) {
	dir, pool := repotest.New(t, first...), t.TempDir()
	moved := filepath.Join(pool, "lib")
	if err := os.Rename(filepath.Join(dir, "lib-1-1.x86_64.rpm"), moved); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(moved, filepath.Join(dir, "lib-1-1.x86_64.rpm")); err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Copy, o.Layouts = true, Layouts
	mustBuild(t, open(t, repotest.URL(dir)), o)
	mustFollow(t, o)
	there, err := os.Stat(moved)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"test-1-x86_64/rpms", "packages/presolve/test-1-x86_64"} {
		info, err := os.Lstat(filepath.Join(o.Output, name, "lib-1-1.x86_64.rpm"))
		if err != nil || !info.Mode().IsRegular() || !os.SameFile(info, there) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// What the repositories name oddly is told, in a form that plays no tricks.
func TestLeftOut(t *testing.T) {
	dir := repotest.New(t, first...)
	renamePackage(t, dir, "same", "s\u202eame")
	p := open(t, repotest.URL(dir))
	o := options(t)
	mustBuild(t, p, o)
	data, err := os.ReadFile(filepath.Join(o.Output, o.Platform, "report.json"))
	var r Report
	if err != nil || json.Unmarshal(data, &r) != nil || !slices.Equal(r.LeftOut, []string{`s\u202eame`}) || r.Totals.Names != 4 {
		t.Errorf("%v: %s", err, data)
	}
}

// renamePackage changes a package's name in a repository's primary.xml.
func renamePackage(t *testing.T, dir, from, to string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "repodata", "*primary.xml*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	plain := filepath.Join(t.TempDir(), "primary.xml")
	unpack := exec.Command("sh", "-c", `case $0 in *.gz) zcat $0;; *.zst) zstdcat $0;; *) cat $0;; esac`, files[0])
	data, err := unpack.Output()
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(data, []byte("<name>"+from+"</name>"), []byte("<name>"+to+"</name>"), 1)
	if bytes.Equal(data, changed) {
		t.Fatalf("there is no package %s", from)
	}
	if err := os.WriteFile(plain, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--remove", "primary"}, {"--mdtype=primary", plain}} {
		if out, err := exec.Command("modifyrepo_c", append(args, filepath.Join(dir, "repodata"))...).CombinedOutput(); err != nil {
			t.Fatalf("modifyrepo_c: %v: %s", err, out)
		}
	}
}

// A build that waits, or has much to do, ends with its context and leaves a whole one.
func TestABuildEndsWithItsContext(t *testing.T) {
	o := options(t)
	mustBuild(t, openRepo(t, first), o)
	lock, err := os.OpenFile(filepath.Join(o.Output, ".lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil { // as a build of another platform does
		t.Fatal(err)
	}
	p := openRepo(t, second)
	defer time.AfterFunc(time.Minute, func() { panic("a build waits for ever") }).Stop()
	for i, at := range []string{"write trees/", "write references/", "rename platform.json"} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := build(ctx, p, p.Names(), o, func(what string) error {
			if strings.HasPrefix(what, at) {
				cancel()
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled at %q: %v", at, err)
		}
		if serial := mustFollow(t, o).platform.Serial; serial != []int64{1, 1, 2}[i] {
			t.Fatalf("cancelled at %q: the serial is %d", at, serial)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := flock(ctx, lock); err != nil { // it has that lock
		t.Error(err)
	}
	again, err := os.Open(lock.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := flock(ctx, again); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for the lock: %v", err)
	}
}

// An RPM that was built again under its old name doesn't replace the one that laptops may be
// downloading.
func TestRebuiltRPM(t *testing.T) {
	o := options(t)
	o.Copy = true
	again := slices.Clone(first)
	again[4].Group = "built again"
	mustBuild(t, openRepo(t, first), o)
	was := mustFollow(t, o).trees["same"].Packages[0]
	mustBuild(t, openRepo(t, again), o)
	is := mustFollow(t, o).trees["same"].Packages[0]
	if is.SHA256 == was.SHA256 || is.Location != "rpms/same-1-1.noarch@"+is.SHA256[:16]+".rpm" {
		t.Errorf("the rebuilt RPM is %s", is.Location)
	}
	for _, packages := range []pkgs{append(slices.Clone(again), third[5]), again} {
		o.Now = o.Now.Add(o.ValidFor + time.Minute)
		mustBuild(t, openRepo(t, packages), o)
	}
	if exists(filepath.Join(o.Output, o.Platform, was.Location)) {
		t.Error("the old RPM is there when its time is over")
	}
	if now := mustFollow(t, o).trees["same"].Packages[0]; now.Location != is.Location {
		t.Errorf("the rebuilt RPM has moved to %s", now.Location)
	}
}

func TestRebuiltRPMLeavesTheOld(t *testing.T) {
	o := options(t)
	o.Copy = true
	mustBuild(t, openRepo(t, first), o)
	was := mustFollow(t, o).trees["same"].Packages[0]
	again := slices.Clone(first)
	again[4].Group = "built again"
	mustBuild(t, openRepo(t, again), o)
	data, err := os.ReadFile(filepath.Join(o.Output, o.Platform, was.Location))
	if sum := sha256.Sum256(data); err != nil || hex.EncodeToString(sum[:]) != was.SHA256 {
		t.Errorf("%s has changed: %v", was.Location, err)
	}
}

// An RPM that the repository doesn't have as it says makes the names unsolved whose trees need it,
// and no others.
func TestRPMsThatCantBeHad(t *testing.T) {
	const rpm = "lib-1-1.x86_64.rpm"
	spoil := func(change func(data []byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			data, err := os.ReadFile(filepath.Join(dir, rpm))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, rpm), change(data), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(t *testing.T, dir string) {
		t.Helper()
		if err := os.Remove(filepath.Join(dir, rpm)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name       string
		spoil      func(t *testing.T, dir string)
		file, http string // the end of the reason
	}{
		{"damaged", spoil(func(d []byte) []byte { d[len(d)-1] ^= 1; return d }), "it is damaged, or the repository is just being updated", "or the repository is just being updated: try again later"},
		{"cut off", spoil(func(d []byte) []byte { return d[:len(d)-1] }), "try again when it isn't being updated", "or the repository is just being updated: try again later"},
		{"longer", spoil(func(d []byte) []byte { return append(d, 0) }), "try again when it isn't being updated", "or the repository is just being updated: try again later"},
		{"missing", remove, "no such file or directory: correct the repository's url", "404 Not Found: the repository doesn't have what it describes: run createrepo_c on it, or try again when it isn't being updated"},
		{"a pipe", func(t *testing.T, dir string) {
			remove(t, dir)
			if err := unix.Mkfifo(filepath.Join(dir, rpm), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "it is no regular file (p---------): correct the repository's url", "-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := repotest.New(t, first...)
			tt.spoil(t, dir)
			server := httptest.NewServer(http.FileServer(http.Dir(dir)))
			defer server.Close()
			ends := map[string]string{repotest.URL(dir): tt.file, server.URL: cmp.Or(tt.http, tt.file)}
			for url, end := range ends {
				if end == "-" {
					continue
				}
				o := options(t)
				o.Copy, o.Layouts = true, Layouts
				r := mustBuild(t, open(t, url), o)
				if len(r.Solved) != 1 || r.Solved[0].Name != "same" || len(r.Unsolved) != 3 {
					t.Fatalf("%s: %+v", url, r)
				}
				for i, name := range []string{"lib", "write"} {
					u := r.Unsolved[i+1]
					if u.Name != name || !strings.HasPrefix(u.Reason, "the RPM of lib-1-1.x86_64 can't be had: ") || !strings.HasSuffix(u.Reason, end) {
						t.Errorf("%s: %+v should end with %s", url, u, end)
					}
				}
				mustFollow(t, o)
				followNodes(t, o)
				for name := range snapshot(t, o.Output) {
					if strings.Contains(name, "lib-1") {
						t.Errorf("%s is there", name)
					}
				}
			}
		})
	}
}

// A server that is in trouble ends the build: nothing is known of its RPMs, and all programs would
// go.
func TestAServerInTroubleEndsTheBuild(t *testing.T) {
	files := http.FileServer(http.Dir(repotest.New(t, first...)))
	for name, trouble := range map[string]http.HandlerFunc{
		"overloaded": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusServiceUnavailable) },
		"hangs up":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("x"))
			panic(http.ErrAbortHandler)
		},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/lib") {
				trouble(w, r)
			}
			files.ServeHTTP(w, r)
		}))
		o := options(t)
		o.Copy = true
		p := open(t, server.URL)
		if _, err := Build(context.Background(), p, p.Names(), o); err == nil || !strings.Contains(err.Error(), "copying the RPM of lib-1-1.x86_64: downloading") {
			t.Errorf("%s: the error is %v", name, err)
		}
		server.Close()
		if exists(filepath.Join(o.Output, o.Platform, "platform.json")) {
			t.Errorf("%s: something was published", name)
		}
	}
}

// A build that publishes nothing, since names can't be solved, says why in report.json.
func TestReportOfNothing(t *testing.T) {
	p := openRepo(t, first)
	for _, before := range []bool{false, true} {
		for _, strict := range []bool{false, true} {
			o := options(t)
			o.Copy, o.Layouts = true, Layouts
			serial := int64(0)
			if before {
				mustBuild(t, p, o)
				serial = 1
			}
			was := snapshot(t, o.Output)
			o.Strict = strict
			names := []string{"bad", "none"}
			if strict {
				names = append(names, "write")
			}
			r, err := Build(context.Background(), p, names, o)
			if err == nil || len(r.Unsolved) != 2 {
				t.Fatalf("%+v, %v", r, err)
			}
			var read Report
			data, err := os.ReadFile(filepath.Join(o.Output, o.Platform, "report.json"))
			if err != nil || json.Unmarshal(data, &read) != nil || len(read.Unsolved) != 2 || read.Serial != serial ||
				!strings.Contains(read.Unsolved[0].Reason, "nothing provides missing") || read.Unsolved[1].Reason != "no repository has a package none for x86_64" {
				t.Errorf("%v: %s", err, data)
			}
			is := snapshot(t, o.Output)
			delete(was, o.Platform+"/report.json")
			delete(is, o.Platform+"/report.json")
			for name := range is { // RPMs that came before it was known are for the next build
				if was[name] == "" && (strings.HasSuffix(name, ".rpm") || filepath.Base(name) == ".lock") {
					delete(is, name)
				}
			}
			if !maps.Equal(was, is) {
				t.Errorf("strict %v: there was %v, and is %v", strict, was, is)
			}
			o.Strict = false
			if r := mustBuild(t, p, o); r.Serial != 1 {
				t.Errorf("the next serial is %d", r.Serial)
			}
		}
	}
}

func TestSugarNetworkAlone(t *testing.T) {
	o := options(t)
	o.Copy, o.Layouts = true, []*Layout{SugarNetwork}
	p := openRepo(t, first)
	for i := range 2 {
		if r := mustBuild(t, p, o); r.Serial != 1 || r.Changed != (i == 0) {
			t.Errorf("build %d: serial %d, changed %v", i, r.Serial, r.Changed)
		}
	}
	nodes := followNodes(t, o)
	want := map[string][]nodeRPM{"noarch": {{"write", "write-1-1.noarch.rpm"}}, "x86_64": {{"lib", "lib-1-1.x86_64.rpm"}}}
	if fmt.Sprint(nodes["write"]) != fmt.Sprint(want) || len(nodes) != 3 {
		t.Errorf("the nodes are %v", nodes)
	}
	if _, err := os.Stat(filepath.Join(o.Output, o.Platform, "platform.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("platform.json: %v", err)
	}
	if r := mustBuild(t, openRepo(t, second), o); r.Serial != 2 {
		t.Errorf("the serial is %d", r.Serial)
	}
	followNodes(t, o)
}

func TestStrict(t *testing.T) {
	o := options(t)
	o.Strict = true
	p := openRepo(t, first)
	_, err := Build(context.Background(), p, p.Names(), o)
	var unsolved *UnsolvedError
	if !errors.As(err, &unsolved) || len(unsolved.Unsolved) != 1 || !strings.Contains(err.Error(), "bad: nothing provides missing") {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(o.Output, o.Platform, "platform.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("platform.json: %v", err)
	}
	if _, err := Build(context.Background(), p, []string{"write", "base"}, o); err != nil {
		t.Error(err)
	}
}

func TestNothingToPublish(t *testing.T) {
	p := openRepo(t, first)
	for want, names := range map[string][]string{
		"none of the names can be solved, e.g. bad: nothing provides": {"bad"},
		"there is nothing to publish":                                 {"base"},
	} {
		if _, err := Build(context.Background(), p, names, options(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v and should say %q", err, want)
		}
	}
}

func TestADamagedPlatformIsNotReplaced(t *testing.T) {
	o := options(t)
	p := openRepo(t, first)
	mustBuild(t, p, o)
	if err := os.WriteFile(filepath.Join(o.Output, o.Platform, "platform.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(context.Background(), p, p.Names(), o); err == nil || !strings.Contains(err.Error(), "restore it, or remove it") {
		t.Errorf("the error is %v", err)
	}
}

// What the repository says of why versions came is published with the trees that it is about, and
// goes with them.
func TestNotices(t *testing.T) {
	repo := repotest.New(t, second...)
	notice := func(text string) string {
		return `<updates><update type="security"><id>N-1</id><description>` + text + `</description><pkglist><collection>
			<package name="lib" version="2" release="1" arch="x86_64"><reboot_suggested/></package></collection></pkglist></update></updates>`
	}
	say := func(text string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "updateinfo.xml")
		if err := os.WriteFile(path, []byte(notice(text)), 0o644); err != nil {
			t.Fatal(err)
		}
		repotest.CreateRepo(t, repo)
		if out, err := exec.Command("modifyrepo_c", path, filepath.Join(repo, "repodata")).CombinedOutput(); err != nil {
			t.Fatalf("modifyrepo_c: %v: %s", err, out)
		}
	}
	o := options(t)
	dir := filepath.Join(o.Output, o.Platform)
	var paths []string
	for i, text := range []string{"one", "two", "three"} {
		say(text)
		o.Now = noon.Add(time.Duration(i) * (o.ValidFor + time.Minute))
		mustBuild(t, open(t, repotest.URL(repo)), o)
		p, err := follow(dir, o.Platform)
		if err != nil {
			t.Fatal(err)
		}
		if !p.trees["same"].Notices.IsZero() {
			t.Error("a tree has notices that are about no package of its")
		}
		ref := p.trees["write"].Notices
		data, err := os.ReadFile(filepath.Join(dir, ref.Path))
		if err != nil || ref.Check(data) != nil {
			t.Fatal(err, ref.Check(data))
		}
		n, err := tree.ParseNotices(data, o.Platform, "write")
		if err != nil || len(n.Notices) != 1 || n.Notices[0].Text != text || n.Notices[0].Restart != "system" || n.Notices[0].Packages[0].String() != "lib-2-1.x86_64" {
			t.Errorf("%v: %+v", err, n)
		}
		paths = append(paths, ref.Path)
		// Those of the last build are kept for who reads it, those before aren't.
		for j, path := range paths {
			if _, err := os.Stat(filepath.Join(dir, path)); (err == nil) != (j >= i-1) {
				t.Errorf("after build %d the notices of build %d: %v", i, j, err)
			}
		}
	}
	if r := mustBuild(t, open(t, repotest.URL(repo)), o); r.Changed {
		t.Error("the same notices make a change")
	}
}
