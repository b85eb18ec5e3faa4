// SPDX-License-Identifier: GPL-2.0-or-later

package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

// long is for the long tier.
var long = os.Getenv("PRESOLVE_LONG") != ""

const platform = "school-1-x86_64"

// An origin is what a region publishes, and the link to it.
type origin struct {
	dir   string
	names []string // of all files that laptops may ask for
	link  *testbed.Link
	cut   func() // the link
	files *httptest.Server
}

// newOrigin publishes a program with an RPM of so many bytes.
func newOrigin(t *testing.T, size int, w testbed.Weather) *origin {
	t.Helper()
	noise := make([]byte, size)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	repository := t.TempDir()
	err := testbed.Repository(repository, testbed.RPM{Name: "base"}, testbed.RPM{Name: "lib"},
		testbed.RPM{Name: "atlas", Requires: []string{"lib"}, Files: map[string]string{"/usr/share/atlas": string(noise)}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := solve.Open(t.Context(), solve.Config{Arch: "x86_64", FileLists: true, Base: solve.Base{Packages: []string{"base"}}, Repositories: []solve.Repository{{ID: "main", URL: "file://" + repository}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	o := &origin{dir: t.TempDir()}
	_, err = publish.Build(t.Context(), p, []string{"atlas", "lib"}, publish.Options{
		Platform: platform, Arch: "x86_64", Output: o.dir, Copy: true, Layouts: []*publish.Layout{publish.Presolve}, ValidFor: 720 * time.Hour, Now: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	// As laptops ask: what leads somewhere before what it leads to.
	for _, pattern := range []string{"platforms.json", "*/platform.json", "*/search/*", "*/references/*/*", "*/dictionary/*", "*/trees/*", "*/files/*", "*/capabilities/*/*", "*/rpms/*"} {
		all, err := filepath.Glob(filepath.Join(o.dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range all {
			name, _ := filepath.Rel(o.dir, at)
			o.names = append(o.names, filepath.ToSlash(name))
		}
	}
	o.files = httptest.NewServer(http.FileServer(http.Dir(o.dir)))
	t.Cleanup(o.files.Close)
	if o.link, err = testbed.NewLink(o.files.URL, w); err != nil {
		t.Fatal(err)
	}
	o.cut = sync.OnceFunc(o.link.Close)
	t.Cleanup(o.cut)
	return o
}

// A school is a server with an upstream.
type school struct {
	*httptest.Server
	up  *Upstream
	net *transport.Client
	end func()
}

func newSchool(t *testing.T, dir, from string, limit int64) *school {
	t.Helper()
	net := transport.New(transport.Options{RetryFor: 10 * time.Second, SmallRetryFor: 10 * time.Second})
	up, err := NewUpstream(UpstreamOptions{URL: from, Dir: dir, Limit: limit, Net: net, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	up.site = newSite(root)
	s := &school{Server: httptest.NewServer(patient(newCounters(up).count(up, nil))), up: up, net: net}
	s.end = sync.OnceFunc(s.stop)
	t.Cleanup(func() { s.end(); root.Close() })
	return s
}

func (s *school) stop() {
	s.CloseClientConnections()
	s.Close()
	s.up.close()
	s.net.Close()
}

// get asks for a file, or a part of it.
func (s *school) get(name, part string) (status int, body []byte, err error) {
	req, err := http.NewRequest(http.MethodGet, s.URL+"/"+name, nil)
	if err != nil {
		return 0, nil, err
	}
	if part != "" {
		req.Header.Set("Range", part)
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

// right tells whether a file comes as it is.
func (s *school) right(o *origin, name string) error {
	want, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		return err
	}
	status, body, err := s.get(name, "")
	if err != nil || status != http.StatusOK || !bytes.Equal(body, want) {
		return fmt.Errorf("%s: %d, %d bytes, %w", name, status, len(body), err)
	}
	return nil
}

// Thirty laptops that ask at once for all of it cost the link one of each file, whatever the link does.
func TestThirtyLaptops(t *testing.T) {
	for name, w := range map[string]testbed.Weather{
		"a fair link": {}, "drops every 256 KiB": {Every: 256 << 10}, "down now and then": {Period: time.Second, Down: 300 * time.Millisecond, Rate: 2 << 20}, "far away": {Latency: 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, 1<<20, w)
			s := newSchool(t, t.TempDir(), o.link.URL, 0)
			var all sync.WaitGroup
			for range 30 {
				all.Go(func() {
					for _, name := range o.names {
						if err := s.right(o, name); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			var size int64
			for _, name := range o.names {
				info, err := os.Stat(filepath.Join(o.dir, name))
				if err != nil {
					t.Fatal(err)
				}
				size += info.Size()
			}
			got := float64(o.link.Received.Load()) / float64(size)
			t.Logf("%.4f of the files' %d bytes came", got, size)
			if got > 1.01 {
				t.Errorf("%.4f times the files' bytes came", got)
			}
			// And then nothing is needed any more.
			o.cut()
			for _, name := range o.names {
				if err := s.right(o, name); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// A part of an RPM is answered while the RPM comes, before its end is there, and with what is there.
func TestPartsWhileItComes(t *testing.T) {
	o := newOrigin(t, 4<<20, testbed.Weather{Rate: 2 << 20})
	s := newSchool(t, t.TempDir(), o.link.URL, 0)
	var rpm string
	for _, name := range o.names {
		if strings.Contains(name, "atlas-1") {
			rpm = name
		} else if err := s.right(o, name); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(filepath.Join(o.dir, rpm))
	if err != nil {
		t.Fatal(err)
	}
	before := o.link.Received.Load()
	status, body, err := s.get(rpm, "bytes=10-999")
	if err != nil || status != http.StatusPartialContent || !bytes.Equal(body, want[10:1000]) {
		t.Errorf("%d, %d bytes, %v", status, len(body), err)
	}
	if came := o.link.Received.Load() - before; came > int64(len(want))/2 {
		t.Errorf("%d of %d bytes came before the first thousand were answered", came, len(want))
	}
	for part, end := range map[string][]byte{fmt.Sprintf("bytes=%d-", len(want)-100): want[len(want)-100:], "bytes=2000000-2000099": want[2000000:2000100]} {
		if status, body, err := s.get(rpm, part); err != nil || status != http.StatusPartialContent || !bytes.Equal(body, end) {
			t.Errorf("%s: %d, %d bytes, %v", part, status, len(body), err)
		}
	}
	if status, _, err := s.get(rpm, fmt.Sprintf("bytes=%d-", len(want))); err != nil || status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("beyond the end: %d, %v", status, err)
	}
}

// A server that ends in the middle of an RPM goes on where it was.
func TestGoesOn(t *testing.T) {
	points, size := 1, 4<<20
	if long { // what is in sockets is then less than a hundredth
		points, size = 50, 48<<20
	}
	o := newOrigin(t, size, testbed.Weather{Rate: int(size)})
	var rpm string
	for _, name := range o.names {
		if strings.Contains(name, "atlas-1") {
			rpm = name
		}
	}
	info, err := os.Stat(filepath.Join(o.dir, rpm))
	if err != nil {
		t.Fatal(err)
	}
	for i := range points {
		dir := t.TempDir()
		s := newSchool(t, dir, o.link.URL, 0)
		for _, name := range o.names {
			if name != rpm {
				if err := s.right(o, name); err != nil {
					t.Fatal(err)
				}
			}
		}
		before := o.link.Received.Load()
		// What the link would send to one that has ended isn't that one's to keep: the link waits.
		ended := make(chan bool)
		o.link.When(before+info.Size()*int64(i+1)/int64(points+1), func() {
			s.end()
			close(ended)
		})
		asked := make(chan bool)
		go func() {
			s.get(rpm, "")
			close(asked)
		}()
		<-ended
		<-asked
		again := newSchool(t, dir, o.link.URL, 0)
		if err := again.right(o, rpm); err != nil {
			t.Error(err)
		}
		ratio := float64(o.link.Received.Load()-before) / float64(info.Size())
		t.Logf("%d of %d: %.4f", i+1, points, ratio)
		if most := 1.1; ratio > most || long && ratio > 1.01 {
			t.Errorf("%.4f times its bytes came", ratio)
		}
	}
}

// Nothing wrong is kept, and what is wrong isn't asked of anybody but the one who has it.
func TestUpstreamThatLies(t *testing.T) {
	o := newOrigin(t, 64<<10, testbed.Weather{})
	var mu sync.Mutex
	var asked []string
	lies := true
	liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Path)
		lie := lies
		mu.Unlock()
		if lie && !strings.HasSuffix(r.URL.Path, "platform.json") {
			fmt.Fprint(w, "<html>Please log in</html>")
			return
		}
		http.FileServer(http.Dir(o.dir)).ServeHTTP(w, r)
	}))
	t.Cleanup(liar.Close)
	dir := t.TempDir()
	s := newSchool(t, dir, liar.URL, 0)
	for _, name := range o.names {
		if strings.HasSuffix(name, "platform.json") || strings.HasSuffix(name, ".rpm") {
			continue
		}
		if status, body, err := s.get(name, ""); err != nil || status < 500 && status != http.StatusNotFound {
			t.Errorf("%s: %d, %q, %v", name, status, body, err)
		}
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is kept", name)
		}
	}
	mu.Lock()
	lies, asked = false, nil
	mu.Unlock()
	for _, name := range o.names {
		if err := s.right(o, name); err != nil {
			t.Error(err)
		}
	}
	mu.Lock()
	asked = nil
	mu.Unlock()
	for _, name := range []string{"", "index.html", platform + "/.lock", platform + "/trees/../../secret", "http://other.invalid/x", platform + "/rpms/.x.rpm", platform + "/trees/x", "a/b/c/d"} {
		if status, _, err := s.get(name, ""); err == nil && status == http.StatusOK {
			t.Errorf("%s is answered", name)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) > 0 {
		t.Errorf("%q were asked for upstream", asked)
	}
}

// An RPM that came before its tree was seen is compared when that comes.
func TestRPMBeforeItsTree(t *testing.T) {
	o := newOrigin(t, 64<<10, testbed.Weather{})
	var rpm string
	for _, name := range o.names {
		if strings.Contains(name, "atlas-1") {
			rpm = name
		}
	}
	good, err := os.ReadFile(filepath.Join(o.dir, rpm))
	if err != nil {
		t.Fatal(err)
	}
	put := func(content []byte) {
		t.Helper()
		if err := os.Remove(filepath.Join(o.dir, rpm)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o.dir, rpm), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(bytes.Repeat([]byte("x"), len(good)))
	s := newSchool(t, t.TempDir(), o.link.URL, 0)
	if err := s.right(o, rpm); err != nil { // nothing vouches for anything yet
		t.Error(err)
	}
	put(good)
	for _, name := range o.names {
		if err := s.right(o, name); err != nil {
			t.Error(err)
		}
	}
}

// What is kept is no more than the limit, and what was asked for last stays.
func TestLimit(t *testing.T) {
	o := newOrigin(t, 1<<20, testbed.Weather{})
	dir := t.TempDir()
	s := newSchool(t, dir, o.link.URL, 1<<20)
	for range 2 {
		for _, name := range o.names {
			if err := s.right(o, name); err != nil {
				t.Error(err)
			}
			if n := s.up.kept.size(); n > 1<<20+64<<10 && !strings.Contains(name, "atlas-1") {
				t.Errorf("%d bytes are kept after %s", n, name)
			}
		}
	}
}

// Many slow clients get all of what they ask for, and cost little memory each.
func TestSlowClients(t *testing.T) {
	clients, size := 50, 512<<10
	if long {
		clients, size = 1000, 2<<20
	}
	dir := t.TempDir()
	body := make([]byte, size)
	rand.NewChaCha8([32]byte{2}).Read(body)
	if err := os.WriteFile(filepath.Join(dir, "x.rpm"), body, 0o644); err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(body)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	server := httptest.NewServer(patient(newSite(root)))
	defer server.Close()
	rate := 64 << 10
	if !long {
		rate = 512 << 10
	}
	link, err := testbed.NewLink(server.URL, testbed.Weather{Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			resp, err := (&http.Client{Transport: &http.Transport{}}).Get(link.URL + "/x.rpm")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			h := sha256.New()
			if _, err := io.Copy(h, resp.Body); err != nil || hex.EncodeToString(h.Sum(nil)) != hex.EncodeToString(want[:]) {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
}
