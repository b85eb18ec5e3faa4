// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
)

// A Record is an open record. It is used by one goroutine at a time, and no method may be called
// from the yield function of another: there is one connection.
type Record struct {
	path    string
	file    os.FileInfo // that is open; nil: none is
	suspect bool        // damage was seen
	db      *sql.DB
	stmt    map[string]*sql.Stmt // by their text

	// unreadable are the keys of what is as it was kept and still can't be read (see Kept): Rebuild
	// leaves it out.
	unreadable map[string]bool
	// cancelled counts the writes that were cancelled. After one there is another connection, which
	// counts versions anew.
	cancelled int64

	versions *versions // of the installed packages; nil: they have to be read
}

// Open opens the record in a file, and makes the file and its folder where they are not there. Both
// are for their owner alone: a record of an older version, which others could read and lock, is
// made so. The error is ErrLocked where another process is opening or rebuilding it for too long,
// and ErrDamaged where Rebuild helps.
func Open(ctx context.Context, path string) (*Record, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the record: %w", err)
	}
	r := &Record{path: path}
	if err := oneAtATime(ctx, filepath.Dir(path), func() error { return r.open(ctx) }); err != nil {
		return nil, r.failed("opening", err)
	}
	return r, nil
}

// connect connects to a file. The page cache is small: the machines are, and the record is in the
// kernel's cache anyway.
func connect(path, options string) (*sql.DB, error) {
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=cache_size(-256)"+options)
	if err == nil {
		pool.SetMaxOpenConns(1)
	}
	return pool, err
}

// open opens the file while no other process does.
func (r *Record) open(ctx context.Context) error {
	err := r.openAny(ctx)
	if r.releasedReserve(err) {
		err = r.openAny(ctx)
	}
	if err == nil {
		r.keepReserve()
	}
	return err
}

// openAny is openOnce for a record of any version up to this.
func (r *Record) openAny(ctx context.Context) error {
	err := r.openOnce(ctx)
	if !errors.Is(err, errOlder) {
		return err
	}
	if err := carryOver(ctx, r.path); err != nil {
		return err
	}
	return r.openOnce(ctx)
}

func (r *Record) openOnce(ctx context.Context) error {
	r.file, r.versions = nil, nil
	if err := finish(r.path); err != nil {
		return err
	}
	if err := restrict(r.path); err != nil {
		return err
	}
	// SQLite takes an empty file for a new one.
	info, err := os.Stat(r.path)
	if err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return fmt.Errorf("%w: its file is empty", ErrDamaged)
	}
	if errors.Is(err, os.ErrNotExist) {
		err = create(r.path)
	}
	if err != nil {
		return err
	}
	pool, err := connect(r.path, "&_pragma="+busyTimeout+"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(256)&_txlock=immediate")
	if err != nil {
		return err
	}
	r.db, r.stmt, r.suspect = pool, make(map[string]*sql.Stmt), false
	// A process that ends holds its locks until its log is in the file.
	if err = patiently(ctx, func() error { return lockedOr(r.prepareSchema(ctx)) }); err == nil {
		info, err = os.Stat(r.path)
	}
	if err != nil {
		pool.Close()
		return err
	}
	r.file = info
	return nil
}

// create makes an empty file that only its owner may read. SQLite's other files get its
// permissions.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// restrict takes the files of a record from all but their owner: who can read one can also lock it.
func restrict(path string) error {
	for _, name := range []string{"", aside, patched, building, rebuilt} {
		for _, part := range parts {
			info, err := os.Lstat(path + name + part)
			if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
				continue // what is wrong with it shows when it is opened
			}
			if err := os.Chmod(path+name+part, 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// Folder is where the record is. What else is kept beside it is the caller's.
func (r *Record) Folder() string { return filepath.Dir(r.path) }

// Close closes the record.
func (r *Record) Close() error {
	if err := r.db.Close(); err != nil {
		return fmt.Errorf("closing the record: %w", err)
	}
	return nil
}

// Version changes when another process has changed the record since the last call, and after a
// write that was cancelled.
func (r *Record) Version() (int64, error) {
	var v int64
	err := r.row("PRAGMA data_version").Scan(&v)
	return v + r.cancelled<<32, r.failed("asking", err)
}

// write runs f in a transaction, which is committed if f succeeds; once more where the disk was
// full and there was a reserve. Where ctx ends nothing is written, and the error is ctx's: f gives
// ctx to statements that may take long, and looks at ctx between others.
func (r *Record) write(ctx context.Context, f func(tx *sql.Tx) error) error {
	err := r.writeOnce(ctx, f)
	if r.releasedReserve(err) {
		err = r.writeOnce(ctx, f)
	}
	return err
}

func (r *Record) writeOnce(ctx context.Context, f func(tx *sql.Tx) error) error {
	var tx *sql.Tx
	// Not bound to ctx: a transaction that is rolls itself back at any time, with f in the middle
	// of it.
	err := patiently(ctx, func() (err error) {
		tx, err = r.db.BeginTx(context.Background(), nil)
		return lockedOr(err)
	})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	err = f(tx)
	if ctx.Err() != nil {
		r.cancelled++
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

// writeJournal is write for the journal and what it leads to, which nobody else knows: it waits
// while another process rebuilds the record, and doesn't write to a file that was set aside.
func (r *Record) writeJournal(ctx context.Context, f func(tx *sql.Tx) error) error {
	return oneAtATime(ctx, filepath.Dir(r.path), func() error {
		if err := finish(r.path); err != nil {
			return err
		}
		if r.Replaced() {
			return fmt.Errorf("%w: another process has rebuilt it", ErrDamaged)
		}
		return r.write(ctx, f)
	})
}

// failed says what the record was doing when it failed; nil stays nil.
func (r *Record) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s the record %s: %w", doing, r.path, r.classified(err))
}
