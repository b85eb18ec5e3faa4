// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"bytes"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Each generation of PackageKit is told of a wait for the network as it takes it, once.
func TestDownloading(t *testing.T) {
	waits := transport.Progress{Done: 41, Total: 100, Waiting: true}
	for dialect, want := range map[wire.Dialect]string{
		wire.V1_2: "speed\t7\npercentage\t32\ndownload-size-remaining\t59\nstatus\tdownload\nspeed\t0\nstatus\trequest\n",
		wire.V0_8: "speed\t7\npercentage\t32\ndownload-size-remaining\t59\nstatus\tdownload\nspeed\t0\nstatus\trequest\nmessage\tconnection-refused\twaiting for the network: 41 % is here, and it goes on by itself\n",
	} {
		var b bytes.Buffer
		w := wire.NewWriter(&b, dialect, nil)
		w.Begin()
		Downloading(w, transport.Progress{Done: 41, Total: 100, Speed: 7}, 0.8)
		Downloading(w, waits, 0.8)
		Downloading(w, waits, 0.8)
		w.Finish(nil)
		if got := b.String(); got != want+"finished\n" {
			t.Errorf("%v: %q", dialect, got)
		}
	}
}
