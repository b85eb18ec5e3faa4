// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// long tells whether as much is compared as takes its time.
var long = os.Getenv("PRESOLVE_LONG") != ""

// corpus is the optional material that lies beside the repository, if it is there.
func corpus(t testing.TB) string {
	dir, err := filepath.Abs("../../shared/corpus")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "expected.json")); err != nil {
		t.Skip("THE CORPUS IS NOT HERE (../shared/corpus beside the repository): 222 trees are not compared with dnf's")
	}
	return dir
}

func TestCorpusGivesDnfsAnswers(t *testing.T) {
	dir := corpus(t)
	data, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Base  []string
		Trees map[string][]string
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	p, err := Open(context.Background(), Config{
		Arch:         "x86_64",
		Repositories: []Repository{{ID: "distribution", URL: "file://" + dir + "/distribution"}},
		Base:         Base{Packages: []string{"sugar-session"}},
		FileLists:    true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var base, names []string
	for _, n := range p.Base() {
		base = append(base, n.Name)
	}
	slices.Sort(base)
	if !slices.Equal(base, want.Base) {
		t.Errorf("the base has %d packages and should have %d", len(base), len(want.Base))
	}
	for name := range want.Trees {
		names = append(names, name)
	}
	var mu sync.Mutex
	err = p.Solve(context.Background(), names, func(r Result) error {
		mu.Lock()
		defer mu.Unlock()
		got := []string{}
		for _, pkg := range r.Packages {
			got = append(got, pkg.Name)
		}
		slices.Sort(got)
		switch w := want.Trees[r.Name]; {
		case (r.Unsolvable != "") != (w == nil):
			t.Errorf("%s: dnf has %v, got %q", r.Name, w, r.Unsolvable)
		case w == nil:
			t.Logf("%s: %s", r.Name, r.Unsolvable)
		case !slices.Equal(got, w):
			t.Errorf("%s:\ngot  %v\nwant %v", r.Name, got, w)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func BenchmarkAll(b *testing.B) {
	dir := corpus(b)
	p, err := Open(context.Background(), Config{
		Arch:         "x86_64",
		Repositories: []Repository{{ID: "distribution", URL: "file://" + dir + "/distribution"}},
		Base:         Base{Packages: []string{"sugar-session"}},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	names := p.Names()
	var sample []string
	for i := 0; i < len(names); i += 16 {
		sample = append(sample, names[i])
	}
	b.ResetTimer()
	for range b.N {
		if err := p.Solve(context.Background(), sample, func(r Result) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(sample)*b.N)/b.Elapsed().Seconds(), "trees/s")
}
