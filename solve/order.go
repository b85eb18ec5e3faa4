// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"fmt"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A planner brings solutions into a tree's order. One goroutine may use it.
type planner struct {
	*Platform
	position []int32 // by id: 1 + the place in the solution that is being planned, 0: not in it
	// candidates are the packages that the top-level package was chosen from.
	candidates []id
	pool       func() *pool // that solves, made when it is needed
	solved     bool         // it was needed
}

// plan orders the steps of a solution depth first, each package after those that it requires, so
// that of the requirements among them only those are lost that close a loop. Steps without a path
// from the top-level package, e.g. recommended ones, come before it, in the solution's order.
func (w *planner) plan(name string, steps []id) Result {
	r := Result{Name: name}
	if len(steps) > tree.MaxPackages {
		r.Unsolvable = fmt.Sprintf("it takes %d packages, more than the %d that laptops read", len(steps), tree.MaxPackages)
		return r
	}
	for i, step := range steps {
		w.position[step] = int32(i) + 1
	}
	defer func() {
		for _, step := range steps {
			w.position[step] = 0
		}
	}()
	top := w.top(name)
	if top < 0 {
		r.Unsolvable = fmt.Sprintf("the solution has no package of the name %s", name)
		return r
	}
	r.Successors = w.successors(name, top)

	edges := make([][]int32, len(steps)) // places in steps that a step requires, sorted
	needs := make(map[id]bool)
	for i, step := range steps {
		edges[i] = w.edges(step, needs)
	}
	order := make([]int, len(steps)) // 1 + the place in the tree, by the place in steps; 0: not yet
	sorted := make([]int32, 0, len(steps))
	seen := make([]bool, len(steps))
	var visit func(i int32)
	visit = func(i int32) {
		seen[i] = true
		for _, child := range edges[i] {
			if !seen[child] {
				visit(child)
			}
		}
		sorted = append(sorted, i)
		order[i] = len(sorted)
	}
	last := w.position[top] - 1
	visit(last)
	if len(sorted) < len(steps) {
		// The others go in front. Visiting them while the top-level package counts as seen keeps it
		// the last.
		reached := sorted
		sorted = make([]int32, 0, len(steps))
		seen = make([]bool, len(steps))
		seen[last] = true
		for _, i := range reached[:len(reached)-1] {
			if !seen[i] {
				visit(i)
			}
		}
		for i := range int32(len(steps)) {
			if !seen[i] {
				visit(i)
			}
		}
		sorted = append(sorted, last)
		order[last] = len(sorted)
	}

	r.Packages = make([]*Package, len(sorted))
	r.Requires = make([][]int, len(sorted))
	for place, i := range sorted {
		r.Packages[place] = w.packages[steps[i]]
		for _, child := range edges[i] {
			if to := order[child] - 1; to < place {
				r.Requires[place] = append(r.Requires[place], to)
			}
		}
		slices.Sort(r.Requires[place])
	}
	for n := range needs {
		r.Needs = append(r.Needs, w.baseByID[n-w.baseIDs.start])
	}
	slices.SortFunc(r.Needs, compareNEVRA)
	return r
}

// edges are the places of the steps that one step requires, sorted. The packages of the base that
// meet its other requirements are added to needs.
func (w *planner) edges(step id, needs map[id]bool) []int32 {
	var places []int32
	for _, r := range w.requires.of[step] {
		group := w.requires.groups[r.group]
		inTree := false
		for _, n := range group {
			if at := w.position[n]; at > 0 {
				inTree = true
				if n != step {
					places = append(places, at-1)
				}
			}
		}
		if inTree || !r.always {
			continue
		}
		for _, n := range group {
			if w.inBase(n) {
				needs[n] = true
			}
		}
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// requirements are the requirements of all packages, as libsolv gives them. Those that many
// packages have are there once: groups of a thousand packages that a thousand packages require
// would be a million otherwise.
type requirements struct {
	groups [][]id          // the packages that meet a requirement
	of     [][]requirement // by package id
}

type requirement struct {
	group  int32 // in groups
	always bool  // not only sometimes ("A if B")
}

func newRequirements(ctx context.Context, p *pool) (requirements, error) {
	r := requirements{of: make([][]requirement, p.end())}
	known := make(map[id]int32) // groups by dependency
	for n := range p.end() {
		if err := ctx.Err(); err != nil {
			return r, context.Cause(ctx)
		}
		if !p.usable(n) {
			continue
		}
		pairs := slices.Clone(p.requires(n)) // providers overwrites them
		for i := 0; i < len(pairs); i += 2 {
			group, ok := known[pairs[i]]
			if !ok {
				group = int32(len(r.groups))
				known[pairs[i]] = group
				r.groups = append(r.groups, slices.Clone(p.providers(pairs[i])))
			}
			r.of[n] = append(r.of[n], requirement{group, pairs[i+1] == 0})
		}
	}
	return r, nil
}

func compareNEVRA(a, b tree.NEVRA) int {
	as, bs := a.String(), b.String()
	switch {
	case as < bs:
		return -1
	case as > bs:
		return 1
	}
	return 0
}
