// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Rebuild is Open for a record that is damaged: see Record.Rebuild.
func Rebuild(ctx context.Context, path string) (*Record, *Salvage, error) {
	r := &Record{path: path}
	s, err := r.Rebuild(ctx)
	return r, s, err
}

// Rebuild makes the record anew from what can be read of it and can be told to be right: what this
// backend installed and why, the journal, and of what the sources have that which has its digest.
// All else is to be had again. The installed packages are read from the RPM database by the next
// UpdateInstalled, which also infers what was lost of which of them this backend installed. The
// damaged file is kept as FILE.damaged until the next time.
//
// Where ctx ends the damaged file stays as it is.
//
// Where no damage was seen, or another process has been faster, the Salvage is nil; then the record
// is opened anew if it was replaced. After a power cut in the middle the next Open finds the
// damaged file, or finishes. If Rebuild fails the record can't be used before it has succeeded.
func (r *Record) Rebuild(ctx context.Context) (s *Salvage, err error) {
	err = oneAtATime(ctx, filepath.Dir(r.path), func() error {
		replaced := r.Replaced()
		if !replaced && !r.suspect {
			return nil
		}
		if r.db != nil {
			r.db.Close()
		}
		if replaced {
			if err := r.open(ctx); err == nil || !damaged(err) {
				return err
			}
		}
		r.file = nil
		if err := restrict(r.path); err != nil {
			return err
		}
		if err := setAside(r.path); err != nil {
			return err
		}
		s, err = salvage(ctx, r.path, r.path+aside, r.unreadable)
		if r.releasedReserve(err) {
			s, err = salvage(ctx, r.path, r.path+aside, r.unreadable)
		}
		if err != nil {
			return err
		}
		if err := replace(r.path); err != nil {
			s = nil
			return err
		}
		clear(r.unreadable)
		return r.open(ctx)
	})
	return s, r.failed("rebuilding", err)
}

// What belongs to a record's file, and what it is called while it is made anew.
var parts = []string{"", "-wal", "-shm", "-journal"}

const (
	aside    = ".damaged"  // links to the damaged file and its parts
	patched  = ".patched"  // a copy that SQLite can read
	building = ".building" // the new one, not whole yet, or not synced
	rebuilt  = ".rebuilt"  // the new one, whole: it has to take its place
)

// carryOver makes a record of this version of an older one, whose file goes: of what it has, what
// this backend installed and why, and the journal. What the sources have is in other formats now, and
// to be had again. Where not all of that can be read the error is ErrDamaged, and nothing has changed:
// Rebuild carries over the rest, and tells.
func carryOver(ctx context.Context, path string) error {
	s, err := salvage(ctx, path, path, nil)
	if err != nil {
		return err
	}
	if s.Lost != nil {
		return errors.Join(remove(path+building), fmt.Errorf("%w: it is of an older version, and not all can be read of: %s", ErrDamaged, strings.Join(s.Lost, ", ")))
	}
	return replace(path)
}

// setAside gives the damaged file a second name that it keeps.
func setAside(path string) error {
	if err := remove(path + aside); err != nil {
		return err
	}
	for _, part := range parts {
		err := os.Link(path+part, path+aside+part)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a file system without links
			err = copyFile(path+aside+part, path+part)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// remove removes a file and what belongs to it.
func remove(path string) error {
	for _, part := range parts {
		if err := os.Remove(path + part); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// replace gives what salvage has made the place of the record that it was made from.
func replace(path string) error {
	f, err := os.Open(path + building)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(path+building, path+rebuilt); err != nil {
		return err
	}
	return finish(path)
}

// finish gives a new record that is whole the place of the old one. What has not been written to the
// old one yet must not be written to the new one: its log goes first.
func finish(path string) error {
	if _, err := os.Lstat(path + rebuilt); err != nil {
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return err
	}
	for _, part := range parts[1:] {
		if err := os.Remove(path + part); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := dir.Sync(); err != nil {
		return err
	}
	if err := os.Rename(path+rebuilt, path); err != nil {
		return err
	}
	return dir.Sync()
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, in)
	return err
}
