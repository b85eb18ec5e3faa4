// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A Query is offers.Query for what is installed, too.
type Query struct {
	offers.Query
	// Installed, where Among isn't nil, are the digests of headers that an installed package has one of.
	Installed []string
}

// List reports the packages that a query is for and that pass the filters, the installed ones
// first, as PackageKit wants it; found tells how many they are. own is false where this backend
// installed none that the query is for. The catalogue must be Ready.
func (s *System) List(ctx context.Context, w *wire.Writer, f wire.Filters, q Query) (found int, own bool, err error) {
	if err := s.SyncInstalled(ctx); err != nil {
		return 0, false, err
	}
	own = !f.Pass(wire.Installed, true) // then nobody looks
	// PackageKit's filter "newest" looks at installed and available packages separately (its
	// document "Introduction: Concepts", Filters).
	for _, installed := range []bool{true, false} {
		if !f.Pass(wire.Installed, installed) {
			continue
		}
		info := wire.InfoAvailable
		if installed {
			info = wire.InfoInstalled
		}
		var same []*db.Package // of one name
		flush := func() {
			for _, p := range s.Filter(f, same) {
				w.Package(info, ID(p), p.Summary)
				found++
			}
			same = same[:0]
		}
		add := func(p *db.Package) error {
			if len(same) > 0 && same[0].Name != p.Name {
				flush()
			}
			same = append(same, p)
			own = own || installed && p.Source != ""
			return ctx.Err()
		}
		if installed {
			err = s.installed(ctx, q, add)
		} else {
			err = s.Offers.Available(q.Query, add)
		}
		if err != nil {
			return found, own, err
		}
		flush()
	}
	return found, own, nil
}

// installed gives the installed packages that a query is for, ordered by name. A package is in the
// group that a source has it in.
func (s *System) installed(ctx context.Context, q Query, yield func(*db.Package) error) error {
	of := db.Query{Name: q.Name, In: q.In, Text: q.Text}
	if q.Among != nil {
		of.Among = append([]string{}, q.Installed...)
	}
	var err error
	if len(q.Text) > 0 {
		if of.Or, err = s.Offers.Translated(ctx, q.Text); err != nil {
			return err
		}
	}
	var all []*db.Package // nothing else may be read from the record meanwhile
	if err := s.Record.Installed(of, func(p *db.Package) error {
		all = append(all, p)
		return ctx.Err()
	}); err != nil {
		return err
	}
	for _, p := range all {
		if err := s.Offers.Translate(ctx, p); err != nil {
			return err
		}
		ok := len(q.Group)+len(q.Source)+len(q.Names) == 0 || slices.Contains(q.Source, p.Source) || slices.Contains(q.Names, p.Name)
		if !ok && len(q.Group) > 0 {
			group, err := s.Offers.Group(ctx, p)
			if err != nil {
				return err
			}
			ok = slices.Contains(q.Group, cmp.Or(group, "unknown"))
		}
		if ok {
			if err := yield(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// ListMembers reports packages of trees as available, those that pass the filters and that aren't
// installed.
func (s *System) ListMembers(ctx context.Context, w *wire.Writer, f wire.Filters, members []*db.Package) error {
	slices.SortStableFunc(members, func(a, b *db.Package) int { return strings.Compare(a.Name, b.Name) })
	for len(members) > 0 {
		n := 1
		for n < len(members) && members[n].Name == members[0].Name {
			n++
		}
		installed, err := s.Record.InstalledByName(members[0].Name)
		if err != nil {
			return err
		}
		same := slices.DeleteFunc(slices.Clone(members[:n]), func(p *db.Package) bool {
			return slices.ContainsFunc(installed, func(q db.Package) bool { return q.NEVRA == p.NEVRA })
		})
		for _, p := range s.Filter(f, same) {
			w.Package(wire.InfoAvailable, ID(p), p.Summary)
		}
		members = members[n:]
	}
	return ctx.Err()
}

// ID is the package id of a package as it is installed or offered.
func ID(p *db.Package) wire.PackageID {
	id := wire.PackageID{Name: p.Name, Version: p.EVR(), Arch: p.Arch, Data: p.Source}
	if p.Installed {
		id.Data = "installed"
		if p.Source != "" {
			id.Data = "installed:" + p.Source
		}
	}
	return id
}

// Filter takes out of the packages of one name those that the filters keep back, and those that an
// earlier source offers too.
func (s *System) Filter(f wire.Filters, same []*db.Package) []*db.Package {
	if len(same) > 1 {
		slices.SortStableFunc(same, func(a, b *db.Package) int {
			if c := b.Compare(a.NEVRA); c != 0 {
				return c
			}
			if c := strings.Compare(a.Arch, b.Arch); c != 0 {
				return c
			}
			return s.Offers.Rank(a.Source) - s.Offers.Rank(b.Source)
		})
		same = slices.CompactFunc(same, func(a, b *db.Package) bool { return a.NEVRA == b.NEVRA })
	}
	var kept []*db.Package
	for i, p := range same {
		newest := !slices.ContainsFunc(same[:i], func(q *db.Package) bool { return q.Arch == p.Arch && q.Compare(p.NEVRA) > 0 })
		if f.Pass(wire.Newest, newest) && f.Pass(wire.Arch, s.native(p.Arch)) && f.Pass(wire.Basename, isBasename(p.Name)) {
			kept = append(kept, p)
		}
	}
	return kept
}

// native tells whether packages of an architecture are the platform's own.
func (s *System) native(arch string) bool {
	return slices.Contains(tree.Compatible(s.Offers.Arch()), arch)
}

// isBasename tells whether a package is a program itself and not a part of one: the name of the
// source package, which would tell, is not in a catalogue.
func isBasename(name string) bool {
	for _, part := range []string{"-devel", "-dev", "-debuginfo", "-debugsource", "-dbg", "-dbgsym", "-doc", "-docs", "-common", "-data", "-libs", "-lang", "-l10n"} {
		if strings.HasSuffix(name, part) {
			return false
		}
	}
	return true
}
