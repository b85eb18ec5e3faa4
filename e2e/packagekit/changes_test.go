// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// stalledInstall begins an install, and returns when some of it has come and nothing more comes.
func (l *laptop) stalledInstall(ids ...string) *pktest.Transaction {
	l.t.Helper()
	l.Fault(testbed.Stall)
	x := l.Begin()
	check(l.t, x.Call("InstallPackages", uint64(flagsNone), ids))
	x.Until("ItemProgress")
	return x
}

// installInRPM begins an install of patient, and returns when rpm is in the middle of it. Closing
// the gate lets rpm go on.
func (l *laptop) installInRPM() (*pktest.Transaction, *os.File) {
	l.t.Helper()
	path := filepath.Join(l.Root, testbed.Gate)
	check(l.t, syscall.Mkfifo(path, 0o600))
	x := l.Begin()
	check(l.t, x.Call("InstallPackages", uint64(flagsNone), []string{"patient;1.0-1;noarch;school"}))
	giveUp := time.AfterFunc(pktest.Patience, func() { os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) })
	gate, err := os.OpenFile(path, os.O_WRONLY, 0) // waits until rpm opens it
	if !giveUp.Stop() {
		l.t.Fatal("rpm doesn't come to patient")
	}
	check(l.t, err)
	check(l.t, os.Remove(path))
	l.t.Cleanup(func() { gate.Close() })
	return x, gate
}

// finishes waits for a transaction, and checks that it went as it should.
func finishes(t *testing.T, x *pktest.Transaction, exit, code uint32, text string) pktest.Result {
	t.Helper()
	result := x.Wait()
	got, words := result.Error()
	if result.Exit() != exit || got != code || !strings.Contains(words, text) {
		t.Errorf("exit %d, error %d %q; want exit %d, error %d %q: %v", result.Exit(), got, words, exit, code, text, result)
	}
	return result
}

// installs checks that an install works, whatever was before.
func (l *laptop) installs(t *testing.T, id string) {
	t.Helper()
	x := l.Begin()
	check(t, x.Call("InstallPackages", uint64(flagsNone), []string{id}))
	grows(t, finishes(t, x, exitSuccess, 0, ""))
	if name := id[:strings.IndexByte(id, ';')]; !l.Installed(name) {
		t.Errorf("%s isn't installed", name)
	}
}

// A search is answered while a download stands still, and the download goes on afterwards.
func TestSearchBesideInstall(t *testing.T) {
	l := start(t)
	install := l.stalledInstall(hello)
	if got := packages(l.Run("SearchNames", none, []string{"pai"})); got != "available paint" {
		t.Errorf("search: %s", got)
	}
	if got := packages(l.Run("Resolve", none, []string{"hello", "libschool"})); got != "available hello, installed libschool" {
		t.Errorf("resolve: %s", got)
	}
	l.Fault(testbed.NoFault)
	grows(t, finishes(t, install, exitSuccess, 0, ""))
	// And the queries' helper has seen what the other has done.
	if got := packages(l.Run("Resolve", none, []string{"hello"})); got != "installed hello" {
		t.Errorf("resolve: %s", got)
	}
}

// While a download waits for the network, clients see that it asks a server, how much is here, and
// that nothing comes.
func TestWaitingForNetwork(t *testing.T) {
	l := start(t)
	l.Fault(testbed.Cut)
	x := l.Begin()
	check(t, x.Call("InstallPackages", uint64(flagsNone), []string{hello}))
	x.UntilProperty("Status", statusRequest)
	l.Fault(testbed.NoFault)
	result := finishes(t, x, exitSuccess, 0, "")
	grows(t, result)
	shown := make(map[string]any)
	for _, s := range result {
		if s.Name != "Properties" {
			continue
		}
		for name, v := range s.Body[0].(map[string]dbus.Variant) {
			shown[name] = v.Value()
		}
		if shown["Status"] == uint32(statusRequest) {
			break
		}
	}
	// Half is here, of what 80 % are for.
	if p, _ := shown["Percentage"].(uint32); p < 39 || p > 40 || shown["Speed"] != nil && shown["Speed"] != uint32(0) {
		t.Errorf("while it waits: %v", shown)
	}
}

// Two clients change the system: one after the other.
func TestTwoInstalls(t *testing.T) {
	l := start(t)
	first := l.stalledInstall(hello)
	second := l.Begin()
	check(t, second.Call("InstallPackages", uint64(flagsNone), []string{paint}))
	refresh := l.Begin()
	check(t, refresh.Call("RefreshCache", true))
	l.Fault(testbed.NoFault)
	finishes(t, first, exitSuccess, 0, "")
	finishes(t, second, exitSuccess, 0, "")
	finishes(t, refresh, exitSuccess, 0, "")
	if strings.Contains(l.Log(), "rather than 'installing'") {
		t.Error("packagekitd drops packages:", l.Log())
	}
	if !l.Installed("hello") || !l.Installed("paint") {
		t.Error("not all are installed")
	}
}

// Somebody runs the helper by hand while PackageKit installs, and the other way round.
func TestStrayHelper(t *testing.T) {
	l := start(t)
	install := l.stalledInstall(hello)
	out, err := exec.Command(l.Helper, "--one-shot", "install-packages", "none", paint).Output()
	var exit *exec.ExitError
	want := fmt.Sprintf(", process %d is changing the system", l.Changing())
	if !errors.As(err, &exit) || !strings.Contains(string(out), want) {
		t.Errorf("%v\n%s\nwant %q", err, out, want)
	}
	if parent := parent(t, l.Changing()); parent != l.Pid() {
		t.Errorf("the lock names a child of %d; packagekitd is %d", parent, l.Pid())
	}
	l.Fault(testbed.NoFault)
	finishes(t, install, exitSuccess, 0, "")

	stray, err := school.Start(l.Config, nil)
	check(t, err)
	defer stray.Kill()
	l.Fault(testbed.Stall)
	check(t, stray.Send("install-packages", "none", paint))
	for line := ""; !strings.HasPrefix(line, "item-progress\t"); {
		line, err = stray.Line()
		check(t, err)
	}
	x := l.Begin()
	check(t, x.Call("InstallPackages", uint64(flagsNone), []string{"rival;1.0-1;noarch;school"}))
	finishes(t, x, exitFailed, errorLock, fmt.Sprintf(", process %d is changing the system", stray.Process.Pid))
	if got := packages(l.Run("SearchNames", none, []string{"riv"})); got != "available rival" {
		t.Errorf("search: %s", got)
	}
	l.Fault(testbed.NoFault)
	if _, err := stray.Reply(nil); err != nil || !l.Installed("paint") {
		t.Errorf("paint isn't installed: %v", err)
	}
}

func parent(t *testing.T, pid int) (parent int) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	check(t, err)
	_, rest, _ := strings.Cut(string(data), ") ")
	_, err = fmt.Sscanf(rest[2:], "%d", &parent)
	check(t, err)
	return parent
}

// A cancelled download ends while the server still stalls; what came is kept, and isn't downloaded
// again.
func TestCancelDownload(t *testing.T) {
	l := start(t)
	x := l.stalledInstall(hello)
	check(t, x.Call("Cancel"))
	finishes(t, x, exitCancelled, errorCancelled, "What was downloaded is kept")
	if len(l.Partial()) == 0 || l.Resumed() {
		t.Errorf("partial RPMs %q; requests %q", l.Partial(), l.Proxy.Requests())
	}
	helper := l.Changing()
	l.Fault(testbed.NoFault)
	l.installs(t, hello)
	if !l.Resumed() || len(l.Partial()) > 0 {
		t.Errorf("partial RPMs %q; requests %q", l.Partial(), l.Proxy.Requests())
	}
	if l.Changing() != helper {
		t.Error("the helper didn't outlive the cancel")
	}
}

// While rpm runs, an install can't be cancelled: PackageKit says so, and it completes.
func TestCancelDuringRPM(t *testing.T) {
	l := start(t)
	x, gate := l.installInRPM()
	x.UntilProperty("AllowCancel", false)
	check(t, x.Call("Cancel"))
	l.WaitLog("Cancel method called")
	gate.Close()
	finishes(t, x, exitCancelled, 0, "") // so packagekitd calls it, whatever came of it
	if !l.Installed("patient") {
		t.Error("patient isn't installed")
	}
	l.installs(t, hello)
}

// The power of a helper fails in the middle of a download.
func TestKilledDuringDownload(t *testing.T) {
	l := start(t)
	x := l.stalledInstall(hello)
	check(t, syscall.Kill(l.Changing(), syscall.SIGKILL))
	finishes(t, x, exitFailed, errorInternal, "ended by signal 9 during install-packages")
	if got := packages(l.Run("Resolve", none, []string{"hello"})); got != "available hello" {
		t.Errorf("resolve: %s", got)
	}
	l.Fault(testbed.NoFault)
	l.installs(t, hello)
	if !l.Resumed() {
		t.Errorf("everything was downloaded again: %q", l.Proxy.Requests())
	}
}

// The same while rpm runs: rpm itself goes on, and what it does counts.
func TestKilledDuringRPM(t *testing.T) {
	l := start(t)
	x, gate := l.installInRPM()
	check(t, syscall.Kill(l.Changing(), syscall.SIGKILL))
	finishes(t, x, exitFailed, errorInternal, "ended by signal 9 during install-packages")
	x = l.Begin()
	check(t, x.Call("InstallPackages", uint64(flagsNone), []string{"patient;1.0-1;noarch;school", hello}))
	x.UntilProperty("Status", statusWaitingForLock)
	gate.Close()
	finishes(t, x, exitSuccess, 0, "")
	if !l.Installed("patient") || !l.Installed("hello") {
		t.Error("not all are installed")
	}
}

// PackageKit's own spawning code drives the same helper.
func TestSpawningCode(t *testing.T) {
	stub := filepath.Join(t.TempDir(), "spawnstub.so")
	if out, err := exec.Command(filepath.Join(pktest.Source(), "build"), "--spawnstub", stub).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	l := newLaptop(t, "")
	l.Daemon = pktest.StartWith(t, pktest.Options{Helper: l.Helper, Stub: stub})
	for _, r := range roles {
		switch r.method {
		case "Resolve", "SearchNames", "GetDetails", "InstallPackages":
			result := l.Run(r.method, r.args...)
			if got := answer(l, result); got != r.want || result.Exit() != exitSuccess {
				t.Errorf("%s: %q, want %q: %v", r.method, got, r.want, result)
			}
		}
	}
	x := l.stalledInstall(paint)
	check(t, x.Call("Cancel"))
	finishes(t, x, exitCancelled, errorCancelled, "")
	l.Fault(testbed.NoFault)
	l.installs(t, paint)
}
