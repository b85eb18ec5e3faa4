// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Query says which packages are wanted. The zero Query is all packages; with more than one field
// set, those that satisfy every one.
type Query struct {
	Name string   // the name is this
	In   []string // each of these is a part of the name, upper and lower case alike
	Text []string // each of these is a part of name, summary, description, licence or group
	// Group, Source and Names, one or more of them: in one of these groups, offered by or installed
	// from one of these sources, or with one of these names. An installed package is in the group
	// that a source has it in.
	Group, Source, Names []string
	Among                *Set // one of these
}

// A Set is packages that were looked for one by one.
type Set struct {
	Installed []string // digests of headers (InstalledUpdate.Add)
	Available []int64  // as WithFile, Providing and Entries give them
}

// Installed gives the installed packages that a query is for, ordered by name, until yield fails.
// The Package is yield's to keep.
func (r *Record) Installed(q Query, yield func(*Package) error) error {
	return r.list(`SELECT p.name, p.evr, p.arch, `+r.text("summary")+`, `+r.text("description")+`, p.license, p.grp, p.url, p.size, coalesce(o.source, '')
		FROM installed p LEFT JOIN own o ON o.name = p.name AND o.evr = p.evr AND o.arch = p.arch`, "installed_text", q, true, yield)
}

// Available gives the packages in the loaded catalogues that a query is for and that are not
// installed in the same version, ordered by name, until yield fails. A package that two sources
// offer comes twice. The Package is yield's to keep; its Description and Entry are not set: see
// Offers.
func (r *Record) Available(q Query, yield func(*Package) error) error {
	return r.list(`SELECT p.name, p.evr, p.arch, `+r.text("summary")+`, '', p.license, p.grp, p.url, p.size, p.source
		FROM offered p`, "entry_text", q, false, yield)
}

// epochUnknown is for packages of sources that don't tell sizes: they don't tell epochs either
// (Sugar Network's).
const epochUnknown = "p.download = 0 AND i.evr LIKE '%:' || p.evr"

// notInstalled is the condition that the entry p is not installed in the same version.
const notInstalled = "NOT EXISTS (SELECT 1 FROM installed i WHERE i.name = p.name AND i.arch = p.arch AND (i.evr = p.evr OR " + epochUnknown + "))"

func (r *Record) list(from, index string, q Query, installed bool, yield func(*Package) error) error {
	where, args := Query{Name: q.Name, In: q.In}.where(index)
	if more, moreArgs := r.whereText(q, index); more != nil {
		where, args = append(where, more...), append(args, moreArgs...)
	}
	if more, moreArgs := q.whereFrom(installed); more != nil {
		where, args = append(where, more...), append(args, moreArgs...)
	}
	if !installed {
		where = append(where, notInstalled)
	}
	if len(where) > 0 {
		from += " WHERE " + strings.Join(where, " AND ")
	}
	return each(r, from+" ORDER BY p.name", r.inLanguage(args), func(s scan) (*Package, error) {
		var name, evr, arch string
		p := &Package{Installed: installed}
		err := s(&name, &evr, &arch, &p.Summary, &p.Description, &p.License, &p.Group, &p.URL, &p.Size, &p.Source)
		p.NEVRA = nevra(name, evr, arch)
		return p, err
	}, yield)
}

// where turns a query into SQL conditions on the table p and its index. Terms of three characters
// and more are looked up in the index of trigrams; shorter ones are not in it and are searched for
// in the texts.
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

// whereFrom turns what a query asks of groups and sources, and its set, into SQL conditions on the
// tables of packages that are installed, or not.
func (q Query) whereFrom(installed bool) (where []string, args []any) {
	id, group, source := "p.id", "p.grp", "p.source"
	if installed {
		id, source = "p.digest", "o.source"
		group = "coalesce(nullif((SELECT e.grp FROM entry e WHERE e.name = p.name LIMIT 1), ''), nullif(p.grp, ''), 'unknown')"
	}
	var either []string
	if len(q.Group) > 0 {
		either, args = append(either, group+" IN (SELECT value FROM json_each(?))"), append(args, list(q.Group))
	}
	if len(q.Source) > 0 {
		either, args = append(either, source+" IN (SELECT value FROM json_each(?))"), append(args, list(q.Source))
	}
	if len(q.Names) > 0 {
		either, args = append(either, "p.name IN (SELECT value FROM json_each(?))"), append(args, list(q.Names))
	}
	if len(either) > 0 {
		where = append(where, "("+strings.Join(either, " OR ")+")")
	}
	if q.Among != nil {
		among := list(q.Among.Available)
		if installed {
			among = list(q.Among.Installed)
		}
		where, args = append(where, id+" IN (SELECT value FROM json_each(?))"), append(args, among)
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

// Offers are the packages of a name in the loaded catalogues, installed or not, with their Entry.
func (r *Record) Offers(name string) ([]Package, error) {
	return r.offers("p.name = ?", name)
}

// Obsoleting are the packages in the loaded catalogues that obsolete a package of a name, whichever
// versions of it, with their Entry.
func (r *Record) Obsoleting(name string) ([]Package, error) {
	return r.offers("p.id IN (SELECT entry FROM obsoleted WHERE name = ?) ORDER BY p.name", name)
}

// Obsoleted are those of some names that nothing in the loaded catalogues has and something in them
// obsoletes.
func (r *Record) Obsoleted(names []string) ([]string, error) {
	return column[string](r, `SELECT DISTINCT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM offered WHERE name = value)
		AND EXISTS (SELECT 1 FROM obsoleted o JOIN offered p ON p.id = o.entry WHERE o.name = value)`, list(names))
}

// Missing are those of some names that nothing in the loaded catalogues has, and that aren't
// installed by something else than this backend.
func (r *Record) Missing(names []string) ([]string, error) {
	return column[string](r, `SELECT DISTINCT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM offered WHERE name = value)
		AND NOT EXISTS (SELECT 1 FROM installed i WHERE i.name = value
			AND NOT EXISTS (SELECT 1 FROM own o WHERE o.name = i.name AND o.evr = i.evr AND o.arch = i.arch))`, list(names))
}

func (r *Record) offers(where, name string) ([]Package, error) {
	return rows(r, `SELECT p.name, p.evr, p.arch, `+r.text("summary")+`, `+r.text("description")+`, p.license, p.grp, p.url, p.size, p.download, p.provides, p.source,
			p.tree_path, p.tree_sha256, p.tree_size, p.files_path, p.files_sha256, p.files_size, p.obsoletes
		FROM offered p WHERE `+where, func(s scan) (p Package, err error) {
		var name, evr, arch, provides, obsoletes string
		e := new(tree.Entry)
		err = s(&name, &evr, &arch, &e.Summary, &e.Description, &e.License, &e.Group, &e.URL, &e.Size, &e.Download, &provides, &p.Source,
			&e.Tree.Path, &e.Tree.SHA256, &e.Tree.Size, &e.Files.Path, &e.Files.SHA256, &e.Files.Size, &obsoletes)
		e.NEVRA = nevra(name, evr, arch)
		e.Provides, e.Obsoletes = lines(provides), lines(obsoletes)
		p.NEVRA, p.Summary, p.Description, p.License, p.Group, p.URL, p.Size, p.Entry = e.NEVRA, e.Summary, e.Description, e.License, e.Group, e.URL, e.Size, e
		return p, err
	}, r.inLanguage([]any{name})...)
}

// Entries are the ids of a package in the loaded catalogues, for a Set.
func (r *Record) Entries(p tree.NEVRA) ([]int64, error) {
	return column[int64](r, "SELECT id FROM entry WHERE name = ? AND evr = ? AND arch = ?", p.Name, p.EVR(), p.Arch)
}

// Groups are those of these groups that packages in the loaded catalogues are in.
func (r *Record) Groups(among []string) ([]string, error) {
	return column[string](r, "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM offered WHERE grp = value) ORDER BY key", list(among))
}

// WithFile are the packages in the catalogues whose paths are kept (KeepPaths) and that have one of
// these files: a whole path, or the end of one that follows a "/".
func (r *Record) WithFile(files []string) ([]int64, error) {
	var all []int64
	for _, f := range files {
		part := "/" + f + "\n"
		if strings.HasPrefix(f, "/") {
			part = "\n" + f + "\n"
		}
		ids, err := column[int64](r, "SELECT id FROM entry WHERE files_sha256 IN (SELECT sha256 FROM top_paths WHERE instr(paths, ?) > 0)", part)
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
	}
	return all, nil
}

// Providing are the packages in the catalogues that have the name, or provide something that begins
// with prefix and that match takes.
func (r *Record) Providing(name, prefix string, match func(provided string) bool) ([]int64, error) {
	all, err := column[int64](r, "SELECT id FROM entry WHERE name = ?", name)
	if err != nil {
		return nil, err
	}
	type provided struct {
		entry int64
		name  string
	}
	err = each(r, "SELECT entry, name FROM provided WHERE name >= ? AND name < ?", []any{prefix, prefix + "\U0010FFFF"}, func(s scan) (p provided, err error) {
		err = s(&p.entry, &p.name)
		return p, err
	}, func(p provided) error {
		if match(p.name) {
			all = append(all, p.entry)
		}
		return nil
	})
	return all, err
}
