// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"reflect"
	"strings"
	"testing"
)

const iconHeader = "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR\x00\x00\x00\x40\x00\x00\x00\x40"

func someAppstream() *Appstream {
	return &Appstream{Format: Format, Platform: "p", Components: []Component{
		{ID: "chess.desktop", Name: "chess", Type: DesktopApplication, Title: "Chess & Go", Categories: "Game;BoardGame", Launch: "chess.desktop", Icon: IconDigest([]byte(iconHeader))},
		{ID: "org.grep", Name: "grep", Type: ConsoleApplication, Title: "grep"},
	}, Packs: []Ref{NewRef("icons/", []byte("x"), ".zst"), NewRef("icons/", []byte("y"), ".zst")}}
}

func TestAppstream(t *testing.T) {
	want := someAppstream()
	file, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseAppstream(file, "p"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParseAppstream: %+v, %v", got, err)
	}
	if _, err := ParseAppstream(file, "q"); err == nil {
		t.Error("another platform's was taken")
	}
	for name, change := range map[string]func(a *Appstream){
		"no id":            func(a *Appstream) { a.Components[0].ID = "" },
		"an id as path":    func(a *Appstream) { a.Components[0].ID = "../chess" },
		"twice":            func(a *Appstream) { a.Components[1].ID = "chess.desktop" },
		"not sorted":       func(a *Appstream) { a.Components[1].ID = "a" },
		"no package":       func(a *Appstream) { a.Components[0].Name = "a b" },
		"another type":     func(a *Appstream) { a.Components[0].Type = "operating-system" },
		"no title":         func(a *Appstream) { a.Components[0].Title = "" },
		"a long title":     func(a *Appstream) { a.Components[0].Title = strings.Repeat("a", MaxSummary+1) },
		"a title not UTF8": func(a *Appstream) { a.Components[0].Title = "\xff" },
		"bad categories":   func(a *Appstream) { a.Components[0].Categories = "Game;;" },
		"long categories":  func(a *Appstream) { a.Components[0].Categories = strings.Repeat("a", maxCategoriesOf+1) },
		"launches a path":  func(a *Appstream) { a.Components[0].Launch = "/bin/sh" },
		"an icon as path":  func(a *Appstream) { a.Components[0].Icon = "../../etc/passwd" },
		"no packs":         func(a *Appstream) { a.Packs = nil },
		"three packs":      func(a *Appstream) { a.Packs = append(a.Packs, a.Packs[0]) },
		"packs elsewhere":  func(a *Appstream) { a.Packs[0] = NewRef("trees/", []byte("x"), ".zst") },
		"many": func(a *Appstream) {
			a.Components = append(a.Components, make([]Component, MaxComponents)...)
		},
	} {
		bad := someAppstream()
		change(bad)
		if bad.check() == nil {
			t.Errorf("%s: taken", name)
		}
		if _, err := bad.Encode(); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

func TestIcons(t *testing.T) {
	want := &Icons{Format: Format, Platform: "p", Icons: [][]byte{[]byte(iconHeader + "…")}}
	file, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseIcons(file, "p"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParseIcons: %+v, %v", got, err)
	}
	for _, bad := range []string{"", "GIF89a", strings.Replace(iconHeader, "\x40", "\x80", 1), iconHeader + strings.Repeat("x", MaxIcon)} {
		if CheckIcon([]byte(bad)) == nil {
			t.Errorf("%.40q was taken", bad)
		}
	}
}

func FuzzParseAppstream(f *testing.F) {
	for _, v := range []interface{ Encode() ([]byte, error) }{someAppstream(), &Icons{Format: Format, Platform: "p", Icons: [][]byte{[]byte(iconHeader)}}} {
		file, err := v.Encode()
		if err != nil {
			f.Fatal(err)
		}
		data, err := unpacked(file, nil, MaxAppstreamFile)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := best.compress(data)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := ParseAppstream(file, "p"); err == nil {
			if _, err := a.Encode(); err != nil {
				t.Errorf("what was read can't be written: %v", err)
			}
			for _, c := range a.Components {
				if c.Icon != "" {
					_ = a.Packs[a.Pack(c.Icon)]
				}
			}
		}
		if x, err := ParseIcons(file, "p"); err == nil && x.check() != nil {
			t.Error("an icon is none")
		}
	})
}
