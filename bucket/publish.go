// SPDX-License-Identifier: GPL-2.0-or-later

package bucket

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Brought is what Publish has done.
type Brought struct {
	Files   int // that were brought, and their bytes
	Bytes   int64
	Removed int
}

// Publish brings to a bucket what is published in a folder, of some platforms or, where none is named, all,
// and the files beside them. note is told of what takes long. The bucket's platforms.json has all platforms
// of the bucket.
func Publish(ctx context.Context, text, dir string, platforms []string, note func(string)) (Brought, error) {
	b, err := open(ctx, text)
	if err != nil {
		return Brought{}, err
	}
	defer b.Close()
	p := &publisher{b: b, dir: dir, now: time.Now(), note: note, wait: time.Second}
	if err := p.publish(ctx, platforms); err != nil {
		return p.Brought, fmt.Errorf("bringing %s to the bucket %s: %w; what it had is whole, and the next time goes on", dir, text, err)
	}
	return p.Brought, nil
}

type publisher struct {
	b    *blob.Bucket
	dir  string
	root *os.Root
	now  time.Time
	note func(string)
	wait time.Duration // before a file is tried again; twice as long each time

	mu sync.Mutex
	Brought
}

// atOnce is how many files are brought, or removed, at once; tries how often each is tried, beside what the
// SDKs do.
const (
	atOnce = 8
	tries  = 4
)

func (p *publisher) publish(ctx context.Context, platforms []string) (err error) {
	if p.root, err = os.OpenRoot(p.dir); err != nil {
		return err
	}
	defer p.root.Close()
	entries, err := fs.ReadDir(p.root.FS(), ".")
	if err != nil {
		return err
	}
	var all, others []string
	for _, e := range entries {
		if _, err := p.root.Stat(e.Name() + "/platform.json"); err == nil {
			all = append(all, e.Name())
		} else if e.Name() != "platforms.json" && !strings.HasPrefix(e.Name(), ".") {
			others = append(others, e.Name())
		}
	}
	if len(platforms) == 0 {
		platforms = all
	}
	if len(platforms) == 0 {
		return errors.New("no folder in it has a platform.json: nothing is published there")
	}
	for _, name := range platforms {
		if err := p.platform(ctx, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	var files []file
	there := make(map[string]*blob.ListObject)
	for _, name := range others { // pages for people, and what else is served
		if err := p.walk(name, &files); err != nil {
			return err
		}
		if err := p.list(ctx, name, there); err != nil {
			return err
		}
	}
	if err := p.bring(ctx, files, there); err != nil {
		return err
	}
	_, err = merge(ctx, p.b)
	return err
}

// A file is one of the folder.
type file struct {
	name    string // in the folder and in the bucket
	size    int64
	changed time.Time
	kind    tree.Kind
}

// turn is when a file comes: first what never changes, last what leads readers to all other.
func turn(k tree.Kind) int {
	switch {
	case k.Immutable():
		return 0
	case k == tree.Root:
		return 2
	}
	return 1
}

// walk adds the files below a name. What begins with a dot is nobody's business.
func (p *publisher) walk(name string, files *[]file) error {
	return fs.WalkDir(p.root.FS(), name, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(path.Base(name), "."):
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !e.Type().IsRegular():
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		// The time of the inode: an RPM may be a link to one whose content is old.
		changed := time.Unix(info.Sys().(*syscall.Stat_t).Ctim.Unix())
		*files = append(*files, file{name, info.Size(), changed, tree.ParsePath(name).Kind})
		return nil
	})
}

// list adds the objects whose names begin with a prefix.
func (p *publisher) list(ctx context.Context, prefix string, there map[string]*blob.ListObject) error {
	list := p.b.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := list.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking at what the bucket has: %w", err)
		}
		there[o.Key] = o
	}
}

// platform brings a platform, while no build may change its folder.
func (p *publisher) platform(ctx context.Context, name string) error {
	unlock, err := publish.Lock(filepath.Join(p.dir, name))
	if err != nil {
		return err
	}
	defer unlock()
	data, err := p.root.ReadFile(name + "/platform.json")
	if err != nil {
		return err
	}
	is, err := tree.ParsePlatform(data, name)
	if err != nil {
		return err
	}
	was, err := head(ctx, p.b, name)
	if err != nil {
		return err
	}
	until := is.Expires
	if was != nil {
		if was.Serial > is.Serial {
			return fmt.Errorf("the bucket has the serial %d, and the folder %d, which laptops would refuse: bring it from the folder that has the newest, or remove this platform's folder and build again", was.Serial, is.Serial)
		}
		if was.Expires.After(until) {
			until = was.Expires
		}
	}
	var files []file
	if err := p.walk(name, &files); err != nil {
		return err
	}
	there := make(map[string]*blob.ListObject)
	if err := p.list(ctx, name+"/", there); err != nil {
		return err
	}
	var inTurn [3][]file
	here := make(map[string]bool, len(files))
	for _, f := range files {
		i := turn(f.kind)
		inTurn[i] = append(inTurn[i], f)
		here[f.name] = true
	}
	for _, files := range inTurn {
		if err := p.bring(ctx, files, there); err != nil {
			return err
		}
	}
	return p.clean(ctx, name, here, there, until)
}

// each calls do with each of many, several at once, until one fails.
func each[T any](ctx context.Context, all []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	room := make(chan bool, atOnce)
	for _, one := range all {
		room <- true
		if ctx.Err() != nil {
			break
		}
		wait.Go(func() {
			if err := do(ctx, one); err != nil {
				cancel(err)
			}
			<-room
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// bring brings files that aren't there as they are.
func (p *publisher) bring(ctx context.Context, files []file, there map[string]*blob.ListObject) error {
	var missing int64
	for _, f := range files {
		if there[f.name] == nil {
			missing += f.size
		}
	}
	if missing > 0 && p.note != nil {
		p.note(fmt.Sprintf("bringing %d MiB to the bucket", (missing+1<<20-1)>>20))
	}
	return each(ctx, files, func(ctx context.Context, f file) error {
		same, err := p.same(ctx, f, there[f.name])
		if same || err != nil {
			return err
		}
		for try := 1; ; try++ {
			err := p.put(ctx, f)
			if err == nil || ctx.Err() != nil || errors.Is(err, fs.ErrNotExist) || try == tries || refused(err) {
				return err
			}
			select {
			case <-ctx.Done():
			case <-time.After(p.wait << try):
			}
		}
	})
}

// refused tells whether trying again doesn't help.
func refused(err error) bool {
	switch gcerrors.Code(err) {
	case gcerrors.PermissionDenied, gcerrors.NotFound, gcerrors.InvalidArgument, gcerrors.Unimplemented:
		return true
	}
	return false
}

// same tells whether the bucket has a file as it is. What never changes under its name, and came to the
// bucket when it was here already, is; else digests tell, and where they don't it is brought.
func (p *publisher) same(ctx context.Context, f file, o *blob.ListObject) (bool, error) {
	if o == nil || o.Size != f.size {
		return false, nil
	}
	if f.kind.Immutable() && !o.ModTime.Before(f.changed) {
		return true, nil
	}
	is, err := p.digests(f)
	if err != nil {
		return false, err
	}
	if o.MD5 != nil {
		return bytes.Equal(o.MD5, is.md5), nil
	}
	attributes, err := p.b.Attributes(ctx, f.name) // it came in pieces
	if gcerrors.Code(err) == gcerrors.NotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking the bucket for %s: %w", f.name, err)
	}
	return attributes.Metadata["sha256"] == is.sha256, nil
}

type digests struct {
	md5    []byte // which object stores know
	sha256 string
}

func (p *publisher) digests(f file) (digests, error) {
	r, err := p.root.Open(f.name)
	if err != nil {
		return digests{}, err
	}
	defer r.Close()
	m, s := md5.New(), sha256.New()
	if _, err := io.Copy(io.MultiWriter(m, s), r); err != nil {
		return digests{}, err
	}
	return digests{m.Sum(nil), hex.EncodeToString(s.Sum(nil))}, nil
}

// put brings a file.
func (p *publisher) put(ctx context.Context, f file) error {
	is, err := p.digests(f)
	if err != nil {
		return err
	}
	r, err := p.root.Open(f.name)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := write(ctx, p.b, f.name, r, is, f.kind); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Files, p.Bytes = p.Files+1, p.Bytes+f.size
	return nil
}

// write writes an object. It is there when all of it has come, and is what the digests say.
func write(ctx context.Context, b *blob.Bucket, name string, r io.Reader, is digests, k tree.Kind) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o := &blob.WriterOptions{
		ContentType: tree.MediaType(name), CacheControl: k.CacheControl(), ContentMD5: is.md5, DisableContentTypeDetection: true,
		MaxConcurrency: 1, // of pieces, each of which is held in memory
	}
	if is.sha256 != "" {
		o.Metadata = map[string]string{"sha256": is.sha256}
	}
	w, err := b.NewWriter(ctx, name, o)
	if err == nil {
		if _, err = io.Copy(w, r); err != nil {
			cancel() // half of it doesn't count
			w.Close()
		} else {
			err = w.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("writing %s to the bucket: %w", name, err)
	}
	return nil
}

// waiting is the object in a platform's folder that tells until when objects are kept that the folder here
// doesn't have.
const waiting = ".waiting.json"

// clean removes the objects that nobody can ask for any more. What the folder here doesn't have waits as
// long as it said when it had it last, else until a time that isn't before the expiry of what the bucket
// had: the folder may be a new one, on another computer.
func (p *publisher) clean(ctx context.Context, platform string, here map[string]bool, there map[string]*blob.ListObject, until time.Time) error {
	was, next := make(map[string]time.Time), make(map[string]time.Time)
	state := platform + "/" + waiting
	if there[state] != nil {
		const most = 64 << 20
		data, err := read(ctx, p.b, state, most)
		if err != nil {
			return err
		}
		if json.Unmarshal(data, &was) != nil {
			clear(was)
		}
	}
	waits := publish.Waiting(filepath.Join(p.dir, platform))
	var gone []string
	for key := range there {
		name := strings.TrimPrefix(key, platform+"/")
		if strings.HasPrefix(path.Base(name), ".") {
			continue
		}
		if here[key] {
			end, ok := waits[name]
			if !ok {
				end, ok = waits[path.Dir(name)] // a shard
			}
			if ok {
				next[name] = end
			}
			continue
		}
		if dir := path.Dir(name); dir == "." && !strings.HasPrefix(name, "platform@") || dir == "keys" {
			continue // as in the folder, people may have put it there
		}
		end, ok := was[name]
		switch {
		case !ok:
			next[name] = until.UTC()
		case p.now.After(end):
			gone = append(gone, key)
		default:
			next[name] = end
		}
	}
	err := each(ctx, gone, func(ctx context.Context, key string) error {
		if err := p.b.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
			return fmt.Errorf("removing %s from the bucket: %w", key, err)
		}
		return nil
	})
	p.Removed += len(gone)
	if err != nil || maps.EqualFunc(was, next, time.Time.Equal) {
		return err
	}
	content, err := json.Marshal(next)
	if err != nil {
		return err
	}
	return write(ctx, p.b, state, bytes.NewReader(content), digests{}, tree.InPlace)
}
