// SPDX-License-Identifier: GPL-2.0-or-later

package backend_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
)

// PackageKit's own spawning code drives the same helper by the same protocol.
func TestSpawnStub(t *testing.T) {
	th := newTheatre(t)
	stub := filepath.Join(t.TempDir(), "spawnstub.so")
	if out, err := exec.Command("./build", "--spawnstub", stub).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	d := pktest.StartWith(t, pktest.Options{Helper: th.Helper, Stub: stub})
	x := d.Begin()
	x.Call("Resolve", none, []string{"foo", "bar"})
	p := th.Enter()
	if want := []string{"resolve", "none", "foo&bar"}; !slices.Equal(p.Argv, want) {
		t.Errorf("started with %q, want %q", p.Argv, want)
	}
	p.Expect("command")
	p.Write("status\tquery", "package\tavailable\t"+foo+"\tA foo", "finished")
	if result := x.Wait(); result.Exit() != exitSuccess || len(result.All("Package")) != 1 {
		t.Errorf("resolve: %v", result)
	}

	x = d.Begin()
	x.Call("GetDetails", []string{foo})
	p.Command("get-details", foo)
	p.Write("status\tinfo", "details\t"+foo+"\tA foo\tGPL\tgames\tOne\thttp://x\t4096", "finished")
	if result := x.Wait(); len(result.All("Details")) != 1 {
		t.Errorf("details: %v", result)
	}

	x = d.Begin()
	x.Call("InstallPackages", uint64(0), []string{foo})
	p.Command("install-packages", "none", foo)
	p.Write("status\tdownload")
	x.UntilProperty("Status", statusDownload)
	x.Call("Cancel")
	p.Expect("signal")
	p.Write("error\ttransaction-cancelled\tCancelled", "finished")
	if result := x.Wait(); result.Exit() != exitCancelled {
		t.Errorf("cancel: %v", result)
	}
	p.Exit(0)
	p.Ends()
}
