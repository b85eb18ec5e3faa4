// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

func TestTexts(t *testing.T) {
	r := fresh(t)
	load(t, r, "school", "sha1", entry("a", "1-1"), entry("b", "1-1"))
	update(t, r, "s", "b", "base")
	must(t, r.SetTexts(ctx, "school", "de", "file1", []tree.Text{{Name: "a", Summary: "Über Bäume", Description: "Ausführlich"}, {Name: "b", Summary: "Gärten"}, {Name: "gone", Summary: "x"}}))
	must(t, r.SetTexts(ctx, "school", "fr", "file2", []tree.Text{{Name: "a", Summary: "Arbres"}}))
	for _, tt := range []struct{ language, a, description, b, found string }{
		{"", "Summary of a", "Describes a", "Summary of b", ""},
		{"de", "Über Bäume", "Ausführlich", "Gärten", "a"},
		{"fr", "Arbres", "Describes a", "Summary of b", ""},
		{"es", "Summary of a", "Describes a", "Summary of b", ""},
	} {
		r.SetLanguage(tt.language)
		offers, err := r.Offers("a")
		must(t, err)
		if e := offers[0]; e.Summary != tt.a || e.Description != tt.description || e.Entry.Summary != tt.a {
			t.Errorf("in %q a is %q, %q", tt.language, e.Summary, e.Description)
		}
		must(t, r.Available(Query{}, func(p *Package) error {
			if p.Summary != tt.a {
				t.Errorf("in %q %s is %q", tt.language, p.Name, p.Summary)
			}
			return nil
		}))
		installed, err := r.InstalledByName("b")
		must(t, err)
		if installed[0].Summary != tt.b {
			t.Errorf("in %q b is %q", tt.language, installed[0].Summary)
		}
		if got := names(t, r.Available, Query{Text: []string{"über", "FÜHR"}}); got != tt.found {
			t.Errorf("in %q %q is found", tt.language, got)
		}
		// What the catalogue says is found in any language.
		if got := names(t, r.Available, Query{Text: []string{"summary", "of", "games"}}); got != "a" {
			t.Errorf("in %q %q is found", tt.language, got)
		}
		if got := names(t, r.Installed, Query{Text: []string{"base", "of"}}); got != "base" {
			t.Errorf("in %q %q is found", tt.language, got)
		}
	}
	if sha, err := r.TextsFrom("school", "de"); sha != "file1" || err != nil {
		t.Errorf("they come from %q, %v", sha, err)
	}
	if sha, err := r.TextsFrom("usb", "de"); sha != "" || err != nil {
		t.Errorf("they come from %q, %v", sha, err)
	}
	must(t, r.SetTexts(ctx, "school", "de", "file3", nil))
	r.SetLanguage("de")
	if offers, err := r.Offers("a"); err != nil || offers[0].Summary != "Summary of a" {
		t.Errorf("%+v, %v", offers, err)
	}
	must(t, r.SetTexts(ctx, "school", "de", "file1", []tree.Text{{Name: "a", Summary: "x"}}))
	keep(t, r, nil, nil)
	if sha, err := r.TextsFrom("school", "de"); sha != "" || err != nil {
		t.Errorf("without the source they come from %q, %v", sha, err)
	}
}
