// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import (
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A graph is which installed packages require which others, as the RPM database tells. A
// requirement is met by each package that provides its name, or has its file, in whatever version:
// the versions fit, or the packages could not have been installed.
type graph struct {
	packages []tree.NEVRA
	requires [][]int // by index in packages
}

// readGraph reads the headers twice, one at a time: first what is required, then who provides that.
// So only names that are required are kept in memory, and no paths but those.
func readGraph(ctx context.Context, d rpm.Database) (*graph, error) {
	g := &graph{}
	index := make(map[string]int)    // of packages, by the digest of the header
	required := make(map[string]int) // numbers of names
	var wants [][]int                // numbers of the names that a package requires
	nothing := func(string) bool { return false }
	err := d.Read(ctx, nothing, func(digest string, h *rpm.Header) error {
		var numbers []int
		for _, r := range h.Requires() {
			for _, name := range namesIn(r) {
				n, ok := required[name]
				if !ok {
					n = len(required)
					required[strings.Clone(name)] = n
				}
				numbers = append(numbers, n)
			}
		}
		index[digest] = len(g.packages)
		g.packages = append(g.packages, ops.NEVRA(h))
		wants = append(wants, numbers)
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	providers := make([][]int, len(required))
	err = d.Read(ctx, nothing, func(digest string, h *rpm.Header) error {
		i, ok := index[digest]
		if !ok { // installed this very moment
			return nil
		}
		for _, list := range [][]string{{h.Name}, h.Provides(), h.Files()} {
			for _, name := range list {
				if n, ok := required[name]; ok {
					providers[n] = append(providers[n], i)
				}
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	for i, numbers := range wants {
		var all []int
		for _, n := range numbers {
			all = append(all, providers[n]...)
		}
		slices.Sort(all)
		all = slices.Compact(all)
		g.requires = append(g.requires, slices.DeleteFunc(all, func(j int) bool { return j == i }))
	}
	return g, nil
}

// dependsOn are the packages that some packages require, by way of others if recursive, sorted.
func (g *graph) dependsOn(of []tree.NEVRA, recursive bool) []tree.NEVRA {
	return g.reach(of, g.requires, recursive)
}

// requiredBy are the packages that require some packages, by way of others if recursive, sorted.
func (g *graph) requiredBy(of []tree.NEVRA, recursive bool) []tree.NEVRA {
	by := make([][]int, len(g.packages))
	for i, all := range g.requires {
		for _, j := range all {
			by[j] = append(by[j], i)
		}
	}
	return g.reach(of, by, recursive)
}

// reach are the packages that edges lead to from one of some others than themselves. For each of
// them two of those are kept: one is another than itself.
func (g *graph) reach(of []tree.NEVRA, edges [][]int, recursive bool) []tree.NEVRA {
	type step struct{ at, from int }
	index := make(map[tree.NEVRA]int)
	for i, p := range g.packages {
		index[p] = i
	}
	from := make([][]int, len(g.packages))
	var next []step
	for _, p := range of {
		if i, ok := index[p]; ok && from[i] == nil {
			from[i] = []int{i}
			next = append(next, step{i, i})
		}
	}
	for ; len(next) > 0; next = next[1:] {
		s := next[0]
		for _, i := range edges[s.at] {
			if len(from[i]) == 2 || slices.Contains(from[i], s.from) {
				continue
			}
			from[i] = append(from[i], s.from)
			if recursive {
				next = append(next, step{i, s.from})
			}
		}
	}
	var all []tree.NEVRA
	for i, starts := range from {
		if slices.ContainsFunc(starts, func(start int) bool { return start != i }) {
			all = append(all, g.packages[i])
		}
	}
	slices.SortFunc(all, func(a, b tree.NEVRA) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// namesIn are the names in a requirement: one, or in a rich dependency ("(a or b >= 2)") each that
// may be required. What is a condition ("if c") is no requirement.
func namesIn(requirement string) []string {
	if !strings.HasPrefix(requirement, "(") {
		return []string{requirement}
	}
	var names []string
	words := strings.Fields(requirement)
	depth, condition := 0, -1 // how deep in parentheses; where the condition that is being read began, -1: none
	for i := 0; i < len(words); i++ {
		word := words[i]
		for strings.HasPrefix(word, "(") {
			word, depth = word[1:], depth+1
		}
		closing := 0
		for strings.HasSuffix(word, ")") && strings.Count(word, ")") > strings.Count(word, "(") {
			word, closing = word[:len(word)-1], closing+1
		}
		switch word {
		case "and", "or", "with", "without":
		case "if", "unless":
			if condition < 0 {
				condition = depth
			}
		case "else":
			if condition == depth {
				condition = -1
			}
		case "=", "<", ">", "<=", ">=":
			i++ // a version
			if i < len(words) {
				closing = strings.Count(words[i], ")")
			}
		case "":
		default:
			if condition < 0 {
				names = append(names, word)
			}
		}
		if depth -= closing; condition > depth {
			condition = -1
		}
	}
	return names
}
