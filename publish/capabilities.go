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
	requires map[*solve.Package]bool
}

// add takes the packages of a tree.
func (m members) add(r solve.Result) {
	top := r.Packages[len(r.Packages)-1]
	for i, pkg := range r.Packages {
		x := m[pkg]
		if x == nil {
			x = &member{requires: make(map[*solve.Package]bool)}
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
			x.requires[r.Packages[j]] = true
		}
	}
}

// capabilities adds the index of what the packages in all trees provide, what files they have, and
// who requires them.
func (p *presolve) capabilities(ctx context.Context) error {
	byName := make(map[string]*tree.Capability)
	at := func(name string) *tree.Capability {
		c := byName[name]
		if c == nil {
			c = &tree.Capability{Name: name}
			byName[name] = c
		}
		return c
	}
	all := &allPaths{}
	packages := slices.SortedFunc(maps.Keys(p.members), func(x, y *solve.Package) int { return cmp.Compare(x.NEVRA.String(), y.NEVRA.String()) })
	for _, pkg := range packages {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		x := p.members[pkg]
		who := tree.Member{NEVRA: pkg.NEVRA, Summary: text(pkg.Summary, tree.MaxPackageSummary)}
		if x.in != pkg.Name {
			who.In = x.in
		}
		var paths []string
		for _, name := range p.solved.Capabilities(pkg) {
			if strings.HasPrefix(name, "/") {
				paths = append(paths, name)
				continue
			}
			c := at(name)
			c.Provides = append(c.Provides, who)
		}
		if p.solved.HasFiles() {
			paths = append(paths, p.solved.Files(pkg)...)
		}
		all.add(who, paths)
		for required := range x.requires {
			if required.Name != pkg.Name {
				c := at(required.Name)
				c.Requires = append(c.Requires, who)
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
		c := byName[name]
		delete(byName, name)
		c.Provides, c.Requires = few(c.Provides), few(c.Requires)
		line, err := c.Line()
		if err != nil {
			return err
		}
		if line != nil {
			i := tree.CapabilityShard(name, len(lines))
			lines[i] = append(lines[i], line)
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
		return cmp.Or(cmp.Compare(x.Name, y.Name), y.Compare(x.NEVRA), strings.Compare(x.Arch, y.Arch))
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
