// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Tree is the tree that a reference leads to: from the record, else from the first source that has
// it.
func (o *Offers) Tree(ctx context.Context, source string, r *tree.Reference) (*tree.Tree, error) {
	t, err := o.Record.Tree(r.Tree.SHA256)
	if t != nil || err != nil {
		return t, err
	}
	body, dictionary, err := o.downloadTree(ctx, source, r)
	if notFound(err) && o.isChosen(ctx, source) {
		return nil, mark(ErrElsewhere, "%s isn't at the source %s, which is a copy of some programs: ask whoever runs it for this one", r.Name, source)
	}
	if err != nil {
		return nil, err
	}
	return o.keepTree(ctx, source, r, body, dictionary)
}

func (o *Offers) keepTree(ctx context.Context, source string, r *tree.Reference, body, dictionary []byte) (*tree.Tree, error) {
	t, err := tree.ParseTree(body, dictionary, o.Platform, r.Name)
	if err != nil {
		return nil, &SourceError{Source: source, Err: err}
	}
	return t, o.Record.KeepPublished(ctx, r.Tree.SHA256, body, t.Packages)
}

// LoadTrees loads the trees of lines, at once rather than one after the other. Nobody waits long for
// them: what can't be loaded isn't there for Details. The error is one that ends the command.
func (o *Offers) LoadTrees(ctx context.Context, lines []*Line) error {
	for _, s := range o.Sources {
		var of []*Line
		for _, l := range lines {
			if l.Source == s.ID {
				of = append(of, l)
			}
		}
		if o.view.platforms[s.ID] == nil || len(of) == 0 {
			continue
		}
		missing, err := o.missingTrees(of)
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			continue
		}
		if err := o.try(ctx, attempt{s, true}, true, func(ctx context.Context) error { return o.loadTrees(ctx, s, missing) }); Ends(err) {
			return err
		}
	}
	return nil
}

// missingTrees are those of some lines whose trees aren't here.
func (o *Offers) missingTrees(lines []*Line) (missing []*Line, err error) {
	for _, l := range lines {
		r, err := o.keptReference(l)
		here := false
		if err == nil && r != nil {
			here, err = o.Record.Kept(r.Tree.SHA256, func([]byte) error { return nil })
		}
		if err != nil {
			return nil, err
		}
		if !here {
			missing = append(missing, l)
		}
	}
	return missing, nil
}

// keptReference is the reference of a line as far as it is here; nil where it isn't.
func (o *Offers) keptReference(l *Line) (*tree.Reference, error) {
	s := o.source(l.Source)
	platform := o.view.platforms[s.ID]
	if l.ref != nil || platform == nil {
		return l.ref, nil
	}
	refs, _, err := o.keptReferences(s, platform, l.Name)
	i := slices.IndexFunc(refs, func(r *tree.Reference) bool { return r.NEVRA == l.NEVRA })
	if i < 0 || err != nil {
		return nil, err
	}
	return refs[i], nil
}

// loadTrees loads the trees of lines of a source. The first one brings what the others are compressed
// with.
func (o *Offers) loadTrees(ctx context.Context, s Source, lines []*Line) error {
	var names []string
	for _, l := range lines {
		names = append(names, l.Name)
	}
	platform := o.view.platforms[s.ID]
	if err := o.loadReferences(ctx, s, platform, names); err != nil {
		return err
	}
	var refs []*tree.Reference
	for _, l := range lines {
		r, err := o.keptReference(l)
		if err != nil {
			return err
		}
		if r != nil {
			refs = append(refs, r)
		}
	}
	if len(refs) == 0 {
		return nil
	}
	if _, err := o.Tree(ctx, s.ID, refs[0]); err != nil {
		return err
	}
	refs = refs[1:]
	var now []byte
	if !platform.Dictionary.IsZero() {
		var err error
		if now, err = o.Record.Dictionary(platform.Dictionary.SHA256); err != nil {
			return err
		}
	}
	for i, got := range inOrder(ctx, len(refs), func(ctx context.Context, i int) ([]byte, error) { return o.download(ctx, s.ID, refs[i].Tree) }) {
		if got.err != nil {
			return got.err
		}
		dictionary, err := o.dictionaryOf(got.value, now)
		if err != nil {
			return err
		}
		if _, err := o.keepTree(ctx, s.ID, refs[i], got.value, dictionary); err != nil {
			return err
		}
	}
	return nil
}

// downloadTree brings a tree, and what it is compressed with. Where that isn't here yet it comes at the
// same time, and is kept.
func (o *Offers) downloadTree(ctx context.Context, source string, r *tree.Reference) (body, dictionary []byte, err error) {
	refs := []tree.Ref{r.Tree}
	if p := o.view.platforms[source]; p != nil && !p.Dictionary.IsZero() {
		if dictionary, err = o.Record.Dictionary(p.Dictionary.SHA256); err != nil {
			return nil, nil, err
		}
		if dictionary == nil {
			refs = append(refs, p.Dictionary)
		}
	}
	for i, got := range inOrder(ctx, len(refs), func(ctx context.Context, i int) ([]byte, error) { return o.download(ctx, source, refs[i]) }) {
		switch {
		case got.err != nil:
			return nil, nil, got.err
		case i == 0:
			body = got.value
		default:
			dictionary = got.value
			if err := o.Record.KeepPublished(ctx, refs[i].SHA256, dictionary, nil); err != nil {
				return nil, nil, err
			}
		}
	}
	if dictionary, err = o.dictionaryOf(body, dictionary); err != nil {
		return nil, nil, err
	}
	return body, dictionary, ctx.Err()
}

// dictionaryOf is what a tree is compressed with, most often the dictionary of now.
func (o *Offers) dictionaryOf(body, now []byte) ([]byte, error) {
	switch of := tree.DictionaryOf(body); {
	case of == "":
		return nil, nil
	case now != nil && strings.HasPrefix(tree.NewRef("", now, "").SHA256, of):
		return now, nil
	default: // an earlier build's tree
		return o.Record.Dictionary(of)
	}
}

// KeptTree is the newest tree of a program, and the id of its source, without asking for it: empty
// where it isn't in the record.
func (o *Offers) KeptTree(program string) (*tree.Tree, string, error) {
	l, err := o.Line(Wanted{Name: program})
	if l == nil || err != nil {
		return &tree.Tree{}, "", err
	}
	s := o.source(l.Source)
	refs, _, err := o.keptReferences(s, o.view.platforms[s.ID], program)
	if err != nil {
		return nil, "", err
	}
	for _, r := range refs {
		if r.NEVRA == l.NEVRA {
			t, err := o.Record.Tree(r.Tree.SHA256)
			if t != nil || err != nil {
				return t, l.Source, err
			}
		}
	}
	return &tree.Tree{}, l.Source, nil
}

// current is a kept tree, and the source that offers it, as far as the record's shards tell; nil where
// none does any more.
func (o *Offers) current(sha256 string) (*tree.Tree, string, error) {
	t, err := o.Record.Tree(sha256)
	if t == nil || err != nil {
		return nil, "", err
	}
	for _, s := range o.Sources {
		platform := o.view.platforms[s.ID]
		if platform == nil {
			continue
		}
		refs, _, err := o.keptReferences(s, platform, t.Name)
		if err != nil {
			return nil, "", err
		}
		if slices.ContainsFunc(refs, func(r *tree.Reference) bool { return r.Tree.SHA256 == sha256 }) {
			return t, s.ID, nil
		}
	}
	return nil, "", nil
}

// KeptTrees gives the trees that are kept and that an enabled source offers now, as far as the
// record's shards tell, with the source, until yield fails. It holds one tree in memory.
func (o *Offers) KeptTrees(ctx context.Context, yield func(source string, t *tree.Tree) error) error {
	if err := o.readView(ctx); err != nil {
		return err
	}
	all, err := o.Record.Trees()
	if err != nil {
		return err
	}
	for _, sha := range all {
		t, source, err := o.current(sha)
		if err != nil {
			return err
		}
		if t != nil {
			if err := yield(source, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// A Details is what is to be said of a top-level package on offer.
type Details struct {
	Summary, Description, License, Group, URL string
	Size                                      int64      // bytes on disk
	Tree                                      *tree.Tree // nil: it isn't here
}

// Details are what a line and what it leads to say. Where the search file is here nobody is asked: the
// tree is there where it is here (LoadTrees).
func (o *Offers) Details(ctx context.Context, l *Line) (*Details, error) {
	d := &Details{Summary: l.Summary, Description: l.Description, License: l.License, Group: l.Group, URL: l.URL, Size: l.Size}
	if l.ref == nil {
		r, err := o.keptReference(l)
		if r != nil && err == nil {
			d.Tree, err = o.Record.Tree(r.Tree.SHA256)
		}
		return d, err
	}
	t, err := o.Tree(ctx, l.Source, l.ref)
	if err != nil {
		return nil, err
	}
	top := t.Top()
	d.Size, d.Tree = top.Installed, t
	d.Summary, d.Description, d.License, d.Group, d.URL = top.Summary, top.Description, top.License, top.Group, top.URL
	return d, nil
}

// Files are the paths of a package on offer; published is false where its source tells none of its
// tree.
func (o *Offers) Files(ctx context.Context, of *Offer) (paths []string, published bool, err error) {
	p := of.Package()
	list, err := kept(ctx, o, of.Source, p.Files, func(body []byte) (*tree.FileList, error) {
		return tree.ParseFileList(body, p.Name)
	})
	if err != nil {
		return nil, false, err
	}
	if list == nil {
		return nil, slices.ContainsFunc(of.Tree.Packages, func(p tree.Package) bool { return !p.Files.IsZero() }), nil
	}
	return list.Files, true, nil
}

// Needed are the digests of the kept files that something leads to: the trees that are offered, those
// of programs that are installed and may be offered still, what hangs on them, the categories, and
// what software centres show.
func (o *Offers) Needed(ctx context.Context) ([]string, error) {
	if err := o.readView(ctx); err != nil {
		return nil, err
	}
	installed, err := o.Record.InstalledVersions()
	if err != nil {
		return nil, err
	}
	trees, err := o.Record.Trees()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, sha := range trees {
		t, err := o.Record.Tree(sha)
		if err != nil {
			return nil, err
		}
		if t == nil {
			continue
		}
		now, _, err := o.current(sha)
		if err != nil {
			return nil, err
		}
		if now == nil && installed[t.Name] == nil {
			continue
		}
		dictionary, err := o.Record.DictionaryOf(sha)
		if err != nil {
			return nil, err
		}
		all = append(all, sha, dictionary, t.Notices.SHA256)
		for _, p := range t.Packages {
			if !p.Files.IsZero() {
				all = append(all, p.Files.SHA256)
			}
		}
	}
	for _, p := range o.view.platforms {
		all = append(all, p.Categories.SHA256, p.Dictionary.SHA256, p.Appstream.SHA256)
		_, err := o.Record.Kept(p.Categories.SHA256, func(body []byte) error {
			c, err := tree.ParseCategories(body, o.Platform)
			if err != nil {
				return err
			}
			for _, t := range c.Texts {
				all = append(all, t.SHA256)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Notices are what a source's repositories say of why a tree's versions came; nil where they say
// nothing.
func (o *Offers) Notices(ctx context.Context, source string, t *tree.Tree) (*tree.Notices, error) {
	return kept(ctx, o, source, t.Notices, func(body []byte) (*tree.Notices, error) {
		return tree.ParseNotices(body, o.Platform, t.Name)
	})
}

// kept is a published file, parsed: from the record, else from the first source that has it; from
// then on it is kept. It is nil where there is no such file.
func kept[T any](ctx context.Context, o *Offers, source string, ref tree.Ref, parse func([]byte) (*T, error)) (*T, error) {
	if ref.IsZero() {
		return nil, nil
	}
	var t *T
	ok, err := o.Record.Kept(ref.SHA256, func(body []byte) (err error) {
		t, err = parse(body)
		return err
	})
	if err != nil {
		return nil, err
	}
	if ok {
		return t, nil
	}
	body, err := o.download(ctx, source, ref)
	if err != nil {
		return nil, err
	}
	t, err = parse(body)
	if err != nil {
		return nil, &SourceError{Source: source, Err: err}
	}
	return t, o.Record.KeepPublished(ctx, ref.SHA256, body, nil)
}

// download brings a file that a source published and that the record will keep.
func (o *Offers) download(ctx context.Context, source string, ref tree.Ref) ([]byte, error) {
	if err := o.room(o.source(source), fileRoom(ref.Size)); err != nil {
		return nil, err
	}
	body, err := o.Net.Get(ctx, o.publishedURLs(source, ref.Path), ref)
	if err != nil {
		return nil, sourceError(o.source(source), err)
	}
	return body, nil
}

// source is the enabled source with an id; one with nothing but the id where it is none any more.
func (o *Offers) source(id string) Source {
	if i := slices.IndexFunc(o.Sources, func(s Source) bool { return s.ID == id }); i >= 0 {
		return o.Sources[i]
	}
	return Source{ID: id}
}

// publishedURLs are where a published file may be found: at the source that names it, then at the
// others, which may be copies. Its digest tells whether it is the right one.
func (o *Offers) publishedURLs(source, path string) []string {
	var urls []string
	for _, s := range o.Sources {
		switch u := o.layout(s).publishedURL(s, path); {
		case u == "":
		case s.ID == source:
			urls = slices.Insert(urls, 0, u)
		default:
			urls = append(urls, u)
		}
	}
	return urls
}

// Download is the download of one package of a tree that a source published, without the place that
// it goes to. Its URLs are where it may be found, the source's own copy first.
func (o *Offers) Download(source string, p *tree.Package) transport.File {
	f := transport.File{Label: p.NEVRA.String(), Size: p.Size, Digest: p.RPMDigest()}
	var last []string
	if p.Location != "" && p.Repository == 0 {
		f.URLs = o.publishedURLs(source, p.Location)
	} else {
		f.URLs, last = o.copiesOf(source, p)
	}
	s := o.source(source)
	elsewhere := p.URLs
	if platform := o.view.platforms[source]; platform != nil {
		elsewhere = platform.URLs(p)
	}
	for _, u := range elsewhere {
		// A tree has no business with this computer's files, but that of a folder of the
		// configuration with those in it.
		if transport.IsLocal(u) && !transport.Within(s.URL, u) {
			continue
		}
		f.URLs = append(f.URLs, u)
	}
	f.URLs = append(f.URLs, last...)
	return f
}

// Key asks a source for the OpenPGP key with an id, of at most limit bytes. What comes is not
// checked. at tells where it was looked for; it is empty where the source publishes no keys.
func (o *Offers) Key(ctx context.Context, source, id string, limit int64) (key []byte, at string, err error) {
	s := o.source(source)
	if s.URL == "" {
		return nil, "", nil
	}
	at = o.layout(s).publishedURL(s, tree.KeyName(id))
	if at == "" {
		return nil, "", nil
	}
	answer, err := o.Net.Revalidate(ctx, at, "", limit)
	return answer.Body, transport.Redacted(at), err
}
