// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// Sugar's word processor, a real one with 36 packages, is installed on a laptop with a real
// standard installation, from both layouts. The packages are not the project's; where they aren't
// there, the school's programs have to do.
func TestInstallWrite(t *testing.T) {
	write := laptoptest.ServeWrite(t, school.Tools, "..")
	for layout, source := range map[string]struct{ url, key string }{
		"presolve": {write.URL, write.Key}, "sugar-network": {write.URL + "/packages/presolve/" + write.Platform, ""},
	} {
		t.Run(layout, func(t *testing.T) {
			laptop, err := testbed.NewLaptop(filepath.Join(t.TempDir(), "laptop"), write.Platform, source.url, layout, source.key, "", write.Base...)
			if err != nil {
				t.Fatal(err)
			}
			installWrite(t, laptop)
		})
	}
}

func installWrite(t *testing.T, laptop *testbed.Laptop) {
	h := start(t, laptop)
	do := h.Answer
	do("refresh-cache", "yes")
	if lines := do("search-name", "~installed", "write"); !has(lines, "package\tavailable\tsugar-write-activity;101-2;noarch;school\t") {
		t.Error("search-name:", lines)
	}
	id := ""
	for _, l := range do("resolve", "~installed;newest", "sugar-write-activity") {
		if f := strings.Split(l, "\t"); f[0] == "package" {
			id = f[2]
		}
	}
	lines := do("install-packages", "none", id)
	var installed []string
	percent := 0
	for _, l := range lines {
		f := strings.Split(l, "\t")
		switch {
		case f[0] == "error":
			t.Fatal(l)
		case f[0] == "package" && f[1] == "installed":
			installed = append(installed, strings.Split(f[2], ";")[0])
		case f[0] == "percentage":
			var p int
			fmt.Sscan(f[1], &p)
			if p < percent {
				t.Errorf("the percentage goes from %d back to %d", percent, p)
			}
			percent = p
		}
	}
	if len(installed) != 36 || percent != 100 {
		t.Errorf("%d packages at %d%%: %q", len(installed), percent, installed)
	}
	// What rpm finds wrong is what a root without base files can't have: dependencies are there.
	out, _ := testbed.RPMQuery(laptop.Root, append([]string{"-V", "--nouser", "--nogroup"}, installed...)...)
	if out != "" {
		t.Errorf("rpm -V says:\n%s", out)
	}
	if lines := do("install-packages", "none", id); !has(lines, "error\tpackage-already-installed\t") {
		t.Error("the second install:", lines)
	}
	laptoptest.Agrees(t, laptop, do("get-packages", "installed"))
	if err := h.Stop(); err != nil {
		t.Error(err)
	}
}
