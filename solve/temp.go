// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
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
	dir, err = os.MkdirTemp("", "presolver-")
	if err != nil {
		return "", nil, err
	}
	lock, err := os.Open(dir)
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		lock.Close()
		os.RemoveAll(dir)
		return "", nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return dir, func() {
		os.RemoveAll(dir)
		lock.Close()
	}, nil
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
