// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rich"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// What comes in the place of an installed package is taken to provide what that did, but for what
// its source says, so that nothing is refused that rpm would take.
func TestHeirs(t *testing.T) {
	path, err := (testbed.RPM{Name: "lib", Arch: "x86_64", Provides: []string{"lib(x86-64) = 1.0-1", "lib-abi = 1", "lib-api = 1", "libold", "libknown"}}).Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h, err := rpm.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, want string }{
		{"lib", "lib = 2.0-1, lib(x86-64) = 2.0-1, lib-abi = 2, lib-api = 1, libold"},
		{"newlib", "lib = 1.0-1, lib(x86-64) = 1.0-1, lib-abi = 2, lib-api = 1, libold, newlib = 2.0-1"},
	} {
		it := &Item{Planned: db.Planned{NEVRA: tree.NEVRA{Name: tt.name, Version: "2.0", Release: "1", Arch: "x86_64"}}, pkg: &tree.Package{Size: 1, Provided: []string{"lib-abi = 2"}}}
		w := &world{members: []member{{it.NEVRA, it}}, provided: make(map[string][]provided)}
		w.provide(0, it.provides()...)
		w.inherit(it, 0, ops.NEVRA(h), h, make(rich.Provided), make(map[string]bool), map[string]bool{"libknown": true})
		var got []string
		for _, all := range w.provided {
			for _, p := range all {
				got = append(got, p.Dep.String())
			}
		}
		slices.Sort(got)
		if got := strings.Join(slices.Compact(got), ", "); got != tt.want {
			t.Errorf("%s provides %s, want %s", tt.name, got, tt.want)
		}
	}
}
