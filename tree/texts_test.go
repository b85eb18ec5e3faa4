// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestLanguage(t *testing.T) {
	const n = 8
	x := Index{digest, n}
	line := func(l *Language) (int, []byte) {
		t.Helper()
		line, err := l.Line()
		if err != nil {
			t.Fatal(err)
		}
		return LanguageShard(l.Language, n), line
	}
	want := &Language{"pt_BR", search("texts")}
	at, encoded := line(want)
	if got, err := x.ParseLanguage(at, encoded); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := x.ParseLanguage((at+1)%n, encoded); err == nil {
		t.Error("a line in a shard that nobody would look into is taken")
	}
	if LanguageShard("pt", n) != at || LanguageShard("pt@latin", n) != at {
		t.Error("a language isn't where its variants are")
	}
	for name, l := range map[string]*Language{
		"no language":      {"../de", search("texts")},
		"another folder":   {"de", search("search")},
		"no search file":   {"de", Search{}},
		"many differences": {"de", func() Search { s := search("texts"); s.Differences = slices.Repeat(s.Differences, 50); return s }()},
	} {
		at, encoded := line(l)
		if got, err := x.ParseLanguage(at, encoded); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, line := range []string{"", "null", "[]", "{}", `{"language":7}`} {
		if got, err := (Index{digest, 1}).ParseLanguage(0, []byte(line)); err == nil {
			t.Errorf("%s: %+v", line, got)
		}
	}
	for languages, want := range map[int]int{0: 1, 2: 1, 3: 2, 100: 64, 1 << 20: MaxShards} {
		if got := LanguageShards(languages); got != want {
			t.Errorf("%d languages are in %d shards, want %d", languages, got, want)
		}
	}
}

func FuzzParseLanguage(f *testing.F) {
	line, _ := (&Language{"de", search("texts")}).Line()
	f.Add(line)
	f.Add([]byte(`{"language":"de","path":"texts/../x","differences":[{},{}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		x := Index{digest, 1}
		l, err := x.ParseLanguage(0, line)
		if err != nil {
			return
		}
		again, err := l.Line()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := x.ParseLanguage(0, again); err != nil || !reflect.DeepEqual(got, l) {
			t.Errorf("%+v is read again as %+v, %v", l, got, err)
		}
	})
}

func TestTexts(t *testing.T) {
	want := &Texts{Format: Format, Platform: "p", Language: "pt_BR", Texts: []Text{{"hello", "Diz olá", "Diz olá.\nEm voz alta."}, {"paint", "", "Pinta"}}}
	data := mustEncode(t, want)
	if got, err := ParseTexts(data, "p", "pt_BR"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParseTexts: %+v, %v", got, err)
	}
	for name, text := range map[string]string{
		"another language": string(mustEncode(t, &Texts{Format: Format, Platform: "p", Language: "pt"})),
		"another platform": string(mustEncode(t, &Texts{Format: Format, Platform: "q", Language: "pt_BR"})),
		"a newer format":   `{"format":3,"platform":"p","language":"pt_BR"}`,
		"a bad name":       `{"format":2,"platform":"p","language":"pt_BR","texts":[{"name":"a;b","summary":"x"}]}`,
		"a long summary":   string(mustEncode(t, &Texts{Format: Format, Platform: "p", Language: "pt_BR", Texts: []Text{{Name: "a", Summary: strings.Repeat("x", MaxSummary+1)}}})),
		"no JSON":          "<html>",
	} {
		if got, err := ParseTexts([]byte(text), "p", "pt_BR"); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for s, ok := range map[string]bool{"de": true, "pt_BR": true, "sr@latin": true, "zh_Hans": true, "": false, "C": false, "x-test": false, "de/../x": false, "DE": false, "pt-BR": false} {
		if (CheckLanguage(s) == nil) != ok {
			t.Errorf("CheckLanguage(%q): %v", s, CheckLanguage(s))
		}
	}
}

func FuzzParseTexts(f *testing.F) {
	f.Add(mustEncode(f, &Texts{Format: Format, Platform: "p", Language: "de", Texts: []Text{{"hello", "Sagt hallo", "Sagt\nhallo"}}}))
	f.Add([]byte(`{"format":2,"platform":"p","language":"de","texts":[` + strings.Repeat(`{},`, 1000) + `{}]}`))
	f.Add([]byte(`{"format":2,"platform":"p","language":"de","texts":[{"name":"a;b"},{"name":"a","summary":"\u202e\ufffd"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		texts, err := ParseTexts(data, "p", "de")
		if err != nil {
			return
		}
		for _, x := range texts.Texts {
			if CheckName(x.Name) != nil || len(x.Summary) > MaxSummary || len(x.Description) > MaxDescription {
				t.Errorf("%q was taken", x)
			}
		}
		again, err := texts.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseTexts(again, "p", "de"); err != nil {
			t.Errorf("what was read can't be read again: %v", err)
		}
	})
}
