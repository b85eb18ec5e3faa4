// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// checkArch notes which repositories have no package that can be installed on the architecture. It
// is an error where none has any: then the base would be said to lack packages that are there, for
// others.
func (p *Platform) checkArch(ctx context.Context, repositories []Repository, note func(string)) error {
	type repository struct {
		fit    bool
		arches map[string]bool
	}
	all := make([]repository, len(repositories))
	start, end := p.main.installed()
	for n := range p.main.end() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		arch := p.main.arch(n)
		if arch == "" || n >= start && n < end {
			continue // no package, or one of a base that is installed
		}
		r := &all[p.main.repoOf(n)]
		if p.main.usable(n) {
			r.fit = true
			continue
		}
		if r.arches == nil {
			r.arches = make(map[string]bool)
		}
		r.arches[arch] = true
	}
	var nothing []string
	for i, r := range all {
		if r.fit {
			continue
		}
		has := "it has no packages at all"
		if len(r.arches) > 0 {
			has = "it has packages for " + Visible(strings.Join(slices.Sorted(maps.Keys(r.arches)), ", ")) + " only"
		}
		nothing = append(nothing, fmt.Sprintf("the repository %s has nothing for %s: %s", repositories[i].ID, p.arch, has))
	}
	if len(nothing) == len(all) {
		return fmt.Errorf("%s: name the repository that is for %s", strings.Join(nothing, "; "), p.arch)
	}
	for _, text := range nothing {
		note(text)
	}
	return nil
}
