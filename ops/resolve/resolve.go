// SPDX-License-Identifier: GPL-2.0-or-later

// Package resolve has the op resolve, which turns names into package ids.
package resolve

import (
	"context"
	"fmt"
	"slices"
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
// package. Names that nobody knows are passed over, as PackageKit's clients expect of a list; where
// none of them is known, that is an error.
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
		var replaced []string
		if unready == nil && r.Filters.Pass(wire.Installed, false) {
			err := s.SyncInstalled(ctx)
			if err != nil {
				return err
			}
			if replaced, err = s.Offers.Replaced(names); err != nil {
				return err
			}
			slices.Sort(replaced)
		}
		all, unknown := 0, 0
		for _, id := range ids {
			found, err := list(ctx, s, w, r.Filters, id, replaced)
			if err != nil {
				return err
			}
			all += found
			if found == 0 {
				unknown++
			}
		}
		switch {
		case unknown > 0 && unready != nil: // it may be what could not be looked at
			return unready
		case all == 0 && len(r.Filters) == 0:
			return wire.Errorf(wire.PackageNotFound, "no source offers %s, and it is not installed", few(names))
		}
		return nil
	})
}

// few names the first of some names: a request may have a hundred thousand, and no client shows
// them all.
func few(names []string) string {
	const most = 10
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d others", strings.Join(names[:most], ", "), len(names)-most)
}

// list reports the packages of a name, or the one package of an id. replaced are names of
// packages that have successors, sorted.
func list(ctx context.Context, s *ops.System, w *wire.Writer, f wire.Filters, id wire.PackageID, replaced []string) (found int, err error) {
	if id.Version == "" && id.Arch == "" && id.Data == "" {
		found, own, err := s.List(ctx, w, f, ops.Query{Query: offers.Query{Name: id.Name}})
		if err != nil || !f.Pass(wire.Installed, false) {
			return found, err
		}
		if _, ok := slices.BinarySearch(replaced, id.Name); ok {
			more, err := successors(ctx, s, w, f, id.Name)
			found += more
			if err != nil {
				return found, err
			}
		}
		if !own {
			return found, nil
		}
		all, err := newer(s, id)
		for _, p := range s.Filter(f, all) {
			w.Package(wire.InfoAvailable, ops.ID(p), p.Summary)
			found++
		}
		return found, err
	}
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
func successors(ctx context.Context, s *ops.System, w *wire.Writer, f wire.Filters, name string) (found int, err error) {
	installed, err := s.Record.InstalledByName(name)
	if err != nil {
		return 0, err
	}
	old := tree.NEVRA{Name: name}
	if len(installed) > 0 {
		old = installed[0].NEVRA
	}
	all, err := s.Offers.Successors(ctx, ops.Progress(w), old)
	if err != nil {
		return 0, err
	}
	for i := range all {
		same, err := s.Offers.Installed(&all[i])
		if err != nil {
			return found, err
		}
		p := &db.Package{NEVRA: all[i].NEVRA, Source: all[i].Source, Summary: all[i].Summary}
		if err := s.Offers.Translate(ctx, p); err != nil {
			return found, err
		}
		if !same && len(s.Filter(f, []*db.Package{p})) > 0 {
			w.Package(wire.InfoAvailable, ops.ID(p), p.Summary)
			found++
		}
	}
	return found, nil
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
