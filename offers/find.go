// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// An Offer is a package that a source offers: a top-level package, or one that is in the tree of
// one.
type Offer struct {
	Source string // id
	Tree   *tree.Tree
	Index  int // of the package in the tree
}

// Package is the package itself.
func (o *Offer) Package() *tree.Package { return &o.Tree.Packages[o.Index] }

// IsTop tells whether it is a top-level package.
func (o *Offer) IsTop() bool { return o.Index == len(o.Tree.Packages)-1 }

// Wanted says which package is meant. What is empty fits all, but for the name.
type Wanted struct {
	Name, EVR, Arch string
	Source          string // id
}

// Is tells whether a package has the name, version and architecture.
func (w Wanted) Is(p tree.NEVRA) bool {
	return w.Name == p.Name && (w.EVR == "" || w.EVR == p.EVR()) && (w.Arch == "" || w.Arch == p.Arch)
}

func (w Wanted) from(source string) bool { return w.Source == "" || w.Source == source }

// Find is the package that is wanted: a top-level package, or, for whoever asks about what a tree or
// the index of capabilities told, one of a tree: of those that this computer has seen, or, where the
// version is known, of any. A name alone that another package has taken the place of means that one
// (Successors). The error is ErrNotOffered where there is none.
func (o *Offers) Find(ctx context.Context, p Progress, w Wanted) (*Offer, error) {
	if err := o.Ready(ctx, p, []string{w.Name}); err != nil {
		return nil, err
	}
	line, err := o.Line(w)
	if err != nil {
		return nil, err
	}
	if line != nil {
		by, err := o.successor(ctx, p, w, line)
		if err != nil {
			return nil, err
		}
		if by != nil {
			line = by
		}
		found, err := o.Offer(ctx, p, line)
		if err == nil {
			return found, nil
		}
		if err := o.CatchUp(ctx, p, line.Source, []string{w.Name}, err); err != nil {
			return nil, err
		}
		if found, err = o.Find(ctx, p, w); errors.Is(err, ErrNotOffered) {
			err = ErrSuperseded
		}
		return found, err
	}
	trees, err := o.Record.TreesWith(w.Name, w.EVR, w.Arch)
	if err != nil {
		return nil, err
	}
	for _, sha := range trees {
		t, source, err := o.current(sha)
		if err != nil {
			return nil, err
		}
		if t == nil || !w.from(source) {
			continue
		}
		i := slices.IndexFunc(t.Packages, func(p tree.Package) bool { return w.Is(p.NEVRA) })
		if i < 0 {
			return nil, o.Record.Damaged(fmt.Errorf("the tree %.12s… hasn't the package %s that the record says it has", sha, w.Name))
		}
		return &Offer{Source: source, Tree: t, Index: i}, nil
	}
	if w.EVR != "" {
		return o.unseen(ctx, p, w)
	}
	by, err := o.successor(ctx, p, w, nil)
	if err != nil {
		return nil, err
	}
	if by != nil {
		return o.Offer(ctx, p, by)
	}
	return nil, ErrNotOffered
}

// Rank is the place of a source in the order of preference; -1 where it is none.
func (o *Offers) Rank(source string) int {
	return slices.IndexFunc(o.Sources, func(s Source) bool { return s.ID == source })
}
