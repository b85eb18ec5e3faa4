// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"strings"
	"testing"
)

// A node's list of packages becomes a tree that could have been published, or an error.
func FuzzNodeTree(f *testing.F) {
	for _, seed := range []string{
		`{"x86_64": [{"name": "song", "path": "song-1.0-1.x86_64.rpm"}, {"name": "lib", "path": "lib-3.0~rc1-3.2.noarch.rpm"}]}`,
		`{"noarch": [{"name": "song", "path": "song-2:1.0-1.noarch.rpm"}]}`,
		`{"x86_64": [{"name": "song", "path": "../song-1.0-1.x86_64.rpm"}]}`,
		`{"x86_64": [{"name": "song", "path": "/etc/shadow"}]}`,
		`{"i686": [{"name": "other", "path": "other-1-1.i686.rpm"}]}`, `{"x86_64": null}`, `[]`, `{}`, ``,
		`{"x86_64": [` + strings.Repeat(`{},`, 3*maxNodePackages) + `{}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		made, err := nodeTree("test-1-x86_64", "x86_64", "song", body)
		if err != nil || made == nil {
			return
		}
		if made.Top().Name != "song" {
			t.Errorf("%q is the tree of %s", body, made.Top().Name)
		}
		for i, p := range made.Packages {
			if err := p.NEVRA.Check(); err != nil {
				t.Errorf("%q: %v", body, err)
			}
			if strings.ContainsAny(p.Location, "/\x00") || !strings.HasSuffix(p.Location, ".rpm") && p.Location != p.NEVRA.String() {
				t.Errorf("%q leads to %q", body, p.Location)
			}
			for _, r := range p.Requires {
				if r >= i {
					t.Errorf("%q: package %d requires %d", body, i, r)
				}
			}
		}
	})
}
