// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// The folders of the indexes.
const (
	references   = "references"
	capabilities = "capabilities"
	texts        = "texts"
)

// shard gives the lines of a shard of a source's index to parse, which is called anew for each try:
// from the record, else from the first source that has it; from then on it is kept.
func (o *Offers) shard(ctx context.Context, p Progress, s Source, folder string, x tree.Index, number int, parse func(line []byte) error) error {
	read := func(body []byte) error { return x.Lines(number, body, parse) }
	ok, err := o.Record.KeptShard(s.ID, folder, x, number, read)
	if ok || err != nil {
		return err
	}
	p.Doing(LoadingCatalogue)
	body, err := o.downloadShard(ctx, s, folder, x, number)
	if err != nil {
		return err
	}
	return o.keepShard(ctx, s, folder, x, number, body, parse)
}

// downloadShard brings a shard. It may be called from many goroutines.
func (o *Offers) downloadShard(ctx context.Context, s Source, folder string, x tree.Index, number int) ([]byte, error) {
	path := x.Path(folder, number)
	return o.Net.GetChecked(ctx, o.publishedURLs(s.ID, path), path, tree.MaxShardFile, func(body []byte) error { return x.Check(number, body) })
}

// keepShard keeps a shard that came, if all of it can be read.
func (o *Offers) keepShard(ctx context.Context, s Source, folder string, x tree.Index, number int, body []byte, parse func(line []byte) error) error {
	if err := x.Lines(number, body, parse); err != nil {
		return &SourceError{Source: s.ID, Err: err}
	}
	if err := o.room(s, fileRoom(int64(len(body)))); err != nil {
		return err
	}
	return o.Record.KeepShard(ctx, s.ID, folder, x, number, body)
}

// missing are the numbers of the shards of references that these names are in and that aren't here.
func (o *Offers) missing(s Source, platform *tree.Platform, names []string) ([]int, error) {
	var all []int
	for _, name := range names {
		all = append(all, platform.References.Shard(name))
	}
	slices.Sort(all)
	var missing []int
	for _, number := range slices.Compact(all) {
		ok, err := o.Record.KeptShard(s.ID, references, platform.References, number, func([]byte) error { return nil })
		if err != nil {
			return nil, err
		}
		if !ok {
			missing = append(missing, number)
		}
	}
	return missing, nil
}

// loadReferences loads the shards of references that these names are in.
func (o *Offers) loadReferences(ctx context.Context, s Source, platform *tree.Platform, names []string) error {
	missing, err := o.missing(s, platform, names)
	if err != nil || len(missing) == 0 {
		return err
	}
	x := platform.References
	for i, got := range inOrder(ctx, len(missing), func(ctx context.Context, i int) ([]byte, error) {
		return o.downloadShard(ctx, s, references, x, missing[i])
	}) {
		if got.err != nil {
			return got.err
		}
		number := missing[i]
		if err := o.keepShard(ctx, s, references, x, number, got.value, referencesIn(x, number)); err != nil {
			return err
		}
	}
	return nil
}

// few is how many names may be asked for ahead.
const few = 4

// ahead downloads the shards of references that a few names are in, while the source is asked what it
// offers: most often that is what it offered before, and on a long way this saves one round trip. keep
// waits for them, and keeps them if they are the new platform's; it is called in any case.
func (o *Offers) ahead(ctx context.Context, s Source, names []string) (keep func(*tree.Platform) error, err error) {
	nothing := func(*tree.Platform) error { return nil }
	before := o.view.platforms[s.ID]
	if before == nil || len(names) == 0 || len(names) > few {
		return nothing, nil
	}
	missing, err := o.missing(s, before, names)
	if err != nil || len(missing) == 0 {
		return nothing, err
	}
	x := before.References
	downloading, cancel := context.WithCancel(ctx)
	bodies := make([][]byte, len(missing))
	var downloads sync.WaitGroup
	for i, number := range missing {
		downloads.Go(func() { bodies[i], _ = o.downloadShard(downloading, s, references, x, number) }) // who lacks it asks again
	}
	return func(now *tree.Platform) error {
		if now == nil || now.References != x {
			cancel()
		}
		downloads.Wait()
		cancel()
		for i, number := range missing {
			if now == nil || now.References != x || bodies[i] == nil {
				continue
			}
			if err := o.keepShard(ctx, s, references, x, number, bodies[i], referencesIn(x, number)); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// referencesIn checks the lines of a shard of references.
func referencesIn(x tree.Index, number int) func(line []byte) error {
	return func(line []byte) error {
		_, err := x.ParseReference(number, line)
		return err
	}
}

// LoadReferences loads what leads from these names to their trees, at once rather than one after the
// other. What can't be loaded shows when it is asked for: the error is one that ends the command.
func (o *Offers) LoadReferences(ctx context.Context, names []string) error {
	if len(names) < 2 {
		return nil
	}
	for _, s := range o.Sources {
		platform := o.view.platforms[s.ID]
		if platform == nil {
			continue
		}
		err := o.try(ctx, attempt{s, true}, true, func(ctx context.Context) error { return o.loadReferences(ctx, s, platform, names) })
		if Ends(err) {
			return err
		}
	}
	return nil
}

// kept are the references of a name in a shard that is here; known is false where it isn't.
func (o *Offers) keptReferences(s Source, platform *tree.Platform, name string) (all []*tree.Reference, known bool, err error) {
	x := platform.References
	number := x.Shard(name)
	known, err = o.Record.KeptShard(s.ID, references, x, number, func(body []byte) error {
		all = nil
		return x.Lines(number, body, func(line []byte) error {
			r, err := x.ParseReference(number, line)
			if err == nil && r.Name == name {
				all = append(all, r)
			}
			return err
		})
	})
	return all, known, err
}

// reference leads from a line of a catalogue to the tree. It is asked for where it isn't here.
func (o *Offers) reference(ctx context.Context, l *Line) (*tree.Reference, error) {
	if l.ref != nil {
		return l.ref, nil
	}
	s := o.source(l.Source)
	platform := o.view.platforms[s.ID]
	if platform == nil {
		return nil, ErrNotOffered
	}
	if err := o.loadReferences(ctx, s, platform, []string{l.Name}); err != nil {
		return nil, sourceError(s, err)
	}
	all, _, err := o.keptReferences(s, platform, l.Name)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(r *tree.Reference) bool { return r.NEVRA == l.NEVRA })
	if i < 0 {
		return nil, &SourceError{Source: s.ID, Err: fmt.Errorf("its catalogue has %s and its index of references doesn't lead to it", l.NEVRA)}
	}
	l.ref = all[i]
	return l.ref, nil
}
