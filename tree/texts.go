// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// A Language is a line of the index of texts: the search file of a language, with the summaries and
// descriptions of the top-level packages that are translated. So a laptop downloads no language but
// its own, and nobody needs one to install something.
type Language struct {
	Language string `json:"language"` // as in a locale's name: "de", "pt_BR"
	Search
}

// LanguageShard is the number of the shard, of n, that has a language. Where it has variants they are
// all in one.
func LanguageShard(language string, n int) int {
	if i := strings.IndexAny(language, "_@"); i >= 0 {
		language = language[:i]
	}
	return Shard(language, n)
}

// LanguageShards is how many shards an index of so many languages is published in: as many as keep
// one at about 2 KiB.
func LanguageShards(languages int) int {
	n := 1
	for languages > n*2 && n < MaxShards {
		n *= 2
	}
	return n
}

// ParseLanguage reads and checks a line of the index of texts, of the shard of this number.
func (x Index) ParseLanguage(number int, line []byte) (*Language, error) {
	if err := languageLimit.check("line", line); err != nil {
		return nil, err
	}
	l := new(Language)
	if err := json.Unmarshal(line, l); err != nil {
		return nil, fmt.Errorf("reading a shard: %w", err)
	}
	if err := CheckLanguage(l.Language); err != nil {
		return nil, err
	}
	if err := l.Search.check("texts"); err != nil {
		return nil, fmt.Errorf("the texts in %s: %w", l.Language, err)
	}
	if at := LanguageShard(l.Language, x.Shards); at != number {
		return nil, fmt.Errorf("%s is in shard %d of %d and belongs into %d", l.Language, number, x.Shards, at)
	}
	return l, nil
}

// Line is the line of a Language as it is published.
func (l *Language) Line() ([]byte, error) { return encode(l) }

// Texts are what categories are called in a language.
type Texts struct {
	Format   int    `json:"format"`
	Platform string `json:"platform"`
	Language string `json:"language"`
	Texts    []Text `json:"texts"` // sorted by name
}

// A Text describes one package, or category. What is empty isn't translated.
type Text struct {
	Name        string `json:"name"`
	Summary     string `json:"summary,omitempty"`
	Description string `json:"description,omitempty"`
}

// Bounds on texts.
const (
	MaxTexts       = 2 << 20 // bytes of a file of categories' texts
	MaxSummary     = 300     // bytes
	MaxDescription = 3000    // bytes
)

// language is compiled when it is first needed: many commands need none.
var language = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]{2,3}(_[A-Za-z]{2,8})?(@[a-z]{2,16})?$`) })

// CheckLanguage tells whether a text is a language as Texts name it.
func CheckLanguage(s string) error {
	if !language().MatchString(s) {
		return fmt.Errorf("%.40q is no language like \"de\" or \"pt_BR\"", s)
	}
	return nil
}

// ParseTexts reads and checks what a platform's categories are called in a language.
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
