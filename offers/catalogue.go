// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A view is what the record has of the sources' catalogues, in memory so that a warm command asks
// the record once. Another process may refresh: then the record's version changes, and the view is
// read again.
type view struct {
	version   int64
	platforms map[string]*tree.Platform // by source id, of those whose catalogue is in shards
	listed    map[string][]string       // by source id: the digests of its shards
	loaded    map[string]bool           // by digest of a shard
}

// readView reads the view where there is none or it is outdated.
func (o *Offers) readView(ctx context.Context) error {
	version, err := o.Record.Version()
	if err != nil {
		return err
	}
	changed := o.view.loaded == nil || o.view.version != version
	if err := o.follow(ctx, changed); err != nil {
		return err
	}
	if o.view.loaded != nil && !changed {
		return nil
	}
	v := view{version: version, platforms: make(map[string]*tree.Platform), listed: make(map[string][]string)}
	if v.loaded, err = o.Record.Shards(); err != nil {
		return err
	}
	for _, source := range o.Sources {
		if v.listed[source.ID], err = o.Record.Listed(source.ID); err != nil {
			return err
		}
		if len(v.listed[source.ID]) == 0 {
			continue
		}
		p, known, err := o.layout(source).kept(source)
		if err != nil {
			return err
		}
		if !known { // the source's URL was changed: what it listed at the old one is not its any more
			v.listed[source.ID] = nil
		}
		if p != nil {
			v.platforms[source.ID] = p
		}
	}
	o.view = v
	return nil
}

// Ready makes sure that the record has what the sources offer under these names; nil means all
// names. What is there is not asked for again, unless it is older than CacheAge. It is no error
// that some sources can't be reached, as long as one has ever been; but one that publishes what
// can't be trusted is.
func (o *Offers) Ready(ctx context.Context, p Progress, names []string) error {
	if err := o.readView(ctx); err != nil {
		return err
	}
	if len(o.Sources) == 0 {
		return o.noSource()
	}
	// Those come last that somebody may wait for: how long depends on whether another one is
	// usable.
	var order, last []int
	for i, source := range o.Sources {
		if o.failedLately(attempt{source, true}) != nil || len(o.view.listed[source.ID]) == 0 && !source.local() {
			last = append(last, i)
		} else {
			order = append(order, i)
		}
	}
	sources, failed := o.Sources, make([]error, len(o.Sources))
	usable := 0
	for _, i := range append(order, last...) {
		err := o.ready(ctx, p, sources[i], names, usable > 0)
		if Ends(err) {
			return err
		}
		if err == nil {
			usable++
		}
		failed[i] = sourceError(sources[i], err)
	}
	first := cmp.Or(failed...)
	if usable == 0 || diskFull(first) {
		return first
	}
	return nil
}

func (o *Offers) noSource() error {
	if len(o.configured) == 0 {
		return mark(ErrNoSource, "the configuration has no source")
	}
	return mark(ErrNoSource, "every source is switched off: pkcon repo-enable %s switches one on", o.configured[0].ID)
}

// ready is Ready for one source; another tells that there is another one that is.
func (o *Offers) ready(ctx context.Context, p Progress, source Source, names []string, another bool) error {
	renew := func(ctx context.Context) error { return o.renew(ctx, p, source, names, false, nil) }
	if len(o.view.listed[source.ID]) == 0 {
		return o.try(ctx, attempt{source, false}, another, renew)
	}
	old, err := o.tooOld(source)
	if err != nil {
		return err
	}
	if old {
		err := o.try(ctx, attempt{source, false}, true, renew)
		if err == nil || Ends(err) {
			return err
		}
	}
	platform := o.view.platforms[source.ID]
	if platform == nil {
		return nil // the catalogue came in one piece
	}
	wanted := o.shards(platform, names)
	if !slices.ContainsFunc(wanted, func(i int) bool { return !o.view.loaded[platform.Catalogue[i].SHA256] }) {
		return nil
	}
	return o.try(ctx, attempt{source, true}, another, func(ctx context.Context) error {
		err := o.load(ctx, p, source, platform.Catalogue, wanted, nil)
		if movedOn(err) {
			return renew(ctx)
		}
		if err == nil && names == nil {
			return o.loadTexts(ctx, source)
		}
		return err
	})
}

func (o *Offers) tooOld(source Source) (bool, error) {
	if source.Stick != o.asked[source.ID] { // "" for what is no stick
		return true, nil
	}
	if o.CacheAge < 0 {
		return false, nil
	}
	remote, ok, err := o.Record.Remote(o.layout(source).listURL(source), nil)
	age := time.Since(remote.Checked) // below 0 where the clock was ahead, or was set back
	return ok && (age < 0 || age > o.CacheAge), err
}

// Refresh asks every source what it offers, and loads all of it. force takes a catalogue that is
// older than the one that is here.
func (o *Offers) Refresh(ctx context.Context, p Progress, force bool) error {
	clear(o.failed)
	clear(o.caughtUp)
	if err := o.readView(ctx); err != nil {
		return err
	}
	var failed error
	usable := 0
	for i, source := range o.Sources {
		err := o.renew(ctx, p, source, nil, force, func(part, of int) { p.Done(i*of+part, len(o.Sources)*of) })
		if Ends(err) {
			return err
		}
		if err != nil {
			err = sourceError(source, err)
			o.Log.Warn("a source can't be refreshed", "source", source.ID, "error", err)
			if source.Stick != "" && i > 0 { // who refreshes means the others, which come before
				continue
			}
			// One that can't be reached is out of town; one that publishes nonsense must be known.
			if failed == nil || unreachable(failed) {
				failed = err
			}
			continue
		}
		usable++
	}
	if usable > 0 && unreachable(failed) {
		return nil
	}
	return failed
}

func unreachable(err error) bool { return kindOf(err) == transport.NoNetwork }

// renew asks a source what it offers, and loads what of it is new: under the names that are wanted
// (nil: all), and wherever something was loaded before. Only when all of that is here does the new
// catalogue take the place of the old one. done, if not nil, is told how many parts are loaded.
func (o *Offers) renew(ctx context.Context, p Progress, source Source, names []string, force bool, done func(part, of int)) error {
	var listing *db.Listing
	for again := false; ; again = true {
		p.Doing(Asking)
		var platform *tree.Platform
		var err error
		if listing, platform, err = o.layout(source).ask(ctx, source, force); err != nil {
			return err
		}
		if platform == nil {
			break
		}
		err = o.load(ctx, p, source, platform.Catalogue, o.wanted(source, platform, names), done)
		if err == nil {
			break
		}
		if again || !movedOn(err) { // another build may just have been published
			return err
		}
	}
	if err := o.Record.SetListing(ctx, *listing); err != nil {
		return err
	}
	o.asked[source.ID] = source.Stick
	o.view.loaded = nil // our own change doesn't show in the record's version
	if err := o.readView(ctx); err != nil || names != nil {
		return err
	}
	return o.loadTexts(ctx, source)
}

// wanted are the numbers of the shards of a new platform.json to be loaded: those that names are
// in, and those that take the place of loaded ones; all of them where there are others now.
func (o *Offers) wanted(source Source, p *tree.Platform, names []string) []int {
	wanted := o.shards(p, names)
	before := o.view.listed[source.ID]
	for i, sha := range before {
		switch {
		case !o.view.loaded[sha]:
		case len(before) != len(p.Catalogue):
			return o.shards(p, nil)
		default:
			wanted = append(wanted, i)
		}
	}
	return wanted
}

// revalidate asks for a small file that changes in place, unless the one in the record is still
// what the source has.
func (o *Offers) revalidate(ctx context.Context, at string, limit int64) (db.Remote, error) {
	old, _, err := o.Record.Remote(at, nil)
	if err != nil {
		return db.Remote{}, err
	}
	if transport.IsLocal(at) { // it costs nothing to read, and may be on another stick than before
		old.Validator = ""
	}
	answer, err := o.Net.Revalidate(ctx, at, old.Validator, limit)
	if err != nil {
		return db.Remote{}, err
	}
	if answer.Unchanged {
		answer.Body, answer.ETag = old.Body, old.Validator
	}
	return db.Remote{Validator: answer.ETag, Body: answer.Body, Checked: time.Now()}, nil
}

// untilDone is add until ctx ends.
func untilDone(ctx context.Context, add func(*tree.Entry) error) func(*tree.Entry) error {
	return func(e *tree.Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return add(e)
	}
}

// shards are the numbers of the shards that names are in; nil means all names.
func (o *Offers) shards(p *tree.Platform, names []string) []int {
	var all []int
	if names == nil {
		for i := range p.Catalogue {
			all = append(all, i)
		}
	}
	for _, name := range names {
		all = append(all, p.Shard(name))
	}
	return all
}

// manyShards are so many that the index of texts is worth settling after them.
const manyShards = 16

// load loads those of a catalogue's shards that are wanted and not loaded yet.
func (o *Offers) load(ctx context.Context, p Progress, source Source, catalogue []tree.ShardRef, wanted []int, done func(part, of int)) error {
	var missing []int
	unpacked, largest := int64(0), int64(0)
	seen := make([]bool, len(catalogue))
	for _, i := range wanted {
		if !o.view.loaded[catalogue[i].SHA256] && !seen[i] {
			seen[i] = true
			missing = append(missing, i)
			_, bytes := catalogue[i].Most()
			unpacked, largest = unpacked+bytes, max(largest, bytes)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := o.fits(source, unpacked); err != nil {
		return err
	}
	if err := o.room(source, catalogueRoom(unpacked, largest)); err != nil {
		return err
	}
	p.Doing(LoadingCatalogue)
	bodies := inOrder(ctx, len(missing), func(ctx context.Context, i int) ([]byte, error) {
		ref := catalogue[missing[i]]
		return o.Net.Get(ctx, o.publishedURLs(source.ID, ref.Path), ref.Ref)
	})
	for n, got := range bodies {
		if got.err != nil {
			return got.err
		}
		i := missing[n]
		sha := catalogue[i].SHA256
		_, bytes := catalogue[i].Most()
		if err := o.room(source, shardRoom(bytes)); err != nil {
			return err
		}
		err := o.Record.AddShard(ctx, sha, func(add func(*tree.Entry) error) error {
			return tree.ParseShard(got.value, catalogue[i], i, len(catalogue), untilDone(ctx, add))
		})
		if err != nil {
			return err
		}
		o.view.loaded[sha] = true
		if done != nil {
			done(n+1, len(missing))
		}
	}
	if len(missing) < manyShards {
		return nil
	}
	// The whole index goes into the log. Without that all is as right, and slower to search.
	size, err := o.Record.Size()
	if err != nil || o.room(source, size+logRoom) != nil {
		return err
	}
	return o.Record.Settle(ctx)
}
