// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"cmp"
	"context"
	"errors"
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

// capabilities adds the index of what the packages in all trees provide, and who requires them.
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
	for pkg, x := range p.members {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		who := tree.Member{NEVRA: pkg.NEVRA, Summary: text(pkg.Summary, tree.MaxPackageSummary)}
		if x.in != pkg.Name {
			who.In = x.in
		}
		for _, name := range p.solved.Capabilities(pkg) {
			c := at(name)
			c.Provides = append(c.Provides, who)
		}
		for required := range x.requires {
			if required.Name != pkg.Name {
				c := at(required.Name)
				c.Requires = append(c.Requires, who)
			}
		}
	}
	lines := make(map[string][][]byte)
	unpacked := 0
	for name, c := range byName {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.Provides, c.Requires = few(c.Provides), few(c.Requires)
		line, err := c.Line()
		if err != nil {
			return err
		}
		if line != nil {
			lines[name] = [][]byte{line}
			unpacked += len(line)
		}
	}
	x, err := p.addIndex(ctx, "capabilities", lines, tree.CapabilityShards(unpacked), tree.CapabilityShard)
	if errors.Is(err, tree.ErrLargeShard) {
		p.report.Warnings = append(p.report.Warnings, solve.Warning{Problem: "laptops would refuse the index of capabilities, so that there is none: " + err.Error()})
		return nil
	}
	p.next.Capabilities = x
	return err
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
