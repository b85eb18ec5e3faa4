// SPDX-License-Identifier: GPL-2.0-or-later

package update

import (
	"context"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's ops into m.
func Register(m ops.Mux, s *ops.System) {
	m["get-updates"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return list(ctx, s, w, r) })
	m["get-update-detail"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return detail(ctx, s, w, r) })
	m["update-packages"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		return transaction.Run(ctx, s, w, r, func() (*transaction.Plan, error) { return plan(ctx, s, w, r) })
	})
}

// plan plans update-packages: the whole trees of the programs whose packages are named are brought
// forward; without names, those of all programs that can be.
func plan(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) (*transaction.Plan, error) {
	programs, err := available(ctx, s, w)
	if err != nil {
		return nil, err
	}
	w.Status(wire.StatusDepResolve)
	chosen, blocked, err := choose(s, programs, r.IDs)
	if err != nil {
		return nil, err
	}
	p, refused, err := planned(ctx, s, w, r, chosen)
	if err != nil {
		return nil, err
	}
	for _, c := range refused {
		for _, u := range c.updates {
			if !slices.ContainsFunc(p.Items, func(it *transaction.Item) bool { return it.NEVRA == u.pkg.NEVRA }) {
				blocked = append(blocked, u)
			}
		}
	}
	for _, u := range blocked {
		w.Package(wire.InfoBlocked, u.id(), u.pkg.Summary)
	}
	if err := p.LeaveOne(ctx, s); err != nil {
		return nil, err
	}
	for _, it := range p.Items {
		if u := find(programs, it.ID()); u != nil {
			it.Restart = u.restart()
		}
	}
	return p, nil
}

// choose are the programs to be brought forward, and the updates that were named and can't be had.
// "pkcon update" names all that get-updates tells, the blocked ones too: what can be done is done.
// It is an error where nothing can.
func choose(s *ops.System, programs []*program, ids []wire.PackageID) (chosen []*program, blocked []update, err error) {
	named := make([]bool, len(ids))
	var reason error
	for _, p := range programs {
		for _, u := range p.updates {
			wanted := len(ids) == 0
			for i, id := range ids {
				if names(id, &u) {
					wanted, named[i] = true, true
				}
			}
			switch {
			case !wanted:
			case p.blocked != nil:
				blocked = append(blocked, u)
				if reason == nil {
					reason = p.blocked
				}
			case !slices.Contains(chosen, p):
				chosen = append(chosen, p)
			}
		}
	}
	for i, id := range ids {
		if !named[i] {
			if err := noUpdate(s, id); err != nil {
				return nil, nil, err
			}
		}
	}
	// What another program brings forward isn't blocked.
	blocked = slices.DeleteFunc(blocked, func(u update) bool { return find(chosen, u.id()) != nil })
	switch {
	case len(chosen) > 0:
		return chosen, blocked, nil
	case reason != nil:
		return nil, nil, reason
	case len(ids) == 0:
		return nil, nil, wire.Errorf(wire.NoPackagesToUpdate, "all that this backend installed is as new as the sources have it")
	}
	return nil, nil, wire.Errorf(wire.NoPackagesToUpdate, "all of them are as new as the sources have them")
}

// noUpdate says why an id is no update; nil where what it names is up to date.
func noUpdate(s *ops.System, id wire.PackageID) error {
	installed, err := s.Record.InstalledByName(id.Name)
	if err != nil {
		return err
	}
	if len(installed) == 0 {
		return wire.Errorf(wire.PackageNotInstalled, "%s is not installed, so it can't be updated: it may be installed", id.Name)
	}
	for _, p := range installed {
		if p.Source == "" {
			return wire.Errorf(wire.UpdateNotFound, "%s belongs to the standard installation, which stays as it is: a new image brings a newer one", p.NEVRA)
		}
		if id.Version == "" || p.EVR() == id.Version {
			return nil
		}
	}
	return wire.Errorf(wire.UpdateNotFound, "no source offers %s as an update of %s: a refresh of the cache may tell what they offer now", id.Text(), installed[0].NEVRA)
}
