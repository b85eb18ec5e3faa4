// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// errMovedOn says that a source has been asked what it offers now, since it hasn't an RPM any more
// that a plan needs: the plan has to be made anew.
var errMovedOn = errors.New("the source offers something else now")

// upToDate runs f, and once more where it failed since a source has moved on: it doesn't have what
// it named when it was asked last, and offers something else now. A package that the request has in
// a version that was superseded by that is then wanted in the new one.
func upToDate(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request, f func() error) error {
	err := f()
	if !errors.Is(err, errMovedOn) && !errors.Is(err, offers.ErrSuperseded) {
		return err
	}
	s.Log.Info("planned anew", "reason", err)
	for i, id := range r.IDs {
		if id.Installed() {
			continue
		}
		e, err := s.Offers.Superseded(ops.Wanted(id))
		if err != nil {
			return err
		}
		if e != nil {
			r.IDs[i].Version, r.IDs[i].Arch = e.EVR(), e.Arch
		}
	}
	return f()
}

// catchUp is errMovedOn where one of the sources that items are downloaded from offers something
// else now than what the plan was made of; else err.
func (c *change) catchUp(ctx context.Context, items []*Item, err error) error {
	told := err
	asked := make(map[string]bool)
	for _, it := range items {
		if asked[it.Source] {
			continue
		}
		asked[it.Source] = true
		told = c.s.Offers.CatchUp(ctx, ops.Progress(c.w), it.Source, slices.Sorted(maps.Keys(c.tops)), err)
		if told == nil {
			return fmt.Errorf("%w: %w", errMovedOn, err)
		}
		if told != err {
			break
		}
	}
	return told
}
