// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"fmt"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Downloading tells how far the downloads of a command are; share is what part of the command they
// are, 0 to 1.
//
// While they wait for the network, the state is "request": clients call it "Requesting data", beside
// how much is here. packagekitd takes "wait" from no backend (pk_backend_job_set_status), for which
// only a command that waits for another counts. Where PackageKit has messages, one says it in words.
func Downloading(w *wire.Writer, p transport.Progress, share float64) {
	w.Speed(p.Speed)
	here := ""
	if p.Total > 0 {
		done := float64(p.Done) / float64(p.Total)
		w.Percentage(int(100 * share * done))
		w.Remaining(p.Total - p.Done)
		here = fmt.Sprintf(": %.0f %% is here", 100*done)
	}
	if !p.Waiting {
		w.Status(wire.StatusDownload)
	} else if w.Status(wire.StatusRequest) { // and it isn't said yet
		w.Message(wire.MessageConnectionRefused, "waiting for the network"+here+", and it goes on by itself")
	}
}
