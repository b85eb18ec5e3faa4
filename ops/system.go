// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/caller"
	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Config is what a System is made from. The caller closes Record and Net after the System.
type Config struct {
	Record *db.Record
	Net    *transport.Client
	RPM    rpm.Database
	Cache  string // folder of RPMs, whole and partial
	// CacheLimit is how many bytes RPMs in it may have; 0: as many as there is space for. Those of
	// sources that don't tell sizes aren't counted before they come.
	CacheLimit int64
	State      string       // folder of the lock
	Keyring    string       // folder of the keys that a person trusts
	Caller     *caller.User // whom commands are carried out for; nil: the helper's own user
	SignedRPMs bool         // nothing is installed that RPM's keyring doesn't know who signed
	Log        hclog.Logger
	// InstallOnlyLimit is how many versions of an install-only package, such as a kernel, are kept;
	// 0: all.
	InstallOnlyLimit int
	// Kernel tells which kernel runs, as "uname -r" does; nil: the system is asked.
	Kernel func() string
}

// A System is the laptop: what is installed on it, as the record knows it, and what it is offered.
// It is used by one goroutine at a time.
type System struct {
	Config
	Offers    *offers.Offers
	stale     atomic.Bool // the RPM database may have changed since it was read
	watching  bool
	stopWatch func()
}

// NewSystem makes a System, and its Offers with the same record, network and log. The caller closes
// it.
func NewSystem(ctx context.Context, c Config, o offers.Config) (*System, error) {
	s := &System{Config: c}
	if s.Caller == nil {
		s.Caller = caller.New("")
	}
	if s.Kernel == nil {
		s.Kernel = runningKernel
	}
	s.stale.Store(true)
	o.Record, o.State, o.Net, o.Log = c.Record, c.State, c.Net, c.Log
	err := s.RebuildingRecord(ctx, func() (err error) {
		s.Offers, err = offers.New(ctx, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// CacheFolder is where the cache has its RPMs, whole and partial.
func (s *System) CacheFolder() string { return filepath.Join(s.Cache, "rpms") }

// Close stops watching.
func (s *System) Close() {
	s.Offers.Close()
	s.StopWatching()
}

// SyncInstalled brings the record's installed packages up to date with the RPM database. Where
// nothing changed it costs nothing: the database is watched.
func (s *System) SyncInstalled(ctx context.Context) error {
	if !s.watching {
		// Watched before it is read, so that no change is missed. A database that is not there yet
		// can't be watched; its state is looked at each time.
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
	if err := s.sync(ctx); err != nil {
		s.stale.Store(true)
		return err
	}
	return nil
}

// StopWatching is for who is about to have rpm change the RPM database, who needn't be told of each
// of its writes. The next SyncInstalledNow watches again.
func (s *System) StopWatching() {
	if s.watching {
		s.stopWatch()
		s.watching = false
	}
}

// SyncInstalledNow is SyncInstalled after something that is known to have changed the RPM database:
// the news from watching may still be on its way.
func (s *System) SyncInstalledNow(ctx context.Context) error {
	s.stale.Store(true)
	return s.SyncInstalled(ctx)
}

func (s *System) sync(ctx context.Context) error {
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
	return s.Record.UpdateInstalled(ctx, state, func(u *db.InstalledUpdate) error {
		return s.RPM.Read(ctx, u.Known, func(digest string, h *rpm.Header) error {
			return u.Add(digest, db.Package{
				NEVRA:   NEVRA(h),
				Summary: h.Summary, Description: h.Description, License: h.License, URL: h.URL, Size: h.Size,
				SideBySide: h.InstallOnly(),
			})
		})
	})
}

// FindInstalled is the installed package that an id names; nil where there is none. The id's data
// does not matter.
func (s *System) FindInstalled(ctx context.Context, id wire.PackageID) (*db.Package, error) {
	if err := s.SyncInstalled(ctx); err != nil {
		return nil, err
	}
	all, err := s.Record.InstalledByName(id.Name)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if Wanted(id).Is(all[i].NEVRA) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// InstalledWith are the digests of the installed packages whose headers have what is looked for.
// All headers are read, one at a time.
func (s *System) InstalledWith(ctx context.Context, has func(*rpm.Header) bool) ([]string, error) {
	var digests []string
	nothing := func(string) bool { return false }
	err := s.RPM.Read(ctx, nothing, func(digest string, h *rpm.Header) error {
		if has(h) {
			digests = append(digests, digest)
		}
		return ctx.Err()
	})
	return digests, err
}

// runningKernel is what "uname -r" prints; empty where the kernel doesn't say.
func runningKernel() string {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return ""
	}
	var text []byte
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		text = append(text, byte(c))
	}
	return string(text)
}
