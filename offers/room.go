// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"fmt"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// maxLoaded is how many bytes, unpacked, the catalogues of all sources may have in the record: two
// of the largest that may be. Sources that publish the same are counted once.
const maxLoaded = 2 * tree.MaxUnpacked

// fits tells whether so many bytes more may come into the record.
func (o *Offers) fits(source Source, more int64) error {
	counted := make(map[string]bool)
	for _, p := range o.view.platforms {
		for _, shard := range p.Catalogue {
			if o.view.loaded[shard.SHA256] && !counted[shard.SHA256] {
				counted[shard.SHA256] = true
				_, unpacked := shard.Most()
				more += unpacked
			}
		}
	}
	if more > maxLoaded {
		return fmt.Errorf("the catalogues of all sources would have %s with that of %s, more than the %s that are taken: switch a source off", Size(more), source.ID, Size(maxLoaded))
	}
	return nil
}

// recordShare is how much the record and its log grow by at the most for a catalogue of so many
// bytes: the texts themselves, their index of trigrams, and both once more in the log. Measured:
// see TestRecordShare.
func recordShare(unpacked int64) int64 { return 8*unpacked + 1<<20 }

// room tells whether the disk of the record has room for so many bytes more. It is asked before
// anything is downloaded.
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
