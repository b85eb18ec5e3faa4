// SPDX-License-Identifier: GPL-2.0-or-later

// Package publish makes the folder that a web server offers and laptops download from: it writes
// the trees that solve finds in the formats of package tree.
//
// A reader may come at any moment, so no reader ever sees half a build. What is below platform.json
// is named by its content and never changes: it is written under names that begin with ".new-",
// synced, and renamed; platform.json, by which alone readers find it, is replaced last, when its
// signature is there under the name of its digest. What the
// last build referred to stays until that expires. A build that fails anywhere leaves the last one
// as it was. Where nothing changed nothing is written, but for a new expiry when it is due, and once
// that report.json says so.
//
// A build costs what has changed. Where its input is the last one's, by solve.Look, and all that was
// published is there, nothing is solved (Unchanged). Else package solve solves again only names
// whose answers can be others, and a tree is written again only where what it is made of is another:
// its packages as they are published, in their order, with what they require of each other and of
// the base, and notices; a digest of that is kept with the name of the file. What is kept for this
// is never needed: without it all is made anew, and comes out the same.
//
// This package reads no configuration file, and knows nothing of terminals or web servers. Its
// errors and reasons name keys of presolver's configuration where those are what people would
// change.
package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Options say what to publish where.
type Options struct {
	Platform string // a folder of this name is made in Output
	Arch     string
	Output   string
	// Copy puts the RPMs into the folder, as hard links where the repository is on the same file
	// system. Otherwise trees point to the repositories.
	Copy    bool
	Layouts []*Layout // of those in Layouts, one or more
	// ValidFor is how long readers may go on with what is published: for so long what the next
	// build no longer has is kept for them. The expiry is renewed when less than half of it is left.
	ValidFor time.Duration
	// Strict refuses to publish where a name couldn't be solved.
	Strict bool
	Now    time.Time
	// Asked tells apart what asks for names: where it and what the Platform is made of are as they
	// were, the names are. Then Unchanged can tell so, and Build makes again only what has changed.
	// Empty: nothing is kept for that.
	Asked string
	// Signing is who signs what is published; nil: nobody does.
	Signing *signing.Signing
	// Nearest is the name that somebody may have meant who asked for one that there isn't; "" where
	// none is near. It may be nil.
	Nearest func(name string) string
	// Progress is told how many of the names are done, from several goroutines. It may be nil.
	Progress func(done, of int)
}

// Build solves names and publishes what comes out, and reports on it. Changed in the Report tells
// whether anything but the expiry is new. Where a name can't be solved, or an RPM that its tree
// needs can't be had, the Report says why. Where that is all, or Options are Strict, the error says
// so, the Report is there, in report.json too, and all else stays as it was.
func Build(ctx context.Context, p *solve.Platform, names []string, o Options) (*Report, error) {
	return build(ctx, p, names, o, func(string) error { return nil })
}

// UnsolvedError reports that Strict kept a build from being published.
type UnsolvedError struct{ Unsolved []Unsolved }

func (e *UnsolvedError) Error() string {
	return fmt.Sprintf("nothing was published, since of the names %d can't be solved, e.g. %s: %s", len(e.Unsolved), e.Unsolved[0].Name, e.Unsolved[0].Reason)
}

// build is Build with a hook that is called before each change in the file system, to try what
// happens when it fails.
func build(ctx context.Context, p *solve.Platform, names []string, o Options, before func(string) error) (*Report, error) {
	if private := p.Private(); len(private) > 0 && !o.Copy {
		return nil, fmt.Errorf("the repository %s wants a user name and a password, which laptops would lack: trees may not point to its RPMs; build with rpms = \"copy\"", private[0])
	}
	if len(o.Layouts) == 0 {
		return nil, errors.New("there is no layout to publish")
	}
	for _, l := range o.Layouts {
		if l.NeedsRPMs && !o.Copy {
			return nil, fmt.Errorf("the layout %s needs copies of the RPMs", l.Name)
		}
	}
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	b := newBuilder(o, before)
	b.solved = p
	for _, name := range p.Misnamed() {
		b.report.LeftOut = append(b.report.LeftOut, solve.Visible(name))
	}
	b.report.Warnings = p.Warnings()
	if !o.Copy {
		b.report.Mirrors = p.Mirrors()
	}
	unlock, err := b.home.lock() // whatever the layouts, it is a build of this platform
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := b.open(); err != nil {
		return nil, err
	}
	defer b.abandon()
	b.recall()
	if err := b.solve(ctx, names); err != nil {
		return nil, err
	}
	var nothing error
	switch {
	case o.Strict && len(b.report.Unsolved) > 0:
		nothing = &UnsolvedError{b.report.Unsolved}
	case len(b.report.Solved) == 0:
		nothing = b.nothing()
	}
	if nothing != nil {
		if err := b.onlyReport(); err != nil {
			return nil, err
		}
		return b.report, nothing
	}
	if err := b.publish(ctx); err != nil {
		return nil, err
	}
	key := o.key(p.Input())
	if b.lacksRPM {
		key = ""
	}
	b.remember(key)
	return b.report, nil
}

// home is the platform's own folder, which has the lock and the report.
func (o *Options) home() string { return filepath.Join(o.Output, o.Platform) }

func newBuilder(o Options, before func(string) error) *builder {
	return &builder{
		Options: o, before: before, home: newFolder(o.home(), []string{""}, before), report: newReport(o.Platform),
		offered: make(map[nameArch]bool), until: o.Now.Add(o.ValidFor),
	}
}

type builder struct {
	Options
	solved  *solve.Platform
	before  func(string) error
	home    *folder
	targets []target
	serial  int64     // of what is published; 0: nothing is
	until   time.Time // for so long readers may go on with what is published

	reportMu sync.Mutex
	report   *Report

	offered    map[nameArch]bool
	lacking    map[string]string // names that lack an RPM, and why
	withoutRPM []*solve.Package  // the packages whose RPMs can't be had
	otherNames []solve.Result    // whose top-level packages have other names than were asked for
	lacksRPM   bool              // one couldn't be had that the repository may have another time
	made       []madeTree

	wasMade map[nameArch]*madeTree // by the last build

	claimed sync.Map // file name of an RPM: *solve.Package
	rpms    sync.Map // *solve.Package: func() (rpm, error)
	entries sync.Map // *solve.Package: func() (tree.Package, error)
}

// open looks at what is published, and removes what a build that was killed wrote aside.
func (b *builder) open() error {
	if data, err := os.ReadFile(b.home.path("report.json")); err == nil {
		var was Report
		was.decode(data)
		b.serial = was.Serial
	}
	for _, l := range Layouts {
		if !slices.Contains(b.Layouts, l) {
			continue
		}
		f := b.home
		if dir := l.dir(&b.Options); dir == f.dir {
			f.subs = l.subs
		} else {
			f = newFolder(dir, l.subs, b.before)
		}
		w, err := l.open(b, f)
		if err != nil {
			return err
		}
		b.targets = append(b.targets, target{l, f, w})
	}
	for _, f := range b.folders() {
		if err := f.removeLeftovers(); err != nil {
			return err
		}
	}
	return nil
}

// folders are all that the build writes to, the platform's own last: what appears there leads
// readers to all other.
func (b *builder) folders() (all []*folder) {
	for _, t := range b.targets {
		if t.folder != b.home {
			all = append(all, t.folder)
		}
	}
	return append(all, b.home)
}

func (b *builder) abandon() {
	for _, f := range b.folders() {
		f.abandon()
	}
}

// onlyReport publishes report.json, and nothing else: what was published stays.
func (b *builder) onlyReport() error {
	b.abandon()
	b.report.Serial = b.serial
	if err := b.writeReport(); err != nil {
		return err
	}
	return b.home.commit()
}

// nothing is the error for a build that has nothing to offer.
func (b *builder) nothing() error {
	if len(b.report.Unsolved) > 0 {
		return fmt.Errorf("none of the names can be solved, e.g. %s: %s; nothing was published, and report.json says why", b.report.Unsolved[0].Name, b.report.Unsolved[0].Reason)
	}
	return errors.New("there is nothing to publish: name packages beyond the base in toplevel.packages or toplevel.file, or set toplevel.all")
}

// solve makes and writes the trees of all names. They don't appear yet.
func (b *builder) solve(ctx context.Context, names []string) error {
	for _, t := range b.targets {
		if err := t.begin(ctx, names); err != nil {
			return err
		}
	}
	done := 0
	err := b.solved.Solve(ctx, names, func(r solve.Result) error {
		err := b.add(ctx, r)
		b.reportMu.Lock()
		done++
		n := done
		b.reportMu.Unlock()
		if b.Progress != nil {
			b.Progress(n, len(names))
		}
		return err
	})
	if err == nil {
		err = b.solveOtherNames(ctx, names)
	}
	for round := 0; err == nil && round < maxRounds && len(b.lacking) > 0; round++ {
		err = b.solveWithout(ctx)
	}
	if err != nil {
		return err
	}
	b.report.sort()
	return nil
}

// maxRounds is how often what lacks an RPM is solved without that.
const maxRounds = 4

// lacks takes a name out of what can be solved as it was, since an RPM of its tree can't be had.
func (b *builder) lacks(name string, pkg *solve.Package, reason string) {
	b.reportMu.Lock()
	defer b.reportMu.Unlock()
	if b.lacking == nil {
		b.lacking = make(map[string]string)
	}
	b.lacking[name] = fmt.Sprintf("the RPM of %s can't be had: %s", pkg.NEVRA, reason)
	b.withoutRPM = append(b.withoutRPM, pkg)
}

// solveWithout solves what lacks RPMs as if the repositories didn't have these packages: an older
// version may do, or what was to be replaced. Where nothing does it stays unsolved, for the reason
// that is known.
func (b *builder) solveWithout(ctx context.Context) error {
	lacking := b.lacking
	b.lacking = nil
	b.solved.LeaveOut(b.withoutRPM)
	names := slices.Sorted(maps.Keys(lacking))
	err := b.solved.Solve(ctx, names, func(r solve.Result) error {
		if r.Unsolvable != "" {
			b.unsolved(r.Name, lacking[r.Name])
			return nil
		}
		return b.add(ctx, r)
	})
	if err != nil {
		return err
	}
	return b.solveOtherNames(ctx, names)
}

// add writes what is published of one result.
func (b *builder) add(ctx context.Context, r solve.Result) error {
	switch {
	case r.InBase:
		b.reportMu.Lock()
		defer b.reportMu.Unlock()
		b.report.InBase = append(b.report.InBase, r.Name)
		return nil
	case r.Unsolvable != "":
		reason := r.Unsolvable
		if b.Nearest != nil {
			if near := b.Nearest(r.Name); near != "" {
				reason += ": did you mean " + near + "?"
			}
		}
		b.unsolved(r.Name, reason)
		return nil
	case b.otherwiseNamed(r):
		return nil
	}
	if b.Copy {
		b.prepare(ctx, r.Packages)
	}
	t := &tree.Tree{Format: tree.Format, Platform: b.Platform, Name: r.Name, Needs: r.Needs}
	for i, pkg := range r.Packages {
		entry, err := b.entry(ctx, pkg)
		var lacks lacksRPM
		var refused refused
		switch {
		case errors.As(err, &lacks):
			b.lacks(r.Name, pkg, lacks.Error())
			return nil
		case errors.As(err, &refused):
			b.unsolved(r.Name, refused.Error())
			return nil
		case err != nil:
			return err
		}
		entry.Requires = r.Requires[i]
		t.Packages = append(t.Packages, entry)
	}
	for _, target := range b.targets {
		err := target.add(t, r)
		var refused refused
		if errors.As(err, &refused) {
			b.unsolved(r.Name, "laptops would refuse it: "+refused.Error())
			return nil
		}
		if err != nil {
			return err
		}
	}
	b.reportMu.Lock()
	defer b.reportMu.Unlock()
	b.offered[nameArch{t.Name, t.Top().Arch}] = true
	b.report.Solved = append(b.report.Solved, Solved{Name: t.Name, Version: t.Top().EVR(), Packages: len(t.Packages), Download: download(t)})
	return nil
}

// Errors of a single tree, which the report tells.
type (
	lacksRPM struct{ error } // an RPM can't be had
	refused  struct{ error } // laptops can't use it
)

// entry is a package as trees have it, but for what it requires. Its RPM is in the layouts' folders
// where these have copies. The error may be lacksRPM or refused.
func (b *builder) entry(ctx context.Context, pkg *solve.Package) (tree.Package, error) {
	once, _ := b.entries.LoadOrStore(pkg, sync.OnceValues(func() (tree.Package, error) { return b.makeEntry(ctx, pkg) }))
	return once.(func() (tree.Package, error))()
}

// prepare makes the entries of packages at once: most of the time of one goes by waiting for its
// RPM. Their errors come again.
func (b *builder) prepare(ctx context.Context, packages []*solve.Package) {
	var all sync.WaitGroup
	room := make(chan bool, maxAtOnce)
	for _, pkg := range packages {
		room <- true
		all.Go(func() {
			b.entry(ctx, pkg)
			<-room
		})
	}
	all.Wait()
}

// maxAtOnce is how many RPMs of a tree are asked for at once. How many come at once is transport's.
const maxAtOnce = 16

func (b *builder) makeEntry(ctx context.Context, pkg *solve.Package) (tree.Package, error) {
	entry := pkg.Package
	clip(&entry)
	if pkg.Nowhere != "" {
		return entry, lacksRPM{errors.New(pkg.Nowhere + ": correct the repository")}
	}
	if b.Copy {
		rpm, err := b.rpm(ctx, pkg)
		if errors.Is(err, solve.ErrNoRPM) {
			b.reportMu.Lock()
			b.lacksRPM = true
			b.reportMu.Unlock()
			return entry, lacksRPM{err}
		}
		if err != nil {
			return entry, fmt.Errorf("copying the RPM of %s: %w", pkg.NEVRA, err)
		}
		entry.Location, entry.SHA256, entry.Digest, entry.URLs = rpms+rpm.name, rpm.sha256, "", nil
		entry.Unsigned = rpm.unsigned
		return entry, nil
	}
	if entry.RPMDigest() == "" {
		return entry, refused{fmt.Errorf(`the repository has a checksum of the kind %q for %s and laptops need its sha256, sha384 or sha512: run createrepo_c --checksum sha256 on the repository, or build with rpms = "copy"`, pkg.ChecksumKind, entry.NEVRA)}
	}
	if n, location := pkg.InRepository(); n > 0 {
		entry.Repository, entry.Location, entry.URLs = n, location, nil
	}
	return entry, nil
}

// download is how many bytes the RPMs of a tree have.
func download(t *tree.Tree) (bytes int64) {
	for _, pkg := range t.Packages {
		bytes += pkg.Size
	}
	return bytes
}

func (b *builder) unsolved(name, reason string) {
	b.reportMu.Lock()
	defer b.reportMu.Unlock()
	b.report.Unsolved = append(b.report.Unsolved, Unsolved{name, reason})
}

// publish makes all that was written appear, and removes what nobody can ask for any more.
func (b *builder) publish(ctx context.Context) error {
	for _, t := range b.targets {
		changed, err := t.index(ctx)
		if err != nil {
			return err
		}
		b.report.Changed = b.report.Changed || changed
	}
	return b.finish(ctx)
}

// finish is publish when all that leads to the trees is known.
func (b *builder) finish(ctx context.Context) error {
	b.report.Serial = b.serial
	if b.report.Changed {
		b.report.Serial++
	}
	if err := b.writeReport(); err != nil {
		return err
	}
	for _, t := range b.targets {
		if err := t.head(ctx, b.report.Serial); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, f := range b.folders() {
		if err := f.commit(); err != nil {
			return err
		}
	}
	for _, t := range b.targets {
		if err := t.folder.clean(ctx, b.Now, b.until, t.fate); err != nil {
			return err
		}
		if t.after == nil {
			continue
		}
		if err := t.after(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// writeReport adds report.json.
func (b *builder) writeReport() error {
	report, err := b.report.encode()
	if err != nil {
		return err
	}
	return b.home.replace("report.json", report)
}
