// SPDX-License-Identifier: GPL-2.0-or-later

package update

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// list answers get-updates. An update that this computer can't have, since it would touch the base,
// is told as blocked. What an update brings in beside is told by a simulation. The filters that
// mean something for what is neither only installed nor only available are none.
func list(ctx context.Context, s *ops.System, w *wire.Writer, _ *wire.Request) error {
	programs, err := available(ctx, s, w)
	if err != nil {
		return err
	}
	free := make(map[wire.PackageID]bool) // not blocked, since one of its programs isn't
	for _, p := range programs {
		for _, u := range p.updates {
			if p.blocked == nil {
				free[u.id()] = true
			}
		}
	}
	told := make(map[wire.PackageID]bool)
	for _, p := range programs {
		for _, u := range p.updates {
			if told[u.id()] {
				continue
			}
			told[u.id()] = true
			info := u.info()
			if !free[u.id()] {
				info = wire.InfoBlocked
			}
			w.Package(info, u.id(), u.summary())
		}
	}
	return nil
}
