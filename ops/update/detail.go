// SPDX-License-Identifier: GPL-2.0-or-later

package update

import (
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// detail answers get-update-detail: what each update takes the place of, and what the repositories
// say of it.
func detail(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) error {
	programs, err := available(ctx, s, w)
	if err != nil {
		return err
	}
	w.Status(wire.StatusInfo)
	for _, id := range r.IDs {
		u := find(programs, id)
		if u == nil {
			return wire.Errorf(wire.UpdateNotFound, "%s is no update of anything that this backend installed: the list of updates tells which there are", id.Text())
		}
		obsoletes, err := obsoletes(s, u.pkg)
		if err != nil {
			return err
		}
		d := u.describe()
		d.Obsoletes = obsoletes
		w.UpdateDetail(d)
	}
	return nil
}

// find is the update that an id names.
func find(programs []*program, id wire.PackageID) *update {
	for _, p := range programs {
		for i := range p.updates {
			if u := &p.updates[i]; names(id, u) {
				return u
			}
		}
	}
	return nil
}

// names tells whether an id is of an update; what the id leaves out fits all.
func names(id wire.PackageID, u *update) bool {
	is := u.id()
	return id.Name == is.Name && (id.Version == "" || id.Version == is.Version) && (id.Arch == "" || id.Arch == is.Arch) &&
		(id.Data == "" || id.Installed() || id.Data == is.Data)
}

func (u *update) describe() wire.UpdateDetail {
	d := wire.UpdateDetail{ID: u.id(), Restart: u.restart()}
	if u.old.Name == u.pkg.Name { // else it is among what is obsoleted
		d.Updates = []wire.PackageID{ops.ID(&u.old)}
	}
	var texts []string
	if u.why != "" {
		texts = append(texts, u.why)
	}
	for _, n := range u.notices { // the newest first
		if text := strings.TrimSpace(strings.Join([]string{n.Title, n.Text}, "\n")); text != "" {
			texts = append(texts, text)
		}
		if d.Issued.IsZero() {
			d.Issued, d.Updated, d.State = n.Issued, n.Updated, state(n.State)
		}
		for _, ref := range n.References {
			to := map[string]*[]string{"bugzilla": &d.BugURLs, "cve": &d.CVEURLs, "vendor": &d.VendorURLs}[ref.Kind]
			if to != nil && !slices.Contains(*to, ref.URL) {
				*to = append(*to, ref.URL)
			}
		}
	}
	d.Text = strings.Join(texts, "\n\n")
	return d
}

// state is one of PackageKit's update states.
func state(s string) string {
	switch s {
	case "final":
		return "stable"
	case "stable", "unstable", "testing":
		return s
	}
	return ""
}

// obsoletes are the installed packages that a package would take the place of.
func obsoletes(s *ops.System, p *tree.Package) ([]wire.PackageID, error) {
	var ids []wire.PackageID
	for _, dependency := range p.Obsoletes {
		name, _, _ := strings.Cut(dependency, " ")
		installed, err := s.Record.InstalledByName(name)
		if err != nil {
			return nil, err
		}
		for _, q := range slices.DeleteFunc(installed, func(q db.Package) bool { return q.Name == p.Name || !q.Meets(dependency) }) {
			ids = append(ids, ops.ID(&q))
		}
	}
	return ids, nil
}
