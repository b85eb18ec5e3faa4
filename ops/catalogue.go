package ops

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A view is what the record has of the sources' catalogues, in memory so that a warm command asks the record once.
// Another process may refresh: then the record's version changes, and the view is made anew.
type view struct {
	version   int64
	platforms map[string]*tree.Platform // by source id, of those in layout presolve
	listed    map[string][]string       // by source id: the digests of its shards
	loaded    map[string]bool           // by digest of a shard
}

// look makes the view where there is none or it is outdated.
func (s *System) look() error {
	version, err := s.Record.Version()
	if err != nil {
		return err
	}
	changed := s.view.loaded == nil || s.view.version != version
	if err := s.follow(changed); err != nil {
		return err
	}
	if s.view.loaded != nil && !changed {
		return nil
	}
	v := view{version: version, platforms: make(map[string]*tree.Platform), listed: make(map[string][]string)}
	if v.loaded, err = s.Record.Shards(); err != nil {
		return err
	}
	for _, source := range s.Sources {
		if v.listed[source.ID], err = s.Record.Listed(source.ID); err != nil {
			return err
		}
		if source.Layout != Presolve || len(v.listed[source.ID]) == 0 {
			continue
		}
		remote, ok, err := s.Record.Remote(s.platformURL(source))
		if err != nil {
			return err
		}
		if !ok { // the source's URL was changed: what it listed at the old one is not its any more
			v.listed[source.ID] = nil
			continue
		}
		if v.platforms[source.ID], err = tree.ParsePlatform(remote.Body, s.Platform); err != nil {
			return s.Record.Damaged(err) // it was checked before it was kept
		}
	}
	s.view = v
	return nil
}

// Ready makes sure that the record has what the sources offer under these names; nil means all names. What is there is
// not asked for again, unless it is older than CacheAge. It is no error that some sources can't be reached, as long as one
// has ever been; but one that publishes what can't be trusted is.
func (s *System) Ready(ctx context.Context, w *wire.Writer, names []string) error {
	if err := s.look(); err != nil {
		return err
	}
	if len(s.Sources) == 0 {
		return s.noSource()
	}
	// Those come last that somebody may wait for: how long depends on whether another one is usable.
	var order, last []int
	for i, source := range s.Sources {
		if s.failedLately(errand{source, true}) != nil || len(s.view.listed[source.ID]) == 0 && !strings.HasPrefix(source.URL, "file:") {
			last = append(last, i)
		} else {
			order = append(order, i)
		}
	}
	sources, failed := s.Sources, make([]error, len(s.Sources))
	usable := 0
	for _, i := range append(order, last...) {
		err := s.ready(ctx, w, sources[i], names, usable > 0)
		if errors.Is(err, context.Canceled) || errors.Is(err, db.ErrDamaged) {
			return err
		}
		if err == nil {
			usable++
		}
		failed[i] = sourceError(sources[i], err)
	}
	first := cmp.Or(failed...)
	if usable == 0 || AsError(first) != nil && AsError(first).Code != wire.NoNetwork && AsError(first).Code != wire.RepoNotAvailable {
		return first
	}
	return nil
}

// An errand is to ask a source for what it offers, or to load some of it.
type errand struct {
	source Source
	load   bool
}

// A failure is that of an errand, for as long as the helper runs.
type failure struct {
	at  time.Time
	err error
}

// leftAlone is how long a source that failed isn't asked again where what is here will do.
const leftAlone = time.Minute

// failedLately is the error of an errand that failed a short while ago; nil where it didn't.
func (s *System) failedLately(e errand) error {
	if f, ok := s.failed[e]; ok && time.Since(f.at) < leftAlone {
		return f.err
	}
	return nil
}

// try runs an errand. Where what is here will do nobody waits long for it, and not again soon after the source has failed.
func (s *System) try(ctx context.Context, e errand, willDo bool, run func(context.Context) error) error {
	if willDo {
		if err := s.failedLately(e); err != nil {
			return err
		}
		ctx = transport.Hurried(ctx)
	}
	err := run(ctx)
	delete(s.failed, e)
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, db.ErrDamaged) {
		return err
	}
	s.Log.Warn("a source can't be used", "source", e.source.ID, "error", err)
	var t *transport.Error
	if errors.As(err, &t) && !strings.HasPrefix(e.source.URL, "file:") { // what costs nothing may be there any time
		s.failed[e] = failure{time.Now(), err}
	}
	return err
}

func (s *System) noSource() error {
	if len(s.configured) == 0 {
		return wire.Errorf(wire.RepoNotAvailable, "the configuration has no source")
	}
	return wire.Errorf(wire.RepoNotAvailable, "every source is switched off: pkcon repo-enable %s switches one on", s.configured[0].ID)
}

// ready is Ready for one source; another tells that there is another one that is.
func (s *System) ready(ctx context.Context, w *wire.Writer, source Source, names []string, another bool) error {
	renew := func(ctx context.Context) error { return s.renew(ctx, w, source, names, false, nil) }
	if len(s.view.listed[source.ID]) == 0 {
		return s.try(ctx, errand{source, false}, another, renew)
	}
	if s.tooOld(source) {
		err := s.try(ctx, errand{source, false}, true, renew)
		if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, db.ErrDamaged) {
			return err
		}
	}
	p := s.view.platforms[source.ID]
	if p == nil {
		return nil // Sugar Network's catalogue comes in one piece
	}
	wanted := s.shards(p, names)
	if !slices.ContainsFunc(wanted, func(i int) bool { return !s.view.loaded[p.Catalogue[i].SHA256] }) {
		return nil
	}
	return s.try(ctx, errand{source, true}, another, func(ctx context.Context) error {
		err := s.load(ctx, w, source, p.Catalogue, wanted, nil)
		if notFound(err) { // the source has moved on
			return renew(ctx)
		}
		if err == nil && names == nil {
			return s.loadTexts(ctx, source)
		}
		return err
	})
}

func (s *System) tooOld(source Source) bool {
	if source.Stick != s.asked[source.ID] { // "" for what is no stick
		return true
	}
	if s.CacheAge < 0 {
		return false
	}
	remote, ok, err := s.Record.Remote(s.listURL(source))
	age := time.Since(remote.Checked) // below 0 where the clock was ahead, or was set back
	return err == nil && ok && (age < 0 || age > s.CacheAge)
}

// Refresh asks every source what it offers, and loads all of it. progress is told how much is done, 0 to 1. force takes a
// catalogue that is older than the one that is here.
func (s *System) Refresh(ctx context.Context, w *wire.Writer, force bool, progress func(float64)) error {
	clear(s.failed)
	if err := s.look(); err != nil {
		return err
	}
	var failed error
	usable := 0
	for i, source := range s.Sources {
		err := s.renew(ctx, w, source, nil, force, func(p float64) { progress((float64(i) + p) / float64(len(s.Sources))) })
		if errors.Is(err, context.Canceled) || errors.Is(err, db.ErrDamaged) {
			return err
		}
		if err != nil {
			err = sourceError(source, err)
			s.Log.Warn("a source can't be refreshed", "source", source.ID, "error", err)
			if source.Stick != "" && i > 0 { // who refreshes means the others, which come before
				continue
			}
			// One that can't be reached is out of town; one that publishes nonsense must be known.
			if failed == nil || AsError(failed).Code == wire.NoNetwork {
				failed = err
			}
			continue
		}
		usable++
	}
	if usable > 0 && failed != nil && AsError(failed).Code == wire.NoNetwork {
		return nil
	}
	return failed
}

// renew asks a source what it offers, and loads what of it is new: under the names that are wanted (nil: all), and
// wherever something was loaded before. Only when all of that is here does the new catalogue take the place of the old one.
func (s *System) renew(ctx context.Context, w *wire.Writer, source Source, names []string, force bool, progress func(float64)) error {
	w.Status(wire.StatusRefreshCache)
	var l *db.Listing
	var err error
	if source.Layout == SugarNetwork {
		l, err = s.askSugarNetwork(ctx, source)
	} else {
		var p *tree.Platform
		if l, p, err = s.ask(ctx, source, force); err == nil {
			wanted := s.shards(p, names)
			for i, sha := range s.view.listed[source.ID] {
				if s.view.loaded[sha] && len(s.view.listed[source.ID]) == len(p.Catalogue) {
					wanted = append(wanted, i)
				} else if s.view.loaded[sha] {
					wanted = s.shards(p, nil)
					break
				}
			}
			err = s.load(ctx, w, source, p.Catalogue, wanted, progress)
		}
	}
	if err != nil {
		return err
	}
	if err := s.Record.SetListing(*l); err != nil {
		return err
	}
	s.asked[source.ID] = source.Stick
	s.view.loaded = nil // our own change doesn't show in the record's version
	if err := s.look(); err != nil || names != nil {
		return err
	}
	return s.loadTexts(ctx, source)
}

// ask asks a source of the layout presolve what it offers.
func (s *System) ask(ctx context.Context, source Source, force bool) (*db.Listing, *tree.Platform, error) {
	at := s.platformURL(source)
	file, err := s.revalidate(ctx, at, tree.MaxPlatform)
	if err != nil {
		return nil, nil, err
	}
	p, err := tree.ParsePlatform(file.Body, s.Platform)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", at, err)
	}
	if before := s.view.platforms[source.ID]; before != nil && p.Serial < before.Serial && !force && source.Stick == "" {
		return nil, nil, fmt.Errorf("%s has the serial %d, older than the %d that this computer has seen: a server that was set back, or a copy that isn't kept up; a forced refresh takes it all the same", at, p.Serial, before.Serial)
	}
	l := &db.Listing{Source: source.ID, Files: map[string]db.Remote{at: file}}
	for _, shard := range p.Catalogue {
		l.Shards = append(l.Shards, shard.SHA256)
	}
	return l, p, nil
}

// revalidate asks for a small file that changes in place, unless the one in the record is still what the source has.
func (s *System) revalidate(ctx context.Context, at string, limit int64) (db.Remote, error) {
	old, _, err := s.Record.Remote(at)
	if err != nil {
		return db.Remote{}, err
	}
	if strings.HasPrefix(at, "file:") { // it costs nothing to read, and may be on another stick than before
		old.Validator = ""
	}
	answer, err := s.Net.Revalidate(ctx, at, old.Validator, limit)
	if err != nil {
		return db.Remote{}, err
	}
	if answer.Unchanged {
		answer.Body, answer.ETag = old.Body, old.Validator
	}
	return db.Remote{Validator: answer.ETag, Body: answer.Body, Checked: time.Now()}, nil
}

// shards are the numbers of the shards that names are in; nil means all names.
func (s *System) shards(p *tree.Platform, names []string) []int {
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
func (s *System) load(ctx context.Context, w *wire.Writer, source Source, catalogue []tree.Ref, wanted []int, progress func(float64)) error {
	var missing []int
	for _, i := range wanted {
		if !s.view.loaded[catalogue[i].SHA256] && !slices.Contains(missing, i) {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	w.Status(wire.StatusDownloadPackagelist)
	bodies := inOrder(ctx, len(missing), func(ctx context.Context, i int) ([]byte, error) {
		ref := catalogue[missing[i]]
		return s.Net.Get(ctx, s.publishedURLs(source.ID, ref.Path), ref)
	})
	for done, got := range bodies {
		if got.err != nil {
			return got.err
		}
		i := missing[done]
		sha := catalogue[i].SHA256
		err := s.Record.AddShard(sha, func(add func(*tree.Entry) error) error {
			return tree.ParseShard(got.value, i, len(catalogue), add)
		})
		if err != nil {
			return err
		}
		s.view.loaded[sha] = true
		if progress != nil {
			progress(float64(done+1) / float64(len(missing)))
		}
	}
	if len(missing) >= manyShards {
		return s.Record.Settle()
	}
	return nil
}

// Tree is the tree that an entry of the catalogue leads to: from the record, else from the first source that has it.
func (s *System) Tree(ctx context.Context, source string, e *tree.Entry) (*tree.Tree, error) {
	t, err := s.keptTree(e.Tree.SHA256)
	if t != nil || err != nil {
		return t, err
	}
	body, err := s.published(ctx, source, e.Tree)
	if err != nil {
		return nil, err
	}
	if t, err = tree.ParseTree(body, s.Platform, e.Name); err != nil {
		return nil, wire.Errorf(wire.RepoNotAvailable, "the source %s: %w", source, err)
	}
	return t, s.Record.KeepPublished(e.Tree.SHA256, body, t.Packages)
}

// KeptTree is the newest tree of a program, and the id of its source, without asking for it: empty where it isn't in the record.
func (s *System) KeptTree(program string) (*tree.Tree, string, error) {
	e, source, err := s.FindEntry(wire.PackageID{Name: program})
	if e == nil || err != nil {
		return &tree.Tree{}, "", err
	}
	t, err := s.keptTree(e.Tree.SHA256)
	if t == nil {
		t = &tree.Tree{}
	}
	return t, source, err
}

// keptTree is a tree in the record; nil where it isn't there. It was checked before it was kept.
func (s *System) keptTree(sha256 string) (*tree.Tree, error) {
	body, ok, err := s.Record.Published(sha256)
	if err != nil || !ok {
		return nil, err
	}
	t := new(tree.Tree)
	if err := json.Unmarshal(body, t); err != nil {
		return nil, s.Record.Damaged(fmt.Errorf("reading a tree of the record: %w", err))
	}
	return t, nil
}

// FileLists are the file lists of an entry's tree; nil where the platform publishes none.
func (s *System) FileLists(ctx context.Context, source string, e *tree.Entry) (*tree.FileLists, error) {
	if e.Files.IsZero() {
		return nil, nil
	}
	body, kept, err := s.Record.Published(e.Files.SHA256)
	if err != nil {
		return nil, err
	}
	if !kept {
		if body, err = s.published(ctx, source, e.Files); err != nil {
			return nil, err
		}
	}
	f, err := tree.ParseFileLists(body, s.Platform, e.Name)
	if err != nil && kept {
		return nil, s.Record.Damaged(err)
	}
	if err != nil {
		return nil, wire.Errorf(wire.RepoNotAvailable, "the source %s: %w", source, err)
	}
	if kept {
		return f, nil
	}
	return f, s.Record.KeepPublished(e.Files.SHA256, body, nil)
}

func (s *System) published(ctx context.Context, source string, ref tree.Ref) ([]byte, error) {
	body, err := s.Net.Get(ctx, s.publishedURLs(source, ref.Path), ref)
	if err != nil {
		i := slices.IndexFunc(s.Sources, func(c Source) bool { return c.ID == source })
		return nil, sourceError(s.Sources[max(i, 0)], err)
	}
	return body, nil
}

// publishedURLs are where a file of the layout presolve may be found: at the source that names it, then at the others,
// which may be copies. Its digest tells whether it is the right one.
func (s *System) publishedURLs(source, path string) []string {
	var urls []string
	for _, c := range s.Sources {
		if c.Layout != Presolve {
			continue
		}
		u := c.URL + "/" + escape(s.Platform) + "/" + escape(path)
		if c.ID == source {
			urls = slices.Insert(urls, 0, u)
		} else {
			urls = append(urls, u)
		}
	}
	return urls
}

// Download is the download of one package of a tree that a source published, without the place that it goes to. Its URLs are
// where it may be found, the source's own copy first.
func (s *System) Download(source string, p *tree.Package) transport.File {
	f := transport.File{Label: p.NEVRA.String(), Size: p.Size, SHA256: p.SHA256}
	if p.Location != "" {
		f.URLs = s.publishedURLs(source, p.Location)
	}
	for _, u := range p.URLs {
		// A network's tree has no business with this computer's files.
		if strings.HasPrefix(u, "file:") && !slices.ContainsFunc(s.Sources, func(c Source) bool { return c.ID == source && strings.HasPrefix(c.URL, "file:") && c.Stick == "" }) {
			continue
		}
		f.URLs = append(f.URLs, u)
	}
	return f
}

func (s *System) platformURL(source Source) string {
	return source.URL + "/" + escape(s.Platform) + "/platform.json"
}

// listURL is the file that tells what a source offers.
func (s *System) listURL(source Source) string {
	if source.Layout == SugarNetwork {
		return source.URL + "/"
	}
	return s.platformURL(source)
}

// escape makes a path fit for a URL.
func escape(path string) string { return (&url.URL{Path: path}).EscapedPath() }
