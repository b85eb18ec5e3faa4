// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// What repositories say of a package, whatever it is, becomes a line that laptops take.
func TestWhatIsSaidBecomesALine(t *testing.T) {
	for _, odd := range []string{"", "plain", "a\tb\nc\\n,d", "a\xffb", "a\x00b\x1b[2Jc\r\n", "ü\u202eö\ufffd", `\`, strings.Repeat("ü", 1<<16), strings.Repeat("\\\n", 1<<16), "http://host/a\xff"} {
		p := tree.Package{NEVRA: tree.NEVRA{Name: "a", Version: "1", Release: "1", Arch: "noarch"}, Summary: odd, Description: odd, License: odd, Group: odd, URL: odd,
			Obsoletes: slices.Repeat([]string{odd, "old < 2"}, tree.MaxObsoletes)}
		clip(&p)
		e := &tree.Entry{NEVRA: p.NEVRA, Summary: p.Summary, Description: p.Description, License: p.License, Group: p.Group, URL: p.URL, Obsoletes: obsoletes(p.Obsoletes)}
		if e.Description == "" {
			e.Description = e.Summary
		}
		got, err := tree.ParseEntry(e.Line())
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%.40q: %v", odd, err)
		}
	}
}
