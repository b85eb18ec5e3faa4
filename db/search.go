// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Query says which installed packages are wanted. The zero Query is all; with more than one field
// set, those that satisfy every one.
type Query struct {
	Name string   // the name is this
	In   []string // each of these is a part of the name, upper and lower case alike
	Text []string // each of these is a part of name, summary, description, licence or group
	Or   []string // with Text: or the name is one of these
	// Among, where it isn't nil, are digests of headers (InstalledUpdate.Add).
	Among []string
}

// Installed gives the installed packages that a query is for, ordered by name, until yield fails.
// The Package is yield's to keep.
func (r *Record) Installed(q Query, yield func(*Package) error) error {
	where, args := q.where()
	from := `SELECT p.name, p.evr, p.arch, p.summary, p.description, p.license, p.grp, p.url, p.size, coalesce(o.source, '')
		FROM installed p LEFT JOIN own o ON o.name = p.name AND o.evr = p.evr AND o.arch = p.arch`
	if len(where) > 0 {
		from += " WHERE " + strings.Join(where, " AND ")
	}
	return each(r, from+" ORDER BY p.name", args, func(s scan) (*Package, error) {
		var name, evr, arch string
		p := &Package{Installed: true}
		err := s(&name, &evr, &arch, &p.Summary, &p.Description, &p.License, &p.Group, &p.URL, &p.Size, &p.Source)
		p.NEVRA = nevra(name, evr, arch)
		return p, err
	}, yield)
}

// where turns a query into SQL conditions on the table p and its index.
func (q Query) where() (where []string, args []any) {
	if q.Name != "" {
		where, args = append(where, "p.name = ?"), append(args, q.Name)
	}
	where, args = contains(where, args, q.In, "name : ", "p.name")
	text, textArgs := contains(nil, nil, q.Text, "", "p.name || ' ' || p.summary || ' ' || p.description || ' ' || p.license || ' ' || p.grp")
	if len(text) > 0 {
		where = append(where, "("+strings.Join(text, " AND ")+" OR p.name IN (SELECT value FROM json_each(?)))")
		args = append(append(args, textArgs...), list(q.Or))
	}
	if q.Among != nil {
		where, args = append(where, "p.digest IN (SELECT value FROM json_each(?))"), append(args, list(q.Among))
	}
	return where, args
}

// contains adds the conditions for terms that are a part of columns of the index, or of an
// expression. Terms of three characters and more are looked up in the index of trigrams; shorter
// ones are not in it and are searched for in the texts.
func contains(where []string, args []any, terms []string, columns, expression string) ([]string, []any) {
	var match []string
	for _, t := range terms {
		if utf8.RuneCountInString(t) >= 3 {
			match = append(match, columns+`"`+strings.ReplaceAll(t, `"`, `""`)+`"`)
			continue
		}
		// SQLite's LIKE knows upper and lower case of ASCII only.
		var either []string
		for _, s := range spellings(t) {
			either = append(either, expression+` LIKE ? ESCAPE '\'`)
			args = append(args, "%"+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)+"%")
		}
		where = append(where, "("+strings.Join(either, " OR ")+")")
	}
	if len(match) > 0 {
		where = append(where, "p.id IN (SELECT rowid FROM installed_text WHERE installed_text MATCH ?)")
		args = append(args, strings.Join(match, " AND "))
	}
	return where, args
}

// spellings are a term of one or two characters in upper and lower case, as far as they differ
// beyond ASCII.
func spellings(term string) []string {
	all := []string{""}
	for _, r := range term {
		cases := []rune{r}
		if other := unicode.ToLower(r); other != r && r >= utf8.RuneSelf {
			cases = append(cases, other)
		} else if other := unicode.ToUpper(r); other != r && r >= utf8.RuneSelf {
			cases = append(cases, other)
		}
		var longer []string
		for _, s := range all {
			for _, c := range cases {
				longer = append(longer, s+string(c))
			}
		}
		all = longer
	}
	return all
}
