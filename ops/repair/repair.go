// SPDX-License-Identifier: GPL-2.0-or-later

// Package repair has the op repair-system, which brings record, cache and RPM database into
// agreement:
//
//   - transactions that were cut off are ended as the RPM database says;
//   - where the RPM database can't be read, or rpm can't write it, rpm writes it anew;
//   - the record's file is checked, and rebuilt where it is damaged; what it has of installed packages is read anew;
//   - RPMs in the cache that are damaged are removed;
//   - programs that lack what they need, as those do whose library rpm could not install, get it;
//     what an rpm was to remove with its program and could not, goes;
//   - of two versions of this backend's own packages the newer one stays.
//
// What it did is told as packages with the info cleanup, whose summaries say what was done to them;
// what is no package is told as record, rpm-database or a file of the cache. With the flag simulate it tells what it would do.
package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's op into m.
func Register(m ops.Mux, s *ops.System) {
	m["repair-system"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		p := &repair{s: s, w: w, simulate: r.Flags[wire.Simulate]}
		w.Status(wire.StatusQuery)
		w.Percentage(0)
		if p.simulate {
			if err := p.database(ctx, nil); err != nil || p.damaged {
				return err
			}
			return p.rest(ctx, nil)
		}
		return transaction.Repair(ctx, s, w, func(lock *os.File) error { return p.database(ctx, lock) }, func(lock *os.File) error { return p.rest(ctx, lock) })
	})
}

type repair struct {
	s          *ops.System
	w          *wire.Writer
	simulate   bool
	damaged    bool              // record or RPM database, in a simulation: nothing more can be told
	unfinished []*db.Transaction // what was cut off
}

// report tells what was done, or would be.
func (p *repair) report(id wire.PackageID, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.s.Log.Info("repaired", "what", id, "how", text, "simulated", p.simulate)
	p.w.Package(wire.InfoCleanup, id, text)
}

// otherID is the id of what is no package. It has all parts: pkcon shows "record-1.noarch
// (rebuilt)", and never a summary.
func otherID(name, version, done string) wire.PackageID {
	return wire.PackageID{Name: name, Version: version, Arch: "noarch", Data: done}
}

// database makes the record whole and the RPM database readable, and looks what was cut off.
func (p *repair) database(ctx context.Context, lock *os.File) (err error) {
	if err := p.checkRecord(ctx); err != nil || p.damaged {
		return err
	}
	if p.unfinished, err = p.s.Record.Unfinished(); err != nil {
		return err
	}
	readable := p.readable()
	if readable && !p.foreign(ctx) {
		return nil
	}
	fault := "be read"
	if readable {
		fault = "be written by this rpm"
	}
	if p.simulate {
		p.damaged = !readable
		p.report(otherID("rpm-database", "1", "rebuilt"), "The RPM database in %s can't %s: rpm would write it anew", p.s.RPM.Dir(), fault)
		return nil
	}
	return p.rebuild(lock, fault)
}

// foreign tells whether the RPM database is one that rpm can read and not write to, so that it has
// to write it anew. Where rpm can't be asked, or can't do that, whoever changes the system is told.
func (p *repair) foreign(ctx context.Context) bool {
	policy, err := p.s.RPM.Policy(ctx)
	if err != nil {
		p.s.Log.Warn("rpm can't be asked how it is configured", "error", err)
		return false
	}
	var u *rpm.UnwritableError
	return errors.As(p.s.RPM.CheckWritable(ctx, policy), &u) && u.Rebuild
}

func (p *repair) rest(ctx context.Context, lock *os.File) error {
	p.w.Percentage(30)
	if err := p.compareRecord(ctx); err != nil {
		return err
	}
	p.w.Percentage(60)
	if err := p.reportRecovered(ctx); err != nil {
		return err
	}
	if err := p.cache(ctx); err != nil {
		return err
	}
	if err := p.finish(ctx, lock); err != nil { // at the end: it may need a source
		return err
	}
	p.w.Percentage(100)
	return nil
}

// readable tells whether all of the RPM database can be read. Being cancelled is no reason to
// rebuild it: it isn't asked for that.
func (p *repair) readable() bool {
	nothing := func(string) bool { return false }
	err := p.s.RPM.Read(context.Background(), nothing, func(string, *rpm.Header) error { return nil })
	if err != nil {
		p.s.Log.Warn("the RPM database can't be read", "error", err)
	}
	return err == nil || errors.Is(err, rpm.ErrLocked) // that says nothing about what is in it
}

func (p *repair) rebuild(lock *os.File, fault string) error {
	p.w.AllowCancel(false)
	defer p.w.AllowCancel(true)
	err := p.s.RPM.Rebuild(lock)
	if err == nil && !p.readable() {
		err = fmt.Errorf("it can't be read after that either")
	}
	if err != nil {
		return wire.Errorf(wire.InternalError, "the RPM database in %s is damaged and rpm --rebuilddb did not help: %w; put back a copy of it, or the image", p.s.RPM.Dir(), err)
	}
	p.report(otherID("rpm-database", "1", "rebuilt"), "The RPM database could not %s: rpm wrote it anew", fault)
	return nil
}

// checkRecord checks the record's file, and rebuilds it where it is damaged.
func (p *repair) checkRecord(ctx context.Context) error {
	problems, err := p.s.Record.Check(ctx)
	if err != nil && !errors.Is(err, db.ErrDamaged) {
		return err
	}
	if err != nil {
		problems = append(problems, err.Error())
	}
	if len(problems) == 0 {
		return nil
	}
	p.s.Log.Warn("the record is damaged", "problems", problems)
	if p.simulate {
		p.damaged = true
		p.report(otherID("record", "1", "rebuilt"), "The record in %s is damaged: what can be read of it would be kept", p.s.State)
		return nil
	}
	kept, err := p.s.Rebuild(ctx)
	if err != nil || kept == nil { // another helper was faster
		return err
	}
	p.report(otherID("record", "1", "rebuilt"), "The record was damaged and is made anew: %s", kept)
	return nil
}

// compareRecord compares the record with the RPM database package by package.
func (p *repair) compareRecord(ctx context.Context) error {
	before, err := p.installed()
	if err != nil {
		return err
	}
	forget := p.s.Record.Forget
	if p.simulate {
		forget = p.s.Record.Unused
	}
	needed, err := p.s.Offers.Needed(ctx)
	if err != nil {
		return err
	}
	unused, err := forget(ctx, needed)
	if err != nil {
		return err
	}
	if unused > 0 {
		p.s.Log.Info("trees and lists that no source offers any more are forgotten", "number", unused, "simulated", p.simulate)
	}
	if err := p.s.SyncInstalledNow(ctx); err != nil {
		return err
	}
	after, err := p.installed()
	if err != nil {
		return err
	}
	for _, was := range before {
		if !slices.ContainsFunc(after, func(is db.Package) bool { return is.NEVRA == was.NEVRA }) {
			p.report(packageID(was.NEVRA, cmp.Or(was.Source, "local")), "It is not in the RPM database any more: the record knows it now")
		}
	}
	return nil
}

func (p *repair) installed() ([]db.Package, error) {
	var all []db.Package
	err := p.s.Record.Installed(db.Query{}, func(is *db.Package) error {
		all = append(all, *is)
		return nil
	})
	return all, err
}

// reportRecovered tells what of transactions that were cut off is recorded now. What they didn't come to
// is as it was: there was nothing to repair.
func (p *repair) reportRecovered(ctx context.Context) error {
	for _, t := range p.unfinished {
		for _, planned := range t.Plan {
			if planned.Kept {
				continue
			}
			id := wire.PackageID{Name: planned.Name, Version: planned.EVR(), Arch: planned.Arch, Data: planned.Source}
			installed, err := p.s.FindInstalled(ctx, id)
			if err != nil {
				return err
			}
			if installed != nil && !planned.Removed {
				p.report(ops.ID(installed), "%s of %s was cut off after this was installed: it is recorded", t.Command, t.Began.Format(time.DateTime))
			}
		}
	}
	return nil
}

// packageID is the id of a package that is not installed.
func packageID(p tree.NEVRA, source string) wire.PackageID {
	return wire.PackageID{Name: p.Name, Version: p.EVR(), Arch: p.Arch, Data: source}
}
