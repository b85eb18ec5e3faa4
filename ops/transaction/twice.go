// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Twice are the installed packages of this backend's that are there in a newer version, too: by
// force, or because an rpm could not remove the old one. Those that are meant to be side by side are
// left out.
func Twice(ctx context.Context, s *ops.System) ([]db.Package, error) {
	owned, err := s.Record.OwnPackages()
	if err != nil {
		return nil, err
	}
	var all []db.Package
	for _, p := range owned {
		if slices.ContainsFunc(owned, func(q db.OwnPackage) bool { return replaceable(p.NEVRA, q.NEVRA) && p.Compare(q.NEVRA) < 0 }) {
			all = append(all, p.Package)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	beside := make(map[tree.NEVRA]bool)
	nothing := func(string) bool { return false }
	err = s.RPM.Read(ctx, nothing, func(_ string, h *rpm.Header) error {
		if h.InstallOnly() {
			beside[ops.NEVRA(h)] = true
		}
		return nil
	})
	return slices.DeleteFunc(all, func(p db.Package) bool { return beside[p.NEVRA] }), err
}

// LeaveOne adds to the plan that only the newest version stays of its packages.
func (p *Plan) LeaveOne(ctx context.Context, s *ops.System) error {
	all, err := Twice(ctx, s)
	if err != nil {
		return err
	}
	for _, old := range all {
		same := func(name string) bool { return name == old.Name }
		replaced := slices.ContainsFunc(p.Items, func(it *Item) bool {
			return replaceable(it.NEVRA, old.NEVRA) && (it.Compare(old.NEVRA) == 0 || len(it.Old) > 0) // "rpm -U" leaves one
		})
		if !replaced && slices.ContainsFunc(p.Kept, func(k db.Planned) bool { return same(k.Name) }) {
			p.Twice = append(p.Twice, old)
		}
	}
	return nil
}

// act has rpm do what the plan is. What is there twice goes last, in a run of its own.
func (c *change) act() error {
	if len(c.Items)+len(c.Erase) > 0 {
		if err := c.rpm(); err != nil {
			return err
		}
	}
	if len(c.Twice) == 0 {
		return nil
	}
	return c.erase(c.Twice)
}

func (c *change) erase(packages []db.Package) error {
	err := c.s.RPM.Erase(c.lock, Labels(packages), c.progress.changed)
	var failed *rpm.Error
	if errors.As(err, &failed) && failed.Kind == rpm.Other {
		return wire.Errorf(wire.PackageFailedToRemove, "%w", err)
	}
	return err
}

// Names are packages as people are told them.
func Names(packages []db.Package) string {
	var all []string
	for _, p := range packages {
		all = append(all, p.NEVRA.String())
	}
	return strings.Join(all, ", ")
}
