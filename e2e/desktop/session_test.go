// SPDX-License-Identifier: GPL-2.0-or-later

package desktop

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// codecs are what a film player's user lacks, and viewer what others do.
var (
	codecs = testbed.RPM{Name: "video-codecs", Arch: "x86_64", Summary: "Plays films", Gives: []string{"gstreamer1(decoder-video/x-h264)()(64bit)"}}
	viewer = testbed.RPM{Name: "odd-viewer", Summary: "Shows odd pictures", Gives: []string{"mimehandler(image/x-odd)"}, Files: map[string]string{"/usr/bin/odd-viewer": "ELF\n"}}
	fonts  = testbed.RPM{Name: "thai-fonts", Summary: "Thai letters", Gives: []string{"font(:lang=th)"}}
	driver = testbed.RPM{Name: "odd-driver", Summary: "Prints", Gives: []string{"postscriptdriver(odd;laser;)"}}
	plasma = testbed.RPM{Name: "plasma-odd", Summary: "An engine", Gives: []string{"plasma5(dataengine-odd)"}}
)

// notifications is the desktop's service of that name.
type notifications struct {
	last atomic.Pointer[notification]
}

type notification struct {
	id     uint32
	action string // of its last button
}

func (n *notifications) Notify(_ string, _ uint32, _, _, _ string, actions []string, _ map[string]dbus.Variant, _ int32) (uint32, *dbus.Error) {
	id := uint32(1)
	if before := n.last.Load(); before != nil {
		id += before.id
	}
	next := &notification{id: id}
	if len(actions) >= 2 {
		next.action = actions[len(actions)-2]
	}
	n.last.Store(next)
	return id, nil
}

// click does what a click on the last notification's button does, once: its action is the application's,
// "app.install-resources(PARAMETER)".
func (d *desktop) click(n *notifications) {
	last := n.last.Swap(&notification{id: 1000})
	if last == nil || last.action == "" {
		return
	}
	name, parameter, _ := strings.Cut(strings.TrimPrefix(last.action, "app."), "(")
	if out, err := d.command("gdbus", "call", "--session", "-d", "org.gnome.Software", "-o", "/org/gnome/Software",
		"-m", "org.gtk.Actions.Activate", name, "[<"+strings.TrimSuffix(parameter, ")")+">]", "{}").CombinedOutput(); err != nil {
		d.t.Fatalf("clicking on %s: %v %s", last.action, err, out)
	}
}

func (n *notifications) GetCapabilities() ([]string, *dbus.Error) {
	return []string{"actions", "body"}, nil
}
func (n *notifications) CloseNotification(uint32) *dbus.Error { return nil }
func (n *notifications) GetServerInformation() (string, string, string, string, *dbus.Error) {
	return "test", "test", "1", "1.2", nil
}

// Whoever asks org.freedesktop.PackageKit.Modify2, which GNOME Software has on Debian, is shown the package
// on offer that has it, and can install it: GStreamer's installer, and each method.
func TestSessionInterface(t *testing.T) {
	needs(t, "gnome-software", "xdotool", "/usr/libexec/pk-gstreamer-install")
	school := newSchool(t, codecs, viewer, fonts, driver, plasma)
	d := start(t, school)
	n := &notifications{}
	check(t, d.Session.Export(n, "/org/freedesktop/Notifications", "org.freedesktop.Notifications"))
	_, err := d.Session.RequestName("org.freedesktop.Notifications", 0)
	check(t, err)
	d.run(exec.Command("gnome-software", "--gapplication-service"))
	d.until("GNOME Software is there", func() bool { return d.onSession("org.freedesktop.PackageKit") })

	found := func(name string) string { return "emit package available, " + name + ";1.0-1;" }
	for _, tt := range []struct{ method, value, says string }{
		{"InstallMimeTypes", "image/x-odd", found("odd-viewer")},
		{"InstallFontconfigResources", ":lang=th", found("thai-fonts")},
		{"InstallProvideFiles", "/usr/bin/odd-viewer", found("odd-viewer")},
		{"InstallPackageNames", "odd-viewer", found("odd-viewer")},
		{"InstallPrinterDrivers", "MFG:odd;MDL:laser;", found("odd-driver")},
		{"InstallResources", "dataengine-odd", found("plasma-odd")},
		{"InstallPackageFiles", filepath.Join(school.Dir, "repository", "rival-1.0-1.noarch.rpm"), "emitting files rival;1.0-1;noarch;local"},
	} {
		args := []any{[]string{tt.value}, "show-confirm-install", "a.desktop", map[string]dbus.Variant{}}
		if tt.method == "InstallResources" {
			args = append([]any{"plasma-service"}, args...)
		}
		before := len(d.Log())
		d.Session.Object("org.freedesktop.PackageKit", "/org/freedesktop/PackageKit").Go("org.freedesktop.PackageKit.Modify2."+tt.method, 0, nil, args...)
		d.until(tt.method+" finds it", func() bool {
			d.click(n)
			return strings.Contains(d.Log()[before:], tt.says)
		})
		d.picture(tt.method)
	}

	// The codec installer asks, a person clicks on the notification and on Install, and it ends well.
	install := exec.Command("/usr/libexec/pk-gstreamer-install", "gstreamer|1.0|totem|H.264 decoder|decoder-video/x-h264")
	install.Env = d.Env
	var said strings.Builder
	install.Stdout, install.Stderr = &said, &said
	check(t, install.Start())
	d.until("codecs are shown", func() bool {
		d.click(n)
		return strings.Contains(d.Log(), found("video-codecs"))
	})
	d.picture("pk-gstreamer-install")
	d.until("Install can be clicked", func() bool { // a page that isn't there yet takes no click, and a second click cancels
		check(t, d.command("xdotool", "mousemove", "886", "148", "click", "1").Run())
		return within(5*time.Second, func() bool { return strings.Contains(d.Log(), "InstallPackages method called") })
	})
	d.until("codecs are installed", func() bool {
		_, err := testbed.RPMQuery(d.Root, "-q", "video-codecs")
		return err == nil
	})
	d.picture("installed")
	if err := install.Wait(); err != nil {
		t.Errorf("pk-gstreamer-install: %v %s", err, said.String())
	}
}

// A shell's user who types a command that isn't there is told the package on offer that has it.
func TestCommandNotFound(t *testing.T) {
	needs(t, "script", "/usr/libexec/pk-command-not-found")
	d := start(t, newSchool(t, viewer))
	cmd := d.command("script", "-qec", "/usr/libexec/pk-command-not-found odd-viewer", "/dev/null")
	in, err := cmd.StdinPipe()
	check(t, err)
	var said strings.Builder
	cmd.Stdout = writer(func(p []byte) {
		said.Write(p)
		if strings.HasSuffix(strings.TrimSpace(string(p)), "[N/y]") {
			in.Write([]byte("y\n"))
		}
	})
	cmd.Run() // it ends with the status of the command that it then runs
	if _, err := testbed.RPMQuery(d.Root, "-q", "odd-viewer"); err != nil || !strings.Contains(said.String(), "Install package 'odd-viewer' to provide command 'odd-viewer'?") {
		t.Errorf("%v, it said %q", err, said.String())
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }
