// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// describe copies all facts about a package. Strings that recur go through share.
func (p *pool) describe(n id, mirrors []*mirrors, share func(string) string) *Package {
	nevra := p.nevra(n)
	for _, s := range []*string{&nevra.Name, &nevra.Version, &nevra.Release, &nevra.Arch} {
		*s = share(*s)
	}
	pkg := &Package{
		Package: tree.Package{
			NEVRA:       nevra,
			Summary:     p.summary(n),
			Description: p.description(n),
			License:     share(p.license(n)),
			Group:       group(p.group(n)),
			URL:         share(withoutUser(p.url(n))),
			Size:        p.downloadSize(n),
			Installed:   p.installedSize(n),
			Obsoletes:   p.obsoletes(n),
		},
		Provides:   askedFor(p.provides(n)),
		id:         n,
		repository: p.repoOf(n),
		base:       share(p.locationBase(n)),
		location:   p.location(n),
	}
	var err error
	if pkg.URLs, err = mirrors[pkg.repository].places(pkg.base, pkg.location, maxTreeURLs); err != nil {
		pkg.Nowhere = err.Error()
	}
	pkg.Checksum, pkg.ChecksumKind = p.checksum(n)
	switch d := tree.NewDigest(pkg.ChecksumKind, pkg.Checksum); d.Algorithm() {
	case "sha256":
		pkg.SHA256 = d.Hex()
	default:
		pkg.Digest = d
	}
	return pkg
}

// nevra is a package's name and version. What is missing comes out empty.
func (p *pool) nevra(n id) tree.NEVRA {
	v := tree.NEVRA{Name: p.name(n), Arch: p.arch(n)}
	evr := p.evr(n)
	if epoch, rest, ok := strings.Cut(evr, ":"); ok {
		if e, err := strconv.Atoi(epoch); err == nil {
			v.Epoch, evr = e, rest
		}
	}
	v.Version = evr
	if i := strings.LastIndexByte(evr, '-'); i >= 0 {
		v.Version, v.Release = evr[:i], evr[i+1:]
	}
	return v
}

// The forms of provides that clients ask what-provides for: codecs, fonts, MIME handlers,
// applications, printer drivers, desktop services, and the modules of programming languages.
var askedForms = []string{
	"application(", "font(", "gstreamer0.10(", "gstreamer1(", "mimehandler(", "metainfo(", "modalias(", "nodejs(", "npm(",
	"perl(", "php-", "pkgconfig(", "plasma4(", "plasma5(", "postscriptdriver(", "ruby(", "rubygem(", "tex(", "typelib(",
}

// askedFor are the provides that what-provides may ask for, without versions, sorted.
func askedFor(provides []string) []string {
	var asked []string
	for _, s := range provides {
		if !strings.HasSuffix(strings.SplitN(s, " ", 2)[0], ")") && !strings.Contains(s, ")(") {
			continue
		}
		if !isAskedForm(s) {
			continue
		}
		asked = append(asked, withoutVersion(s))
	}
	slices.Sort(asked)
	return slices.Compact(asked)
}

// withoutVersion is what a dependency is about: "hello" of "hello >= 2.0-1".
func withoutVersion(s string) string {
	for _, op := range []string{" = ", " >= ", " <= ", " > ", " < "} {
		s, _, _ = strings.Cut(s, op)
	}
	return s
}

func isAskedForm(s string) bool {
	for _, form := range askedForms {
		if strings.HasPrefix(s, form) {
			return true
		}
	}
	// python3dist(x), python3.11dist(x), python(x), python3-module(x)
	before, _, ok := strings.Cut(s, "(")
	return ok && strings.HasPrefix(before, "python")
}
