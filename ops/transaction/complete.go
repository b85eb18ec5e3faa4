// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Complete adds to a plan what its changes bring with them. Where a package is updated that other
// programs have in their trees too, those trees are brought forward with it: a platform's trees are
// made to fit together, and an old program need not fit a new library. It finds the packages that
// are obsoleted, and what the packages' conditions on each other ask for.
func (p *Plan) Complete(ctx context.Context, s *ops.System, w *wire.Writer) error {
	for i := 0; i < len(p.Items); i++ { // the plan grows
		it := p.Items[i]
		grown, err := p.inStep(ctx, s, w, it)
		if err != nil {
			return err
		}
		if it.Action != wire.InfoUpdating {
			if grown {
				i = -1
			}
			continue
		}
		for _, by := range it.By {
			if p.tops[by] {
				continue
			}
			p.tops[by] = true
			before := len(p.Items)
			if err := p.bringForward(ctx, s, w, wire.PackageID{Name: by}); err != nil {
				return err
			}
			grown = grown || len(p.Items) != before
		}
		if grown {
			i = -1 // the items are others now
		}
	}
	if err := p.Obsolete(s); err != nil {
		return err
	}
	return p.meetConditions(ctx, s, w)
}

// Obsolete finds the installed packages that the plan's obsolete; it is an error where one belongs
// to the base.
func (p *Plan) Obsolete(s *ops.System) error {
	for _, it := range p.Items {
		if err := p.obsolete(s, it, it.pkg.Obsoletes); err != nil {
			return err
		}
	}
	return nil
}

// inStep adds the version of a package for the other word size to a plan, where an older one is
// installed: the two share files, so they are of one version. grown tells that it was added.
func (p *Plan) inStep(ctx context.Context, s *ops.System, w *wire.Writer, it *Item) (grown bool, err error) {
	if it.InstallOnly || it.Arch == "noarch" {
		return false, nil
	}
	installed, err := s.Record.InstalledByName(it.Name)
	if err != nil {
		return false, err
	}
	for _, q := range installed {
		if q.Source == "" || !q.Beside(it.NEVRA) || q.Compare(it.NEVRA) >= 0 ||
			slices.ContainsFunc(p.Items, func(other *Item) bool { return other.Name == q.Name && other.Arch == q.Arch }) {
			continue
		}
		before := len(p.Items)
		if err := p.bringForward(ctx, s, w, wire.PackageID{Name: q.Name, Version: it.EVR(), Arch: q.Arch}); err != nil {
			return false, err
		}
		grown = grown || len(p.Items) > before
	}
	return grown, nil
}

// bringForward brings a program forward because it shares something with another one. Where that
// can't be done it stays, and rpm has the last word on whether it goes with the new packages.
func (p *Plan) bringForward(ctx context.Context, s *ops.System, w *wire.Writer, id wire.PackageID) error {
	installed, err := s.FindInstalled(ctx, wire.PackageID{Name: id.Name, Arch: id.Arch})
	if err != nil || installed == nil {
		return err
	}
	o, err := s.Find(ctx, w, id)
	if err == nil {
		err = p.Add(s, o, Why{})
	}
	if offers.Ends(err) {
		return err
	}
	if err != nil {
		s.Log.Warn("a program that shares packages with what is updated stays as it is", "program", id.Name, "error", err)
	}
	return nil
}

// obsolete finds the installed packages that an item obsoletes: "rpm -U" will remove them, and
// "rpm -i", which install-only packages come with, won't.
func (p *Plan) obsolete(s *ops.System, it *Item, obsoletes []string) error {
	if it.InstallOnly {
		return nil
	}
	for _, dependency := range obsoletes {
		name, _, _ := strings.Cut(dependency, " ")
		if name == it.Name || slices.ContainsFunc(p.Items, func(other *Item) bool { return other.Name == name }) {
			continue
		}
		installed, err := s.Record.InstalledByName(name)
		if err != nil {
			return err
		}
		for _, q := range installed {
			if !q.Meets(dependency) || slices.ContainsFunc(it.Obsoleted, func(old db.Package) bool { return old.NEVRA == q.NEVRA }) {
				continue
			}
			if q.Source == "" {
				return wire.Errorf(wire.PackageConflicts, "%s would take the place of %s, which belongs to the standard installation: that stays as it is", it.NEVRA, q.NEVRA)
			}
			if err := it.inherit(s, q); err != nil {
				return err
			}
			it.Obsoleted = append(it.Obsoleted, q)
		}
	}
	return nil
}
