// SPDX-License-Identifier: GPL-2.0-or-later

package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// Sugar's word processor, 36 real packages, comes over a link that drops every 256 KiB. The
// packages are not the project's.
func TestInstallWrite(t *testing.T) {
	if !long {
		t.Skip("in the long tier: PRESOLVE_LONG=1")
	}
	write := laptoptest.ServeWrite(t, school.Tools, "../..")
	l := lay(t, write.URL, weather{Every: 256 * kib})
	laptop, err := testbed.NewLaptop(filepath.Join(t.TempDir(), "laptop"), write.Platform, l.URL, "presolve", write.Key, "", write.Base...)
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, laptop)
	var size int64
	var names []string
	for _, line := range h.OK("install-packages", "none", "sugar-write-activity;101-2;noarch;school") {
		if f := strings.Split(line, "\t"); f[0] == "package" && f[1] == "installed" {
			id := strings.Split(f[2], ";")
			_, plain, found := strings.Cut(id[1], ":") // a file's name has no epoch
			if !found {
				plain = id[1]
			}
			fi, err := os.Stat(filepath.Join(write.Published, write.Platform, "rpms", id[0]+"-"+plain+"."+id[2]+".rpm"))
			if err != nil {
				t.Fatal(err)
			}
			size += fi.Size()
			names = append(names, id[0])
		}
	}
	if len(names) != 36 {
		t.Errorf("%d packages were installed: %q", len(names), names)
	}
	laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
	if out, _ := testbed.RPMQuery(laptop.Root, append([]string{"-V", "--nouser", "--nogroup"}, names...)...); out != "" {
		t.Errorf("rpm -V says:\n%s", out)
	}
	count(t, l.Received.Load(), size, 0)
}
