// SPDX-License-Identifier: GPL-2.0-or-later

package repair

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// finish does what rpm has left undone: what is there twice or was to go goes, and programs get what
// they lack. What can't be done for one program doesn't keep the others from it.
func (p *repair) finish(ctx context.Context, lock *os.File) error {
	twice, err := transaction.Twice(ctx, p.s)
	if err != nil {
		return err
	}
	left, err := transaction.Left(ctx, p.s)
	if err != nil {
		return err
	}
	incomplete, err := transaction.FindIncomplete(ctx, p.s)
	if err != nil {
		return err
	}
	var failed error
	if goes := append(slices.Clone(twice), left...); len(goes) > 0 {
		failed = p.carryOut(ctx, lock, func() (*transaction.Plan, error) {
			plan := transaction.New(&wire.Request{})
			plan.Erase = goes
			return plan, nil
		})
		for i, q := range goes {
			switch {
			case failed != nil:
			case i < len(twice):
				p.report(ops.ID(&q), "It was there in a newer version, too: this one goes")
			default:
				p.report(ops.ID(&q), "It was to be removed with what needed it, and could not be: it goes")
			}
		}
	}
	for _, i := range incomplete {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.carryOut(ctx, lock, func() (*transaction.Plan, error) { return p.bring(ctx, i.Program) }); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		for _, lacks := range i.Lacks {
			p.report(packageID(lacks, i.Program.Source), "%s needs it, and it was not installed: it comes", i.Program.NEVRA)
		}
	}
	return failed
}

// carryOut has a plan made and carries it out, where this is no simulation.
func (p *repair) carryOut(ctx context.Context, lock *os.File, plan func() (*transaction.Plan, error)) error {
	if p.simulate {
		return nil
	}
	return transaction.Within(ctx, p.s, p.w, &wire.Request{Command: "repair-system"}, lock, plan)
}

// bring plans what a program lacks.
func (p *repair) bring(ctx context.Context, program db.Package) (*transaction.Plan, error) {
	plan := transaction.New(&wire.Request{})
	if _, err := plan.AddMissing(ctx, p.s, p.w, program, transaction.Why{}); err != nil {
		return nil, err
	}
	return plan, plan.Complete(ctx, p.s, p.w)
}
