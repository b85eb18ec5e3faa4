// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// clip shortens a package's texts to what laptops take, and takes out what may not be in a text for
// people: control characters, but for tabs and newlines. The lists lose what laptops would refuse.
func clip(p *tree.Package) {
	p.Summary = text(p.Summary, tree.MaxPackageSummary)
	p.Description = text(p.Description, tree.MaxPackageDescription)
	p.License = text(p.License, tree.MaxLicense)
	p.Group = text(p.Group, tree.MaxGroup)
	if len(p.URL) > tree.MaxURL || !utf8.ValidString(p.URL) { // half of one leads nowhere
		p.URL = ""
	}
	p.Obsoletes = p.Obsoletes[:min(len(p.Obsoletes), tree.MaxObsoletes):min(len(p.Obsoletes), tree.MaxObsoletes)]
}

// files are those of a package's paths that a FileList takes: a name in another encoding than UTF-8
// can't be told.
func files(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return tree.CheckFile(s) != nil })
}

// text is a text of at most max bytes.
func text(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	if len(s) <= max {
		return s
	}
	end := max - len("…")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
