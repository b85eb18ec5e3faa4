// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// addSearch adds the search file: a line for each top-level package, and one for each name that some
// of them obsolete.
func (p *presolve) addSearch(ctx context.Context) (err error) {
	var lines [][]byte
	for _, e := range p.entries {
		lines = append(lines, e.Line())
	}
	for name, by := range p.obsoleted() {
		lines = append(lines, (&tree.Entry{NEVRA: tree.NEVRA{Name: name}, By: by}).Line())
	}
	var was tree.Search
	if p.was != nil {
		was = p.was.Search
	}
	p.next.Search, err = p.searchFile(ctx, "search", "search/", lines, was)
	return err
}

// obsoleted are the names that top-level packages obsolete, in whatever version, each with those.
func (p *presolve) obsoleted() map[string][]string {
	all := make(map[string][]string)
	for _, e := range p.entries {
		for _, o := range e.Obsoletes {
			if f := strings.Fields(o); len(f) > 0 && f[0] != e.Name && tree.CheckName(f[0]) == nil {
				all[f[0]] = append(all[f[0]], e.Name)
			}
		}
	}
	for name, by := range all {
		slices.Sort(by)
		by = slices.Compact(by)
		all[name] = by[:min(len(by), tree.MaxBy)]
	}
	return all
}

// addReferences adds the index that leads from the same names to trees.
func (p *presolve) addReferences(ctx context.Context) (err error) {
	all := slices.Clone(p.references)
	for name, by := range p.obsoleted() {
		all = append(all, &tree.Reference{NEVRA: tree.NEVRA{Name: name}, By: by})
	}
	byName := make(map[string][][]byte)
	for _, r := range all {
		line, err := r.Line()
		if err != nil {
			return err
		}
		byName[r.Name] = append(byName[r.Name], line)
	}
	p.next.References, err = p.addIndex(ctx, "references", byName, tree.ReferenceShards(len(all)), tree.Shard)
	return err
}

// addIndex adds an index of lines by name, in n shards or more, where one would be larger than
// laptops take. shard tells which of them has a name.
func (p *presolve) addIndex(ctx context.Context, folder string, byName map[string][][]byte, n int, shard func(name string, n int) int) (tree.Index, error) {
	names := slices.Sorted(maps.Keys(byName))
	for ; ; n *= 2 {
		if ctx.Err() != nil {
			return tree.Index{}, context.Cause(ctx)
		}
		shards := make([][][]byte, n)
		for _, name := range names {
			i := shard(name, n)
			slices.SortFunc(byName[name], bytes.Compare)
			shards[i] = append(shards[i], byName[name]...)
		}
		x, files, err := tree.EncodeIndex(shards)
		if errors.Is(err, tree.ErrLargeShard) && n < tree.MaxShards {
			continue
		}
		if err != nil {
			return tree.Index{}, err
		}
		return x, p.folder.addAll(x.Folder(folder), files)
	}
}

// searchFile adds a search file of lines, called prefix and its digest, and differences from earlier
// ones, of which was is the last. Where its lines are those, it and its differences stay.
func (p *presolve) searchFile(ctx context.Context, folder, prefix string, lines [][]byte, was tree.Search) (tree.Search, error) {
	if ctx.Err() != nil {
		return tree.Search{}, context.Cause(ctx)
	}
	lines = tree.SortLines(lines)
	if was.Content == tree.ContentOf(lines) && p.stays(was) {
		return was, nil
	}
	s, file, err := tree.EncodeSearch(prefix, lines)
	if err != nil {
		return s, err
	}
	if err := p.folder.add(s.Path, file); err != nil {
		return s, err
	}
	for from, names := range p.earlier(was, lines) {
		if ctx.Err() != nil {
			return s, context.Cause(ctx)
		}
		if len(s.Differences) == tree.MaxDifferences {
			break
		}
		if strings.HasPrefix(s.Content, from) {
			continue
		}
		d, file, err := tree.EncodeDifference(folder, from, names, lines)
		if err != nil {
			return s, err
		}
		if d.Size > s.Size/worthIt {
			continue
		}
		if err := p.folder.add(d.Path, file); err != nil {
			return s, err
		}
		s.Differences = append(s.Differences, d)
	}
	return s, nil
}

// worthIt is what part of the whole a difference may be: one that is larger saves little.
const worthIt = 4

// stays tells whether a search file and its differences are there, and has them stay.
func (p *presolve) stays(s tree.Search) bool {
	refs := []tree.Ref{s.Ref}
	for _, d := range s.Differences {
		refs = append(refs, d.Ref)
	}
	for _, ref := range refs {
		if info, err := os.Stat(p.folder.path(ref.Path)); err != nil || info.Size() != ref.Size {
			return false
		}
	}
	for _, ref := range refs {
		p.folder.holds(ref.Path)
	}
	return true
}

// earlier gives the earlier search files, the latest first, each by the beginning of its Content
// with the names whose lines may have changed since: in the one that was published last, those that
// aren't the same; in those before, these and the ones that its differences are about. So nothing
// but that one and its differences needs to be there. Where it isn't there is none.
func (p *presolve) earlier(was tree.Search, lines [][]byte) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		if was.IsZero() {
			return
		}
		file, err := p.published(was.Ref)
		if err != nil {
			return
		}
		last, err := tree.Changed(bytes.NewReader(file), was.Unpacked, lines)
		if err != nil || !yield(was.Content[:16], last) {
			return
		}
		for _, d := range was.Differences {
			names := slices.Clone(last)
			file, err := p.published(d.Ref)
			if err == nil {
				err = tree.SearchLines(bytes.NewReader(file), tree.MaxUnpacked, func(line []byte) error {
					names = append(names, string(tree.NameOf(line)))
					return nil
				})
			}
			if err != nil {
				continue
			}
			slices.Sort(names)
			if !yield(d.From, slices.Compact(names)) {
				return
			}
		}
	}
}

// published is a file that an earlier build has published.
func (p *presolve) published(ref tree.Ref) ([]byte, error) {
	data, err := os.ReadFile(p.folder.path(ref.Path))
	if err == nil {
		err = ref.Check(data)
	}
	return data, err
}
