// SPDX-License-Identifier: GPL-2.0-or-later

package locale_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
)

const appstream = `<?xml version="1.0" encoding="UTF-8"?>
<components version="0.8" origin="school">
  <component type="desktop"><id>hello.desktop</id><pkgname>hello</pkgname><name>Hello</name>
    <summary>Greets</summary><summary xml:lang="de">Sagt hallo</summary><summary xml:lang="pt">Diz olá</summary>
    <description xml:lang="de"><p>Sagt hallo, und zwar ausführlich.</p><p>Übt Grüße.</p></description></component>
  <component type="desktop"><id>strange.desktop</id><pkgname>strange</pkgname><summary xml:lang="de">Nicht im Angebot</summary></component>
</components>`

// What a repository has in other languages reaches those who want it, and costs nobody else
// anything.
func TestLocale(t *testing.T) {
	school := laptoptest.NewSchool(t)
	file := filepath.Join(school.Dir, "appstream.xml")
	if err := os.WriteFile(file, []byte(appstream), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("modifyrepo_c", "--mdtype=appstream", file, filepath.Join(school.Dir, "repository", "repodata")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := school.Build(filepath.Join(school.Dir, "presolver.toml")); err != nil || strings.Contains(out, "nothing has changed") {
		t.Fatal(out, err)
	}
	if out, err := school.Build(filepath.Join(school.Dir, "presolver.toml")); err != nil || !strings.Contains(out, "nothing has changed") {
		t.Fatal(out, err)
	}
	proxy, err := school.Proxy()
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	laptop, err := school.Laptop(proxy.URL, "presolve", "")
	if err != nil {
		t.Fatal(err)
	}
	texts := func() (n int) { // downloads
		for _, r := range proxy.Requests() {
			if strings.Contains(r, "/texts/") {
				n++
			}
		}
		return n
	}
	talk := func(locale string) func(words ...string) string {
		t.Helper()
		h, err := school.Start(laptop.Config, []string{"LANG=" + locale})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.Kill)
		return func(words ...string) string {
			t.Helper()
			lines, err := h.Do(words...)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(lines, "\n")
		}
	}
	has := func(got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	english := talk("C.UTF-8")
	has(english("search-details", "none", "greet"), "finished") // "Greets" is AppStream's English, which packages have themselves
	has(english("resolve", "none", "hello"), "\tSays hello")
	if n := texts(); n != 0 {
		t.Errorf("%d downloads of texts for nobody", n)
	}
	german := talk("de_DE.UTF-8")
	has(german("resolve", "none", "hello"), "\tSays hello") // they are not here yet
	german("refresh-cache", "no")
	has(german("resolve", "none", "hello"), "\tSagt hallo")
	has(german("search-details", "none", "übt ausführlich"), "\tSagt hallo")
	has(german("search-details", "none", "says hello"), "\tSagt hallo")
	has(german("get-details", "hello;1.0-1;noarch;school"), "\tSagt hallo\tGPLv2+\tother\tSagt hallo, und zwar ausführlich.;Übt Grüße.\t")
	has(german("resolve", "none", "paint"), "\tDraws and paints")
	has(german("install-packages", "none", "hello;1.0-1;noarch;school"), "package\tinstalled\thello;")
	has(german("resolve", "none", "hello"), "package\tinstalled\thello;1.0-1;noarch;installed:school\tSagt hallo")
	german("refresh-cache", "no")
	if n := texts(); n != 2 { // where they are, and themselves
		t.Errorf("%d downloads of texts for one reader", n)
	}
	// Another language, in the same helper; what is as good as Brazilian Portuguese.
	has(german("set-locale", "pt_BR.UTF-8"), "finished")
	german("refresh-cache", "no")
	has(german("resolve", "none", "hello"), "\tDiz olá")
	has(german("get-details", "hello;1.0-1;noarch;installed:school"), "\tSays hello, at length.\t")
	has(german("set-locale", "C"), "finished")
	has(german("resolve", "none", "hello"), "\tSays hello")
	has(english("resolve", "none", "hello"), "\tSays hello")
	has(talk("de")("resolve", "none", "hello"), "\tSagt hallo")

	// Errors begin with what they mean, in the language of who is told.
	const unknown = "nosuch;1-1;noarch;school"
	has(english("install-packages", "none", unknown), "error\tpackage-not-found\tno source offers nosuch")
	spanish := talk("es_PE.UTF-8")
	has(spanish("install-packages", "none", unknown), "error\tpackage-not-found\tEse programa no se ofrece. Actualice la lista de programas, o busque otro nombre.;no source offers nosuch")
	has(spanish("set-locale", "fr_FR.UTF-8"), "finished")
	has(spanish("install-packages", "none", unknown), "\tCe programme n'est pas proposé. ")
	has(talk("pt_BR.UTF-8")("install-packages", "none", unknown), "\tEsse programa não é oferecido. ")
	has(talk("xx_XX.UTF-8")("install-packages", "none", unknown), "\tno source offers nosuch")
}
