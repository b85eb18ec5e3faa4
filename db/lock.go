// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// ErrLocked is among the errors of a record that another process keeps locked for longer than it
// takes to write or to rebuild one.
var ErrLocked = errors.New("another process has it locked: a second pk-presolve that changes or rebuilds it, or a program that has the file open; try again when that is done, or end it")

// busyTimeout is how long SQLite waits for a lock by itself, ms: reading does no longer, since a
// record that is open is never locked against readers while all goes well.
const busyTimeout = "busy_timeout(500)"

// lockWait is how long a lock is waited for, where ctx doesn't end before. A rebuild by another
// process takes seconds.
var lockWait = 30 * time.Second

// patiently tries until the error isn't ErrLocked, for lockWait or until ctx ends.
func patiently(ctx context.Context, try func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	enough := time.After(lockWait)
	for {
		err := try()
		if !errors.Is(err, ErrLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-enough:
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// oneAtATime runs f, which connects for the first time, while no other process does: PackageKit may
// start two helpers at once, and where SQLite makes a new database one with a write-ahead log it
// doesn't wait for a lock, whatever busy_timeout says.
func oneAtATime(ctx context.Context, folder string, f func() error) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	err = patiently(ctx, func() error {
		err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("%s: %w", folder, ErrLocked)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("locking %w", err)
	}
	return f()
}
