// SPDX-License-Identifier: GPL-2.0-or-later

package faults

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
)

// TestSoak gives one helper very many commands of all kinds: it must not grow from the first tenth
// to the end.
func TestSoak(t *testing.T) {
	t.Parallel()
	commands := 20_000
	if long {
		commands = 1_000_000
	}
	laptop := makeLaptop(t, "", "", "")
	h := start(t, laptop)
	h.OK("refresh-cache", "no")
	mix := [][]string{
		{"resolve", "none", "atlas"}, {"resolve", "none", "hello"}, {"search-name", "none", "atlas"}, {"resolve", "none", "nobody"},
		{"search-details", "~installed", "world"}, {"get-details", "hello;1.0-1;noarch;school"}, {"resolve", "installed", "basesystem"},
		{"get-packages", "installed"}, {"get-files", "hello;1.0-1;noarch;school"}, {"what-provides", "none", "hello"},
		{"install-packages", "simulate", "hello;1.0-1;noarch;school"}, {"get-details", "nonsense"}, {"no-such-command", "x"}, {"search-group", "none", "education"},
		{"depends-on", "none", "hello;1.0-1;noarch;school", "yes"}, {"get-updates", "none"}, {"install-packages", "none", "orphan;1.0-1;noarch;school"},
	}
	seldom := [][]string{
		{"refresh-cache", "no"}, {"install-packages", "none", "hello;1.0-1;noarch;school"}, {"remove-packages", "none", "hello;1.0-1;noarch;installed:school", "yes", "yes"},
		{"refresh-cache", "yes"}, {"repair-system", "none"}, {"download-packages", t.TempDir(), "libtext;2:0.9-1;x86_64;school"},
	}
	nth := func(i int) []string {
		if i%500 == 499 {
			return seldom[i/500%len(seldom)]
		}
		return mix[i%len(mix)]
	}
	failed := make(chan error, 1)
	go func() { // the helper reads the next command while it answers one
		for i := range commands {
			if err := h.Send(nth(i)...); err != nil {
				failed <- err
				return
			}
		}
		failed <- nil
	}()
	var memory, descriptors int
	for i := range commands {
		if _, err := h.Reply(nil); err != nil {
			t.Fatalf("after %d commands, at %q: %v", i, nth(i), err)
		}
		if i == commands/10 {
			memory, descriptors = sizeOfProcess(t, h.Process.Pid)
		}
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	atEnd, open := sizeOfProcess(t, h.Process.Pid)
	t.Logf("%d commands: %d KiB and %d descriptors after a tenth of them, %d KiB and %d at the end", commands, memory, descriptors, atEnd, open)
	if open > descriptors+4 { // connections come and go
		t.Errorf("descriptors grew from %d to %d", descriptors, open)
	}
	if atEnd > memory*5/4+2<<10 {
		t.Errorf("memory grew from %d KiB to %d KiB", memory, atEnd)
	}
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
}

// sizeOfProcess is a process' memory in KiB and its open descriptors.
func sizeOfProcess(t *testing.T, pid int) (memory, descriptors int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rss, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			if memory, err = strconv.Atoi(strings.Fields(rss)[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return memory, len(open)
}
