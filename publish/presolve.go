// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Presolve is the project's own layout, that of package tree. What is below platform.json is named
// by its content and never changes; platform.json, by which alone readers find it, appears last.
var Presolve = &Layout{
	Name: "presolve", FileLists: true,
	dir: func(o *Options) string { return o.home() },
	// catalogue is that of format 1, whose readers find it until it expires.
	subs:  []string{"", "search", "references/", "catalogue", "trees", "files", "notices", "texts/", "capabilities/", "categories", "appstream", "icons", "dictionary", "rpms", keysFolder},
	rpms:  rpms,
	open:  openPresolve,
	after: func(ctx context.Context, b *builder) error { return writePlatforms(ctx, b.Output, b.before) },
}

// rpms is where trees look for RPMs in a platform's folder.
const rpms = "rpms/"

type presolve struct {
	*builder
	folder     *folder
	dictionary tree.Ref
	was, next  *tree.Platform // was is nil where nothing is published
	wasHead    []byte         // platform.json, as it was
	digests    sync.Map       // *solve.Package: func() ([]byte, error)
	packer     *tree.Packer   // of trees
	plain      *tree.Packer   // of file lists, without a dictionary
	lists      sync.Map       // *solve.Package: func() (tree.Ref, error)

	mu         sync.Mutex
	entries    []*tree.Entry
	references []*tree.Reference
	members    members
	desktops   map[string]string // by the name of a package: its desktop file
}

func openPresolve(b *builder, f *folder) (writer, error) {
	p := &presolve{builder: b, folder: f, members: make(members), desktops: make(map[string]string)}
	var err error
	if p.plain, err = tree.NewPacker(nil); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(f.path("platform.json"))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was published before: %w", err)
	}
	var format *tree.FormatError
	if p.was, err = tree.ParsePlatform(data, b.Platform); errors.As(err, &format) && format.Format < tree.Format {
		p.was = nil
		return p, b.goOn(data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was published before, %s: %w: restore it, or remove it, and the serial goes on from what report.json says", f.path("platform.json"), err)
	}
	if err := p.checkKeys(); err != nil {
		return nil, err
	}
	p.wasHead, b.serial = data, p.was.Serial
	if p.was.Expires.After(b.until) {
		b.until = p.was.Expires
	}
	return p, nil
}

// goOn has a build go on from what an older version has published: by its serial, and what it leads
// to is kept until it expires.
func (b *builder) goOn(data []byte) error {
	var was struct {
		Serial  int64     `json:"serial"`
		Expires time.Time `json:"expires"`
	}
	if err := json.Unmarshal(data, &was); err != nil {
		return fmt.Errorf("reading what an older version published: %w", err)
	}
	b.serial = max(b.serial, was.Serial)
	if was.Expires.After(b.until) {
		b.until = was.Expires
	}
	return nil
}

func (p *presolve) add(t *tree.Tree, r solve.Result) error {
	for i, pkg := range r.Packages {
		var err error
		if t.Packages[i].Files, err = p.files(pkg); err != nil {
			return err
		}
	}
	if !p.solved.HasFiles() {
		p.desktop(r.Packages[len(r.Packages)-1], nil)
	}
	notices, err := p.notices(t, r.Packages)
	if err != nil {
		return err
	}
	if notices != nil {
		t.Notices = tree.NewRef("notices/"+t.Name+"@", notices, ".json")
	}
	m, err := p.encode(t, r, notices)
	if err != nil {
		return err
	}
	top := t.Top()
	e := &tree.Entry{
		NEVRA: top.NEVRA, Summary: top.Summary, Group: top.Group, License: top.License, URL: top.URL,
		Description: top.Description, Size: top.Installed, Obsoletes: obsoletes(top.Obsoletes),
	}
	ref := &tree.Reference{
		NEVRA: top.NEVRA, Summary: top.Summary, Obsoletes: e.Obsoletes,
		Download: download(t), Tree: m.Tree,
	}
	if notices != nil {
		if err := p.folder.add(t.Notices.Path, notices); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries, p.references = append(p.entries, e), append(p.references, ref)
	p.members.add(r)
	return nil
}

// stay is called in place of begin, add and index where all stays as it is.
func (p *presolve) stay() {
	next := *p.was
	next.Expires = p.Now.Add(p.ValidFor).UTC().Truncate(time.Second)
	p.next = &next
}

// notices are what the repositories say of why a tree's versions came; nil where they say nothing,
// or what laptops would refuse.
func (p *presolve) notices(t *tree.Tree, packages []*solve.Package) ([]byte, error) {
	about := p.solved.Notices(packages)
	if len(about) == 0 {
		return nil, nil
	}
	content, err := (&tree.Notices{Format: tree.Format, Platform: p.Platform, Name: t.Name, Notices: about}).Encode()
	if err != nil {
		return nil, err
	}
	if _, err := tree.ParseNotices(content, p.Platform, t.Name); err != nil {
		return nil, nil
	}
	return content, nil
}

// files adds the file list of a package, once, and gives its reference: none where there is no list,
// or one so long that no laptop reads it.
func (p *presolve) files(pkg *solve.Package) (tree.Ref, error) {
	if !p.solved.HasFiles() {
		return tree.Ref{}, nil
	}
	once, _ := p.lists.LoadOrStore(pkg, sync.OnceValues(func() (tree.Ref, error) {
		paths := files(p.solved.Files(pkg))
		p.desktop(pkg, paths)
		if len(paths) == 0 {
			return tree.Ref{}, nil
		}
		content, err := p.plain.FileList(&tree.FileList{Format: tree.Format, Name: pkg.Name, Files: paths})
		if err != nil {
			return tree.Ref{}, nil
		}
		ref := tree.NewRef("files/"+pkg.Name+"@", content, ".json.zst")
		return ref, p.folder.add(ref.Path, content)
	}))
	return once.(func() (tree.Ref, error))()
}

// index adds the search file, the references, the texts, the index of capabilities, the
// categories, and what software centres show.
func (p *presolve) index(ctx context.Context) (changed bool, err error) {
	p.next = &tree.Platform{
		Format: tree.Format, Platform: p.Platform, Arch: p.Arch,
		Created:    p.Now.UTC().Truncate(time.Second),
		Expires:    p.Now.Add(p.ValidFor).UTC().Truncate(time.Second),
		Base:       baseOf(p.solved.Base()),
		Dictionary: p.dictionary,
	}
	if !p.Copy {
		p.next.Repositories = p.solved.Repositories()
	}
	for _, add := range []func(context.Context) error{p.addSearch, p.addReferences, p.texts, p.capabilities} {
		if err := add(ctx); err != nil {
			return false, err
		}
	}
	if p.next.Categories, err = p.categories(ctx); err != nil {
		return false, err
	}
	if p.next.Appstream, err = p.appstream(); err != nil {
		return false, err
	}
	if p.was == nil {
		return true, nil
	}
	same, err := same(p.was, p.next)
	return !same, err
}

// same tells whether two platforms offer the same.
func same(a, b *tree.Platform) (bool, error) {
	was := *a
	was.Serial, was.Created, was.Expires, was.Keys = b.Serial, b.Created, b.Expires, b.Keys
	before, err := was.Encode()
	if err != nil {
		return false, err
	}
	after, err := b.Encode()
	return bytes.Equal(before, after), err
}

// head adds platform.json, another one where it differs or half of its time is over, and before it
// what it is signed with.
func (p *presolve) head(ctx context.Context, serial int64) error {
	p.next.Serial, p.next.Keys = serial, p.Signing.Version()
	if p.Signing == nil && p.was != nil { // people sign it by hand
		p.next.Keys = p.was.Keys
	}
	if was := p.was; was != nil && was.Serial == serial {
		p.next.Created = was.Created
		if half := p.Now.Add(p.ValidFor / 2); was.Expires.After(half) && !was.Expires.After(p.next.Expires) && was.Keys == p.next.Keys {
			return p.addHead(ctx, p.wasHead)
		}
	}
	content, err := p.next.Encode()
	if err != nil {
		return err
	}
	if _, err := tree.ParsePlatform(content, p.Platform); err != nil {
		return fmt.Errorf("laptops would refuse what would be published: %w: offer fewer packages", err)
	}
	return p.addHead(ctx, content)
}

func (p *presolve) addHead(ctx context.Context, content []byte) error {
	if err := p.folder.sign(ctx, content, p.Signing, p.Now); err != nil {
		return err
	}
	return p.folder.replace("platform.json", content)
}

func (p *presolve) fate(name string) fate {
	switch {
	case isHead(name):
		return waits
	case path.Dir(name) == "." || path.Dir(name) == keysFolder || strings.HasPrefix(path.Base(name), "."):
		return stays
	}
	return waits
}

// baseOf is what platform.json says of a base.
func baseOf(packages []tree.NEVRA) tree.Base {
	lines := make([]string, len(packages))
	for i, p := range packages {
		lines[i] = p.String() + "\n"
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "")))
	return tree.Base{SHA256: hex.EncodeToString(sum[:]), Packages: len(packages)}
}
