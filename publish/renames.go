// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"cmp"
	"context"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Replaced is a name whose package another one has taken the place of: that one is published.
type Replaced struct {
	Name string `json:"name"`
	By   string `json:"by"`
}

// A nameArch is what may be in a catalogue once.
type nameArch struct{ name, arch string }

// otherwiseNamed keeps a result whose top-level package has another name than was asked for, since
// something obsoletes that or since an architecture was asked for with it: it is published under
// the package's own name, once. False: it has the name.
func (b *builder) otherwiseNamed(r solve.Result) bool {
	if r.Packages[len(r.Packages)-1].Name == r.Name {
		return false
	}
	b.reportMu.Lock()
	defer b.reportMu.Unlock()
	b.otherNames = append(b.otherNames, r)
	return true
}

// solveOtherNames publishes what goes by other names than the ones that were asked for. Where
// several packages have taken the place of one, as after a split, all of them are published: an
// update brings all of them. asked are the names that were asked for, sorted.
func (b *builder) solveOtherNames(ctx context.Context, asked []string) error {
	known := make(map[string]bool)
	for _, name := range asked {
		known[name] = true
	}
	for from := 0; from < len(b.otherNames); {
		var more []string
		for _, r := range b.otherNames[from:] {
			for _, name := range r.Successors {
				if !known[name] {
					known[name] = true
					more = append(more, name)
				}
			}
		}
		from = len(b.otherNames)
		// That nobody asked for them by name, and they can't be had, is no fault.
		if err := b.solved.Solve(ctx, more, func(r solve.Result) error {
			if r.InBase || r.Unsolvable != "" {
				return nil
			}
			return b.add(ctx, r)
		}); err != nil {
			return err
		}
	}
	slices.SortFunc(b.otherNames, func(x, y solve.Result) int { return cmp.Compare(x.Name, y.Name) })
	for _, r := range b.otherNames {
		top, name := r.Packages[len(r.Packages)-1], r.Name
		is := nameArch{top.Name, top.Arch}
		if !b.offered[is] && b.lacking[top.Name] == "" {
			r.Name = top.Name
			if err := b.add(ctx, r); err != nil {
				return err
			}
		}
		_, wasAsked := slices.BinarySearch(asked, name)
		switch reason := b.lacking[top.Name]; {
		case wasAsked && reason != "" && !b.offered[is]: // then it is offered itself, if it can be had
			b.lacking[name] = reason
		case wasAsked && len(r.Successors) > 0:
			b.report.Replaced = append(b.report.Replaced, Replaced{name, top.Name})
		}
	}
	b.otherNames = nil
	return nil
}

// obsoletes are those of the packages that a package obsoletes that an Entry takes.
func obsoletes(all []string) []string {
	bytes := 0
	all = slices.DeleteFunc(slices.Clone(all), func(s string) bool {
		if tree.CheckObsoleted(s) != nil || bytes+len(s) > tree.MaxObsoletesText {
			return true
		}
		bytes += len(s)
		return false
	})
	return all[:min(len(all), tree.MaxObsoletes)]
}
