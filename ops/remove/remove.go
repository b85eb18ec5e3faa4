// SPDX-License-Identifier: GPL-2.0-or-later

// Package remove has the op remove-packages. It removes only what this backend installed; the base
// stays as it is. What it plans is carried out by package transaction.
package remove

import (
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's op into m.
func Register(m ops.Mux, s *ops.System) {
	m["remove-packages"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		if r.Flags[wire.OnlyDownload] {
			return nil // there is nothing to download
		}
		return transaction.Run(ctx, s, w, r, func() (*transaction.Plan, error) { return plan(ctx, s, w, r) })
	})
}

// plan is what goes: what others depend on goes after them, and what nothing needs any more goes
// last.
func plan(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) (*transaction.Plan, error) {
	w.Status(wire.StatusDepResolve)
	asked, err := installed(ctx, s, r.IDs)
	if err != nil {
		return nil, err
	}
	dependents, err := dependents(ctx, s, asked)
	if err != nil {
		return nil, err
	}
	others := dependents
	if r.Autoremove { // what a program brought in may depend on it in turn: it goes anyway
		brought, err := broughtIn(s, append(slices.Clone(dependents), asked...))
		if err != nil {
			return nil, err
		}
		others = slices.DeleteFunc(slices.Clone(dependents), func(p db.Package) bool { return has(brought, p.NEVRA) })
	}
	if len(others) > 0 && !r.AllowDeps {
		return nil, wire.Errorf(wire.DepResolutionFailed, "%s can't be removed alone, since %s: allow that what depends on it goes too, or keep it", names(asked), needed(asked, others))
	}
	if base := foreign(dependents); len(base) > 0 {
		return nil, wire.Errorf(wire.CannotRemoveSystemPackage, "%s can't be removed, since %s, which this backend has not installed and leaves as it is", names(asked), needed(asked, base))
	}
	p := transaction.New(r)
	p.Erase = append(slices.Clone(dependents), asked...)
	if r.Autoremove {
		unneeded, err := unneeded(ctx, s, p.Erase)
		if err != nil {
			return nil, err
		}
		p.Erase = append(p.Erase, unneeded...)
	}
	return p, nil
}

// installed are the packages that ids name, each once.
func installed(ctx context.Context, s *ops.System, ids []wire.PackageID) ([]db.Package, error) {
	var all []db.Package
	for _, id := range ids {
		p, err := s.FindInstalled(ctx, id)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, notInstalled(s, id)
		}
		if !has(all, p.NEVRA) {
			all = append(all, *p)
		}
	}
	if base := foreign(all); len(base) > 0 {
		return nil, wire.Errorf(wire.CannotRemoveSystemPackage, "%s: this backend has not installed %s, and removes only what it has installed; the standard installation stays as it is", names(base), it(base))
	}
	return all, nil
}

func notInstalled(s *ops.System, id wire.PackageID) error {
	others, err := s.Record.InstalledByName(id.Name)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		return wire.Errorf(wire.PackageNotInstalled, "%s is not installed, but %s is", id.Text(), names(others))
	}
	return wire.Errorf(wire.PackageNotInstalled, "%s is not installed", id.Name)
}

// dependents are the installed packages that can't stay without others: they depend on them, or on
// one that does. Those that depend on more than what goes before come first.
func dependents(ctx context.Context, s *ops.System, gone []db.Package) ([]db.Package, error) {
	var all []db.Package
	for {
		more, err := needers(ctx, s, append(slices.Clone(all), gone...))
		if err != nil || len(more) == 0 {
			return all, err
		}
		all = append(more, all...)
	}
}

// needers are the installed packages that need something of others that go.
func needers(ctx context.Context, s *ops.System, gone []db.Package) ([]db.Package, error) {
	unmet, err := s.RPM.UnmetByErasing(ctx, transaction.Labels(gone))
	if err != nil {
		return nil, err
	}
	var all []db.Package
	for _, u := range unmet {
		by, err := tree.ParseNEVRA(u.By)
		if err != nil {
			return nil, wire.Errorf(wire.DepResolutionFailed, "rpm names %q, which is no package: %w", u.By, err)
		}
		p, err := s.FindInstalled(ctx, wire.PackageID{Name: by.Name, Version: by.EVR(), Arch: by.Arch})
		if err != nil {
			return nil, err
		}
		if p == nil || has(gone, p.NEVRA) {
			return nil, wire.Errorf(wire.DepResolutionFailed, "rpm says that %s is needed by %s, which this computer's record doesn't have: repair the system", u.Capability, u.By)
		}
		if !has(all, p.NEVRA) {
			all = append(all, *p)
		}
	}
	return all, nil
}

func has(packages []db.Package, p tree.NEVRA) bool {
	return slices.ContainsFunc(packages, func(q db.Package) bool { return q.NEVRA == p })
}

// foreign are those of some packages that this backend has not installed.
func foreign(packages []db.Package) []db.Package {
	return slices.DeleteFunc(slices.Clone(packages), func(p db.Package) bool { return p.Source != "" })
}

func names(packages []db.Package) string {
	var all []string
	for _, p := range packages {
		all = append(all, p.NEVRA.String())
	}
	return strings.Join(all, ", ")
}

func needed(packages, by []db.Package) string {
	if len(by) == 1 {
		return names(by) + " depends on " + it(packages)
	}
	return names(by) + " depend on " + it(packages)
}

func it(packages []db.Package) string {
	if len(packages) == 1 {
		return "it"
	}
	return "them"
}
