// SPDX-License-Identifier: GPL-2.0-or-later

package search

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

func TestWant(t *testing.T) {
	tests := []struct {
		asked, provided string
		want            bool
	}{
		{"gstreamer1(decoder-audio/mpeg)", "gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)", true},
		{"gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)", "gstreamer1(decoder-audio/mpeg)()(64bit)", true},
		{"gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)", "gstreamer1(decoder-audio/mpeg)(mpegversion=4)", true},
		{"gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)", "gstreamer1(decoder-audio/mpeg)(mpegversion=1)(layer=3)()(64bit)", false},
		{"gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)", "gstreamer1(decoder-audio/mpeg)(mpegversion={ 2, 4 })()(64bit)", true},
		{"gstreamer1(decoder-audio/mpeg)", "gstreamer1(decoder-audio/mpegurl)", false},
		{"gstreamer1(decoder-audio/mpeg)", "gstreamer0.10(decoder-audio/mpeg)", false},
		{"gstreamer1(decoder-audio/mpeg)", "gstreamer1(encoder-audio/mpeg)", false},
		{"decoder-audio/mpeg", "gstreamer0.10(decoder-audio/mpeg)", true},
		{"font(:lang=mn)", "font(:lang=mn)", true},
		{":lang=mn", "font(:lang=mn)", true},
		{"font(:lang=mn)", "font(:lang=mni)", false},
		{"application/pdf", "mimehandler(application/pdf)", true},
		{"hello", "hello", true},
		{"hello", "application(hello)", true},
		{"hello", "Hello", false},
		{"modalias(usb:v04A9p2213d0302dc00)", "modalias(usb:v04A9p*d*dc*)", true},
		{"usb:v04A9p2213d0302dc00", "modalias(usb:v04A9p[12]*d*dc*)", true},
		{"usb:v04A9p2213d0302dc00", "modalias(usb:v04AAp*d*dc*)", false},
		{"usb:v04A9p2213d0302dc00", "modalias(usb:[)", false},
		{"python3dist(numpy)", "python3dist(numpy)", true},
		{"(", "(", true},
		{")(", "gstreamer1(", false},
	}
	for _, tt := range tests {
		is := slices.ContainsFunc(spellings(tt.asked), func(w want) bool { return w.metBy(tt.provided) })
		if is != tt.want {
			t.Errorf("%s for %s: %v, want %v", tt.provided, tt.asked, is, tt.want)
		}
	}
}

// A school's programs are found by what they provide, by group and by file, offered and installed.
func TestSearch(t *testing.T) {
	for _, program := range []string{"rpm", "createrepo_c"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: run ./setup", err)
		}
	}
	school := laptoptest.NewSchool(t,
		testbed.RPM{Name: "mpeg", Summary: "Plays MPEG", Group: "Amusements/Graphics", Provides: []string{"gstreamer1(decoder-audio/mpeg)()(64bit)", "gstreamer0.10(decoder-audio/mpeg)"}},
		testbed.RPM{Name: "mongol", Summary: "A font", Group: "User Interface/X", Provides: []string{"font(mongol) = 2"}, Files: map[string]string{"/usr/share/fonts/Mongol.ttf": "font"}},
		testbed.RPM{Name: "viewer", Summary: "Shows pictures", Group: "Amusements/Games", Provides: []string{"mimehandler(image/png)", "application(viewer.desktop)", "python3dist(viewer) = 1.0", "secret"}},
		testbed.RPM{Name: "camera", Summary: "A driver", Group: "System Environment/Kernel", Provides: []string{"modalias(usb:v04A9p*d*)"}},
	)
	laptop, err := school.Laptop("", "presolve", "")
	if err != nil {
		t.Fatal(err)
	}
	h, err := school.Start(laptop.Config, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Kill()
	found := func(words ...string) string {
		t.Helper()
		lines, err := h.Do(words...)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, l := range lines {
			switch f := strings.Split(l, "\t"); f[0] {
			case "error":
				all = append(all, l)
			case "package":
				all = append(all, f[1]+":"+strings.Split(f[2], ";")[0])
			case "category":
				all = append(all, f[2])
			}
		}
		return strings.Join(all, " ")
	}
	check := func() {
		t.Helper()
		state := "available:"
		if strings.HasPrefix(found("resolve", "none", "mpeg"), "installed") {
			state = "installed:"
		}
		for asked, want := range map[string]string{
			"gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)": "mpeg", "decoder-audio/mpeg": "mpeg", "encoder-audio/mpeg": "",
			"font(mongol)": "mongol", "font(mon)": "", "mimehandler(image/png)": "viewer", "image/png": "viewer", "application(viewer.desktop)": "viewer",
			"python3dist(viewer)": "viewer", "modalias(usb:v04A9p2213d0302)": "camera", "usb:v04A9p2213d0302": "camera", "usb:v0001p2213d0302": "",
			"viewer": "viewer", "mongol": "mongol", "/usr/share/fonts/Mongol.ttf": "mongol", "/usr/share/fonts": "",
		} {
			if want != "" {
				want = state + want
			}
			if got := found("what-provides", "none", asked); got != want {
				t.Errorf("%s is provided by %q, want %q", asked, got, want)
			}
		}
		for group, want := range map[string]string{"graphics": "mpeg", "games": "viewer", "category:system": "camera", "multimedia": ""} {
			if want != "" {
				want = state + want
			}
			if got := found("search-group", "none", group); got != want {
				t.Errorf("in the group %s are %q, want %q", group, got, want)
			}
		}
		for file, want := range map[string]string{"Mongol.ttf": state + "mongol", "/usr/share/fonts/Mongol.ttf": state + "mongol", "fonts/Mongol.ttf": state + "mongol", "/Mongol.ttf": "", "nofonts/Mongol.ttf": ""} {
			if got := found("search-file", "none", file); got != want {
				t.Errorf("%s is in %q", file, got)
			}
		}
	}
	check()
	categories := strings.Fields(found("get-categories"))
	for _, id := range []string{"@group:graphics", "@group:games", "@group:system", "@group:desktop-other", "repo:school"} {
		if !slices.Contains(categories, id) {
			t.Errorf("the categories %q lack %s", categories, id)
		}
		if got := found("search-group", "~installed", id); !strings.HasPrefix(got, "available:") {
			t.Errorf("in the category %s are %q", id, got)
		}
	}
	ids := ""
	for _, name := range []string{"mpeg", "mongol", "viewer", "camera"} {
		ids += fmt.Sprintf("&%s;1.0-1;noarch;school", name)
	}
	if got := found("install-packages", "none", ids[1:]); strings.Contains(got, "error") {
		t.Fatal(got)
	}
	check()
	if got := found("what-provides", "installed", "secret"); got != "installed:viewer" { // the catalogue doesn't have it, the RPM database does
		t.Errorf("secret is provided by %q", got)
	}
	// Nothing of it needs the server once the lists are here.
	if err := school.Server.Stop(); err != nil {
		t.Fatal(err)
	}
	check()
	if err := h.Stop(); err != nil {
		t.Error(err)
	}
}

// A search for more than anybody types is refused with what would be right, whichever way the terms
// come.
func TestTooManyTerms(t *testing.T) {
	for _, values := range [][]string{
		{strings.Repeat("a ", maxTerms+1)}, slices.Repeat([]string{"a"}, 100_000), {strings.Repeat("a", maxTermBytes+1)},
	} {
		if _, err := words(values); err == nil || !strings.HasPrefix(err.Error(), "not-supported: a search for ") {
			t.Errorf("%d values: %v", len(values), err)
		}
	}
	if got, err := words([]string{strings.Repeat("ab ", maxTerms)}); err != nil || len(got) != maxTerms {
		t.Errorf("%d terms, %v", len(got), err)
	}
}
