// SPDX-License-Identifier: GPL-2.0-or-later

package solve

// #include <stdlib.h>
// #include "conditions.h"
import "C"

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A tree is solved with the base alone, and what else a laptop has isn't known. "(plugin if
// editor)" is met without the plugin, until an editor comes. So a package in a tree says what of
// its own dependencies is open (tree.Conditions): rich requirements that something which comes can
// break, and conflicts. And it says what it provides that such a condition of any package is about
// (tree.Package.Provided), since a laptop can't ask what no tree tells. What the base decides for
// ever is left out.

// addConditions fills in the conditions of all packages, and what they meet.
func (p *Platform) addConditions() {
	weak := cBool(p.weak)
	about := (*C.uchar)(C.calloc(C.size_t(p.main.ps.pool.ss.nstrings), 1))
	defer C.free(unsafe.Pointer(about))
	C.ps_named(p.main.ps, weak, about)
	for n, pkg := range p.packages {
		if pkg == nil {
			continue
		}
		C.ps_conditions(p.main.ps, C.Id(n), weak)
		pkg.Conditions = conditions(p.main.lines())
		C.ps_meets(p.main.ps, C.Id(n), about)
		pkg.Provided = dependencies(p.main.lines())
		for _, text := range pkg.Provided { // for whoever looks for what meets a condition
			if name, _, _ := strings.Cut(text, " "); name != pkg.Name && !strings.HasPrefix(name, "/") {
				pkg.Provides = append(pkg.Provides, name)
			}
		}
		slices.Sort(pkg.Provides)
		pkg.Provides = slices.Compact(pkg.Provides)
	}
}

func (p *pool) lines() []string {
	return strings.FieldsFunc(p.text(), func(r rune) bool { return r == '\n' })
}

func conditions(lines []string) (c tree.Conditions) {
	of := map[byte][]string{}
	for _, l := range lines {
		of[l[0]] = append(of[l[0]], l[1:])
	}
	return tree.Conditions{Requires: dependencies(of['R']), Conflicts: dependencies(of['C']), Recommends: dependencies(of['W'])}
}

// dependencies are those that laptops read, sorted, each once. rpm sees to the others, after the
// download.
func dependencies(all []string) []string {
	if len(all) == 0 {
		return nil
	}
	all = slices.DeleteFunc(all, func(s string) bool { return !tree.IsCondition(s) })
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), tree.MaxConditions)]
}
