// SPDX-License-Identifier: GPL-2.0-or-later

package rich

import (
	"slices"
	"strings"
)

// A Set is packages that an expression is asked about.
type Set interface {
	// Providers are numbers of the packages that a dependency is met by, each a package's own.
	Providers(Dep) []int
}

// Met tells whether a set meets an expression. What rpm itself must be able to do, "rpmlib(…)", is
// taken for met.
func (e *Expr) Met(s Set) bool {
	switch e.Op {
	case And:
		return e.A.Met(s) && e.B.Met(s)
	case Or:
		return e.A.Met(s) || e.B.Met(s)
	case If:
		if e.B.Met(s) {
			return e.A.Met(s)
		}
		return e.C == nil || e.C.Met(s)
	case Unless:
		if !e.B.Met(s) {
			return e.A.Met(s)
		}
		return e.C != nil && e.C.Met(s)
	case Plain:
		if strings.HasPrefix(e.Dep.Name, "rpmlib(") {
			return true
		}
	}
	return len(e.packages(s)) > 0
}

// packages are those that alone are what a plain dependency, or one of them joined by "with",
// "without" and "or", wants.
func (e *Expr) packages(s Set) map[int]bool {
	all := make(map[int]bool)
	if e.Op == Plain {
		for _, n := range s.Providers(e.Dep) {
			all[n] = true
		}
		return all
	}
	a, b := e.A.packages(s), e.B.packages(s)
	for n := range a {
		if e.Op == Or || b[n] == (e.Op == With) {
			all[n] = true
		}
	}
	if e.Op == Or {
		for n := range b {
			all[n] = true
		}
	}
	return all
}

// Leaves gives each plain dependency in an expression until yield returns false. needed tells that
// the expression can cease to be met when what meets the leaf goes; forbidden, when something comes
// that meets it. The condition of an "if" with an "else" is both. They are by which rpm finds what
// it asks again when packages come and go (lib/rpmdb.c, updateRichDep).
func (e *Expr) Leaves(yield func(d Dep, needed, forbidden bool) bool) { e.leaves(true, false, yield) }

func (e *Expr) leaves(needed, forbidden bool, yield func(Dep, bool, bool) bool) bool {
	switch e.Op {
	case Plain:
		return yield(e.Dep, needed, forbidden)
	case If, Unless:
		return e.A.leaves(needed, forbidden, yield) &&
			e.B.leaves(forbidden || e.C != nil, needed || e.C != nil, yield) &&
			(e.C == nil || e.C.leaves(needed, forbidden, yield))
	}
	return e.A.leaves(needed, forbidden, yield) && e.B.leaves(needed, forbidden, yield)
}

// maxWays is how many ways to complete an expression are told at most.
const maxWays = 16

// Completions are ways to have an expression met that a set doesn't meet: of each, all must come. It
// is not said that they are there, or that nothing else would break. None: no package that comes can
// help.
func (e *Expr) Completions(s Set) [][]Dep {
	if e.Met(s) {
		return [][]Dep{nil}
	}
	switch e.Op {
	case Plain:
		return [][]Dep{{e.Dep}}
	case Or:
		return few(append(e.A.Completions(s), e.B.Completions(s)...))
	case With: // who has both is to be found by either
		return few(append(e.A.candidates(), e.B.candidates()...))
	case Without:
		return few(e.A.candidates())
	case If:
		if e.B.Met(s) {
			return e.A.Completions(s)
		}
		return e.C.Completions(s)
	case Unless:
		switch {
		case !e.B.Met(s):
			return e.A.Completions(s)
		case e.C != nil:
			return e.C.Completions(s)
		}
		return nil
	}
	var all [][]Dep
	for _, a := range e.A.Completions(s) {
		for _, b := range e.B.Completions(s) {
			all = append(all, append(append([]Dep(nil), a...), b...))
		}
	}
	return few(all)
}

// candidates are the leaves of an expression that one package must meet, each a way.
func (e *Expr) candidates() (all [][]Dep) {
	if e.Op == Plain {
		return [][]Dep{{e.Dep}}
	}
	all = e.A.candidates()
	if e.Op != Without {
		all = append(all, e.B.candidates()...)
	}
	return all
}

func few(ways [][]Dep) [][]Dep { return ways[:min(len(ways), maxWays)] }

// Provided are things that packages provide, by their names.
type Provided map[string][]Dep

// Add adds things.
func (p Provided) Add(deps ...Dep) {
	for _, d := range deps {
		p[d.Name] = append(p[d.Name], d)
	}
}

// Asks tells whether rpm asks a dependency of an installed package again where packages come that
// provide some things, and others go that provide others. What was broken before and has nothing to
// do with them is in nobody's way. conflict: the dependency is one that must not be met.
func (e *Expr) Asks(conflict bool, come, leave Provided) (asks bool) {
	about := func(d Dep, provided Provided) bool {
		return e.Op != Plain && len(provided[d.Name]) > 0 || slices.ContainsFunc(provided[d.Name], d.Overlaps)
	}
	e.Leaves(func(d Dep, needed, forbidden bool) bool {
		if conflict {
			needed, forbidden = forbidden, needed
		}
		asks = forbidden && about(d, come) || needed && about(d, leave)
		return !asks
	})
	return asks
}
