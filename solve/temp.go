// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// makeTemp makes a folder for files that no other user may see, and removes those that presolvers
// left that were killed.
func makeTemp() (dir string, remove func(), err error) {
	removeOldTemps()
	for {
		dir, err = os.MkdirTemp("", "presolver-")
		if err != nil {
			return "", nil, err
		}
		lock, err := os.Open(dir)
		if err != nil {
			os.Remove(dir)
			return "", nil, err
		}
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return dir, func() {
				os.RemoveAll(dir)
				lock.Close()
			}, nil
		}
		lock.Close()
		os.Remove(dir)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return "", nil, fmt.Errorf("locking %s: %w", dir, err)
		}
		// Another presolver is just looking whether this one was left. It can have the name.
	}
}

// removeOldTemps removes this user's folders that nobody has locked. One that is just being made,
// between MkdirTemp and Flock, is empty: it stays.
func removeOldTemps() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), "presolver-*"))
	for _, dir := range dirs {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) {
			continue
		}
		lock, err := os.Open(dir)
		if err != nil {
			continue
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
				os.RemoveAll(dir)
			}
		}
		lock.Close()
	}
}
