// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"cmp"
	"context"
	"errors"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Run has a plan made and carries it out, or, with the flag simulate, tells what it is.
func Run(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request, plan func() (*Plan, error)) error {
	if r.Flags[wire.Simulate] {
		return upToDate(ctx, s, w, r, func() error {
			p, err := plan()
			if err != nil {
				return err
			}
			defer p.Drop()
			if err := p.retire(ctx, s); err != nil {
				return err
			}
			if err := p.askRPM(ctx, s, r.Flags[wire.OnlyTrusted]); err != nil && !r.Flags[wire.OnlyDownload] {
				return err
			}
			p.Tell(w)
			w.Remaining(p.coming(s))
			return p.tellUntrusted(ctx, s, w, r.Flags[wire.OnlyTrusted])
		})
	}
	return Change(ctx, s, w, func(lock *os.File) error {
		return upToDate(ctx, s, w, r, func() error { return run(ctx, s, w, r, lock, plan) })
	})
}

// run has a plan made and carries it out.
func run(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request, lock *os.File, plan func() (*Plan, error)) error {
	w.Percentage(0)
	p, err := plan()
	if err != nil {
		return err
	}
	defer p.Drop()
	if !r.Flags[wire.OnlyDownload] {
		if err := p.retire(ctx, s); err != nil {
			return err
		}
		if err := p.askRPM(ctx, s, r.Flags[wire.OnlyTrusted]); err != nil {
			return err
		}
	}
	if err := p.prepare(s, !r.Flags[wire.OnlyDownload]); err != nil {
		return err
	}
	c := &change{Plan: p, s: s, w: w, lock: lock, flags: r.Flags, journal: &db.Transaction{Began: time.Now(), Command: r.Command, Plan: p.planned()}}
	c.progress = newProgress(w, p, r.Flags[wire.OnlyDownload])
	if err := s.Record.Begin(ctx, c.journal); err != nil {
		return err
	}
	if err := c.carryOut(ctx); err != nil {
		if c.journal.State == db.Downloading {
			err = errors.Join(err, s.RebuildingRecord(context.WithoutCancel(ctx), func() error { return s.Record.SetState(c.journal, db.Failed) }))
		} // else rpm ran: it is concluded, or will be at the next start
		if c.journal.State == db.Installing {
			p.keep() // they are needed for that
		}
		return err
	}
	w.Percentage(100)
	return nil
}

// A change is a plan that is being carried out.
type change struct {
	*Plan
	s        *ops.System
	w        *wire.Writer
	lock     *os.File
	flags    wire.Flags
	journal  *db.Transaction
	progress *progress
	halfDone bool // rpm has done a part of it
}

// carryOut downloads a plan and has rpm do it. What rpm finds damaged, because its source has no
// digests that would have told before, is downloaded anew once.
func (c *change) carryOut(ctx context.Context) error {
	if err := c.verifyLocal(ctx); err != nil {
		return err
	}
	for again := false; ; again = true {
		if err := c.fetch(ctx); err != nil {
			return err
		}
		if c.flags[wire.OnlyDownload] {
			return c.s.Record.SetState(c.journal, db.Done)
		}
		anew, err := c.inspect(ctx)
		if err == nil {
			err = c.runRPM(ctx)
			anew = c.dropDamaged(ctx, err)
		}
		if err == nil {
			break
		}
		if again || !anew || c.halfDone { // the packages that came would be in the way of a second run
			return err
		}
		c.s.Log.Warn("a package is damaged: it is downloaded anew", "error", err)
	}
	c.passOn()
	for _, it := range c.Items {
		id := wire.PackageID{Name: it.Name, Version: it.EVR(), Arch: it.Arch, Data: "installed:" + it.Source}
		c.w.Package(wire.InfoInstalled, id, it.Summary)
		if it.Restart != "" {
			c.w.RequireRestart(it.Restart, id)
		}
	}
	return nil
}

// dropInstalled removes the RPMs from the cache: what is installed is not downloaded again; the
// space is worth more.
func (c *change) dropInstalled() {
	for _, it := range c.Items {
		if !it.local {
			os.Remove(it.file.Path)
		}
	}
}

// dropDamaged removes, after an rpm that failed, the downloaded RPMs whose digests are not known
// and that rpm finds damaged when it is asked of each, and tells whether there were any. What rpm
// wrote when it failed doesn't matter.
func (c *change) dropDamaged(ctx context.Context, err error) (any bool) {
	var failed *rpm.Error
	if !errors.As(err, &failed) || failed.Kind == rpm.Killed || failed.Kind == rpm.NotFound {
		return false
	}
	for _, it := range c.Items {
		if it.file.Digest == "" && !it.local && c.s.RPM.Damaged(ctx, it.file.Path) {
			any = c.drop(it) || any
		}
	}
	return any
}

func (c *change) fetch(ctx context.Context) error {
	var items []*Item
	for _, it := range c.Items {
		if !it.local {
			items = append(items, it)
		}
	}
	if len(items) == 0 {
		return ctx.Err()
	}
	c.w.Status(wire.StatusDownload)
	for _, it := range items {
		c.w.Package(wire.InfoDownloading, it.ID(), it.Summary)
	}
	sortDownloads(items)
	files := make([]transport.File, len(items))
	for i, it := range items {
		files[i] = it.file
	}
	err := c.s.Net.Fetch(ctx, files, func(p transport.Progress) { c.progress.downloaded(items[p.File], p) })
	c.w.Speed(0) // or the last one would stand while rpm runs
	if err != nil {
		return c.catchUp(ctx, items, err)
	}
	return nil
}

// sortDownloads puts items in the order in which they are downloaded: one tree after the other, so
// that what is complete when the link ends for good can be installed alone. Of a tree the largest
// first, or the last connection would be left alone with it: a fifth of the time on a slow link.
func sortDownloads(items []*Item) {
	slices.SortStableFunc(items, func(a, b *Item) int {
		return cmp.Or(cmp.Compare(a.tree, b.tree), cmp.Compare(b.file.Size, a.file.Size))
	})
}

// runRPM has rpm carry out the plan and records what became of it. From here on there is no way
// back.
func (c *change) runRPM(ctx context.Context) error {
	c.w.AllowCancel(false)
	defer c.w.AllowCancel(true)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.s.Record.SetState(c.journal, db.Installing); err != nil {
		return err
	}
	c.s.StopWatching()
	go debug.FreeOSMemory() // what planning and downloading took: rpm needs it more, and this process waits
	failed := c.act()
	var end *rpm.Error
	killed := errors.As(failed, &end) && end.Kind == rpm.Killed // what it left is put right before the next change
	state := db.Done
	if failed != nil {
		state = db.Failed
	}
	// Whatever rpm says, the database tells what is installed. It has to be written down though the
	// helper is to end.
	ctx = context.WithoutCancel(ctx)
	err := c.s.RebuildingRecord(ctx, func() error {
		if err := c.s.SyncInstalledNow(ctx); err != nil || killed {
			return err
		}
		if failed == nil {
			c.dropInstalled()
		}
		return c.s.Record.Conclude(c.journal, state)
	})
	if err != nil {
		return errors.Join(failed, err)
	}
	if err := c.judge(ctx, failed); err != nil {
		return err
	}
	c.progress.finished()
	return nil
}

// rpm runs rpm as the plan needs it: once, but where install-only packages come with updates.
func (c *change) rpm() error {
	if len(c.Erase) > 0 {
		return c.erase(c.Erase)
	}
	return c.install()
}

// Labels are packages as rpm takes them.
func Labels(packages []db.Package) []string {
	var all []tree.NEVRA
	for _, p := range packages {
		all = append(all, p.NEVRA)
	}
	return labels(all)
}

func labels(packages []tree.NEVRA) []string {
	var all []string
	for _, p := range packages {
		all = append(all, p.Name+"-"+p.Version+"-"+p.Release+"."+p.Arch)
	}
	return all
}
