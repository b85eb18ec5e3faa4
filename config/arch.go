// SPDX-License-Identifier: GPL-2.0-or-later

package config

import "strings"

// rpmArch is what rpm calls an architecture that others, Debian above all, call otherwise. rpm
// knows an i386 too, but no computer that it runs on today is one, and a platform of it would have
// no package for i686. armhfp is what Fedora's folders are called.
var rpmArch = map[string]string{
	"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64", "x86": "i686", "i386": "i686", "ia32": "i686",
	"arm64": "aarch64", "armhf": "armv7hl", "armhfp": "armv7hl", "ppc64el": "ppc64le",
}

// RPMArch is what rpm calls an architecture that others call name; "" where it isn't known, or is
// rpm's own name.
func RPMArch(name string) string { return rpmArch[name] }

// PlatformArch splits the name of a platform that ends with an architecture, but not as rpm calls
// it: what stands before, and rpm's name. A laptop tells the releases of one distribution apart by
// what is left without the architecture.
func PlatformArch(platform string) (release, arch string, wrong bool) {
	for name, arch := range rpmArch {
		if release, ok := strings.CutSuffix(platform, "-"+name); ok {
			return release, arch, true
		}
	}
	return "", "", false
}
