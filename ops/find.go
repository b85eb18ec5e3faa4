package ops

import (
	"context"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// An Offer is a package that a source offers: a top-level package, or one that is in the tree of one.
type Offer struct {
	Source string // id
	Tree   *tree.Tree
	Index  int         // of the package in the tree
	Entry  *tree.Entry // of the tree's top-level package
}

// Package is the package itself.
func (o *Offer) Package() *tree.Package { return &o.Tree.Packages[o.Index] }

// IsTop tells whether it is a top-level package.
func (o *Offer) IsTop() bool { return o.Index == len(o.Tree.Packages)-1 }

// ID is the package's id.
func (o *Offer) ID() wire.PackageID { return offerID(o.Package(), o.Source) }

func offerID(p *tree.Package, source string) wire.PackageID {
	return wire.PackageID{Name: p.Name, Version: p.EVR(), Arch: p.Arch, Data: source}
}

// FindInstalled is the installed package that an id names; nil where there is none. The id's data does not matter.
func (s *System) FindInstalled(id wire.PackageID) (*db.Package, error) {
	if err := s.SyncInstalled(); err != nil {
		return nil, err
	}
	all, err := s.Record.InstalledByName(id.Name)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if matches(id, all[i].NEVRA) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// FindEntry is the line in the catalogue that an id names, and the id of its source; nil where no source offers it.
// The catalogue must be Ready for the name.
func (s *System) FindEntry(id wire.PackageID) (*tree.Entry, string, error) {
	all, err := s.Record.Offers(id.Name)
	if err != nil {
		return nil, "", err
	}
	slices.SortStableFunc(all, func(a, b db.Package) int {
		if c := b.Compare(a.NEVRA); c != 0 { // an id without a version: the newest
			return c
		}
		return s.rank(a.Source) - s.rank(b.Source)
	})
	for _, p := range all {
		if matches(id, p.NEVRA) && (p.Source == id.Data || id.Data == "" || id.Installed()) {
			return p.Entry, p.Source, nil
		}
	}
	return nil, "", nil
}

// Find is the package that an id names: a top-level package, or one of a tree that this computer has seen, for whoever asks
// about an id that depends-on or a simulation told.
func (s *System) Find(ctx context.Context, w *wire.Writer, id wire.PackageID) (*Offer, error) {
	if err := s.Ready(ctx, w, []string{id.Name}); err != nil {
		return nil, err
	}
	entry, source, err := s.FindEntry(id)
	if err != nil {
		return nil, err
	}
	if entry != nil {
		w.Status(wire.StatusDepResolve)
		t, err := s.Tree(ctx, source, entry)
		if err != nil {
			return nil, err
		}
		return &Offer{Source: source, Tree: t, Index: len(t.Packages) - 1, Entry: entry}, nil
	}
	trees, err := s.Record.TreesWith(id.Name, id.Version, id.Arch)
	if err != nil {
		return nil, err
	}
	for _, sha := range trees {
		t, err := s.keptTree(sha)
		if err != nil {
			return nil, err
		}
		if t == nil {
			continue
		}
		offers, err := s.Record.Offers(t.Name)
		if err != nil {
			return nil, err
		}
		for _, top := range offers {
			if top.Entry.Tree.SHA256 != sha || id.Data != "" && !id.Installed() && top.Source != id.Data {
				continue
			}
			i := slices.IndexFunc(t.Packages, func(p tree.Package) bool { return matches(id, p.NEVRA) })
			return &Offer{Source: top.Source, Tree: t, Index: i, Entry: top.Entry}, nil
		}
	}
	return nil, notOffered(id)
}

func notOffered(id wire.PackageID) error {
	return wire.Errorf(wire.PackageNotFound, "no source offers %s: a refresh of the cache (pkcon refresh) may tell what they offer now", id.Text())
}

// matches tells whether an id names a package; what the id leaves out matches all.
func matches(id wire.PackageID, p tree.NEVRA) bool {
	return id.Name == p.Name && (id.Version == "" || id.Version == p.EVR()) && (id.Arch == "" || id.Arch == p.Arch)
}
