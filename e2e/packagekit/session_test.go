// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// What services of the session (GNOME Software's Modify2, codec and font installers, command-not-found) ask,
// in the spellings in which they do: answered of packages in trees that this computer hasn't seen, and once
// they are installed. A member of a tree that isn't offered by itself counts too.
func TestWhatSessionsAsk(t *testing.T) {
	const arch, newest, notInstalled = 1 << 18, 1 << 16, 1 << 3
	codecs := testbed.RPM{Name: "video-codecs", Arch: "x86_64", Summary: "Plays films", Gives: []string{"gstreamer1(decoder-video/x-h264)()(64bit)", "gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)"}}
	player := testbed.RPM{Name: "player", Summary: "A window for films", Requires: []string{"video-parts"}}
	s, err := testbed.NewSchool(t.TempDir(), school.Tools, codecs, player,
		testbed.RPM{Name: "video-parts", Summary: "Parts of films", Gives: []string{"gstreamer1(element-parts)()(64bit)"}},
		testbed.RPM{Name: "thai-fonts", Summary: "Thai letters", Gives: []string{"font(:lang=th)", "font(thaisans)"}},
		testbed.RPM{Name: "odd-viewer", Summary: "Shows odd pictures", Gives: []string{"mimehandler(image/x-odd)"}, Files: map[string]string{"/usr/bin/odd-viewer": "ELF\n"}},
		testbed.RPM{Name: "odd-driver", Summary: "Prints", Gives: []string{"postscriptdriver(odd;laser;)", "modalias(usb:v1234p*d*)"}},
		testbed.RPM{Name: "plasma-odd", Summary: "An engine", Gives: []string{"plasma5(dataengine-odd)"}})
	check(t, err)
	t.Cleanup(func() { s.Close() })
	l := newLaptopOf(t, s, "")
	l.Daemon = pktest.Start(t, l.Helper)
	for _, tt := range []struct{ method, value, finds string }{
		{"WhatProvides", "gstreamer1(decoder-video/x-h264)()(64bit)", "video-codecs"}, // pk-gstreamer-install
		{"WhatProvides", "gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)", "video-codecs"},
		{"WhatProvides", "gstreamer1(decoder-audio/mpeg)(mpegversion=2)()(64bit)", ""},
		{"WhatProvides", "decoder-video/x-h264", "video-codecs"}, // GNOME Software strips what stands around
		{"WhatProvides", "gstreamer1(element-parts)()(64bit)", "video-parts"},
		{"WhatProvides", ":lang=th", "thai-fonts"},
		{"WhatProvides", "font(:lang=th)", "thai-fonts"},
		{"WhatProvides", "font(thaisans)", "thai-fonts"},
		{"WhatProvides", "font(:lang=de)", ""},
		{"WhatProvides", "image/x-odd", "odd-viewer"},
		{"WhatProvides", "mimehandler(image/x-odd)", "odd-viewer"},
		{"WhatProvides", "odd;laser;", "odd-driver"},
		{"WhatProvides", "postscriptdriver(odd;laser;)", "odd-driver"},
		{"WhatProvides", "modalias(usb:v1234p5678d0100)", "odd-driver"},
		{"WhatProvides", "dataengine-odd", "plasma-odd"},
		{"WhatProvides", "plasma5(dataengine-odd)", "plasma-odd"},
		{"WhatProvides", "/usr/bin/odd-viewer", "odd-viewer"},
		{"SearchFiles", "/usr/bin/odd-viewer", "odd-viewer"}, // pk-command-not-found, InstallProvideFiles
		{"Resolve", "odd-viewer", "odd-viewer"},
	} {
		result := l.Run(tt.method, uint64(arch|newest|notInstalled), []string{tt.value})
		want := ""
		if tt.finds != "" {
			want = "available " + tt.finds
		}
		if got := packages(result); got != want || result.Exit() != exitSuccess {
			t.Errorf("%s %s: %q, want %q", tt.method, tt.value, got, want)
		}
	}
	if result := l.Run("InstallPackages", uint64(flagsNone), []string{"video-codecs;1.0-1;x86_64;school"}); result.Exit() != exitSuccess {
		t.Fatal(result)
	}
	if got := packages(l.Run("WhatProvides", none, []string{"gstreamer1(decoder-video/x-h264)()(64bit)"})); got != "installed video-codecs" {
		t.Errorf("once it is installed: %q", got)
	}
	if got := packages(l.Run("WhatProvides", uint64(notInstalled), []string{"gstreamer1(decoder-video/x-h264)()(64bit)"})); got != "" {
		t.Errorf("what isn't installed: %q", got)
	}
}
