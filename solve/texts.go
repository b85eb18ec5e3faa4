// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// isTexts tells whether a file of a repository, by its type in repomd.xml, may have summaries and
// descriptions in other languages: AppStream's catalogue (openSUSE calls it appdata), and
// openSUSE's susedata.de and so on.
func isTexts(kind string) bool {
	return kind == "appstream" || kind == "appdata" || strings.HasPrefix(kind, "susedata.")
}

// texts are summaries and descriptions, by language and name of the package. Of two that there are
// the first counts.
type texts struct {
	of map[string]map[string]*tree.Text
	n  int // in all languages

	components map[string]Component // by id
	icons      map[string][]byte    // by the names that components have of them
}

// Bounds on texts: openSUSE has 60,000 packages in 60 languages, and Debian components of three
// packages.
const (
	maxTexts      = 6_000_000
	maxComponents = 100 // packages of one component
)

// read adds those of an XML file, compressed as its name says, of at most max bytes unpacked.
func (t *texts) read(ctx context.Context, path string, max int64) (int64, error) {
	return unpacked(ctx, path, max, t.parse)
}

// parse adds those of an XML text of at most max bytes.
func (t *texts) parse(r io.Reader, max int64) (int64, error) {
	return elements(r, max, "list of texts", func(d *xml.Decoder, start xml.StartElement) (bool, error) {
		if start.Name.Local != "component" && start.Name.Local != "package" {
			return false, nil
		}
		var c described
		if err := d.DecodeElement(&c, &start); err != nil {
			return true, err
		}
		return true, t.add(c)
	})
}

// described is a component of AppStream's, which names its packages in elements, or a package of
// susedata's, which has its name as an attribute.
type described struct {
	Name         string      `xml:"name,attr"`
	Packages     []string    `xml:"pkgname"`
	ID           string      `xml:"id"`
	Type         string      `xml:"type,attr"`
	Titles       []localised `xml:"name"`
	Categories   []string    `xml:"categories>category"`
	Icons        []appIcon   `xml:"icon"`
	Launch       []string    `xml:"launchable"`
	Summaries    []localised `xml:"summary"`
	Descriptions []localised `xml:"description"`
}

type localised struct {
	Language string `xml:"lang,attr"` // xml:lang is one, too
	Text     string `xml:",innerxml"`
}

// add takes the first text of each language, and the component's first packages, of which no real
// one has many.
func (t *texts) add(c described) error {
	names := c.Packages
	if c.Name != "" {
		names = append(names, c.Name)
	}
	names = names[:min(len(names), maxComponents)]
	t.addComponent(c)
	set := func(all []localised, text func(markup string) string, put func(*tree.Text, string)) error {
		seen := make(map[string]bool)
		for _, s := range all {
			language := strings.ReplaceAll(s.Language, "-", "_")
			if seen[language] || tree.CheckLanguage(language) != nil {
				continue
			}
			seen[strings.Clone(language)] = true
			plain := text(s.Text)
			for _, name := range names {
				if x := t.at(language, name); x != nil {
					put(x, plain)
				}
			}
			if t.n > maxTexts {
				return fmt.Errorf("with it the repositories have more than %d summaries and descriptions in other languages", maxTexts)
			}
		}
		return nil
	}
	return cmp.Or(
		set(c.Summaries, func(s string) string { return line(plain(s), tree.MaxSummary) }, func(x *tree.Text, s string) {
			if x.Summary == "" {
				x.Summary = s
			}
		}),
		set(c.Descriptions, func(s string) string { return cut(plain(s), tree.MaxDescription) }, func(x *tree.Text, s string) {
			if x.Description == "" {
				x.Description = s
			}
		}))
}

// at is the text for a package in a language; nil where the name is none.
func (t *texts) at(language, name string) *tree.Text {
	if tree.CheckName(name) != nil {
		return nil
	}
	if t.of == nil {
		t.of = make(map[string]map[string]*tree.Text)
	}
	if t.of[language] == nil {
		t.of[language] = make(map[string]*tree.Text)
	}
	if t.of[language][name] == nil {
		t.of[language][name] = &tree.Text{Name: name}
		t.n++
	}
	return t.of[language][name]
}

var spaces = regexp.MustCompile(`\s+`)

// plain is a text without its markup: a paragraph or an item of a list becomes a line. Outside of
// markup lines stay as they are.
func plain(markup string) string {
	if !strings.ContainsAny(markup, "<&") {
		return strings.TrimSpace(markup)
	}
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(markup))
	d.Strict = false
	inside := 0
	for {
		token, err := d.Token()
		if err != nil { // the end
			return strings.TrimSpace(b.String())
		}
		switch x := token.(type) {
		case xml.StartElement:
			inside++
			if x.Name.Local == "li" {
				b.WriteString("- ")
			}
		case xml.EndElement:
			inside--
			if x.Name.Local == "p" || x.Name.Local == "li" {
				b.WriteByte('\n')
			}
		case xml.CharData:
			switch {
			case inside > 0:
				if text := spaces.ReplaceAllString(string(x), " "); text != " " {
					b.WriteString(text)
				}
			case strings.TrimSpace(string(x)) != "":
				b.Write(x)
			}
		}
	}
}
