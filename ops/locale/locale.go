// SPDX-License-Identifier: GPL-2.0-or-later

// Package locale has the op set-locale, which sets the language of summaries and descriptions.
// Where PackageKit doesn't send it the environment's LANG has it.
package locale

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's op into m.
func Register(m ops.Mux, s *ops.System) {
	m["set-locale"] = ops.Func(func(_ context.Context, _ *wire.Writer, r *wire.Request) error {
		s.Offers.SetLocale(r.Name)
		return nil
	})
}
