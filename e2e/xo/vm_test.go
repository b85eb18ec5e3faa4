// SPDX-License-Identifier: GPL-2.0-or-later

package xo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/xo/guest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A computer is a virtual XO's kernel and disk, from which others begin.
type computer struct {
	dir, kernel, initrd, disk string
}

// newComputer makes the computer: Debian's system with the helper, the stub, and a root with the
// base in its RPM database in /srv/base.
func newComputer(t *testing.T, dir string, base []string) *computer {
	t.Helper()
	system := filepath.Join(dir, "system")
	if *systemFolder != "" {
		run(t, "cp", "-a", *systemFolder, system)
	} else if out, err := exec.Command("./system", system).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: Debian's packages for i386 can't be had: %v: %s", err, out)
	}
	run(t, "cp", "-a", crossBuild(t, dir)+"/.", system)
	run(t, "env", "DESTDIR="+system, filepath.Join(system, "usr/sbin/presolve-backend"), "on")
	run(t, "install", "init", filepath.Join(system, "sbin/xo-init"))
	build := exec.Command("go", "build", "-o", filepath.Join(system, "usr/local/bin/xo-guest"), "./guest/xo-guest")
	build.Env = append(os.Environ(), "GOARCH=386", "GO386=softfloat", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	check(t, testbed.Root(filepath.Join(system, "srv/base"), base...))
	for path, text := range map[string]string{
		// The packages are of 64 bits; nothing in them is run. rpm goes by this, not by the processor.
		"etc/rpm/platform": "x86_64-unknown-linux\n",
		"etc/hosts":        "127.0.0.1 localhost xo\n",
		"etc/hostname":     "xo\n",
		"root/.rpmmacros":  "%_dbpath " + testbed.DBPath + "\n", // Debian's would be in the home folder
	} {
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(system, path)), 0o755))
		check(t, os.WriteFile(filepath.Join(system, path), []byte(text), 0o644))
	}
	c := &computer{dir: dir, disk: filepath.Join(dir, "disk.raw")}
	for _, f := range []struct {
		path *string
		name string
	}{{&c.kernel, "vmlinuz"}, {&c.initrd, "initrd.img"}} {
		found, _ := filepath.Glob(filepath.Join(system, "boot", f.name+"-*"))
		if len(found) != 1 {
			t.Fatalf("kernels in %s/boot: %q", system, found)
		}
		*f.path = filepath.Join(dir, f.name)
		run(t, "cp", found[0], *f.path)
	}
	// Else the kernel writes the 48 MB of inode tables while something is measured.
	run(t, "mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", system, c.disk, "3G")
	check(t, os.RemoveAll(system))
	return c
}

// newDisk makes a disk that begins as the computer's, or as another that was made of it.
func (c *computer) newDisk(t *testing.T, from string) string {
	t.Helper()
	f, err := os.CreateTemp(c.dir, "disk-*.qcow2")
	check(t, err)
	check(t, f.Close())
	format := "qcow2"
	if from == "" {
		from, format = c.disk, "raw"
	}
	run(t, "qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b", from, f.Name())
	return f.Name()
}

// An xo is a computer that runs.
type xo struct {
	qemu *exec.Cmd
	conn net.Conn
	out  *json.Encoder

	mu   sync.Mutex
	jobs map[int]*job
	last int
	gone bool
}

// A job is a command that runs in an xo.
type job struct {
	lines chan string // closed at its end
	end   guest.End   // then
}

// boot boots the computer with a disk and so many MB.
func (c *computer) boot(t *testing.T, disk string, memory int) *xo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer listener.Close()
	console := disk + ".console"
	x := &xo{jobs: map[int]*job{}}
	x.qemu = exec.Command("qemu-system-i386", "-machine", "pc,accel=tcg", "-cpu", "pentium3", "-smp", "1", "-m", fmt.Sprint(memory),
		"-display", "none", "-monitor", "none", "-serial", "file:"+console, "-no-reboot",
		"-kernel", c.kernel, "-initrd", c.initrd,
		"-append", fmt.Sprintf("root=/dev/vda rw console=ttyS0 quiet panic=1 net.ifnames=0 init=/sbin/xo-init xo=10.0.2.2:%d", listener.Addr().(*net.TCPAddr).Port),
		"-drive", "if=virtio,format=qcow2,file="+disk, "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net")
	x.qemu.Stderr = os.Stderr
	check(t, x.qemu.Start())
	t.Cleanup(x.cut)
	check(t, listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	if x.conn, err = listener.Accept(); err != nil {
		text, _ := os.ReadFile(console)
		t.Fatalf("the XO doesn't come up: %v; its console:\n%s", err, text)
	}
	x.out = json.NewEncoder(x.conn)
	go x.read()
	return x
}

// read gives replies to their jobs.
func (x *xo) read() {
	for in := json.NewDecoder(x.conn); ; {
		var r guest.Reply
		err := in.Decode(&r)
		x.mu.Lock()
		if err != nil {
			x.gone = true
			for _, j := range x.jobs {
				j.end.Status = "the computer went down"
				close(j.lines)
			}
			x.mu.Unlock()
			return
		}
		j := x.jobs[r.ID]
		if r.End != nil {
			delete(x.jobs, r.ID)
		}
		x.mu.Unlock()
		if r.End != nil {
			j.end = *r.End
			close(j.lines)
		} else {
			j.lines <- r.Line
		}
	}
}

// cut takes the power away. What the system has written to its disk is there, what it has in its
// memory isn't.
func (x *xo) cut() {
	x.qemu.Process.Kill()
	x.qemu.Wait()
	if x.conn != nil {
		x.conn.Close()
	}
}

// start starts a shell's commands.
func (x *xo) start(script string) (*job, error) {
	j := &job{lines: make(chan string, 1<<16)}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gone {
		return nil, errors.New("the computer is down")
	}
	x.last++
	x.jobs[x.last] = j
	return j, x.out.Encode(guest.Command{ID: x.last, Args: []string{"/bin/sh", "-c", script}})
}

// do carries out a shell's commands and gives what was printed. Where they take longer than
// patience, the power is cut.
func (x *xo) do(script string) (guest.End, string) {
	j, err := x.start(script)
	if err != nil {
		return guest.End{Status: err.Error()}, ""
	}
	late := time.AfterFunc(patience, x.cut)
	var text strings.Builder
	for l := range j.lines {
		text.WriteString(l + "\n")
	}
	if !late.Stop() {
		j.end.Status = fmt.Sprintf("not within %v", patience)
	}
	return j.end, text.String()
}

// down tells whether the computer has gone down.
func (x *xo) down() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gone
}

// must carries out a shell's commands, which must succeed.
func (x *xo) must(t *testing.T, script string) string {
	t.Helper()
	end, text := x.do(script)
	if end.Status != "" {
		t.Fatalf("%s: %s: %s", script, end.Status, text)
	}
	return text
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}
