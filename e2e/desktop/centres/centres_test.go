// SPDX-License-Identifier: GPL-2.0-or-later

package centres

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

const python = "/usr/bin/python3"

// programs are what the school offers: the one has a desktop file, the other none.
var (
	zebra = testbed.RPM{Name: "zebra-draw", Summary: "Draws zebras", Requires: []string{"libtext"}, Files: map[string]string{
		"/usr/share/applications/zebra-draw.desktop": "[Desktop Entry]\nType=Application\nName=Zebra Draw\nExec=true\nCategories=Graphics;\n", "/usr/share/zebra/stripes": "x\n"}}
	quagga = testbed.RPM{Name: "quagga-count", Summary: "Counts quaggas", Requires: []string{"libtext"}, Files: map[string]string{"/usr/bin/quagga-count": "#!/bin/sh\n"}}
)

// A laptop is one with its own packagekitd, whose software centres see what was written for it.
type laptop struct {
	*testbed.Laptop
	*pktest.Daemon
	school *testbed.School
	t      *testing.T
}

func start(t *testing.T, programs ...string) *laptop {
	t.Helper()
	if os.Getenv("PRESOLVE_LONG") == "" {
		t.Skip("NOT TESTED: software centres take minutes: set PRESOLVE_LONG=1")
	}
	for _, program := range append([]string{"xvfb-run", "dbus-run-session", "nsenter", "xdotool"}, programs...) {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT TESTED: %v", err)
		}
	}
	if out, err := exec.Command(python, "-c", "import gi; gi.require_version('Atspi', '2.0')").CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: gir1.2-atspi-2.0: %s", out)
	}
	l := &laptop{t: t}
	tools, err := testbed.Build(t.TempDir())
	check(t, err)
	l.school, err = testbed.NewSchool(t.TempDir(), tools, zebra, quagga)
	check(t, err)
	t.Cleanup(func() { l.school.Close() })
	l.Laptop, err = l.school.Laptop("", "presolve", "")
	check(t, err)
	check(t, os.MkdirAll(filepath.Join(l.Root, "var/cache/swcatalog"), 0o755))
	l.Daemon = pktest.Start(t, pktest.Wrap(t, l.school.Helper, "--config", l.Config))
	if out, err := l.Pkcon("refresh", "force"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// packagekitd has mounts of its own, and its clients are in them.
	if out, err := l.Client("mount", "--bind", filepath.Join(l.Root, "var/cache/swcatalog"), "/var/cache/swcatalog").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return l
}

// drive runs testdata/drive.py in a session.
func (l *laptop) drive(args ...string) {
	l.t.Helper()
	dir := l.t.TempDir()
	cmd := exec.Command("nsenter", append([]string{"--mount", "--wd=.", fmt.Sprintf("--target=%d", l.Pid()),
		"timeout", "600", "dbus-run-session", "--", "xvfb-run", "-a", "-s", "-screen 0 1100x800x24", python, "-W", "ignore", "testdata/drive.py"}, args...)...)
	cmd.Env = append(l.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir, "XDG_CACHE_HOME="+dir+"/cache", "XDG_CONFIG_HOME="+dir+"/config", "XDG_DATA_HOME="+dir+"/data",
		"GSK_RENDERER=cairo", "LIBGL_ALWAYS_SOFTWARE=1", "QT_QUICK_BACKEND=software", "GSETTINGS_BACKEND=memory")
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Errorf("%v: %s", err, out)
	}
}

// installed is a step that waits until a program is installed, or isn't.
func (l *laptop) installed(name string, is bool) string {
	query := fmt.Sprintf("rpm --root '%s' --dbpath %s -q %s", l.Root, testbed.DBPath, name)
	if !is {
		query = "! " + query
	}
	return "run:" + query
}

func TestGnomeSoftware(t *testing.T) {
	l := start(t, "gnome-software")
	l.drive("gnome-software", "--search=quagga", "--", "see:Counts quaggas")
	l.drive("gnome-software", "--search=zebra", "--", "see:Draws zebras")
	l.drive("gnome-software", "--details-pkg=zebra-draw", "--", "see:Draws zebras, at length.", "press:Install", l.installed("zebra-draw", true),
		"press:Uninstall", "see:Are you sure you want to uninstall zebra-draw?", "press:Uninstall", l.installed("zebra-draw", false))
}

// Discover tells AT-SPI nothing here: the button of the only program that it finds is pressed where it
// is, once the picture of it can be there, and again where nothing came of that.
func TestDiscover(t *testing.T) {
	l := start(t, "plasma-discover")
	press := func(is bool) string {
		query, _ := strings.CutPrefix(l.installed("zebra-draw", is), "run:")
		return "run:xdotool key Escape; sleep 1; xdotool mousemove 810 125 click 1; sleep 6; " + query
	}
	l.drive("plasma-discover", "--search", "zebra", "--", press(true), press(false))
}

func TestGnomePackageKit(t *testing.T) {
	l := start(t, "gpk-application")
	l.drive("gpk-application", "--", "press:Continue Anyway", "see:Education", "type:zebra", "key:Return", "see:Draws zebras",
		"click:217,141", "press:Apply Changes", l.installed("zebra-draw", true),
		"see:Draws zebras", "click:217,141", "press:Apply Changes", "press:Continue", l.installed("zebra-draw", false))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
