// SPDX-License-Identifier: GPL-2.0-or-later

package config

import (
	"fmt"
	"strings"
)

// An Error is what is wrong with a configuration.
type Error struct {
	File    string // as the program was told it
	Line    int    // from 1; 0 where nothing in the file is to blame, e.g. for a key that is missing
	Column  int    // from 1; 0 unless the file is no TOML
	Key     string // e.g. "source.1.url" for the second [[source]]; "" for none
	Problem string // what is wrong and what would be right
}

func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&s, ":%d", e.Line)
	}
	if e.Column > 0 {
		fmt.Fprintf(&s, ":%d", e.Column)
	}
	return s.String() + ": " + e.Problem
}

// Shown is a value as a message has it: in quotes, without who logs in where it is a URL, and not
// for ever.
func Shown(value string) string {
	value = Redacted(value)
	if r := []rune(value); len(r) > 200 {
		value = string(r[:200]) + "…"
	}
	return fmt.Sprintf("%q", value)
}

// Redacted is a URL without who logs in: neither a password nor a token that is the user's name is
// told. url.URL.Redacted keeps the name and needs a URL that can be read; what is written wrongly
// has a password as well.
func Redacted(url string) string {
	at := strings.LastIndexByte(url, '@')
	if at < 0 {
		return url
	}
	scheme, rest, ok := strings.Cut(url[:at], ":")
	if !ok {
		return "xxxxx" + url[at:]
	}
	slashes := len(rest) - len(strings.TrimLeft(rest, "/"))
	return scheme + ":" + rest[:slashes] + "xxxxx" + url[at:]
}

// Either lists what can be chosen: `"a", "b" or "c"`.
func Either(choices ...string) string {
	var s strings.Builder
	for i, c := range choices {
		switch {
		case i > 0 && i == len(choices)-1:
			s.WriteString(" or ")
		case i > 0:
			s.WriteString(", ")
		}
		fmt.Fprintf(&s, "%q", c)
	}
	return s.String()
}

// Nearest is the known word that somebody who wrote word may have meant; "" where none is near.
func Nearest(word string, known []string) string {
	word = strings.ReplaceAll(strings.ToLower(word), "-", "_")
	if len(word) > 50 {
		return ""
	}
	nearest, least := "", 0
	for _, k := range known {
		d := distance(word, strings.ReplaceAll(k, "-", "_"))
		if d <= max(len(word), len(k))/3 && (nearest == "" || d < least) {
			nearest, least = k, d
		}
	}
	return nearest
}

// distance is how many letters are wrong, missing, too much, or changed places with the next one.
func distance(a, b string) int {
	row := func(i int) []int { // of the distances between the first i letters of a and those of b
		r := make([]int, len(b)+1)
		r[0] = i
		return r
	}
	before, last := row(0), row(0)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		this := row(i)
		for j := 1; j <= len(b); j++ {
			wrong := 1
			if a[i-1] == b[j-1] {
				wrong = 0
			}
			this[j] = min(last[j]+1, this[j-1]+1, last[j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				this[j] = min(this[j], before[j-2]+1)
			}
		}
		before, last = last, this
	}
	return last[len(b)]
}
