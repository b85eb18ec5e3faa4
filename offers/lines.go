// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/catalogue"
	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Line is what a source's catalogue says of a top-level package. Where the source's search file
// isn't here the Entry has nothing but the package, its summary and what it obsoletes.
type Line struct {
	tree.Entry
	Source string // id
	ref    *tree.Reference
}

func lineOf(source string, r *tree.Reference) Line {
	return Line{tree.Entry{NEVRA: r.NEVRA, Summary: r.Summary, Obsoletes: r.Obsoletes, By: r.By}, source, r}
}

// named are the lines of a name of all sources, those that only say what has taken its place too. The
// catalogue must be Ready for the name.
func (o *Offers) named(name string) ([]Line, error) {
	if err := tree.CheckName(name); err != nil {
		return nil, nil
	}
	var all []Line
	for _, s := range o.Sources {
		platform := o.view.platforms[s.ID]
		if platform == nil {
			continue
		}
		if f := o.view.files[s.ID]; f != nil {
			entries, err := f.Find(name)
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				all = append(all, Line{Entry: *e, Source: s.ID})
			}
			continue
		}
		refs, _, err := o.keptReferences(s, platform, name)
		if err != nil {
			return nil, err
		}
		for _, r := range refs {
			all = append(all, lineOf(s.ID, r))
		}
	}
	return all, nil
}

// lines are the packages of a name, installed or not. The catalogue must be Ready for the name.
func (o *Offers) lines(name string) ([]Line, error) {
	all, err := o.named(name)
	return slices.DeleteFunc(all, func(l Line) bool { return l.Version == "" }), err
}

// by are the names of the top-level packages that obsolete a name, whichever version of it. The
// catalogue must be Ready for the name.
func (o *Offers) by(name string) ([]string, error) {
	all, err := o.named(name)
	var by []string
	for _, l := range all {
		by = append(by, l.By...)
	}
	slices.Sort(by)
	return slices.Compact(by), err
}

// Line is the line of the package that is wanted; nil where no source offers it. Of several it is
// one for the platform's own architecture, the newest of those, of the first source that has that.
// The catalogue must be Ready for the name.
func (o *Offers) Line(w Wanted) (*Line, error) {
	all, err := o.lines(w.Name)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b Line) int { return o.prefer(w.Arch, &a, &b) })
	for i := range all {
		if w.Is(all[i].NEVRA) && w.from(all[i].Source) {
			return &all[i], nil
		}
	}
	return nil, nil
}

// A Query says which packages on offer are wanted. The zero Query is all; with more than one field
// set, those that satisfy every one.
type Query struct {
	Name string   // the name is this
	In   []string // each of these is a part of the name, upper and lower case alike
	Text []string // each of these is a part of name, summary, description, licence or group, or of the texts in the user's language
	// Group, Source and Names, one or more of them: in one of these groups, offered by one of these
	// sources, or with one of these names.
	Group, Source, Names []string
	// Among, where it isn't nil, are the packages that it is one of.
	Among []tree.NEVRA
}

// names are the only ones that may be found; false where any may.
func (q *Query) names() ([]string, bool) {
	var names []string
	switch {
	case q.Name != "":
		return []string{q.Name}, true
	case q.Among != nil:
		for _, p := range q.Among {
			names = append(names, p.Name)
		}
	case len(q.Names) > 0 && len(q.Group) == 0 && len(q.Source) == 0:
		names = slices.Clone(q.Names)
	default:
		return nil, false
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

// Available gives the packages that a query is for and that are not installed in the same version,
// ordered by name, until yield fails. A package that two sources offer comes twice. The Package is
// yield's to keep; its Description is not set. The catalogue must be Ready: for the names that the
// query has, or for all.
func (o *Offers) Available(q Query, yield func(*db.Package) error) error {
	installed, err := o.Record.InstalledVersions()
	if err != nil {
		return err
	}
	all := o.all(q)
	if names, ok := q.names(); ok {
		all = o.ofNames(names)
	}
	for l, err := range all {
		if err != nil {
			return err
		}
		if !q.takes(&l) || o.isInstalled(&l, installed[l.Name]) {
			continue
		}
		p := &db.Package{NEVRA: l.NEVRA, Summary: l.Summary, License: l.License, Group: l.Group, URL: l.URL, Size: l.Size, Source: l.Source}
		if err := o.translate(p); err != nil {
			return err
		}
		if err := yield(p); err != nil {
			return err
		}
	}
	return nil
}

// takes tells whether a line is of the groups, sources and packages that are asked for.
func (q *Query) takes(l *Line) bool {
	if q.Among != nil && !slices.Contains(q.Among, l.NEVRA) {
		return false
	}
	return len(q.Group)+len(q.Source)+len(q.Names) == 0 || slices.Contains(q.Group, l.Group) || slices.Contains(q.Source, l.Source) || slices.Contains(q.Names, l.Name)
}

// Installed tells whether the very package of a line is installed.
func (o *Offers) Installed(l *Line) (bool, error) {
	installed, err := o.Record.InstalledVersions()
	return err == nil && o.isInstalled(l, installed[l.Name]), err
}

// isInstalled tells whether one of the installed packages of a line's name is that very package.
func (o *Offers) isInstalled(l *Line, installed []tree.NEVRA) bool {
	if len(installed) == 0 {
		return false
	}
	epochs := o.layout(o.source(l.Source)).tellsEpochs()
	return slices.ContainsFunc(installed, func(p tree.NEVRA) bool {
		if !epochs {
			p.Epoch = l.Epoch
		}
		return p == l.NEVRA
	})
}

// ofNames are the lines of some names, in their order.
func (o *Offers) ofNames(names []string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		for _, name := range names {
			lines, err := o.lines(name)
			if err != nil {
				yield(Line{}, err)
				return
			}
			for _, l := range lines {
				if !yield(l, nil) {
					return
				}
			}
		}
	}
}

// all are the lines of all search files that a query's In, Text and Group are for, or more where only
// takes tells, ordered by name.
func (o *Offers) all(q Query) iter.Seq2[Line, error] {
	in := catalogue.Query{In: q.In, Text: q.Text}
	if len(q.Source) == 0 && len(q.Names) == 0 {
		in.Group = q.Group
	}
	var each []iter.Seq2[Line, error]
	for _, s := range o.Sources {
		if f := o.view.files[s.ID]; f != nil {
			each = append(each, searched(s.ID, f, in))
		}
	}
	if len(q.Text) > 0 {
		names, err := o.translatedNames(q.Text)
		if err != nil {
			return func(yield func(Line, error) bool) { yield(Line{}, err) }
		}
		each = append(each, o.ofNames(names))
	}
	return once(merged(each))
}

// searched are the lines of a search file that a query is for.
func searched(source string, f *catalogue.File, q catalogue.Query) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		err := f.Search(q, func(e *tree.Entry) error {
			if !yield(Line{Entry: *e, Source: source}, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			yield(Line{}, err)
		}
	}
}

// merged makes one sequence of several that are ordered by name.
func merged(each []iter.Seq2[Line, error]) iter.Seq2[Line, error] {
	if len(each) == 1 {
		return each[0]
	}
	return func(yield func(Line, error) bool) {
		type head struct {
			line Line
			err  error
			next func() (Line, error, bool)
		}
		var heads []head
		for _, seq := range each {
			next, stop := iter.Pull2(seq)
			defer stop()
			if l, err, ok := next(); ok {
				heads = append(heads, head{l, err, next})
			}
		}
		for len(heads) > 0 {
			least := 0
			for i := range heads {
				if heads[i].err != nil || cmp.Compare(heads[i].line.Name, heads[least].line.Name) < 0 {
					least = i
				}
			}
			h := &heads[least]
			if !yield(h.line, h.err) || h.err != nil {
				return
			}
			var ok bool
			if h.line, h.err, ok = h.next(); !ok {
				heads = slices.Delete(heads, least, least+1)
			}
		}
	}
}

// once leaves out lines that came already; all of a name come together.
func once(all iter.Seq2[Line, error]) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		var name string
		var told []Line
		for l, err := range all {
			if err == nil {
				if l.Name != name {
					name, told = l.Name, told[:0]
				}
				if slices.ContainsFunc(told, func(t Line) bool { return t.NEVRA == l.NEVRA && t.Source == l.Source }) {
					continue
				}
				told = append(told, l)
			}
			if !yield(l, err) {
				return
			}
		}
	}
}

// Groups are those that packages on offer are in, sorted. The catalogue must be Ready for all names.
func (o *Offers) Groups() ([]string, error) {
	var all []string
	for _, f := range o.view.files {
		groups, err := f.Groups()
		if err != nil {
			return nil, err
		}
		all = append(all, groups...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Group is the group that a source has a package in, installed or not, as far as search files say. Where
// none does, it is what the package says itself.
func (o *Offers) Group(ctx context.Context, p *db.Package) (string, error) {
	if err := o.readView(ctx); err != nil {
		return "", err
	}
	all, err := o.lines(p.Name)
	if err != nil {
		return "", err
	}
	for _, l := range all {
		if l.Group != "" {
			return l.Group, nil
		}
	}
	return p.Group, nil
}

// GroupInTrees is Group where a tree that is here may say it too: that of a dependency.
func (o *Offers) GroupInTrees(ctx context.Context, p *db.Package) (string, error) {
	group, err := o.Group(ctx, p)
	if group != "" || err != nil || p.Source == "" { // what isn't from a source is in no tree
		return group, err
	}
	trees, err := o.Record.TreesWith(p.Name, p.EVR(), p.Arch)
	for _, sha := range trees {
		t, err := o.Record.Tree(sha)
		if t == nil || err != nil {
			return "", err
		}
		for i := range t.Packages {
			if q := &t.Packages[i]; q.NEVRA == p.NEVRA && q.Group != "" {
				return q.Group, nil
			}
		}
	}
	return "", err
}
