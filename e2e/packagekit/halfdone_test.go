// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A library that can't be installed: users see at once that its program isn't complete, then as an
// update, and repairing brings it.
func TestProgramWithoutItsLibrary(t *testing.T) {
	s, err := testbed.NewSchool(t.TempDir(), school.Tools,
		testbed.RPM{Name: "libmood", Summary: "Moods", Pre: `if io.open("/refuse") then error("no room for the group") end`},
		testbed.RPM{Name: "mood", Summary: "Shows moods", Requires: []string{"libmood"}})
	check(t, err)
	defer s.Close()
	l := newLaptopOf(t, s, "")
	l.Daemon = pktest.Start(t, l.Helper)
	refuse := filepath.Join(l.Root, "refuse")
	check(t, os.WriteFile(refuse, nil, 0o644))
	const id = "mood;1.0-1;noarch;school"
	x := l.Begin()
	check(t, x.Call("InstallPackages", uint64(flagsNone), []string{id}))
	result := x.Wait()
	_, words := result.Error()
	for _, want := range []string{"libmood-1.0-1.noarch could not be installed, and mood is installed without that, not complete", "%prein(libmood-", "no room for the group"} {
		if result.Exit() != exitFailed || !strings.Contains(words, want) {
			t.Errorf("exit %d, %q; %q isn't in it", result.Exit(), words, want)
		}
	}
	if !l.Installed("mood") || l.Installed("libmood") {
		t.Error("mood isn't installed without libmood")
	}
	if got := packages(l.Run("GetUpdates", none)); strings.TrimSpace(got) != "mood" {
		t.Errorf("updates: %s", got)
	}
	check(t, os.Remove(refuse))
	x = l.Begin()
	check(t, x.Call("RepairSystem", uint64(flagsNone)))
	finishes(t, x, exitSuccess, 0, "")
	if !l.Installed("libmood") {
		t.Error("libmood isn't installed")
	}
	if got := packages(l.Run("GetUpdates", none)); got != "" {
		t.Errorf("updates: %s", got)
	}
}
