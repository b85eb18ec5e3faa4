// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

func TestInstallOnly(t *testing.T) {
	const release = "5.14.0-1.x86_64"
	for _, tt := range []struct {
		rpm             testbed.RPM
		only, ofRunning bool
	}{
		{testbed.RPM{Name: "hello", Files: map[string]string{"/lib/modules.d": ""}}, false, false},
		{testbed.RPM{Name: "kernel"}, true, false},
		{testbed.RPM{Name: "kernel-PAE"}, true, false},
		{testbed.RPM{Name: "kernel-tools", Requires: []string{"kernel"}}, false, false},
		{testbed.RPM{Name: "kernel-core", Provides: []string{"installonlypkg(kernel)", "kernel-uname-r = " + release}}, true, true},
		{testbed.RPM{Name: "kernel-core", Provides: []string{"installonlypkg(kernel)", "kernel-uname-r = 5.13.0-1.x86_64"}}, true, false},
		{testbed.RPM{Name: "kernel-modules", Provides: []string{"installonlypkg(kernel-module)"}, Files: map[string]string{"/lib/modules/" + release + "/a.ko": ""}}, true, true},
		{testbed.RPM{Name: "kernel-usrmerge", Provides: []string{"kernel"}, Files: map[string]string{"/usr/lib/modules/" + release + "/a.ko": ""}}, true, true},
		{testbed.RPM{Name: "kernel-other", Provides: []string{"multiversion(kernel)"}, Files: map[string]string{"/lib/modules/" + release + "+rt/a.ko": ""}}, true, false},
		{testbed.RPM{Name: "vm", Provides: []string{"installonlypkg(vm) = 2"}}, true, false},
		{testbed.RPM{Name: "requires", Requires: []string{"kernel-uname-r = " + release}}, false, false},
	} {
		path, err := tt.rpm.Write(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		h, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if h.InstallOnly() != tt.only || h.OfKernel(release) != tt.ofRunning || h.OfKernel("") {
			t.Errorf("%s: install-only %v, of the kernel %v", tt.rpm.Name, h.InstallOnly(), h.OfKernel(release))
		}
	}
}
