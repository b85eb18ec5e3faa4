// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// minSpace is what a disk has to have left for a build to begin.
const minSpace = 64 << 20

// Ready tells whether a build could publish, before hours of work: whether it may write to its
// folders, no other build does, and the disk isn't full. Its errors say what to do.
func Ready(o Options) error {
	b := newBuilder(o, func(string) error { return nil })
	unlock, err := b.home.lock()
	if err != nil {
		return err
	}
	defer unlock()
	for _, l := range o.Layouts {
		dir := l.dir(&o)
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			var f *os.File
			if f, err = os.CreateTemp(dir, aside+"*"); err == nil {
				f.Close()
				err = os.Remove(f.Name())
			}
		}
		if err != nil {
			return fmt.Errorf("trying whether %s can be written to: %w: set output to a folder that presolver may write to", dir, err)
		}
		var disk unix.Statfs_t
		if err := unix.Statfs(dir, &disk); err == nil && int64(disk.Bavail)*disk.Bsize < minSpace {
			return fmt.Errorf("the disk of %s has only %d MiB left: free some of it, or set output to a folder on another one", dir, int64(disk.Bavail)*disk.Bsize>>20)
		}
	}
	return nil
}
