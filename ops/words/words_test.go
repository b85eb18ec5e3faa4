// SPDX-License-Identifier: GPL-2.0-or-later

package words

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

var update = flag.Bool("update", false, "write doc/errors.md anew")

// all are the sentences of each language.
func all(t *testing.T) map[string]map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.toml")
	if err != nil {
		t.Fatal(err)
	}
	languages := make(map[string]map[string]string)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var sentences map[string]string
		if err := toml.Unmarshal(data, &sentences); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		languages[strings.TrimSuffix(name, ".toml")] = sentences
	}
	return languages
}

// Each language has each sentence, and no other; and a sentence is one or some, in one line.
func TestComplete(t *testing.T) {
	languages := all(t)
	english := slices.Sorted(maps.Keys(languages["en"]))
	if len(english) < 30 || len(languages) < 4 {
		t.Fatalf("%d sentences in %d languages", len(english), len(languages))
	}
	for name, sentences := range languages {
		if is := slices.Sorted(maps.Keys(sentences)); !slices.Equal(is, english) {
			t.Errorf("%s has %q, and English %q", name, is, english)
		}
		for kind, s := range sentences {
			if s == "" || strings.ContainsAny(s, "\n\t;%") || !strings.HasSuffix(s, ".") || strings.Contains(s, "pkcon") {
				t.Errorf("%s, %s: %q", name, kind, s)
			}
			if name != "en" && s == languages["en"][kind] {
				t.Errorf("%s, %s isn't translated", name, kind)
			}
		}
	}
}

// Each code that this program answers with has a sentence, and there is none for what it doesn't.
func TestCodes(t *testing.T) {
	used := make(map[string]bool)
	source, err := os.ReadFile("../../wire/error.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^\t([A-Z][A-Za-z]+) +Code = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1) {
		codes[m[1]] = m[2]
	}
	for _, folder := range []string{"ops", "ops/*", "dispatcher", "cmd/pk-presolve", "wire"} {
		names, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "wire/error.go") || regexp.MustCompile(`wire/v\d`).MatchString(name) {
				continue
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?:wire\.|Errorf\(|Code: )([A-Z][A-Za-z]+)\b`).FindAllStringSubmatch(string(data), -1) {
				if code := codes[m[1]]; code != "" {
					used[code] = true
				}
			}
		}
	}
	told := make(map[string]bool)
	for kind := range all(t)["en"] {
		code, _, _ := strings.Cut(kind, ".")
		told[code] = true
	}
	if a, b := slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(told)); !slices.Equal(a, b) {
		for _, c := range a {
			if !told[c] {
				t.Errorf("%s has no sentence", c)
			}
		}
		for _, c := range b {
			if !used[c] {
				t.Errorf("%s has a sentence, and nothing answers with it", c)
			}
		}
	}
}

func TestOf(t *testing.T) {
	for _, test := range []struct {
		languages []string
		kind      string
		want      string
	}{
		{[]string{"es_PE", "es"}, "no-packages-to-update", "Todo está al día."},
		{[]string{"pt_BR", "pt"}, "no-packages-to-update", "Tudo está atualizado."},
		{[]string{"fr"}, "repo-not-available.expired", all(t)["fr"]["repo-not-available.expired"]},
		{[]string{"fr"}, "repo-not-available.other", all(t)["fr"]["repo-not-available"]},
		{[]string{"en_GB", "en"}, "no-network", ""}, {[]string{"xx"}, "no-network", ""}, {nil, "no-network", ""}, {[]string{"es"}, "no-such-code", ""}, {[]string{"../es"}, "no-network", ""},
	} {
		if got := Of(test.languages, test.kind); got != test.want {
			t.Errorf("%q, %s: %q, want %q", test.languages, test.kind, got, test.want)
		}
	}
}

const preamble = `# Every error that a person can meet

By PackageKit's code; what is after a dot is told apart here. "pkcon" prints the text after “Fatal error: ”. With an English locale the text is
the details alone, which say what was tried, why it failed and what to do; in other languages the sentence comes first. What GNOME Software
43 says is what it says where NAME can't be installed; where it doesn't show the text, "pkcon" or the journal does. The files to translate are
"ops/words/*.toml"; "go test ./ops/words -update" writes this page.
`

// gnome is what GNOME Software says of a code (43's plugins/packagekit/packagekit-common.c and src/gs-shell.c).
func gnome(code string) string {
	switch code {
	case "no-network":
		return "“Unable to install: internet access was required but wasn’t available”, with a button for the network's settings"
	case "no-space-on-device":
		return "“Unable to install NAME: not enough disk space”, with a button that examines the disk"
	case "package-download-failed":
		return "“Unable to install NAME as download failed”, and the text"
	case "bad-gpg-signature", "gpg-failure", "missing-gpg-signature":
		return "“Unable to install NAME: you do not have permission to install software”"
	case "not-supported", "invalid-package-file":
		return "“Unable to install NAME as not supported”"
	case "transaction-cancelled":
		return "nothing: it was a person who cancelled"
	}
	return "“Unable to install NAME”, and the text"
}

// doc/errors.md has them all.
func TestTable(t *testing.T) {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(preamble, `"`, "`"))
	languages := all(t)
	for _, kind := range slices.Sorted(maps.Keys(languages["en"])) {
		fmt.Fprintf(&b, "\n## %s\n\n", kind)
		for _, l := range []string{"en", "es", "fr", "pt"} {
			fmt.Fprintf(&b, "* %s: %s\n", l, languages[l][kind])
		}
		code, _, _ := strings.Cut(kind, ".")
		fmt.Fprintf(&b, "* GNOME Software: %s\n", gnome(code))
	}
	const page = "../../doc/errors.md"
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if is, err := os.ReadFile(page); err != nil || string(is) != b.String() {
		t.Errorf("doc/errors.md is another: go test ./ops/words -update (%v)", err)
	}
}
