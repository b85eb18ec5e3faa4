// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Ready makes sure that the record has what the sources offer under these names; nil means all
// names (offers.Ready).
func (s *System) Ready(ctx context.Context, w *wire.Writer, names []string) error {
	return s.Offers.Ready(ctx, Progress(w), names)
}

// Find is the package on offer that an id names: a top-level package, or one of a tree that this
// computer has seen. The error is package-not-found where there is none.
func (s *System) Find(ctx context.Context, w *wire.Writer, id wire.PackageID) (*offers.Offer, error) {
	o, err := s.Offers.Find(ctx, Progress(w), Wanted(id))
	if errors.Is(err, offers.ErrNotOffered) {
		text := "no source offers " + id.Text() + ": a refresh of the cache may tell what they offer now"
		return nil, &wire.Error{Code: wire.PackageNotFound, Text: text, Err: err}
	}
	return o, err
}

// Provider is a package on offer that provides a capability, or has a file, and that fits takes; nil
// where there is none. It may be one of a tree. A package of that name comes first, then what is
// offered by itself, of that the newest.
func (s *System) Provider(ctx context.Context, w *wire.Writer, capability string, fits func(*tree.Package) bool) (*offers.Offer, error) {
	if tree.CheckName(capability) == nil {
		o, err := s.Find(ctx, w, wire.PackageID{Name: capability})
		if err == nil && fits(o.Package()) {
			return o, nil
		}
		if err != nil && !errors.Is(err, offers.ErrNotOffered) {
			return nil, err
		}
	}
	type member struct {
		source string
		tree.Member
	}
	var all []member
	is := func(name string) bool { return name == capability }
	unready := s.Offers.Capabilities(ctx, Progress(w), []string{capability}, is, func(source string, c *tree.Capability) {
		for _, m := range c.Provides {
			all = append(all, member{source, m})
		}
	})
	if offers.Ends(unready) {
		return nil, unready
	}
	slices.SortStableFunc(all, func(a, b member) int {
		return cmp.Or(cmp.Compare(min(1, len(a.In)), min(1, len(b.In))), cmp.Compare(a.Name, b.Name), b.Compare(a.NEVRA))
	})
	for _, m := range all {
		o, err := s.Offers.Member(ctx, Progress(w), m.source, &m.Member)
		if err != nil {
			return nil, err
		}
		if o != nil && fits(o.Package()) {
			return o, nil
		}
	}
	return nil, unready
}

// OfferID is the id of a package on offer.
func OfferID(o *offers.Offer) wire.PackageID {
	return ID(&db.Package{NEVRA: o.Package().NEVRA, Source: o.Source})
}

// Wanted is the package that an id means, installed or not: where it is installed from doesn't
// matter.
func Wanted(id wire.PackageID) offers.Wanted {
	w := offers.Wanted{Name: id.Name, EVR: id.Version, Arch: id.Arch}
	if !id.Installed() {
		w.Source = id.Data
	}
	return w
}

// Progress tells PackageKit what package offers does.
func Progress(w *wire.Writer) offers.Progress { return progress{w} }

type progress struct{ w *wire.Writer }

func (p progress) Doing(a offers.Activity) {
	switch a {
	case offers.Asking:
		p.w.Status(wire.StatusRefreshCache)
	case offers.LoadingCatalogue:
		p.w.Status(wire.StatusDownloadPackagelist)
	case offers.LoadingTree:
		p.w.Status(wire.StatusDepResolve)
	}
}

func (p progress) Done(part, of int) { p.w.Percentage(100 * part / of) }
