// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A stick is a published folder that has appeared.
type stick struct {
	folder string // has a folder for the platform
	id     string // of its platform.json: another stick in the same place has another
}

// sticks are the published folders in some folders.
type sticks struct {
	folders  []string
	platform string
	appeared func() // there is one more
	found    atomic.Pointer[[]stick]
	stale    atomic.Bool // found has changed
	watcher  *fsnotify.Watcher
	stop     func()
}

// watchMounts begins to look for sticks, at the first need.
func (o *Offers) watchMounts() {
	if o.sticks != nil || len(o.Mounts) == 0 {
		return
	}
	o.sticks = &sticks{folders: o.Mounts, platform: o.Platform, appeared: o.Net.CopiesAppeared, stop: func() {}}
	o.sticks.found.Store(new([]stick))
	o.Net.Copies = o.sticks.copies
	o.mounted.Store(o.sticks)
	if err := o.sticks.watch(); err != nil {
		o.Log.Warn("sticks are not noticed", "error", err)
	}
}

// hung is how long a folder may keep anybody waiting. Somebody may have mounted a server that
// doesn't answer.
const hung = 2 * time.Second

// watch looks for sticks now, and from now on whenever something may have changed: when the kernel
// mounts something, and when there is another name in one of the folders. Nothing on a stick is
// kept open.
func (k *sticks) watch() error {
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	if k.watcher, err = fsnotify.NewWatcher(); err != nil {
		mounts.Close()
		return err
	}
	mounted := make(chan struct{}, 1)
	scanned := make(chan struct{})
	ended := make(chan struct{})
	go onMount(mounts, mounted)
	go func() {
		defer close(ended)
		k.scan()
		close(scanned)
		for {
			select {
			case _, ok := <-mounted:
				if !ok {
					return
				}
			case e := <-k.watcher.Events:
				if !e.Has(fsnotify.Create | fsnotify.Remove | fsnotify.Rename) {
					continue
				}
			case <-k.watcher.Errors: // an overflow
			}
			k.scan()
		}
	}()
	wait := func(event <-chan struct{}) {
		select {
		case <-event:
		case <-time.After(hung):
		}
	}
	wait(scanned)
	k.stop = func() {
		mounts.Close()
		wait(ended)
		k.watcher.Close()
	}
	return nil
}

// onMount tells whenever the kernel has mounted or unmounted something, until mountinfo is closed.
// Its descriptor is in Go's epoll, where each change shows: no thread waits.
func onMount(mountinfo *os.File, mounted chan<- struct{}) {
	defer close(mounted)
	conn, err := mountinfo.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Read(func(uintptr) bool { // it ends when the file is closed
		select {
		case mounted <- struct{}{}:
		default:
		}
		return false
	})
}

// Bounds on looking for sticks: somebody may have mounted a school's whole archive.
const (
	stickDepth  = 3    // folders between a watched folder and a platform's: /run/media, USER, LABEL, presolve
	mostVisited = 1000 // folders
	mostNames   = 200  // in a folder
	mostWatched = 100  // folders
	mostAsked   = 8    // sticks that are asked what they offer
)

// scan finds out which sticks there are.
func (k *sticks) scan() {
	l := scan{sticks: k}
	var folders []string
	for _, folder := range k.folders {
		if real, err := filepath.EvalSymlinks(folder); err == nil && !slices.Contains(folders, real) {
			folders = append(folders, real)
		}
	}
	for _, folder := range folders {
		if fi, err := os.Lstat(folder); err == nil && fi.IsDir() {
			l.walk(folder, deviceOf(fi), deviceOf(fi), 0)
		}
	}
	before := *k.found.Swap(&l.found)
	if slices.Equal(before, l.found) {
		return
	}
	k.stale.Store(true)
	if slices.ContainsFunc(l.found, func(s stick) bool { return !slices.Contains(before, s) }) {
		k.appeared()
	}
}

// A scan is one round through the folders.
type scan struct {
	*sticks
	found            []stick
	visited, watched int // folders
}

// walk looks into a folder, which is on a device, and those in it. home is the device of the watched
// folder.
func (l *scan) walk(folder string, home, device uint64, depth int) {
	if l.visited++; l.visited > mostVisited {
		return
	}
	// A folder of this computer itself gets its files one after the other. What is mounted has its
	// files, and isn't watched.
	watch := func(folder string) {
		if device == home && l.watcher != nil && l.watched < mostWatched {
			l.watched++
			_ = l.watcher.Add(folder) // gone meanwhile
		}
	}
	watch(folder)
	at := filepath.Join(folder, l.platform)
	if fi, err := os.Lstat(at); err == nil && fi.IsDir() {
		watch(at)
		if fi, err := os.Lstat(filepath.Join(at, "platform.json")); err == nil && fi.Mode().IsRegular() {
			inode := uint64(0)
			if s, ok := fi.Sys().(*syscall.Stat_t); ok {
				inode = s.Ino
			}
			l.found = append(l.found, stick{folder, fmt.Sprint(deviceOf(fi), inode, fi.ModTime().UnixNano(), fi.Size())})
			return
		}
	}
	if depth == stickDepth {
		return
	}
	for _, name := range foldersIn(folder) {
		inner := filepath.Join(folder, name)
		fi, err := os.Lstat(inner)
		if err != nil || !fi.IsDir() {
			continue
		}
		l.walk(inner, home, deviceOf(fi), depth+1)
	}
}

// foldersIn are the names of the folders in a folder, in order, without those that nobody sees.
func foldersIn(folder string) []string {
	f, err := os.OpenFile(folder, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	var names []string
	for seen := 0; seen < mostNames; {
		entries, err := f.ReadDir(mostNames - seen)
		seen += len(entries)
		for _, e := range entries {
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				names = append(names, e.Name())
			}
		}
		if err != nil { // the end, or a stick that was pulled out
			break
		}
	}
	slices.Sort(names)
	return names
}

func deviceOf(fi os.FileInfo) uint64 {
	if s, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Dev)
	}
	return 0
}

// copies are the files on sticks that may be what is at a URL. It is called from many goroutines.
func (k *sticks) copies(url string) []string {
	found := *k.found.Load()
	if len(found) == 0 {
		return nil
	}
	// Below the platform's folder every source has the same. RPMs of the distribution's own servers
	// are on a stick under their names.
	folder := "/" + tree.EscapePath(k.platform) + "/"
	path := ""
	if i := strings.LastIndex(url, folder); i >= 0 {
		path = url[i+len(folder):]
	} else if strings.HasSuffix(url, ".rpm") {
		path = "rpms/" + url[strings.LastIndexByte(url, '/')+1:]
	} else {
		return nil
	}
	var all []string
	for _, s := range found {
		all = append(all, s.url()+folder+path)
	}
	return all
}

func (s *stick) url() string { return "file://" + tree.EscapePath(s.folder) }
