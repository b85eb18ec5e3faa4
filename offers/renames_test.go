// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// What takes a package's place, as dnf upgrade and dnf install have it.
func TestSuccessors(t *testing.T) {
	school, usb := t.TempDir(), t.TempDir()
	publication{Serial: 1, Packages: map[string][]string{
		"bar-2-1.noarch": {"foo < 2"}, "stranger-2-1.noarch": {"foo < 0.5"}, "half-2-1.noarch": {"whole < 2"}, "rest-2-1.noarch": {"whole < 2"},
		"second-2-1.noarch": {"first < 2"}, "third-3-1.noarch": {"second < 3"}, "left-1-1.noarch": {"right"}, "right-1-1.noarch": {"left"},
		"alive-3-1.noarch": nil, "wrong-1-1.noarch": {"alive < 2"}, "twice-1-1.noarch": {"shared < 2"}, "self-2-1.noarch": {"self < 2"},
		"lib-2-1.x86_64": {"oldlib < 2"}, "lib-2-1.i686": {"oldlib < 2"}, "always-1-1.noarch": {"ever"}, "sometimes-1-1.noarch": {"ever < 7"},
	}}.write(t, school)
	publication{Serial: 1, Packages: map[string][]string{"twice-2-1.noarch": {"shared < 2"}, "dead-1-1.noarch": nil, "heir-1-1.noarch": {"dead"}}}.write(t, usb)
	sources := []Source{{ID: "school", URL: "file://" + school, Layout: Presolve}, {ID: "usb", URL: "file://" + usb, Layout: Presolve}}
	t.Run("by the search files", func(t *testing.T) {
		o := newOffers(t, nil, sources...)
		must(t, o.Refresh(t.Context(), nobody{}, false))
		successors(t, o)
	})
	t.Run("by the references", func(t *testing.T) { successors(t, newOffers(t, nil, sources...)) })
}

func successors(t *testing.T, o *Offers) {
	for _, test := range []struct{ old, want string }{
		{"foo-1-1.noarch", "bar-2-1.noarch"},
		{"foo-1:1-1.noarch", ""},
		{"foo-0.1-1.noarch", "bar-2-1.noarch stranger-2-1.noarch"},
		{"foo", "bar-2-1.noarch"},
		{"whole-1-1.noarch", "half-2-1.noarch rest-2-1.noarch"},
		{"first-1-1.noarch", "second-2-1.noarch"}, // one step at a time
		{"second-2-1.noarch", "third-3-1.noarch"},
		{"second", "third-3-1.noarch"},
		{"left-1-1.noarch", ""}, // a loop leads nowhere
		{"alive-1-1.noarch", ""},
		{"shared-1-1.noarch", "twice-2-1.noarch"},
		{"self-1-1.noarch", ""},
		{"oldlib-1-1.x86_64", "lib-2-1.x86_64"},
		{"oldlib-1-1.i686", "lib-2-1.i686"},
		{"dead-1-1.noarch", "heir-1-1.noarch"},
		{"ever", "always-1-1.noarch"},
		{"nobody", ""},
	} {
		old, err := tree.ParseNEVRA(test.old)
		if err != nil {
			old = tree.NEVRA{Name: test.old}
		}
		all, err := o.Successors(t.Context(), nobody{}, old)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range all {
			got = append(got, p.NEVRA.String())
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s was replaced by %s, want %s", test.old, text, test.want)
		}
	}
}
