// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Visible is a text in one line with control characters, escape sequences, characters that turn the
// direction of writing, and bytes that aren't UTF-8 written as in Go's strings, e.g. \u202e. What
// comes from repositories is shown to people in this form, so that a name can't play with a
// terminal or look like another. Printable texts stay as they are.
func Visible(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				b.WriteString(`\x`)
				b.WriteString(strconv.FormatUint(uint64(s[i]), 16))
				continue
			}
		}
		if strconv.IsGraphic(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// withoutUser takes the user name and the password out of a URL. What is no URL and might have some
// comes out empty.
func withoutUser(s string) string {
	if !strings.Contains(s, "@") {
		return s
	}
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	if u.User == nil {
		return s
	}
	u.User = nil
	return u.String()
}
