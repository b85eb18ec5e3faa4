// SPDX-License-Identifier: GPL-2.0-or-later

package pages

import (
	"bytes"
	"fmt"
	"html"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// build publishes all packages of a repository but base, and makes the pages.
func build(t *testing.T, output string, packages ...testbed.RPM) Made {
	t.Helper()
	repository := t.TempDir()
	if err := testbed.Repository(repository, append(packages, testbed.RPM{Name: "base"})...); err != nil {
		t.Fatal(err)
	}
	p, err := solve.Open(t.Context(), solve.Config{Arch: "x86_64", Base: solve.Base{Packages: []string{"base"}}, Repositories: []solve.Repository{{ID: "main", URL: "file://" + repository}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = publish.Build(t.Context(), p, p.Names(), publish.Options{
		Platform: "school-1-x86_64", Arch: "x86_64", Output: output, Copy: true, Layouts: []*publish.Layout{publish.Presolve}, ValidFor: 720 * time.Hour, Now: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Make(t.Context(), output, []string{"school-1-x86_64"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// all are the pages in a folder, by their paths.
func all(t *testing.T, output string) map[string]string {
	t.Helper()
	pages := make(map[string]string)
	err := fs.WalkDir(os.DirFS(output), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && path.Ext(name) == ".html" {
			var data []byte
			data, err = os.ReadFile(filepath.Join(output, name))
			pages[name] = string(data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

var hostile = []testbed.RPM{
	{Name: "evil", Summary: `</title><script>alert(1)</script>" onload="x`, Description: strings.Repeat("<img src=x onerror=alert(2)> ", 400), URL: "javascript:alert(3)"},
	{Name: "index", Summary: "Called as a page is", URL: "https://example.org/?a=<b>&c"},
	{Name: "con"},
	{Name: "a++", Summary: "A name that object stores misread"},
	{Name: "write", Summary: "Writes", Requires: []string{"a++", "lib", "base"}},
	{Name: "lib", Requires: []string{"a++"}},
}

// Each page is HTML, all that it leads to is there, and nothing on it comes from elsewhere or runs.
func TestPages(t *testing.T) {
	output := t.TempDir()
	build(t, output, hostile...)
	pages := all(t, output)
	for _, name := range []string{"index.html", "school-1-x86_64/index.html", "school-1-x86_64/pages/names-0.html", "school-1-x86_64/pages/unsolved.html", "school-1-x86_64/pages/p/write.html", "school-1-x86_64/pages/p/index.html"} {
		if pages[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
	for name, text := range pages {
		if len(text) > 20<<10 {
			t.Errorf("%s has %d bytes", name, len(text))
		}
		if !strings.HasPrefix(text, "<!DOCTYPE html>\n<html lang=\"en\">") {
			t.Errorf("%s begins with %.60q", name, text)
		}
		for _, l := range links(t, name, text) {
			u, err := url.Parse(l)
			if err != nil {
				t.Errorf("%s leads to %q: %v", name, l, err)
				continue
			}
			if u.Scheme != "" || u.Host != "" {
				if !strings.HasPrefix(l, "http://example.org/") && l != "https://example.org/?a=%3Cb%3E&c" && l != "https://example.org/?a=<b>&c" && l != "https://example.org/?a=%3cb%3e&c" {
					t.Errorf("%s leads to %q", name, l)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join(output, path.Dir(name), u.Path)); err != nil {
				t.Errorf("%s leads to %q: %v", name, l, err)
			}
		}
	}
	if text := pages["school-1-x86_64/pages/p/write.html"]; !regexp.MustCompile(`(?s)<ul class="tree"><li>write .*<ul><li><a href="a%2B%2B.html">a&#43;&#43;</a> .*<li><a href="lib.html">lib</a>`).MatchString(text) {
		t.Errorf("the tree is drawn as %s", text)
	}
	if text := pages["school-1-x86_64/pages/p/write.html"]; !strings.Contains(text, "From the standard installation it needs base.") {
		t.Errorf("the base isn't told: %s", text)
	}
}

var tags = regexp.MustCompile(`<([a-z]+)((?:\s+[a-z-]+(?:="[^"<>]*")?)*)\s*>|</[a-z0-9]+>|<h[1-6]>|<!DOCTYPE html>`)
var attributes = regexp.MustCompile(`([a-z-]+)="([^"]*)"`)

// links are where a page leads; what has no business on one is an error.
func links(t *testing.T, name, text string) (all []string) {
	t.Helper()
	if rest := tags.ReplaceAllString(text, ""); strings.ContainsAny(rest, "<>") {
		t.Errorf("%s has something else than plain tags: %s", name, rest)
	}
	for _, tag := range tags.FindAllStringSubmatch(text, -1) {
		for _, a := range attributes.FindAllStringSubmatch(tag[2], -1) {
			switch {
			case strings.HasPrefix(a[1], "on"), a[1] == "style":
				t.Errorf("%s has %s", name, tag[0])
			case a[1] == "href", a[1] == "src":
				all = append(all, html.UnescapeString(a[2]))
			}
		}
		if tag[1] == "script" && tag[0] != `<script src="pages/search.js" defer>` || tag[1] == "img" && !strings.HasPrefix(tag[0], `<img src="../icons/`) || tag[1] == "iframe" {
			t.Errorf("%s has %s", name, tag[0])
		}
	}
	return all
}

// What would come out the same isn't written again; what is new is told; what is gone goes.
func TestOnlyWhatHasChanged(t *testing.T) {
	output := t.TempDir()
	var many []testbed.RPM
	for i := range 450 {
		many = append(many, testbed.RPM{Name: fmt.Sprintf("p%03d", i)})
	}
	first := build(t, output, many...)
	if first.Files < 450 || first.Written != first.Files {
		t.Errorf("%+v", first)
	}
	before := all(t, output)
	if before["school-1-x86_64/pages/names-2.html"] == "" {
		t.Error("450 programs aren't on three pages")
	}
	again, err := Make(t.Context(), output, []string{"school-1-x86_64"})
	if err != nil || again.Written != 0 {
		t.Errorf("%+v, %v", again, err)
	}
	many[7].Version = "2.0"
	second := build(t, output, many...)
	if second.Written > 4 {
		t.Errorf("%+v", second)
	}
	if text := all(t, output)["school-1-x86_64/index.html"]; !strings.Contains(text, `<a href="pages/p/p007.html">p007</a> 2.0-1, was 1.0-1`) {
		t.Errorf("the page doesn't tell what is new: %s", text)
	}
	build(t, output, many[:150]...)
	after := all(t, output)
	if after["school-1-x86_64/pages/p/p200.html"] != "" || after["school-1-x86_64/pages/names-1.html"] != "" || after["school-1-x86_64/pages/p/p149.html"] == "" {
		t.Error("what is gone is still there, or what is there is gone")
	}
	// Damaged, it is made anew, and the same.
	if err := os.WriteFile(filepath.Join(output, "school-1-x86_64/pages/.pages"), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(t.Context(), output, []string{"school-1-x86_64"}); err != nil {
		t.Fatal(err)
	}
	for name, text := range all(t, output) {
		if strings.HasPrefix(name, "school-1-x86_64/pages/") && !bytes.Equal([]byte(text), []byte(after[name])) {
			t.Errorf("%s is another", name)
		}
	}
}

// A tree of a thousand packages is drawn as far as a page may be long.
func TestLongTree(t *testing.T) {
	m := &maker{is: memory{Programs: map[string]*program{}}}
	big := &tree.Tree{Name: "top"}
	for i := range 1000 {
		pkg := tree.Package{NEVRA: tree.NEVRA{Name: fmt.Sprintf("p%d", i), Version: "1", Release: "1", Arch: "noarch"}}
		if i > 0 {
			pkg.Requires = []int{i - 1, (i - 1) / 2}
		}
		big.Packages = append(big.Packages, pkg)
	}
	root, left := m.draw(big)
	seen := make(map[string]bool)
	var walk func(n *node)
	walk = func(n *node) {
		if seen[n.Name] {
			t.Errorf("%s is drawn twice", n.Name)
		}
		seen[n.Name] = true
		for _, c := range n.Needs {
			walk(c)
		}
	}
	walk(root)
	if len(seen) != inTree || left != 1000-inTree {
		t.Errorf("%d are drawn and %d left", len(seen), left)
	}
}
