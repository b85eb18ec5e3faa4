// SPDX-License-Identifier: GPL-2.0-or-later

package install

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// maxTrees is how many bytes of trees and file lists one search for dependencies downloads at most.
// They stay in the record.
const maxTrees = 8 << 20

// providers finds packages of the platform's trees that meet dependencies. Trees don't tell all
// that packages provide; what is known of them is looked through from the cheapest on: names, what
// top-level packages provide, the trees' members, and, for libraries and paths, the files in them.
type providers struct {
	s   *ops.System
	w   *wire.Writer
	all []tops // made when first needed
	got int64  // bytes downloaded
}

// A tops is a top-level package with its tree.
type tops struct {
	db.Package
	tree *tree.Tree
}

// provider is a package that meets a dependency, as rpm writes it; nil where none does. rpm itself
// has the last word.
func (f *providers) provider(ctx context.Context, dependency string) (*offers.Offer, error) {
	name, _, _ := strings.Cut(dependency, " ")
	if tree.CheckName(name) == nil && !strings.ContainsAny(name, "()") {
		o, err := f.s.Find(ctx, f.w, wire.PackageID{Name: name})
		if err == nil && o.Package().Meets(dependency) {
			return o, nil
		}
		if err != nil && !errors.Is(err, offers.ErrNotOffered) {
			return nil, err
		}
	}
	if err := f.load(ctx); err != nil {
		return nil, err
	}
	for _, t := range f.all {
		if slices.Contains(t.Entry.Provides, name) && strings.IndexByte(dependency, ' ') < 0 {
			return f.offer(ctx, t, func(p *tree.Package) bool { return p.NEVRA == t.NEVRA })
		}
	}
	for i := range f.all {
		o, err := f.member(ctx, &f.all[i], func(p *tree.Package) bool { return p.Meets(dependency) })
		if o != nil || err != nil {
			return o, err
		}
	}
	return f.withFile(ctx, name)
}

// load lists the top-level packages.
func (f *providers) load(ctx context.Context) error {
	if f.all != nil {
		return nil
	}
	if err := f.s.Ready(ctx, f.w, nil); err != nil {
		return err
	}
	var names []string
	err := f.s.Record.Available(db.Query{}, func(p *db.Package) error {
		names = append(names, p.Name)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Compact(names) {
		found, err := f.s.Record.Offers(name)
		if err != nil {
			return err
		}
		for _, o := range found {
			f.all = append(f.all, tops{Package: o})
		}
	}
	return nil
}

// spent tells whether this file is one too many for one search. What is kept isn't downloaded, but
// counts as if: the bound is on work, too.
func (f *providers) spent(ref tree.Ref) bool {
	f.got += ref.Size
	return f.got > maxTrees
}

// member is a package of a tree.
func (f *providers) member(ctx context.Context, t *tops, is func(*tree.Package) bool) (*offers.Offer, error) {
	if t.tree == nil {
		if f.spent(t.Entry.Tree) {
			return nil, nil
		}
		var err error
		if t.tree, err = f.s.Offers.Tree(ctx, t.Source, t.Entry); err != nil {
			return nil, f.unless(err)
		}
	}
	return f.offer(ctx, *t, is)
}

// unless passes over a tree that can't be had: another may do.
func (f *providers) unless(err error) error {
	if offers.Ends(err) {
		return err
	}
	f.s.Log.Warn("a tree can't be looked through", "error", err)
	return nil
}

func (f *providers) offer(ctx context.Context, t tops, is func(*tree.Package) bool) (*offers.Offer, error) {
	if t.tree == nil {
		var err error
		if t.tree, err = f.s.Offers.Tree(ctx, t.Source, t.Entry); err != nil {
			return nil, err
		}
	}
	for i := range t.tree.Packages {
		if is(&t.tree.Packages[i]) {
			return &offers.Offer{Source: t.Source, Tree: t.tree, Index: i, Entry: t.Entry}, nil
		}
	}
	return nil, nil
}

// withFile is a package with a path, or with the library that a dependency like
// "libgreet.so.1()(64bit)" is about.
func (f *providers) withFile(ctx context.Context, name string) (*offers.Offer, error) {
	library, _, isLibrary := strings.Cut(name, "(")
	isLibrary = isLibrary && strings.Contains(library, ".so")
	if !isLibrary && !strings.HasPrefix(name, "/") {
		return nil, nil
	}
	for _, t := range f.all {
		if t.Entry.Files.IsZero() || f.spent(t.Entry.Files) {
			continue
		}
		lists, err := f.s.Offers.FileLists(ctx, t.Source, t.Entry)
		if err != nil {
			if err = f.unless(err); err != nil {
				return nil, err
			}
			continue
		}
		for _, l := range lists.Packages {
			if slices.ContainsFunc(l.Files, func(file string) bool { return file == name || isLibrary && path.Base(file) == library }) {
				return f.offer(ctx, t, func(p *tree.Package) bool { return p.NEVRA == l.NEVRA })
			}
		}
	}
	return nil, nil
}
