// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"fmt"
	"regexp"
	"unicode/utf8"
)

// Texts are summaries and descriptions of top-level packages in one language. They are in a file of
// their own, so that a laptop downloads no language but its own, and nobody needs them to install
// something.
type Texts struct {
	Format   int    `json:"format"`
	Platform string `json:"platform"`
	Language string `json:"language"` // as in a locale's name: "de", "pt_BR"
	Texts    []Text `json:"texts"`    // sorted by name
}

// A Text describes one package. What is empty isn't translated.
type Text struct {
	Name        string `json:"name"`
	Summary     string `json:"summary,omitempty"`
	Description string `json:"description,omitempty"`
}

// Bounds on texts.
const (
	MaxTexts       = 2 << 20 // bytes of a file
	MaxSummary     = 300     // bytes
	MaxDescription = 3000    // bytes
)

var language = regexp.MustCompile(`^[a-z]{2,3}(_[A-Za-z]{2,8})?(@[a-z]{2,16})?$`)

// CheckLanguage tells whether a text is a language as Texts name it.
func CheckLanguage(s string) error {
	if !language.MatchString(s) {
		return fmt.Errorf("%.40q is no language like \"de\" or \"pt_BR\"", s)
	}
	return nil
}

// ParseTexts reads and checks the texts of a platform in a language.
func ParseTexts(data []byte, platform, language string) (*Texts, error) {
	t := new(Texts)
	if err := unmarshal("list of texts", data, textsLimit, &t.Format, t); err != nil {
		return nil, err
	}
	if t.Platform != platform || t.Language != language {
		return nil, fmt.Errorf("these are the texts of %.80q in %.20q and not of %q in %q", t.Platform, t.Language, platform, language)
	}
	for _, x := range t.Texts {
		if err := CheckName(x.Name); err != nil {
			return nil, fmt.Errorf("the texts in %s: %w", language, err)
		}
		if len(x.Summary) > MaxSummary || len(x.Description) > MaxDescription || !utf8.ValidString(x.Summary+x.Description) {
			return nil, fmt.Errorf("the texts in %s: those of %s are too long or not UTF-8", language, x.Name)
		}
	}
	return t, nil
}

// Encode writes the texts as they are published.
func (t *Texts) Encode() ([]byte, error) { return encode(t) }
