// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Change runs f, which changes the system, while no other process does. First it ends what a
// process that died in the middle left in the journal. f gives the lock to the rpm that it runs.
func Change(ctx context.Context, s *ops.System, w *wire.Writer, f func(lock *os.File) error) error {
	file, err := takeLock(ctx, s, w)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := recoverUnfinished(ctx, s, w, file); err != nil {
		return err
	}
	dropLocal(s)
	return f(file)
}

// Repair is Change for repair-system: first comes before what was cut off is ended, since that
// needs an RPM database that can be read.
func Repair(ctx context.Context, s *ops.System, w *wire.Writer, first, then func(lock *os.File) error) error {
	file, err := takeLock(ctx, s, w)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := first(file); err != nil {
		return err
	}
	if err := recoverUnfinished(ctx, s, w, file); err != nil {
		return err
	}
	return then(file)
}

// recoverUnfinished ends the transactions that a process began and did not live to end. The RPM
// database says what became of them; what they downloaded is in the cache and will be used.
func recoverUnfinished(ctx context.Context, s *ops.System, w *wire.Writer, lock *os.File) error {
	unfinished, err := s.Record.Unfinished()
	if err != nil || len(unfinished) == 0 {
		return err
	}
	if err := s.SyncInstalledNow(ctx); err != nil {
		return err
	}
	for _, t := range unfinished {
		s.Log.Warn("a transaction was cut off", "command", t.Command, "began", t.Began, "state", t.State)
		if t.State == db.Installing {
			if err := finishInstalling(ctx, s, w, lock, t); err != nil {
				return err
			}
		}
		if err := s.Record.Conclude(t, db.Failed); err != nil {
			return err
		}
	}
	return nil
}

// takeLock takes the lock file, or says who has it. The kernel gives it back when its holder and
// the rpm that the holder ran are gone. An rpm whose helper was killed is waited for: it will end.
// Where the disk is full the reserve is given up first: what is to come may free space, and rpm
// needs some for its database.
func takeLock(ctx context.Context, s *ops.System, w *wire.Writer) (*os.File, error) {
	if s.Record.ReleaseReserve() {
		s.Log.Warn("the disk is full: the reserve is given up", "folder", s.State)
	}
	path := filepath.Join(s.State, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		text := make([]byte, 20)
		n, _ := f.ReadAt(text, 0)
		holder, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
		switch {
		case err != nil || holder <= 0: // it has just taken the lock, and is about to write who it is
			f.Close()
			return nil, wire.Errorf(wire.CannotGetLock, "another process is changing the system: try again when it is done")
		case !errors.Is(syscall.Kill(holder, 0), syscall.ESRCH):
			f.Close()
			return nil, wire.Errorf(wire.CannotGetLock, "%s is changing the system: try again when it is done", rpm.Process("/proc", holder))
		}
		w.Status(wire.StatusWaitingForLock)
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	if err = f.Truncate(0); err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("writing the lock: %w", err)
	}
	return f, nil
}
