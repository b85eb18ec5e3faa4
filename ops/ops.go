// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// An Op carries out one command. It writes its replies to w, but neither error nor finished. When
// ctx is cancelled it returns soon and leaves what it has downloaded; an op that can't be cancelled
// any more says so by w.AllowCancel.
type Op interface {
	Do(ctx context.Context, w *wire.Writer, r *wire.Request) error
}

// Func is an Op that is a function.
type Func func(ctx context.Context, w *wire.Writer, r *wire.Request) error

// Do calls f.
func (f Func) Do(ctx context.Context, w *wire.Writer, r *wire.Request) error { return f(ctx, w, r) }

// A Mux routes each command to its op, by the command's name.
type Mux map[string]Op
