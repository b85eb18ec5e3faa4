// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// members are the packages of all trees.
type members map[*solve.Package]*member

type member struct {
	in       string // the top-level package whose tree has it: itself, or that of the smallest tree
	size     int    // of that tree
	requires []*solve.Package
}

// add takes the packages of a tree.
func (m members) add(r solve.Result) {
	top := r.Packages[len(r.Packages)-1]
	for i, pkg := range r.Packages {
		x := m[pkg]
		if x == nil {
			x = new(member)
			m[pkg] = x
		}
		size := len(r.Packages)
		if pkg == top {
			size = 0
		}
		if x.in == "" || cmp.Or(cmp.Compare(size, x.size), cmp.Compare(top.Name, x.in)) < 0 {
			x.in, x.size = top.Name, size
		}
		for _, j := range r.Requires[i] {
			if needs := r.Packages[j]; !slices.Contains(x.requires, needs) { // few, and nearly always there
				x.requires = append(x.requires, needs)
			}
		}
	}
}

// users are who provides a thing, and who requires it. Some are there a thousand times.
type users struct{ provides, requires []*tree.Member }

// capabilities adds the index of what the packages in all trees provide, and who requires them.
func (p *presolve) capabilities(ctx context.Context) (tree.ShardRef, error) {
	byName := make(map[string]*users)
	at := func(name string) *users {
		u := byName[name]
		if u == nil {
			u = new(users)
			byName[name] = u
		}
		return u
	}
	for pkg, x := range p.members {
		if ctx.Err() != nil {
			return tree.ShardRef{}, context.Cause(ctx)
		}
		who := &tree.Member{NEVRA: pkg.NEVRA, Summary: text(pkg.Summary, tree.MaxPackageSummary)}
		if x.in != pkg.Name {
			who.In = x.in
		}
		for _, name := range p.solved.Capabilities(pkg) {
			u := at(name)
			u.provides = append(u.provides, who)
		}
		for _, required := range x.requires {
			if required.Name != pkg.Name {
				u := at(required.Name)
				u.requires = append(u.requires, who)
			}
		}
	}
	var names []string
	lines := make(map[string][]byte)
	unpacked := 0
	for name, u := range byName {
		if ctx.Err() != nil {
			return tree.ShardRef{}, context.Cause(ctx)
		}
		delete(byName, name)
		c := tree.Capability{Name: name, Provides: few(u.provides), Requires: few(u.requires)}
		line, err := c.Line()
		if err != nil {
			return tree.ShardRef{}, err
		}
		if line != nil {
			names, lines[name] = append(names, name), bytes.Clone(line) // which had room for more
			unpacked += len(line)
		}
	}
	slices.Sort(names)
	n := tree.CapabilityShards(unpacked)
	shards := make([][][]byte, n)
	for _, name := range names {
		i := tree.CapabilityShard(name, n)
		shards[i] = append(shards[i], lines[name])
	}
	var index []tree.ShardRef
	for _, s := range shards {
		if ctx.Err() != nil {
			return tree.ShardRef{}, context.Cause(ctx)
		}
		content, ref, err := tree.EncodeCapabilityShard(s)
		if err != nil {
			return tree.ShardRef{}, err
		}
		if err := p.folder.add(ref.Path, content); err != nil {
			return tree.ShardRef{}, err
		}
		index = append(index, ref)
	}
	content, ref, err := tree.EncodeCapabilities(index)
	if err != nil {
		return tree.ShardRef{}, err
	}
	if _, err := tree.ParseCapabilities(content, ref); err != nil {
		p.report.Warnings = append(p.report.Warnings, solve.Warning{Problem: "laptops would refuse the index of capabilities, so that there is none: " + err.Error()})
		return tree.ShardRef{}, nil
	}
	return ref, p.folder.add(ref.Path, content)
}

// few sorts packages, and takes each once; where there are more than a laptop reads it takes those
// that are offered by themselves, and as many of the others as fit.
func few(all []*tree.Member) (taken []tree.Member) {
	order := func(x, y *tree.Member) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), y.Compare(x.NEVRA), strings.Compare(x.Arch, y.Arch),
			strings.Compare(x.In, y.In), strings.Compare(x.Summary, y.Summary)) // two repositories may have a package of the same version
	}
	if len(all) > tree.MaxMembers {
		slices.SortFunc(all, func(x, y *tree.Member) int {
			return cmp.Or(cmp.Compare(min(1, len(x.In)), min(1, len(y.In))), order(x, y))
		})
		all = all[:tree.MaxMembers]
	}
	slices.SortFunc(all, order)
	for _, m := range slices.CompactFunc(all, func(x, y *tree.Member) bool { return x.NEVRA == y.NEVRA }) {
		taken = append(taken, *m)
	}
	return taken
}
