// SPDX-License-Identifier: GPL-2.0-or-later

package desktop

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// needs skips a test that isn't wanted, or whose programs aren't here.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("PRESOLVE_LONG") == "" {
		t.Skip("long: PRESOLVE_LONG=1")
	}
	for _, p := range append(programs, "Xvfb", "dbus-daemon", "import", "xdotool") {
		if _, err := exec.LookPath(p); err != nil {
			missing(t, err.Error())
		}
	}
}

// missing ends a test that can't be here: in vain where everything should be.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip("NOT TESTED:", what)
}

// A desktop is a screen, a session bus, and the packagekitd of a laptop, whose source is a school through a proxy.
type desktop struct {
	*testbed.Laptop
	*pktest.Daemon
	Proxy   *testbed.Proxy
	Session *dbus.Conn
	Env     []string // of programs
	home    string
	t       *testing.T
}

// start makes a laptop of a school, and its desktop. All of it ends with the test.
func start(t *testing.T, school *testbed.School) *desktop {
	t.Helper()
	proxy, err := school.Proxy()
	check(t, err)
	t.Cleanup(proxy.Close)
	l, err := school.Laptop(proxy.URL, "presolve", "log_level = \"debug\"\n")
	check(t, err)
	d := &desktop{Laptop: l, Proxy: proxy, t: t, home: t.TempDir()}
	d.Daemon = pktest.StartWith(t, pktest.Options{Helper: pktest.Wrap(t, school.Helper, "--config", l.Config), OwnRoot: true})
	// Software centres look for what there is here, and packagekitd's clients are in its mounts.
	catalogue := filepath.Join(l.Root, "var/cache/swcatalog")
	check(t, os.MkdirAll(catalogue, 0o755))
	if out, err := d.Client("mount", "--bind", catalogue, "/var/cache/swcatalog").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, folder := range []string{"run", "config", "data", "cache", "state"} {
		check(t, os.Mkdir(filepath.Join(d.home, folder), 0o700))
	}
	// -displayfd writes the number of a screen that was free, once it is ready.
	r, w, err := os.Pipe()
	check(t, err)
	x := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1200x900x24", "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{w}
	d.run(x)
	w.Close()
	display, err := bufio.NewReader(r).ReadString('\n')
	check(t, err)
	d.Env = append(d.Environ(), "DISPLAY=:"+strings.TrimSpace(display), "HOME="+d.home, "XDG_RUNTIME_DIR="+d.home+"/run", "XDG_CONFIG_HOME="+d.home+"/config",
		"XDG_DATA_HOME="+d.home+"/data", "XDG_CACHE_HOME="+d.home+"/cache", "XDG_STATE_HOME="+d.home+"/state", "GSETTINGS_BACKEND=keyfile", "GDK_BACKEND=x11",
		"NO_AT_BRIDGE=1", "LIBGL_ALWAYS_SOFTWARE=1", "LC_ALL=C.UTF-8", "GTK_USE_PORTAL=0")
	bus := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address=1")
	bus.Env = d.Env
	out, err := bus.StdoutPipe()
	check(t, err)
	d.run(bus)
	address, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	d.Env = append(d.Env, "DBUS_SESSION_BUS_ADDRESS="+strings.TrimSpace(address))
	d.Session, err = dbus.Connect(strings.TrimSpace(address))
	check(t, err)
	t.Cleanup(func() { d.Session.Close() })
	return d
}

// run runs a program until the test ends. Its words are in the test's log where that fails.
func (d *desktop) run(cmd *exec.Cmd) {
	d.t.Helper()
	if cmd.Env == nil {
		cmd.Env = d.Env
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	check(d.t, cmd.Start())
	d.t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it has started too
		cmd.Wait()
		if d.t.Failed() {
			d.t.Logf("%s said:\n%.4000s", cmd.Path, said.String())
		}
	})
}

// picture leaves a picture of the screen for a person, where that is wanted.
func (d *desktop) picture(name string) {
	d.t.Helper()
	folder := os.Getenv("PRESOLVE_SCREENSHOTS")
	if folder == "" {
		return
	}
	cmd := exec.Command("import", "-window", "root", filepath.Join(folder, name+".png"))
	cmd.Env = d.Env
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Errorf("import: %v %s", err, out)
	}
}

func newSchool(t *testing.T, more ...testbed.RPM) *testbed.School {
	t.Helper()
	s := laptoptest.NewSchool(t, more...)
	for _, folder := range []string{s.Dir, filepath.Dir(s.Dir)} { // RPMs there are read as the user nobody
		check(t, os.Chmod(folder, 0o755))
	}
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// command is a program's of the desktop.
func (d *desktop) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(d.t.Context(), name, args...)
	cmd.Env = d.Env
	return cmd
}

// until waits for what the screen, a bus or a file shows: there is nothing that tells.
func (d *desktop) until(what string, holds func() bool) {
	d.t.Helper()
	if !within(pktest.Patience, holds) {
		d.picture("failed")
		d.t.Fatalf("it never came that %s", what)
	}
}

func within(patience time.Duration, holds func() bool) bool {
	for giveUp := time.Now().Add(patience); !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(giveUp) {
			return false
		}
	}
	return true
}

// onSession tells whether somebody on the session bus has a name.
func (d *desktop) onSession(name string) (there bool) {
	err := d.Session.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, name).Store(&there)
	return err == nil && there
}
