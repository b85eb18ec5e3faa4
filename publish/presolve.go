// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
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
	dir:   func(o *Options) string { return o.home() },
	subs:  []string{"", "catalogue", "trees", "files", "notices", "texts", "capabilities", "categories", "rpms"},
	rpms:  rpms,
	open:  openPresolve,
	after: writePlatforms,
}

// rpms is where trees look for RPMs in a platform's folder.
const rpms = "rpms/"

type presolve struct {
	*builder
	folder    *folder
	was, next *tree.Platform // was is nil where nothing is published
	published []byte         // platform.json as it was
	files     sync.Map       // *solve.Package: func() []string

	mu      sync.Mutex
	entries []*tree.Entry
	members members
}

func openPresolve(b *builder, f *folder) (writer, error) {
	p := &presolve{builder: b, folder: f, members: make(members)}
	data, err := os.ReadFile(f.path("platform.json"))
	if errors.Is(err, os.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was published before: %w", err)
	}
	if p.was, err = tree.ParsePlatform(data, b.Platform); err != nil {
		return nil, fmt.Errorf("reading what was published before, %s: %w: restore it, or remove it, and the serial goes on from what report.json says", f.path("platform.json"), err)
	}
	p.published, b.serial = data, p.was.Serial
	if p.was.Expires.After(b.until) {
		b.until = p.was.Expires
	}
	return p, nil
}

func (p *presolve) add(t *tree.Tree, m *madeTree, r solve.Result) error {
	if m.encoded != nil {
		if err := p.write(t, m, r); err != nil {
			return err
		}
	}
	for _, ref := range m.refs() {
		p.folder.holds(ref.Path)
	}
	top := t.Top()
	e := &tree.Entry{
		NEVRA: top.NEVRA, Summary: top.Summary, Group: top.Group, License: top.License, URL: top.URL,
		Description: top.Description, Size: top.Installed, Provides: provides(r.Packages[len(r.Packages)-1].Provides),
		Obsoletes: obsoletes(top.Obsoletes),
		Download:  download(t), Tree: m.Tree, Files: m.Files,
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries = append(p.entries, e)
	p.members.add(r)
	return nil
}

// write writes a tree, and what comes with it.
func (p *presolve) write(t *tree.Tree, m *madeTree, r solve.Result) error {
	encoded, notices, err := p.withNotices(t, m.encoded, r.Packages)
	if err != nil {
		return err
	}
	m.Notices, m.Tree = notices, tree.NewRef("trees/"+t.Name+"@", encoded, ".json")
	if err := p.folder.add(m.Tree.Path, encoded); err != nil {
		return err
	}
	files, err := p.fileLists(r)
	if err != nil || files == nil {
		return err
	}
	m.Files = tree.NewRef("files/"+t.Name+"@", files, ".json")
	return p.folder.add(m.Files.Path, files)
}

// stay is called in place of add and index where all stays as it is.
func (p *presolve) stay() {
	next := *p.was
	next.Expires = p.Now.Add(p.ValidFor).UTC().Truncate(time.Second)
	p.next = &next
}

// withNotices adds what the repositories say of why a tree's versions came, and gives the tree with
// a reference to it. A tree stays as it is where they say nothing, or what laptops would refuse.
func (p *presolve) withNotices(t *tree.Tree, encoded []byte, packages []*solve.Package) ([]byte, tree.Ref, error) {
	about := p.solved.Notices(packages)
	if len(about) == 0 {
		return encoded, tree.Ref{}, nil
	}
	content, err := (&tree.Notices{Format: tree.Format, Platform: p.Platform, Name: t.Name, Notices: about}).Encode()
	if err != nil {
		return nil, tree.Ref{}, err
	}
	if _, err := tree.ParseNotices(content, p.Platform, t.Name); err != nil {
		return encoded, tree.Ref{}, nil
	}
	with := *t
	with.Notices = tree.NewRef("notices/"+t.Name+"@", content, ".json")
	longer, err := with.Encode()
	if err != nil {
		return nil, tree.Ref{}, err
	}
	if with.CheckEncoded(longer, p.Platform, t.Name) != nil {
		return encoded, tree.Ref{}, nil
	}
	return longer, with.Notices, p.folder.add(with.Notices.Path, content)
}

// fileLists encodes the file lists of a tree's packages; nil where there are none, or so many that
// no laptop reads them.
func (p *presolve) fileLists(r solve.Result) ([]byte, error) {
	if !p.solved.HasFiles() {
		return nil, nil
	}
	lists := &tree.FileLists{Format: tree.Format, Platform: p.Platform, Name: r.Name}
	for _, pkg := range r.Packages {
		once, _ := p.files.LoadOrStore(pkg, sync.OnceValue(func() []string { return files(p.solved.Files(pkg)) }))
		if paths := once.(func() []string)(); len(paths) > 0 {
			lists.Packages = append(lists.Packages, tree.FileList{NEVRA: pkg.NEVRA, Files: paths})
		}
	}
	if len(lists.Packages) == 0 {
		return nil, nil
	}
	content, err := lists.Encode()
	if err != nil {
		return nil, err
	}
	if _, err := tree.ParseFileLists(content, p.Platform, r.Name); err != nil {
		return nil, nil
	}
	return content, nil
}

// index adds the catalogue, the texts, the index of capabilities and the categories.
func (p *presolve) index(ctx context.Context) (changed bool, err error) {
	slices.SortFunc(p.entries, func(x, y *tree.Entry) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Arch, y.Arch)) })
	p.next = &tree.Platform{
		Format: tree.Format, Platform: p.Platform, Arch: p.Arch,
		Created: p.Now.UTC().Truncate(time.Second),
		Expires: p.Now.Add(p.ValidFor).UTC().Truncate(time.Second),
		Base:    baseOf(p.solved.Base()),
		Keys:    p.Keys,
	}
	shards, err := p.shards(ctx)
	if err != nil {
		return false, err
	}
	for _, s := range shards {
		if err := p.folder.add(s.ref.Path, s.content); err != nil {
			return false, err
		}
		p.next.Catalogue = append(p.next.Catalogue, s.ref)
	}
	if p.next.Texts, err = p.texts(ctx); err != nil {
		return false, err
	}
	if p.next.Capabilities, err = p.capabilities(ctx); err != nil {
		return false, err
	}
	if p.next.Categories, err = p.categories(ctx); err != nil {
		return false, err
	}
	return p.was == nil || !same(p.was, p.next), nil
}

// same tells whether two platforms offer the same.
func same(a, b *tree.Platform) bool {
	return a.Arch == b.Arch && a.Base == b.Base && slices.Equal(a.Catalogue, b.Catalogue) && maps.Equal(a.Texts, b.Texts) && a.Capabilities == b.Capabilities && a.Categories == b.Categories && slices.Equal(a.Keys, b.Keys)
}

// head adds platform.json, where it differs or half of its time is over.
func (p *presolve) head(serial int64) error {
	p.next.Serial = serial
	if was := p.was; was != nil && was.Serial == serial {
		p.next.Created = was.Created
		if half := p.Now.Add(p.ValidFor / 2); was.Expires.After(half) && !was.Expires.After(p.next.Expires) {
			return p.folder.replace("platform.json", p.published)
		}
	}
	content, err := p.next.Encode()
	if err != nil {
		return err
	}
	if _, err := tree.ParsePlatform(content, p.Platform); err != nil {
		return fmt.Errorf("laptops would refuse what would be published: %w: offer fewer packages", err)
	}
	return p.folder.replace("platform.json", content)
}

func (p *presolve) fate(name string) fate {
	if path.Dir(name) == "." || strings.HasPrefix(path.Base(name), ".") {
		return stays
	}
	return waits
}

// A shard is one as it is published.
type shard struct {
	content []byte
	ref     tree.ShardRef
}

// shards are the catalogue's: as many as there are entries for, or more where one would be larger
// than laptops take.
func (p *presolve) shards(ctx context.Context) ([]shard, error) {
	for n := tree.Shards(len(p.entries)); ; n *= 2 {
		entries := make([][]*tree.Entry, n)
		for _, e := range p.entries {
			i := tree.Shard(e.Name, n)
			entries[i] = append(entries[i], e)
		}
		all, fit := make([]shard, n), true
		for i := range all {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			var err error
			if all[i].content, all[i].ref, err = tree.EncodeShard(entries[i]); err != nil {
				return nil, err
			}
			fit = fit && all[i].ref.Unpacked <= tree.MaxShard && all[i].ref.Size <= tree.MaxShardFile
		}
		if fit || n >= tree.MaxShards {
			return all, nil // platform.json is looked at as a whole
		}
	}
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
