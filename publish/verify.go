// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Verified is how much Verify has found to be right.
type Verified struct {
	Files, Trees, RPMs int
	Bytes              int64
}

// Verify reads all that a platform.json leads to in its folder, as a laptop would that installs
// everything, and tells of each file that is missing or isn't what it should be. Of a copy of some
// programs those count whose trees are there. The error is the context's.
func Verify(ctx context.Context, dir string, p *tree.Platform, problem func(error)) (Verified, error) {
	v, err := verify(ctx, dir, p, problem)
	if err != nil {
		return Verified{}, err
	}
	return v.Verified, nil
}

func verify(ctx context.Context, dir string, p *tree.Platform, problem func(error)) (*verifier, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	v := &verifier{ctx: ctx, root: root, p: p, problem: problem, seen: make(map[string]bool), opened: make(map[string]bool)}
	if data, err := root.ReadFile(tree.CopiesName); err == nil {
		says, err := tree.ParseCopies(data, p.Platform)
		v.chosen = err == nil && says.Chosen
	}
	v.search(p.Search)
	if !p.Dictionary.IsZero() {
		v.dictionary = v.file(p.Dictionary)
		if _, err := tree.ParseDictionary(v.dictionary); v.dictionary == nil || err != nil {
			v.closed = true
			v.problem(fmt.Errorf("%s: without it no tree can be read: which RPMs they need isn't looked at", p.Dictionary.Path))
		}
	}
	v.index("references", p.References, func(number int, line []byte) error {
		r, err := p.References.ParseReference(number, line)
		if err == nil && len(r.By) == 0 {
			v.tree(r)
		}
		return err
	})
	v.index("texts", p.Texts, func(number int, line []byte) error {
		l, err := p.Texts.ParseLanguage(number, line)
		if err == nil {
			v.search(l.Search)
		}
		return err
	})
	v.index("capabilities", p.Capabilities, func(int, []byte) error { return nil })
	if !p.Categories.IsZero() {
		v.categories()
	}
	if !p.Appstream.IsZero() {
		v.appstream()
	}
	return v, ctx.Err()
}

type verifier struct {
	Verified
	ctx        context.Context
	root       *os.Root
	p          *tree.Platform
	dictionary []byte // as it is published; nil: there is none
	closed     bool   // trees can't be read
	chosen     bool   // not all trees are there
	problem    func(error)
	seen       map[string]bool
	opened     map[string]bool // files, by their names
}

func (v *verifier) wrong(name string, err error) {
	if v.ctx.Err() != nil {
		return
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("it is missing")
	}
	v.problem(fmt.Errorf("%s: %w", name, err))
}

// read reads a file of at most so many bytes; nil where that can't be.
func (v *verifier) read(name string, most int64) []byte {
	f, size, err := v.open(name)
	if err == nil {
		defer f.Close()
		var data []byte
		if size > most {
			err = fmt.Errorf("it has %d bytes and should have at most %d", size, most)
		} else if data, err = io.ReadAll(io.LimitReader(solve.Interruptible(v.ctx, f), most+1)); err == nil {
			v.Files++
			v.Bytes += int64(len(data))
			return data
		}
	}
	v.wrong(name, err)
	return nil
}

func (v *verifier) open(name string) (f *os.File, size int64, err error) {
	info, err := v.root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no file")
	}
	if err != nil {
		return nil, 0, err
	}
	v.opened[name] = true
	f, err = v.root.Open(name)
	return f, info.Size(), err
}

// file is what a reference leads to, the first time that it is asked for; nil where it isn't that.
func (v *verifier) file(ref tree.Ref) []byte {
	if v.seen[ref.Path+ref.SHA256] {
		return nil
	}
	v.seen[ref.Path+ref.SHA256] = true
	data := v.read(ref.Path, ref.Size)
	if data == nil {
		return nil
	}
	if err := ref.Check(data); err != nil { // it names the file
		v.problem(err)
		return nil
	}
	return data
}

func (v *verifier) search(s tree.Search) {
	v.file(s.Ref)
	for _, d := range s.Differences {
		v.file(d.Ref)
	}
}

func (v *verifier) index(folder string, x tree.Index, line func(number int, line []byte) error) {
	for i := range x.Shards {
		name := x.Path(folder, i)
		file := v.read(name, tree.MaxShardFile)
		if file == nil {
			continue
		}
		if err := x.Lines(i, file, func(l []byte) error { return line(i, l) }); err != nil {
			v.wrong(name, err)
		}
	}
}

func (v *verifier) tree(r *tree.Reference) {
	if _, err := v.root.Lstat(r.Tree.Path); v.chosen && errors.Is(err, fs.ErrNotExist) {
		return
	}
	file := v.file(r.Tree)
	if file == nil || v.closed {
		return
	}
	t, err := tree.ParseTree(file, v.dictionary, v.p.Platform, r.Name)
	if err != nil {
		v.wrong(r.Tree.Path, err)
		return
	}
	v.Trees++
	if !t.Notices.IsZero() {
		v.file(t.Notices)
	}
	for i := range t.Packages {
		pkg := &t.Packages[i]
		if !pkg.Files.IsZero() {
			v.file(pkg.Files)
		}
		v.rpm(pkg)
	}
}

// rpm looks at an RPM in the platform's folder.
func (v *verifier) rpm(pkg *tree.Package) {
	name := tree.CopyOf(pkg)
	key := name + string(pkg.RPMDigest())
	if v.seen[key] {
		return
	}
	v.seen[key] = true
	f, _, err := v.open(name)
	if err != nil {
		if name == pkg.Location && len(pkg.URLs) == 0 {
			v.wrong(name, err)
		}
		return
	}
	defer f.Close()
	h := pkg.RPMDigest().Hash()
	n, err := io.Copy(h, solve.Interruptible(v.ctx, f))
	switch {
	case err != nil:
	case n != pkg.Size:
		err = fmt.Errorf("it has %d bytes and should have %d", n, pkg.Size)
	case !pkg.RPMDigest().Is(h):
		err = errors.New("it isn't what its tree says: its digest is another")
	}
	if err != nil {
		v.wrong(name, err)
		return
	}
	v.Files, v.RPMs, v.Bytes = v.Files+1, v.RPMs+1, v.Bytes+n
}

func (v *verifier) categories() {
	file := v.file(v.p.Categories)
	if file == nil {
		return
	}
	c, err := tree.ParseCategories(file, v.p.Platform)
	if err != nil {
		v.wrong(v.p.Categories.Path, err)
		return
	}
	for _, ref := range c.Texts {
		v.file(ref)
	}
}

func (v *verifier) appstream() {
	file := v.file(v.p.Appstream)
	if file == nil {
		return
	}
	a, err := tree.ParseAppstream(file, v.p.Platform)
	if err != nil {
		v.wrong(v.p.Appstream.Path, err)
		return
	}
	for _, ref := range a.Packs {
		if file := v.file(ref); file != nil {
			if _, err := tree.ParseIcons(file, v.p.Platform); err != nil {
				v.wrong(ref.Path, err)
			}
		}
	}
}
