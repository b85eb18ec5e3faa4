package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's ops into m.
func Register(m ops.Mux, s *ops.System) {
	m["install-packages"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return install(ctx, s, w, r) })
	m["download-packages"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return download(ctx, s, w, r) })
}

func install(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) error {
	if r.Flags[wire.Simulate] {
		p, err := makePlan(ctx, s, w, r.IDs)
		if err != nil {
			return err
		}
		for _, it := range p.items {
			w.Package(wire.InfoInstalling, it.id(), it.summary)
		}
		return nil
	}
	return s.Change(func() error {
		w.Percentage(0)
		p, err := makePlan(ctx, s, w, r.IDs)
		if err != nil {
			return err
		}
		if err := p.prepare(s, !r.Flags[wire.OnlyDownload]); err != nil {
			return err
		}
		t := &db.Transaction{Began: time.Now(), Command: r.Command, Plan: p.planned()}
		if err := s.Record.Begin(t); err != nil {
			return err
		}
		if err := carryOut(ctx, s, w, p, t, r.Flags[wire.OnlyDownload]); err != nil {
			if t.State == db.Downloading {
				err = errors.Join(err, s.Record.SetState(t, db.Failed))
			} // else rpm ran: it is concluded, or will be at the next start
			return err
		}
		w.Percentage(100)
		return nil
	})
}

// prepare gives each file its place in the cache, and looks whether there is space.
func (p *plan) prepare(s *ops.System, install bool) error {
	if err := os.MkdirAll(filepath.Join(s.Cache, "rpms"), 0o755); err != nil {
		return fmt.Errorf("making the cache: %w", err)
	}
	for _, it := range p.items {
		it.file.Path = cachePath(s, it.Source, it.pkg)
	}
	return p.checkSpace(s, install)
}

func (p *plan) planned() []db.Planned {
	all := append([]db.Planned(nil), p.kept...)
	for _, it := range p.items {
		all = append(all, it.Planned)
	}
	return all
}

// carryOut downloads and installs a plan. What rpm finds damaged, because its source has no digests that would have told
// before, is downloaded anew once.
func carryOut(ctx context.Context, s *ops.System, w *wire.Writer, p *plan, t *db.Transaction, onlyDownload bool) error {
	progress := newProgress(w, p, onlyDownload)
	for again := false; ; again = true {
		if err := fetch(ctx, s, w, p, progress); err != nil {
			return err
		}
		if onlyDownload {
			return s.Record.SetState(t, db.Done)
		}
		err := p.identify(s, t)
		if err == nil {
			err = runRPM(ctx, s, w, p, t, progress)
		}
		if err == nil {
			break
		}
		if again || ops.AsError(err).Code != wire.PackageCorrupt || !p.dropUnverified() {
			return err
		}
		s.Log.Warn("a package is damaged: it is downloaded anew", "error", err)
	}
	for _, it := range p.items {
		w.Package(wire.InfoInstalled, wire.PackageID{Name: it.Name, Version: it.EVR(), Arch: it.Arch, Data: "installed:" + it.Source}, it.summary)
		os.Remove(it.file.Path) // what is installed is not downloaded again; the space is worth more
	}
	return nil
}

// identify reads from the RPMs themselves what a source without digests doesn't tell of them: their epochs, and that they are
// the packages that they should be.
func (p *plan) identify(s *ops.System, t *db.Transaction) error {
	changed := false
	for _, it := range p.items {
		if it.file.SHA256 != "" {
			continue
		}
		h, err := rpm.ReadFile(it.file.Path)
		if err != nil {
			return wire.Errorf(wire.PackageCorrupt, "what the source %s sent for %s is no RPM: %w", it.Source, it.NEVRA, err)
		}
		is := tree.NEVRA{Name: h.Name, Epoch: h.Epoch, Version: h.Version, Release: h.Release, Arch: h.Arch}
		want := it.NEVRA
		want.Epoch = is.Epoch
		if is != want {
			return wire.Errorf(wire.PackageCorrupt, "what the source %s sent for %s is %s", it.Source, it.NEVRA, is)
		}
		if it.NEVRA != is || it.summary != h.Summary {
			it.NEVRA, it.summary, changed = is, h.Summary, true
		}
	}
	if !changed {
		return nil
	}
	return s.Record.SetPlan(t, p.planned())
}

// dropUnverified removes the RPMs whose digests are not known, and tells whether there were any.
func (p *plan) dropUnverified() (any bool) {
	for _, it := range p.items {
		if it.file.SHA256 == "" && os.Remove(it.file.Path) == nil {
			any = true
		}
	}
	return any
}

func fetch(ctx context.Context, s *ops.System, w *wire.Writer, p *plan, progress *progress) error {
	w.Status(wire.StatusDownload)
	files := make([]transport.File, len(p.items))
	for i, it := range p.items {
		files[i] = it.file
		w.Package(wire.InfoDownloading, it.id(), it.summary)
	}
	return s.Net.Fetch(ctx, files, progress.downloaded)
}

// runRPM installs the downloaded RPMs and records what became of it. From here on there is no way back.
func runRPM(ctx context.Context, s *ops.System, w *wire.Writer, p *plan, t *db.Transaction, progress *progress) error {
	w.AllowCancel(false)
	defer w.AllowCancel(true)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.Record.SetState(t, db.Installing); err != nil {
		return err
	}
	var paths []string
	for _, it := range p.items {
		paths = append(paths, it.file.Path)
	}
	failed := s.RPM.Install(paths, progress.installed)
	// Whatever rpm says, the database tells what is installed.
	if err := s.SyncInstalledNow(); err != nil {
		return errors.Join(failed, err)
	}
	state := db.Done
	if failed != nil {
		state = db.Failed
	}
	return errors.Join(failed, s.Record.Conclude(t, state))
}

// present is how many bytes of a file are there, whole or partial.
func present(path string) int64 {
	for _, p := range []string{path, path + ".part"} {
		if info, err := os.Stat(p); err == nil {
			return info.Size()
		}
	}
	return 0
}
