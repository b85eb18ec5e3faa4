// SPDX-License-Identifier: GPL-2.0-or-later

package faults

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// inCache are the bytes of the RPMs in a laptop's cache whose names have a part, whole and partial.
func inCache(t *testing.T, l *testbed.Laptop, part string) (n int64) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(l.Cache, "rpms", "*"+part+"*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		n += fi.Size()
	}
	return n
}

// cacheLimited has a cache that holds swarm and a bit more. What was downloaded for later goes for
// atlas; what was begun of atlas and not finished stays, and swarm is refused.
func cacheLimited(t *testing.T) {
	limit := sizeOf(t, swarm)>>10 + 200
	server := newFront(t, cuts(300*kib))
	l := lay(t, server.URL, weather{})
	server.on.Store(false)
	laptop := makeLaptop(t, l.URL, "", fmt.Sprintf("cache_limit = \"%d KiB\"", limit))
	within := func() {
		t.Helper()
		if has := inCache(t, laptop, ""); has > limit<<10 {
			t.Errorf("the cache has %d bytes and may have %d", has, limit<<10)
		}
	}
	h := start(t, laptop)
	h.OK(later("swarm")...)
	if has := inCache(t, laptop, "swarm"); has != sizeOf(t, swarm) {
		t.Errorf("the cache has %d bytes of swarm's %d", has, sizeOf(t, swarm))
	}
	server.on.Store(true)
	h.Fails("package-download-failed", installOf("atlas")...)
	within()
	begun, swarms := inCache(t, laptop, "atlas"), inCache(t, laptop, "swarm")
	if begun < 300*kib || swarms == 0 || swarms > limit<<10-sizeOf(t, atlas) {
		t.Errorf("the cache has %d bytes of atlas and %d of swarm", begun, swarms)
	}
	server.on.Store(false)
	if e := h.Fails("no-space-on-device", later("swarm")...); !strings.Contains(e, "cache_limit") {
		t.Errorf("nothing to be done is said in %q", e)
	}
	if now := inCache(t, laptop, "atlas"); now != begun || inCache(t, laptop, "swarm") != swarms {
		t.Errorf("the cache had %d bytes of atlas and has %d, %d of swarm and has %d", begun, now, swarms, inCache(t, laptop, "swarm"))
	}
	before := l.Received.Load()
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	within()
	if again := l.Received.Load() - before; again > sizeOf(t, atlas)*101/100-begun {
		t.Errorf("%d bytes came when %d of %d were there", again, begun, sizeOf(t, atlas))
	}
	h.OK(later("swarm")...)
}

// configure writes a line before a laptop's configuration.
func configure(t *testing.T, l *testbed.Laptop, line string) {
	t.Helper()
	before, err := os.ReadFile(l.Config)
	if err == nil {
		err = os.WriteFile(l.Config, append([]byte(line+"\n"), before...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// later is the command that downloads a program for a later install.
func later(name string) []string {
	return []string{"install-packages", "only-download", name + ";1.0-1;noarch;school"}
}

// limitLowered has more in the cache than it may have now: what needs nothing more isn't refused.
func limitLowered(t *testing.T) {
	laptop := makeLaptop(t, "", "", "")
	h := start(t, laptop)
	h.OK(later("atlas")...)
	h.Stop()
	configure(t, laptop, `cache_limit = "64 KiB"`)
	h = start(t, laptop)
	h.OK("install-files", "none", filepath.Join(school.Dir, "repository", "libmoody-1.0-1.noarch.rpm"))
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
}

// limitUnknown has a source that doesn't tell sizes: they aren't bound, and what came isn't refused
// when it is to be installed.
func limitUnknown(t *testing.T) {
	laptop := makeLaptop(t, school.Server.URL, "sugar-network", `cache_limit = "64 KiB"`)
	h := start(t, laptop)
	h.OK(later("atlas")...)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
}

// limitFailed has RPMs in the cache that rpm won't install. They go for others.
func limitFailed(t *testing.T) {
	laptop := makeLaptop(t, "", "", fmt.Sprintf("cache_limit = \"%d KiB\"", sizeOf(t, atlas)>>10+1))
	fail := filepath.Join(laptop.Root, "fail")
	if err := os.WriteFile(fail, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h := start(t, laptop)
	h.Fails("package-failed-to-install", installOf("moody")...)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	os.Remove(fail)
	h.OK(installOf("moody")...)
	whole(t, h, laptop, moody)
}

// limitDownload downloads single RPMs into the cache, which is bound all the same.
func limitDownload(t *testing.T) {
	laptop := makeLaptop(t, "", "", `cache_limit = "64 KiB"`)
	h := start(t, laptop)
	h.Fails("no-space-on-device", "download-packages", "", "atlas-maps;1.0-1;noarch;school")
	if has := inCache(t, laptop, ""); has > 0 {
		t.Errorf("%d bytes are in the cache", has)
	}
	h.OK("download-packages", "", "moody;1.0-1;noarch;school")
}

// limitBusy makes room while another helper downloads: that isn't taken from it.
func limitBusy(t *testing.T) {
	shown := make(chan struct{})
	show := sync.OnceFunc(func() { close(shown) })
	server := newFront(t, func(good http.Handler) http.Handler {
		return rpms(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "atlas-maps") {
				good.ServeHTTP(w, r)
				return
			}
			body := fileOf(r)
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for at := 0; at < len(body); at += 50 * kib {
				w.Write(body[at:min(at+50*kib, len(body))])
				w.(http.Flusher).Flush()
				select {
				case <-shown: // the rest at once
				case <-tick.C:
				}
			}
		})(good)
	})
	t.Cleanup(show)
	l := lay(t, server.URL, weather{})
	laptop := makeLaptop(t, l.URL, "", fmt.Sprintf("cache_limit = \"%d KiB\"", sizeOf(t, swarm)>>10+200))
	other := start(t, laptop)
	other.OK("install-packages", "simulate", "swarm;1.0-1;noarch;school")
	h := start(t, laptop)
	if err := h.Send("download-packages", "", "atlas-maps;1.0-1;noarch;school"); err != nil {
		t.Fatal(err)
	}
	hindered := false
	lines, err := h.Reply(func(line string) {
		words := strings.Split(line, "\t")
		if percent, _ := strconv.Atoi(words[len(words)-1]); hindered || words[0] != "item-progress" || percent < 30 {
			return
		}
		hindered = true
		if e := other.Fails("no-space-on-device", later("swarm")...); !strings.Contains(e, "atlas-maps") {
			t.Errorf("what is in the way is not said: %q", e)
		}
		show()
	})
	if e := laptoptest.ErrorOf(lines); err != nil || e != "" || !hindered {
		t.Errorf("answered %q, %v; hindered: %v", e, err, hindered)
	}
	other.OK(later("swarm")...) // now it may go
}

// repairKeeps repairs systems whose record is gone or damaged: RPMs, whole and in part, are not
// downloaded again.
func repairKeeps(t *testing.T) {
	for _, how := range []string{"removed", "wiped"} {
		server := newFront(t, cuts(300*kib))
		l := lay(t, server.URL, weather{})
		laptop := makeLaptop(t, l.URL, "", "")
		h := start(t, laptop)
		h.Fails("package-download-failed", installOf("atlas")...)
		server.on.Store(false)
		h.OK(later("swarm")...)
		h.Stop()
		there := inCache(t, laptop, "")
		if how == "removed" {
			for _, part := range []string{"", "-wal", "-shm"} {
				os.Remove(laptoptest.Record(laptop) + part)
			}
		} else {
			laptoptest.Wipe(t, laptop)
		}
		h = start(t, laptop)
		h.OK("repair-system", "none")
		if has := inCache(t, laptop, ""); has != there {
			t.Errorf("%s: the cache had %d bytes, and %d after the repair", how, there, has)
		}
		before := l.Received.Load()
		h.OK(installOf("swarm")...)
		h.OK(installOf("atlas")...)
		whole(t, h, laptop, atlas)
		count(t, l.Received.Load()-before+there, sizeOf(t, atlas)+sizeOf(t, swarm), 1.02)
	}
}

// nobodys is the helper run by a user who may do nothing.
func nobodys(t *testing.T) testbed.Tools {
	t.Helper()
	run := []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}
	if err := exec.Command(run[0], append(run[1:], school.Helper, "--help")...).Run(); err != nil {
		t.Skipf("NOT TESTED, this needs root: %v", err)
	}
	tools := testbed.Tools{Helper: filepath.Join(t.TempDir(), "helper")}
	if err := os.WriteFile(tools.Helper, fmt.Appendf(nil, "#!/bin/sh\nexec %s %s \"$@\"\n", strings.Join(run, " "), school.Helper), 0o755); err != nil {
		t.Fatal(err)
	}
	return tools
}

// noPermission is a helper that may not write to one thing after the other. Each time it says to
// what, and loses nothing.
func noPermission(t *testing.T) {
	nobody := nobodys(t)
	l := lay(t, newFront(t, nil).URL, weather{})
	laptop := makeLaptop(t, l.URL, "", "")
	own := func(folder string, user int) {
		t.Helper()
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
			if err == nil {
				err = os.Chown(path, user, user)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	install := func(code, says string) {
		t.Helper()
		h := laptoptest.Start(t, nobody, laptop, nil, "--dialect", "1.2")
		lines := h.Answer(installOf("atlas")...)
		if e := laptoptest.ErrorOf(lines); !strings.HasPrefix(e, code+"\t") || !strings.Contains(e, says) {
			t.Errorf("answered %q, want %s with %q", e, code, says)
		}
		if code != "failed-initialization" {
			laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
		}
		h.Kill()
	}
	h := start(t, laptop)
	h.OK("get-packages", "installed")
	h.Stop()
	install("failed-initialization", laptop.State)
	own(laptop.State, 65534)
	os.MkdirAll(laptop.Cache, 0o755)
	install("transaction-error", laptop.Cache+"/rpms: permission denied")
	own(laptop.Cache, 65534)
	install("transaction-error", "Permission denied")
	if has := inCache(t, laptop, "atlas"); has != sizeOf(t, atlas) {
		t.Errorf("%d bytes of %d are in the cache", has, sizeOf(t, atlas))
	}
	own(laptop.State, 0) // or root would not use them
	own(laptop.Cache, 0)
	h = start(t, laptop)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	count(t, l.Received.Load(), sizeOf(t, atlas), 0)
}

// remount mounts a file system with other options.
func remount(t *testing.T, at, options string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+options, at).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
}

// recordDiskFull has no room for the record: at its making, in an install, and then some.
func recordDiskFull(t *testing.T) {
	l := lay(t, newFront(t, nil).URL, weather{})
	laptop := makeLaptop(t, l.URL, "", "")
	mount(t, laptop.State, "-t", "tmpfs", "-o", "size=32k", "tmpfs")
	start(t, laptop).Fails("no-space-on-device", "get-packages", "installed")
	remount(t, laptop.State, "size=64m")
	h := start(t, laptop)
	h.OK("get-packages", "installed")
	h.OK("install-packages", "simulate", "atlas;1.0-1;noarch;school")
	before := l.Received.Load()
	if err := os.WriteFile(filepath.Join(laptop.State, "full"), make([]byte, 64<<20), 0o644); err == nil {
		t.Fatal("the disk of the record is not full")
	}
	if e := h.Fails("no-space-on-device", installOf("atlas")...); !strings.Contains(e, laptop.State) {
		t.Errorf("answered %q", e)
	}
	if more := l.Received.Load() - before; more > 10*kib {
		t.Errorf("%d bytes were downloaded for nothing", more)
	}
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
	os.Remove(filepath.Join(laptop.State, "full"))
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	count(t, l.Received.Load(), sizeOf(t, atlas), 0)
}

// everythingFull has system, record and cache on one disk without a byte left, when a helper starts
// and when one runs. What the record has is told, what is removed makes room, and so does what the
// cache doesn't need.
func everythingFull(t *testing.T) {
	l := lay(t, newFront(t, nil).URL, weather{})
	laptop := makeLaptop(t, l.URL, "", "")
	disk := filepath.Join(laptop.Dir, "disk")
	mount(t, disk, "-t", "tmpfs", "-o", "size=64m", "tmpfs")
	if out, err := exec.Command("cp", "-a", laptop.Root, disk+"/root").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	config, err := os.ReadFile(laptop.Config)
	if err != nil {
		t.Fatal(err)
	}
	config = []byte(strings.NewReplacer(laptop.Root, disk+"/root", laptop.State, disk+"/state", laptop.Cache, disk+"/cache").Replace(string(config)))
	if err := os.WriteFile(laptop.Config, config, 0o644); err != nil {
		t.Fatal(err)
	}
	laptop.Root, laptop.State, laptop.Cache = disk+"/root", disk+"/state", disk+"/cache"
	filler, reserve := filepath.Join(disk, "full"), filepath.Join(laptop.State, "reserve")
	fill := func() {
		t.Helper()
		if fi, err := os.Stat(reserve); err != nil || fi.Size() != 1<<20 || fi.Sys().(*syscall.Stat_t).Blocks < 1<<20/512 {
			t.Fatalf("the reserve is not there: %v, %v", fi, err)
		}
		if err := os.WriteFile(filler, make([]byte, 64<<20), 0o644); err == nil {
			t.Fatal("the disk is not full")
		}
	}
	h := start(t, laptop)
	h.OK("search-name", "none", "atlas")
	fill()
	h.OK("repair-system", "none") // there is no file to lock yet
	h.Stop()
	os.Remove(filler)
	for _, running := range []bool{false, true} {
		for _, command := range [][]string{
			{"get-packages", "installed"}, {"search-name", "none", "atlas"}, {"remove-packages", "none", "atlas;1.0-1;noarch;installed:school", "no", "yes"},
			{"repair-system", "none"}, {"repair-system", "simulate"}, installOf("moody"), {"remove-packages", "none", "moody;1.0-1;noarch;installed:school", "no", "yes"},
		} {
			h := start(t, laptop)
			h.OK("get-packages", "installed")
			if len(laptoptest.Installed(t, laptop)) == 2 {
				h.OK(installOf("atlas")...)
				h.OK(later("swarm")...)
				h.OK("install-packages", "simulate", "moody;1.0-1;noarch;school")
			}
			if !running {
				h.Stop()
			}
			fill()
			if !running {
				h = start(t, laptop)
			}
			h.OK(command...)
			laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
			h.Stop()
			os.Remove(filler)
		}
	}
	os.Remove(reserve)
	if err := os.WriteFile(filler, make([]byte, 64<<20), 0o644); err == nil {
		t.Fatal("the disk is not full")
	}
	if e := start(t, laptop).Fails("no-space-on-device", "get-packages", "installed"); !strings.HasSuffix(e, "make some room first") {
		t.Errorf("answered %q", e)
	}
}

// rootDiskFull has a root that a file fills after the arithmetic, before the RPMs come: rpm meets
// it.
func rootDiskFull(t *testing.T) {
	filled := make(chan struct{})
	l := lay(t, newFront(t, func(good http.Handler) http.Handler {
		return rpms(func(w http.ResponseWriter, r *http.Request) { <-filled; good.ServeHTTP(w, r) })(good)
	}).URL, weather{})
	laptop := makeLaptop(t, l.URL, "", "")
	base := laptop.Root + ".base"
	if err := os.Rename(laptop.Root, base); err != nil {
		t.Fatal(err)
	}
	mount(t, laptop.Root, "-t", "tmpfs", "-o", "size=64m", "tmpfs")
	if out, err := exec.Command("cp", "-a", base+"/.", laptop.Root).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	before := laptoptest.Installed(t, laptop)
	h := start(t, laptop)
	if err := h.Send(installOf("atlas")...); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(laptop.Root, "full")
	fill := sync.OnceFunc(func() {
		os.WriteFile(filler, make([]byte, 64<<20), 0o644)
		close(filled)
	})
	lines, err := h.Reply(func(line string) {
		if strings.HasPrefix(line, "package\tdownloading\t") {
			fill()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if e := laptoptest.ErrorOf(lines); !strings.HasPrefix(e, "no-space-on-device\t") {
		t.Errorf("answered %q", e)
	}
	if now := laptoptest.Installed(t, laptop); len(now) != len(before) {
		t.Errorf("%d packages were installed, %d are now", len(before), len(now))
	}
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
	os.Remove(filler)
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	count(t, l.Received.Load(), sizeOf(t, atlas), 0)
}

// rootReadOnly is a system that can't be changed: everything is downloaded, and kept.
func rootReadOnly(t *testing.T) {
	l := lay(t, newFront(t, nil).URL, weather{})
	laptop := makeLaptop(t, l.URL, "", "")
	h := start(t, laptop)
	h.OK("get-packages", "installed")
	mount(t, laptop.Root, "-o", "bind", laptop.Root)
	remount(t, laptop.Root, "bind,ro")
	if e := h.Fails("transaction-error", installOf("atlas")...); !strings.Contains(e, "Read-only file system") {
		t.Errorf("answered %q", e)
	}
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
	if out, err := exec.Command("umount", laptop.Root).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	count(t, l.Received.Load(), sizeOf(t, atlas), 0)
}

// clockAhead is a computer whose clock was ten years ahead when it looked last, and is right now,
// or was set back to 1970: it looks again.
func clockAhead(t *testing.T) {
	var asked atomic.Int64
	laptop := makeLaptop(t, newFront(t, func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/platform.json") {
				asked.Add(1)
			}
			good.ServeHTTP(w, r)
		})
	}).URL, "", "")
	h := start(t, laptop, "CACHE_AGE=3600")
	h.OK("resolve", "none", "atlas")
	h.OK("resolve", "none", "atlas")
	h.Stop()
	if n := asked.Load(); n != 1 {
		t.Fatalf("platform.json was asked for %d times", n)
	}
	record, err := sql.Open("sqlite", filepath.Join(laptop.State, "record.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := record.Exec("UPDATE remote SET checked = checked + 10*365*24*3600, sum = 0"); err != nil {
		t.Fatal(err)
	}
	record.Close()
	h = start(t, laptop, "CACHE_AGE=3600")
	h.OK("resolve", "none", "atlas")
	h.OK("resolve", "none", "atlas")
	if n := asked.Load(); n != 2 {
		t.Errorf("platform.json was asked for %d times", n)
	}
}

// throughSOCKS installs from a server whose name only a SOCKS proxy knows, as PackageKit tells of
// one.
func throughSOCKS(t *testing.T) {
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	go func() {
		for {
			conn, err := proxy.Accept()
			if err != nil {
				return
			}
			go socks(conn, strings.TrimPrefix(school.Server.URL, "http://"))
		}
	}()
	l := lay(t, "http://"+proxy.Addr().String(), weather{})
	laptop := makeLaptop(t, "http://school.invalid", "", "")
	start(t, laptop).Fails("no-network", installOf("atlas")...)
	h := start(t, laptop, "all_proxy="+strings.Replace(l.URL, "http://", "socks://", 1)+"/")
	h.OK(installOf("atlas")...)
	whole(t, h, laptop, atlas)
	count(t, l.Received.Load(), sizeOf(t, atlas), 0)
}

// socks speaks SOCKS 5 (RFC 1928) with one client, and leads school.invalid to a server.
func socks(conn net.Conn, server string) {
	defer conn.Close()
	b := make([]byte, 256)
	read := func(n int) []byte {
		if _, err := io.ReadFull(conn, b[:n]); err != nil {
			return make([]byte, n)
		}
		return b[:n]
	}
	read(int(read(2)[1])) // the ways to log in
	conn.Write([]byte{5, 0})
	const byName = 3
	if kind := read(5)[3]; kind != byName || string(read(int(b[4]))) != "school.invalid" {
		return
	}
	read(2) // the port
	to, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go func() { io.Copy(to, conn); to.Close() }()
	io.Copy(conn, to)
}
