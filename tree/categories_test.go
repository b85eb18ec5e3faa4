// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func someCategories() *Categories {
	return &Categories{Format: Format, Platform: "p", Categories: []Category{
		{ID: "apps", Name: "Apps", Groups: []string{"games", "3d-printing"}},
		{ID: "games", Name: "Games", Summary: "To play", Icon: "pattern-games", Names: []string{"chess", "go"}},
		{ID: "3d-printing", Name: "3D", Names: []string{"cura"}},
	}, Texts: map[string]Ref{"de": NewRef("texts/de@", []byte("x"), ".json")}}
}

func TestCategories(t *testing.T) {
	want := someCategories()
	if got, err := ParseCategories(mustEncode(t, want), "p"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParseCategories: %+v, %v", got, err)
	}
	for name, change := range map[string]func(c *Categories){
		"another platform":    func(c *Categories) { c.Platform = "q" },
		"a newer format":      func(c *Categories) { c.Format = 3 },
		"no id":               func(c *Categories) { c.Categories[1].ID = "" },
		"an id with &":        func(c *Categories) { c.Categories[2].ID = "a&b" },
		"a long id":           func(c *Categories) { c.Categories[0].ID = strings.Repeat("a", maxCategoryID+1) },
		"twice":               func(c *Categories) { c.Categories[2].ID = "games" },
		"no name":             func(c *Categories) { c.Categories[1].Name = "" },
		"a long name":         func(c *Categories) { c.Categories[1].Name = strings.Repeat("a", MaxSummary+1) },
		"a long summary":      func(c *Categories) { c.Categories[1].Summary = strings.Repeat("a", MaxSummary+1) },
		"a path as icon":      func(c *Categories) { c.Categories[1].Icon = "../a.png" },
		"no package's name":   func(c *Categories) { c.Categories[1].Names[0] = "a b" },
		"below itself":        func(c *Categories) { c.Categories[0].Groups[0] = "apps" },
		"three levels":        func(c *Categories) { c.Categories[1].Groups = []string{"3d-printing"} },
		"below it is nothing": func(c *Categories) { c.Categories[0].Groups[0] = "gone" },
		"below it twice":      func(c *Categories) { c.Categories[0].Groups[1] = "games" },
		"no language":         func(c *Categories) { c.Texts["../de"] = c.Texts["de"] },
		"texts elsewhere":     func(c *Categories) { c.Texts["de"] = NewRef("trees/a@", []byte("x"), ".json") },
		"many lines": func(c *Categories) {
			for i := range MaxCategoryLines / 128 {
				c.Categories = append(c.Categories, Category{ID: fmt.Sprint("x", i), Name: "X", Groups: strings.Fields(strings.Repeat("games ", 128))})
			}
		},
		"many": func(c *Categories) {
			for i := range MaxCategories {
				c.Categories = append(c.Categories, Category{ID: fmt.Sprint("x", i), Name: "X", Names: []string{"a"}})
			}
		},
	} {
		c := someCategories()
		change(c)
		if got, err := ParseCategories(mustEncode(t, c), "p"); err == nil {
			t.Errorf("%s: %d are taken", name, len(got.Categories))
		}
	}
}

func FuzzParseCategories(f *testing.F) {
	f.Add(mustEncode(f, someCategories()))
	f.Add([]byte(`{"format":2,"platform":"p","categories":[` + strings.Repeat(`{},`, 1000) + `{}]}`))
	f.Add([]byte(`{"format":2,"platform":"p","categories":[{"id":"a","name":"\u202e","groups":["a"]}],"texts":{"de":{}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCategories(data, "p")
		if err != nil {
			return
		}
		leaf := make(map[string]bool)
		for _, x := range c.Categories {
			leaf[x.ID] = len(x.Groups) == 0
		}
		for _, x := range c.Categories {
			for _, g := range x.Groups {
				if !leaf[g] || CheckCategory(x.ID) != nil {
					t.Errorf("%q is below %q", g, x.ID)
				}
			}
		}
		again, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseCategories(again, "p"); err != nil {
			t.Errorf("what was read can't be read again: %v", err)
		}
	})
}
