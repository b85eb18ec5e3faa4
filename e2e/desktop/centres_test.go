// SPDX-License-Identifier: GPL-2.0-or-later

package desktop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// programs are what the school offers: the one has a desktop file, the other none.
var (
	zebra = testbed.RPM{Name: "zebra-draw", Summary: "Draws zebras", Requires: []string{"libtext"}, Files: map[string]string{
		"/usr/share/applications/zebra-draw.desktop": "[Desktop Entry]\nType=Application\nName=Zebra Draw\nExec=true\nCategories=Graphics;\n", "/usr/share/zebra/stripes": "x\n"}}
	quagga = testbed.RPM{Name: "quagga-count", Summary: "Counts quaggas", Requires: []string{"libtext"}, Files: map[string]string{"/usr/bin/quagga-count": "#!/bin/sh\n"}}
)

// centre is the desktop of a laptop that has refreshed, for software centres that tell AT-SPI what they show.
func centre(t *testing.T, programs ...string) (*desktop, *testbed.School) {
	t.Helper()
	needs(t, append(programs, "nsenter")...)
	if out, err := exec.Command(python, "-c", "import gi; gi.require_version('Atspi', '2.0')").CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("gir1.2-atspi-2.0: %s", out))
	}
	school := newSchool(t, zebra, quagga)
	d := start(t, school)
	d.pkcon("refresh", "force")
	return d, school
}

func (d *desktop) pkcon(args ...string) {
	d.t.Helper()
	if out, err := d.Pkcon(append([]string{"-y"}, args...)...); err != nil {
		d.t.Fatalf("%v: %s", err, out)
	}
}

// drive runs testdata/drive.py, whose steps follow "--". It sees what packagekitd sees.
func (d *desktop) drive(args ...string) {
	d.t.Helper()
	args = append(append(d.Enter(python), "-W", "ignore", "testdata/drive.py"), args...)
	cmd := d.command(args[0], args[1:]...)
	cmd.Env = append(d.Env, "NO_AT_BRIDGE=", "GSK_RENDERER=cairo", "QT_QUICK_BACKEND=software")
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("%v: %s", err, out)
	}
}

// installed is a step that waits until a program is installed, or isn't.
func (d *desktop) installed(name string, is bool) string {
	query := fmt.Sprintf("rpm --root '%s' --dbpath %s -q %s", d.Root, testbed.DBPath, name)
	if !is {
		query = "! " + query
	}
	return "run:" + query
}

func TestGnomeSoftware(t *testing.T) {
	d, _ := centre(t, "gnome-software")
	d.drive("gnome-software", "--search=quagga", "--", "see:Counts quaggas")
	d.drive("gnome-software", "--search=zebra", "--", "see:Draws zebras")
	d.drive("gnome-software", "--details-pkg=zebra-draw", "--", "see:Draws zebras, at length.", "press:Install", d.installed("zebra-draw", true))
	// Anew: its button is there, hidden, before it has heard that the install has ended, and doesn't do then what it says.
	d.drive("gnome-software", "--details-pkg=zebra-draw", "--", "see:Draws zebras, at length.", "press:Uninstall",
		"see:Are you sure you want to uninstall zebra-draw?", "press:Uninstall", d.installed("zebra-draw", false))
}

// Discover tells AT-SPI nothing here: the button of the only program that it finds is pressed where it
// is, once the picture of it can be there, and again where nothing came of that.
func TestDiscover(t *testing.T) {
	d, _ := centre(t, "plasma-discover")
	press := func(is bool) string {
		query, _ := strings.CutPrefix(d.installed("zebra-draw", is), "run:")
		return "run:xdotool key Escape; sleep 1; xdotool mousemove 810 125 click 1; sleep 6; " + query
	}
	d.drive("plasma-discover", "--search", "zebra", "--", press(true), press(false))
}

func TestGnomePackageKit(t *testing.T) {
	d, _ := centre(t, "gpk-application")
	d.drive("gpk-application", "--", "press:Continue Anyway", "see:Education", "type:zebra", "key:Return", "see:Draws zebras",
		"click:217,141", "press:Apply Changes", d.installed("zebra-draw", true),
		"see:Draws zebras", "click:217,141", "press:Apply Changes", "press:Continue", d.installed("zebra-draw", false))
}

// striped is what comes out of the program that is installed.
func striped() testbed.RPM {
	next := zebra
	next.Version = "2.0"
	return next
}

// outdated is a centre's desktop with a program of which a newer version is on offer, as the laptop knows.
func outdated(t *testing.T, programs ...string) *desktop {
	t.Helper()
	d, school := centre(t, programs...)
	d.pkcon("install", "zebra-draw", "quagga-count")
	check(t, school.Release("", striped()))
	d.pkcon("refresh", "force")
	return d
}

// updated is a step that waits until the newer version is installed.
func (d *desktop) updated() string {
	return d.installed("zebra-draw", true) + " | grep -F zebra-draw-2.0-1"
}

// sessionManager is the one whom GNOME Software asks to restart the computer.
type sessionManager struct{ asked chan struct{} }

func (s sessionManager) Reboot() *dbus.Error {
	s.asked <- struct{}{}
	return nil
}

// GNOME Software downloads, leaves the rest to the next start, and asks for that; what systemd runs then
// installs what was downloaded, without a server. GNOME Software then says so.
func TestGnomeSoftwareUpdates(t *testing.T) {
	d := outdated(t, "gnome-software", "/usr/libexec/pk-offline-update")
	manager := sessionManager{make(chan struct{}, 1)}
	check(t, d.Session.Export(manager, "/org/gnome/SessionManager", "org.gnome.SessionManager"))
	_, err := d.Session.RequestName("org.gnome.SessionManager", 0)
	check(t, err)
	const trigger = "/system-update"
	d.drive("gnome-software", "--mode=updates", "--", "see:zebra-draw", "run:grep -F 'zebra-draw;2.0-1;noarch;school' /var/lib/PackageKit/prepared-update",
		"see:Restart & Update", "shot:gnome-software-update", "press:Restart & Update", "run:test -L "+trigger)
	select {
	case <-manager.asked:
	case <-t.Context().Done():
	}
	if got, err := testbed.RPMQuery(d.Root, "-q", "zebra-draw"); err != nil || strings.Contains(got, "2.0") {
		t.Errorf("before the computer starts anew there is %s, %v", got, err)
	}
	check(t, d.Proxy.Set(testbed.Down))
	update := d.Client("/usr/libexec/pk-offline-update")
	update.Env = append(update.Env, "PK_OFFLINE_UPDATE_TEST=1") // the computer doesn't restart at its end
	if out, err := update.CombinedOutput(); err != nil {
		t.Fatalf("pk-offline-update: %v %s", err, out)
	}
	if got, err := testbed.RPMQuery(d.Root, "-q", "zebra-draw"); err != nil || strings.TrimSpace(got) != "zebra-draw-2.0-1.noarch" {
		t.Errorf("afterwards there is %s, %v", got, err)
	}
	d.drive("gnome-software", "--mode=updates", "--", "see:Up to Date", "shot:gnome-software-updated")
}

func TestGnomePackageKitUpdates(t *testing.T) {
	d := outdated(t, "gpk-update-viewer")
	d.drive("gpk-update-viewer", "--", "press:Continue Anyway", "see:Draws zebras", "shot:gpk-update-viewer", "press:Install Update", d.updated(),
		"see:All updates were installed successfully", "shot:gpk-update-viewer-done")
}

func TestDiscoverUpdates(t *testing.T) {
	d := outdated(t, "plasma-discover")
	query, _ := strings.CutPrefix(d.updated(), "run:")
	d.drive("plasma-discover", "--mode", "update", "--", "run:xdotool key Escape; sleep 1; xdotool mousemove 840 20 click 1; sleep 6; "+query, "shot:discover-updated")
}

// A download that waits for the network is seen to, and goes on when it is back.
func TestCentresWait(t *testing.T) {
	for program, steps := range map[string][]string{
		"gnome-software": {"--details-pkg=zebra-draw", "--", "see:Draws zebras, at length.", "press:Install", "see:Cancel"},
		"gpk-application": {"--", "press:Continue Anyway", "see:Education", "type:zebra", "key:Return", "see:Draws zebras", "click:217,141", "press:Apply Changes", "run:true", // once: another install would wait for this one
			"see:Requesting data"},
	} {
		t.Run(program, func(t *testing.T) {
			d, _ := centre(t, program)
			check(t, d.Proxy.Set(testbed.Cut))
			seen := filepath.Join(t.TempDir(), "seen")
			go func() {
				if within(pktest.Patience, func() bool { _, err := os.Stat(seen); return err == nil }) {
					d.Proxy.Set(testbed.NoFault)
				}
			}()
			d.drive(append(append([]string{program}, steps...), "run:sleep 3", "shot:"+program+"-waits", "run:touch '"+seen+"'", d.installed("zebra-draw", true))...)
		})
	}
}
