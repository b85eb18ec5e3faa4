// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Successors are the top-level packages that have taken the place of a package: they obsolete it,
// with its version where old has one, as rpm compares them; where it is offered still they obsolete
// that, too, and it doesn't obsolete them in turn. This is what "dnf upgrade" goes by. One of each
// name, ordered by name; more than one after a split.
//
// What can't be loaded counts as if it weren't there.
func (o *Offers) Successors(ctx context.Context, p Progress, old tree.NEVRA) ([]Line, error) {
	if err := o.Ready(ctx, p, []string{old.Name}); Ends(err) {
		return nil, err
	}
	offered, err := o.Line(Wanted{Name: old.Name})
	if err != nil {
		return nil, err
	}
	return o.successors(ctx, p, old, offered)
}

// Replaced are those of some names that no source offers and that have successors, without those of
// the base. The installed packages must be known, and the catalogue be Ready for the names.
func (o *Offers) Replaced(names []string) ([]string, error) {
	var all []string
	for _, name := range names {
		by, err := o.by(name)
		if err != nil {
			return nil, err
		}
		if len(by) == 0 || slices.Contains(all, name) {
			continue
		}
		offered, err := o.lines(name)
		if err != nil {
			return nil, err
		}
		installed, err := o.Record.InstalledByName(name)
		if err != nil {
			return nil, err
		}
		if len(offered) == 0 && !slices.ContainsFunc(installed, func(p db.Package) bool { return p.Source == "" }) {
			all = append(all, name)
		}
	}
	return all, nil
}

// successors is Successors where the catalogue is Ready for the name. offered is the line of the
// package itself, nil where there is none.
func (o *Offers) successors(ctx context.Context, p Progress, old tree.NEVRA, offered *Line) ([]Line, error) {
	by, err := o.by(old.Name)
	if err != nil || len(by) == 0 {
		return nil, err
	}
	if err := o.Ready(ctx, p, by); Ends(err) {
		return nil, err
	}
	var all []Line
	for _, name := range by {
		lines, err := o.lines(name)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	all = slices.DeleteFunc(all, func(l Line) bool {
		return l.Name == old.Name || !slices.ContainsFunc(l.Obsoletes, func(dependency string) bool { return about(dependency, old.Name) }) ||
			old.Version != "" && !takes(&l, old) || offered != nil && (!takes(&l, offered.NEVRA) || takes(offered, l.NEVRA))
	})
	if old.Version == "" && offered == nil {
		all = latest(all, old.Name)
	}
	slices.SortStableFunc(all, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), o.prefer(old.Arch, &a, &b))
	})
	return slices.CompactFunc(all, func(a, b Line) bool { return a.Name == b.Name }), nil
}

// about tells whether what is obsoleted is of a name.
func about(dependency, name string) bool {
	is, _, _ := strings.Cut(dependency, " ")
	return is == name
}

// latest are those of some packages that obsolete the latest versions of a name: what took the place
// of an earlier version only has nothing to do with what came after that.
func latest(all []Line, name string) []Line {
	// below is the version that a package obsoletes older ones of; all: all that there are.
	below := func(l *Line) (evr string, all bool) {
		for _, dependency := range l.Obsoletes {
			f := strings.Fields(dependency)
			switch {
			case len(f) == 0 || f[0] != name:
			case len(f) != 3 || strings.HasPrefix(f[1], ">"):
				return "", true
			case evr == "" || tree.CompareEVR(f[2], evr) > 0:
				evr = f[2]
			}
		}
		return evr, false
	}
	compare := func(a, b Line) int {
		of, every := below(&a)
		than, everyOther := below(&b)
		switch {
		case every && everyOther:
			return 0
		case every:
			return 1
		case everyOther:
			return -1
		}
		return tree.CompareEVR(of, than)
	}
	if len(all) == 0 {
		return all
	}
	most := slices.MaxFunc(all, compare)
	return slices.DeleteFunc(all, func(l Line) bool { return compare(l, most) < 0 })
}

// takes tells whether what a line of the catalogue offers takes the place of a package.
func takes(l *Line, old tree.NEVRA) bool {
	return !old.Beside(l.NEVRA) && slices.ContainsFunc(l.Obsoletes, func(dependency string) bool { return old.Meets(dependency) })
}

// prefer orders two packages of a name by which is to be had where none of them is named: first
// that of an architecture, which may be empty, then the platform's own, the newest, and that of the
// first source.
func (o *Offers) prefer(arch string, a, b *Line) int {
	rank := func(p *Line) int {
		switch {
		case p.Arch == arch:
			return 0
		case slices.Contains(tree.Compatible(o.Arch()), p.Arch):
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), b.Compare(a.NEVRA), cmp.Compare(o.Rank(a.Source), o.Rank(b.Source)))
}

// successor is what is meant by a name that has a successor; nil where it has none, or more is said
// than a name. offered is the line of the package itself, nil where there is none.
func (o *Offers) successor(ctx context.Context, p Progress, w Wanted, offered *Line) (*Line, error) {
	if w != (Wanted{Name: w.Name}) {
		return nil, nil
	}
	all, err := o.successors(ctx, p, tree.NEVRA{Name: w.Name}, offered)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// Offer is what a line of a source's catalogue leads to.
func (o *Offers) Offer(ctx context.Context, p Progress, l *Line) (*Offer, error) {
	p.Doing(LoadingTree)
	r, err := o.reference(ctx, l)
	if err != nil {
		return nil, err
	}
	t, err := o.Tree(ctx, l.Source, r)
	if err != nil {
		return nil, err
	}
	return &Offer{Source: l.Source, Tree: t, Index: len(t.Packages) - 1}, nil
}
