// SPDX-License-Identifier: GPL-2.0-or-later

package update

import (
	"context"
	"fmt"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
)

// complete adds the updates that bring no newer version: of the program itself, where it is as new
// as the source has it and lacks what it needs; and of packages that are there twice.
func (p *program) complete(ctx context.Context, s *ops.System, twice []db.Package) error {
	top := p.offer.Package()
	over, err := transaction.Compare(s, top)
	if err != nil {
		return err
	}
	if over.Same != nil {
		lacks, err := transaction.Lacking(ctx, s, transaction.Needs(p.offer))
		if err != nil {
			return err
		}
		if len(lacks) > 0 {
			why := fmt.Sprintf("It isn't complete: it needs %s, which isn't installed.", lacks[0])
			if more := len(lacks) - 1; more > 0 {
				why = fmt.Sprintf("It isn't complete: it needs %s and %d others, which aren't installed.", lacks[0], more)
			}
			p.updates = append(p.updates, update{pkg: top, source: p.offer.Source, old: *over.Same, why: why})
		}
	}
	for _, i := range p.offer.Tree.Closure(p.offer.Index) {
		pkg := &p.offer.Tree.Packages[i]
		t := slices.IndexFunc(twice, func(q db.Package) bool { return q.Name == pkg.Name })
		if t < 0 || slices.ContainsFunc(p.updates, func(u update) bool { return u.pkg.NEVRA == pkg.NEVRA }) {
			continue
		}
		why := fmt.Sprintf("It is installed twice: %s goes.", twice[t].NEVRA)
		p.updates = append(p.updates, update{pkg: pkg, source: p.offer.Source, old: twice[t], why: why})
	}
	return nil
}

// summary is what get-updates says of an update.
func (u *update) summary() string {
	if u.why == "" {
		return u.pkg.Summary
	}
	return u.pkg.Summary + " (" + u.why + ")"
}
