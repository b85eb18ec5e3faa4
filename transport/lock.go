// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// lock takes a partial file, which it makes where there is none, so that nobody else writes to it:
// neither another Fetch of this process nor another process. It waits while one does; waiting is
// told so. What closes the file lets go.
func (c *Client) lock(ctx context.Context, path string, waiting func()) (*os.File, error) {
	for {
		if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
			return nil, notRegular(path)
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			f.Close()
			waiting()
			if err := c.sleep(ctx, 200*time.Millisecond); err != nil {
				return nil, err
			}
			continue
		case err != nil: // a file system without locks: better without than not at all
			c.Log.Debug("a partial file can't be locked", "path", path, "error", err)
			return f, nil
		}
		// Who had it may have made it the whole file meanwhile.
		mine, err := f.Stat()
		if err == nil {
			var there fs.FileInfo
			if there, err = os.Lstat(path); err == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// Busy tells whether a Fetch, of any process, is bringing the file that ends up at a path.
func Busy(path string) bool {
	f, err := os.OpenFile(path+PartSuffix, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// unlock lets go of a partial file. One with nothing in it goes.
func unlock(f *os.File) {
	if fi, err := f.Stat(); err == nil && fi.Size() == 0 {
		os.Remove(f.Name())
	}
	f.Close()
}
