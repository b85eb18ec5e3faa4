// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// offer makes a source offer packages, each "name-version-release.arch", with what it obsoletes.
func offer(t *testing.T, o *Offers, source string, all map[string][]string) {
	t.Helper()
	err := o.Record.AddShard(t.Context(), source, func(add func(*tree.Entry) error) error {
		for text, obsoletes := range all {
			n, err := tree.ParseNEVRA(text)
			if err != nil {
				return err
			}
			if err := add(&tree.Entry{NEVRA: n, Obsoletes: obsoletes, Tree: tree.NewRef("trees/"+text+"@", []byte(text), ".json")}); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = o.Record.SetListing(t.Context(), db.Listing{Source: source, Shards: []string{source}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What takes a package's place, as dnf upgrade and dnf install have it.
func TestSuccessors(t *testing.T) {
	o := newOffers(t, Mounts{}, Source{ID: "school", URL: "http://school.invalid", Layout: Presolve}, Source{ID: "usb", URL: "http://usb.invalid", Layout: Presolve})
	offer(t, o, "school", map[string][]string{
		"bar-2-1.noarch": {"foo < 2"}, "stranger-2-1.noarch": {"foo < 0.5"}, "half-2-1.noarch": {"whole < 2"}, "rest-2-1.noarch": {"whole < 2"},
		"second-2-1.noarch": {"first < 2"}, "third-3-1.noarch": {"second < 3"}, "left-1-1.noarch": {"right"}, "right-1-1.noarch": {"left"},
		"alive-3-1.noarch": nil, "wrong-1-1.noarch": {"alive < 2"}, "twice-1-1.noarch": {"shared < 2"}, "self-2-1.noarch": {"self < 2"},
		"lib-2-1.x86_64": {"oldlib < 2"}, "lib-2-1.i686": {"oldlib < 2"}, "always-1-1.noarch": {"ever"}, "sometimes-1-1.noarch": {"ever < 7"},
	})
	offer(t, o, "usb", map[string][]string{"twice-2-1.noarch": {"shared < 2"}, "dead-1-1.noarch": nil, "heir-1-1.noarch": {"dead"}})
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
		offered, _, err := o.Entry(Wanted{Name: old.Name})
		if err != nil {
			t.Fatal(err)
		}
		all, err := o.successors(old, offered)
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
