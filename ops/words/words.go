// SPDX-License-Identifier: GPL-2.0-or-later

// Package words has what a person is told of each kind of error in his or her own language: what
// happened, what is kept, what to do next. The details of an error, which names, servers, figures and
// rpm's own words, come after that in English, as who helps by telephone needs them.
//
// A language is a file of this folder, called as in locales' names; en.toml is the one to translate from, and
// says where a sentence is used. English itself adds nothing: its details are sentences already.
// Nothing is read before there is an error to tell.
package words

import (
	"embed"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

//go:embed *.toml
var files embed.FS

// Of is the sentence for a kind of error in the first of some languages, as in locales' names ("pt_BR",
// "pt"), that there is; "" where there is none. kind is PackageKit's code of the error, or that with a dot and a word that is more
// exact; where only the former is known it does.
func Of(languages []string, kind string) string {
	for _, language := range languages {
		if sentences := read(language); sentences != nil {
			if s := sentences[kind]; s != "" {
				return s
			}
			code, _, _ := strings.Cut(kind, ".")
			return sentences[code]
		}
	}
	return ""
}

// read reads a language; nil where there is no such, and for English.
func read(language string) map[string]string {
	if language == "en" {
		return nil
	}
	data, err := files.ReadFile(language + ".toml") // no name leads out of it
	if err != nil {
		return nil
	}
	var all map[string]string
	if toml.Unmarshal(data, &all) != nil { // a test reads each
		return nil
	}
	return all
}
