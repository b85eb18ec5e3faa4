// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const stickPlatform = "school-1-x86_64"

// publish lays a folder out as published, the platform.json last.
func publish(t *testing.T, folder string) {
	t.Helper()
	at := filepath.Join(folder, stickPlatform)
	if err := os.MkdirAll(filepath.Join(at, "rpms"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, "platform.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// newSticks watches folders, and tells of each new stick.
func newSticks(t *testing.T, folders ...string) (*sticks, <-chan bool) {
	t.Helper()
	news := make(chan bool, 100)
	k := &sticks{folders: folders, platform: stickPlatform, appeared: func() { news <- true }}
	k.found.Store(new([]stick))
	if err := k.watch(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.stop)
	return k, news
}

func (k *sticks) list() string {
	var all []string
	for _, s := range *k.found.Load() {
		all = append(all, s.folder)
	}
	return strings.Join(all, ", ")
}

// until waits for news until f is true.
func until(t *testing.T, news <-chan bool, f func() bool) {
	t.Helper()
	for !f() {
		select {
		case <-news:
		case <-time.After(10 * time.Second):
			t.Fatal("nothing new in 10 s")
		}
	}
}

func TestSticksAreFound(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"a/one", "a/ann/two", "a/ann/three/presolve", "a/ann/too/deep/down", "a/.hidden/x", "b"} {
		publish(t, filepath.Join(dir, folder))
	}
	os.Symlink(dir+"/a", dir+"/link")
	os.Symlink(dir+"/b", dir+"/a/elsewhere")
	os.MkdirAll(dir+"/a/pipe/"+stickPlatform, 0o755)
	os.MkdirAll(dir+"/a/folder/"+stickPlatform+"/platform.json", 0o755)
	if err := syscall.Mkfifo(dir+"/a/pipe/"+stickPlatform+"/platform.json", 0o644); err != nil {
		t.Fatal(err)
	}
	k, _ := newSticks(t, dir+"/nowhere", dir+"/link", dir+"/a", dir+"/b")
	want := strings.ReplaceAll("DIR/a/ann/three/presolve, DIR/a/ann/two, DIR/a/one, DIR/b", "DIR", dir)
	if got := k.list(); got != want {
		t.Errorf("found %s\nand not %s", got, want)
	}
	rpm := "file://" + dir + "/b/" + stickPlatform + "/rpms/a-1%5E2.rpm"
	for _, url := range []string{"http://school/presolve/" + stickPlatform + "/rpms/a-1%5E2.rpm", "http://mirror/Packages/a/a-1%5E2.rpm"} {
		if got := k.copies(url); len(got) != 4 || got[3] != rpm {
			t.Errorf("copies of %s: %q", url, got)
		}
	}
	if got := k.copies("http://mirror/repodata/repomd.xml"); got != nil {
		t.Errorf("copies of what no stick has: %q", got)
	}
}

// A folder that is copied to where it is found, file by file.
func TestStickIsCopied(t *testing.T) {
	dir := t.TempDir()
	k, news := newSticks(t, dir)
	publish(t, dir+"/ann/presolve")
	until(t, news, func() bool { return strings.Contains(k.list(), "/ann/presolve") })
}

// A stick that is mounted is found; it can be unmounted, for nothing on it is in use; another one
// in its place is another.
func TestStickIsMounted(t *testing.T) {
	dir := t.TempDir()
	at := dir + "/media/ann/KLASSE 5ü"
	k, news := newSticks(t, dir+"/media") // which isn't there yet
	mount := func() {
		t.Helper()
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("mount", "-t", "tmpfs", "tmpfs", at).CombinedOutput(); err != nil {
			t.Skipf("NOT TESTED, this needs root: %v, %s", err, out)
		}
		t.Cleanup(func() { exec.Command("umount", "--lazy", at).Run() })
	}
	var ids []string
	for range 2 {
		mount()
		// The mount of a real stick comes with its files; here they come after it, and another
		// mount tells.
		publish(t, at+"/presolve")
		other := t.TempDir()
		if out, err := exec.Command("mount", "-t", "tmpfs", "tmpfs", other).CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
		defer exec.Command("umount", "--lazy", other).Run()
		until(t, news, func() bool {
			found := *k.found.Load()
			return len(found) == 1 && !slices.Contains(ids, found[0].id)
		})
		ids = append(ids, (*k.found.Load())[0].id)
		if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
			t.Errorf("it can't be unmounted: %s", out)
		}
		for deadline := time.Now().Add(10 * time.Second); len(*k.found.Load()) > 0; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatal("a stick that is gone is still there")
			}
		}
	}
}

// Where an archive is mounted, little of it is looked at.
func TestManyFolders(t *testing.T) {
	dir := t.TempDir()
	for i := range 12 {
		for j := range 100 {
			if err := os.MkdirAll(fmt.Sprintf("%s/%d/%d", dir, i, j), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	l := scan{sticks: &sticks{platform: stickPlatform}}
	fi, err := os.Lstat(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.walk(dir, deviceOf(fi), deviceOf(fi), 0)
	if l.visited < mostVisited || l.visited > mostVisited+mostNames*stickDepth {
		t.Errorf("looked at %d folders", l.visited)
	}
}

func TestNoStickLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	k := &sticks{folders: []string{t.TempDir()}, platform: stickPlatform, appeared: func() {}}
	k.found.Store(new([]stick))
	for range 10 {
		if err := k.watch(); err != nil {
			t.Fatal(err)
		}
		k.stop()
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
