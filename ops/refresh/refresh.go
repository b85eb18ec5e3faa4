// SPDX-License-Identifier: GPL-2.0-or-later

// Package refresh has the op refresh-cache, which asks the sources what they offer, and has software centres show
// it.
package refresh

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's op into m.
func Register(m ops.Mux, s *ops.System) {
	m["refresh-cache"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		w.Percentage(0)
		if err := s.Offers.Refresh(ctx, ops.Progress(w), r.Force); err != nil {
			return err
		}
		if err := s.Offers.ShowPrograms(ctx, s.RPM.Root); offers.Ends(err) {
			return err
		} else if err != nil { // all else works without
			s.Log.Warn("what sources offer can't be shown in software centres", "error", err)
		}
		if _, err := s.FilledGroups(ctx); err != nil {
			return err
		}
		w.Percentage(100)
		return nil
	})
}
