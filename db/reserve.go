// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// The reserve is a file beside the record that takes room on its disk: where nothing is left, it is
// given up, and what frees space can go on. It is made where its disk has several times that.
const (
	reserveSize = 1 << 20
	reserveFrom = 4 * reserveSize
)

func (r *Record) reserve() string { return filepath.Join(filepath.Dir(r.path), "reserve") }

// room is what the record's disk has free: for root, and for everybody.
func (r *Record) room() (all, some int64) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(r.path), &fs); err != nil {
		return reserveSize, reserveSize // neither full nor empty
	}
	return int64(fs.Bfree) * int64(fs.Bsize), int64(fs.Bavail) * int64(fs.Bsize)
}

// keepReserve makes the reserve if it isn't there, or was cut off, and there is room. Nothing
// depends on it.
func (r *Record) keepReserve() {
	if info, err := os.Lstat(r.reserve()); err == nil && info.Size() >= reserveSize {
		return
	}
	if _, some := r.room(); some < reserveFrom {
		return
	}
	f, err := os.OpenFile(r.reserve(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return
	}
	_, err = io.CopyN(f, rand.Reader, reserveSize) // zeros are nothing to a file system that compresses
	if errors.Join(err, f.Close()) != nil {
		os.Remove(r.reserve())
	}
}

// ReleaseReserve gives up the reserve where its disk is full, and tells whether it did. It is
// called before what frees space.
func (r *Record) ReleaseReserve() bool {
	all, _ := r.room()
	return all < reserveSize && os.Remove(r.reserve()) == nil
}

// releasedReserve is ReleaseReserve after an error, which may come of another disk. What is kept
// for root needn't have been of use.
func (r *Record) releasedReserve(err error) bool {
	if !errors.Is(r.classified(err), syscall.ENOSPC) {
		return false
	}
	_, some := r.room()
	return some < reserveSize && os.Remove(r.reserve()) == nil
}
