// SPDX-License-Identifier: GPL-2.0-or-later

package install

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// provider is a package on offer that meets a dependency, as rpm writes it; nil where none does. It
// may be one of a tree. Of versions only packages' own are known: rpm itself has the last word.
func provider(ctx context.Context, s *ops.System, w *wire.Writer, dependency string) (*offers.Offer, error) {
	name, _, _ := strings.Cut(dependency, " ")
	if strings.HasPrefix(dependency, "(") {
		return nil, nil // rich ones are not taken apart: few RPMs outside a distribution have any
	}
	if tree.CheckName(name) == nil && !strings.ContainsAny(name, "()") {
		o, err := s.Find(ctx, w, wire.PackageID{Name: name})
		if err == nil && o.Package().Meets(dependency) {
			return o, nil
		}
		if err != nil && !errors.Is(err, offers.ErrNotOffered) {
			return nil, err
		}
	}
	type member struct {
		source string
		tree.Member
	}
	var all []member
	unready := s.Offers.Capabilities(ctx, ops.Progress(w), []string{name}, func(source string, c *tree.Capability) error {
		if c.Name == name {
			for _, m := range c.Provides {
				all = append(all, member{source, m})
			}
		}
		return nil
	})
	if offers.Ends(unready) {
		return nil, unready
	}
	// What is offered by itself comes first, of that the newest.
	slices.SortStableFunc(all, func(a, b member) int {
		return cmp.Or(cmp.Compare(min(1, len(a.In)), min(1, len(b.In))), cmp.Compare(a.Name, b.Name), b.Compare(a.NEVRA))
	})
	for _, m := range all {
		o, err := s.Offers.Member(ctx, ops.Progress(w), m.source, &m.Member)
		if err != nil {
			return nil, err
		}
		if o != nil && (o.Package().Name != name || o.Package().Meets(dependency)) {
			return o, nil
		}
	}
	return nil, unready
}
