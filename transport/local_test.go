// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A stick is a folder that may have copies.
type stick struct {
	folder string
	asked  atomic.Int64
}

func newStick(t *testing.T) *stick { return &stick{folder: t.TempDir()} }

func (s *stick) path(name string) string { return filepath.Join(s.folder, name) }

func (s *stick) copies(url string) []string {
	s.asked.Add(1)
	return []string{"file://" + s.path(filepath.Base(url))}
}

// put gives the stick a file, all of it at once.
func (s *stick) put(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(s.path("new"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.path("new"), s.path(name)); err != nil {
		t.Fatal(err)
	}
}

// What waits for the network is woken by CopiesAppeared, and goes on from a copy; nothing that has
// come is fetched again.
func TestLookWakes(t *testing.T) {
	content := random(300 * kib)
	o := serve(t, inTurn(dropping(100*kib, good(content)), status(503)))
	s := newStick(t)
	c, k := newTestClient(t, Options{Copies: s.copies})
	asleep := make(chan bool, 1)
	c.sleep = func(ctx context.Context, d time.Duration) error {
		if d < 5*time.Second {
			return k.sleep(ctx, d)
		}
		asleep <- true
		<-ctx.Done() // for ever, but for CopiesAppeared
		return ctx.Err()
	}
	go func() {
		<-asleep
		c.CopiesAppeared() // nothing is there: it waits on
		<-asleep
		s.put(t, "a", content)
		c.CopiesAppeared()
	}()
	var last Progress
	f := wanted(t, content, o.URL+"/a")
	if err := c.Fetch(t.Context(), []File{f}, func(p Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
	if sent := o.sent.Load(); sent > 102*kib {
		t.Errorf("the server sent %d bytes", sent)
	}
	if last.Waiting || last.Done != int64(len(content)) {
		t.Errorf("%+v", last)
	}
}

// What comes slowly over the network goes on from a copy that turns up; a copy of another size is
// no reason to stop.
func TestLookEndsATry(t *testing.T) {
	content := random(300 * kib)
	sent, on := make(chan bool), make(chan bool)
	var once sync.Once
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "307200")
		w.Write(content[:100*kib])
		w.(http.Flusher).Flush()
		once.Do(func() { close(sent) })
		<-r.Context().Done()
		close(on)
	})
	s := newStick(t)
	c, _ := newTestClient(t, Options{Copies: s.copies})
	go func() {
		<-sent
		s.put(t, "a", content[1:])
		c.CopiesAppeared()
		s.put(t, "a", content)
		c.CopiesAppeared()
	}()
	f := wanted(t, content, o.URL+"/a")
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
	<-on
	if got := o.requests(); len(got) != 1 {
		t.Errorf("asked %q", got)
	}
}

// A copy comes before the network, in Get too, and content without a digest comes from where it was
// asked for.
func TestCopies(t *testing.T) {
	content := random(300 * kib)
	o := serve(t, good(content))
	s := newStick(t)
	s.put(t, "a", content)
	c, _ := newTestClient(t, Options{Copies: s.copies})
	f := wanted(t, content, o.URL+"/a")
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
	got, err := c.Get(t.Context(), []string{o.URL + "/a"}, tree.NewRef("trees/a@", content, ".json"))
	if err != nil || !bytes.Equal(got, content) {
		t.Fatal(err)
	}
	if got := o.requests(); len(got) > 0 {
		t.Errorf("the network was asked: %q", got)
	}
	asked := s.asked.Load()
	f = wanted(t, content, o.URL+"/a")
	f.Digest = ""
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Revalidate(t.Context(), o.URL+"/a", "", 1<<20); err != nil {
		t.Fatal(err)
	}
	if len(o.requests()) != 2 || s.asked.Load() != asked {
		t.Errorf("without a digest: asked the network for %q, and %d times for copies", o.requests(), s.asked.Load()-asked)
	}
}

// A copy serves where there is no network, and doesn't count as one.
func TestCopiesWithoutNetwork(t *testing.T) {
	content := random(300 * kib)
	s := newStick(t)
	s.put(t, "a", content)
	c, k := newTestClient(t, Options{Copies: s.copies})
	files := []File{wanted(t, content, "http://school.invalid/a"), wanted(t, content, nobody(t)+"/a")}
	if err := c.Fetch(t.Context(), files, nil); err != nil {
		t.Fatal(err)
	}
	mustBe(t, c.Fetch(t.Context(), []File{wanted(t, content, nobody(t)+"/b")}, nil), NoNetwork)
	if k.slept > c.SmallRetryFor {
		t.Errorf("waited %v", k.slept)
	}
}

// A copy that is wrong costs nothing of what came over the network, however it is wrong, and a
// stick can be full of them.
func TestBadCopies(t *testing.T) {
	content := random(300 * kib)
	damaged := slices.Clone(content)
	damaged[200*kib]++
	var fifo, missing, folder, cut, longer, other, secret stick
	for _, s := range []*stick{&fifo, &missing, &folder, &cut, &longer, &other, &secret} {
		s.folder = t.TempDir()
	}
	if err := syscall.Mkfifo(fifo.path("a"), 0o644); err != nil {
		t.Fatal(err)
	}
	os.Mkdir(folder.path("a"), 0o755)
	cut.put(t, "a", content[:200*kib])
	longer.put(t, "a", content)
	os.Truncate(longer.path("a"), 1<<40)
	other.put(t, "a", damaged)
	os.Symlink("/dev/zero", secret.path("a"))
	for name, s := range map[string]*stick{
		"pipe": &fifo, "missing": &missing, "folder": &folder, "cut": &cut, "a terabyte": &longer, "damaged": &other, "device": &secret,
	} {
		for _, part := range []int{0, 100 * kib, 250 * kib} {
			t.Run(name, func(t *testing.T) {
				o := serve(t, good(content))
				c, k := newTestClient(t, Options{Copies: s.copies})
				f := wanted(t, content, o.URL+"/a")
				os.WriteFile(f.Path+PartSuffix, content[:part], 0o644)
				if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
					t.Fatal(err)
				}
				mustHave(t, f.Path, content)
				if sent := o.sent.Load(); sent != int64(len(content)-part) {
					t.Errorf("the server sent %d bytes though %d were there", sent, part)
				}
				if k.slept > 0 {
					t.Errorf("waited %v", k.slept)
				}
				// A configured source that is a folder is no different.
				at := File{URLs: []string{"file://" + s.path("a")}, Path: filepath.Join(t.TempDir(), "a"), Size: f.Size, Digest: f.Digest}
				var e *Error
				if err := c.Fetch(t.Context(), []File{at}, nil); !errors.As(err, &e) || e.Kind != Corrupt && e.Kind != NotFound {
					t.Error(err)
				}
			})
		}
	}
	// Twice a whole file for nothing is too much, but not where one was a copy.
	o := serve(t, inTurn(good(damaged), good(content)))
	c, _ := newTestClient(t, Options{Copies: other.copies})
	f := wanted(t, content, o.URL+"/a")
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
}

// A stick that is pulled out in the middle of a file: the rest comes over the network.
func TestCopyVanishes(t *testing.T) {
	content := random(2 << 20)
	o := serve(t, good(content))
	s := newStick(t)
	s.put(t, "a", content)
	c, _ := newTestClient(t, Options{Copies: s.copies})
	f := wanted(t, content, o.URL+"/a")
	var pulled sync.Once
	at := int64(0)
	err := c.Fetch(t.Context(), []File{f}, func(p Progress) {
		pulled.Do(func() {
			at = p.Done
			os.Truncate(s.path("a"), p.Done)
			os.Remove(s.path("a"))
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
	if got := o.requests(); at == 0 || at == int64(len(content)) || len(got) != 1 || !strings.HasPrefix(got[0], "GET bytes=") || o.sent.Load() > int64(len(content))-at {
		t.Errorf("pulled out at %d; asked %q, %d bytes were sent", at, got, o.sent.Load())
	}
}

// A disk that hangs is left alone after a while, and when the context ends.
func TestDiskHangs(t *testing.T) {
	content := random(300 * kib)
	o := serve(t, good(content))
	c, _ := newTestClient(t, Options{Copies: func(string) []string { return []string{"file:///hangs"} }})
	c.stall = 100 * time.Millisecond
	over := make(chan struct{})
	defer close(over)
	usual := c.known.Transport.(schemes)
	c.known.Transport = schemes{file: localFiles{func(string) (*os.File, error) { <-over; return nil, os.ErrNotExist }}, others: usual.others}
	f := wanted(t, content, o.URL+"/a")
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	f = File{URLs: []string{"file:///hangs"}, Path: f.Path + "2", Size: f.Size, Digest: f.Digest}
	c.stall = time.Hour
	if err := c.Fetch(ctx, []File{f}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
