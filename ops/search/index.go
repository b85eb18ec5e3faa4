// SPDX-License-Identifier: GPL-2.0-or-later

package search

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// An offering is what is found of what is on offer: top-level packages, by their ids in the record,
// and packages of their trees.
type offering struct {
	tops    []int64
	members []*db.Package
}

// asked looks into the sources' indexes for packages by what they provide: names tell where to
// look, and match which capabilities and paths are meant. indexed is false where a source has no
// index, so that the whole catalogue has to be looked through.
func (o *offering) asked(ctx context.Context, s *ops.System, w *wire.Writer, names []string, match func(name string) bool) (indexed bool, err error) {
	if err := s.Ready(ctx, w, []string{}); err != nil {
		return true, err
	}
	indexed = s.Offers.Indexed()
	var tops []tree.NEVRA
	err = s.Offers.Capabilities(ctx, ops.Progress(w), names, match, func(source string, c *tree.Capability) {
		for _, m := range c.Provides {
			if m.In == "" {
				tops = append(tops, m.NEVRA)
			} else {
				o.members = append(o.members, &db.Package{NEVRA: m.NEVRA, Summary: m.Summary, Source: source})
			}
		}
	})
	if len(tops) == 0 || offers.Ends(err) {
		return indexed, err
	}
	var of []string
	for _, p := range tops {
		of = append(of, p.Name)
	}
	if err := s.Ready(ctx, w, of); err != nil {
		return indexed, err
	}
	for _, p := range tops {
		ids, err := s.Record.Entries(p)
		if err != nil {
			return indexed, err
		}
		o.tops = append(o.tops, ids...)
	}
	return indexed, err
}

// found tells whether there is anything.
func (o *offering) found() bool { return len(o.tops)+len(o.members) > 0 }
