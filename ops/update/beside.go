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

// besideTrees are the packages that came for a program and are in no program's tree,
// as a plugin that the program needs because of what else is installed: they are brought forward by
// themselves.
func besideTrees(owned []db.OwnPackage, trees map[string]*offers.Offer) (beside []db.OwnPackage) {
	for _, p := range owned {
		offered := func(by string) bool { return trees[by] != nil }
		if p.Asked || !slices.ContainsFunc(p.By, offered) {
			continue
		}
		inTree := false
		for _, o := range trees {
			inTree = inTree || slices.ContainsFunc(o.Tree.Packages, func(q tree.Package) bool { return q.Name == p.Name })
		}
		if !inTree {
			beside = append(beside, p)
		}
	}
	return beside
}

// planned is a plan that brings programs forward. Where all together break what is installed, it is
// made of those that don't: the others are refused, and keep no other from its update. It is an
// error where all are.
func planned(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request, chosen []*program) (p *transaction.Plan, refused []*program, err error) {
	together := func(programs []*program) (*transaction.Plan, error) {
		p := transaction.New(r)
		for _, c := range programs {
			if err := p.Add(s, c.offer, transaction.Why{}); err != nil {
				return nil, err
			}
		}
		return p, p.Complete(ctx, s, w)
	}
	p, err = together(chosen)
	if err == nil || !breaks(err) || len(chosen) == 1 {
		return p, nil, err
	}
	var fit []*program
	for _, c := range chosen {
		next, reason := together(append(slices.Clip(fit), c))
		switch {
		case reason == nil:
			p, fit = next, append(fit, c)
		case breaks(reason):
			s.Log.Warn("an update is left out", "program", c.offer.Package().Name, "error", reason)
			refused = append(refused, c)
		default:
			return nil, nil, reason
		}
	}
	if len(fit) == 0 {
		return nil, nil, err
	}
	return p, refused, nil
}

// breaks tells whether a plan can't be because of what is installed.
func breaks(err error) bool {
	var known *wire.Error
	return errors.As(err, &known) && (known.Code == wire.DepResolutionFailed || known.Code == wire.PackageConflicts) && !offers.Ends(err)
}
