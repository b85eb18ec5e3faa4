package rpm

import (
	"slices"
	"strings"
)

// Provides are the names that the package provides, its own among them, without versions.
func (h *Header) Provides() []string { return h.header.Header.GetTag(tagProvidename).StringSlice() }

// Requires are the names that the package requires, without versions: names of packages, paths, capabilities, and rich
// dependencies as they are written, "(a or b)". What rpm itself must be able to do, "rpmlib(…)", is left out.
func (h *Header) Requires() []string {
	names := slices.Clone(h.header.Header.GetTag(tagRequirename).StringSlice())
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "rpmlib(") })
}

// RPM's numbers of header tags (rpmtag.h).
const (
	tagProvidename = 1047
	tagRequirename = 1049
)
