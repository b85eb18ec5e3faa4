// SPDX-License-Identifier: GPL-2.0-or-later

// Package resolve has the op resolve, which turns names into package ids.
package resolve

import (
	"context"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's op into m.
func Register(m ops.Mux, s *ops.System) { m["resolve"] = resolve(s) }

// resolve reports the packages of each name, or, for a value that is a package id, that very
// package. Names that nobody knows are passed over, as apt and dnf do: none may be left, whatever
// the filters.
func resolve(s *ops.System) ops.Op {
	return ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		w.Status(wire.StatusQuery)
		ids := make([]wire.PackageID, len(r.Values))
		names := make([]string, len(r.Values))
		for i, v := range r.Values {
			ids[i] = wire.PackageID{Name: v}
			if strings.Contains(v, ";") {
				id, err := wire.ParsePackageID(v)
				if err != nil {
					return err
				}
				ids[i] = id
			}
			names[i] = ids[i].Name
		}
		var unready error
		if r.Filters.Pass(wire.Installed, false) {
			unready = s.Ready(ctx, w, names)
			if offers.Ends(unready) {
				return unready
			}
			w.Status(wire.StatusQuery)
		}
		unknown := 0
		var lacking []string // names that may not be offered any more
		for _, id := range ids {
			found, own, err := list(ctx, s, w, r.Filters, id)
			if err != nil {
				return err
			}
			if found == 0 {
				unknown++
			}
			if isName(id) && (found == 0 || own) {
				lacking = append(lacking, id.Name)
			}
		}
		if unready == nil && r.Filters.Pass(wire.Installed, false) && len(lacking) > 0 {
			replaced, err := s.Offers.Replaced(lacking)
			if err != nil {
				return err
			}
			for _, name := range replaced {
				if err := successors(ctx, s, w, r.Filters, name); err != nil {
					return err
				}
			}
		}
		if unknown > 0 { // it may be what could not be looked at
			return unready
		}
		return nil
	})
}

// isName tells whether a value is a name and no id.
func isName(id wire.PackageID) bool { return id.Version == "" && id.Arch == "" && id.Data == "" }

// list reports the packages of a name, or the one package of an id. own tells of a name that
// nothing else may be known than what this backend has installed.
func list(ctx context.Context, s *ops.System, w *wire.Writer, f wire.Filters, id wire.PackageID) (found int, own bool, err error) {
	if isName(id) {
		found, own, err := s.List(ctx, w, f, ops.Query{Query: offers.Query{Name: id.Name}})
		if err != nil || !own || !f.Pass(wire.Installed, false) {
			return found, own, err
		}
		own = found == 0 || f.Pass(wire.Installed, true) // else nobody has looked, and what was found is on offer
		all, err := newer(s, id)
		for _, p := range s.Filter(f, all) {
			w.Package(wire.InfoAvailable, ops.ID(p), p.Summary)
			found++
		}
		return found, own, err
	}
	found, err = one(ctx, s, w, f, id)
	return found, false, err
}

// one reports the package of an id.
func one(ctx context.Context, s *ops.System, w *wire.Writer, f wire.Filters, id wire.PackageID) (found int, err error) {
	installed, err := s.FindInstalled(ctx, id)
	if err != nil {
		return 0, err
	}
	if installed != nil {
		if f.Pass(wire.Installed, true) {
			w.Package(wire.InfoInstalled, ops.ID(installed), installed.Summary)
		}
		return 1, nil
	}
	if !f.Pass(wire.Installed, false) || id.Installed() {
		return 0, nil
	}
	l, err := s.Offers.Line(ops.Wanted(id))
	if err != nil {
		return 0, err
	}
	if l != nil {
		p := &db.Package{NEVRA: l.NEVRA, Source: l.Source, Summary: l.Summary}
		if err := s.Offers.Translate(ctx, p); err != nil {
			return 0, err
		}
		w.Package(wire.InfoAvailable, ops.ID(p), p.Summary)
		return 1, nil
	}
	all, err := newer(s, id)
	for _, p := range all {
		is := ops.ID(p)
		if (id.Version == "" || id.Version == is.Version) && (id.Arch == "" || id.Arch == is.Arch) && (id.Data == "" || id.Data == is.Data) {
			w.Package(wire.InfoAvailable, is, p.Summary)
			return 1, nil
		}
	}
	return 0, err
}

// successors reports what has taken the place of a package that isn't offered any more.
func successors(ctx context.Context, s *ops.System, w *wire.Writer, f wire.Filters, name string) error {
	installed, err := s.Record.InstalledByName(name)
	if err != nil {
		return err
	}
	old := tree.NEVRA{Name: name}
	if len(installed) > 0 {
		old = installed[0].NEVRA
	}
	all, err := s.Offers.Successors(ctx, ops.Progress(w), old)
	if err != nil {
		return err
	}
	for i := range all {
		same, err := s.Offers.Installed(&all[i])
		if err != nil {
			return err
		}
		p := &db.Package{NEVRA: all[i].NEVRA, Source: all[i].Source, Summary: all[i].Summary}
		if err := s.Offers.Translate(ctx, p); err != nil {
			return err
		}
		if !same && len(s.Filter(f, []*db.Package{p})) > 0 {
			w.Package(wire.InfoAvailable, ops.ID(p), p.Summary)
		}
	}
	return nil
}

// newer are the newer versions of a package that came with programs, as their trees have it now:
// what get-updates tells can be named. Trees that are not in the record are not asked for.
// Top-level packages are left out: they are known without that.
func newer(s *ops.System, id wire.PackageID) ([]*db.Package, error) {
	programs, err := s.Record.Programs(id.Name)
	if err != nil {
		return nil, err
	}
	var all []*db.Package
	for _, program := range programs {
		t, source, err := s.Offers.KeptTree(program)
		if err != nil {
			return nil, err
		}
		for i := range t.Packages {
			p := &t.Packages[i]
			if p.Name != id.Name {
				continue
			}
			over, err := transaction.Compare(s, p)
			if err != nil {
				return nil, err
			}
			top, err := s.Offers.Line(offers.Wanted{Name: p.Name, EVR: p.EVR(), Arch: p.Arch})
			if err != nil {
				return nil, err
			}
			if top == nil && transaction.Updated(p, over.Older) != nil {
				all = append(all, &db.Package{NEVRA: p.NEVRA, Summary: p.Summary, Source: source})
			}
		}
	}
	return all, nil
}
