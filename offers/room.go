// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"fmt"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// maxLoaded is how many bytes the lines of all sources' search files, sticks' too, may have: two of
// the largest that may be. Sources that publish the same are counted once.
const maxLoaded = 2 * tree.MaxUnpacked

// fits tells whether a source's search file with so many bytes may be here.
func (o *Offers) fits(source Source, bytes int64) error {
	counted := make(map[string]bool)
	for id, f := range o.view.files {
		if id != source.ID && !counted[f.Content()] {
			counted[f.Content()] = true
			bytes += f.Size()
		}
	}
	if bytes > maxLoaded {
		return fmt.Errorf("the catalogues of all sources would have %s with that of %s, more than the %s that are taken: switch a source off", Size(bytes), source.ID, Size(maxLoaded))
	}
	return nil
}

// logRoom is how much the log of the record may have of what changes beside what is added.
const logRoom = 1 << 20

// searchRoom is how much of the disk a search file takes at the most: its lines, and their index. The
// earlier one stays until it is whole.
func searchRoom(s tree.Search) int64 { return s.Unpacked + s.Unpacked/2 + 64*int64(s.Lines) + 64<<10 }

// fileRoom is how much they grow by for a file that is kept, or the texts in it: as it is, in lower
// case, and both once more in the log.
func fileRoom(size int64) int64 { return 6*size + 1<<20 }

// room tells whether the disk of the record has room for so many bytes more. It is asked before
// anything is downloaded. It may be called from many goroutines.
func (o *Offers) room(source Source, bytes int64) error {
	if o.State == "" {
		return nil
	}
	free, _, err := Free(o.State)
	if err != nil || free >= bytes {
		return err
	}
	return fmt.Errorf("%s has %s free and what %s offers may need %s: %w", o.State, Size(free), source.ID, Size(bytes), syscall.ENOSPC)
}

// Free is how many bytes may still be written to the disk of a folder, and a number that tells
// disks apart.
func Free(folder string) (bytes int64, disk uint64, err error) {
	var fs syscall.Statfs_t
	var st syscall.Stat_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		return 0, 0, fmt.Errorf("asking how much space %s has: %w", folder, err)
	}
	if err := syscall.Stat(folder, &st); err != nil {
		return 0, 0, fmt.Errorf("asking which disk has %s: %w", folder, err)
	}
	return int64(fs.Bavail) * int64(fs.Bsize), uint64(st.Dev), nil
}

// Size is a number of bytes as people read it.
func Size(bytes int64) string {
	if bytes < 10<<20 {
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
