// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"fmt"
	"strconv"
	"strings"

	rpmversion "github.com/knqyf263/go-rpm-version"
)

// NEVRA names one build of a package: name, epoch, version, release, architecture.
type NEVRA struct {
	Name    string `json:"name"`
	Epoch   int    `json:"epoch,omitempty"`
	Version string `json:"version"`
	Release string `json:"release"`
	Arch    string `json:"arch"`
}

// EVR is "[epoch:]version-release", an epoch of 0 left out: the version of a PackageKit package id.
func (p NEVRA) EVR() string {
	if p.Epoch != 0 {
		return strconv.Itoa(p.Epoch) + ":" + p.Version + "-" + p.Release
	}
	return p.Version + "-" + p.Release
}

// String is "name-[epoch:]version-release.arch", as dnf prints it.
func (p NEVRA) String() string { return p.Name + "-" + p.EVR() + "." + p.Arch }

// ParseNEVRA is the reverse of String. The name of an RPM file, without ".rpm", has the same form.
func ParseNEVRA(s string) (NEVRA, error) {
	rest, arch, ok := cutLast(s, ".")
	rest, release, ok2 := cutLast(rest, "-")
	name, evr, ok3 := cutLast(rest, "-")
	if !ok || !ok2 || !ok3 || name == "" || evr == "" || release == "" || arch == "" {
		return NEVRA{}, fmt.Errorf("%q is not of the form name-version-release.arch", s)
	}
	p := NEVRA{Name: name, Arch: arch}
	if err := p.setEVR(evr + "-" + release); err != nil {
		return NEVRA{}, err
	}
	return p, nil
}

// setEVR sets epoch, version and release from "[epoch:]version-release".
func (p *NEVRA) setEVR(s string) error {
	version, release, _ := cutLast(s, "-")
	if epoch, rest, ok := strings.Cut(version, ":"); ok {
		n, err := strconv.ParseUint(epoch, 10, 31)
		if err != nil {
			return fmt.Errorf("%q has the epoch %q, which is not a number", s, epoch)
		}
		p.Epoch, version = int(n), rest
	}
	if version == "" || release == "" || strings.Contains(version, ":") || strings.Contains(release, ":") {
		return fmt.Errorf("%q is not of the form [epoch:]version-release", s)
	}
	p.Version, p.Release = version, release
	return nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Compare orders two builds by epoch, version and release as rpm does (rpm's rpmvercmp, "~" and "^"
// included): negative where p is older than q, 0 where they are the same version.
func (p NEVRA) Compare(q NEVRA) int { return CompareEVR(p.EVR(), q.EVR()) }

// CompareEVR orders two strings "[epoch:]version[-release]" as rpm does.
func CompareEVR(a, b string) int {
	if a == b {
		return 0
	}
	return rpmversion.NewVersion(a).Compare(rpmversion.NewVersion(b))
}

// Meets tells whether a dependency on a package, as spec files have them ("hello", "hello <
// 1:2.0-1"), is met by p: by its name, and its version as rpm compares them, the release only where
// both have one.
func (p NEVRA) Meets(dependency string) bool {
	f := strings.Fields(dependency)
	if len(f) == 0 || f[0] != p.Name {
		return false
	}
	if len(f) != 3 {
		return len(f) == 1
	}
	evr := p.EVR()
	if !strings.Contains(f[2], "-") {
		evr = strings.TrimSuffix(evr, "-"+p.Release)
	}
	switch c := CompareEVR(evr, f[2]); {
	case c < 0:
		return strings.Contains(f[1], "<")
	case c > 0:
		return strings.Contains(f[1], ">")
	}
	return strings.Contains(f[1], "=")
}

// Beside tells whether two packages can be installed side by side because of their architectures:
// one of them is for 32 bits and the other for 64, which rpm calls their colours. Those that are
// for none stand in place of each.
func (p NEVRA) Beside(q NEVRA) bool {
	return p.Arch != "noarch" && q.Arch != "noarch" && wide(p.Arch) != wide(q.Arch)
}

// wide tells whether an architecture has words of 64 bits.
func wide(arch string) bool {
	return strings.Contains(arch, "64") || strings.HasPrefix(arch, "s390x")
}

// Compatible are the architectures of packages that a machine of an architecture can run, its own
// first, "noarch" last: rpm's own table (rpmrc, arch_compat), as far as PackageKit's platforms need
// it.
func Compatible(arch string) []string {
	switch arch {
	case "i686", "athlon", "geode", "pentium3", "pentium4":
		if arch != "i686" {
			return []string{arch, "i686", "i586", "i486", "i386", "noarch"}
		}
		return []string{"i686", "i586", "i486", "i386", "noarch"}
	case "i586":
		return []string{"i586", "i486", "i386", "noarch"}
	case "armv7hl":
		return []string{"armv7hl", "armv6hl", "noarch"}
	case "noarch":
		return []string{"noarch"}
	}
	return []string{arch, "noarch"}
}
