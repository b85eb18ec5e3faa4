// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import "slices"

// top is which of the candidates in the solution the top-level package is: one of the name rather
// than one that obsoletes it, of the platform's own architecture rather than of another, and of
// several the one that the solver installs last, since what others need comes before them; -1 where
// there is none.
func (w *planner) top(name string) id {
	best, top := -1, id(-1)
	for _, n := range w.candidates {
		at := int(w.position[n])
		if at == 0 {
			continue
		}
		pkg := w.packages[n]
		if pkg.Arch == w.arch || pkg.Arch == "noarch" {
			at += len(w.packages)
		}
		if isNamed(pkg, name) {
			at += 2 * len(w.packages)
		}
		if at > best {
			best, top = at, n
		}
	}
	return top
}

// isNamed tells whether a package is what a name, or "name.arch", means.
func isNamed(pkg *Package, name string) bool {
	return pkg.Name == name || pkg.Name+"."+pkg.Arch == name
}

// successors are the names of the candidates that obsolete the package of a name, sorted, where one
// of them, top, has taken its place.
func (w *planner) successors(name string, top id) []string {
	if isNamed(w.packages[top], name) {
		return nil
	}
	var all []string
	for _, n := range w.candidates {
		if pkg := w.packages[n]; pkg != nil && !isNamed(pkg, name) {
			all = append(all, pkg.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
