// SPDX-License-Identifier: GPL-2.0-or-later

// Package publish makes the folder that a web server offers and laptops download from: it writes
// the trees that solve finds in the formats of package tree.
//
// A reader may come at any moment, so no reader ever sees half a build. What is below platform.json
// is named by its content and never changes: it is written under names that begin with ".new-",
// synced, and renamed; platform.json, by which alone readers find it, is replaced last. What the
// last build referred to stays until the next one. A build that fails anywhere leaves the last one
// as it was. Where nothing changed nothing is written, but for a new expiry when it is due.
//
// This package knows nothing of configuration files, terminals or web servers.
package publish

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

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
	Copy bool
	// Presolve and SugarNetwork choose the layouts; SugarNetwork needs Copy.
	Presolve     bool
	SugarNetwork bool
	// ValidFor is how long readers trust what is published. It is renewed when less than half of it
	// is left.
	ValidFor time.Duration
	// Strict refuses to publish where a name couldn't be solved.
	Strict bool
	// Keys are the fingerprints of the keys that may sign the next platform.json.
	Keys []string
	Now  time.Time
	// Progress is told how many of the names are done, from several goroutines. It may be nil.
	Progress func(done, of int)
}

// Build solves names and publishes what comes out, and reports on it. Changed in the Report tells
// whether anything but the expiry is new. The Report is there even where the error is an
// *UnsolvedError.
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
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	b := &builder{Options: o, solved: p, folder: newFolder(filepath.Join(o.Output, o.Platform), before), report: newReport(o.Platform)}
	if o.SugarNetwork {
		b.sugar = newFolder(filepath.Join(o.Output, "packages", Project, o.Platform), before)
	}
	for _, f := range b.folders() {
		unlock, err := f.lock()
		if err != nil {
			return nil, err
		}
		defer unlock()
		defer f.abandon()
		if err := f.removeLeftovers(); err != nil {
			return nil, err
		}
	}
	old, err := b.readOld()
	if err != nil {
		return nil, err
	}
	if err := b.solve(ctx, names); err != nil {
		return nil, err
	}
	if o.Strict && len(b.report.Unsolved) > 0 {
		return b.report, &UnsolvedError{b.report.Unsolved}
	}
	if len(b.entries) == 0 {
		return b.report, b.nothing()
	}
	if err := b.publish(old); err != nil {
		return nil, err
	}
	if o.Presolve {
		if err := writePlatforms(o.Output, before); err != nil {
			return nil, err
		}
	}
	return b.report, nil
}

type builder struct {
	Options
	solved *solve.Platform
	folder *folder // <output>/<platform>
	sugar  *folder // the Sugar Network layout's, or nil

	mu      sync.Mutex // guards what is below
	entries []*tree.Entry
	notices []string // their paths
	nodes   []node   // the Sugar Network layout's entries
	report  *Report

	otherNames []solve.Result // whose top-level packages have other names than were asked for

	claimed sync.Map // file name of an RPM: *solve.Package
	rpms    sync.Map // *solve.Package: func() (rpm, error)
	files   sync.Map // *solve.Package: func() []string
}

func (b *builder) folders() []*folder {
	if b.sugar != nil {
		return []*folder{b.folder, b.sugar}
	}
	return []*folder{b.folder}
}

// nothing is the error for a build that has nothing to offer.
func (b *builder) nothing() error {
	if len(b.report.Unsolved) > 0 {
		return fmt.Errorf("none of the names can be solved, e.g. %s: %s; nothing was published", b.report.Unsolved[0].Name, b.report.Unsolved[0].Reason)
	}
	return errors.New("there is nothing to publish: name packages beyond the base in toplevel.packages or toplevel.file, or set toplevel.all")
}

// solve makes and writes the trees of all names. They don't appear yet.
func (b *builder) solve(ctx context.Context, names []string) error {
	done := 0
	err := b.solved.Solve(ctx, names, func(r solve.Result) error {
		err := b.add(ctx, r)
		b.mu.Lock()
		done++
		n := done
		b.mu.Unlock()
		if b.Progress != nil {
			b.Progress(n, len(names))
		}
		return err
	})
	if err == nil {
		err = b.solveOtherNames(ctx, names)
	}
	if err != nil {
		return err
	}
	slices.SortFunc(b.entries, func(x, y *tree.Entry) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Arch, y.Arch)) })
	b.report.sort()
	return nil
}

// add writes what is published of one result.
func (b *builder) add(ctx context.Context, r solve.Result) error {
	switch {
	case r.InBase:
		b.mu.Lock()
		defer b.mu.Unlock()
		b.report.InBase = append(b.report.InBase, r.Name)
		return nil
	case r.Unsolvable != "":
		b.unsolved(r.Name, r.Unsolvable)
		return nil
	case b.otherwiseNamed(r):
		return nil
	}
	t := &tree.Tree{Format: tree.Format, Platform: b.Platform, Name: r.Name, Needs: r.Needs}
	for i, pkg := range r.Packages {
		entry := pkg.Package
		entry.Requires = r.Requires[i]
		clip(&entry)
		if b.Copy {
			rpm, err := b.rpm(ctx, pkg)
			if err != nil {
				return err
			}
			entry.Location, entry.SHA256, entry.URLs = rpm.location, rpm.sha256, nil
		} else if entry.SHA256 == "" {
			b.unsolved(r.Name, fmt.Sprintf(`the repository has a checksum of the kind %q for %s and laptops need its sha256: run createrepo_c --checksum sha256 on the repository, or build with rpms = "copy"`, pkg.ChecksumKind, entry.NEVRA))
			return nil
		}
		t.Packages = append(t.Packages, entry)
	}
	if b.Presolve {
		if err := b.addNotices(t, r.Packages); err != nil {
			return err
		}
	}
	content, err := t.Encode()
	if err != nil {
		return err
	}
	if _, err := tree.ParseTree(content, b.Platform, r.Name); err != nil {
		b.unsolved(r.Name, "laptops would refuse it: "+err.Error())
		return nil
	}
	return b.offer(t, r, content)
}

// offer writes a tree and its file lists and puts it into the catalogue.
func (b *builder) offer(t *tree.Tree, r solve.Result, content []byte) error {
	top := t.Top()
	e := &tree.Entry{
		NEVRA: top.NEVRA, Summary: top.Summary, Group: top.Group, License: top.License, URL: top.URL,
		Description: top.Description, Size: top.Installed, Provides: provides(r.Packages[len(r.Packages)-1].Provides),
		Obsoletes: obsoletes(top.Obsoletes),
	}
	for _, pkg := range t.Packages {
		e.Download += pkg.Size
	}
	if b.Presolve {
		e.Tree = tree.NewRef("trees/"+t.Name+"@", content, ".json")
		if err := b.folder.add(e.Tree.Path, content); err != nil {
			return err
		}
		files, err := b.fileLists(r)
		if err != nil {
			return err
		}
		if files != nil {
			e.Files = tree.NewRef("files/"+t.Name+"@", files, ".json")
			if err := b.folder.add(e.Files.Path, files); err != nil {
				return err
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries = append(b.entries, e)
	if b.sugar != nil {
		b.nodes = append(b.nodes, newNode(t))
	}
	b.report.Solved = append(b.report.Solved, Solved{Name: t.Name, Version: top.EVR(), Packages: len(t.Packages), Download: e.Download})
	return nil
}

// addNotices writes what the repositories say of why the tree's versions came, where they say
// something that laptops read.
func (b *builder) addNotices(t *tree.Tree, packages []*solve.Package) error {
	about := b.solved.Notices(packages)
	if len(about) == 0 {
		return nil
	}
	content, err := (&tree.Notices{Format: tree.Format, Platform: b.Platform, Name: t.Name, Notices: about}).Encode()
	if err != nil {
		return err
	}
	if _, err := tree.ParseNotices(content, b.Platform, t.Name); err != nil {
		return nil
	}
	t.Notices = tree.NewRef("notices/"+t.Name+"@", content, ".json")
	b.mu.Lock()
	b.notices = append(b.notices, t.Notices.Path)
	b.mu.Unlock()
	return b.folder.add(t.Notices.Path, content)
}

func (b *builder) unsolved(name, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.report.Unsolved = append(b.report.Unsolved, Unsolved{name, reason})
}

// fileLists encodes the file lists of a tree's packages; nil where there are none, or so many that
// no laptop reads them.
func (b *builder) fileLists(r solve.Result) ([]byte, error) {
	if !b.solved.HasFiles() {
		return nil, nil
	}
	lists := &tree.FileLists{Format: tree.Format, Platform: b.Platform, Name: r.Name}
	for _, pkg := range r.Packages {
		once, _ := b.files.LoadOrStore(pkg, sync.OnceValue(func() []string { return files(b.solved.Files(pkg)) }))
		if paths := once.(func() []string)(); len(paths) > 0 {
			lists.Packages = append(lists.Packages, tree.FileList{NEVRA: pkg.NEVRA, Files: paths})
		}
	}
	if len(lists.Packages) == 0 {
		return nil, nil
	}
	content, err := lists.Encode()
	if err != nil {
		return nil, err
	}
	if _, err := tree.ParseFileLists(content, b.Platform, r.Name); err != nil {
		return nil, nil
	}
	return content, nil
}

// publish makes all that was written appear.
func (b *builder) publish(old *old) error {
	keep := newKeep()
	var platform []byte
	if b.Presolve {
		var err error
		if platform, err = b.platform(old, keep); err != nil {
			return err
		}
	}
	if b.sugar != nil {
		if err := b.writeNodes(keep); err != nil {
			return err
		}
	}
	if !b.Presolve {
		b.report.Changed = len(b.sugar.last) > 0
		b.report.Serial = old.report.Serial
		if b.report.Changed {
			b.report.Serial++
		}
	}
	report, err := b.report.encode()
	if err != nil {
		return err
	}
	if !bytes.Equal(report, old.reportJSON) {
		if err := b.folder.replace("report.json", report); err != nil {
			return err
		}
	}
	if platform != nil {
		if err := b.folder.replace("platform.json", platform); err != nil {
			return err
		}
	}
	if b.sugar != nil {
		if err := b.sugar.commit(); err != nil {
			return err
		}
	}
	if err := b.folder.commit(); err != nil {
		return err
	}
	if !b.report.Changed {
		return nil
	}
	keep.addOld(old)
	return b.clean(keep)
}

// platform adds the catalogue and returns the new platform.json, nil where the old one is good.
func (b *builder) platform(old *old, keep *keep) ([]byte, error) {
	next := &tree.Platform{
		Format: tree.Format, Platform: b.Platform, Arch: b.Arch, Serial: 1,
		Created: b.Now.UTC().Truncate(time.Second),
		Expires: b.Now.Add(b.ValidFor).UTC().Truncate(time.Second),
		Base:    baseOf(b.solved.Base()),
		Keys:    b.Keys,
	}
	for _, e := range b.entries {
		keep.add(e.Tree.Path)
		keep.add(e.Files.Path)
	}
	for _, path := range b.notices {
		keep.add(path)
	}
	shards, err := b.shards()
	if err != nil {
		return nil, err
	}
	for _, s := range shards {
		if err := b.folder.add(s.ref.Path, s.content); err != nil {
			return nil, err
		}
		keep.add(s.ref.Path)
		next.Catalogue = append(next.Catalogue, s.ref)
	}
	if err := b.addTexts(next, keep); err != nil {
		return nil, err
	}
	b.rpms.Range(func(_, once any) bool {
		if r, err := once.(func() (rpm, error))(); err == nil {
			keep.add(r.location)
		}
		return true
	})
	if was := old.platform; was != nil {
		next.Serial = was.Serial
		if same(was, next) {
			b.report.Serial = was.Serial
			next.Created = was.Created
			if half := b.Now.Add(b.ValidFor / 2); was.Expires.After(half) && !was.Expires.After(next.Expires) {
				return nil, nil
			}
			return encodePlatform(next)
		}
		next.Serial++
	}
	b.report.Changed = true
	b.report.Serial = next.Serial
	return encodePlatform(next)
}

// A shard is one as it is published.
type shard struct {
	content []byte
	ref     tree.ShardRef
}

// shards are the catalogue's: as many as there are entries for, or more where one would be larger
// than laptops take.
func (b *builder) shards() ([]shard, error) {
	for n := tree.Shards(len(b.entries)); ; n *= 2 {
		entries := make([][]*tree.Entry, n)
		for _, e := range b.entries {
			i := tree.Shard(e.Name, n)
			entries[i] = append(entries[i], e)
		}
		all, fit := make([]shard, n), true
		for i := range all {
			var err error
			if all[i].content, all[i].ref, err = tree.EncodeShard(entries[i]); err != nil {
				return nil, err
			}
			fit = fit && all[i].ref.Unpacked <= tree.MaxShard && all[i].ref.Size <= tree.MaxShardFile
		}
		if fit || n >= tree.MaxShards {
			return all, nil // platform.json is looked at as a whole
		}
	}
}

// encodePlatform is platform.json, where laptops would take it.
func encodePlatform(p *tree.Platform) ([]byte, error) {
	content, err := p.Encode()
	if err != nil {
		return nil, err
	}
	if _, err := tree.ParsePlatform(content, p.Platform); err != nil {
		return nil, fmt.Errorf("laptops would refuse what would be published: %w: offer fewer packages", err)
	}
	return content, nil
}

// same tells whether two platforms offer the same.
func same(a, b *tree.Platform) bool {
	return a.Arch == b.Arch && a.Serial == b.Serial && a.Base == b.Base && slices.Equal(a.Catalogue, b.Catalogue) && maps.Equal(a.Texts, b.Texts) && slices.Equal(a.Keys, b.Keys)
}

// old is what was published before.
type old struct {
	platform   *tree.Platform // nil: nothing
	report     Report
	reportJSON []byte
	paths      []string // of all files that it refers to, relative to the platform's folder
	sugar      []string // the RPMs that the Sugar Network layout refers to
}

func (b *builder) readOld() (*old, error) {
	o := new(old)
	var err error
	if o.reportJSON, err = os.ReadFile(b.folder.path("report.json")); err == nil {
		o.report.decode(o.reportJSON)
	}
	if b.sugar != nil {
		if o.sugar, err = readNodes(b.sugar); err != nil {
			return nil, err
		}
	}
	data, err := os.ReadFile(b.folder.path("platform.json"))
	if errors.Is(err, os.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was published before: %w", err)
	}
	if o.platform, err = tree.ParsePlatform(data, b.Platform); err != nil {
		return nil, fmt.Errorf("reading what was published before, %s: %w: restore it, or remove it to start with serial 1, which laptops that know a higher one refuse", b.folder.path("platform.json"), err)
	}
	o.paths = b.oldPaths(o.platform)
	return o, nil
}

// oldPaths follows platform.json to all that it refers to. What is missing or damaged is left out:
// it needs no keeping.
func (b *builder) oldPaths(p *tree.Platform) []string {
	var paths []string
	_, err := os.Stat(b.folder.path("rpms"))
	treesMatter := err == nil // they refer to further files
	if _, err := os.Stat(b.folder.path("notices")); err == nil {
		treesMatter = true
	}
	for _, ref := range p.Texts {
		paths = append(paths, ref.Path)
	}
	for i, shard := range p.Catalogue {
		paths = append(paths, shard.Path)
		data, err := os.ReadFile(b.folder.path(shard.Path))
		if err != nil || shard.Check(data) != nil {
			continue
		}
		tree.ParseShard(data, shard, i, len(p.Catalogue), func(e *tree.Entry) error {
			paths = append(paths, e.Tree.Path)
			if !e.Files.IsZero() {
				paths = append(paths, e.Files.Path)
			}
			if !treesMatter {
				return nil
			}
			data, err := os.ReadFile(b.folder.path(e.Tree.Path))
			if err != nil {
				return nil
			}
			if t, err := tree.ParseTree(data, b.Platform, e.Name); err == nil {
				paths = append(paths, t.Notices.Path)
				for _, pkg := range t.Packages {
					paths = append(paths, pkg.Location)
				}
			}
			return nil
		})
	}
	return paths
}
