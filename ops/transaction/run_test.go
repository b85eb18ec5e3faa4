// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

func TestSortDownloads(t *testing.T) {
	item := func(name string, tree int, size int64) *Item {
		return &Item{tree: tree, file: transport.File{Label: name, Size: size}}
	}
	items := []*Item{item("b-large", 1, 900), item("a-small", 0, 1), item("a-large", 0, 500), item("b-small", 1, 2), item("a-middle", 0, 20)}
	sortDownloads(items)
	var got []string
	for _, it := range items {
		got = append(got, it.file.Label)
	}
	if want := "a-large a-middle a-small b-large b-small"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Install-only packages come in runs of their own, each run after what it requires.
func TestRuns(t *testing.T) {
	item := func(name string, requires ...string) *Item {
		it := &Item{Planned: db.Planned{NEVRA: tree.NEVRA{Name: name, Version: "2"}, InstallOnly: strings.HasPrefix(name, "kernel")}}
		if !it.InstallOnly {
			it.Old = make([]db.Package, 1)
		}
		for _, r := range requires {
			it.requires = append(it.requires, tree.NEVRA{Name: r, Version: "2"})
		}
		return it
	}
	for _, test := range []struct {
		name  string
		items []*Item
		want  string
	}{
		{"no kernel", []*Item{item("a"), item("b", "a")}, "a b"},
		{"nothing goes", []*Item{{Planned: db.Planned{NEVRA: tree.NEVRA{Name: "a"}}}, item("kernel", "a")}, "a kernel"},
		{"apart", []*Item{item("kernel"), item("a")}, "a | kernel"},
		{"a program of a kernel", []*Item{item("kernel"), item("a", "kernel"), item("b")}, "b | kernel | a"},
		{"what a kernel needs", []*Item{item("a"), item("kernel", "a")}, "a | kernel"},
		{"both", []*Item{item("a"), item("kernel-a", "a"), item("kernel-b", "kernel-a"), item("b", "kernel-b"), item("kernel-c"), item("c", "a")}, "a c | kernel-a kernel-b kernel-c | b"},
		{"in turns", []*Item{item("kernel-a"), item("a", "kernel-a"), item("kernel-b", "a"), item("b", "kernel-b")}, "kernel-a | a | kernel-b | b"},
		{"a loop of two trees", []*Item{item("a", "kernel"), item("kernel", "a")}, "kernel | a"},
		{"what isn't in the plan", []*Item{item("a", "z"), item("kernel", "y")}, "a | kernel"},
	} {
		var got []string
		for _, run := range (&Plan{Items: test.items}).runs() {
			var names []string
			for _, it := range run {
				names = append(names, it.Name)
			}
			got = append(got, strings.Join(names, " "))
		}
		if text := strings.Join(got, " | "); text != test.want {
			t.Errorf("%s: %s, want %s", test.name, text, test.want)
		}
	}
}
