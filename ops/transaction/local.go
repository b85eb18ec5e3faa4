// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// localPrefix is what the names of copies of people's own RPMs begin with in the cache.
const localPrefix = "local-"

// A localCopy is a copy of a person's own RPM in the cache, where only root can change it: what is
// verified is what is installed. The copy is locked while a process uses it.
type localCopy struct {
	path string
	lock *os.File // the copy itself, open
}

// AddLocal copies a person's own RPM and adds the copy to the plan, which removes it at its end
// (Drop). path is that of the copy. there tells that the package, or a newer one, is installed
// already and stays.
func (p *Plan) AddLocal(ctx context.Context, s *ops.System, file *ops.LocalFile) (path string, there bool, err error) {
	c, h, err := copyLocal(ctx, s, file)
	if err != nil {
		return "", false, err
	}
	p.copies = append(p.copies, c)
	there, err = p.addFile(s, h, file.Size, c.path)
	return c.path, there, err
}

// copyLocal copies a person's own RPM into the cache; h is the header of the copy.
func copyLocal(ctx context.Context, s *ops.System, file *ops.LocalFile) (c *localCopy, h *rpm.Header, err error) {
	is := ops.NEVRA(file.Header)
	c = &localCopy{path: filepath.Join(s.CacheFolder(), localPrefix+rand.Text()[:16]+"-"+FileName(is))}
	if err := Room(s, nil, 0, file.Size); err != nil {
		return nil, nil, err
	}
	part := c.path + transport.PartSuffix
	c.lock, err = createLocked(part)
	if err != nil {
		return nil, nil, fmt.Errorf("copying %q: %w", file.Path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(part)
			c.drop()
		}
	}()
	if err := file.CopyTo(ctx, c.lock); err != nil {
		return nil, nil, err
	}
	err = c.lock.Sync()
	if err == nil {
		err = os.Rename(part, c.path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("copying %q: %w", file.Path, err)
	}
	// It may have been written to since its header was read.
	h, err = rpm.ReadFile(c.path)
	if err != nil || ops.NEVRA(h) != is {
		return nil, nil, wire.Errorf(wire.InvalidPackageFile, "%q was changed while it was read", file.Path)
	}
	return c, h, nil
}

// createLocked creates a file, and locks it before anybody who removes unused copies can.
func createLocked(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		var st syscall.Stat_t
		if err == nil {
			err = syscall.Fstat(int(f.Fd()), &st)
		}
		if err == nil && st.Nlink > 0 {
			return f, nil
		}
		f.Close()
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
			os.Remove(path)
			return nil, err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

func (c *localCopy) drop() {
	os.Remove(c.path)
	c.lock.Close()
}

// Drop removes the copies of people's own files: at the end, whatever it was.
func (p *Plan) Drop() {
	for _, c := range p.copies {
		c.drop()
	}
	p.copies = nil
}

// keep leaves the copies where they are, for the one who ends what was cut off (recoverUnfinished).
func (p *Plan) keep() {
	for _, c := range p.copies {
		c.lock.Close()
	}
	p.copies = nil
}

// inUse tells whether a file of the cache is a copy of a person's own RPM that a process is using.
func inUse(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// dropLocal removes the copies that a process that was killed has left. What was cut off must have
// been ended.
func dropLocal(s *ops.System) {
	left, _ := filepath.Glob(filepath.Join(s.CacheFolder(), localPrefix+"*"))
	for _, path := range left {
		if !inUse(path) {
			os.Remove(path)
		}
	}
}
