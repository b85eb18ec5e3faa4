// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"strings"
	"unicode"
)

const (
	maxWords = 2000 // bytes of rpm's words that people are told
	maxChat  = 1000 // bytes of what scriptlets printed
)

// words are what rpm wrote to stderr, and after it what scriptlets printed beside, as people may be
// shown them: nothing in them does anything to a terminal, and there is an end to it. Lines are
// separated by "\n".
func words(stderr, chat string) string {
	text := visible(strings.TrimSpace(stderr))
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	if chat = visible(strings.TrimSpace(chat)); chat != "" {
		text += "\nscriptlets said: " + chat
	}
	return text
}

// visible is a text without what can't be seen, but for newlines.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || unicode.IsPrint(r):
			return r
		case r == '\t':
			return ' '
		}
		return unicode.ReplacementChar
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// A tail keeps the last maxChat bytes of some lines.
type tail []byte

func (t *tail) add(line string) {
	if line == "" {
		return
	}
	*t = append(append(*t, line...), '\n')
	if len(*t) > maxChat {
		*t = append((*t)[:0], (*t)[len(*t)-maxChat:]...)
	}
}
