// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"runtime"
	"strings"
	"testing"
)

// What a node's list of packages takes is in proportion to its bytes, whatever is in it.
func TestNodeMemoryIsBounded(t *testing.T) {
	for what, body := range map[string]string{
		"empty packages":  `{"x86_64": [` + strings.Repeat("{},", maxNodePackages-2) + `{}]}`,
		"nulls":           `{"x86_64": [` + strings.Repeat("null,", maxNodeTree/5) + `null]}`,
		"architectures":   `{` + strings.Repeat(`"a":[],`, maxNodeTree/7) + `"b":[]}`,
		"nested":          strings.Repeat(`{"x86_64":[`, maxNodePackages-2),
		"one long name":   `{"x86_64": [{"name": "` + strings.Repeat("a", maxNodeTree-30) + `"}]}`,
		"the same, often": `{"x86_64": [` + strings.Repeat(`{"name":"a","path":"a-1-1.noarch.rpm"},`, maxNodePackages-2) + `{"name":"song","path":"song-1-1.noarch.rpm"}]}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		nodeTree("test-1-x86_64", "x86_64", "song", []byte(body))
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, 1<<20+64*uint64(len(body)); got > most {
			t.Errorf("%s: %d bytes were allocated for %d", what, got, len(body))
		}
	}
}

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
