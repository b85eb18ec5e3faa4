// SPDX-License-Identifier: GPL-2.0-or-later

package update

import (
	"context"
	"errors"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A program is one that was asked for and whose tree has newer versions of packages that this
// backend installed.
type program struct {
	offer   *offers.Offer
	updates []update
	blocked error // why its tree can't be brought forward on this computer; nil: it can
}

// An update is one package in a newer version.
type update struct {
	pkg     *tree.Package
	source  string
	old     db.Package // the installed one
	why     string     // it brings no newer version, but puts this right; empty: it does bring one
	notices []tree.Notice
}

func (u *update) id() wire.PackageID {
	return wire.PackageID{Name: u.pkg.Name, Version: u.pkg.EVR(), Arch: u.pkg.Arch, Data: u.source}
}

// available are the programs that have updates, ordered by name.
func available(ctx context.Context, s *ops.System, w *wire.Writer) ([]*program, error) {
	w.Status(wire.StatusQuery)
	if err := s.SyncInstalled(ctx); err != nil {
		return nil, err
	}
	owned, err := s.Record.OwnPackages()
	if err != nil {
		return nil, err
	}
	twice, err := transaction.Twice(ctx, s)
	if err != nil {
		return nil, err
	}
	var all []*program
	trees := make(map[string]*offers.Offer)
	look := func(packages []db.OwnPackage) error {
		var names []string
		for _, p := range packages {
			names = append(names, p.Name)
		}
		if len(names) == 0 {
			return nil
		}
		if err := s.Ready(ctx, w, names); err != nil {
			return err
		}
		// Of several versions of an install-only package only one leads to its updates.
		packages = slices.CompactFunc(packages, func(a, b db.OwnPackage) bool { return a.Name == b.Name && a.Arch == b.Arch })
		for _, own := range packages {
			programs, err := successors(ctx, s, w, &own.Package)
			if err != nil {
				return err
			}
			if programs == nil {
				p, err := updatesOf(ctx, s, w, own.NEVRA, trees, twice)
				if err != nil {
					return err
				}
				if p != nil {
					programs = append(programs, p)
				}
			}
			for _, p := range programs {
				trees[own.Name] = p.offer
			}
			all = append(all, programs...)
		}
		return nil
	}
	if err := look(slices.DeleteFunc(slices.Clone(owned), func(p db.OwnPackage) bool { return !p.Asked })); err != nil {
		return nil, err
	}
	return all, look(besideTrees(owned, trees))
}

// updatesOf is a program with its updates; nil where it has none, or no source offers it any more.
// What is offered goes into trees.
func updatesOf(ctx context.Context, s *ops.System, w *wire.Writer, is tree.NEVRA, trees map[string]*offers.Offer, twice []db.Package) (*program, error) {
	o, err := s.Find(ctx, w, wire.PackageID{Name: is.Name, Arch: is.Arch})
	if errors.Is(err, offers.ErrNotOffered) { // for another architecture, perhaps: noarch once, and no longer
		o, err = s.Find(ctx, w, wire.PackageID{Name: is.Name})
	}
	if errors.Is(err, offers.ErrNotOffered) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	trees[is.Name] = o
	p := &program{offer: o}
	if err := p.look(s); err != nil {
		return nil, err
	}
	if err := p.complete(ctx, s, twice); err != nil || len(p.updates) == 0 {
		return nil, err
	}
	return p, p.finish(ctx, s)
}

// look finds the packages of a program's tree that are newer than this backend's own, or take their
// place.
func (p *program) look(s *ops.System) error {
	for _, i := range p.offer.Tree.Closure(p.offer.Index) {
		pkg := &p.offer.Tree.Packages[i]
		over, err := transaction.Compare(s, pkg)
		if err != nil {
			return err
		}
		old := transaction.Updated(pkg, over.Older)
		if over.Same == nil && over.Newer == nil && len(over.Older) == 0 {
			if old, err = p.replaced(s, pkg); err != nil {
				return err
			}
		}
		if old != nil {
			p.updates = append(p.updates, update{pkg: pkg, source: p.offer.Source, old: *old})
		}
	}
	return nil
}

// finish finds out whether a program can be brought forward, and why it should be.
func (p *program) finish(ctx context.Context, s *ops.System) error {
	plan := transaction.New(&wire.Request{})
	if p.blocked = plan.Add(s, p.offer, transaction.Why{}); p.blocked == nil {
		p.blocked = plan.Obsolete(s)
	}
	return p.explain(ctx, s)
}

// explain finds what the repositories say of why the updates came. Where that can't be had the
// updates are offered all the same.
func (p *program) explain(ctx context.Context, s *ops.System) error {
	all, err := s.Offers.Notices(ctx, p.offer.Source, p.offer.Tree)
	if offers.Ends(err) {
		return err
	}
	if err != nil {
		s.Log.Warn("what a source says of its updates can't be had", "source", p.offer.Source, "error", err)
	}
	if all == nil {
		return nil
	}
	for i := range p.updates {
		u := &p.updates[i]
		for _, n := range all.Notices {
			// What came between the installed version and the new one counts too.
			if slices.ContainsFunc(n.Packages, func(q tree.NEVRA) bool {
				return q.Name == u.pkg.Name && q.Arch == u.pkg.Arch && (u.old.Name != q.Name || q.Compare(u.old.NEVRA) > 0) && q.Compare(u.pkg.NEVRA) <= 0
			}) {
				u.notices = append(u.notices, n)
			}
		}
	}
	return nil
}

// restart is the most that the notices ask to be started anew.
func (u *update) restart() string {
	rank := []string{"", "application", "session", "system", "security-session", "security-system"}
	most := 0
	for _, n := range u.notices {
		r := n.Restart
		if n.Type == "security" && (r == "session" || r == "system") {
			r = "security-" + r
		}
		most = max(most, slices.Index(rank, r))
	}
	return rank[most]
}

// info is how urgent the update is.
func (u *update) info() wire.Info {
	rank := []wire.Info{wire.InfoNormal, wire.InfoEnhancement, wire.InfoBugfix, wire.InfoSecurity}
	kinds := map[string]wire.Info{"security": wire.InfoSecurity, "bugfix": wire.InfoBugfix, "enhancement": wire.InfoEnhancement, "newpackage": wire.InfoEnhancement}
	most := 0
	if u.why != "" {
		most = slices.Index(rank, wire.InfoBugfix)
	}
	for _, n := range u.notices {
		most = max(most, slices.Index(rank, kinds[n.Type]))
	}
	return rank[most]
}
