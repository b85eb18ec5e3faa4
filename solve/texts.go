package solve

import (
	"encoding/xml"
	"io"
	"regexp"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// isTexts tells whether a file of a repository, by its type in repomd.xml, may have summaries and descriptions in other
// languages: AppStream's catalogue (openSUSE calls it appdata), and openSUSE's susedata.de and so on.
func isTexts(kind string) bool {
	return kind == "appstream" || kind == "appdata" || strings.HasPrefix(kind, "susedata.")
}

// texts are summaries and descriptions, by language and name of the package. Of two that there are the first counts.
type texts map[string]map[string]*tree.Text

// read adds those of an XML file, compressed as its name says, of at most max bytes unpacked.
func (t texts) read(path string, max int64) error {
	return unpacked(path, max, func(r io.Reader, max int64) error {
		return elements(r, max, "list of texts", func(d *xml.Decoder, start xml.StartElement) error {
			if start.Name.Local != "component" && start.Name.Local != "package" {
				return nil
			}
			var c described
			if err := d.DecodeElement(&c, &start); err != nil {
				return err
			}
			t.add(c)
			return nil
		})
	})
}

// described is a component of AppStream's, which names its packages in elements, or a package of susedata's, which has its name
// as an attribute.
type described struct {
	Name         string      `xml:"name,attr"`
	Packages     []string    `xml:"pkgname"`
	Summaries    []localised `xml:"summary"`
	Descriptions []localised `xml:"description"`
}

type localised struct {
	Language string `xml:"lang,attr"` // xml:lang is one, too
	Text     string `xml:",innerxml"`
}

func (t texts) add(c described) {
	names := c.Packages
	if c.Name != "" {
		names = append(names, c.Name)
	}
	for _, name := range names {
		for _, s := range c.Summaries {
			if x := t.at(s.Language, name); x != nil && x.Summary == "" {
				x.Summary = line(plain(s.Text), tree.MaxSummary)
			}
		}
		for _, s := range c.Descriptions {
			if x := t.at(s.Language, name); x != nil && x.Description == "" {
				x.Description = cut(plain(s.Text), tree.MaxDescription)
			}
		}
	}
}

// at is the text for a package in a language; nil where the language is none, as in what isn't translated.
func (t texts) at(language, name string) *tree.Text {
	language = strings.ReplaceAll(language, "-", "_")
	if tree.CheckLanguage(language) != nil || tree.CheckName(name) != nil {
		return nil
	}
	if t[language] == nil {
		t[language] = make(map[string]*tree.Text)
	}
	if t[language][name] == nil {
		t[language][name] = &tree.Text{Name: name}
	}
	return t[language][name]
}

var spaces = regexp.MustCompile(`\s+`)

// plain is a text without its markup: a paragraph or an item of a list becomes a line. Outside of markup lines stay as they are.
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
