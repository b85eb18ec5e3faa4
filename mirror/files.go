// SPDX-License-Identifier: GPL-2.0-or-later

package mirror

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// large is how many bytes a file has that is worth going on with after a kill.
const large = 256 << 10

// A meter tells how far it is.
type meter struct {
	tell func(Progress)
	mu   sync.Mutex
	at   Progress
}

func (m *meter) set(change func(*Progress)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.at)
	if m.tell != nil {
		m.tell(m.at)
	}
}

func (c *copying) came(bytes int64) {
	c.meter.mu.Lock()
	defer c.meter.mu.Unlock()
	c.did.Came += bytes
}

// each calls do with the numbers up to n, Parallel at once, until one fails.
func (c *copying) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(1, min(c.Parallel, n)) {
		workers.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					stop(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// all are files and shards, which appear together when all are there.
func (c *copying) all(ctx context.Context, refs []tree.Ref) error {
	err := c.each(ctx, len(refs), func(ctx context.Context, i int) error { return c.file(ctx, refs[i]) })
	if err != nil {
		return err
	}
	return c.to.Appear()
}

// file brings a file that a digest vouches for.
func (c *copying) file(ctx context.Context, ref tree.Ref) error {
	if ref.Size > large {
		return c.largeFile(ctx, ref)
	}
	if !c.to.Has(ref.Path, ref.Size, c.Again, ref.Check) {
		data, err := c.Net.Get(ctx, []string{c.url(ref.Path)}, ref)
		if err == nil {
			c.came(int64(len(data)))
			err = c.to.Add(ref.Path, data)
		}
		if err != nil {
			return err
		}
	}
	c.meter.set(func(p *Progress) { p.Files++ })
	return nil
}

func (c *copying) largeFile(ctx context.Context, ref tree.Ref) error {
	path, is, err := c.to.Holds(ref.Path, ref.Size)
	if err != nil {
		return err
	}
	if !is || c.Again {
		before := here(path)
		if err := c.Net.Fetch(ctx, []transport.File{{URLs: []string{c.url(ref.Path)}, Path: path, Size: ref.Size, Digest: tree.Digest("sha256:" + ref.SHA256), Label: ref.Path}}, nil); err != nil {
			return err
		}
		c.came(ref.Size - before)
		if !is {
			if err := c.to.Take(ref.Path); err != nil {
				return err
			}
		}
	}
	c.meter.set(func(p *Progress) { p.Files++ })
	return nil
}

// here is how many bytes of a file are there, on its way or whole.
func here(path string) int64 {
	for _, name := range []string{path, path + transport.PartSuffix} {
		if info, err := os.Stat(name); err == nil {
			return info.Size()
		}
	}
	return 0
}

// index brings the shards of an index and gives their lines to do, one after the other.
func (c *copying) index(ctx context.Context, folder string, x tree.Index, do func(number int, line []byte) error) error {
	if x.IsZero() {
		return nil
	}
	in := x.Folder(folder)
	err := c.each(ctx, x.Shards, func(ctx context.Context, i int) error {
		name, part := x.Path(folder, i), strconv.Itoa(i)
		check := func(data []byte) error { return x.Check(i, data) }
		if !c.to.HasPart(in, part, c.Again, check) {
			data, err := c.Net.GetChecked(ctx, []string{c.url(name)}, name, tree.MaxShardFile, check)
			if err == nil {
				c.came(int64(len(data)))
				err = c.to.AddPart(in, part, data)
			}
			if err != nil {
				return err
			}
		}
		c.meter.set(func(p *Progress) { p.Files++ })
		return nil
	})
	if err != nil {
		return err
	}
	c.to.Whole(in)
	if do == nil {
		return nil
	}
	for i := range x.Shards {
		data, err := c.to.ReadPart(in, strconv.Itoa(i))
		if err == nil {
			err = x.Lines(i, data, func(line []byte) error { return do(i, line) })
		}
		if err != nil {
			return fmt.Errorf("%s: %w", x.Path(folder, i), err)
		}
	}
	return nil
}

// search are the files of a search file.
func search(s tree.Search) []tree.Ref {
	all := []tree.Ref{s.Ref}
	for _, d := range s.Differences {
		all = append(all, d.Ref)
	}
	return all
}

// indexes brings what searching needs, and what is asked for by name.
func (c *copying) indexes(ctx context.Context) error {
	refs := search(c.p.Search)
	if !c.p.Dictionary.IsZero() {
		refs = append(refs, c.p.Dictionary)
	}
	if !c.p.Categories.IsZero() {
		refs = append(refs, c.p.Categories)
	}
	if !c.p.Appstream.IsZero() {
		refs = append(refs, c.p.Appstream)
	}
	err := c.index(ctx, "texts", c.p.Texts, func(number int, line []byte) error {
		l, err := c.p.Texts.ParseLanguage(number, line)
		if err == nil && c.speaks(l.Language) {
			refs = append(refs, search(l.Search)...)
		}
		return err
	})
	if err == nil {
		err = c.index(ctx, "capabilities", c.p.Capabilities, nil)
	}
	if err == nil {
		err = c.all(ctx, refs)
	}
	if err != nil {
		return err
	}
	if refs, err = c.leads(); err != nil {
		return err
	}
	return c.all(ctx, refs)
}

// leads are the files that categories and what software centres show lead to.
func (c *copying) leads() (refs []tree.Ref, err error) {
	if !c.p.Categories.IsZero() {
		data, err := c.to.Read(c.p.Categories.Path)
		if err != nil {
			return nil, err
		}
		categories, err := tree.ParseCategories(data, c.name)
		if err != nil {
			return nil, err
		}
		for language, ref := range categories.Texts {
			if c.speaks(language) {
				refs = append(refs, ref)
			}
		}
	}
	if !c.p.Appstream.IsZero() {
		data, err := c.to.Read(c.p.Appstream.Path)
		if err != nil {
			return nil, err
		}
		shown, err := tree.ParseAppstream(data, c.name)
		if err != nil {
			return nil, err
		}
		refs = append(refs, shown.Packs...)
	}
	return refs, nil
}

func (c *copying) speaks(language string) bool {
	return len(c.Languages) == 0 || slices.ContainsFunc(c.Languages, func(l string) bool {
		return l == language || strings.HasPrefix(language, l+"_") || strings.HasPrefix(language, l+"@") || strings.HasPrefix(l, language+"_")
	})
}

// trees brings the trees of the programs that are chosen, and what belongs to them but RPMs.
func (c *copying) trees(ctx context.Context) ([]*tree.Tree, error) {
	var refs []*tree.Reference
	err := c.index(ctx, "references", c.p.References, func(number int, line []byte) error {
		r, err := c.p.References.ParseReference(number, line)
		if err == nil && len(r.By) == 0 && (len(c.Names) == 0 || slices.Contains(c.Names, r.Name)) {
			refs = append(refs, r)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range c.Names {
		if !slices.ContainsFunc(refs, func(r *tree.Reference) bool { return r.Name == name }) {
			return nil, fmt.Errorf("%s isn't offered for %s: look with presolver why, or search on a laptop", name, c.name)
		}
	}
	if c.Limit > 0 {
		slices.SortStableFunc(refs, func(a, b *tree.Reference) int { return cmp.Compare(a.Download, b.Download) })
	}
	var dictionary []byte
	if !c.p.Dictionary.IsZero() {
		if dictionary, err = c.to.Read(c.p.Dictionary.Path); err != nil {
			return nil, err
		}
	}
	var trees []*tree.Tree
	used := make(map[string]bool)
	total := int64(0)
	for batch := range slices.Chunk(refs, atOnce) {
		if c.did.Unfit > 0 && total > c.Limit-c.Limit/64 { // no more fit that are worth the name
			c.did.Unfit = len(refs) - len(trees)
			break
		}
		of := make([]*tree.Tree, len(batch))
		err := c.each(ctx, len(batch), func(ctx context.Context, i int) (err error) {
			of[i], err = c.tree(ctx, batch[i], dictionary)
			return err
		})
		if err != nil {
			return nil, err
		}
		var belongs []tree.Ref
		for _, t := range of {
			if t == nil {
				continue
			}
			more := int64(0)
			for i := range t.Packages {
				if !used[tree.CopyOf(&t.Packages[i])] {
					more += t.Packages[i].Size
				}
			}
			if c.Limit > 0 && total+more > c.Limit {
				c.did.Unfit++
				continue
			}
			total += more
			trees = append(trees, t)
			if !t.Notices.IsZero() {
				belongs = append(belongs, t.Notices)
			}
			for i := range t.Packages {
				pkg := &t.Packages[i]
				if used[tree.CopyOf(pkg)] {
					continue
				}
				used[tree.CopyOf(pkg)] = true
				if !pkg.Files.IsZero() {
					belongs = append(belongs, pkg.Files)
				}
			}
		}
		slices.SortFunc(belongs, func(a, b tree.Ref) int { return strings.Compare(a.Path, b.Path) })
		if err := c.all(ctx, slices.CompactFunc(belongs, func(a, b tree.Ref) bool { return a.Path == b.Path })); err != nil {
			return nil, err
		}
	}
	c.did.Programs = len(trees)
	return trees, nil
}

// atOnce is how many trees are brought before what came appears.
const atOnce = 512

// tree brings a tree; nil where the origin is a copy that needn't have it.
func (c *copying) tree(ctx context.Context, r *tree.Reference, dictionary []byte) (*tree.Tree, error) {
	if err := c.file(ctx, r.Tree); err != nil {
		if notThere(err) && (c.Found || c.origin.Chosen && len(c.Names) == 0) {
			return nil, nil
		}
		if notThere(err) && c.origin.Chosen {
			return nil, fmt.Errorf("%s isn't at %s, which is a copy of some programs: copy from where all are", r.Name, transport.Redacted(c.From))
		}
		return nil, err
	}
	data, err := c.to.Read(r.Tree.Path)
	if err != nil {
		return nil, err
	}
	t, err := tree.ParseTree(data, dictionary, c.name, r.Name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Tree.Path, err)
	}
	if c.Found && slices.ContainsFunc(t.Packages, func(pkg tree.Package) bool { return !c.found(&pkg) }) {
		return nil, nil
	}
	return t, nil
}

// found tells whether an RPM is here or at the origin, where that is a folder.
func (c *copying) found(pkg *tree.Package) bool {
	name := tree.CopyOf(pkg)
	if _, is, err := c.to.Holds(name, pkg.Size); is || err != nil {
		return true
	}
	at, err := url.Parse(c.url(name))
	if err != nil || at.Scheme != "file" {
		return true
	}
	_, err = os.Stat(at.Path)
	return err == nil
}

// An rpm is one that is to be in the copy.
type rpm struct {
	name      string // in the platform's folder
	path      string // where it is brought to
	elsewhere bool   // the publisher has it in a repository, not in its folder
	transport.File
}

// rpms are those of trees, and what of them is missing.
func (c *copying) rpms(trees []*tree.Tree) (all []*rpm, err error) {
	seen := make(map[string]*tree.Package)
	for _, t := range trees {
		for i := range t.Packages {
			pkg := &t.Packages[i]
			name := tree.CopyOf(pkg)
			if err := c.placed(name); err != nil {
				return nil, fmt.Errorf("%s: %w", pkg.NEVRA, err)
			}
			if other := seen[name]; other != nil {
				if other.RPMDigest() != pkg.RPMDigest() || other.Size != pkg.Size {
					return nil, fmt.Errorf("%s and %s are to be in the same file %s and differ: whoever publishes them has to build again", other.NEVRA, pkg.NEVRA, name)
				}
				continue
			}
			seen[name] = pkg
			r := &rpm{name: name, elsewhere: name != pkg.Location, File: transport.File{Size: pkg.Size, Digest: pkg.RPMDigest(), Label: pkg.NEVRA.String()}}
			if !r.elsewhere || c.origin.RPMs {
				r.URLs = append(r.URLs, c.url(name))
			}
			for _, u := range c.p.URLs(pkg) {
				if !transport.IsLocal(u) || transport.Within(c.From, u) {
					r.URLs = append(r.URLs, u)
				}
			}
			path, is, err := c.to.Holds(name, pkg.Size)
			if err != nil {
				return nil, err
			}
			c.did.RPMs++
			c.did.Bytes += pkg.Size
			r.path = path
			if !is {
				c.did.Missing += max(0, pkg.Size-here(path))
			}
			if !is || c.Again {
				r.Path = path
			}
			all = append(all, r)
		}
	}
	return all, nil
}

// placed tells whether a name is one under which a copy has RPMs: a publisher's word is not to put them
// anywhere else.
func (c *copying) placed(name string) error {
	if tree.ParsePath(c.name+"/"+name).Kind != tree.RPM {
		return fmt.Errorf("%.80q is no place for an RPM: it belongs into rpms/", name)
	}
	return nil
}

// together is how many RPMs appear at once.
const together = 64

// bring brings the RPMs that are missing.
func (c *copying) bring(ctx context.Context, all []*rpm) error {
	var missing []*rpm
	has := int64(0)
	for _, r := range all {
		if r.Path != "" {
			missing = append(missing, r)
		} else {
			has += r.Size
		}
	}
	c.meter.set(func(p *Progress) { p.RPMs, p.Done, p.All = len(all)-len(missing), has, c.did.Bytes })
	for batch := range slices.Chunk(missing, together) {
		var files []transport.File
		size, before := int64(0), int64(0)
		for _, r := range batch {
			files = append(files, r.File)
			size += r.Size
			before += min(here(r.path), r.Size)
		}
		err := c.Net.Fetch(ctx, files, func(p transport.Progress) {
			c.meter.set(func(to *Progress) {
				to.File, to.Done, to.Speed, to.Waiting = batch[p.File].Label, has+p.Done, p.Speed, p.Waiting
			})
		})
		if err != nil {
			return c.without(err)
		}
		for _, r := range batch {
			if _, is, err := c.to.Holds(r.name, r.Size); err != nil {
				return err
			} else if is { // it was read again
				continue
			}
			if err := c.to.Take(r.name); err != nil {
				return err
			}
		}
		if err := c.to.Appear(); err != nil {
			return err
		}
		c.came(size - before)
		has += size
		c.meter.set(func(p *Progress) { p.RPMs, p.Done = p.RPMs+len(batch), has })
	}
	return nil
}

// without explains that an RPM can't be had.
func (c *copying) without(err error) error {
	if notThere(err) {
		return fmt.Errorf("%w: %s has its tree and not its RPM: whoever publishes has to build again, or the copy there isn't whole", err, transport.Redacted(c.From))
	}
	return err
}
