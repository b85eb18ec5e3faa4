// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"slices"
	"strings"
)

// installOnly is what packages provide that are installed beside their older versions: dnf's
// (const.py, INSTALLONLYPKGS), as package solve has it.
var installOnly = []string{"kernel", "kernel-PAE", "installonlypkg(kernel)", "installonlypkg(kernel-module)", "installonlypkg(vm)", "multiversion(kernel)"}

// InstallOnly tells whether the package is one that is installed beside its older versions and
// takes the place of none, as kernels are.
func (h *Header) InstallOnly() bool {
	return slices.Contains(installOnly, h.Name) || slices.ContainsFunc(h.Provides(), func(p string) bool { return slices.Contains(installOnly, p) })
}

// OfKernel tells whether the package is the kernel of a release ("uname -r"), or a part of it: it
// says so ("kernel-uname-r = 5.14.0-1.x86_64", "kernel-core-uname-r = …"), or has files in the
// folder of the kernel's modules.
func (h *Header) OfKernel(release string) bool {
	if release == "" {
		return false
	}
	for _, p := range h.header.dependencies(tagProvidename, tagProvideversion, tagProvideflags, nil) {
		if name, version, ok := strings.Cut(p, " = "); ok && version == release && strings.HasSuffix(name, "-uname-r") {
			return true
		}
	}
	folder := "/lib/modules/" + release
	return slices.ContainsFunc(h.Files(), func(f string) bool {
		f = strings.TrimPrefix(f, "/usr")
		return f == folder || strings.HasPrefix(f, folder+"/")
	})
}
