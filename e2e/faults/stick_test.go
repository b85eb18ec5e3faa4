// SPDX-License-Identifier: GPL-2.0-or-later

package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A slot is where a laptop looks for sticks: a folder of its own.
type slot struct {
	folder string
	config string // [mounts]
}

func newSlot(t *testing.T) *slot {
	s := &slot{folder: filepath.Join(t.TempDir(), "media")}
	s.config = fmt.Sprintf("[mounts]\nfolders = [%q]\n", s.folder)
	return s
}

// in puts a stick in, and gives its folder.
func (s *slot) in(t *testing.T, stick string) string {
	t.Helper()
	at := filepath.Join(s.folder, "ann", "ATLAS")
	mount(t, at, "--bind", stick)
	return at
}

// newStick makes a stick with what the school publishes for its platform.
func newStick(t *testing.T) string {
	t.Helper()
	stick := filepath.Join(t.TempDir(), "stick")
	mount(t, stick, "-t", "tmpfs", "tmpfs")
	if err := os.CopyFS(filepath.Join(stick, "presolve", testbed.Platform), os.DirFS(filepath.Join(school.Published(), testbed.Platform))); err != nil {
		t.Fatal(err)
	}
	return stick
}

// rpmOn is an RPM of a program, on a stick.
func rpmOn(stick string, r testbed.RPM) string {
	return filepath.Join(stick, "presolve", testbed.Platform, "rpms", r.Name+"-1.0-1.noarch.rpm")
}

// metadata is more than the bytes of all that tells what the school offers, the RPMs of which come
// from elsewhere.
const metadata = 16 * kib

// few tells whether no more than so many bytes came over the wire.
func few(t *testing.T, l *testbed.Link, most int64) {
	t.Helper()
	t.Logf("%d bytes on the wire", l.Received.Load())
	if n := l.Received.Load(); n > most {
		t.Errorf("%d bytes came over the wire, at most %d should", n, most)
	}
}

// withoutNetwork are tools whose helper has no network.
func withoutNetwork(t *testing.T) testbed.Tools {
	t.Helper()
	cut := testbed.Tools{Helper: filepath.Join(t.TempDir(), "helper")}
	if err := exec.Command("unshare", "--net", "true").Run(); err != nil {
		t.Skipf("NOT TESTED, this needs root: %v", err)
	}
	if err := os.WriteFile(cut.Helper, fmt.Appendf(nil, "#!/bin/sh\nexec unshare --net %s \"$@\"\n", school.Helper), 0o755); err != nil {
		t.Fatal(err)
	}
	return cut
}

// stickAlone is a laptop that has never had a network, and a stick that has what the source's key has
// signed.
func stickAlone(t *testing.T) {
	s := newSlot(t)
	at := s.in(t, school.Published())
	laptop := makeLaptop(t, "http://school.invalid", "", s.config)
	h := laptoptest.Start(t, withoutNetwork(t), laptop, nil)
	h.OK(installOf("atlas")...)
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
	if out, err := testbed.RPMQuery(laptop.Root, "-V", "atlas", "atlas-maps", "atlas-photos", "libatlas"); err != nil {
		t.Errorf("rpm -V: %v, %s", err, out)
	}
	// The helper keeps nothing of it open.
	if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
		t.Errorf("the stick can't be taken out: %s", out)
	}
	gone := func(there bool) func() bool {
		return func() bool {
			return strings.Contains(strings.Join(h.Answer("resolve", "none", "swarm"), "\n"), ";school\t") == there
		}
	}
	eventually(t, "what was on the stick is offered when it is gone", gone(false))
	s.in(t, school.Published())
	eventually(t, "what is on the stick isn't offered when it is back", gone(true))
}

// eventually waits for what the kernel tells the helper.
func eventually(t *testing.T, problem string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); {
		if time.Now().After(deadline) {
			t.Fatal(problem)
		}
	}
}

// stickIsCopy installs over a link that has little to carry.
func stickIsCopy(t *testing.T) {
	l := lay(t, newFront(t, nil).URL, weather{})
	s := newSlot(t)
	s.in(t, newStick(t))
	laptop := makeLaptop(t, l.URL, "", s.config)
	h := start(t, laptop)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	few(t, l, metadata)
}

// stickMeanwhile begins an install over a link and puts the stick in when the helper says
// something. From then on few bytes come over the wire, at most so many.
func stickMeanwhile(t *testing.T, w weather, at string, most int64) {
	l := lay(t, newFront(t, nil).URL, w)
	s := newSlot(t)
	stick := newStick(t)
	laptop := makeLaptop(t, l.URL, "", s.config)
	h := start(t, laptop)
	if err := h.Send(installOf("atlas")...); err != nil {
		t.Fatal(err)
	}
	came := int64(0)
	lines, err := h.Reply(func(line string) {
		if came == 0 && strings.HasPrefix(line, at) {
			came = l.Received.Load()
			s.in(t, stick)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if e := laptoptest.ErrorOf(lines); e != "" || came == 0 {
		t.Fatalf("the install failed when %d bytes had come: %s", came, e)
	}
	whole(t, h, laptop, atlas)
	few(t, l, came+most)
	if n := sizeOf(t, atlas); came > n*9/10 {
		t.Errorf("%d of %d bytes had come when the stick was put in", came, n)
	}
}

// The link goes down in the middle and stays down.
func stickEndsWaiting(t *testing.T) {
	stickMeanwhile(t, weather{After: 2 << 20, For: time.Hour, Rate: scaledRate(2 << 20)}, "status\trequest", 0)
}

// The link is up, and slow.
func stickEndsSlowness(t *testing.T) {
	stickMeanwhile(t, weather{Rate: 256 * kib}, "item-progress\t", 512*kib)
}

// stickIsPulled pulls the stick out when some of it has been read: its files end there, as those of
// a disk that is gone do.
func stickIsPulled(t *testing.T) {
	l := lay(t, newFront(t, nil).URL, weather{})
	s := newSlot(t)
	stick := newStick(t)
	at := s.in(t, stick)
	laptop := makeLaptop(t, l.URL, "", s.config)
	h := start(t, laptop)
	if err := h.Send(installOf("atlas")...); err != nil {
		t.Fatal(err)
	}
	had := func() (n int64) {
		files, _ := filepath.Glob(filepath.Join(laptop.Cache, "rpms", "*"))
		for _, f := range files {
			if fi, err := os.Stat(f); err == nil {
				n += fi.Size()
			}
		}
		return n
	}
	eventually(t, "nothing comes from the stick", func() bool { return had() > 0 })
	if err := h.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for _, r := range atlas {
		if err := os.Truncate(rpmOn(stick, r), 100*kib); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("umount", "--lazy", at).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	came := had()
	if err := h.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	lines, err := h.Reply(nil)
	if err != nil {
		t.Fatal(err)
	}
	if e := laptoptest.ErrorOf(lines); e != "" {
		t.Fatalf("the install failed: %s", e)
	}
	whole(t, h, laptop, atlas)
	t.Logf("%d bytes came from the stick", came)
	few(t, l, sizeOf(t, atlas)*101/100-came+metadata)
}

// stickIsDamaged installs from a stick that has lost a bit.
func stickIsDamaged(t *testing.T) {
	l := lay(t, newFront(t, nil).URL, weather{})
	stick := newStick(t)
	file := rpmOn(stick, atlas[1])
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if err := os.WriteFile(file, body, 0o644); err != nil {
		t.Fatal(err)
	}
	s := newSlot(t)
	s.in(t, stick)
	laptop := makeLaptop(t, l.URL, "", s.config)
	h := start(t, laptop)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	if n := l.Received.Load(); n < int64(len(body)) {
		t.Errorf("%d bytes came over the wire, and the damaged file has %d", n, len(body))
	}
	few(t, l, int64(len(body))*101/100+metadata)
}

// stickIsNotBelieved has a stick whose platform.json nobody has signed whom the laptop knows.
func stickIsNotBelieved(t *testing.T) {
	l := lay(t, newFront(t, nil).URL, weather{})
	stick := newStick(t)
	if err := os.WriteFile(filepath.Join(stick, "presolve", testbed.Platform, "platform.json"), []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := newSlot(t)
	s.in(t, stick)
	laptop := makeLaptop(t, l.URL, "", s.config)
	h := laptoptest.Start(t, withoutNetwork(t), laptop, nil)
	h.Fails("no-network", installOf("atlas")...)
	h.Stop()
	h = start(t, laptop)
	h.OK("refresh-cache", "yes")
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	few(t, l, metadata)
}

// stickIsHostile has pipes, a folder, a device and a file without an end where RPMs should be.
func stickIsHostile(t *testing.T) {
	l := lay(t, newFront(t, nil).URL, weather{})
	stick := newStick(t)
	for i, r := range atlas {
		file := rpmOn(stick, r)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		err := []func() error{
			func() error { return syscall.Mkfifo(file, 0o644) },
			func() error { return os.Mkdir(file, 0o755) },
			func() error { return os.Symlink("/dev/zero", file) },
			func() error { return errors.Join(os.WriteFile(file, nil, 0o644), os.Truncate(file, 1<<40)) },
		}[i]()
		if err != nil {
			t.Fatal(err)
		}
	}
	s := newSlot(t)
	s.in(t, stick)
	laptop := makeLaptop(t, l.URL, "", s.config)
	h := start(t, laptop)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	count(t, l.Received.Load(), sizeOf(t, atlas), 0)
}
