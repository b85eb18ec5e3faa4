// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Updated is which of the installed older versions of a package it is an update of: nil where that
// belongs to the base. Of the versions of an install-only package, which stay, it is the newest of
// this backend's own.
func Updated(p *tree.Package, older []db.Package) *db.Package {
	if !p.InstallOnly {
		if len(older) > 0 && older[0].Source != "" {
			return &older[0]
		}
		return nil
	}
	var newest *db.Package
	for i := range older {
		if q := &older[i]; q.Source != "" && (newest == nil || q.Compare(newest.NEVRA) > 0) {
			newest = q
		}
	}
	return newest
}

// beside is the installed version of an install-only package whose reasons a new one has, too; nil
// where there is none.
func beside(p *tree.Package, over Versions) *db.Package {
	if !p.InstallOnly || over.Same != nil {
		return nil
	}
	return Updated(p, over.Older)
}

// retire finds the versions of install-only packages that go because of those that come: of each
// name and architecture so many stay as the configuration says, those that come among them, then
// the kernel that runs, then the newest. What belongs to the base stays, too, and what something
// else needs. A limit of 0 means that all stay.
func (p *Plan) retire(ctx context.Context, s *ops.System) error {
	if s.InstallOnlyLimit <= 0 {
		return nil
	}
	var all [][]db.Package // the installed versions of those of which there will be too many
	come := make(map[string]int)
	for _, it := range p.Items {
		if !it.InstallOnly {
			continue
		}
		key := it.Name + "." + it.Arch
		if come[key]++; come[key] > 1 {
			continue
		}
		installed, err := s.Record.InstalledByName(it.Name)
		if err != nil {
			return err
		}
		installed = slices.DeleteFunc(installed, func(q db.Package) bool {
			return q.Arch != it.Arch || slices.ContainsFunc(p.Items, func(other *Item) bool { return other.NEVRA == q.NEVRA })
		})
		all = append(all, installed)
	}
	headers := make(map[tree.NEVRA]*rpm.Header)
	all = slices.DeleteFunc(all, func(installed []db.Package) bool {
		enough := len(installed) == 0 || come[installed[0].Name+"."+installed[0].Arch]+len(installed) <= s.InstallOnlyLimit
		for _, q := range installed {
			if !enough {
				headers[q.NEVRA] = nil
			}
		}
		return enough
	})
	if len(all) == 0 {
		return nil
	}
	nothing := func(string) bool { return false }
	if err := s.RPM.Read(ctx, nothing, func(_ string, h *rpm.Header) error {
		if _, ok := headers[ops.NEVRA(h)]; ok {
			headers[ops.NEVRA(h)] = h
		}
		return ctx.Err()
	}); err != nil {
		return err
	}
	release := s.Kernel()
	runs := func(q db.Package) bool { return headers[q.NEVRA] == nil || headers[q.NEVRA].OfKernel(release) }
	for _, installed := range all {
		slices.SortFunc(installed, func(a, b db.Package) int {
			if x, y := runs(a), runs(b); x != y {
				if x {
					return -1
				}
				return 1
			}
			return b.Compare(a.NEVRA)
		})
		for _, q := range installed[max(s.InstallOnlyLimit-come[installed[0].Name+"."+installed[0].Arch], 0):] {
			if q.Source != "" && !runs(q) {
				p.Retired = append(p.Retired, q)
			}
		}
	}
	return p.keepNeeded(ctx, s, headers)
}

// keepNeeded takes out of what is to be retired what anything that stays needs.
func (p *Plan) keepNeeded(ctx context.Context, s *ops.System, headers map[tree.NEVRA]*rpm.Header) error {
	for len(p.Retired) > 0 {
		unmet, err := s.RPM.UnmetByErasing(ctx, Labels(p.Retired))
		if err != nil || len(unmet) == 0 {
			return err
		}
		wanted := make(map[string]bool)
		for _, u := range unmet {
			name, _, _ := strings.Cut(u.Capability, " ")
			wanted[name] = true
		}
		meets := func(what string) bool { return wanted[what] }
		before := len(p.Retired)
		p.Retired = slices.DeleteFunc(p.Retired, func(q db.Package) bool {
			h := headers[q.NEVRA]
			return slices.ContainsFunc(h.Provides(), meets) || slices.ContainsFunc(h.Files(), meets)
		})
		if len(p.Retired) == before { // it can't be told which: all stay
			p.Retired = nil
		}
	}
	return nil
}

// runs are the items in the runs of rpm that install them: install-only packages apart from what is
// updated, since "rpm -U" would take away their older versions. Each run comes after those that
// have what its packages require; what only closes a loop doesn't count. Where nothing goes for
// something else there is one.
func (p *Plan) runs() [][]*Item {
	if !p.replaces() || !slices.ContainsFunc(p.Items, func(it *Item) bool { return it.InstallOnly }) {
		return [][]*Item{p.Items}
	}
	byName := make(map[tree.NEVRA]*Item)
	for _, it := range p.Items {
		byName[it.NEVRA] = it
	}
	level := make(map[*Item]int) // even: updated; odd: install-only
	var of func(it *Item) int
	of = func(it *Item) int {
		if l, ok := level[it]; ok {
			return l
		}
		l := 0
		if it.InstallOnly {
			l = 1
		}
		level[it] = l // two trees together may have a loop that neither has
		for _, r := range it.requires {
			required := byName[r]
			if required == nil || required == it {
				continue
			}
			at := of(required)
			if required.InstallOnly != it.InstallOnly {
				at++
			}
			l = max(l, at)
		}
		level[it] = l
		return l
	}
	var runs [][]*Item
	for _, it := range p.Items {
		for l := of(it); len(runs) <= l; {
			runs = append(runs, nil)
		}
		runs[level[it]] = append(runs[level[it]], it)
	}
	return slices.DeleteFunc(runs, func(run []*Item) bool { return len(run) == 0 })
}

// install has rpm install the items, and then remove what is retired. What one run has done stays
// done where the next one fails: the database tells.
func (c *change) install() error {
	for _, run := range c.runs() {
		var paths []string
		for _, it := range run {
			paths = append(paths, it.file.Path)
		}
		var err error
		switch {
		case c.replaces() && !run[0].InstallOnly:
			err = c.s.RPM.Upgrade(c.lock, paths, rpm.Again{Same: c.acts(wire.InfoReinstalling), Older: c.acts(wire.InfoDowngrading)}, c.allSigned(), c.progress.changed)
		case c.acts(wire.InfoReinstalling):
			err = c.s.RPM.InstallAgain(c.lock, paths, c.allSigned(), c.progress.changed)
		default:
			// What isn't in the plan can't be touched by "rpm -i", whatever somebody else installed
			// meanwhile.
			err = c.s.RPM.Install(c.lock, paths, c.allSigned(), c.progress.changed)
		}
		if err != nil {
			return err
		}
	}
	if len(c.Retired) == 0 {
		return nil
	}
	err := c.s.RPM.Erase(c.lock, Labels(c.Retired), c.progress.changed)
	var failed *rpm.Error
	if errors.As(err, &failed) && failed.Kind != rpm.Killed {
		// What was to come has come. The next new version brings another chance.
		c.s.Log.Warn("old versions could not be removed", "packages", Labels(c.Retired), "error", err)
		return nil
	}
	return err
}

// installOnly takes over that an RPM says itself that it is install-only, where its source didn't.
func (i *Item) installOnly(h *rpm.Header) (changed bool) {
	if i.InstallOnly || !h.InstallOnly() {
		return false
	}
	i.InstallOnly = true
	if i.Action == wire.InfoUpdating || i.Action == wire.InfoDowngrading {
		i.Action, i.Old = wire.InfoInstalling, nil
	}
	return true
}
