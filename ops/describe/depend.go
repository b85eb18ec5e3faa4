// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import (
	"context"
	"maps"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// dependsOn answers depends-on. For a package that is offered: the packages of the tree that it
// requires, itself or, if recursive, by way of others; for a whole tree also the base's packages
// that it needs. For a package as it is installed: what the RPM database says.
func dependsOn(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) error {
	w.Status(wire.StatusDepResolve)
	t := newReporter(s, w, r.Filters)
	var all []tree.NEVRA // that are answered for from the RPM database, in one go
	for _, id := range r.IDs {
		installed, err := s.FindInstalled(ctx, id)
		if err != nil {
			return err
		}
		if installed != nil && id.Installed() {
			all = append(all, installed.NEVRA)
			continue
		}
		o, err := s.Find(ctx, w, id)
		if err != nil && installed != nil && !offers.Ends(err) { // no source is needed to tell
			all = append(all, installed.NEVRA)
			continue
		}
		if err != nil {
			return err
		}
		if err := t.offered(ctx, o, r.Recursive); err != nil {
			return err
		}
	}
	return t.installedGraph(ctx, all, r.Recursive, (*graph).dependsOn)
}

// offered tells what a package of a tree depends on.
func (t *reporter) offered(ctx context.Context, o *offers.Offer, recursive bool) error {
	indexes := o.Package().Requires
	if recursive {
		all := o.Tree.Closure(o.Index)
		indexes = all[:len(all)-1]
	}
	for _, i := range indexes {
		if err := t.report(ctx, &o.Tree.Packages[i], o.Source); err != nil {
			return err
		}
	}
	if !recursive || !o.IsTop() {
		return nil
	}
	for _, n := range o.Tree.Needs {
		if err := t.report(ctx, &tree.Package{NEVRA: n}, o.Source); err != nil {
			return err
		}
	}
	return nil
}

// requiredBy answers required-by: the installed packages that require a package, as the RPM
// database says, and those on offer, as the sources' indexes say. Where a source has no index, or
// can't be asked, and for packages of the base, the trees that this computer has are looked into:
// those of packages that were installed, downloaded or asked about.
func requiredBy(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) error {
	w.Status(wire.StatusDepResolve)
	t := newReporter(s, w, r.Filters)
	var installed, all []tree.NEVRA
	for _, id := range r.IDs {
		p, err := s.FindInstalled(ctx, id)
		if err != nil {
			return err
		}
		if p != nil {
			installed, all = append(installed, p.NEVRA), append(all, p.NEVRA)
			continue
		}
		o, err := s.Find(ctx, w, id)
		if err != nil {
			return err
		}
		all = append(all, o.Package().NEVRA)
	}
	if err := t.installedGraph(ctx, installed, r.Recursive, (*graph).requiredBy); err != nil {
		return err
	}
	if !r.Filters.Pass(wire.Installed, false) {
		return nil
	}
	if err := t.inTrees(ctx, all, r.Recursive); err != nil {
		return err
	}
	return t.inIndexes(ctx, all, r.Recursive)
}

// inIndexes tells the packages on offer that require packages of the same names, or, if recursive,
// those that require these, and so on. Sources that can't be asked are passed over: what is
// installed and in the trees that are here has been told.
func (t *reporter) inIndexes(ctx context.Context, of []tree.NEVRA, recursive bool) error {
	type member struct {
		source string
		tree.Member
	}
	names := make(map[string]bool)
	for _, p := range of {
		names[p.Name] = true
	}
	seen := maps.Clone(names)
	is := func(name string) bool { return names[name] }
	for len(names) > 0 {
		var all []member
		err := t.Offers.Capabilities(ctx, ops.Progress(t.w), slices.Sorted(maps.Keys(names)), is, func(source string, c *tree.Capability) {
			for _, m := range c.Requires {
				all = append(all, member{source, m})
			}
		})
		if offers.Ends(err) {
			return err
		}
		if err != nil {
			t.Log.Warn("not all that require packages are known", "error", err)
		}
		clear(names)
		for _, m := range all {
			if err := t.report(ctx, &tree.Package{NEVRA: m.NEVRA, Summary: m.Summary}, m.source); err != nil {
				return err
			}
			if recursive && !seen[m.Name] {
				seen[m.Name], names[m.Name] = true, true
			}
		}
	}
	return nil
}

// inTrees tells the packages on offer that require one of some packages. Each tree is read once.
func (t *reporter) inTrees(ctx context.Context, of []tree.NEVRA, recursive bool) error {
	type found struct {
		pkg    tree.Package
		source string
	}
	wanted := make(map[nameArch]bool)
	for _, p := range of {
		wanted[nameArch{p.Name, p.Arch}] = true
	}
	var all []found
	seen := make(map[offered]bool)
	err := t.Offers.KeptTrees(ctx, func(source string, tr *tree.Tree) error {
		for _, i := range requirers(tr, wanted, recursive) {
			p := tr.Packages[i]
			if is := (offered{p.NEVRA, source}); !seen[is] {
				seen[is] = true
				all = append(all, found{tree.Package{NEVRA: p.NEVRA, Summary: p.Summary}, source})
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	for _, f := range all {
		if err := t.report(ctx, &f.pkg, f.source); err != nil {
			return err
		}
	}
	return nil
}

// A nameArch is a package in whatever version.
type nameArch struct{ name, arch string }

// requirers are the indexes of the packages in a tree that require one of those that are wanted.
// Which of them needs a package of the base is not told: the top-level package does, by way of
// others or, where it is alone, itself.
func requirers(t *tree.Tree, wanted map[nameArch]bool, recursive bool) []int {
	top := len(t.Packages) - 1
	there := make(map[nameArch]bool) // those that are wanted and in the tree
	requires := make([]bool, top+1)  // such a one, or is one
	var all []int
	for i, p := range t.Packages { // install order: what requires comes after what is required
		for _, j := range p.Requires {
			if requires[j] {
				requires[i] = recursive
				all = append(all, i)
				break
			}
		}
		if is := (nameArch{p.Name, p.Arch}); wanted[is] && !there[is] {
			there[is], requires[i] = true, true
		}
	}
	needed := slices.ContainsFunc(t.Needs, func(p tree.NEVRA) bool {
		is := nameArch{p.Name, p.Arch}
		return wanted[is] && !there[is]
	})
	if needed && (recursive || top == 0) && !slices.Contains(all, top) {
		all = append(all, top)
	}
	return all
}

// A reporter reports packages that pass the filters, each once.
type reporter struct {
	*ops.System
	w        *wire.Writer
	filters  wire.Filters
	reported map[wire.PackageID]bool
	seen     map[offered]bool // what report was called with
}

// An offered is a package that a source offers; "" where it is installed.
type offered struct {
	nevra  tree.NEVRA
	source string
}

func newReporter(s *ops.System, w *wire.Writer, f wire.Filters) *reporter {
	return &reporter{System: s, w: w, filters: f, reported: make(map[wire.PackageID]bool), seen: make(map[offered]bool)}
}

// installedGraph tells the installed packages that a question about some has for an answer.
func (t *reporter) installedGraph(ctx context.Context, of []tree.NEVRA, recursive bool, ask func(*graph, []tree.NEVRA, bool) []tree.NEVRA) error {
	if len(of) == 0 || !t.filters.Pass(wire.Installed, true) {
		return nil
	}
	g, err := readGraph(ctx, t.RPM)
	if err != nil {
		return err
	}
	for _, p := range ask(g, of, recursive) {
		if err := t.report(ctx, &tree.Package{NEVRA: p}, ""); err != nil {
			return err
		}
	}
	return nil
}

// report reports a package as installed, in whatever version, or as available.
func (t *reporter) report(ctx context.Context, p *tree.Package, source string) error {
	if t.seen[offered{p.NEVRA, source}] {
		return nil
	}
	t.seen[offered{p.NEVRA, source}] = true
	if err := t.SyncInstalled(ctx); err != nil {
		return err
	}
	installed, err := t.Record.InstalledByName(p.Name)
	if err != nil {
		return err
	}
	info, id, summary := wire.InfoAvailable, ops.ID(&db.Package{NEVRA: p.NEVRA, Source: source}), p.Summary
	if i := slices.IndexFunc(installed, func(q db.Package) bool { return q.Arch == p.Arch }); i >= 0 {
		info, id, summary = wire.InfoInstalled, ops.ID(&installed[i]), installed[i].Summary
	}
	if t.filters.Pass(wire.Installed, info == wire.InfoInstalled) && !t.reported[id] {
		t.w.Package(info, id, summary)
	}
	t.reported[id] = true
	return nil
}
