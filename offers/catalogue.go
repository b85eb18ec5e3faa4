// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/catalogue"
	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// A view is what is here of what the sources offer, in memory so that a warm command asks the record
// once. Another process may refresh: then the record's version changes, and the view is read again.
type view struct {
	version   int64
	kept      map[Source]*tree.Platform  // by place, of those that were asked and are believed
	checked   map[Source]time.Time       // by place: when it was last asked
	platforms map[string]*tree.Platform  // what is offered: by the id of who stands for the places
	files     map[string]*catalogue.File // by the same, of those whose search files are here
	texts     map[string]*catalogue.File // the same of those in the user's language
	languages map[string]string          // which language that is
}

// readView reads the view where there is none or it is outdated.
func (o *Offers) readView(ctx context.Context) error {
	version, err := o.Record.Version()
	if err != nil {
		return err
	}
	changed := o.view.platforms == nil || o.view.version != version
	if err := o.follow(ctx, changed); err != nil {
		return err
	}
	if o.view.platforms != nil && !changed {
		return nil
	}
	v := view{version, make(map[Source]*tree.Platform), make(map[Source]time.Time), make(map[string]*tree.Platform), make(map[string]*catalogue.File), make(map[string]*catalogue.File), make(map[string]string)}
	for _, place := range o.places() {
		p, err := o.kept(place)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		remote, _, err := o.Record.Remote(o.layout(place).listURL(place), nil)
		if err != nil {
			return err
		}
		v.kept[place], v.checked[place] = p, remote.Checked
	}
	for _, source := range o.Sources {
		if o.owner(source) != source {
			continue
		}
		p := o.newest(source, v.kept)
		if p == nil {
			continue
		}
		v.platforms[source.ID] = p
		if f := o.file(p.Search); f != nil {
			v.files[source.ID] = f
		}
		language, in, ok, err := o.keptTexts(source, p)
		if err != nil {
			return err
		}
		if ok {
			if f := o.file(in); f != nil {
				v.texts[source.ID], v.languages[source.ID] = f, language
			}
		}
	}
	o.view = v
	for content, f := range o.open {
		used := func(all map[string]*catalogue.File) bool {
			return slices.Contains(slices.Collect(maps.Values(all)), f)
		}
		if !used(v.files) && !used(v.texts) {
			f.Close()
			delete(o.open, content)
		}
	}
	return nil
}

// outdated makes the next command read the view: this process has changed what it is read from.
func (o *Offers) outdated() { o.view.platforms = nil }

// Folder is the name of the folder, beside the record, that search files are in.
const Folder = "catalogue"

func (o *Offers) folder() string { return filepath.Join(o.Record.Folder(), Folder) }

// path is where a search file is that has this content.
func (o *Offers) path(content string) string { return filepath.Join(o.folder(), content) }

// file is a search file that is here; nil where it isn't. One that is damaged goes: it is to be had
// again.
func (o *Offers) file(s tree.Search) *catalogue.File {
	if f := o.open[s.Content]; f != nil {
		return f
	}
	f, err := catalogue.Open(o.path(s.Content))
	if err == nil && f.Content() != s.Content {
		f.Close()
		err = catalogue.ErrDamaged
	}
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			o.Log.Warn("a catalogue can't be read: it is downloaded again", "error", err)
			os.Remove(o.path(s.Content))
		}
		return nil
	}
	o.open[s.Content] = f
	return f
}

// DropDamaged gets rid of the search files that aren't what was written: they are to be had again. It
// tells whether there was one.
func (o *Offers) DropDamaged(ctx context.Context) (dropped bool, err error) {
	for content, f := range o.open {
		damage := f.Check(ctx)
		if ctx.Err() != nil {
			return dropped, ctx.Err()
		}
		if damage == nil {
			continue
		}
		o.Log.Warn("a catalogue is damaged: it is downloaded again", "error", damage)
		f.Close()
		delete(o.open, content)
		if err := os.Remove(o.path(content)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return dropped, err
		}
		dropped = true
	}
	o.outdated()
	return dropped, nil
}

// sweep removes the search files that no source names any more, a disabled one neither. Texts stay as
// long as what led to them does.
func (o *Offers) sweep() {
	named := make(map[string]bool)
	for _, place := range slices.Concat(o.configured, o.places()) {
		if p, err := o.layout(place).kept(place); err == nil && p != nil {
			named[p.Search.Content] = true
			all := make(map[string]tree.Search)
			for number := range p.Texts.Shards {
				o.Record.KeptShard(place.ID, texts, p.Texts, number, func(body []byte) error {
					return p.Texts.Lines(number, body, languagesIn(p.Texts, number, all))
				})
			}
			for _, s := range all {
				named[s.Content] = true
			}
		}
	}
	all, err := os.ReadDir(o.folder())
	if err != nil {
		return // there are none yet
	}
	for _, e := range all {
		if !named[e.Name()] && !strings.HasPrefix(e.Name(), ".") { // which another process may be writing
			os.Remove(filepath.Join(o.folder(), e.Name()))
		}
	}
}

// Ready makes sure that it is known what the sources offer under these names; nil means all names.
// What is here is not asked for again, unless it is older than CacheAge. It is no error that some
// sources can't be reached, as long as one has ever been; but one that publishes what can't be
// trusted is.
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
	places, failed := o.places(), make([]error, len(o.places()))
	for i, place := range places {
		if o.failedLately(attempt{place, true}) != nil || o.view.kept[place] == nil && !place.local() {
			last = append(last, i)
		} else {
			order = append(order, i)
		}
	}
	usable := 0
	for _, i := range append(order, last...) {
		err := o.ready(ctx, p, places[i], names, usable > 0)
		if Ends(err) {
			return err
		}
		if err == nil {
			usable++
		}
		failed[i] = sourceError(places[i], err)
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
	return mark(ErrNoSource, "every source is switched off: switch one on, %s for example", o.configured[0].ID)
}

// ready is Ready for one place; another tells that there is another one that is.
func (o *Offers) ready(ctx context.Context, p Progress, place Source, names []string, another bool) error {
	renew := func(ctx context.Context) error { return o.renew(ctx, p, place, names, false, nil) }
	if o.view.kept[place] == nil {
		return o.try(ctx, attempt{place, false}, another, renew)
	}
	if o.tooOld(place) {
		err := o.try(ctx, attempt{place, false}, true, renew)
		if err == nil || Ends(err) {
			return err
		}
	}
	source := o.owner(place)
	platform := o.view.platforms[source.ID]
	if o.view.files[source.ID] != nil {
		return nil
	}
	if names != nil {
		missing, err := o.missing(source, platform, names)
		if err != nil || len(missing) == 0 {
			return err
		}
	}
	return o.try(ctx, attempt{place, true}, another, func(ctx context.Context) error {
		err := o.load(ctx, p, source, platform, names, nil)
		if movedOn(err) {
			return renew(ctx)
		}
		if err == nil && names == nil {
			o.outdated()
			err = o.readView(ctx)
		}
		return err
	})
}

func (o *Offers) tooOld(place Source) bool {
	if o.CacheAge < 0 {
		return false
	}
	age := time.Since(o.view.checked[place]) // below 0 where the clock was ahead, or was set back
	return age < 0 || age > o.CacheAge
}

// Refresh asks every place what it offers, and brings the search files of all sources. force takes
// what is older than what is here, where nothing is signed.
func (o *Offers) Refresh(ctx context.Context, p Progress, force bool) error {
	clear(o.failed)
	clear(o.caughtUp)
	if err := o.readView(ctx); err != nil {
		return err
	}
	var failed error
	usable := 0
	places := o.places()
	for i, place := range places {
		err := o.renew(ctx, p, place, nil, force, func(part, of int) { p.Done(i*of+part, len(places)*of) })
		if Ends(err) {
			return err
		}
		if err != nil {
			err = sourceError(place, err)
			o.Log.Warn("a source can't be refreshed", "source", place.ID, "error", err)
			if place.Stick != "" { // who refreshes means the others, which come before
				continue
			}
			// One that can't be reached is out of town, a copy that isn't kept up hides nothing; one
			// that publishes nonsense must be known.
			if failed == nil || outdoneBy(failed) {
				failed = err
			}
			continue
		}
		usable++
	}
	if usable > 0 && outdoneBy(failed) {
		return nil
	}
	return failed
}

// outdoneBy tells whether the failure of one place is no matter where another is usable.
func outdoneBy(err error) bool {
	var refused *trust.Error
	return unreachable(err) || errors.As(err, &refused) && refused.Kind == trust.Older
}

func unreachable(err error) bool { return transport.KindOf(err) == transport.NoNetwork }

// renewFor is how long asking a place, and loading what it offers, may take in all: one that gives a
// little now and then, for ever, is no better than one that gives nothing.
const renewFor = 30 * time.Minute

var errSlow = fmt.Errorf("it gave too little in %v: try again later, or another source", renewFor)

// renew asks a place what it offers, and loads what of it is wanted: what is offered under these
// names (nil: all), and the search file where there was one before. Only when all of that is here
// does it take the place of what was offered before. done, if not nil, is told how many parts are
// loaded.
func (o *Offers) renew(ctx context.Context, p Progress, place Source, names []string, force bool, done func(part, of int)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, renewFor, errSlow)
	defer cancel()
	source := o.owner(place)
	var l *listing
	var platform *tree.Platform // of all places
	for again := false; ; again = true {
		p.Doing(Asking)
		early, err := o.ahead(ctx, source, names)
		if err != nil {
			return err
		}
		if l, err = o.layout(place).ask(ctx, place, force); err == nil {
			known := maps.Clone(o.view.kept)
			known[place] = l.platform
			platform = o.newest(source, known)
		}
		if err = cmp.Or(err, early(platform)); err != nil {
			return err
		}
		if err = o.load(ctx, p, source, platform, names, done); err == nil {
			break
		}
		if context.Cause(ctx) == errSlow {
			return errSlow
		}
		if again || !movedOn(err) { // another build may just have been published
			return err
		}
	}
	if l.accepted != nil {
		if err := o.Trust.Accept(l.accepted); err != nil { // before it counts
			return err
		}
	}
	if err := o.Record.SetListing(ctx, source.ID, l.files, []string{platform.References.Root, platform.Capabilities.Root, platform.Texts.Root}); err != nil {
		return err
	}
	if place.Stick != "" {
		o.asked[place.URL] = place.Stick
	}
	o.outdated()
	if err := o.readView(ctx); err != nil {
		return err
	}
	o.sweep()
	return nil
}

// load loads what a platform.json says is offered under these names; nil: all names.
func (o *Offers) load(ctx context.Context, p Progress, source Source, platform *tree.Platform, names []string, done func(part, of int)) error {
	if had := o.view.files[source.ID]; names == nil || had != nil {
		if err := o.bring(ctx, p, source, platform.Search, had, done); err != nil {
			return err
		}
		return o.bringTexts(ctx, p, source, platform)
	}
	missing, err := o.missing(source, platform, names)
	if err != nil || len(missing) == 0 {
		return err
	}
	p.Doing(LoadingCatalogue)
	return o.loadReferences(ctx, source, platform, names)
}

// bring brings a search file, unless it is here: by the difference from the one that is here, if it
// has one, else whole.
func (o *Offers) bring(ctx context.Context, p Progress, source Source, s tree.Search, had *catalogue.File, done func(part, of int)) error {
	if o.file(s) != nil {
		return nil
	}
	if err := o.fits(source, s.Unpacked); err != nil {
		return err
	}
	if err := o.room(source, searchRoom(s)); err != nil {
		return err
	}
	if err := os.MkdirAll(o.folder(), 0o700); err != nil {
		return err
	}
	p.Doing(LoadingCatalogue)
	if had != nil {
		if d := s.From(had.Content()); d != nil {
			err := o.write(ctx, source, d.Ref, done, func(body []byte) error {
				return catalogue.Merge(ctx, o.path(s.Content), s, had, bytes.NewReader(body))
			})
			if err == nil || Ends(err) || diskFull(err) || unreachable(err) {
				return err
			}
			o.Log.Warn("a source's difference from its last catalogue can't be used: the whole is downloaded", "source", source.ID, "error", err)
		}
	}
	return o.write(ctx, source, s.Ref, done, func(body []byte) error {
		return catalogue.Write(ctx, o.path(s.Content), s, bytes.NewReader(body))
	})
}

func (o *Offers) write(ctx context.Context, source Source, ref tree.Ref, done func(part, of int), write func([]byte) error) error {
	body, err := o.Net.Get(ctx, o.publishedURLs(source.ID, ref.Path), ref)
	if err != nil {
		return err
	}
	if done != nil {
		done(1, 2)
	}
	if err := write(body); err != nil {
		return err
	}
	if done != nil {
		done(2, 2)
	}
	return nil
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
