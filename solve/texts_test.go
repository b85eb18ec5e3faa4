// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

func TestTexts(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	appstream := write("appstream", `<?xml version="1.0" encoding="UTF-8"?>
<components version="0.8" origin="school">
  <component type="desktop">
    <id>hello.desktop</id><pkgname>hello</pkgname><pkgname>hello-extra</pkgname>
    <name>Hello</name><name xml:lang="de">Hallo</name>
    <summary>Says hello</summary>
    <summary xml:lang="de">Sagt  hallo
	&amp; winkt</summary>
    <summary xml:lang="pt-BR">Diz olá</summary>
    <summary xml:lang="x-test">xxSays helloxx</summary>
    <description><p>Says hello.</p></description>
    <description xml:lang="de"><p>Sagt   hallo,
      <em>laut</em>.</p><ul><li>Einmal</li> <li>Zweimal</li></ul></description>
  </component>
  <component><pkgname>hello</pkgname><summary xml:lang="de">Anders</summary><summary xml:lang="fr">Dit bonjour</summary></component>
  <component><pkgname>a;b</pkgname><summary xml:lang="de">Schlecht</summary></component>
  <component><summary xml:lang="de">Ohne Paket</summary></component>
</components>`)
	susedata := write("susedata", `<susedata xmlns="http://linux.duke.edu/metadata/susedata" packages="1">
  <package pkgid="00" name="paint" arch="x86_64"><version epoch="0" ver="1" rel="1"/>
    <summary lang="de">Malt</summary><description lang="de">Malt
und zeichnet</description><category lang="de">Grafik</category></package>
</susedata>`)
	var all texts
	for _, path := range []string{appstream, susedata} {
		if _, err := all.read(context.Background(), path, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []struct {
		language string
		text     tree.Text
	}{
		{"de", tree.Text{Name: "hello", Summary: "Sagt hallo & winkt", Description: "Sagt hallo, laut.\n- Einmal\n- Zweimal"}},
		{"de", tree.Text{Name: "hello-extra", Summary: "Sagt hallo & winkt", Description: "Sagt hallo, laut.\n- Einmal\n- Zweimal"}},
		{"de", tree.Text{Name: "paint", Summary: "Malt", Description: "Malt\nund zeichnet"}},
		{"pt_BR", tree.Text{Name: "hello", Summary: "Diz olá"}},
		{"fr", tree.Text{Name: "hello", Summary: "Dit bonjour"}},
	} {
		if got := all.of[want.language][want.text.Name]; got == nil || *got != want.text {
			t.Errorf("%s: %+q, want %+q", want.language, got, want.text)
		}
	}
	if len(all.of) != 3 || len(all.of["de"]) != 3 {
		t.Errorf("%d languages, %d in German", len(all.of), len(all.of["de"]))
	}
	if _, err := all.read(context.Background(), appstream, 100); err == nil || !strings.Contains(err.Error(), "more than 100 bytes") {
		t.Errorf("one that is too large: %v", err)
	}
	if _, err := all.read(context.Background(), write("broken", "<components><component>"), 1000); err == nil {
		t.Error("one that is cut off is no error")
	}
}

// AppStream's collections and openSUSE's susedata are outside input too.
func FuzzTexts(f *testing.F) {
	f.Add([]byte(`<components><component><pkgname>hello</pkgname><summary xml:lang="de">Sagt hallo</summary><description xml:lang="de"><p>Laut</p><ul><li>a</li></ul></description></component></components>`))
	f.Add([]byte(`<susedata packages="1"><package pkgid="00" name="paint" arch="x86_64"><summary lang="de">Malt</summary></package></susedata>`))
	f.Add([]byte(`<components>` + strings.Repeat(`<a>`, 3000)))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><components><component><pkgname>&a;</pkgname></component></components>`))
	f.Add([]byte("<components><component><pkgname>a;b</pkgname><summary xml:lang=\"de\">\u202e</summary></component></components>"))
	f.Add([]byte(`<components><component type="desktop"><id>a.desktop</id><pkgname>a</pkgname><name>A</name><categories><category>Game</category></categories><icon type="cached" width="64">../a.png</icon></component></components>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var all texts
		all.parse(bytes.NewReader(data), 1<<20)
		for id, c := range all.components {
			if tree.CheckName(id) != nil || c.Title == "" || len(c.Title) > tree.MaxSummary || strings.Contains(c.icon, "/") && c.icon != "/" {
				t.Errorf("%+v", c)
			}
		}
		for language, names := range all.of {
			if tree.CheckLanguage(language) != nil {
				t.Errorf("the language %q", language)
			}
			for name, text := range names {
				if tree.CheckName(name) != nil || len(text.Summary) > tree.MaxSummary || len(text.Description) > tree.MaxDescription {
					t.Errorf("%q: %+v", name, text)
				}
			}
		}
	})
}

func FuzzIcons(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"64x64/a.png", "../../a.png"} {
		w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 3})
		w.Write([]byte("PNG"))
	}
	w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		all := texts{icons: map[string][]byte{"a.png": nil}}
		all.parseIcons(bytes.NewReader(data), 1<<20)
		if png := all.icons["a.png"]; len(all.icons) != 1 || png != nil && tree.CheckIcon(png) != nil {
			t.Errorf("%q", all.icons)
		}
	})
}
