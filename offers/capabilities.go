// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Capabilities gives the lines of the sources' indexes whose names match takes: of each source it
// looks into the shards that these names are in, or would be. What a source has that can't be asked
// is passed over; the error is that of the first. The sources must be Ready for no name.
func (o *Offers) Capabilities(ctx context.Context, p Progress, names []string, match func(name string) bool, yield func(source string, c *tree.Capability)) error {
	var failed error
	for _, s := range slices.Clone(o.Sources) {
		err := o.try(ctx, attempt{s, true}, true, func(ctx context.Context) error {
			err := o.capabilities(ctx, p, s, names, match, yield)
			if !movedOn(err) {
				return err
			}
			if err := o.CatchUp(ctx, p, s.ID, []string{}, err); err != nil {
				return err
			}
			return o.capabilities(ctx, p, s, names, match, yield)
		})
		if Ends(err) {
			return err
		}
		failed = cmp.Or(failed, sourceError(s, err))
	}
	return failed
}

func (o *Offers) capabilities(ctx context.Context, p Progress, s Source, names []string, match func(string) bool, yield func(string, *tree.Capability)) error {
	platform := o.view.platforms[s.ID]
	if platform == nil || platform.Capabilities.IsZero() {
		return nil
	}
	x := platform.Capabilities
	var shards []int
	for _, name := range names {
		shards = append(shards, x.CapabilityShards(name)...)
	}
	slices.Sort(shards)
	for _, number := range slices.Compact(shards) {
		found := make(map[string]*tree.Capability) // a try that fails has found the same
		err := o.shard(ctx, p, s, capabilities, x, number, func(line []byte) error {
			c, err := x.ParseCapability(number, line)
			if err == nil && match(c.Name) {
				found[c.Name] = c
			}
			return cmp.Or(err, ctx.Err())
		})
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(found)) {
			yield(s.ID, found[name])
		}
	}
	return nil
}

// Member is a package that is in the tree of a top-level package, as Capabilities tells it. It is
// nil where the source doesn't offer that any more.
func (o *Offers) Member(ctx context.Context, p Progress, source string, m *tree.Member) (*Offer, error) {
	top, err := o.Find(ctx, p, Wanted{Name: m.Program(), Source: source})
	if errors.Is(err, ErrNotOffered) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(top.Tree.Packages, func(q tree.Package) bool { return q.NEVRA == m.NEVRA })
	if i < 0 {
		return nil, nil
	}
	top.Index = i
	return top, nil
}

// unseen is the package that is wanted where it is in a tree that this computer hasn't seen yet.
func (o *Offers) unseen(ctx context.Context, p Progress, w Wanted) (*Offer, error) {
	type member struct {
		source string
		tree.Member
	}
	var all []member
	is := func(name string) bool { return name == w.Name }
	err := o.Capabilities(ctx, p, []string{w.Name}, is, func(source string, c *tree.Capability) {
		for _, m := range c.Provides {
			if w.Is(m.NEVRA) && w.from(source) {
				all = append(all, member{source, m})
			}
		}
	})
	for _, m := range all {
		if found, err := o.Member(ctx, p, m.source, &m.Member); found != nil || err != nil {
			return found, err
		}
	}
	if Ends(err) {
		return nil, err
	}
	return nil, ErrNotOffered
}
