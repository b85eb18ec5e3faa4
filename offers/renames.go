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
// Nobody but those who obsolete a name knows that it was replaced, so where it isn't offered itself
// all of the catalogues are loaded. What can't be loaded counts as if it weren't there.
func (o *Offers) Successors(ctx context.Context, p Progress, old tree.NEVRA) ([]db.Package, error) {
	unready := o.Ready(ctx, p, []string{old.Name})
	if Ends(unready) {
		return nil, unready
	}
	offered, _, err := o.Entry(Wanted{Name: old.Name})
	if err != nil {
		return nil, err
	}
	if offered == nil && unready == nil {
		if err := o.Ready(ctx, p, nil); Ends(err) {
			return nil, err
		}
	}
	return o.successors(old, offered)
}

// Replaced are those of some names that no source offers and that have successors, without those of
// the base. All of the catalogues are loaded for that, where there is a name that no source offers.
// The installed packages must be known.
func (o *Offers) Replaced(ctx context.Context, p Progress, names []string) ([]string, error) {
	missing, err := o.Record.Missing(names)
	if err != nil {
		return nil, err
	}
	missing = slices.DeleteFunc(missing, func(name string) bool { return tree.CheckName(name) != nil })
	if len(missing) == 0 {
		return nil, nil
	}
	if err := o.Ready(ctx, p, nil); Ends(err) {
		return nil, err
	}
	return o.Record.Obsoleted(missing)
}

// successors is Successors in the catalogues that are loaded. offered is the line of the package
// itself, nil where there is none.
func (o *Offers) successors(old tree.NEVRA, offered *tree.Entry) ([]db.Package, error) {
	all, err := o.Record.Obsoleting(old.Name)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p db.Package) bool {
		return p.Name == old.Name || old.Version != "" && !takes(p.Entry, old) ||
			offered != nil && (!takes(p.Entry, offered.NEVRA) || takes(offered, p.NEVRA))
	})
	if old.Version == "" && offered == nil {
		all = latest(all, old.Name)
	}
	slices.SortStableFunc(all, func(a, b db.Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), o.prefer(old.Arch, a, b))
	})
	return slices.CompactFunc(all, func(a, b db.Package) bool { return a.Name == b.Name }), nil
}

// latest are those of some packages that obsolete the latest versions of a name: what took the place
// of an earlier version only has nothing to do with what came after that.
func latest(all []db.Package, name string) []db.Package {
	// below is the version that a package obsoletes older ones of; all: all that there are.
	below := func(p db.Package) (evr string, all bool) {
		for _, dependency := range p.Entry.Obsoletes {
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
	compare := func(a, b db.Package) int {
		of, every := below(a)
		than, everyOther := below(b)
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
	return slices.DeleteFunc(all, func(p db.Package) bool { return compare(p, most) < 0 })
}

// takes tells whether what a line of the catalogue offers takes the place of a package.
func takes(e *tree.Entry, old tree.NEVRA) bool {
	return !old.Beside(e.NEVRA) && slices.ContainsFunc(e.Obsoletes, func(dependency string) bool { return old.Meets(dependency) })
}

// prefer orders two packages of a name by which is to be had where none of them is named: first
// that of an architecture, which may be empty, then the platform's own, the newest, and that of the
// first source.
func (o *Offers) prefer(arch string, a, b db.Package) int {
	rank := func(p db.Package) int {
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
// than a name.
func (o *Offers) successor(ctx context.Context, p Progress, w Wanted, offered *tree.Entry) (*db.Package, error) {
	if w != (Wanted{Name: w.Name}) {
		return nil, nil
	}
	var all []db.Package
	var err error
	if old := (tree.NEVRA{Name: w.Name}); offered != nil {
		all, err = o.successors(old, offered)
	} else {
		all, err = o.Successors(ctx, p, old)
	}
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return &all[0], nil
}

// Offer is what a line of a source's catalogue offers.
func (o *Offers) Offer(ctx context.Context, p Progress, source string, e *tree.Entry) (*Offer, error) {
	p.Doing(LoadingTree)
	t, err := o.Tree(ctx, source, e)
	if err != nil {
		return nil, err
	}
	return &Offer{Source: source, Tree: t, Index: len(t.Packages) - 1, Entry: e}, nil
}
