// SPDX-License-Identifier: GPL-2.0-or-later

package serve

import (
	"bytes"
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// An Upstream serves what another server has published, to laptops that are nearer to this one: what is
// asked for the first time comes from there, once however many ask, and is kept in the folder that is
// served. Without that server it serves what it has.
//
// A file that a digest names is kept if it is that; an RPM if it is what the tree says that leads to it,
// or, where none was seen, if it is whole. What changes in place is asked for again after a short while.
// A new platform.json counts when its signatures are here too, and who signs is believed, where that
// was said. Paths that nothing published has aren't asked for.
type Upstream struct {
	UpstreamOptions
	site     http.Handler
	kept     *kept
	came     atomic.Int64
	failures atomic.Int64
	ctx      context.Context // ends with the server
	stop     context.CancelFunc
	work     sync.WaitGroup

	mu      sync.Mutex
	flights map[string]*flight
	fresh   map[string]time.Time // when what changes in place was asked for
	rpms    map[string]known     // of trees, by their names
	// doubted are RPMs of trees that nobody has asked for here, and when they came: they are whole, and
	// nothing vouches for them.
	doubted map[string]time.Time
}

// A known is what a tree says of an RPM.
type known struct {
	size   int64
	digest tree.Digest
	urls   []string // where it is but at upstream
}

// doubtedFor is how long an RPM is served for which nothing vouches, before it comes anew: laptops that
// found it wrong aren't to find it so for ever.
const doubtedFor = 5 * time.Minute

// UpstreamOptions say where the other server is, and what is kept of it.
type UpstreamOptions struct {
	URL   string // of the published folder, without a slash at its end
	Dir   string // the folder that is served
	Limit int64  // bytes that are kept of files which are named by a digest, and RPMs; 0: all
	// Anchors are the fingerprints of who is believed; none: laptops decide for themselves.
	Anchors []string
	Keyring string
	Net     *transport.Client
	Log     *slog.Logger
}

// freshFor is how long what changes in place isn't asked for again: thirty laptops that are switched on
// together ask once.
const freshFor = 15 * time.Second

// fetching is the folder of what is on its way, which nobody is served.
const fetching = ".fetching"

// NewUpstream looks at what is kept from before.
func NewUpstream(o UpstreamOptions) (*Upstream, error) {
	if err := os.MkdirAll(filepath.Join(o.Dir, fetching), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder to keep what comes: %w: name one that presolver may write to", err)
	}
	u := &Upstream{UpstreamOptions: o, flights: make(map[string]*flight), fresh: make(map[string]time.Time), rpms: make(map[string]known), doubted: make(map[string]time.Time)}
	u.ctx, u.stop = context.WithCancel(context.Background())
	var err error
	if u.kept, err = look(o.Dir, o.Limit); err != nil {
		return nil, err
	}
	for name := range u.kept.all() {
		if tree.ParsePath(name).Folder != "trees" {
			continue
		}
		if data, err := os.ReadFile(u.path(name)); err == nil {
			u.learn(name, data)
		}
	}
	return u, nil
}

func (u *Upstream) close() {
	u.stop()
	u.work.Wait()
}

func (u *Upstream) path(name string) string { return filepath.Join(u.Dir, filepath.FromSlash(name)) }

// kindOf is what sort of file a path is of, for those who count.
func kindOf(name string) string {
	name = strings.Trim(name, "/")
	in := strings.Split(name, "/")
	switch is := tree.ParsePath(name); {
	case path.Ext(name) == ".rpm":
		return "rpm"
	case is.Folder != "":
		return is.Folder
	case path.Ext(name) == ".html", len(in) > 2 && in[1] == "pages":
		return "pages"
	}
	return "other"
}

func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	is := tree.ParsePath(name)
	if r.Method != http.MethodGet && r.Method != http.MethodHead || is.Kind == tree.Other {
		u.site.ServeHTTP(w, r)
		return
	}
	var err error
	switch {
	case is.Kind == tree.RPM && u.rpm(w, r, name):
		return
	case is.Kind.Immutable():
		err = u.whole(r.Context(), name)
	default:
		err = u.inPlace(r.Context(), name)
	}
	if err != nil {
		if _, there := os.Stat(u.path(name)); there != nil {
			u.failed(w, r, name, err)
			return
		}
	}
	u.kept.used(name)
	u.site.ServeHTTP(w, r)
}

// failed says why there is no file.
func (u *Upstream) failed(w http.ResponseWriter, r *http.Request, name string, err error) {
	if r.Context().Err() != nil {
		return
	}
	switch kind := transport.KindOf(err); {
	case kind == transport.NotFound, errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
		return
	case kind == transport.NoNetwork, kind == transport.Interrupted:
		http.Error(w, "this file isn't here yet, and the server that has it can't be reached", http.StatusGatewayTimeout)
	case kind == transport.NoSpace:
		http.Error(w, "this server has no room left", http.StatusInsufficientStorage)
	default:
		http.Error(w, "the server that has this file doesn't give it as it should be", http.StatusBadGateway)
	}
	u.failures.Add(1)
	u.Log.Warn("upstream", "file", name, "error", err.Error())
}

// from is where upstream has a file.
func (u *Upstream) from(name string) string {
	return u.URL + "/" + tree.EscapePath(name)
}

// A flight is a file that comes.
type flight struct {
	size int64 // 0: unknown
	path string
	mu   sync.Mutex
	more chan struct{} // closed when there is more to know
	done int64         // bytes that are there
	over bool
	err  error
}

// state is how far a flight is, and what to wait for for more.
func (f *flight) state() (done int64, over bool, more <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done, f.over, f.more, f.err
}

func (f *flight) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.more)
	f.more = make(chan struct{})
}

// fly has a file brought by do, unless it is being brought.
func (u *Upstream) fly(name string, size int64, do func(ctx context.Context, f *flight) error) *flight {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.flights[name]; f != nil {
		return f
	}
	f := &flight{size: size, path: filepath.Join(u.Dir, fetching, hex.EncodeToString(sum(name))), more: make(chan struct{})}
	u.flights[name] = f
	u.work.Go(func() {
		err := do(u.ctx, f)
		u.mu.Lock()
		delete(u.flights, name)
		u.mu.Unlock()
		f.set(func() { f.over, f.err = true, err })
	})
	return f
}

func sum(name string) []byte {
	s := sha256.Sum256([]byte(name))
	return s[:16]
}

// wait waits for the end of a flight, as long as somebody wants it.
func (f *flight) wait(ctx context.Context) error {
	for {
		_, over, more, err := f.state()
		if over {
			return err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// whole has a file be here that never changes.
func (u *Upstream) whole(ctx context.Context, name string) error {
	if u.kept.has(name) {
		return nil
	}
	return u.fly(name, 0, func(ctx context.Context, f *flight) error {
		if u.kept.has(name) { // since
			return nil
		}
		is := tree.ParsePath(name)
		if is.Kind == tree.RPM {
			return u.bring(ctx, name, f, transport.File{})
		}
		check, err := u.check(is)
		if err != nil {
			return err
		}
		data, err := u.Net.GetChecked(ctx, []string{u.from(name)}, name, tree.MaxFile, check)
		if err != nil {
			return err
		}
		u.came.Add(int64(len(data)))
		if err := u.keep(name, data); err != nil {
			return err
		}
		u.learn(name, data)
		return nil
	}).wait(ctx)
}

// check is what tells whether a file is what its name says.
func (u *Upstream) check(is tree.Path) (func([]byte) error, error) {
	root, shard, isShard := strings.Cut(is.Digest, "/")
	if !isShard {
		return func(data []byte) error {
			if sum := sha256.Sum256(data); hex.EncodeToString(sum[:])[:16] != is.Digest {
				return errors.New("its digest is another than its name says")
			}
			return nil
		}, nil
	}
	number, err := strconv.Atoi(shard)
	if err != nil {
		return nil, err
	}
	for _, p := range u.platforms(is.Platform) {
		x := map[string]tree.Index{"references": p.References, "texts": p.Texts, "capabilities": p.Capabilities}[is.Folder]
		if !x.IsZero() && strings.HasPrefix(x.Root, root) && number < x.Shards {
			return func(data []byte) error { return x.Check(number, data) }, nil
		}
	}
	return nil, fmt.Errorf("it is of no platform.json that is here: %w", fs.ErrNotExist)
}

// platforms are the platform.json that are here of a platform, the present one first.
func (u *Upstream) platforms(name string) (all []*tree.Platform) {
	heads, _ := filepath.Glob(filepath.Join(u.path(name), "platform@*.json"))
	for _, file := range append([]string{filepath.Join(u.path(name), "platform.json")}, heads...) {
		if data, err := os.ReadFile(file); err == nil {
			if p, err := tree.ParsePlatform(data, name); err == nil {
				all = append(all, p)
			}
		}
	}
	return all
}

// learn learns from a file, where it is a tree, what its RPMs are.
func (u *Upstream) learn(name string, data []byte) {
	is := tree.ParsePath(name)
	if is.Folder != "trees" {
		return
	}
	platform := is.Platform
	program, _, _ := strings.Cut(path.Base(name), "@")
	for _, p := range u.platforms(platform) {
		var dictionary []byte
		if of := tree.DictionaryOf(data); of != "" && !p.Dictionary.IsZero() {
			at := platform + "/" + p.Dictionary.Path
			if !strings.HasPrefix(p.Dictionary.SHA256, of) || u.whole(u.ctx, at) != nil {
				continue
			}
			dictionary, _ = os.ReadFile(u.path(at))
		}
		t, err := tree.ParseTree(data, dictionary, platform, program)
		if err != nil {
			continue
		}
		for i := range t.Packages {
			pkg := &t.Packages[i]
			in := tree.CopyOf(pkg)
			if in == "" {
				continue
			}
			rpm := platform + "/" + in
			u.mu.Lock()
			is := known{size: pkg.Size, digest: pkg.RPMDigest()}
			if len(u.Anchors) > 0 { // else whoever is between would say what this server asks for
				is.urls = p.URLs(pkg)
			}
			u.rpms[rpm] = is
			_, doubted := u.doubted[rpm]
			u.mu.Unlock()
			if doubted {
				u.compare(rpm)
			}
		}
		return
	}
}

// compare compares an RPM that came before its tree with what that says, and removes a wrong one.
func (u *Upstream) compare(name string) {
	u.mu.Lock()
	is := u.rpms[name]
	delete(u.doubted, name)
	u.mu.Unlock()
	f, err := os.Open(u.path(name))
	if err != nil {
		return
	}
	defer f.Close()
	h := is.digest.Hash()
	if n, err := io.Copy(h, f); err != nil || n != is.size || !is.digest.Is(h) {
		u.kept.remove(name)
	}
}

// doubts removes an RPM for which nothing vouches, and that has been here for a while.
func (u *Upstream) doubts(name string) {
	u.mu.Lock()
	came, doubted := u.doubted[name]
	old := doubted && time.Since(came) > doubtedFor
	if old {
		delete(u.doubted, name)
	}
	u.mu.Unlock()
	if old {
		u.kept.remove(name)
	}
}

// keep writes a file that came.
func (u *Upstream) keep(name string, data []byte) error {
	aside := filepath.Join(u.Dir, fetching, hex.EncodeToString(sum(name))+".new")
	f, err := os.Create(aside)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if failed := f.Close(); err == nil {
		err = failed
	}
	if err != nil {
		os.Remove(aside)
		return err
	}
	return u.settle(name, aside)
}

// settle gives a whole file its name.
func (u *Upstream) settle(name, from string) error {
	if err := os.MkdirAll(filepath.Dir(u.path(name)), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(from, 0o644); err != nil {
		return err
	}
	if err := os.Rename(from, u.path(name)); err != nil {
		return err
	}
	u.kept.add(name, u.path(name))
	return nil
}

// bring brings an RPM.
func (u *Upstream) bring(ctx context.Context, name string, f *flight, file transport.File) error {
	file.Path, file.Label = f.path, name
	file.URLs = append([]string{u.from(name)}, file.URLs...)
	before := int64(0)
	if info, err := os.Stat(f.path + transport.PartSuffix); err == nil {
		before = info.Size()
	}
	last := before
	err := u.Net.Fetch(ctx, []transport.File{file}, func(p transport.Progress) {
		u.came.Add(max(0, p.FileDone-last))
		last = p.FileDone
		f.set(func() { f.done = p.FileDone })
	})
	if err != nil {
		return err
	}
	if file.Digest == "" {
		u.mu.Lock()
		u.doubted[name] = time.Now()
		u.mu.Unlock()
	}
	return u.settle(name, f.path)
}

// rpm answers with an RPM while it comes, where its tree tells its size; false where it doesn't.
func (u *Upstream) rpm(w http.ResponseWriter, r *http.Request, name string) bool {
	u.doubts(name)
	if u.kept.has(name) {
		return false
	}
	u.mu.Lock()
	is, told := u.rpms[name]
	u.mu.Unlock()
	if !told {
		return false
	}
	f := u.fly(name, is.size, func(ctx context.Context, f *flight) error {
		if u.kept.has(name) {
			return nil
		}
		return u.bring(ctx, name, f, transport.File{URLs: is.urls, Size: is.size, Digest: is.digest})
	})
	if f.size == 0 { // it was begun before its tree was seen
		return false
	}
	from, to, ok := wanted(r.Header.Get("Range"), f.size)
	if !ok {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", f.size))
		http.Error(w, "this range isn't in the file", http.StatusRequestedRangeNotSatisfiable)
		return true
	}
	u.stream(w, r, name, f, from, to)
	return true
}

var oneRange = regexp.MustCompile(`^bytes=([0-9]{1,18})-([0-9]{0,18})$`)

// wanted is the part of a file that is asked for. What isn't a plain range means the whole.
func wanted(header string, size int64) (from, to int64, ok bool) {
	m := oneRange.FindStringSubmatch(header)
	if m == nil {
		return 0, size, true
	}
	from, _ = strconv.ParseInt(m[1], 10, 64)
	to = size
	if m[2] != "" {
		last, _ := strconv.ParseInt(m[2], 10, 64)
		if last < from {
			return 0, size, true
		}
		to = min(last+1, size)
	}
	return from, to, from < size
}

// stream answers with a part of a file that comes. If what came before turns out wrong, the answer is cut
// off: whoever asked goes on where it was, and compares.
func (u *Upstream) stream(w http.ResponseWriter, r *http.Request, name string, f *flight, from, to int64) {
	var file *os.File
	defer func() {
		if file != nil {
			file.Close()
		}
	}()
	begun := false
	begin := func() {
		h := w.Header()
		h.Set("Content-Type", contentType(name))
		h.Set("Cache-Control", tree.RPM.CacheControl())
		h.Set("Accept-Ranges", "bytes")
		h.Set("Content-Length", strconv.FormatInt(to-from, 10))
		if to-from < f.size || r.Header.Get("Range") != "" {
			h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, f.size))
			w.WriteHeader(http.StatusPartialContent)
		}
		begun = true
	}
	if r.Method == http.MethodHead {
		begin()
		return
	}
	for at := from; at < to; {
		done, over, more, err := f.state()
		if over && err != nil {
			if begun {
				panic(http.ErrAbortHandler)
			}
			u.failed(w, r, name, err)
			return
		}
		if over {
			done = f.size
		}
		if done < at { // it began anew
			if begun {
				panic(http.ErrAbortHandler)
			}
			done = at
		}
		if done == at {
			select {
			case <-more:
				continue
			case <-r.Context().Done():
				return
			}
		}
		if file == nil {
			if file, err = u.open(name, f); err != nil {
				u.failed(w, r, name, err)
				return
			}
		}
		if !begun {
			begin()
		}
		n, err := io.Copy(w, io.NewSectionReader(file, at, min(done, to)-at))
		at += n
		if err != nil {
			return
		}
		if n == 0 && over { // it is another file
			panic(http.ErrAbortHandler)
		}
		if n == 0 { // it is told a moment before it is written
			select {
			case <-more:
				continue
			case <-r.Context().Done():
				return
			}
		}
		_ = http.NewResponseController(w).Flush() // who can't is none the worse
	}
}

// open opens a file on its way, or, if it has just arrived, there.
func (u *Upstream) open(name string, f *flight) (*os.File, error) {
	for _, at := range []string{f.path + transport.PartSuffix, f.path, u.path(name)} {
		file, err := os.Open(at)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return os.Open(u.path(name))
}

// inPlace has a file be here that changes in place, as upstream has it now, or had it not long ago.
func (u *Upstream) inPlace(ctx context.Context, name string) error {
	u.mu.Lock()
	fresh := time.Since(u.fresh[name]) < freshFor
	u.mu.Unlock()
	if fresh {
		return nil
	}
	return u.fly(name, 0, func(ctx context.Context, f *flight) error {
		err := u.renew(ctx, name)
		if err == nil || notThere(err) {
			u.mu.Lock()
			if len(u.fresh) > 10_000 { // whoever asks for what isn't there
				clear(u.fresh)
			}
			u.fresh[name] = time.Now()
			u.mu.Unlock()
		}
		return err
	}).wait(ctx)
}

func notThere(err error) bool { return transport.KindOf(err) == transport.NotFound }

func (u *Upstream) renew(ctx context.Context, name string) error {
	was, _ := os.ReadFile(u.path(name))
	etag, _ := os.ReadFile(filepath.Join(u.Dir, fetching, hex.EncodeToString(sum(name))+".etag"))
	if was == nil {
		etag = nil
	}
	answer, err := u.Net.Revalidate(transport.Hurried(ctx), u.from(name), string(etag), tree.MaxFile)
	if notThere(err) && path.Base(name) == tree.CopiesName {
		return u.says(name)
	}
	if err != nil {
		return err
	}
	if answer.Unchanged {
		return nil
	}
	u.came.Add(int64(len(answer.Body)))
	if path.Base(name) == tree.CopiesName {
		return u.says(name)
	}
	if err := plausible(name, answer.Body); err != nil {
		return err
	}
	if path.Base(name) == "platform.json" && !bytes.Equal(was, answer.Body) {
		if err := u.accept(ctx, path.Dir(name), answer.Body); err != nil {
			return err
		}
	}
	if err := u.keep(name, answer.Body); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(u.Dir, fetching, hex.EncodeToString(sum(name))+".etag"), []byte(answer.ETag), 0o644)
}

// plausible tells whether what came can be the file, where nothing vouches for it here: a network that
// wants a login answers everything with a page.
func plausible(name string, data []byte) error {
	base := path.Base(name)
	var err error
	switch {
	case base == "platforms.json":
		_, err = tree.ParsePlatforms(data)
	case path.Ext(base) == ".asc":
		if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("-----BEGIN PGP ")) {
			err = errors.New("this is neither a key nor a signature")
		}
	case path.Ext(base) == ".json":
		if !json.Valid(data) {
			err = errors.New("this is no JSON")
		}
	}
	return err
}

// says writes the copies.json of this server: where it knows whom to believe it has each RPM that it is
// asked for.
func (u *Upstream) says(name string) error {
	all := u.platforms(path.Dir(name))
	if len(u.Anchors) == 0 || len(all) == 0 || len(all[0].Repositories) == 0 {
		return fs.ErrNotExist
	}
	content, err := (&tree.Copies{Format: tree.Format, Platform: path.Dir(name), RPMs: true}).Encode()
	if err != nil {
		return err
	}
	return u.keep(name, content)
}

// accept brings what proves who signed a new platform.json, so that laptops believe it when upstream is
// gone again, and asks whether that is believed, where it matters here.
func (u *Upstream) accept(ctx context.Context, platform string, head []byte) error {
	if _, err := tree.ParsePlatform(head, platform); err != nil {
		return err
	}
	var got trust.Kept
	get := got.Get(func(ctx context.Context, name string, most int64) ([]byte, error) {
		answer, err := u.Net.Revalidate(ctx, u.from(platform+"/"+name), "", most)
		if notThere(err) {
			return nil, fs.ErrNotExist
		}
		if err == nil {
			u.came.Add(int64(len(answer.Body)))
		}
		return answer.Body, err
	})
	claim := trust.Claim{Platform: platform, Anchors: u.Anchors, Head: head, Get: get}
	if len(u.Anchors) > 0 {
		state := filepath.Join(u.Dir, ".trust")
		if err := os.MkdirAll(state, 0o700); err != nil {
			return err
		}
		store := trust.Open(state, u.Keyring, time.Time{}, func(problem error) { u.Log.Warn("trust", "error", problem.Error()) })
		a, err := store.Check(ctx, claim)
		if err != nil {
			return err
		}
		if err := store.Accept(a); err != nil {
			return err
		}
	}
	if _, err := claim.Carry(ctx); err != nil {
		return err
	}
	for name, data := range got.Files() {
		if err := u.keep(platform+"/"+name, data); err != nil {
			return err
		}
	}
	return u.keep(platform+"/"+tree.HeadName(head), head)
}

// kept are the files that never change, and how much they are. What wasn't asked for for the longest
// goes first where there is a limit.
type kept struct {
	dir   string
	limit int64
	mu    sync.Mutex
	sum   int64
	order *list.List // of *file, what was asked for last first
	files map[string]*list.Element
}

type file struct {
	name string
	size int64
}

// counts tells whether a file is one of these. Those under which platform.json was, without which
// others can't be checked, aren't.
func counts(name string) bool {
	kind := tree.ParsePath(name).Kind
	return kind == tree.Named || kind == tree.RPM
}

// look looks at what is there.
func look(dir string, limit int64) (*kept, error) {
	k := &kept{dir: dir, limit: limit, order: list.New(), files: make(map[string]*list.Element)}
	type found struct {
		file
		used time.Time
	}
	var all []found
	err := filepath.WalkDir(dir, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && strings.HasPrefix(e.Name(), ".") && at != dir {
			return filepath.SkipDir
		}
		name, err := filepath.Rel(dir, at)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if e.Type().IsRegular() && counts(name) {
			info, err := e.Info()
			if err != nil {
				return err
			}
			all = append(all, found{file{name, info.Size()}, info.ModTime()})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking at what is kept: %w", err)
	}
	slices.SortFunc(all, func(a, b found) int { return a.used.Compare(b.used) })
	for i := range all {
		k.files[all[i].name] = k.order.PushFront(&all[i].file)
		k.sum += all[i].size
	}
	k.fit()
	return k, nil
}

func (k *kept) has(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.files[name] != nil
}

func (k *kept) size() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sum
}

// all are the names of what is there.
func (k *kept) all() map[string]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := make(map[string]bool, len(k.files))
	for name := range k.files {
		names[name] = true
	}
	return names
}

// used says that a file is asked for.
func (k *kept) used(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.files[name]; e != nil {
		k.order.MoveToFront(e)
		now := time.Now()
		_ = os.Chtimes(filepath.Join(k.dir, filepath.FromSlash(name)), now, now) // for after a restart
	}
}

// add says that a file is there.
func (k *kept) add(name, at string) {
	if !counts(name) {
		return
	}
	info, err := os.Stat(at)
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.files[name] == nil {
		k.files[name] = k.order.PushFront(&file{name, info.Size()})
		k.sum += info.Size()
	}
	k.fit()
}

// remove removes a file.
func (k *kept) remove(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.files[name]; e != nil {
		k.drop(e)
	}
}

func (k *kept) drop(e *list.Element) {
	f := e.Value.(*file)
	os.Remove(filepath.Join(k.dir, filepath.FromSlash(f.name)))
	k.order.Remove(e)
	delete(k.files, f.name)
	k.sum -= f.size
}

// fit removes what is too much. Who is reading it goes on.
func (k *kept) fit() {
	for k.limit > 0 && k.sum > k.limit && k.order.Len() > 1 {
		k.drop(k.order.Back())
	}
}
