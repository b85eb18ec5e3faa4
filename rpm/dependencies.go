// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"slices"
	"strings"
)

// Provides are the names that the package provides, its own among them, without versions.
func (h *Header) Provides() []string { return h.header.texts(tagProvidename) }

// Requires are the names that the package requires, without versions: names of packages, paths,
// capabilities, and rich dependencies as they are written, "(a or b)". What rpm itself must be able
// to do, "rpmlib(…)", is left out.
func (h *Header) Requires() []string {
	return slices.DeleteFunc(h.header.texts(tagRequirename), func(name string) bool { return strings.HasPrefix(name, "rpmlib(") })
}

// Obsoletes are the packages that the package takes the place of, as spec files write them:
// "hello", "hello < 1:2.0-1".
func (h *Header) Obsoletes() []string {
	return h.header.dependencies(tagObsoletename, tagObsoleteversion, tagObsoleteflags, nil)
}

// requirements are what the package requires, as rpm prints it: all of it, with versions.
func (h *Header) requirements() []string {
	return h.header.dependencies(tagRequirename, tagRequireversion, tagRequireflags, nil)
}

// dependencies are the texts of dependencies as rpm writes them (lib/rpmds.c, rpmdsNewDNEVR). wanted
// chooses by name and flags; nil: all are wanted.
func (h *header) dependencies(name, version, flag uint32, wanted func(name string, flags uint64) bool) []string {
	names := h.texts(name)
	if len(names) == 0 {
		return nil
	}
	versions, flags := h.texts(version), h.numbers(flag)
	all := make([]string, 0, len(names))
	for i, text := range names {
		var sense uint64 // rpm before 3.0.2 didn't always write it
		if i < len(flags) {
			sense = flags[i]
		}
		if wanted != nil && !wanted(text, sense) {
			continue
		}
		if i < len(versions) && i < len(flags) && versions[i] != "" {
			operator := ""
			for _, sense := range [...]struct {
				flag uint64
				sign string
			}{{1 << 1, "<"}, {1 << 2, ">"}, {1 << 3, "="}} {
				if flags[i]&sense.flag != 0 {
					operator += sense.sign
				}
			}
			if operator != "" {
				text += " " + operator
			}
			text += " " + versions[i]
		}
		all = append(all, text)
	}
	return all
}

// IsSource tells whether the header is of a source package, which has what a program is built from.
func (h *Header) IsSource() bool { return h.header.has(tagSourcepackage) }

// RPM's numbers of header tags (rpmtag.h).
const (
	tagProvidename     = 1047
	tagRequireflags    = 1048
	tagRequirename     = 1049
	tagRequireversion  = 1050
	tagObsoletename    = 1090
	tagSourcepackage   = 1106
	tagObsoleteflags   = 1114
	tagObsoleteversion = 1115
)
