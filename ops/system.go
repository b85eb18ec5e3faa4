package ops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A Source is a place that trees and RPMs come from.
type Source struct {
	ID       string
	Name     string // for people
	URL      string // without a "/" at the end
	Layout   Layout
	Disabled bool   // nothing of it is offered
	Stick    string // which of all sticks it is; "": it is in the configuration
}

// A Layout is how a source lays its files out.
type Layout string

// The layouts.
const (
	// Presolve is this project's own: see package tree. The source's URL has a folder for each platform.
	Presolve Layout = "presolve"
	// SugarNetwork is that of a Sugar Network node. The source's URL is the folder of the platform itself,
	// http://NODE/packages/PROJECT/PLATFORM.
	SugarNetwork Layout = "sugar-network"
)

// Config is what a System is made from. The caller closes Record and Net after the System.
type Config struct {
	Platform string
	Sources  []Source // in order of preference; a System's are the enabled ones
	// Configuration is where they were read from; nil: they never change.
	Configuration *Configuration
	Mounts        Mounts
	Record        *db.Record
	Net           *transport.Client
	RPM           rpm.Database
	Cache         string // folder of RPMs, whole and partial
	CacheLimit    int64  // bytes that RPMs in it may have; 0: as many as there is space for. Those of sources that don't tell sizes aren't counted before they come
	State         string // folder of the lock
	Keyring       string // folder of the keys that a person trusts
	SignedRPMs    bool   // nothing is installed that RPM's keyring doesn't know who signed
	// CacheAge is how old what sources offer may be before it is asked for again; negative: any age will do.
	// PackageKit gives it in CACHE_AGE.
	CacheAge time.Duration
	Log      hclog.Logger
}

// A System is the laptop. It is used by one goroutine at a time.
type System struct {
	Config
	stale     atomic.Bool // the RPM database may have changed since it was read
	watching  bool
	stopWatch func()
	view      view

	written    []Source // all sources of the configuration, the disabled ones too
	configured []Source // and the sticks that are believed
	following  *follower
	sticks     *sticks           // nil: nobody has looked yet, or nobody may
	asked      map[string]string // which stick, by source id, was asked what it offers
	failed     map[errand]failure
	languages  []string // that summaries and descriptions are wanted in, the best first
}

// NewSystem starts watching the RPM database. The caller closes the System.
func NewSystem(c Config) (*System, error) {
	s := &System{Config: c, asked: make(map[string]string), failed: make(map[errand]failure)}
	s.stale.Store(true)
	if c.Mounts.Sources { // or the record would forget what the sticks that are there offer
		s.watchMounts()
	}
	if err := s.Whole(func() error { return s.use(c.Sources) }); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// CacheFolder is where the cache has its RPMs, whole and partial.
func (s *System) CacheFolder() string { return filepath.Join(s.Cache, "rpms") }

// Close stops watching.
func (s *System) Close() {
	if s.stopWatch != nil {
		s.stopWatch()
	}
	if s.following != nil {
		s.following.stop()
	}
	if s.sticks != nil {
		s.sticks.stop()
	}
}

// SyncInstalled brings the record's installed packages up to date with the RPM database. Where nothing changed it
// costs nothing: the database is watched.
func (s *System) SyncInstalled() error {
	if !s.watching {
		// Watched before it is read, so that no change is missed. A database that is not there yet can't be
		// watched; its state is looked at each time.
		stop, err := s.RPM.Watch(func() { s.stale.Store(true) })
		if err == nil {
			s.watching, s.stopWatch = true, stop
		} else {
			s.stale.Store(true)
		}
	}
	if !s.stale.Swap(false) {
		return nil
	}
	if err := s.sync(); err != nil {
		s.stale.Store(true)
		return err
	}
	return nil
}

// SyncInstalledNow is SyncInstalled after something that is known to have changed the RPM database: the news from
// watching may still be on its way.
func (s *System) SyncInstalledNow() error {
	s.stale.Store(true)
	return s.SyncInstalled()
}

func (s *System) sync() error {
	state, err := s.RPM.State()
	if err != nil {
		return err
	}
	recorded, err := s.Record.RPMState()
	if err != nil {
		return err
	}
	if state == recorded {
		return nil
	}
	return s.Record.UpdateInstalled(state, func(u *db.InstalledUpdate) error {
		return s.RPM.Read(u.Known, func(digest string, h *rpm.Header) error {
			return u.Add(digest, db.Package{
				NEVRA:   NEVRA(h),
				Summary: h.Summary, Description: h.Description, License: h.License, URL: h.URL, Size: h.Size,
			})
		})
	})
}

// Arch is the architecture of the platform: what the sources say, else what the platform's name ends with.
func (s *System) Arch() string {
	for _, p := range s.view.platforms {
		return p.Arch
	}
	return s.Platform[strings.LastIndex(s.Platform, "-")+1:]
}

// Change runs f, which changes the system, while no other process does. First it ends what a process that died in the
// middle left in the journal. f gives the lock to the rpm that it runs.
func (s *System) Change(ctx context.Context, w *wire.Writer, f func(lock *os.File) error) error {
	file, err := s.takeLock(ctx, w)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := s.recover(w, file); err != nil {
		return err
	}
	return f(file)
}

// recover ends the transactions that a process began and did not live to end. The RPM database says what became of
// them; what they downloaded is in the cache and will be used.
func (s *System) recover(w *wire.Writer, lock *os.File) error {
	unfinished, err := s.Record.Unfinished()
	if err != nil || len(unfinished) == 0 {
		return err
	}
	if err := s.SyncInstalledNow(); err != nil {
		return err
	}
	for _, t := range unfinished {
		s.Log.Warn("a transaction was cut off", "command", t.Command, "began", t.Began, "state", t.State)
		if t.State == db.Installing {
			if err := s.mend(w, lock, t); err != nil {
				return err
			}
		}
		if err := s.Record.Conclude(t, db.Failed); err != nil {
			return err
		}
	}
	return nil
}

// takeLock takes the lock file, or says who has it. The kernel gives it back when its holder and the rpm that the holder ran
// are gone. An rpm whose helper was killed is waited for: it will end. Where the disk is full the reserve is given up first: what is to
// come may free space, and rpm needs some for its database.
func (s *System) takeLock(ctx context.Context, w *wire.Writer) (*os.File, error) {
	if s.Record.Spare() {
		s.Log.Warn("the disk is full: the reserve is given up", "folder", s.State)
	}
	path := filepath.Join(s.State, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
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
		if err != nil || !errors.Is(syscall.Kill(holder, 0), syscall.ESRCH) {
			f.Close()
			return nil, wire.Errorf(wire.CannotGetLock, "the process %d is changing the system: try again when it is done", holder)
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
