// SPDX-License-Identifier: GPL-2.0-or-later

package search

import (
	"cmp"
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// An offering is what is found of what is on offer: top-level packages, and packages of their trees.
type offering struct {
	tops    []tree.NEVRA
	members []*db.Package
}

// asked looks into the sources' indexes for packages by what they provide: names tell where to
// look, and match which capabilities and paths are meant. What is found is Ready to be listed.
func (o *offering) asked(ctx context.Context, s *ops.System, w *wire.Writer, names []string, match func(name string) bool) error {
	if err := s.Ready(ctx, w, []string{}); err != nil {
		return err
	}
	var of []string
	err := s.Offers.Capabilities(ctx, ops.Progress(w), names, match, func(source string, c *tree.Capability) {
		for _, m := range c.Provides {
			if m.In == "" {
				o.tops, of = append(o.tops, m.NEVRA), append(of, m.Name)
			} else {
				o.members = append(o.members, &db.Package{NEVRA: m.NEVRA, Summary: m.Summary, Source: source})
			}
		}
	})
	if len(of) == 0 || offers.Ends(err) {
		return err
	}
	return cmp.Or(s.Ready(ctx, w, of), err)
}

// query is what lists an offering, and the installed packages with these headers.
func (o *offering) query(installed []string) ops.Query {
	return ops.Query{Query: offers.Query{Among: append([]tree.NEVRA{}, o.tops...)}, Installed: installed}
}

// found tells whether there is anything.
func (o *offering) found() bool { return len(o.tops)+len(o.members) > 0 }
