// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"fmt"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Waiting says that a download waits for the network. packagekitd takes the status wait from no
// backend (pk_backend_job_set_status: only the daemon's own queue waits), so it tells what passes as
// well: that nothing comes, and how much is here; where PackageKit has messages, in words.
func Waiting(w *wire.Writer, p transport.Progress) {
	if !w.Status(wire.StatusWait) { // it is said
		return
	}
	w.Speed(0)
	text := "waiting for the network"
	if p.Total > 0 {
		text += fmt.Sprintf(": %d %% is here", 100*p.Done/p.Total)
	}
	w.Message(wire.MessageConnectionRefused, text+", and it goes on by itself")
}
