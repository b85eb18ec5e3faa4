// SPDX-License-Identifier: GPL-2.0-or-later

package attacks

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// downloader is the process that downloads for a helper, 0 where there is none.
func downloader(t testing.TB, helper int) int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", helper)) // it is a thread's
	check(t, err)
	for _, task := range tasks {
		all, err := os.ReadFile(task)
		check(t, err)
		for child := range strings.FieldsSeq(string(all)) {
			if line, err := os.ReadFile("/proc/" + child + "/cmdline"); err == nil && strings.Contains(string(line), "\x00--download-for-helper\x00") {
				pid, err := strconv.Atoi(child)
				check(t, err)
				return pid
			}
		}
	}
	return 0
}

// downloading begins to install a program, and gives the helper and its process that downloads while
// the server holds the RPMs back.
func downloading(t testing.TB) (l *testbed.Laptop, server *gate, h *laptoptest.Helper, child int) {
	t.Helper()
	if _, err := user.Lookup("_pk-presolve"); err != nil {
		skip(t, err.Error()+": run ./setup")
	}
	server = newGate(t, school.Server.URL, ".rpm")
	l = newLaptop(t, server.URL, "")
	h = start(t, l)
	h.OK("get-packages", "installed")
	if pid := downloader(t, h.Process.Pid); pid != 0 {
		t.Error("it runs though nothing was downloaded")
	}
	check(t, h.Send("install-packages", "none", "hello;1.0-1;noarch;school"))
	server.wait(t)
	child = downloader(t, h.Process.Pid)
	if child == 0 {
		t.Fatal("the helper downloads by itself")
	}
	return l, server, h, child
}

// A program is installed by two processes: one that is root, and one that may nearly nothing and
// speaks with the server. Where the second is killed that is a connection that dropped.
func TestDownloadsAsAnotherUser(t *testing.T) {
	l, server, h, child := downloading(t)
	u, err := user.Lookup("_pk-presolve")
	check(t, err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", child))
	check(t, err)
	for _, line := range []string{
		"Uid:\t" + strings.Join([]string{u.Uid, u.Uid, u.Uid, u.Uid}, "\t"), "Gid:\t" + strings.Join([]string{u.Gid, u.Gid, u.Gid, u.Gid}, "\t"),
		"Groups:\t ", "NoNewPrivs:\t1", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
	} {
		if !strings.Contains(string(status), "\n"+line+"\n") {
			t.Errorf("it has no line %q: %s", line, status)
		}
	}
	if own, its := tcp(t, h.Process.Pid), tcp(t, child); own > 0 || its == 0 {
		t.Errorf("the helper has %d connections itself, its process %d", own, its)
	}
	check(t, syscall.Kill(child, syscall.SIGKILL))
	server.Open()
	if failed := laptoptest.ErrorOf(reply(t, h)); failed != "" {
		t.Error(failed)
	}
	if out, err := testbed.RPMQuery(l.Root, "-q", "hello"); err != nil {
		t.Error(err, out)
	}
	check(t, h.Stop())
	if !strings.Contains(h.Log.String(), "the process that downloads has ended") {
		t.Errorf("the helper's log doesn't tell: %q", h.Log.String())
	}
}

// A flat battery for the helper is one for its child, one that hangs too.
func TestDownloaderEndsWithHelper(t *testing.T) {
	for _, stopped := range []bool{false, true} {
		_, _, h, child := downloading(t)
		if stopped {
			check(t, syscall.Kill(child, syscall.SIGSTOP))
		}
		fd, err := unix.PidfdOpen(child, 0)
		check(t, err)
		h.Kill()
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience.Milliseconds())); n != 1 {
			t.Errorf("it has outlived its helper: %v", err)
		}
		check(t, unix.Close(fd))
	}
}

// tcp is how many TCP sockets a process has open.
func tcp(t testing.TB, pid int) (n int) {
	t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	check(t, err)
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	check(t, err)
	for _, fd := range fds {
		if what, err := os.Readlink(fd); err == nil && strings.HasPrefix(what, "socket:[") && strings.Contains(string(table), " "+strings.Trim(what, "socket:[]")+" ") {
			n++
		}
	}
	return n
}

// Where there is no such user the helper says so, and does it itself.
func TestDownloadsItself(t *testing.T) {
	l := newLaptop(t, "", "[transport]\nuser = \"nobody-who-is-there\"\n")
	h := start(t, l)
	h.OK("install-packages", "none", "hello;1.0-1;noarch;school")
	if pid := downloader(t, h.Process.Pid); pid != 0 {
		t.Errorf("%d downloads", pid)
	}
	check(t, h.Stop())
	if !strings.Contains(h.Log.String(), "there is no user nobody-who-is-there") {
		t.Errorf("its log doesn't tell: %q", h.Log.String())
	}
}
