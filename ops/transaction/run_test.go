// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
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
