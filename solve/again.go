// SPDX-License-Identifier: GPL-2.0-or-later

package solve

// #include "again.h"
import "C"

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"
)

// A name is solved again only where its answer can be another one. Answers are kept from one
// Platform to the next (Keep, Recall), and one counts again where the solver would see the same.
//
// What the solver sees. It makes rules for the installed packages, what can take their place, the
// candidates of the name, and all that these lead to by requirements and recommendations: the reach
// of the name. Of the other packages it knows at most that they are there: as what may not be
// beside another, or can't be had. Versions it compares among packages of one name and of what
// packages of several names provide, and dependencies it takes for the lists of who provides them.
// So whatever a package is called in detail, all that it sees is the package's shape: these lists,
// taken apart as it takes rich dependencies apart, how its version compares with the others of its
// name, its architecture, and a few marks. Lists have packages, whose ids are others in each
// Platform; but the solver does nothing with an id but use it as an index and tell which of two is
// lower. So it does the same, step by step, on a reach that is mapped to another one, package by
// package, so that the order stays and shapes are the same but for the mapping; and its answer is
// the same, but for the mapping.
//
// The mapping. A place is a package of a repository by its name and architecture, and of several
// such by which of them it is. It has a number for ever. Of the packages whose place was there
// before as many keep its number as do in their order; the others get new numbers, so that whatever
// has them in its shape has a new shape. A package that was built anew, in a new version, with the
// same dependencies, that is required in no version that it no longer has, is in the same place in
// the same shape.
//
// The criterion. Packages with new numbers or new shapes have changed, and what leads to one that
// has changed is affected. A name is solved again unless its candidates are the same places, and
// neither they nor what is installed is affected. That is enough, although the reach is looked at
// in the new Platform alone: the candidates have their old shapes, so they lead to the same places
// as before, these have their old shapes, and so on: the old reach was the same. Shapes have no
// less in them than what the solver follows and asks (libsolv 0.7.23: rules.c, policy.c, solver.c,
// order.c). They are those in the pool that solves, so that what ps_clone takes out doesn't count.
//
// Firm answers. By what could replace its packages and by what they recommend the base leads to a
// good part of a distribution, in which something changes each night. But where recommendations
// aren't followed, a package is chosen only as a candidate or because one that is chosen requires
// it: the base requires nothing more (see thin) and stays as it is, or there is no answer to keep.
// So what a name doesn't lead to by requirements is idle. That an idle package isn't chosen
// fulfills all rules of its own, and that an installed one stays fulfills the rule on what may
// replace it: of idle packages the solver can conclude that they can't be had, and from that, sooner
// or later, that what is installed stays, which it decides anyway, after the candidate and before
// all else. An answer is firm if nothing hangs on whether that is sooner: the solver met no conflict,
// and took the only candidate, or the newest of one name and architecture. A firm answer counts again
// where its candidates lead by requirements to nothing that has changed, as long as nothing of the
// base or that could replace it has changed itself. What follows from idle packages all the same:
//   - That a package of the best architecture is in reach rules out others of its name (infarch
//     rules). Names that packages of several architectures have count as changed.
//   - Preferences for what is installed over what else meets a requirement are given up for all
//     packages at once (choice rules). Packages with such a requirement count as changed.
//   - Conditions in what the base conflicts with or recommends: no firm answer counts again.
//
// Names without a solution are solved anew: the reason has versions and dependencies as they are
// written. So are all names where the architecture, the repositories by their ids,
// WeakDependencies, this program or a library of it are others. What is kept says nothing of
// packages but their places: what a tree says of them is always looked up.
type again struct {
	kept  *answers // of the Platform before; never nil
	found answers  // of this one

	prepare sync.Once
	numbers []int32         // by package id: of its place
	ids     map[int32]int32 // the other way round
	// affected are, by id, the candidates whose answers aren't taken over, and needing those whose firm
	// answers aren't; nil: all.
	affected, needing []bool
	over              bool // packages were left out: what is solved now counts for no other Platform

	mu sync.Mutex // guards found's Names and what comes with them
}

// answers are what is kept, in lists of numbers, which are small and quickly read.
type answers struct {
	Of      string   // what else they hang on
	Places  []string // in the order of the packages' ids
	Numbers []int32  // of each
	Shapes  []shape  // of each
	Next    int32    // no number from here on has been used
	Names   map[string]answer
}

type shape [16]byte

// An answer is what was found for a name.
type answer struct {
	From shape // its candidates
	Firm bool  // see again
	// Steps are numbers of places, in the order of the solution, each as binary.AppendUvarint has it.
	Steps []byte
}

// Keep gives what the next Platform can Recall.
func (p *Platform) Keep() ([]byte, error) {
	if p.again == nil || len(p.again.found.Places) == 0 {
		return nil, errors.New("nothing was solved that could be kept")
	}
	p.again.mu.Lock()
	defer p.again.mu.Unlock()
	var data bytes.Buffer
	if err := gob.NewEncoder(&data).Encode(&p.again.found); err != nil {
		return nil, fmt.Errorf("encoding what was solved: %w", err)
	}
	return data.Bytes(), nil
}

// Recall has what an earlier Platform gave to Keep be used by Solve, which finds the same as
// without it, and makes Keep work. What is damaged counts as none. No Solve may be running.
func (p *Platform) Recall(data []byte) {
	program, err := Program()
	if err != nil {
		return
	}
	p.again = &again{kept: new(answers)}
	p.again.found.Of = fmt.Sprintf("%s %s %v %q", program, p.arch, p.weak, p.listed)
	var kept answers
	if gob.NewDecoder(bytes.NewReader(data)).Decode(&kept) == nil && kept.fits(p.again.found.Of) {
		p.again.kept = &kept
	}
}

// fits tells whether answers are whole and hang on the same.
func (a *answers) fits(of string) bool {
	return a.Of == of && len(a.Places) == len(a.Numbers) && len(a.Places) == len(a.Shapes) && !slices.ContainsFunc(a.Numbers, func(n int32) bool { return n <= 0 || n >= a.Next })
}

// place is what a package is known by from one Platform to the next.
func (p *Platform) place(n id, of map[string]int) string {
	pool := p.main
	repository := "" // installed
	if !p.inBase(n) {
		repository = p.listed[pool.repoOf(n)]
	}
	place := repository + "\x00" + pool.name(n) + "\x00" + pool.arch(n)
	of[place]++
	return fmt.Sprint(place, "\x00", of[place])
}

// look finds out what has changed: see again. solving is a pool that solves.
func (a *again) look(ctx context.Context, p *Platform, solving *pool) {
	var all []id
	of := make(map[string]int)
	for n := id(2); n < solving.end(); n++ {
		if C.ps_solvable(solving.ps, C.Id(n)).repo != nil {
			all = append(all, n)
			a.found.Places = append(a.found.Places, p.place(n, of))
		}
	}
	a.number(all, solving.end())
	multi := make([]byte, solving.end())
	for _, n := range solving.installOnly() {
		multi[n] = 1
	}
	g := newGraph(solving.end())
	for _, n := range all {
		if ctx.Err() != nil {
			return
		}
		C.ps_shape(solving.ps, C.Id(n), (*C.uchar)(unsafe.Pointer(&multi[0])))
		g.add(n, solving.out(), p.inBase)
	}
	changed := make([]bool, solving.end())
	a.found.Shapes = make([]shape, len(all))
	before := make(map[int32]shape, len(a.kept.Numbers))
	for i, number := range a.kept.Numbers {
		before[number] = a.kept.Shapes[i]
	}
	for i, n := range all {
		a.found.Shapes[i] = g.shape(n, a.numbers, p.main)
		if was, ok := before[a.numbers[n]]; !ok || was != a.found.Shapes[i] || g.strange[n] {
			changed[n] = true
		}
	}
	affected := g.leadTo(changed, true)
	reached, stays := false, !p.weak // the base
	for _, n := range all {
		switch {
		case affected[n] && g.always[n]:
			return
		case changed[n] && (p.inBase(n) || g.updates[n]), p.inBase(n) && g.rich[n]:
			stays = false
		}
		reached = reached || affected[n] && p.inBase(n)
	}
	if !reached {
		a.affected = affected
	}
	if !stays {
		return
	}
	mixed := mixed(all, p.main)
	for _, n := range all {
		if mixed[p.main.name(n)] || g.chooses(n, p.inBase) {
			changed[n] = true
		}
	}
	a.needing = g.leadTo(changed, false)
}

// mixed are the names that packages of several architectures have, but for noarch.
func mixed(all []id, p *pool) map[string]bool {
	arch, several := make(map[string]string), make(map[string]bool)
	for _, n := range all {
		name, is := p.name(n), p.arch(n)
		if is == "noarch" {
			continue
		}
		if was, ok := arch[name]; ok && was != is {
			several[name] = true
		}
		arch[name] = is
	}
	return several
}

// number gives each package the number of its place. Those that are no longer in the order in which
// they were get new ones, as few as possible.
func (a *again) number(all []id, end id) {
	was := make(map[string]int, len(a.kept.Places))
	for i, place := range a.kept.Places {
		was[place] = i
	}
	rows := make([]int, len(all)) // where it was, or -1
	for i, place := range a.found.Places {
		rows[i] = -1
		if row, ok := was[place]; ok {
			rows[i] = row
		}
	}
	stays := longestRising(rows)
	a.numbers, a.ids = make([]int32, end), make(map[int32]int32, len(all))
	a.found.Numbers = make([]int32, len(all))
	a.found.Next = max(a.kept.Next, 1)
	for i, n := range all {
		number := a.found.Next
		if stays[i] {
			number = a.kept.Numbers[rows[i]]
		} else {
			a.found.Next++
		}
		a.found.Numbers[i], a.numbers[n], a.ids[number] = number, number, n
	}
}

// longestRising marks the longest part of a list that rises; what is below 0 isn't in it.
func longestRising(list []int) []bool {
	var ends []int // places of the lowest ends of rising parts, by their length - 1
	before := make([]int, len(list))
	for i, x := range list {
		if x < 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(ends, x, func(end, x int) int { return list[end] - x })
		before[i] = -1
		if at > 0 {
			before[i] = ends[at-1]
		}
		if at == len(ends) {
			ends = append(ends, i)
		} else {
			ends[at] = i
		}
	}
	in := make([]bool, len(list))
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = before[i] {
			in[i] = true
		}
	}
	return in
}

// A graph is who leads to whom.
type graph struct {
	shapes  [][]int32
	back    [][]id // by id: the packages that lead to it by requirements, or have its name
	weakly  [][]id // by id: the others that lead to it
	more    [][]id // by id: packages that it leads to although nothing in its own shape says so
	strange map[id]bool
	always  map[id]bool // every name leads to them
	updates map[id]bool // they may take the place of an installed package
	rich    map[id]bool // what they conflict with, recommend or suggest has conditions
}

func newGraph(end id) *graph {
	return &graph{shapes: make([][]int32, end), back: make([][]id, end), weakly: make([][]id, end), more: make([][]id, end)}
}

// leadTo are these packages and all that lead to some of them; weakly: by recommendations, too.
func (g *graph) leadTo(these []bool, weakly bool) []bool {
	all := slices.Clone(these)
	var queue []id
	for n, yes := range these {
		if yes {
			queue = append(queue, id(n))
		}
	}
	for len(queue) > 0 {
		n := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		lists := [][]id{g.back[n], g.weakly[n]}
		if !weakly {
			lists = lists[:1]
		}
		for _, list := range lists {
			for _, from := range list {
				if !all[from] {
					all[from] = true
					queue = append(queue, from)
				}
			}
		}
	}
	return all
}

// chooses tells whether what is installed, or could replace that, may meet a requirement of a
// package's that the base doesn't meet alone.
func (g *graph) chooses(n id, installed func(id) bool) bool {
	section := int32(0)
	for _, m := range g.shapes[n] {
		if m <= C.PS_REQUIRES && m >= C.PS_ITSELF {
			section = m
		}
		if m > 1 && (section == C.PS_REQUIRES || section == C.PS_CONFLICTS && g.rich[n]) && (installed(m) || g.updates[m]) {
			return true
		}
	}
	return false
}

// add takes a package's shape.
func (g *graph) add(n id, marks []int32, installed func(id) bool) {
	g.shapes[n] = slices.Clone(marks)
	if conditional(marks) {
		set(&g.rich, n)
	}
	section, depth, nevr := int32(0), 0, false
	for _, m := range marks {
		switch {
		case m <= C.PS_REQUIRES && m >= C.PS_ITSELF:
			section, depth = m, 0
		case m == C.PS_STRANGE:
			set(&g.strange, n)
		case m == C.PS_RICH:
			depth++
		case m == C.PS_LIST:
			depth++
		case m == C.PS_END:
			depth--
		case m == C.PS_NEVR:
			nevr = true
			continue
		case m == C.PS_CONDITION && (section == C.PS_SUPPLEMENTS || section == C.PS_ENHANCES):
			set(&g.always, n) // the solver always takes such for possible
		case m <= 1: // another mark, or the system itself
		case section == C.PS_SUPPLEMENTS || section == C.PS_ENHANCES:
			g.more[m] = append(g.more[m], n)
			g.weakly[n] = append(g.weakly[n], m)
		case section == C.PS_OBSOLETES:
			if nevr && installed(m) {
				set(&g.updates, n)
				g.more[m] = append(g.more[m], n)
				g.weakly[n] = append(g.weakly[n], m)
			}
		case section == C.PS_CONFLICTS && depth < 2: // only rich ones can bring something
		case (section == C.PS_RECOMMENDS || section == C.PS_SUGGESTS) && !g.rich[n]:
			g.weakly[m] = append(g.weakly[m], n)
		default:
			if section == C.PS_UPDATES {
				set(&g.updates, m)
			}
			g.back[m] = append(g.back[m], n)
		}
		nevr = false
	}
}

// conditional tells whether what a package conflicts with, recommends or suggests is more than lists
// of packages.
func conditional(marks []int32) bool {
	section := int32(0)
	for _, m := range marks {
		switch {
		case m <= C.PS_REQUIRES && m >= C.PS_ITSELF:
			section = m
		case m > -100 || m <= C.PS_TEXT || m == -100-C.REL_OR: // no operator, or that of alternatives
		case section == C.PS_CONFLICTS || section == C.PS_RECOMMENDS || section == C.PS_SUGGESTS:
			return true
		}
	}
	return false
}

func set(m *map[id]bool, n id) {
	if *m == nil {
		*m = make(map[id]bool)
	}
	(*m)[n] = true
}

// shape is a package's shape, with numbers of places for ids.
func (g *graph) shape(n id, numbers []int32, names *pool) shape {
	var text []byte
	text = append(text, names.name(n)...)
	text = append(text, 0)
	text = append(text, names.arch(n)...)
	text = append(text, 0)
	for _, list := range [][]int32{g.shapes[n], g.more[n]} {
		text = binary.LittleEndian.AppendUint32(text, uint32(len(list)))
		for _, m := range list {
			if m > 1 {
				m = numbers[m] + 1
			}
			text = binary.LittleEndian.AppendUint32(text, uint32(m))
		}
	}
	sum := sha256.Sum256(text)
	return shape(sum[:16])
}

// from are the candidates of a name.
func (a *again) from(candidates []id) shape {
	var text []byte
	for _, n := range candidates {
		text = binary.LittleEndian.AppendUint32(text, uint32(a.numbers[n]))
	}
	sum := sha256.Sum256(text)
	return shape(sum[:16])
}

// steps are those of the solution for a name, where it is the same as before.
func (a *again) steps(name string, candidates []id) ([]id, bool) {
	if a == nil || a.over {
		return nil, false
	}
	was, ok := a.kept.Names[name]
	if !ok || was.From != a.from(candidates) || !free(candidates, a.affected) && !(was.Firm && free(candidates, a.needing)) {
		return nil, false
	}
	var steps []id
	for rest := was.Steps; len(rest) > 0; {
		number, n := binary.Uvarint(rest)
		step, ok := a.ids[int32(number)]
		if n <= 0 || !ok {
			return nil, false
		}
		steps, rest = append(steps, step), rest[n:]
	}
	a.keep(name, was)
	return steps, true
}

// free tells whether none of the packages is one of those; nil: all.
func free(packages []id, of []bool) bool {
	return of != nil && !slices.ContainsFunc(packages, func(n id) bool { return of[n] })
}

// remember notes what was found for a name.
func (a *again) remember(name string, candidates, steps []id, firm bool) {
	if a == nil || a.over || a.numbers == nil {
		return
	}
	is := answer{From: a.from(candidates), Firm: firm}
	for _, n := range steps {
		is.Steps = binary.AppendUvarint(is.Steps, uint64(a.numbers[n]))
	}
	a.keep(name, is)
}

func (a *again) keep(name string, is answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.found.Names == nil {
		a.found.Names = make(map[string]answer)
	}
	a.found.Names[name] = is
}

// firm tells whether the steps that were found last are a firm answer: see again.
func (p *pool) firm(candidates, steps []id, installed func(id) bool) bool {
	if p.ps.conflicts != 0 || len(candidates) == 0 {
		return false
	}
	first := id(C.ps_first(p.ps, (*C.Id)(unsafe.Pointer(&candidates[0])), C.int(len(candidates))))
	return first != 0 && (installed(first) || slices.Contains(steps, first))
}
