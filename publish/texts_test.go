// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// withTexts adds an AppStream catalogue to a repository.
func withTexts(t *testing.T, repository, components string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "appstream.xml")
	if err := os.WriteFile(file, []byte("<components>"+components+"</components>"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("modifyrepo_c", "--mdtype=appstream", file, filepath.Join(repository, "repodata")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// textsOf are the lines in a language that a reader finds; nil where there are none.
func textsOf(t *testing.T, o Options, language string) (lines []string) {
	t.Helper()
	s, ok := mustFollow(t, o).texts[language]
	if !ok {
		return nil
	}
	for _, line := range documents(t, filepath.Join(o.Output, o.Platform, s.Path)) {
		lines = append(lines, string(line))
	}
	return lines
}

func TestTexts(t *testing.T) {
	repository := repotest.New(t, first...)
	o := options(t)
	mustBuild(t, open(t, repotest.URL(repository)), o)
	if texts := textsOf(t, o, "de"); texts != nil {
		t.Errorf("%+v", texts)
	}
	withTexts(t, repository, `<component><pkgname>write</pkgname><summary xml:lang="de">Schreibt</summary><summary xml:lang="fr">Écrit</summary></component>`+
		`<component><pkgname>base</pkgname><summary xml:lang="es">No es de los ofrecidos</summary></component>`)
	if r := mustBuild(t, open(t, repotest.URL(repository)), o); !r.Changed || r.Serial != 2 {
		t.Errorf("new texts: %+v", r)
	}
	if de, es := textsOf(t, o, "de"), textsOf(t, o, "es"); !slices.Equal(de, []string{"write\t\t\t\t\t\t\tSchreibt\n"}) || es != nil {
		t.Errorf("de: %q, es: %q", de, es)
	}
	if r := mustBuild(t, open(t, repotest.URL(repository)), o); r.Changed {
		t.Error("the same texts are a change")
	}
	// Readers of the last serial find its texts until that expires.
	count := func() int {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(o.Output, o.Platform, "texts", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	for i, packages := range []pkgs{second, third} {
		o.Now = o.Now.Add(o.ValidFor + time.Minute)
		mustBuild(t, openRepo(t, packages), o)
		if got, want := count(), []int{3, 0}[i]; got != want {
			t.Errorf("after %d builds without texts there are %d files, want %d", i+1, got, want)
		}
	}
}

// Texts that are more than a laptop reads lose their descriptions, then themselves.
func TestManyTexts(t *testing.T) {
	texts := &tree.Texts{Format: tree.Format, Platform: "p", Language: "de"}
	add := func(n int) {
		for len(texts.Texts) < n {
			texts.Texts = append(texts.Texts, tree.Text{Name: strings.Repeat("n", 20), Summary: strings.Repeat("s", 250), Description: strings.Repeat("d", 1000)})
		}
	}
	for _, tt := range []struct {
		n            int
		descriptions bool
		any          bool
	}{{1000, true, true}, {2000, false, true}, {10000, false, false}} {
		add(tt.n)
		content, err := encodeTexts(texts)
		if err != nil || (content != nil) != tt.any || strings.Contains(string(content), "dddd") != tt.descriptions || len(content) > tree.MaxTexts {
			t.Errorf("%d texts: %d bytes, %v", tt.n, len(content), err)
		}
	}
}

// platforms.json names the platforms of an output, and no other folder.
func TestPlatforms(t *testing.T) {
	p := openRepo(t, first)
	o := options(t)
	list := func() string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(o.Output, "platforms.json"))
		if err != nil {
			t.Fatal(err)
		}
		all, err := tree.ParsePlatforms(data)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range all.Platforms {
			names = append(names, e.Platform+" "+e.Arch)
		}
		return strings.Join(names, ", ")
	}
	mustBuild(t, p, o)
	if got := list(); got != "test-1-x86_64 x86_64" {
		t.Error(got)
	}
	if err := os.MkdirAll(filepath.Join(o.Output, "packages", "presolve"), 0o755); err != nil {
		t.Fatal(err)
	}
	next := o
	next.Platform = "test-2-x86_64"
	mustBuild(t, p, next)
	if got := list(); got != "test-1-x86_64 x86_64, test-2-x86_64 x86_64" {
		t.Error(got)
	}
	if err := os.RemoveAll(filepath.Join(o.Output, o.Platform)); err != nil {
		t.Fatal(err)
	}
	mustBuild(t, p, next)
	if got := list(); got != "test-2-x86_64 x86_64" {
		t.Error(got)
	}
}
