// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// There is an op for each command of the newest protocol, and none for anything else: the tests
// that go through all commands (e2e/faults) go through all ops.
func TestEachCommandHasAnOp(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(newMux(nil))), wire.V1_3.Commands(); !slices.Equal(got, want) {
		t.Errorf("there are ops for %q, and the commands are %q", got, want)
	}
}
