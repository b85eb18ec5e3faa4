package db

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Query says which packages are wanted. The zero Query is all packages; with more than one field set, those that
// satisfy every one.
type Query struct {
	Name string   // the name is this
	In   []string // each of these is a part of the name, upper and lower case alike
	Text []string // each of these is a part of name, summary, description, licence or group
}

// Installed gives the installed packages that a query is for, ordered by name, until yield fails. The
// Package is yield's to keep.
func (r *Record) Installed(q Query, yield func(*Package) error) error {
	return r.list(`SELECT p.name, p.evr, p.arch, p.summary, p.description, p.license, p.grp, p.url, p.size, coalesce(o.source, '')
		FROM installed p LEFT JOIN own o ON o.name = p.name AND o.evr = p.evr AND o.arch = p.arch`, "installed_text", q, true, yield)
}

// Available gives the packages in the loaded catalogues that a query is for and that are not installed in the
// same version, ordered by name, until yield fails. A package that two sources offer comes twice. The Package is
// yield's to keep; its Description and Entry are not set: see Offers.
func (r *Record) Available(q Query, yield func(*Package) error) error {
	return r.list(`SELECT p.name, p.evr, p.arch, p.summary, '', p.license, p.grp, p.url, p.size, l.source
		FROM entry p JOIN shard s ON s.id = p.shard JOIN listed l ON l.sha256 = s.sha256`, "entry_text", q, false, yield)
}

// epochUnknown is for packages of sources that don't tell sizes: they don't tell epochs either (Sugar Network's).
const epochUnknown = "p.download = 0 AND i.evr LIKE '%:' || p.evr"

func (r *Record) list(from, index string, q Query, installed bool, yield func(*Package) error) error {
	where, args := q.where(index)
	if !installed {
		where = append(where, "NOT EXISTS (SELECT 1 FROM installed i WHERE i.name = p.name AND i.arch = p.arch AND (i.evr = p.evr OR "+epochUnknown+"))")
	}
	if len(where) > 0 {
		from += " WHERE " + strings.Join(where, " AND ")
	}
	rows, err := r.query(from+" ORDER BY p.name", args...)
	if err != nil {
		return r.failed("reading", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, evr, arch string
		p := &Package{Installed: installed}
		if err := rows.Scan(&name, &evr, &arch, &p.Summary, &p.Description, &p.License, &p.Group, &p.URL, &p.Size, &p.Source); err != nil {
			return r.failed("reading", err)
		}
		p.NEVRA = nevra(name, evr, arch)
		if err := yield(p); err != nil {
			return err
		}
	}
	return r.failed("reading", rows.Err())
}

// where turns a query into SQL conditions on the table p and its index. Terms of three characters and more are looked up
// in the index of trigrams; shorter ones are not in it and are searched for in the texts.
func (q Query) where(index string) (where []string, args []any) {
	if q.Name != "" {
		where, args = append(where, "p.name = ?"), append(args, q.Name)
	}
	var match []string
	add := func(terms []string, columns string, like string) {
		for _, t := range terms {
			if utf8.RuneCountInString(t) >= 3 {
				match = append(match, columns+`"`+strings.ReplaceAll(t, `"`, `""`)+`"`)
				continue
			}
			// SQLite's LIKE knows upper and lower case of ASCII only.
			var either []string
			for _, s := range spellings(t) {
				either = append(either, like+` LIKE ? ESCAPE '\'`)
				args = append(args, "%"+strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)+"%")
			}
			where = append(where, "("+strings.Join(either, " OR ")+")")
		}
	}
	add(q.In, "name : ", "p.name")
	add(q.Text, "", "p.name || ' ' || p.summary || ' ' || p.description || ' ' || p.license || ' ' || p.grp")
	if len(match) > 0 {
		where = append(where, "p.id IN (SELECT rowid FROM "+index+" WHERE "+index+" MATCH ?)")
		args = append(args, strings.Join(match, " AND "))
	}
	return where, args
}

// spellings are a term of one or two characters in upper and lower case, as far as they differ beyond ASCII.
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

// Offers are the packages of a name in the loaded catalogues, installed or not, with their Entry.
func (r *Record) Offers(name string) ([]Package, error) {
	rows, err := r.query(`SELECT p.name, p.evr, p.arch, p.summary, p.description, p.license, p.grp, p.url, p.size, p.download, p.provides, l.source,
			p.tree_path, p.tree_sha256, p.tree_size, p.files_path, p.files_sha256, p.files_size
		FROM entry p JOIN shard s ON s.id = p.shard JOIN listed l ON l.sha256 = s.sha256 WHERE p.name = ?`, name)
	if err != nil {
		return nil, r.failed("reading", err)
	}
	defer rows.Close()
	var all []Package
	for rows.Next() {
		var name, evr, arch, provides string
		var p Package
		e := new(tree.Entry)
		if err := rows.Scan(&name, &evr, &arch, &e.Summary, &e.Description, &e.License, &e.Group, &e.URL, &e.Size, &e.Download, &provides, &p.Source,
			&e.Tree.Path, &e.Tree.SHA256, &e.Tree.Size, &e.Files.Path, &e.Files.SHA256, &e.Files.Size); err != nil {
			return nil, r.failed("reading", err)
		}
		e.NEVRA = nevra(name, evr, arch)
		if provides != "" {
			e.Provides = strings.Split(provides, "\n")
		}
		p.NEVRA, p.Summary, p.Description, p.License, p.Group, p.URL, p.Size, p.Entry = e.NEVRA, e.Summary, e.Description, e.License, e.Group, e.URL, e.Size, e
		all = append(all, p)
	}
	return all, r.failed("reading", rows.Err())
}
