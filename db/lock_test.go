// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Others can't read a record, nor lock it, even one that an older version has made.
func TestPermissions(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "state")
	path := filepath.Join(folder, "record.db")
	check := func(when string) {
		t.Helper()
		must(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			must(t, err)
			info, err := d.Info()
			must(t, err)
			want := fs.FileMode(0o600)
			if d.IsDir() {
				want = 0o700
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("%s: %s has the mode %o, want %o", when, d.Name(), got, want)
			}
			return nil
		}))
	}
	r := open(t, path)
	update(t, r, "s1", "a")
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Fatal(err)
	}
	check("a new record")
	r.suspect = true
	_, err := r.Rebuild(ctx)
	must(t, err)
	update(t, r, "s1", "a")
	check("a rebuilt one")
	must(t, r.Close())
	left, err := filepath.Glob(path + "*")
	must(t, err)
	for _, name := range left {
		must(t, os.Chmod(name, 0o644))
	}
	r = open(t, path)
	update(t, r, "s2", "a", "b")
	check("an old one")
}

// hold takes the lock that oneAtATime takes, as another process.
func hold(t *testing.T, folder string) (release func()) {
	t.Helper()
	f, err := os.Open(folder)
	must(t, err)
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	t.Cleanup(func() { f.Close() })
	return func() { f.Close() }
}

// writing keeps the record's write lock, as another process.
func writing(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := connect(path, "&_txlock=immediate")
	must(t, err)
	tx, err := db.Begin()
	must(t, err)
	t.Cleanup(func() { tx.Rollback(); db.Close() })
	return func() { tx.Rollback() }
}

// Who has a lock can't make a command wait for ever, nor keep it from being cancelled.
func TestLocked(t *testing.T) {
	before := lockWait
	t.Cleanup(func() { lockWait = before })
	path := filepath.Join(t.TempDir(), "record.db")
	r := open(t, path)
	waits := []struct {
		name string
		lock func() (release func())
		do   func(ctx context.Context) error
	}{
		{"opening", func() func() { return hold(t, filepath.Dir(path)) }, func(ctx context.Context) error {
			r, err := Open(ctx, path)
			if err == nil {
				r.Close()
			}
			return err
		}},
		{"rebuilding", func() func() { return hold(t, filepath.Dir(path)) }, func(ctx context.Context) error {
			_, err := r.Rebuild(ctx)
			return err
		}},
		{"writing to the journal", func() func() { return hold(t, filepath.Dir(path)) }, func(ctx context.Context) error {
			return r.Begin(ctx, &Transaction{Command: "x"})
		}},
		{"writing", func() func() { return writing(t, path) }, func(ctx context.Context) error {
			return r.SetListing(ctx, "x", nil, nil)
		}},
		{"writing to the journal while another writes", func() func() { return writing(t, path) }, func(ctx context.Context) error {
			return r.Begin(ctx, &Transaction{Command: "x"})
		}},
	}
	for _, tt := range waits {
		t.Run(tt.name, func(t *testing.T) {
			release := tt.lock()
			lockWait = time.Hour
			cancelled, cancel := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() { done <- tt.do(cancelled) }()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			lockWait = time.Millisecond
			if err := tt.do(ctx); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
				t.Errorf("locked: %v", err)
			}
			lockWait = time.Hour
			go func() { done <- tt.do(ctx) }()
			release()
			must(t, <-done)
		})
	}
}

// A process that keeps readers out is told of, too.
func TestReadingWhileLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	r := open(t, path)
	update(t, r, "s1", "a")
	must(t, r.Close())
	r = open(t, path)
	_, err := r.db.Exec("PRAGMA locking_mode = EXCLUSIVE")
	must(t, err)
	update(t, r, "s2", "a", "b") // from here on
	before := lockWait
	t.Cleanup(func() { lockWait = before })
	lockWait = time.Millisecond
	if _, err := Open(ctx, path); !errors.Is(err, ErrLocked) {
		t.Errorf("opened: %v", err)
	}
	other, err := connect(path, "")
	must(t, err)
	defer other.Close()
	reading := &Record{path: path, db: other, stmt: make(map[string]*sql.Stmt)}
	if _, err := reading.RPMState(); !errors.Is(err, ErrLocked) {
		t.Errorf("read: %v", err)
	}
}

// rowsOf counts the rows of all tables that the methods of TestCancelled write.
func rowsOf(t *testing.T, r *Record) string {
	t.Helper()
	var s string
	for _, table := range []string{"shard", "installed", "own", "needed", "published", "member", "remote", "journal", "installed_text_data"} {
		var n int
		must(t, r.db.QueryRow("SELECT count(*) FROM "+table).Scan(&n))
		s += fmt.Sprint(table, " ", n, ", ")
	}
	return s
}

// What is cancelled ends and leaves the record as it was, though it is one long statement.
func TestCancelled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	r := open(t, path)
	x, files := references(t, nil)
	must(t, r.KeepShard(ctx, "school", "references", x, 0, files[0]))
	update(t, r, "s1", "a", "b", "c")
	long := "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO needed SELECT i, i FROM n"
	for name, do := range map[string]func(ctx context.Context, cancel func()) error{
		"a long statement": func(ctx context.Context, cancel func()) error {
			time.AfterFunc(20*time.Millisecond, cancel) // in the middle of it: it never ends by itself
			return r.write(ctx, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, long)
				return err
			})
		},
		"UpdateInstalled": func(ctx context.Context, cancel func()) error {
			return r.UpdateInstalled(ctx, "s2", func(u *InstalledUpdate) error {
				for n := 0; ; n++ {
					if n == 10 {
						cancel()
					}
					if err := u.Add(fmt.Sprint(n), pkg(fmt.Sprint("new-", n), "1-1")); err != nil {
						return err
					}
				}
			})
		},
		"SetListing": func(ctx context.Context, cancel func()) error {
			cancel()
			return r.SetListing(ctx, "school", map[string]Remote{"http://x/": {}}, nil)
		},
		"KeepSources": func(ctx context.Context, cancel func()) error { cancel(); return r.KeepSources(ctx, nil, nil) },
		"KeepShard": func(ctx context.Context, cancel func()) error {
			cancel()
			return r.KeepShard(ctx, "school", "references", x, 1, files[1])
		},
		"Forget": func(ctx context.Context, cancel func()) error { cancel(); _, err := r.Forget(ctx, nil); return err },
		"KeepPublished": func(ctx context.Context, cancel func()) error {
			cancel()
			return r.KeepPublished(ctx, digest(nil), nil, nil)
		},
		"Check": func(ctx context.Context, cancel func()) error { cancel(); _, err := r.Check(ctx); return err },
		"Rebuild": func(ctx context.Context, cancel func()) error {
			r.suspect = true
			cancel()
			_, err := r.Rebuild(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, version := rowsOf(t, r), must1(r.Version())(t)
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			if err := do(ctx, cancel); !errors.Is(err, context.Canceled) || errors.Is(err, ErrDamaged) {
				t.Errorf("cancelled: %v", err)
			}
			if after := rowsOf(t, r); after != before {
				t.Errorf("there is %s, and before %s", after, before)
			}
			if name == "a long statement" && must1(r.Version())(t) == version {
				t.Error("the connection is another one, and nobody is told to read anew")
			}
			update(t, r, "s1", "a", "b", "c") // it can be written to
		})
	}
}

func must1[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// salvage ends in each of its steps; the damaged file stays, and the next Rebuild carries all over.
func TestCancelledRebuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.db")
	realRecord(t, path, programs)
	good, err := os.ReadFile(path)
	must(t, err)
	r := open(t, path)
	r.suspect = true
	for looks := 1; ; looks *= 2 {
		c := newEndsAfter(looks)
		s, err := r.Rebuild(c)
		if err == nil {
			if looks < 32 || s == nil || s.Own != programs*11 {
				t.Errorf("after %d looks: %v", looks, s)
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("after %d looks: %v", looks, err)
		}
		now, err := os.ReadFile(path)
		must(t, err)
		if string(now) != string(good) {
			t.Fatalf("after %d looks the file has changed", looks)
		}
		if _, err := os.Stat(path + rebuilt); err == nil {
			t.Fatal("half a record is there")
		}
		if !r.Replaced() {
			continue
		}
		_, err = r.Rebuild(ctx) // opens it
		must(t, err)
		r.suspect = true
	}
}

// endsAfter is a context that is cancelled once somebody has looked at it so many times.
type endsAfter struct {
	context.Context
	looks atomic.Int64
	done  chan struct{}
}

func newEndsAfter(looks int) *endsAfter {
	c := &endsAfter{Context: ctx, done: make(chan struct{})}
	c.looks.Store(int64(looks))
	return c
}

func (c *endsAfter) Done() <-chan struct{} { return c.done }

func (c *endsAfter) Err() error {
	left := c.looks.Add(-1)
	if left == 0 {
		close(c.done)
	}
	if left <= 0 {
		return context.Canceled
	}
	return nil
}
