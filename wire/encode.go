// SPDX-License-Identifier: GPL-2.0-or-later

package wire

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// An encoder makes the lines of a dialect's replies.
type encoder struct {
	lines   map[string]template
	own     map[string]template // the lines of the command that is answered, where it has its own
	command map[string]map[string]template
	words   map[string]map[string]string // as a generation's, of all generations down to the dialect's
	maxSize int64
	// sizeToCome is the generation's.
	sizeToCome bool
	// itemised: a package's progress says which package it is of.
	itemised bool
}

// A template is the line of one reply. Without parts the dialect doesn't have the reply.
type template struct {
	parts  []part
	stderr bool
}

// A part of a line is a text that stays, or a field.
type part struct {
	text   string
	field  int // which of the values of the line of the newest generation that has it
	word   string
	derive func(string) string
	lines  bool // newlines stay
}

// derived are what else can be made of a field.
var derived = map[string]func(string) string{
	"name":    func(id string) string { name, _, _ := strings.Cut(id, ";"); return name },
	"version": func(id string) string { return strings.Split(id, ";")[1] },
	"installed": func(info string) string {
		if info == string(InfoInstalled) {
			return "yes"
		}
		return "no"
	},
	// What PackageKit itself makes of it since 0.2.4.
	"unformatted": func(text string) string { return strings.ReplaceAll(text, "%", "$") },
}

func newEncoder(d Dialect) *encoder {
	line := d.line()
	e := &encoder{lines: make(map[string]template), words: make(map[string]map[string]string), maxSize: math.MaxInt64}
	texts := make(map[string]string)
	onStderr := make(map[string]bool)
	for _, g := range line {
		for reply, text := range g.replies {
			texts[reply] = text
		}
		for _, reply := range g.stderr {
			onStderr[reply] = true
		}
		if g.maxSize > 0 {
			e.maxSize = g.maxSize
		}
		e.sizeToCome = e.sizeToCome || g.sizeToCome
		for field, words := range g.words {
			e.replace(field, words)
		}
	}
	e.command = make(map[string]map[string]template)
	e.itemised = strings.Contains(texts["item-progress"], "{id}")
	for reply, text := range texts {
		if text == "" {
			continue
		}
		reply, command, own := strings.Cut(reply, " of ")
		t := template{parts: parse(text, fieldsOf(newest(reply))), stderr: onStderr[reply]}
		switch {
		case !own:
			e.lines[reply] = t
		case e.command[command] == nil:
			e.command[command] = map[string]template{reply: t}
		default:
			e.command[command][reply] = t
		}
	}
	return e
}

// newest is the line of a reply in the newest generation that has it.
func newest(reply string) string {
	for _, g := range generations {
		if text := g.replies[reply]; text != "" {
			return text
		}
	}
	return ""
}

// replace takes the words that the next older generation doesn't know out of those of a field.
func (e *encoder) replace(field string, unknown map[string]string) {
	words := e.words[field]
	if words == nil {
		words = make(map[string]string)
		e.words[field] = words
	}
	for from, to := range words {
		if nearer, ok := unknown[to]; ok {
			words[from] = nearer
		}
	}
	for from, to := range unknown {
		words[from] = to
	}
}

// fieldsOf is what is between braces, without what is made of it.
func fieldsOf(text string) []string {
	var all []string
	for {
		_, after, ok := strings.Cut(text, "{")
		if !ok {
			return all
		}
		field, rest, _ := strings.Cut(after, "}")
		field, _, _ = strings.Cut(field, ".")
		all, text = append(all, field), rest
	}
}

func parse(text string, fields []string) []part {
	var parts []part
	for text != "" {
		before, after, ok := strings.Cut(text, "{")
		if before != "" {
			parts = append(parts, part{text: strings.ReplaceAll(before, " ", "\t"), field: -1})
		}
		if !ok {
			break
		}
		name, rest, _ := strings.Cut(after, "}")
		field, derivation, _ := strings.Cut(name, ".")
		parts = append(parts, part{field: slices.Index(fields, field), word: field, derive: derived[derivation], lines: derivation == "lines"})
		text = rest
	}
	return parts
}

// word is the dialect's word for one of the newest generation; empty where it has none.
func (e *encoder) word(field, word string) string {
	if nearest, ok := e.words[field][word]; ok {
		return nearest
	}
	return word
}

// size is a size as the dialect takes it.
func (e *encoder) size(n int64) string {
	return strconv.FormatInt(min(max(n, 0), e.maxSize), 10)
}

// download is how much is to be downloaded, as the dialect that tells it takes that: PackageKit's word
// for what isn't known is the largest number.
func (e *encoder) download(n int64) string {
	if n < 0 {
		return strconv.FormatUint(math.MaxUint64, 10)
	}
	return e.size(n)
}

// append adds the line of a reply to b. The values are those of the line of the newest generation
// that has it. It adds nothing where the dialect doesn't have the reply or has no word for what it says.
func (e *encoder) append(b []byte, reply string, values []string) (line []byte, stderr bool) {
	t, own := e.own[reply]
	if !own {
		t = e.lines[reply]
	}
	if len(t.parts) == 0 {
		return b, false
	}
	start := len(b)
	for _, p := range t.parts {
		if p.field < 0 {
			b = append(b, p.text...)
			continue
		}
		v := values[p.field]
		if e.words[p.word] != nil {
			if v = e.word(p.word, v); v == "" && values[p.field] != "" {
				return b[:start], false
			}
		}
		if p.derive != nil {
			v = p.derive(v)
		}
		if p.lines {
			v = strings.Trim(v, "\n")
			for l := range strings.Lines(v) {
				b = append(b, plain(l)...)
				if strings.HasSuffix(l, "\n") {
					b = append(b, '\n')
				}
			}
			continue
		}
		b = append(b, plain(v)...)
	}
	return append(b, '\n'), t.stderr
}
