// SPDX-License-Identifier: GPL-2.0-or-later

package config

import "testing"

func TestArch(t *testing.T) {
	for name, want := range map[string]string{
		"amd64": "x86_64", "x86-64": "x86_64", "arm64": "aarch64", "i386": "i686", "armhfp": "armv7hl", "armhf": "armv7hl",
		"x86_64": "", "i686": "", "noarch": "", "": "",
	} {
		if got := RPMArch(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
		release, arch, wrong := PlatformArch("fedora-18-" + name)
		if wrong != (want != "") || arch != want || wrong && release != "fedora-18" {
			t.Errorf("fedora-18-%s: %q, %q, %v", name, release, arch, wrong)
		}
	}
}
