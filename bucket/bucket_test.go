// SPDX-License-Identifier: GPL-2.0-or-later

package bucket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"gocloud.dev/blob"

	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

const platform = "test-1-x86_64"

// A store is a server that speaks S3.
type store struct {
	t       testing.TB
	url     string // of a folder in a bucket, for Publish
	http    string // the same, for readers
	backend *s3mem.Backend

	mu    sync.Mutex
	fault func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	wrote []string                                          // names, in this order
	cache map[string]string                                 // Cache-Control, by name

	received, lists atomic.Int64 // bytes of bodies; requests that list
}

func newStore(t testing.TB) *store {
	t.Helper()
	s := &store{t: t, backend: s3mem.New(), cache: make(map[string]string)}
	if err := s.backend.CreateBucket("region"); err != nil {
		t.Fatal(err)
	}
	s3 := gofakes3.New(s.backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = &counted{r.Body, &s.received}
		if r.Method == http.MethodGet && r.URL.Query().Has("list-type") {
			s.lists.Add(1)
		}
		s.mu.Lock()
		fault := s.fault
		s.mu.Unlock()
		if fault != nil && fault(w, r) {
			return
		}
		s3.ServeHTTP(w, r)
		if name, ok := strings.CutPrefix(r.URL.Path, "/region/school/"); ok && r.Method == http.MethodPut {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.wrote = append(s.wrote, name)
			s.cache[name] = r.Header.Get("Cache-Control") // which this server doesn't give back
		}
	}))
	t.Cleanup(server.Close)
	s.http = server.URL + "/region/school"
	s.url = "s3://region/school?region=x&use_path_style=true&endpoint=" + server.URL
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true"} {
		os.Setenv(name, value) // t.Setenv wants tests one after the other; all set the same
	}
	return s
}

type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// has are the contents of what the bucket has, by name.
func (s *store) has() map[string]string {
	s.t.Helper()
	all := make(map[string]string)
	list, err := s.backend.ListBucket("region", &gofakes3.Prefix{HasPrefix: true, Prefix: "school/"}, gofakes3.ListBucketPage{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range list.Contents {
		o, err := s.backend.GetObject("region", c.Key, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		data, err := io.ReadAll(o.Contents)
		if err != nil {
			s.t.Fatal(err)
		}
		all[strings.TrimPrefix(c.Key, "school/")] = string(data)
	}
	return all
}

// folder are the contents of what readers of a folder see.
func folder(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		all[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// build publishes packages in a folder.
func build(t testing.TB, output, platform string, now time.Time, packages ...repotest.Package) {
	t.Helper()
	repo := t.TempDir()
	repotest.Write(t, repo, append(packages, repotest.Package{NEVRA: "base-1-1.noarch"})...)
	p, err := solve.Open(context.Background(), solve.Config{
		Arch: "x86_64", Repositories: []solve.Repository{{ID: "repo", URL: repotest.URL(repo)}}, Base: solve.Base{Packages: []string{"base"}}, FileLists: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = publish.Build(context.Background(), p, p.Names(), publish.Options{
		Platform: platform, Arch: "x86_64", Output: output, Copy: true, Layouts: []*publish.Layout{publish.Presolve}, ValidFor: 10 * time.Hour, Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func pkg(nevra string, requires ...string) repotest.Package {
	return repotest.Package{NEVRA: nevra, Requires: requires}
}

// bring is Publish that doesn't wait.
func (s *store) bring(ctx context.Context, dir string, now time.Time) (Brought, error) {
	s.t.Helper()
	b, err := open(ctx, s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	p := &publisher{b: b, dir: dir, now: now}
	err = p.publish(ctx, nil)
	return p.Brought, err
}

// sameAs tells whether readers of the bucket see what those of the folder do.
func (s *store) sameAs(dir string) {
	s.t.Helper()
	want, got := folder(s.t, dir), s.has()
	maps.DeleteFunc(got, func(name, _ string) bool { return strings.HasPrefix(path.Base(name), ".") })
	for name := range want {
		if got[name] != want[name] {
			s.t.Errorf("%s has %d bytes and should have %d", name, len(got[name]), len(want[name]))
		}
		delete(got, name)
	}
	for name := range got {
		s.t.Errorf("%s is there and shouldn't be", name)
	}
}

// What is published comes in an order that shows no reader half of it, is cached as long as it may be, and
// comes once.
func TestPublish(t *testing.T) {
	s, dir, now := newStore(t), t.TempDir(), time.Now()
	shown := pkg("write-1-1.noarch", "lib")
	shown.Files = []string{"/usr/share/applications/write.desktop"}
	build(t, dir, platform, now, shown, pkg("lib-1-1.noarch"))
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<p>School"), 0o644); err != nil {
		t.Fatal(err)
	}
	all := folder(t, dir)
	if got, err := s.bring(t.Context(), dir, now); err != nil || got.Files != len(all)-1 { // platforms.json is made there
		t.Fatalf("%+v came of %d, %v", got, len(all), err)
	}
	s.sameAs(dir)
	order := map[int]int{}
	for i, name := range s.wrote {
		k := turn(tree.ParsePath(name).Kind)
		for later := k + 1; later <= 2; later++ {
			if _, ok := order[later]; ok && strings.HasPrefix(name, platform) {
				t.Errorf("%s came after what leads to it", name)
			}
		}
		order[k] = i
	}
	if last := s.wrote[len(s.wrote)-1]; last != "platforms.json" {
		t.Errorf("%s came last", last)
	}
	for name, want := range map[string]string{
		platform + "/platform.json":             "application/json, no-cache",
		platform + "/rpms/write-1-1.noarch.rpm": "application/x-rpm, public, max-age=31536000, immutable",
		"index.html":                            "text/html; charset=utf-8, no-cache",
		s.named(platform + "/appstream/"):       "application/zstd, public, max-age=31536000, immutable",
		s.named(platform + "/trees/write@"):     "application/zstd, public, max-age=31536000, immutable",
		s.named(platform + "/platform@"):        "application/json, public, max-age=31536000, immutable",
		s.named(platform+"/references/") + "":   "application/octet-stream, public, max-age=31536000, immutable",
	} {
		r, err := http.Get(s.http + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if got := r.Header.Get("Content-Type") + ", " + s.cache[name]; r.StatusCode != http.StatusOK || got != want {
			t.Errorf("%s: %s, %s", name, r.Status, got)
		}
	}

	before, lists := s.received.Load(), s.lists.Load()
	if got, err := s.bring(t.Context(), dir, now); err != nil || got != (Brought{}) {
		t.Errorf("the second time %+v came, %v", got, err)
	}
	t.Logf("the second time: %d bytes, %d lists", s.received.Load()-before, s.lists.Load()-lists)

	// A change: what is new comes, and what it has in common doesn't.
	build(t, dir, platform, now.Add(time.Hour), pkg("write-2-1.noarch", "lib"), pkg("lib-1-1.noarch"))
	s.wrote = nil
	if _, err := s.bring(t.Context(), dir, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	s.sameAs(dir)
	if slices.Contains(s.wrote, platform+"/rpms/lib-1-1.noarch.rpm") || !slices.Contains(s.wrote, platform+"/rpms/write-2-1.noarch.rpm") {
		t.Errorf("what came is %q", s.wrote)
	}
}

// named is the name of an object that begins so.
func (s *store) named(prefix string) string {
	s.t.Helper()
	for name := range s.has() {
		if strings.HasPrefix(name, prefix) {
			return name
		}
	}
	s.t.Fatalf("nothing is called %s", prefix)
	return ""
}

// What has expired goes; from a new folder, on another computer, too, and not before.
func TestExpired(t *testing.T) {
	for _, lost := range []bool{false, true} {
		s, dir, now := newStore(t), t.TempDir(), time.Now()
		build(t, dir, platform, now, pkg("write-1-1.noarch"))
		if _, err := s.bring(t.Context(), dir, now); err != nil {
			t.Fatal(err)
		}
		old := platform + "/rpms/write-1-1.noarch.rpm"
		for i, there := range []bool{true, true, false, false} {
			at := now.Add(time.Duration(i+1) * 4 * time.Hour)
			if lost {
				dir = t.TempDir()
				serial, err := Serial(context.Background(), s.url, platform)
				if err != nil || serial != int64(i+1) {
					t.Fatalf("the serial is %d, %v", serial, err)
				}
				if err := publish.GoOn(dir, platform, serial); err != nil {
					t.Fatal(err)
				}
			}
			build(t, dir, platform, at, pkg(fmt.Sprintf("write-%d-1.noarch", i+2)))
			if _, err := s.bring(t.Context(), dir, at); err != nil {
				t.Fatal(err)
			}
			if _, is := s.has()[old]; is != there && !(i == 2) {
				t.Errorf("lost %v, %v after: the old RPM is there: %v", lost, at.Sub(now), is)
			}
		}
		if !lost {
			continue
		}
		// The folder that was lost is found again: it doesn't take the place of what is newer.
		old = t.TempDir()
		build(t, old, platform, now, pkg("write-1-1.noarch"))
		before := s.has()
		if _, err := s.bring(t.Context(), old, now.Add(time.Hour)); err == nil || !strings.Contains(err.Error(), "the bucket has the serial 5, and the folder 1") {
			t.Errorf("the error is %v", err)
		}
		if !maps.Equal(before, s.has()) {
			t.Error("it has changed something")
		}
		if err := publish.GoOn(old, platform, 5); err == nil || !strings.Contains(err.Error(), "serial 5") {
			t.Errorf("the error is %v", err)
		}
	}
}

// The store refuses, fails in the middle, or the program is killed: readers see what was there before, or
// the new, whole; the next time completes it and brings nothing twice.
func TestFaults(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	build(t, dir, platform, now, pkg("write-1-1.noarch", "lib"), pkg("lib-1-1.noarch"))
	whole := newStore(t)
	old := t.TempDir()
	if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	build(t, dir, platform, now, pkg("write-2-1.noarch", "lib"), pkg("lib-2-1.noarch"), pkg("paint-1-1.noarch"))
	var requests int64
	for _, d := range []string{old, dir} {
		requests = 0
		whole.meet(func(http.ResponseWriter, *http.Request) bool { atomic.AddInt64(&requests, 1); return false })
		if _, err := whole.bring(t.Context(), d, now); err != nil {
			t.Fatal(err)
		}
	}
	busy := func(w http.ResponseWriter, code int) bool {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(code)
		fmt.Fprint(w, `<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
		return true
	}
	drop := func(w http.ResponseWriter, r *http.Request) bool {
		io.CopyN(io.Discard, r.Body, r.ContentLength/2)
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
		return true
	}
	faults := map[string]func(n int64, w http.ResponseWriter, r *http.Request) bool{
		"busy":                func(n int64, w http.ResponseWriter, _ *http.Request) bool { return (n == 3 || n == 9) && busy(w, 503) },
		"in trouble":          func(n int64, w http.ResponseWriter, _ *http.Request) bool { return (n == 1 || n == 12) && busy(w, 500) },
		"drops in the middle": func(n int64, w http.ResponseWriter, r *http.Request) bool { return n > 4 && n < 9 && drop(w, r) },
	}
	kill := func() {}
	points := requests
	if os.Getenv("PRESOLVE_LONG") == "" {
		points = 8
	}
	for i := range points {
		at := 1 + i*requests/points
		faults[fmt.Sprintf("killed at request %d of %d", at, requests)] = func(n int64, w http.ResponseWriter, r *http.Request) bool {
			if n == at {
				kill()
			}
			return n >= at && drop(w, r)
		}
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			kill = cancel
			s := newStore(t)
			if _, err := s.bring(ctx, old, now); err != nil {
				t.Fatal(err)
			}
			var n atomic.Int64
			s.meet(func(w http.ResponseWriter, r *http.Request) bool { return fault(n.Add(1), w, r) })
			_, err := s.bring(ctx, dir, now)
			if ctx.Err() != nil && err == nil {
				t.Error("who was killed says that all has come")
			}
			s.meet(nil)
			if s.whole() == 0 {
				t.Fatalf("after %v readers see half", err)
			}
			if _, err := s.bring(t.Context(), dir, now); err != nil {
				t.Fatal(err)
			}
			s.sameAs(dir)
			if s.whole() != 2 {
				t.Error("the new isn't there")
			}
		})
	}
}

// meet has requests meet a fault.
func (s *store) meet(fault func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

// whole follows the bucket's platform.json as a laptop does that installs everything, and gives its serial;
// 0: something is missing.
func (s *store) whole() int64 {
	s.t.Helper()
	dir := filepath.Join(s.t.TempDir(), platform)
	for name, content := range s.has() {
		if below, ok := strings.CutPrefix(name, platform+"/"); ok {
			file := filepath.Join(dir, below)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(content), 0o644)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "platform.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := tree.ParsePlatform(data, platform)
	if err != nil {
		s.t.Fatal(err)
	}
	faults := 0
	if _, err := publish.Verify(context.Background(), dir, p, func(err error) { faults++; s.t.Log(err) }); err != nil {
		s.t.Fatal(err)
	}
	if faults > 0 {
		return 0
	}
	return p.Serial
}

// Who may write to the bucket can't spoil the serials of those who build.
func TestStrangeHeads(t *testing.T) {
	s, dir, now := newStore(t), t.TempDir(), time.Now()
	build(t, dir, platform, now, pkg("write-1-1.noarch"))
	is, err := os.ReadFile(filepath.Join(dir, platform, "platform.json"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := tree.ParsePlatform(is, platform)
	if err != nil {
		t.Fatal(err)
	}
	p.Created = now.AddDate(100, 0, 0).UTC().Truncate(time.Second)
	p.Serial, p.Expires = p.Created.Unix(), p.Created.Add(time.Hour)
	future, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ has, want string }{
		{string(future), "which no build has given it"},
		{strings.Replace(string(is), `"format":2`, `"format":3`, 1), "format 3"},
		{"garbage", ""},
	} {
		if _, err := s.backend.PutObject("region", "school/"+platform+"/platform.json", nil, strings.NewReader(c.has), int64(len(c.has)), nil); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{second(Serial(t.Context(), s.url, platform)), second(s.bring(t.Context(), dir, now))} {
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("the error is %v", err)
			}
		}
	}
	s.sameAs(dir)
}

func second[T any](_ T, err error) error { return err }

// Another file under the same name, of the same size, is brought, and one that is the same isn't.
func TestSameSize(t *testing.T) {
	s, dir, now := newStore(t), t.TempDir(), time.Now()
	build(t, dir, platform, now, pkg("write-1-1.noarch"))
	page := filepath.Join(dir, "index.html")
	rpm := filepath.Join(dir, platform, "rpms/write-1-1.noarch.rpm")
	large := bytes.Repeat([]byte("0123456789abcdef"), 17<<16) // it comes in pieces
	for name, content := range map[string][]byte{page: []byte("one"), filepath.Join(dir, platform, "rpms/large.rpm"): large} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.bring(t.Context(), dir, now); err != nil {
		t.Fatal(err)
	}
	s.sameAs(dir)
	content, err := os.ReadFile(rpm)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	future := func(name string, content []byte) { // its inode is newer than the object
		if err := errors.Join(os.Remove(name), os.WriteFile(name, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	future(page, []byte("two"))
	b, err := open(context.Background(), s.url)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	p := &publisher{b: b, dir: dir, now: now}
	if p.root, err = os.OpenRoot(dir); err != nil {
		t.Fatal(err)
	}
	defer p.root.Close()
	there := make(map[string]*blob.ListObject)
	if err := p.list(t.Context(), "", there); err != nil {
		t.Fatal(err)
	}
	name := platform + "/rpms/write-1-1.noarch.rpm"
	later := there[name].ModTime.Add(time.Hour)
	for _, c := range []struct {
		f    file
		want bool
	}{
		{file{"index.html", 3, now, tree.InPlace}, false},
		{file{name, there[name].Size, later, tree.RPM}, true},
		{file{platform + "/rpms/large.rpm", int64(len(large)), later, tree.RPM}, true},
	} {
		if same, err := p.same(t.Context(), c.f, there[c.f.name]); err != nil || same != c.want {
			t.Errorf("%s is the same: %v, %v", c.f.name, same, err)
		}
	}
	future(rpm, content)
	if same, err := p.same(t.Context(), file{name, there[name].Size, later, tree.RPM}, there[name]); err != nil || same {
		t.Errorf("another RPM of the same size is the same: %v, %v", same, err)
	}
}

// Many computers bring their platforms at once: all are in platforms.json.
func TestMerge(t *testing.T) {
	s, now := newStore(t), time.Now()
	var names []string
	var dirs []string
	for i := range 5 {
		name := fmt.Sprintf("test-%d-x86_64", i)
		dir := t.TempDir()
		build(t, dir, name, now, pkg("write-1-1.noarch"))
		names, dirs = append(names, name), append(dirs, dir)
	}
	var wait sync.WaitGroup
	for _, dir := range dirs {
		wait.Go(func() {
			if _, err := Publish(context.Background(), s.url, dir, nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	var got tree.Platforms
	if err := json.Unmarshal([]byte(s.has()["platforms.json"]), &got); err != nil {
		t.Fatal(err)
	}
	var has []string
	for _, p := range got.Platforms {
		has = append(has, p.Platform)
	}
	if !slices.Equal(has, names) {
		t.Errorf("platforms.json has %q", has)
	}
	if all, err := Merge(context.Background(), s.url); err != nil || !slices.Equal(all, names) {
		t.Errorf("merged are %q, %v", all, err)
	}
}

// A folder is a bucket, too.
func TestFolder(t *testing.T) {
	dir, to := t.TempDir(), filepath.Join(t.TempDir(), "new")
	build(t, dir, platform, time.Now(), pkg("write++-1-1.noarch"))
	for range 2 {
		if _, err := Publish(context.Background(), "file://"+to, dir, []string{platform}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if want, got := folder(t, dir), folder(t, to); !maps.Equal(want, got) {
		t.Errorf("it has %q and should have %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

func TestCheck(t *testing.T) {
	for url, want := range map[string]string{
		"s3://region/school":      "",
		"azblob://region":         "",
		"file:///srv/bucket":      "",
		"/srv/bucket":             "it is no bucket that presolver knows",
		"https://host/bucket":     "it is no bucket that presolver knows",
		"s3://":                   "it names no bucket",
		"s3://id:secret@region/x": "there is a user or a password in it",
		"file://srv/bucket":       "file: needs three slashes",
	} {
		err := Check(url)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", url, err)
		}
	}
}
