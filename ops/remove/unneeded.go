// SPDX-License-Identifier: GPL-2.0-or-later

package remove

import (
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// broughtIn are the packages that this backend installed only for programs that go: nobody asked
// for them, and no other program has them in its tree. Some of them may go already.
func broughtIn(s *ops.System, gone []db.Package) ([]db.Package, error) {
	owned, err := s.Record.OwnPackages()
	if err != nil {
		return nil, err
	}
	stay := make(map[string]bool) // by name: a program that is installed for two architectures may go for one
	for _, p := range owned {
		if !has(gone, p.NEVRA) {
			stay[p.Name] = true
		}
	}
	stays := func(by string) bool {
		return stay[by] || !slices.ContainsFunc(gone, func(p db.Package) bool { return p.Name == by })
	}
	var all []db.Package
	for _, p := range owned {
		if !p.Asked && len(p.By) > 0 && !slices.ContainsFunc(p.By, stays) {
			all = append(all, p.Package)
		}
	}
	return all, nil
}

// unneeded are the packages that those that go brought in, and that nothing else needs or depends
// on.
func unneeded(ctx context.Context, s *ops.System, gone []db.Package) ([]db.Package, error) {
	all, err := broughtIn(s, gone)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(p db.Package) bool { return has(gone, p.NEVRA) })
	for len(all) > 0 {
		unmet, err := s.RPM.UnmetByErasing(ctx, transaction.Labels(append(slices.Clone(gone), all...)))
		if err != nil {
			return nil, err
		}
		if len(unmet) == 0 {
			break
		}
		if all, err = without(ctx, s, all, unmet); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// without takes out of packages those that meet what would be unmet, e.g. by something that was
// installed by hand. Where they can't be told, all stay.
func without(ctx context.Context, s *ops.System, packages []db.Package, unmet []rpm.Unmet) ([]db.Package, error) {
	wanted := make(map[string]bool)
	for _, u := range unmet {
		name, _, _ := strings.Cut(u.Capability, " ")
		wanted[name] = true
	}
	var stay []tree.NEVRA
	nothing := func(string) bool { return false }
	err := s.RPM.Read(ctx, nothing, func(_ string, h *rpm.Header) error {
		p := ops.NEVRA(h)
		meets := func(what string) bool { return wanted[what] }
		if has(packages, p) && (slices.ContainsFunc(h.Provides(), meets) || slices.ContainsFunc(h.Files(), meets)) {
			stay = append(stay, p)
		}
		return nil
	})
	if err != nil || len(stay) == 0 {
		return nil, err
	}
	return slices.DeleteFunc(packages, func(p db.Package) bool { return slices.Contains(stay, p.NEVRA) }), nil
}
