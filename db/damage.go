// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"errors"
	"fmt"
	"hash/crc64"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrDamaged is among the errors that come of a record whose file is not what was written to it, or
// has been set aside by another process that found this. See Record.Rebuild.
var ErrDamaged = errors.New("the record is damaged")

var sumTable = crc64.MakeTable(crc64.ECMA)

// sum goes on with a checksum over the values of a row, which are texts, blobs and integers.
func sum(so uint64, row []any) uint64 {
	var text []byte
	for _, v := range row {
		switch v := v.(type) {
		case []byte:
			so = crc64.Update(so, sumTable, v)
		default:
			text = fmt.Append(text[:0], v)
			so = crc64.Update(so, sumTable, text)
		}
		so = crc64.Update(so, sumTable, []byte{0})
	}
	return so
}

// A callerError is an error of a function that the caller gave. It says nothing of the record: that
// function may read other databases, which may be damaged.
type callerError struct{ error }

func (o callerError) Unwrap() error { return o.error }

// damaged tells whether an error comes of damage.
func damaged(err error) bool {
	if errors.Is(err, ErrDamaged) {
		return true
	}
	var o callerError
	if errors.As(err, &o) {
		return false
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return strings.Contains(err.Error(), "sql: Scan error") // no column is NULL or of another type
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	case sqlite3.SQLITE_IOERR:
		return e.Code() == sqlite3.SQLITE_IOERR_SHORT_READ || e.Code() == sqlite3.SQLITE_IOERR_CORRUPTFS
	case sqlite3.SQLITE_ERROR:
		// The schema isn't what its version says, or a kept file what was checked.
		for _, says := range []string{"no such table", "no such column", "vtable constructor failed", "invalid fts5 file format", "already exists", "duplicate column name", "malformed JSON"} {
			if strings.Contains(e.Error(), says) {
				return true
			}
		}
	}
	return false
}

// Damaged makes an error one of damage: what was checked before it was kept is not that any more.
func (r *Record) Damaged(err error) error {
	r.suspect = true
	if errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// classified is Damaged for SQLite's errors that come of damage. A full disk and a lack of
// permission are syscall.ENOSPC and fs.ErrPermission, as where no database is between; a lock of
// another process's is ErrLocked. Others, and nil, stay as they are.
func (r *Record) classified(err error) error {
	if err == nil {
		return nil
	}
	if damaged(err) {
		return r.Damaged(err)
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	if err := lockedOr(err); errors.Is(err, ErrLocked) {
		return err
	}
	_, room := r.room()
	switch code := e.Code(); {
	case code&0xff == sqlite3.SQLITE_FULL, code == sqlite3.SQLITE_IOERR_SHMSIZE,
		code == sqlite3.SQLITE_IOERR_IN_PAGE && room < reserveSize: // what was mapped has no place on the disk
		return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
	case code&0xff == sqlite3.SQLITE_READONLY, code&0xff == sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("%w: %w", fs.ErrPermission, err)
	}
	return err
}

// locked tells whether SQLite gave up waiting for a lock. It is PROTOCOL where somebody who doesn't
// write keeps the log's own locks.
func locked(code int) bool {
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return false
}

// lockedOr makes an error of SQLite's that comes of a lock ErrLocked.
func lockedOr(err error) error {
	var e *sqlite.Error
	if !errors.Is(err, ErrLocked) && errors.As(err, &e) && locked(e.Code()) {
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	return err
}

// Replaced tells whether the file is another one than was opened: a process has rebuilt the record,
// or a person has removed it.
func (r *Record) Replaced() bool {
	now, err := os.Stat(r.path)
	return r.file == nil || errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(r.file, now)
}
