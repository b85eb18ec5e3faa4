// SPDX-License-Identifier: GPL-2.0-or-later

package backend_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
)

// A search is answered while an install goes on; what changes the system waits for its turn, and
// says so.
func TestTwoLanes(t *testing.T) {
	d, th := start(t)
	install := d.Begin()
	install.Call("InstallPackages", uint64(0), []string{foo})
	changes := th.Enter()
	changes.Command("install-packages", "none", foo)
	changes.Write("status\tdownload", "percentage\t10")
	install.UntilProperty("Status", statusDownload)

	refresh := d.Begin()
	refresh.Call("RefreshCache", false)
	refresh.UntilProperty("Status", statusWaitingForLock)

	search := d.Begin()
	search.Call("SearchNames", none, []string{"x"})
	queries := th.Enter()
	queries.Command("search-name", "none", "x")
	queries.Write("status\tquery", "package\tavailable\t"+foo+"\t", "finished")
	if result := search.Wait(); result.Exit() != exitSuccess || len(result.All("Package")) != 1 {
		t.Errorf("search beside an install: %v", result)
	}

	changes.Write("package\tinstalling\t"+foo+"\t", "finished")
	if result := install.Wait(); result.Exit() != exitSuccess {
		t.Errorf("install: %v", result)
	}
	changes.Command("refresh-cache", "no")
	changes.Finish()
	if result := refresh.Wait(); result.Exit() != exitSuccess {
		t.Errorf("refresh after an install: %v", result)
	}
}

// Commands of a lane run in the order in which they came, in one process.
func TestQueue(t *testing.T) {
	d, th := start(t)
	var xs []*pktest.Transaction
	for _, name := range []string{"a", "b", "c", "d"} {
		x := d.Begin()
		x.Call("SearchNames", none, []string{name})
		xs = append(xs, x)
	}
	p := th.Enter()
	for i, name := range []string{"a", "b", "c", "d"} {
		p.Command("search-name", "none", name)
		p.Finish()
		if exit := xs[i].Wait().Exit(); exit != exitSuccess {
			t.Errorf("%s: exit %d", name, exit)
		}
	}
}

func TestCancelWaiting(t *testing.T) {
	d, th := start(t)
	first, second, third := d.Begin(), d.Begin(), d.Begin()
	first.Call("SearchNames", none, []string{"first"})
	second.Call("SearchNames", none, []string{"second"})
	third.Call("SearchNames", none, []string{"third"})
	p := th.Enter()
	p.Command("search-name", "none", "first")
	second.UntilProperty("Status", statusWaitingForLock)
	if err := second.Call("Cancel"); err != nil {
		t.Error(err)
	}
	if result := second.Wait(); result.Exit() != exitCancelled {
		t.Errorf("exit %d", result.Exit())
	} else if code, _ := result.Error(); code != errorCancelled {
		t.Errorf("error %d", code)
	}
	p.Finish()
	first.Wait()
	p.Command("search-name", "none", "third") // and no signal before
	p.Finish()
	third.Wait()
}

// A cancelled command is told by SIGTERM, and its helper stays.
func TestCancelRunning(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("InstallPackages", uint64(0), []string{foo})
	p := th.Enter()
	p.Expect("command")
	p.Write("status\tdownload")
	x.UntilProperty("Status", statusDownload)
	x.Call("Cancel")
	p.Expect("signal")
	p.Write("error\ttransaction-cancelled\tCancelled", "finished")
	result := x.Wait()
	if code, _ := result.Error(); code != errorCancelled || result.Exit() != exitCancelled {
		t.Errorf("error %d, exit %d", code, result.Exit())
	}
	next := d.Begin()
	next.Call("RefreshCache", false)
	p.Command("refresh-cache", "no")
	p.Finish()
	next.Wait()
}

// Where the command has ended otherwise, the SIGTERM may still be on its way, and mustn't meet the
// next command.
func TestCancelCrossesEnd(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("SearchNames", none, []string{"x"})
	p := th.Enter()
	p.Expect("command")
	p.Write("status\tquery")
	x.UntilProperty("Status", statusQuery)
	x.Call("Cancel")
	p.Expect("signal")
	p.Write("finished")
	x.Wait()
	p.Command("exit")
	p.Expect("eof")
	next := d.Begin()
	next.Call("SearchNames", none, []string{"y"})
	p.Exit(0)
	fresh := th.Enter()
	fresh.Command("search-name", "none", "y")
	fresh.Finish()
	if exit := next.Wait().Exit(); exit != exitSuccess {
		t.Errorf("exit %d", exit)
	}
}

func TestCancelIgnored(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("SearchNames", none, []string{"x"})
	p := th.Enter()
	p.Expect("command")
	x.Call("Cancel")
	p.Expect("signal")
	p.Ends() // killed
	result := x.Wait()
	if code, _ := result.Error(); code != errorProcessKill || result.Exit() != exitCancelled {
		t.Errorf("error %d, exit %d", code, result.Exit())
	}
	works(d, th)
}

// A helper that exits when it's cancelled, without a word, has cancelled.
func TestCancelByExit(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("SearchNames", none, []string{"x"})
	p := th.Enter()
	p.Expect("command")
	x.Call("Cancel")
	p.Expect("signal")
	p.Exit(0)
	result := x.Wait()
	if code, _ := result.Error(); code != errorCancelled || result.Exit() != exitCancelled {
		t.Errorf("error %d, exit %d", code, result.Exit())
	}
	works(d, th)
}

// While rpm runs a helper isn't killed, whatever it does; afterwards it is again.
func TestCancelNotAllowed(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("InstallPackages", uint64(0), []string{foo})
	p := th.Enter()
	p.Expect("command")
	p.Write("status\tinstall", "allow-cancel\tfalse")
	x.UntilProperty("AllowCancel", false)
	x.Call("Cancel")
	p.Expect("signal")
	d.WaitLog("must not be killed now")
	p.Write("package\tinstalling\t"+foo+"\t", "allow-cancel\ttrue", "finished")
	if result := x.Wait(); len(result.All("Package")) != 1 || result.Exit() != exitCancelled { // packagekitd's choice
		t.Errorf("%v", result)
	}
	p.Command("exit")
	p.Exit(0)
	works(d, th)
}

func TestCancelAllowedAgain(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("InstallPackages", uint64(0), []string{foo})
	p := th.Enter()
	p.Expect("command")
	p.Write("status\tinstall", "allow-cancel\tfalse")
	x.UntilProperty("AllowCancel", false)
	x.Call("Cancel")
	p.Expect("signal")
	d.WaitLog("must not be killed now")
	p.Write("allow-cancel\ttrue")
	p.Ends()
	if code, _ := x.Wait().Error(); code != errorProcessKill {
		t.Errorf("error %d", code)
	}
}

// works checks that the next query is answered by a fresh helper.
func works(d *pktest.Daemon, th *theatre) {
	th.t.Helper()
	x := d.Begin()
	x.Call("SearchNames", none, []string{"next"})
	p := th.Enter()
	p.Command("search-name", "none", "next")
	p.Write("status\tquery", "package\tavailable\t"+foo+"\t", "finished")
	if result := x.Wait(); result.Exit() != exitSuccess || len(result.All("Package")) != 1 {
		th.t.Errorf("the next command: %v", result)
	}
}

// The helper's environment is what the protocol lists, PATH, and nothing of packagekitd's own.
func TestEnvironment(t *testing.T) {
	th := newTheatre(t)
	d := pktest.Start(t, th.Helper, "SECRET=1", "LD_LIBRARY_PATH=/nowhere", "http_proxy=http://other/")
	socket := t.TempDir() + "/frontend"
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x := d.Begin("locale=de_DE.UTF-8", "background=true", "interactive=true", "cache-age=7200", "frontend-socket="+socket)
	x.Call("SearchNames", none, []string{"x"})
	p := th.Enter()
	want := []string{"BACKGROUND=TRUE", "CACHE_AGE=5400", "FRONTEND_SOCKET=" + socket, "INTERACTIVE=TRUE",
		"LANG=de_DE.UTF-8", "NETWORK=", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "UID=4294967295"}
	if got := environment(p); !slices.Equal(got, want) {
		t.Errorf("environment\n got %q\nwant %q", got, want)
	}
	p.Finish()
	x.Wait()

	// Another environment takes another helper, once the one before has gone.
	plain := d.Begin()
	plain.Call("SearchNames", none, []string{"y"})
	p.Expect("command")
	p.Command("exit")
	p.Expect("eof")
	p.Exit(0)
	p = th.Enter()
	want = []string{"BACKGROUND=FALSE", "CACHE_AGE=-1", "INTERACTIVE=FALSE", "LANG=C", "NETWORK=",
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "UID=4294967295"}
	if got := environment(p); !slices.Equal(got, want) {
		t.Errorf("environment\n got %q\nwant %q", got, want)
	}
	p.Command("search-name", "none", "y")
	p.Finish()
	plain.Wait()

	// The same one doesn't, and a value that isn't fit for one is left out.
	same := d.Begin("locale=C")
	same.Call("SearchNames", none, []string{"z"})
	p.Command("search-name", "none", "z")
	p.Finish()
	same.Wait()
	odd := d.Begin("locale=C\nX=1")
	odd.Call("SearchNames", none, []string{"z"})
	p.Command("exit")
	p.Exit(0)
	p = th.Enter()
	if slices.ContainsFunc(p.Env, func(v string) bool { return strings.HasPrefix(v, "LANG=") || strings.HasPrefix(v, "X=") }) {
		t.Errorf("environment %q", p.Env)
	}
}

// environment is the puppet's, without what the shell script in front of it adds, and without the
// network's state.
func environment(p *puppet) []string {
	var env []string
	for _, v := range p.Env {
		name, value, _ := strings.Cut(v, "=")
		switch {
		case name == "PWD":
			continue
		case name == "NETWORK" && (value == "TRUE" || value == "FALSE"):
			v = "NETWORK="
		}
		env = append(env, v)
	}
	return env
}
