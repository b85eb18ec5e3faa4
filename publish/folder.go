// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// aside begins the names of files that are being written. No reader looks at them.
const aside = ".new-"

// A folder collects new files beside those that readers see, until commit makes them appear. Its
// methods but lock, commit and abandon may be called by several goroutines.
type folder struct {
	dir string
	// subs are the folders in it that have files; "" is itself. One that ends with a slash has folders,
	// too, each of which appears and goes as a whole.
	subs   []string
	before func(what string) error // called before each change

	mu      sync.Mutex
	has     map[string]bool      // the files that the build has, new or not
	others  map[string]otherFile // of these those that aren't named by their content
	pending []string             // of these those whose new content is written aside
	last    []string             // the same, to appear after all others, in this order
	dirs    map[string]bool

	was map[string]*otherFile // what the last build had
}

func newFolder(dir string, subs []string, before func(string) error) *folder {
	return &folder{dir: dir, subs: subs, before: before, has: make(map[string]bool), others: make(map[string]otherFile), dirs: make(map[string]bool)}
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

func (f *folder) aside(name string) string {
	dir, base := filepath.Split(f.path(name))
	return dir + aside + base
}

// Lock keeps builds out of a platform's folder, until unlock.
func Lock(dir string) (unlock func(), err error) { return newFolder(dir, nil, nil).lock() }

// lock keeps other builds out of the folder, which it makes.
func (f *folder) lock() (unlock func(), err error) {
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the platform's folder: %w: set output to a folder that presolver may write to", err)
	}
	name := filepath.Join(f.dir, ".lock")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the platform's folder: %w: set output to a folder that presolver may write to", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another presolver is writing to %s: wait until it is done", f.dir)
		}
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	return func() { file.Close() }, nil
}

// removeLeftovers removes what a build that was killed wrote aside.
func (f *folder) removeLeftovers() error {
	return f.each(func(name string) error {
		if !strings.HasPrefix(filepath.Base(name), aside) {
			return nil
		}
		return os.RemoveAll(f.path(name))
	})
}

// each calls do with the name of each file, and each folder that appears and goes as a whole, in the
// folder and those in it that have files.
func (f *folder) each(do func(name string) error) error {
	for _, sub := range f.subs {
		entries, err := os.ReadDir(f.path(sub))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("looking into the platform's folder: %w", err)
		}
		for _, e := range entries {
			if e.IsDir() && !strings.HasSuffix(sub, "/") {
				continue
			}
			if err := do(filepath.ToSlash(filepath.Join(sub, e.Name()))); err != nil {
				return fmt.Errorf("tidying the platform's folder: %w", err)
			}
		}
	}
	return nil
}

// holds notes that the build has a file, and tells whether that was known.
func (f *folder) holds(name string) (known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known = f.has[name]
	f.has[name] = true
	return known
}

// holdsOther notes that the build has a file that isn't named by its content.
func (f *folder) holdsOther(o otherFile) {
	f.holds(o.Name)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.others[o.Name] = o
}

// add writes a file that is named by its content, where it isn't there already.
func (f *folder) add(name string, content []byte) error {
	if f.holds(name) {
		return nil
	}
	if info, err := os.Stat(f.path(name)); err == nil && info.Size() == int64(len(content)) {
		return nil
	}
	if err := f.write(name, content); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, name)
	return nil
}

// addAll writes a folder that is named by its content, where it isn't there already: its files are
// called by their numbers.
func (f *folder) addAll(name string, files [][]byte) error {
	if f.holds(name) || exists(f.path(name)) {
		return nil
	}
	if err := f.makeDir(name); err != nil {
		return err
	}
	if err := f.before("write " + name); err != nil {
		return err
	}
	f.mu.Lock()
	f.pending = append(f.pending, name)
	f.mu.Unlock()
	if err := os.Mkdir(f.aside(name), 0o755); err != nil {
		return fmt.Errorf("making a folder in the platform's: %w", err)
	}
	for i, content := range files {
		if err := os.WriteFile(filepath.Join(f.aside(name), strconv.Itoa(i)), content, 0o644); err != nil {
			return fmt.Errorf("writing to the platform's folder: %w", err)
		}
	}
	return nil
}

// replace writes a file that changes in place, where it is new or different. It appears after those
// that were added, and those that were replaced before.
func (f *folder) replace(name string, content []byte) error {
	sum := sha256.Sum256(content)
	f.holdsOther(otherFile{Name: name, SHA256: hex.EncodeToString(sum[:])})
	if was, err := os.ReadFile(f.path(name)); err == nil && bytes.Equal(was, content) {
		return nil
	}
	if err := f.write(name, content); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = append(f.last, name)
	return nil
}

func (f *folder) write(name string, content []byte) error {
	if err := f.makeDir(name); err != nil {
		return err
	}
	if err := f.before("write " + name); err != nil {
		return err
	}
	if err := os.WriteFile(f.aside(name), content, 0o644); err != nil {
		return fmt.Errorf("writing to the platform's folder: %w", err)
	}
	return nil
}

// makeDir makes the folder that a file is in.
func (f *folder) makeDir(name string) error {
	dir := filepath.Dir(f.path(name))
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dirs[dir] {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making a folder in the platform's: %w", err)
	}
	f.dirs[dir] = true
	return nil
}

// commit makes all that was written appear, the files that change in place last. One sync of the
// file system stands for one of each file: a build may have a hundred thousand.
func (f *folder) commit() error {
	if len(f.pending)+len(f.last) == 0 {
		return nil
	}
	if err := f.sync(); err != nil {
		return err
	}
	for len(f.pending) > 0 {
		if err := f.appear(f.pending[0]); err != nil {
			return err
		}
		f.pending = f.pending[1:]
	}
	if err := f.sync(); err != nil {
		return err
	}
	for len(f.last) > 0 {
		if err := f.appear(f.last[0]); err != nil {
			return err
		}
		f.last = f.last[1:]
	}
	return f.sync()
}

func (f *folder) appear(name string) error {
	if err := f.before("rename " + name); err != nil {
		return err
	}
	if err := os.Rename(f.aside(name), f.path(name)); err != nil {
		return fmt.Errorf("writing to the platform's folder: %w", err)
	}
	return nil
}

func (f *folder) sync() error {
	if err := f.before("sync"); err != nil {
		return err
	}
	d, err := os.Open(f.dir)
	if err != nil {
		return fmt.Errorf("syncing the platform's folder: %w", err)
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return fmt.Errorf("syncing the platform's folder: %w", err)
	}
	return nil
}

// abandon removes what was written and has not appeared.
func (f *folder) abandon() {
	for _, name := range slices.Concat(f.pending, f.last) {
		os.RemoveAll(f.aside(name))
	}
	f.pending, f.last = nil, nil
}

// remove removes what readers may have seen. A folder goes out of sight at once: what would be left
// of one wouldn't be told from a whole one.
func (f *folder) remove(name string) error {
	if err := f.before("remove " + name); err != nil {
		return err
	}
	err := os.Rename(f.path(name), f.aside(name))
	if err == nil {
		err = os.RemoveAll(f.aside(name))
	}
	if err != nil {
		return fmt.Errorf("removing what is no longer needed: %w", err)
	}
	return nil
}
