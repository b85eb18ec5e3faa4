// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"fmt"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// maxLoaded is how many bytes, unpacked, the catalogues of all sources, sticks too, may have in the
// record: two of the largest that may be. Sources that publish the same are counted once.
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

// logRoom is how much the log of the record may have of what loading a shard changes beside adding
// it: SQLite merges parts of the index of texts.
const logRoom = 8 << 20

// catalogueRoom is how much the record and its log grow by for shards of so many bytes in all,
// unpacked, the largest of which has so many, where they are what packages are. Debian's catalogue
// takes 2.4 times its size. A shard of nothing but noise takes more, see shardRoom: what that comes
// to in all is only known when the shards come.
func catalogueRoom(all, largest int64) int64 { return max(3*all+logRoom, shardRoom(largest)) }

// shardRoom is how much the record and its log grow by for one shard at the most. The worst that
// TestRecordShare finds is noise in ASCII: the index of its trigrams takes nine times as much, and
// both are written to the log first, with a part of the index that is there, 15 times as much.
func shardRoom(unpacked int64) int64 { return 24*unpacked + logRoom }

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
