// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
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

func copies(all []*tree.Member) (members []tree.Member) {
	for _, m := range all {
		members = append(members, *m)
	}
	return members
}

// capabilities adds the index of what the packages in all trees provide, what files they have, and
// who requires them.
func (p *presolve) capabilities(ctx context.Context) error {
	byName := make(map[string]*users)
	at := func(name string) *users {
		u := byName[name]
		if u == nil {
			u = new(users)
			byName[name] = u
		}
		return u
	}
	all := &allPaths{}
	packages := slices.SortedFunc(maps.Keys(p.members), func(x, y *solve.Package) int { return cmp.Compare(x.NEVRA.String(), y.NEVRA.String()) })
	for _, pkg := range packages {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		x := p.members[pkg]
		who := &tree.Member{NEVRA: pkg.NEVRA, Summary: text(pkg.Summary, tree.MaxPackageSummary)}
		if x.in != pkg.Name {
			who.In = x.in
		}
		var paths []string
		for _, name := range p.solved.Capabilities(pkg) {
			if strings.HasPrefix(name, "/") {
				paths = append(paths, name)
				continue
			}
			u := at(name)
			u.provides = append(u.provides, who)
		}
		if p.solved.HasFiles() {
			paths = append(paths, p.solved.Files(pkg)...)
		}
		all.add(*who, paths)
		for _, required := range x.requires {
			if required.Name != pkg.Name {
				u := at(required.Name)
				u.requires = append(u.requires, who)
			}
		}
	}
	all.spread()
	var lines [tree.MaxShards][][]byte
	unpacked := all.unpacked
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		u := byName[name]
		delete(byName, name)
		c := &tree.Capability{Name: name, Provides: few(copies(u.provides)), Requires: few(copies(u.requires))}
		line, err := c.Line()
		if err != nil {
			return err
		}
		if line != nil {
			i := tree.CapabilityShard(name, len(lines))
			lines[i] = append(lines[i], bytes.Clone(line)) // which had room for more
			unpacked += len(line)
		}
	}
	for n := tree.CapabilityShards(unpacked); ; n *= 2 {
		x, shards, err := tree.EncodeLargeIndex(n, func(number int) ([]byte, error) {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			per := len(lines) / n
			begin, end := number*per, (number+1)*per
			these, err := all.lines(begin, end)
			if err != nil {
				return nil, err
			}
			return bytes.Join(append(these, slices.Concat(lines[begin:end]...)...), nil), nil
		})
		switch {
		case errors.Is(err, tree.ErrLargeShard) && n < tree.MaxShards:
			continue
		case errors.Is(err, tree.ErrLargeShard):
			p.report.Warnings = append(p.report.Warnings, solve.Warning{Problem: "laptops would refuse the index of capabilities, so that there is none: " + err.Error()})
			return nil
		case err != nil:
			return err
		}
		p.next.Capabilities = x
		return p.folder.addAll(x.Folder("capabilities"), shards)
	}
}

// few sorts packages, and takes each once; where there are more than a laptop reads it takes those
// that are offered by themselves, and as many of the others as fit.
func few(all []tree.Member) []tree.Member {
	order := func(x, y tree.Member) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), y.Compare(x.NEVRA), strings.Compare(x.Arch, y.Arch),
			strings.Compare(x.In, y.In), strings.Compare(x.Summary, y.Summary)) // two repositories may have a package of the same version
	}
	if len(all) > tree.MaxMembers {
		slices.SortFunc(all, func(x, y tree.Member) int {
			return cmp.Or(cmp.Compare(min(1, len(x.In)), min(1, len(y.In))), order(x, y))
		})
		all = all[:tree.MaxMembers]
	}
	slices.SortFunc(all, order)
	return slices.CompactFunc(all, func(x, y tree.Member) bool { return x.NEVRA == y.NEVRA })
}
