// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"reflect"
	"strings"
	"testing"
)

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
