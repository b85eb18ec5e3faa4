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

// successors are the programs that have taken the place of an installed one and have updates for
// it: a split has several, as "dnf upgrade" brings all of them. nil: there are none.
func successors(ctx context.Context, s *ops.System, w *wire.Writer, old *db.Package) ([]*program, error) {
	all, err := s.Offers.Successors(ctx, ops.Progress(w), old.NEVRA)
	if err != nil {
		return nil, err
	}
	var programs []*program
	for i := range all {
		o, err := s.Offers.Offer(ctx, ops.Progress(w), &all[i])
		if err != nil {
			return nil, err
		}
		p := &program{offer: o}
		if err := p.look(s); err != nil {
			return nil, err
		}
		if len(p.updates) == 0 {
			continue
		}
		if err := p.finish(ctx, s); err != nil {
			return nil, err
		}
		programs = append(programs, p)
	}
	return programs, nil
}

// replaced is a package of this backend's own that a package of the program's tree takes the place
// of; nil where there is none.
func (p *program) replaced(s *ops.System, pkg *tree.Package) (*db.Package, error) {
	if pkg.InstallOnly {
		return nil, nil
	}
	for _, dependency := range pkg.Obsoletes {
		name, _, _ := strings.Cut(dependency, " ")
		if name == pkg.Name || slices.ContainsFunc(p.offer.Tree.Packages, func(q tree.Package) bool { return q.Name == name }) {
			continue
		}
		installed, err := s.Record.InstalledByName(name)
		if err != nil {
			return nil, err
		}
		for i := range installed {
			if q := &installed[i]; q.Source != "" && q.Meets(dependency) && !q.Beside(pkg.NEVRA) {
				return q, nil
			}
		}
	}
	return nil, nil
}
