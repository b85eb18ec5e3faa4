// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

const python = "/usr/bin/python3"

// A told is one thing that testdata/desktop.py was told by PackageKit's GLib library.
type told []any

func (t told) name() string { return t[0].(string) }

func (t told) number(i int) int { return int(t[i].(float64)) }

// desktop runs testdata/desktop.py, and shows each what it is told.
func (l *laptop) desktop(command, name string, each func(told)) {
	l.t.Helper()
	cmd := l.Client(python, "testdata/desktop.py", command, name)
	out, err := cmd.StdoutPipe()
	check(l.t, err)
	check(l.t, cmd.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var t told
		check(l.t, json.Unmarshal(lines.Bytes(), &t))
		each(t)
	}
	check(l.t, cmd.Wait())
}

// A desktop's progress bar: it only grows, and says how fast and how long, over a link whose speed
// is known. (What PackageKit itself calls the remaining time is always 0, up to 1.3.6: desktops
// divide what remains by the speed.)
func TestDesktopInstall(t *testing.T) {
	l := start(t)
	l.Fault(testbed.Slow)
	const speed = 256 << 10
	last, items := -1, map[string]int{}
	var speeds, remaining []int
	end, id := told{}, ""
	l.desktop("install", "atlas", func(told told) {
		switch told.name() {
		case "resolved":
			id = told[1].(string)
		case "percentage":
			if p := told.number(1); p < last || p > 100 {
				t.Errorf("percentage %d after %d", p, last)
			} else {
				last = p
			}
		case "item":
			item := fmt.Sprint(told[1], told[2])
			if p := told.number(3); p < items[item] || p > 100 {
				t.Errorf("%s: %d after %d", item, p, items[item])
			} else {
				items[item] = p
			}
		case "speed":
			if speeds = append(speeds, told.number(1)); len(speeds) == 8 {
				l.Fault(testbed.NoFault) // enough
			}
		case "download-size-remaining":
			remaining = append(remaining, told.number(1))
		case "exit":
			end = told
		}
	})
	if id != "atlas;1.0-1;noarch;school" || end == nil || end.number(1) != exitSuccess || last != 100 || !l.Installed("atlas") {
		t.Errorf("id %s, end %v, percentage %d", id, end, last)
	}
	for _, got := range speeds[:min(8, len(speeds))] {
		if got != 0 && (got < speed/2 || got > 2*speed) { // 0: it waited
			t.Errorf("a speed of %d bytes a second, want about %d", got, speed)
		}
	}
	if len(speeds) < 8 || len(remaining) < 8 || !slices.IsSortedFunc(remaining, func(a, b int) int { return b - a }) || remaining[len(remaining)-1] != 0 {
		t.Errorf("speeds %v, bytes remaining %v", speeds, remaining)
	}
	want := []string{id + "8", id + "9", libtext + "8", libtext + "9"} // download, install
	for _, item := range want {
		if items[item] != 100 {
			t.Errorf("%s ends at %d", item, items[item])
		}
	}
	if len(items) != len(want) {
		t.Errorf("items %v, want %v", items, want)
	}
}

// A desktop's Cancel button.
func TestDesktopCancel(t *testing.T) {
	l := start(t)
	l.Fault(testbed.Stall)
	var all []string
	l.desktop("cancel", "hello", func(t told) { all = append(all, fmt.Sprint(t...)) })
	want := told{"exit", float64(exitCancelled), float64(errorCancelled), "The command was cancelled. What was downloaded is kept."}
	if !slices.Contains(all, fmt.Sprint(want...)) {
		t.Errorf("%q", all)
	}
	if len(l.Partial()) == 0 {
		t.Error("nothing was kept")
	}
}
