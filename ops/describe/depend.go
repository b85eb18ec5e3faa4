// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import (
	"context"
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
	t := &reporter{System: s, w: w, filters: r.Filters, reported: make(map[wire.PackageID]bool)}
	for _, id := range r.IDs {
		installed, err := s.FindInstalled(ctx, id)
		if err != nil {
			return err
		}
		if installed != nil && id.Installed() {
			if err := t.installedGraph(ctx, installed.NEVRA, r.Recursive, (*graph).dependsOn); err != nil {
				return err
			}
			continue
		}
		o, err := s.Find(ctx, w, id)
		if err != nil && installed != nil && !offers.Ends(err) { // no source is needed to tell
			err = t.installedGraph(ctx, installed.NEVRA, r.Recursive, (*graph).dependsOn)
			if err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if err := t.offered(ctx, o, r.Recursive); err != nil {
			return err
		}
	}
	return nil
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
	t := &reporter{System: s, w: w, filters: r.Filters, reported: make(map[wire.PackageID]bool)}
	for _, id := range r.IDs {
		installed, err := s.FindInstalled(ctx, id)
		if err != nil {
			return err
		}
		var nevra tree.NEVRA
		if installed != nil {
			nevra = installed.NEVRA
			if err := t.installedGraph(ctx, nevra, r.Recursive, (*graph).requiredBy); err != nil {
				return err
			}
		} else {
			o, err := s.Find(ctx, w, id)
			if err != nil {
				return err
			}
			nevra = o.Package().NEVRA
		}
		if !r.Filters.Pass(wire.Installed, false) {
			continue
		}
		if err := t.inTrees(ctx, nevra, r.Recursive); err != nil {
			return err
		}
		if err := t.inIndexes(ctx, nevra.Name, r.Recursive); err != nil {
			return err
		}
	}
	return nil
}

// inIndexes tells the packages on offer that require the packages of a name, or, if recursive,
// those that require these, and so on. Sources that can't be asked are passed over: this question
// has no end that anybody could wait for.
func (t *reporter) inIndexes(ctx context.Context, name string, recursive bool) error {
	type member struct {
		source string
		tree.Member
	}
	seen := map[string]bool{name: true}
	for names := []string{name}; len(names) > 0; {
		asked := names
		names = nil
		var all []member
		err := t.Offers.Capabilities(ctx, ops.Progress(t.w), asked, func(source string, c *tree.Capability) error {
			if slices.Contains(asked, c.Name) {
				for _, m := range c.Requires {
					all = append(all, member{source, m})
				}
			}
			return nil
		})
		if offers.Ends(err) {
			return err
		}
		if err != nil {
			t.Log.Warn("not all that require a package are known", "package", name, "error", err)
		}
		for _, m := range all {
			if err := t.report(ctx, &tree.Package{NEVRA: m.NEVRA, Summary: m.Summary}, m.source); err != nil {
				return err
			}
			if recursive && !seen[m.Name] {
				seen[m.Name] = true
				names = append(names, m.Name)
			}
		}
	}
	return nil
}

// inTrees tells the packages on offer that require a package.
func (t *reporter) inTrees(ctx context.Context, of tree.NEVRA, recursive bool) error {
	type found struct {
		pkg    tree.Package
		source string
	}
	var all []found
	err := t.Record.KeptTrees(func(source string, tr *tree.Tree) error {
		for _, i := range requirers(tr, of, recursive) {
			all = append(all, found{tr.Packages[i], source})
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

// requirers are the indexes of the packages in a tree that require a package. Which of them needs a
// package of the base is not told: the top-level package does, by way of others or, where it is
// alone, itself.
func requirers(t *tree.Tree, of tree.NEVRA, recursive bool) []int {
	top := len(t.Packages) - 1
	is := func(p tree.NEVRA) bool { return p.Name == of.Name && p.Arch == of.Arch } // in whatever version
	at := slices.IndexFunc(t.Packages, func(p tree.Package) bool { return is(p.NEVRA) })
	if at < 0 {
		needed := slices.ContainsFunc(t.Needs, is)
		if needed && (recursive || top == 0) {
			return []int{top}
		}
		return nil
	}
	requires := map[int]bool{at: true}
	var all []int
	for i := at + 1; i <= top; i++ { // install order: what requires comes after what is required
		for _, j := range t.Packages[i].Requires {
			if j == at || recursive && requires[j] {
				requires[i] = true
				all = append(all, i)
				break
			}
		}
	}
	return all
}

// A reporter reports packages that pass the filters, each once.
type reporter struct {
	*ops.System
	w        *wire.Writer
	filters  wire.Filters
	reported map[wire.PackageID]bool
	graph    *graph // nil: not read yet
}

// installedGraph tells the installed packages that a question about one has for an answer.
func (t *reporter) installedGraph(ctx context.Context, of tree.NEVRA, recursive bool, ask func(*graph, tree.NEVRA, bool) []tree.NEVRA) error {
	if !t.filters.Pass(wire.Installed, true) {
		return nil
	}
	if t.graph == nil {
		g, err := readGraph(ctx, t.RPM)
		if err != nil {
			return err
		}
		t.graph = g
	}
	for _, p := range ask(t.graph, of, recursive) {
		if err := t.report(ctx, &tree.Package{NEVRA: p}, ""); err != nil {
			return err
		}
	}
	return nil
}

// report reports a package as installed, in whatever version, or as available.
func (t *reporter) report(ctx context.Context, p *tree.Package, source string) error {
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
