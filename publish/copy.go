// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Copy is a platform's folder that gets what somebody else has published. As with a build, what is
// named by its content appears first, platform.json last, and what it named before stays until that
// has expired; a copy that was killed is whole as it was, and the next one goes on from what came. Its
// methods but Has, Read and Add are for one goroutine.
type Copy struct {
	Dir string
	// Was is what the folder has, nil where it has nothing.
	Was    *tree.Platform
	output string
	folder *folder
	unlock func()
}

// OpenCopy opens, and makes, the folder of a platform in output. Who else would write to it is kept
// out until Close.
func OpenCopy(output, platform string) (*Copy, error) {
	dir := filepath.Join(output, platform)
	f := newFolder(dir, Presolve.subs, func(string) error { return nil })
	unlock, err := f.lock()
	if err != nil {
		return nil, err
	}
	c := &Copy{Dir: dir, output: output, folder: f, unlock: unlock}
	if exists(f.path(builtFile)) || exists(f.path(madeFile)) {
		unlock()
		return nil, fmt.Errorf("%s was built here: what somebody else has published would take its place: name another folder", dir)
	}
	data, err := os.ReadFile(f.path("platform.json"))
	if err == nil {
		c.Was, err = tree.ParsePlatform(data, platform)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		unlock()
		return nil, fmt.Errorf("reading what is in %s: %w: remove platform.json there, and copy again", dir, err)
	}
	return c, nil
}

// Close lets others write. What hasn't appeared is there for the next copy.
func (c *Copy) Close() { c.unlock() }

// Has tells whether a file is there that the copy is to have. One that was about to appear is compared
// by check, and so is each where again is set; a wrong one is removed.
func (c *Copy) Has(name string, size int64, again bool, check func(content []byte) error) bool {
	f := c.folder
	f.holds(name)
	if info, err := os.Lstat(f.path(name)); err == nil && info.Mode().IsRegular() && (size < 0 || info.Size() == size) {
		if !again {
			return true
		}
		data, err := os.ReadFile(f.path(name))
		if err == nil && check(data) == nil {
			return true
		}
		os.Remove(f.path(name))
	}
	data, err := os.ReadFile(f.aside(name))
	if err != nil {
		return false
	}
	if check(data) != nil {
		os.Remove(f.aside(name))
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.pending, name) {
		f.pending = append(f.pending, name)
	}
	return true
}

// Read is the content of a file that Has or Add was called for.
func (c *Copy) Read(name string) ([]byte, error) {
	data, err := os.ReadFile(c.folder.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		data, err = os.ReadFile(c.folder.aside(name))
	}
	return data, err
}

// Add writes a file that Has didn't find. It appears with the next Appear.
func (c *Copy) Add(name string, content []byte) error {
	f := c.folder
	f.holds(name)
	if err := f.write(name, content); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, name)
	return nil
}

// Holds tells whether a large file is there, by its size. Where it isn't, it is to be brought to the
// path, beside which who brings it may have files that begin with the same name, and then to be
// Taken.
func (c *Copy) Holds(name string, size int64) (path string, is bool, err error) {
	f := c.folder
	f.holds(name)
	if info, err := os.Lstat(f.path(name)); err == nil && info.Mode().IsRegular() && info.Size() == size {
		return f.path(name), true, nil
	}
	return f.aside(name), false, f.makeDir(name)
}

// Take takes a file that was brought to the path that Holds gave.
func (c *Copy) Take(name string) error {
	f := c.folder
	if err := os.Chmod(f.aside(name), 0o644); err != nil && !errors.Is(err, fs.ErrPermission) { // FAT has no modes
		return fmt.Errorf("writing to the platform's folder: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, name)
	return nil
}

// Appear makes what was added and taken appear, when it is on the disk.
func (c *Copy) Appear() error { return c.folder.commit() }

// Finish makes what leads to all the rest appear: others, by their names in the order in which they
// are to, and platform.json. What the copy doesn't have any more goes once what is there now has
// expired.
func (c *Copy) Finish(ctx context.Context, head []byte, p *tree.Platform, others []File, now time.Time) error {
	f := c.folder
	for _, o := range append(others, File{tree.HeadName(head), head}, File{"platform.json", head}) {
		if err := f.replace(o.Name, o.Content); err != nil {
			return err
		}
	}
	// platform.json under its digest is written before its signatures, and all before platform.json.
	if err := f.commit(); err != nil {
		return err
	}
	if err := f.removeLeftovers(); err != nil {
		return err
	}
	until := now
	if c.Was != nil && c.Was.Expires.After(until) {
		until = c.Was.Expires
	}
	err := f.clean(ctx, now, until, func(name string) fate {
		if strings.HasPrefix(filepath.Base(name), ".") || filepath.Dir(name) == "." && !isHead(name) || filepath.Dir(name) == keysFolder {
			return stays
		}
		return waits
	})
	if err != nil {
		return err
	}
	c.Was = p
	return writePlatforms(ctx, c.output, f.before)
}

// A File is one that changes in place.
type File struct {
	Name    string
	Content []byte
}

// Parts: the files of a folder that appears and goes as a whole, as that of an index. They are added
// in any order, and then Whole.

// HasPart is Has for a part.
func (c *Copy) HasPart(folder, part string, again bool, check func(content []byte) error) bool {
	f := c.folder
	f.holds(folder)
	final := exists(f.path(folder))
	if final && !again {
		return true
	}
	name := filepath.Join(c.partFolder(folder), part)
	data, err := os.ReadFile(name)
	if err == nil && check(data) == nil {
		return true
	}
	return false
}

// AddPart is Add for a part. In a folder that is there already it takes the place of a wrong one at
// once.
func (c *Copy) AddPart(folder, part string, content []byte) error {
	dir := c.partFolder(folder)
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, aside+part), content, 0o644)
	}
	if err == nil {
		err = os.Rename(filepath.Join(dir, aside+part), filepath.Join(dir, part))
	}
	if err != nil {
		return fmt.Errorf("writing to the platform's folder: %w", err)
	}
	return nil
}

// ReadPart is Read for a part.
func (c *Copy) ReadPart(folder, part string) ([]byte, error) {
	return os.ReadFile(filepath.Join(c.partFolder(folder), part))
}

// Whole says that all parts of a folder are there: it appears with the next Appear.
func (c *Copy) Whole(folder string) {
	f := c.folder
	if exists(f.path(folder)) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, folder)
}

func (c *Copy) partFolder(folder string) string {
	if dir := c.folder.path(folder); exists(dir) {
		return dir
	}
	return c.folder.aside(folder)
}
