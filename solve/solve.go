// SPDX-License-Identifier: GPL-2.0-or-later

// Package solve turns repositories of RPM packages into trees: for each top-level package, every
// package that it needs beyond the base, in install order.
//
// A platform has repositories, which are read in full, and one base, the standard installation that
// every laptop has: either the closure of a few packages or the contents of an RPM database. The
// base counts as installed; one solve with libsolv, the solver of dnf and zypper and set as dnf
// sets it, finds what is missing for one top-level package. What can't be solved without changing
// the base is unsolvable, with the reason in words.
//
// This package knows nothing of what is published where and how; it hands out facts about packages.
// It reads no configuration file, but its errors name keys of presolver's where those are what
// people would change. It is the only one that needs cgo, and no client imports it.
package solve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Config says what a platform consists of.
type Config struct {
	Arch         string // as RPM names it, e.g. "x86_64"
	Repositories []Repository
	Base         Base
	// Modules are the streams that are enabled, at most one of a module. PlatformID is what
	// os-release has as PLATFORM_ID, e.g. "platform:el8"; empty: the only one that streams require.
	Modules    []Module
	PlatformID string
	// WeakDependencies adds what packages recommend.
	WeakDependencies bool
	// FileLists makes Platform.Files work. Without it the file lists are read only where a
	// dependency needs them.
	FileLists bool
	// Downloads brings the files; nil: one that keeps nothing and has little patience.
	Downloads *Downloader
	// Note is told, in a few words, what Open is about to do. It may be nil.
	Note func(string)
	// Warn is told at once what Platform.Warnings lists. It may be nil.
	Warn func(Warning)
}

// A Repository is rpm-md metadata and the RPMs that it describes. It is at one place or more, its
// mirrors: those of URL and URLs, in this order, then those of Metalink, then those of MirrorList.
// Each file is asked for at one after the other until one has it right.
type Repository struct {
	ID   string   // its name in messages
	URL  string   // http, https or file; what holds repodata/
	URLs []string // the same
	// MirrorList is the URL of a text with such a URL in each line, Metalink that of a metalink of
	// repomd.xml, of version 3 or 4, whose checksums count.
	MirrorList, Metalink string
	// Prefer are mirrors that come before the others of Metalink and MirrorList where these name
	// them: lists come in another order each time, and what trees name shouldn't.
	Prefer []string
	// ModuleHotfixes: no package is left out for modules, and what its modules.yaml says isn't
	// needed.
	ModuleHotfixes bool
}

// all are the places that the configuration gives.
func (r *Repository) all() []string {
	if r.URL == "" {
		return r.URLs
	}
	return append([]string{r.URL}, r.URLs...)
}

// Base says what is installed already: Packages of the repositories with all that they need, or,
// where Packages is empty, what the RPM database of the system in the folder Root has. RPMDB is the
// database's folder below Root; empty: usr/lib/sysimage/rpm or var/lib/rpm, whichever is there.
type Base struct {
	Packages []string
	Root     string
	RPMDB    string
}

// A Platform is ready to solve. Its methods may be called by several goroutines. It holds memory
// that isn't Go's, so it must be closed.
type Platform struct {
	packages []*Package // by id; nil: no package, or of another architecture
	requires requirements
	base     []tree.NEVRA
	baseIDs  struct{ start, end id }
	baseByID []tree.NEVRA // in the order of the ids
	baseName map[string]bool
	names    map[string]bool
	arch     string
	weak     bool
	files    bool
	notices  *notices
	texts    texts
	groups   categories
	private  []string // ids of repositories with a password
	misnamed []string
	left     []id // the packages that are left out
	leftOut  leftOut
	mirrors  []*mirrors // by repository
	listed   []string   // ids of the repositories, in the same order
	warnings []Warning
	input    Input

	downloads ownDownloader // for RPMs

	again *again // what Keep and Recall are about; nil: nothing

	mu   sync.Mutex // guards main
	main *pool
}

// A Package is a package of a repository.
type Package struct {
	// Package has all but Location and Requires. URLs is where the RPM is in its repository, at the
	// first mirrors of it; empty where Nowhere tells why no place is told.
	// SHA256 and Digest are both empty where the repository has a checksum that is no longer any
	// good.
	tree.Package
	Checksum     string   // what the repository has, in hexadecimal
	ChecksumKind string   // of the Checksum: "sha256", "sha512", "sha1", …
	Provides     []string // what what-provides may ask for, sorted
	Nowhere      string   // for people to read; else empty

	id             id
	repository     int
	base, location string // see fileURL
}

// A Result is what came out for one name.
type Result struct {
	Name string // as it was asked for: a package's name, or "name.arch"
	// Packages is the tree in install order, the top-level package last: the package Name, or the
	// one that has taken its place. They are shared: not to be changed.
	Packages []*Package
	// Successors are the names of the packages that obsolete the package Name, sorted, where one of
	// them has taken its place; else empty.
	Successors []string
	// Requires are, for each of Packages, the indexes of those that it requires directly, all lower
	// than its own.
	Requires [][]int
	// Needs are the base's packages that meet direct requirements of Packages, sorted.
	Needs []tree.NEVRA
	// InBase: the base has the package, so there is no tree.
	InBase bool
	// Unsolvable is the reason why there is no tree, for people to read; else empty.
	Unsolvable string
}

// Open downloads and reads the repositories and solves the base. Its errors name the URL or the
// folder.
func Open(ctx context.Context, c Config) (*Platform, error) {
	note := c.Note
	if note == nil {
		note = func(string) {}
	}
	if c.Arch == "" || len(c.Repositories) == 0 {
		return nil, errors.New("a platform needs an architecture and at least one repository")
	}
	main := newPool(c.Arch)
	var logins credentials
	c.Repositories, logins = takeCredentials(c.Repositories)
	if c.Warn == nil {
		c.Warn = func(Warning) {}
	}
	p := &Platform{main: main, arch: c.Arch, weak: c.WeakDependencies}
	var err error
	if p.downloads, err = c.downloads(logins); err != nil {
		main.free()
		return nil, err
	}
	c.Downloads = p.downloads.Downloader
	for _, l := range logins {
		p.private = append(p.private, l.id)
	}
	p.private = slices.Compact(p.private)
	if err := p.open(ctx, c, logins, note); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Platform) open(ctx context.Context, c Config, logins credentials, note func(string)) error {
	warn := func(w Warning) {
		p.warnings = append(p.warnings, w)
		c.Warn(w)
	}
	l, err := load(ctx, p.main, c, note, warn)
	if err != nil {
		return err
	}
	p.mirrors, p.files, p.notices, p.texts, p.groups = l.mirrors, l.files, &l.notices, l.texts, l.groups
	if len(c.Base.Packages) == 0 {
		note("reading the base from " + c.Base.Root)
		if l.input.base, err = loadBase(ctx, p.main, c.Base); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.main.prepare()
	if err := p.checkArch(ctx, c.Repositories, note); err != nil {
		return err
	}
	if err := p.filterModules(ctx, c, &l.modules, note, warn); err != nil {
		return err
	}
	if len(c.Base.Packages) > 0 {
		note("solving the base")
		_, reason := p.main.solve(ctx, c.WeakDependencies, c.Base.Packages...)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if reason != "" {
			return fmt.Errorf("the base can't be solved: %s", reason)
		}
		p.main.installLast()
	}
	note("looking at the packages")
	if err := p.describe(ctx); err != nil {
		return err
	}
	l.input.mirrors = l.mirrors
	p.input = l.input.of(c, logins) // the mirrors are in the order in which the packages' URLs have them
	for i, r := range c.Repositories {
		p.listed = append(p.listed, r.ID)
		if w := p.nowhere(i, r.ID); w != nil {
			warn(*w)
		}
	}
	if len(p.misnamed) > 0 {
		note(fmt.Sprintf("leaving out %d packages whose names are none that rpm takes, e.g. %s", len(p.misnamed), Visible(p.misnamed[0])))
	}
	return nil
}

// describe copies the facts about packages from libsolv, so that trees are made without locking.
func (p *Platform) describe(ctx context.Context) (err error) {
	p.baseIDs.start, p.baseIDs.end = p.main.installed()
	p.packages = make([]*Package, p.main.end())
	p.names = make(map[string]bool)
	p.baseName = make(map[string]bool)
	shared := make(map[string]string) // names, versions, licenses recur
	share := func(s string) string {
		if old, ok := shared[s]; ok {
			return old
		}
		shared[s] = s
		return s
	}
	misnamed := make(map[string]bool)
	for n := range p.main.end() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch {
		case p.inBase(n):
			nevra := p.main.nevra(n)
			p.baseByID = append(p.baseByID, nevra)
			if nevra.Name == "gpg-pubkey" {
				continue
			}
			p.base = append(p.base, nevra)
			p.baseName[nevra.Name] = true
		case p.main.usable(n):
			pkg := p.main.describe(n, p.mirrors, share)
			p.packages[n] = pkg
			if pkg.Group == "unknown" {
				pkg.Group = p.groups.group(pkg.Name)
			}
			p.groups.addPattern(p.main, pkg, p.texts.of)
			if tree.CheckName(pkg.Name) != nil {
				misnamed[pkg.Name] = true
				continue
			}
			p.names[pkg.Name] = true
		}
	}
	slices.SortFunc(p.base, compareNEVRA)
	p.misnamed = slices.Sorted(maps.Keys(misnamed))
	for _, n := range p.main.installOnly() {
		if pkg := p.packages[n]; pkg != nil {
			pkg.InstallOnly = true
		}
	}
	p.addConditions()
	p.requires, err = newRequirements(ctx, p.main)
	return err
}

// nowhere tells of the packages of a repository that have no place to download them from.
func (p *Platform) nowhere(repository int, id string) *Warning {
	n, first := 0, (*Package)(nil)
	for _, pkg := range p.packages {
		if pkg == nil || pkg.Nowhere == "" || pkg.repository != repository {
			continue
		}
		if n++; first == nil {
			first = pkg
		}
	}
	if n == 0 {
		return nil
	}
	w := newWarning(id, "", fmt.Errorf("packages that can't be had: %d, e.g. %s: %s", n, first.NEVRA, first.Nowhere))
	return &w
}

// Close frees the platform's memory.
func (p *Platform) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.main != nil {
		p.main.free()
		p.main = nil
	}
	p.downloads.close()
}

// Base lists the packages of the base, sorted.
func (p *Platform) Base() []tree.NEVRA { return p.base }

// Names lists the names of all packages that the repositories have for this architecture, and that
// modules don't leave out, sorted.
func (p *Platform) Names() []string {
	names := make([]string, 0, len(p.names))
	for name := range p.names {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Misnamed lists the names of packages that are none that rpm takes, sorted. They are as the
// repositories have them, so they need Visible before people see them. There are no trees of them.
func (p *Platform) Misnamed() []string { return p.misnamed }

// Has tells how many of these packages the repositories have.
func (p *Platform) Has(packages []tree.NEVRA) (n int) {
	for _, pkg := range p.packages {
		if pkg != nil && slices.Contains(packages, pkg.NEVRA) {
			n++
		}
	}
	return n
}

// Private lists the ids of the repositories that need a user name and a password. Package.URLs
// doesn't have these.
func (p *Platform) Private() []string { return p.private }

// Warnings are what is wrong with the repositories and kept no tree from being made.
func (p *Platform) Warnings() []Warning { return p.warnings }

// Mirrors are the mirrors that are published, by the id of the repository, where they are from a
// MirrorList or Metalink: see Repository.Prefer.
func (p *Platform) Mirrors() map[string][]string {
	all := make(map[string][]string)
	for i, m := range p.mirrors {
		if !m.listed {
			continue
		}
		urls := m.order()
		all[p.listed[i]] = urls[:min(len(urls), maxTreeURLs)]
	}
	return all
}

// Repositories are the places of the repositories, each at its first mirrors: see
// Package.InRepository.
func (p *Platform) Repositories() []tree.Repository {
	var all []tree.Repository
	for _, m := range p.mirrors[:min(len(p.mirrors), tree.MaxRepositories)] {
		urls := m.order()
		all = append(all, tree.Repository{URLs: urls[:min(len(urls), maxTreeURLs)]})
	}
	return all
}

// HasFiles tells whether a repository has file lists and they were asked for.
func (p *Platform) HasFiles() bool { return p.files }

// Notices are what the repositories say of why packages came in these versions or in older ones: at
// most tree.MaxNotices of a package, the newest first. They are shared: not to be changed, but for
// the notices' own Packages.
func (p *Platform) Notices(packages []*Package) []tree.Notice { return p.notices.about(packages) }

// Texts are the summaries and descriptions that the repositories have in other languages, by
// language and name of the package. They are shared: not to be changed.
func (p *Platform) Texts() map[string]map[string]*tree.Text { return p.texts.of }

// Categories are the groups of the repositories' comps, what these are in, and openSUSE's patterns,
// in the order of menus. Those with Groups name others that have none. They are shared: not to be
// changed.
func (p *Platform) Categories() []Category { return p.groups.sorted() }

// Files lists the files and folders of a package, sorted.
func (p *Platform) Files(pkg *Package) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.main.files(pkg.id)
}

// Capabilities lists what a package provides, in whatever version, and its files that are commands
// or below /etc: those that createrepo_c puts into primary.xml. They are sorted.
func (p *Platform) Capabilities(pkg *Package) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := []string{pkg.Name}
	for _, s := range p.main.provides(pkg.id) {
		all = append(all, withoutVersion(s))
	}
	for _, file := range p.main.files(pkg.id) {
		if tree.IsCommand(file) {
			all = append(all, file)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Solve makes a tree for each name, on as many processors as there are, and gives each Result to
// do, which is called by several goroutines at once and in no particular order. It ends early with
// ctx's error or the first of do's.
func (p *Platform) Solve(ctx context.Context, names []string, do func(Result) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan string)
	var workers sync.WaitGroup
	clone := func() *pool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.main.clone(p.weak)
	}
	var first *pool // that the first worker uses which needs one
	if p.again != nil {
		p.again.prepare.Do(func() {
			first = clone()
			p.mu.Lock()
			defer p.mu.Unlock()
			p.again.look(ctx, p, first)
		})
	}
	spare := make(chan *pool, 1)
	if first != nil {
		spare <- first
	}
	for range min(runtime.GOMAXPROCS(0), max(len(names), 1)) {
		workers.Go(func() {
			planner := planner{Platform: p, position: make([]int32, len(p.packages))}
			planner.pool = sync.OnceValue(func() *pool {
				select {
				case pool := <-spare:
					return pool
				default:
					return clone()
				}
			})
			defer func() {
				if planner.solved {
					planner.pool().free()
				}
			}()
			for name := range queue {
				result := planner.result(ctx, name)
				if ctx.Err() != nil {
					return
				}
				if err := do(result); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
feed:
	for _, name := range names {
		select {
		case queue <- name:
		case <-ctx.Done():
			break feed
		}
	}
	close(queue)
	workers.Wait()
	select {
	case pool := <-spare: // nobody needed it
		pool.free()
	default:
	}
	return context.Cause(ctx)
}

// candidates are the packages that installing a name chooses from, sorted by id.
func (p *Platform) candidates(name string) []id {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.main.candidates(name))
}

func (w *planner) result(ctx context.Context, name string) Result {
	r := Result{Name: name}
	if w.baseName[name] {
		r.InBase = true
		return r
	}
	candidates := w.Platform.candidates(name)
	w.candidates = slices.DeleteFunc(slices.Clone(candidates), func(n id) bool {
		return w.packages[n] != nil && tree.CheckName(w.packages[n].Name) != nil
	})
	if len(w.candidates) == 0 && w.leftOut[name] != nil {
		r.Unsolvable = w.leftOut.reason(name)
		return r
	}
	if len(w.candidates) == 0 {
		r.Unsolvable = fmt.Sprintf("no repository has a package %s for %s", name, w.arch)
		return r
	}
	steps, ok := w.again.steps(name, candidates)
	if !ok {
		var reason string
		w.solved = true
		steps, reason = w.pool().solve(ctx, w.weak, name)
		if ctx.Err() != nil {
			return r
		}
		if reason != "" {
			r.Unsolvable = reason
			return r
		}
		w.again.remember(name, candidates, steps, w.again != nil && w.pool().firm(candidates, steps, w.inBase))
	}
	if len(steps) == 0 { // the base has it, or what has taken its place
		r.InBase = true
		return r
	}
	return w.plan(name, steps)
}

func (p *Platform) inBase(n id) bool { return n >= p.baseIDs.start && n < p.baseIDs.end }
