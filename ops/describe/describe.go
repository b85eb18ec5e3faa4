// SPDX-License-Identifier: GPL-2.0-or-later

// Package describe has the ops that tell more about packages whose ids or files are known:
// get-details and get-files, the same of local files, depends-on and required-by.
package describe

import (
	"context"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's ops into m.
func Register(m ops.Mux, s *ops.System) {
	m["get-details"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		w.Status(wire.StatusQuery)
		if err := references(ctx, s, w, r.IDs); err != nil {
			return err
		}
		for ids := range slices.Chunk(r.IDs, treesAtOnce) {
			known, unready := trees(ctx, s, w, ids)
			for _, id := range ids[:known] {
				if err := details(ctx, s, w, id, r.WithDeps); err != nil {
					return err
				}
			}
			if unready != nil {
				return unready
			}
		}
		return nil
	})
	m["get-files"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return files(ctx, s, w, r.IDs) })
	m["get-details-local"] = eachFile(s, localDetails)
	m["get-files-local"] = eachFile(s, localFiles)
	m["depends-on"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return dependsOn(ctx, s, w, r) })
	m["required-by"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return requiredBy(ctx, s, w, r) })
}

// treesAtOnce is of how many ids the trees are loaded before the first is answered.
const treesAtOnce = 32

// references loads at once what leads to the trees of all of the ids that are on offer.
func references(ctx context.Context, s *ops.System, w *wire.Writer, ids []wire.PackageID) error {
	var names []string
	for _, id := range ids {
		if !id.Installed() {
			names = append(names, id.Name)
		}
	}
	if len(names) < 2 {
		return nil
	}
	if err := s.Ready(ctx, w, names); offers.Ends(err) {
		return err
	}
	return s.Offers.LoadReferences(ctx, names)
}

// trees loads at once those of the ids that are on offer: they tell what is to be downloaded. It tells
// how many of the ids can be answered, and why the next one can't.
func trees(ctx context.Context, s *ops.System, w *wire.Writer, ids []wire.PackageID) (known int, err error) {
	var lines []*offers.Line
	var unready error
	for _, id := range ids {
		p, err := s.FindInstalled(ctx, id)
		if err != nil {
			return 0, err
		}
		if p == nil {
			if unready = s.Ready(ctx, w, []string{id.Name}); unready != nil {
				break
			}
			l, err := s.Offers.Line(ops.Wanted(id))
			if err != nil {
				return 0, err
			}
			if l != nil {
				lines = append(lines, l)
			}
		}
		known++
	}
	if err := s.Offers.LoadTrees(ctx, lines); err != nil {
		return 0, err
	}
	return known, unready
}

// details answers get-details: how large a package is on disk, and what of it, and of what it requires
// where deps is set, this computer must still download.
func details(ctx context.Context, s *ops.System, w *wire.Writer, id wire.PackageID, deps bool) error {
	p, err := s.FindInstalled(ctx, id)
	if err != nil {
		return err
	}
	if p != nil {
		group, err := s.Offers.GroupInTrees(ctx, p)
		if err != nil {
			return err
		}
		w.Details(wire.Details{ID: ops.ID(p), Summary: p.Summary, License: p.License, Group: group, Description: text(p.Description, p.Summary), URL: p.URL, Size: p.Size})
		return nil
	}
	l, err := s.Offers.Line(ops.Wanted(id))
	if err != nil {
		return err
	}
	if l == nil {
		o, err := s.Find(ctx, w, id)
		if err != nil {
			return err
		}
		t := o.Package()
		coming, err := transaction.Coming(s, o.Source, o.Tree, o.Index, deps)
		if err != nil {
			return err
		}
		w.Details(wire.Details{ID: ops.OfferID(o), Summary: t.Summary, License: t.License, Group: t.Group, Description: text(t.Description, t.Summary), URL: t.URL, Size: t.Installed, Download: coming})
		return nil
	}
	d, err := s.Offers.Details(ctx, l)
	if err != nil {
		return err
	}
	p = &db.Package{NEVRA: l.NEVRA, Source: l.Source, Summary: d.Summary, Description: d.Description}
	if err := s.Offers.Translate(ctx, p); err != nil {
		return err
	}
	coming := int64(-1)
	if d.Tree != nil {
		if coming, err = transaction.Coming(s, l.Source, d.Tree, len(d.Tree.Packages)-1, deps); err != nil {
			return err
		}
	}
	w.Details(wire.Details{ID: ops.ID(p), Summary: p.Summary, License: d.License, Group: d.Group, Description: text(p.Description, p.Summary), URL: d.URL, Size: d.Size, Download: coming})
	return nil
}

func text(description, summary string) string {
	if description == "" {
		return summary
	}
	return description
}

// files answers get-files: from what the platform publishes and, for all installed packages in one
// go, from the RPM database. Those come last.
func files(ctx context.Context, s *ops.System, w *wire.Writer, ids []wire.PackageID) error {
	w.Status(wire.StatusQuery)
	installed := make(map[tree.NEVRA]wire.PackageID)
	for _, id := range ids {
		p, err := s.FindInstalled(ctx, id)
		if err != nil {
			return err
		}
		if p != nil {
			installed[p.NEVRA] = ops.ID(p)
		} else if err := offeredFiles(ctx, s, w, id); err != nil {
			return err
		}
	}
	if len(installed) == 0 {
		return nil
	}
	nothing := func(string) bool { return false }
	return s.RPM.Read(ctx, nothing, func(_ string, h *rpm.Header) error {
		if id, ok := installed[ops.NEVRA(h)]; ok {
			w.Files(id, h.Files())
		}
		return nil
	})
}

func offeredFiles(ctx context.Context, s *ops.System, w *wire.Writer, id wire.PackageID) error {
	o, err := s.Find(ctx, w, id)
	if err != nil {
		return err
	}
	paths, published, err := s.Offers.Files(ctx, o)
	if err != nil {
		return err
	}
	if !published {
		return wire.Errorf(wire.CannotGetFilelist, "the source %s publishes no file lists: those of %s can be told when it is installed", o.Source, id.Name)
	}
	w.Files(ops.OfferID(o), paths)
	return nil
}
