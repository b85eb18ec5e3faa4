// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

func TestNamesIn(t *testing.T) {
	for requirement, want := range map[string]string{
		"libtext":                                 "libtext",
		"/usr/bin/perl":                           "/usr/bin/perl",
		"libc.so.6(GLIBC_2.34)(64bit)":            "libc.so.6(GLIBC_2.34)(64bit)",
		"(a or b)":                                "a b",
		"(a >= 2 or b = 1:3-1)":                   "a b",
		"(a >= 2 with a < 3)":                     "a a",
		"(python3dist(x) or libc.so.6()(64bit))":  "python3dist(x) libc.so.6()(64bit)",
		"(a if b)":                                "a",
		"(a if b else c)":                         "a c",
		"((a or b >= 1) and (c if (d or e = 2)))": "a b c",
		"((a if b) and c)":                        "a c",
		"(a if (b = 1) else (c and d))":           "a c d",
		"(a unless b)":                            "a",
		"(":                                       "",
		"(a >=":                                   "a",
	} {
		if got := strings.Join(namesIn(requirement), " "); got != want {
			t.Errorf("namesIn(%s) = %q, want %q", requirement, got, want)
		}
	}
}

func TestRequirers(t *testing.T) {
	p := func(name string, requires ...int) tree.Package {
		return tree.Package{NEVRA: tree.NEVRA{Name: name, Version: "1", Release: "1", Arch: "noarch"}, Requires: requires}
	}
	base := p("base").NEVRA
	long := &tree.Tree{Packages: []tree.Package{p("a"), p("b", 0), p("other"), p("top", 1, 2)}, Needs: []tree.NEVRA{base}}
	short := &tree.Tree{Packages: []tree.Package{p("top")}, Needs: []tree.NEVRA{base}}
	tests := []struct {
		in        *tree.Tree
		of        string // names
		recursive bool
		want      string
	}{
		{long, "a", false, "b"}, {long, "a", true, "b top"}, {long, "b", false, "top"}, {long, "top", true, ""}, {long, "stranger", true, ""},
		{long, "base", false, ""}, {long, "base", true, "top"}, {short, "base", false, "top"},
		{long, "a b", false, "b top"}, {long, "other b a", true, "b top"}, {long, "stranger base top", true, "top"}, {short, "base top", false, "top"},
	}
	for _, tt := range tests {
		var got []string
		wanted := make(map[nameArch]bool)
		for of := range strings.FieldsSeq(tt.of) {
			wanted[nameArch{of, "noarch"}] = true
		}
		for _, i := range requirers(tt.in, wanted, tt.recursive) {
			got = append(got, tt.in.Packages[i].Name)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("who requires %s (recursive %v): %q, want %q", tt.of, tt.recursive, got, tt.want)
		}
	}
}

// What is asked about many packages at once is what is asked about each.
func TestReachOfMany(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		g := &graph{requires: make([][]int, 12)}
		for i := range g.requires {
			g.packages = append(g.packages, tree.NEVRA{Name: fmt.Sprintf("p%02d", i)})
			for range r.IntN(3) {
				if j := r.IntN(len(g.requires)); j != i && !slices.Contains(g.requires[i], j) {
					g.requires[i] = append(g.requires[i], j)
				}
			}
		}
		of := []tree.NEVRA{{Name: "stranger"}}
		for range 1 + r.IntN(5) {
			of = append(of, g.packages[r.IntN(len(g.packages))])
		}
		for _, recursive := range []bool{false, true} {
			want := make(map[string]bool)
			for _, p := range of {
				for _, q := range g.dependsOn([]tree.NEVRA{p}, recursive) {
					want[q.String()] = true
				}
			}
			var got []string
			for _, q := range g.dependsOn(of, recursive) {
				got = append(got, q.String())
			}
			if !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
				t.Errorf("seed %d, recursive %v: %q, want %q", seed, recursive, got, slices.Sorted(maps.Keys(want)))
			}
		}
	}
}
