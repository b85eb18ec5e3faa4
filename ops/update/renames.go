// SPDX-License-Identifier: GPL-2.0-or-later

package update

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// successors are the programs that have taken the place of an installed one, each with the update
// that replaces it: a split has several, as "dnf upgrade" brings all of them. nil: there are none.
func successors(ctx context.Context, s *ops.System, w *wire.Writer, old *db.Package) ([]*program, error) {
	all, err := s.Offers.Successors(ctx, ops.Progress(w), old.NEVRA)
	if err != nil {
		return nil, err
	}
	var programs []*program
	for _, by := range all {
		o, err := s.Offers.Offer(ctx, ops.Progress(w), by.Source, by.Entry)
		if err != nil {
			return nil, err
		}
		p := &program{offer: o}
		if err := p.look(s); err != nil {
			return nil, err
		}
		over, err := transaction.Compare(s, o.Package())
		if err != nil {
			return nil, err
		}
		if over.Same == nil && over.Newer == nil && len(over.Older) == 0 {
			p.updates = append(p.updates, update{pkg: o.Package(), source: o.Source, old: *old})
		}
		if len(p.updates) == 0 {
			continue
		}
		if err := p.finish(ctx, s); err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}
