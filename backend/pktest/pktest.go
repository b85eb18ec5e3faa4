// SPDX-License-Identifier: GPL-2.0-or-later

// Package pktest runs a real packagekitd, with the backend stub in it, on a bus of its own.
//
// Start builds the stub from the sources beside this package, puts it where packagekitd loads
// backends from, and starts dbus-daemon, polkitd and packagekitd. Nothing of the host's is touched:
// the stub goes by a name that no other test and no distribution uses, the clients are told the
// private bus's address, and packagekitd has folders of its own in the place of /var/lib/PackageKit
// and /var/cache/PackageKit (where unshare is not allowed it has the host's, and two that start at
// once may get into each other's way). The tests that use it need root, and Debian's packagekit,
// polkitd, dbus, libpackagekit-glib2-dev and gcc; where something of it isn't there they are
// skipped, but for CI, where that is a failure.
//
// Nothing here sleeps or polls: every start and every answer is an event that is waited for. A wait
// that takes longer than Patience fails the test and shows packagekitd's log.
package pktest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// Patience is how long anything may take before the test is given up. It measures nothing.
const Patience = 60 * time.Second

const (
	packagekitd = "/usr/libexec/packagekitd"
	polkitd     = "/usr/lib/polkit-1/polkitd"
	busName     = "org.freedesktop.PackageKit"
)

// Options say what packagekitd is started with. The zero Options are those of the stub with the
// installed helper.
type Options struct {
	// Helper is the path of the program that the stub starts. It's given protocol.md's environment
	// and no other, so that what it needs beyond that has to be on its command line: see Wrap.
	Helper string
	// Env is added to the environment of packagekitd, as NAME=value.
	Env []string
	// Backend is the name of an installed backend, such as "dummy", that takes the stub's place.
	Backend string
	// Stub is the path of a backend library that takes the stub's place.
	Stub string
	// Flags are given to backend/build.
	Flags []string
	// Offline takes packagekitd's network away, the loopback interface included.
	Offline bool
	// OwnRoot gives packagekitd and its clients a root folder of their own, with all that is in the computer's: for what
	// writes there, as /system-update.
	OwnRoot bool
	// Quiet leaves out --verbose, for measuring.
	Quiet bool
}

// Daemon is a running packagekitd.
type Daemon struct {
	t       testing.TB
	dir     string
	backend string
	conn    *dbus.Conn
	procs   []*process // in the order of their starts; the last is packagekitd
	log     *logBuffer
	stop    sync.Once

	mu           sync.Mutex
	transactions map[dbus.ObjectPath]*Transaction
}

// Missing says what this computer lacks for Start; empty: nothing.
func Missing() string {
	if os.Getuid() != 0 {
		return "packagekitd needs root"
	}
	for _, program := range []string{packagekitd, polkitd, "dbus-daemon", "gcc", "pkg-config"} {
		if _, err := exec.LookPath(program); err != nil {
			return err.Error()
		}
	}
	return ""
}

// Start starts packagekitd with the stub, which will start helper. It's stopped when the test ends.
func Start(t testing.TB, helper string, env ...string) *Daemon {
	t.Helper()
	return StartWith(t, Options{Helper: helper, Env: env})
}

// StartWith is Start with all options.
func StartWith(t testing.TB, o Options) *Daemon {
	t.Helper()
	if missing := Missing(); missing != "" {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s: run ./setup", missing)
		}
		t.Skipf("NOT TESTED: %s: run ./setup", missing)
	}
	dir, err := os.MkdirTemp("", "pktest")
	check(t, err)
	check(t, os.Chmod(dir, 0o755)) // polkitd isn't root when it connects
	d := &Daemon{t: t, dir: dir, log: newLogBuffer(), transactions: map[dbus.ObjectPath]*Transaction{}}
	t.Cleanup(d.Stop)
	t.Cleanup(func() {
		if t.Failed() {
			lines := strings.Split(d.Log(), "\n")
			t.Logf("end of packagekitd's log:\n%s", strings.Join(lines[max(0, len(lines)-100):], "\n"))
		}
	})
	d.backend = o.Backend
	if o.Backend == "" {
		stub := o.Stub
		if stub == "" {
			stub = Build(t, o.Flags...)
		}
		d.backend = install(t, stub)
	}
	d.startBus()
	d.start(exec.Command(polkitd, "--no-debug"), "org.freedesktop.PolicyKit1", syscall.SIGTERM)
	args := []string{packagekitd, "--backend=" + d.backend, "--keep-environment"}
	if !o.Quiet {
		args = append(args, "--verbose")
	}
	cmd := d.alone(args, o)
	cmd.Env = append([]string{"LC_ALL=C.UTF-8", "PRESOLVE_GROUPS=" + filepath.Join(dir, "groups")}, o.Env...) // the last one counts
	if o.Helper != "" {
		cmd.Env = append(cmd.Env, "PRESOLVE_HELPER="+o.Helper)
	}
	d.start(cmd, busName, syscall.SIGINT) // at SIGTERM it would end without destroying the backend
	return d
}

// Address is what DBUS_SYSTEM_BUS_ADDRESS has to be for a client of this packagekitd.
func (d *Daemon) Address() string { return "unix:path=" + filepath.Join(d.dir, "bus") }

// folders are those that packagekitd keeps its state in, wherever it's told to run.
var folders = []string{"/var/lib/PackageKit", "/var/cache/PackageKit"}

// isolated tells whether processes may have mounts of their own.
var isolated = sync.OnceValue(func() bool { return exec.Command("unshare", "--mount", "true").Run() == nil })

// alone is the command of a process that has folders of its own: two packagekitds that open one
// list of transactions at once end with an error, and each empties the folder of downloads when it
// starts.
func (d *Daemon) alone(args []string, o Options) *exec.Cmd {
	d.t.Helper()
	if !isolated() {
		if o.Offline || o.OwnRoot {
			d.t.Skip("NOT TESTED: unshare isn't allowed: neither the network nor the root folder can be others")
		}
		d.t.Log("unshare isn't allowed: packagekitd shares its folders with others")
		return exec.Command(args[0], args[1:]...)
	}
	var script strings.Builder
	if o.OwnRoot {
		root := filepath.Join(d.dir, "root")
		check(d.t, os.Mkdir(root, 0o755))
		fmt.Fprintf(&script, ownRoot, root)
	}
	for _, folder := range folders {
		check(d.t, os.MkdirAll(folder, 0o755))
		own := filepath.Join(d.dir, folder)
		check(d.t, os.MkdirAll(own, 0o755))
		fmt.Fprintf(&script, "mount --bind '%s' '%s' && ", own, folder)
	}
	script.WriteString(`exec "$@"`)
	command := []string{"--mount", "sh", "-c", script.String(), "sh"}
	if o.Offline {
		command = append([]string{"--net"}, command...)
	}
	return exec.Command("unshare", append(command, args...)...)
}

// ownRoot changes to a root folder in memory that has what is in the computer's; %[1]s is where it is on the way.
const ownRoot = `
	cd '%[1]s' && mount -t tmpfs root . && cd '%[1]s' || exit
	for f in /*; do
		if [ -d "$f" ] && ! [ -L "$f" ]; then mkdir ".$f" && mount --rbind "$f" ".$f"; else cp -P "$f" .; fi || exit
	done
	pivot_root . . && umount -l . && cd / || exit
`

// Path is where a file that packagekitd names is for others.
func (d *Daemon) Path(path string) string { return fmt.Sprintf("/proc/%d/root%s", d.Pid(), path) }

// Enter are the words before those of a program that is to see the same files as this packagekitd, and its name.
func (d *Daemon) Enter(name string) []string {
	wd, err := os.Getwd()
	check(d.t, err)
	return []string{"nsenter", "--mount", "--wdns=" + wd, fmt.Sprintf("--target=%d", d.Pid()), name}
}

// Client is the command of a client of this packagekitd, which sees the same files. It's killed
// after Patience.
func (d *Daemon) Client(name string, args ...string) *exec.Cmd {
	if isolated() {
		args = append(d.Enter(name), args...)
		name, args = args[0], args[1:]
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	d.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = d.Environ()
	return cmd
}

// Environ is the environment for a client of this packagekitd, in whatever language.
func (d *Daemon) Environ() []string {
	return append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS="+d.Address(), "LC_ALL=C.UTF-8")
}

// Bus is a connection to the private bus.
func (d *Daemon) Bus() *dbus.Conn { return d.conn }

// Backend is the name of the backend that packagekitd has loaded.
func (d *Daemon) Backend() string { return d.backend }

// Pid is the process of packagekitd.
func (d *Daemon) Pid() int { return d.packagekitd().cmd.Process.Pid }

// Log is all that packagekitd has logged so far.
func (d *Daemon) Log() string { return d.log.String() }

// WaitLog waits until packagekitd has logged text.
func (d *Daemon) WaitLog(text string) {
	d.t.Helper()
	if !d.log.wait(text) {
		d.t.Fatalf("packagekitd hasn't logged %q", text)
	}
}

// Pkcon runs pkcon with the arguments, and returns what it printed to stdout and stderr, and its
// exit status as error. As -p and -y are good for most uses, they are up to the caller.
func (d *Daemon) Pkcon(args ...string) (string, error) {
	out, err := d.PkconCommand(args...).CombinedOutput()
	return string(out), err
}

// PkconCommand is pkcon with the arguments, to be started by the caller.
func (d *Daemon) PkconCommand(args ...string) *exec.Cmd {
	return d.Client("pkcon", args...)
}

// Stop ends packagekitd as an administrator does, so that the backend is destroyed, and then the
// rest. The test fails where packagekitd crashed. It may be called more than once.
func (d *Daemon) Stop() {
	d.stop.Do(func() {
		for i := len(d.procs) - 1; i >= 0; i-- {
			p := d.procs[i]
			p.cmd.Process.Signal(p.stopSignal)
			p.wait(d.t)
		}
		if d.conn != nil {
			d.conn.Close()
		}
		os.RemoveAll(d.dir)
	})
}

// Kill ends packagekitd with the signal, without the backend being destroyed unless it's SIGINT,
// and waits for its end.
func (d *Daemon) Kill(signal syscall.Signal) {
	p := d.packagekitd()
	p.killed = true
	p.cmd.Process.Signal(signal)
	p.wait(d.t)
}

func (d *Daemon) packagekitd() *process { return d.procs[len(d.procs)-1] }

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=%s</listen>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="*"/>
    <allow send_destination="*"/>
    <allow eavesdrop="false"/>
  </policy>
</busconfig>
`

func (d *Daemon) startBus() {
	d.t.Helper()
	config := filepath.Join(d.dir, "bus.conf")
	check(d.t, os.WriteFile(config, fmt.Appendf(nil, busConfig, filepath.Join(d.dir, "bus")), 0o644))
	cmd := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--print-address=1")
	out, err := cmd.StdoutPipe()
	check(d.t, err)
	d.run(cmd, syscall.SIGTERM)
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		d.t.Fatalf("dbus-daemon: %v\n%s", err, d.Log())
	}
	d.conn, err = dbus.Connect(d.Address())
	check(d.t, err)
	check(d.t, d.conn.AddMatchSignal(dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged")))
	check(d.t, d.conn.AddMatchSignal(dbus.WithMatchSender(busName)))
	signals := make(chan *dbus.Signal, 1024)
	d.conn.Signal(signals)
	go d.route(signals)
}

// start runs a service of the bus, and waits until it has its name.
func (d *Daemon) start(cmd *exec.Cmd, name string, stop syscall.Signal) {
	d.t.Helper()
	signals := make(chan *dbus.Signal, 1024)
	d.conn.Signal(signals)
	defer d.conn.RemoveSignal(signals)
	p := d.run(cmd, stop)
	giveUp := time.After(Patience)
	for {
		select {
		case s := <-signals:
			if strings.HasSuffix(s.Name, ".NameOwnerChanged") && s.Body[0] == name && s.Body[2] != "" {
				return
			}
		case <-p.ended:
			d.t.Fatalf("%s: %v\n%s", cmd.Path, p.err, d.Log())
		case <-giveUp:
			d.t.Fatalf("%s doesn't get its name on the bus\n%s", cmd.Path, d.Log())
		}
	}
}

func (d *Daemon) run(cmd *exec.Cmd, stop syscall.Signal) *process {
	d.t.Helper()
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), "DBUS_SYSTEM_BUS_ADDRESS="+d.Address())
	if cmd.Stdout == nil {
		cmd.Stdout = d.log
	}
	cmd.Stderr = d.log
	cmd.WaitDelay = Patience // children that outlive it may hold the log
	check(d.t, cmd.Start())
	p := &process{cmd: cmd, ended: make(chan struct{}), stopSignal: stop}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	d.procs = append(d.procs, p)
	return p
}

type process struct {
	cmd        *exec.Cmd
	stopSignal syscall.Signal
	killed     bool
	ended      chan struct{}
	err        error // once ended
}

func (p *process) wait(t testing.TB) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(Patience):
		t.Errorf("%s doesn't end", p.cmd.Path)
		p.cmd.Process.Kill()
		<-p.ended
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && !p.killed {
		status := exit.Sys().(syscall.WaitStatus)
		if !(status.Signaled() && status.Signal() == p.stopSignal) {
			t.Errorf("%s: %v", p.cmd.Path, p.err)
		}
	}
}

// Build returns the path of the stub, built with the flags. It's built once for each state of its
// sources, and kept in the temporary folder.
func Build(t testing.TB, flags ...string) string {
	t.Helper()
	build := filepath.Join(Source(), "build")
	key := sha256.New()
	sources, _ := filepath.Glob(filepath.Join(Source(), "stub", "*"))
	for _, path := range append(sources, build, filepath.Join(Source(), "../dist/layout")) {
		data, err := os.ReadFile(path)
		check(t, err)
		fmt.Fprintf(key, "%s %d\n%s\n", path, len(data), data)
	}
	fmt.Fprintf(key, "%q %q %q", flags, os.Getenv("CC"), os.Getenv("CFLAGS"))
	stub := filepath.Join(os.TempDir(), fmt.Sprintf("pktest-stub-%x.so", key.Sum(nil)[:8]))
	if _, err := os.Stat(stub); err == nil {
		return stub
	}
	out := fmt.Sprintf("%s.%d", stub, os.Getpid())
	if msg, err := exec.Command(build, append([]string{out}, flags...)...).CombinedOutput(); err != nil {
		t.Fatalf("backend/build: %v\n%s", err, msg)
	}
	check(t, os.Rename(out, stub))
	return stub
}

// Source is the folder of the stub's sources.
func Source() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(file))
}

// Wrap writes a program that runs another one with arguments before its own, and returns its path:
// since the stub's helper is started with a fixed command line and environment, this is the way to
// give it more.
func Wrap(t testing.TB, program string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "helper")
	var script strings.Builder
	script.WriteString("#!/bin/sh\nexec")
	for _, arg := range append([]string{program}, args...) {
		script.WriteString(" '" + strings.ReplaceAll(arg, "'", `'\''`) + "'")
	}
	script.WriteString(" \"$@\"\n")
	check(t, os.WriteFile(path, []byte(script.String()), 0o755))
	return path
}

var installed atomic.Int64

// install puts a backend where packagekitd loads it from, under a name of its own, until the test
// ends.
func install(t testing.TB, library string) (name string) {
	t.Helper()
	out, err := exec.Command("pkg-config", "--variable=libdir", "packagekit-glib2").Output()
	check(t, err)
	dir := filepath.Join(strings.TrimSpace(string(out)), "packagekit-backend")
	removeStale(dir)
	name = fmt.Sprintf("%s%d_%d", namePrefix, os.Getpid(), installed.Add(1))
	path := filepath.Join(dir, "libpk_backend_"+name+".so")
	data, err := os.ReadFile(library)
	check(t, err)
	t.Cleanup(func() { os.Remove(path) })
	check(t, os.WriteFile(path, data, 0o644))
	return name
}

const namePrefix = "presolvetest_"

// removeStale removes what tests that were killed have left.
func removeStale(dir string) {
	paths, _ := filepath.Glob(filepath.Join(dir, "libpk_backend_"+namePrefix+"*.so"))
	for _, path := range paths {
		_, rest, _ := strings.Cut(path, namePrefix)
		pid, err := strconv.Atoi(rest[:strings.IndexByte(rest, '_')])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			os.Remove(path)
		}
	}
}

// A logBuffer gathers what processes print, and lets tests wait for some of it.
type logBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	written *sync.Cond
}

func newLogBuffer() *logBuffer {
	l := &logBuffer{}
	l.written = sync.NewCond(&l.mu)
	return l
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written.Broadcast()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) wait(text string) bool {
	giveUp := false
	timer := time.AfterFunc(Patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		giveUp = true
		l.written.Broadcast()
	})
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for !bytes.Contains(l.buf.Bytes(), []byte(text)) {
		if giveUp {
			return false
		}
		l.written.Wait()
	}
	return true
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
