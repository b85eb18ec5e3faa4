// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"fmt"
	"os"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// prepare gives each file its place in the cache, and looks whether there is space. install is
// false where the plan only downloads.
func (p *Plan) prepare(s *ops.System, install bool) error {
	if len(p.Items) == 0 {
		return nil
	}
	var files []transport.File
	var installed int64
	for _, it := range p.Items {
		if !it.local {
			it.file.Path = CachePath(s, it.Source, it.pkg)
			files = append(files, it.file)
		}
		if install {
			installed += it.pkg.Installed
		}
	}
	return Room(s, files, installed, 0)
}

// recordGrowth is what the record and its log may grow by in a transaction, and as much again:
// nothing is begun that lives on the reserve alone.
const recordGrowth = 2 << 20

// Room makes the space that files in the cache need, each at its Path, packages of so many bytes in
// the root, and so many other bytes on the cache's disk; or it says what is lacking. What is there
// of the files already counts for them; what goes for something newer doesn't, since rpm removes it
// last.
func Room(s *ops.System, files []transport.File, installed, beside int64) error {
	more := int64(0)
	for _, f := range files {
		more += f.Size - min(present(f.Path), f.Size)
	}
	if err := os.MkdirAll(s.CacheFolder(), 0o700); err != nil {
		return fmt.Errorf("making the folder of the downloads: %w", err)
	}
	disks, err := findDisks([]need{{s.Cache, beside}, {s.CacheFolder(), more}, {s.RPM.Root, installed}, {s.State, recordGrowth}})
	if err != nil {
		return err
	}
	short := disks[0].need - disks[0].free
	if s.CacheLimit > 0 && more > 0 || short > 0 {
		if err := makeRoom(s, files, more, short); err != nil {
			return err
		}
	}
	for _, d := range disks {
		if err := d.measure(); err != nil { // again: room was made
			return err
		}
		if d.need > d.free {
			return wire.Errorf(wire.NoSpaceOnDevice, "%s has %s free and this needs %s: remove something first", d.folder, offers.Size(d.free), offers.Size(d.need))
		}
	}
	return nil
}

// A need is how many bytes will come into a folder.
type need struct {
	folder string
	bytes  int64
}

// A diskSpace is a disk, known by a folder on it.
type diskSpace struct {
	folder     string
	id         uint64
	free, need int64 // bytes
}

func (d *diskSpace) measure() error {
	var err error
	d.free, d.id, err = offers.Free(d.folder)
	return err
}

// OnDisk tells whether a folder is on a disk, which is known by its number.
func OnDisk(folder string, disk uint64) bool {
	d := &diskSpace{folder: folder}
	return d.measure() == nil && d.id == disk
}

// findDisks are the disks of folders, in their order, each once with all that is needed of it.
func findDisks(needs []need) ([]*diskSpace, error) {
	var all []*diskSpace
	for _, n := range needs {
		d := &diskSpace{folder: n.folder, need: n.bytes}
		if err := d.measure(); err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(all, func(o *diskSpace) bool { return o.id == d.id }); i >= 0 {
			all[i].need += d.need
			continue
		}
		all = append(all, d)
	}
	return all, nil
}

// present is how many bytes of a file are there, whole or partial.
func present(path string) int64 {
	for _, p := range []string{path, path + transport.PartSuffix} {
		if info, err := os.Stat(p); err == nil {
			return info.Size()
		}
	}
	return 0
}
