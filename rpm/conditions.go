// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import "strings"

// Rich are the package's requirements that aren't plain, as rpm writes them: "(plugin if editor)".
// installed leaves out those of scriptlets that have run: nobody asks for them any more.
func (h *Header) Rich(installed bool) []string {
	return h.header.dependencies(tagRequirename, tagRequireversion, tagRequireflags, func(name string, flags uint64) bool {
		return strings.HasPrefix(name, "(") && !(installed && transient(flags))
	})
}

// Required are the plain requirements of an installed package that are about names that are wanted,
// with versions, as rpm writes them.
func (h *Header) Required(wanted func(name string) bool) []string {
	return h.header.dependencies(tagRequirename, tagRequireversion, tagRequireflags, func(name string, flags uint64) bool {
		return !strings.HasPrefix(name, "(") && !transient(flags) && wanted(name)
	})
}

// transient tells whether a requirement is only for installing the package (rpmds.h,
// isTransientReq).
func transient(flags uint64) bool {
	const (
		installing = 1<<5 | 1<<7 | 1<<9 | 1<<10 // %posttrans, %pretrans, %pre, %post
		erasing    = 1<<11 | 1<<12              // %preun, %postun
		meta       = 1 << 29
	)
	return flags&installing != 0 && flags&(erasing|meta) == 0
}

// Conflicts are what must not be there beside the package, as rpm writes it.
func (h *Header) Conflicts() []string {
	return h.header.dependencies(tagConflictname, tagConflictversion, tagConflictflags, nil)
}

// Provided are the things that the package provides under the names that are wanted, with versions,
// as rpm writes them.
func (h *Header) Provided(wanted func(name string) bool) []string {
	return h.header.dependencies(tagProvidename, tagProvideversion, tagProvideflags, func(name string, _ uint64) bool { return wanted(name) })
}

// FilesAmong are those of the package's files whose paths are wanted.
func (h *Header) FilesAmong(wanted map[string]bool) (found []string) {
	for dir, base := range h.paths() {
		if wanted[dir+base] {
			found = append(found, dir+base)
		}
	}
	return found
}

// RPM's numbers of header tags (rpmtag.h).
const (
	tagConflictflags   = 1053
	tagConflictname    = 1054
	tagConflictversion = 1055
	tagProvideflags    = 1112
	tagProvideversion  = 1113
)
