// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// How many downloads of a size there are at once over a link, where the configuration allows 16.
func TestDownloadsAtOnce(t *testing.T) {
	const kB, MB = 1000, 1000 * 1000
	for _, test := range []struct {
		name    string
		latency time.Duration
		rate    int64 // bytes a second for each of as many as there are
		size    int64
		want    int
	}{
		{"nothing known", 0, 0, 300 * kB, few},
		{"unknown size", 300 * time.Millisecond, 10 * MB, 0, few},
		{"near", time.Millisecond, 3 * MB, 300 * kB, few},
		{"near, small files", time.Millisecond, 3 * MB, 10 * kB, few},
		{"far, small files", 300 * time.Millisecond, 3 * MB, 300 * kB, 16},
		{"far, large files", 300 * time.Millisecond, 3 * MB, 50 * MB, few},
		{"far and slow", 300 * time.Millisecond, 20 * kB, 300 * kB, few},
		{"far and slow, tiny files", 300 * time.Millisecond, 20 * kB, 4 * kB, 7},
	} {
		all := downloads{most: 16, pace: newPace()}
		if test.latency > 0 {
			all.pace.answered(test.latency)
			for range 50 {
				took := test.latency
				if test.size > 0 {
					took += time.Duration(test.size * int64(time.Second) / test.rate)
				}
				all.pace.brought(test.size, took)
			}
		}
		for range 40 {
			all.waiting = append(all.waiting, &download{test.size, make(chan struct{})})
		}
		all.begin(time.Now())
		if got := len(all.going); got != test.want {
			t.Errorf("%s: %d downloads at once, and %d are right", test.name, got, test.want)
		}
	}
}

// Downloads begin in their order, and those that are given up on the way leave no gap.
func TestDownloadsInOrder(t *testing.T) {
	c, _ := newTestClient(t, Options{Parallel: 2})
	const url = "http://school.example/a"
	var releases []func()
	for range 2 {
		release, err := c.hosts.acquire(t.Context(), url, 1, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	given, giveUp := context.WithCancel(t.Context())
	giveUp()
	if _, err := c.hosts.acquire(given, url, 1, time.Now); err != context.Canceled {
		t.Fatal(err)
	}
	if !c.hosts.full(url, time.Now()) {
		t.Error("two of two are going on, and there is room")
	}
	releases[0]()
	if release, err := c.hosts.acquire(t.Context(), url, 1, time.Now); err != nil {
		t.Fatal(err)
	} else {
		release()
	}
	releases[1]()
	if c.hosts.full(url, time.Now()) || len(c.hosts.of(url).downloads.going) > 0 || len(c.hosts.of(url).downloads.waiting) > 0 {
		t.Error("all are released, and there is no room")
	}
}

// far makes a client believe that a server is a long way off, over a link that is fast.
func far(c *Client, o *origin) {
	c.hosts.of(o.URL).downloads.pace = pace{latency: 300 * time.Millisecond, bytes: 1 << 40}
}

// Small files from far away come over as many connections as the configuration has, which are kept
// from file to file, from those before and for those after; with HTTP/2 over one.
func TestFetchKeepsConnections(t *testing.T) {
	for _, test := range []struct {
		name         string
		serve        func(*testing.T, http.HandlerFunc) *origin
		server       func([]byte) http.HandlerFunc
		parallel     int
		requests     int // at once
		conns        int64
		httpVersion2 bool
	}{
		{"HTTP/1.1", serve, good, 8, 8, 8, false},
		{"HTTP/1.1, chunked", serve, chunked, 8, 8, 8, false},
		{"HTTP/1.1, 16", serve, good, 16, 16, 16, false},
		{"HTTP/1.1, one", serve, good, 1, 1, 1, false},
		{"HTTP/2", serveHTTP2, good, 8, 8, 1, true},
		{"HTTP/2, 16", serveHTTP2, good, 16, 16, 1, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			content := random(20 * kib)
			together := make(chan struct{})
			var begun atomic.Int64
			fetching := false
			o := test.serve(t, func(w http.ResponseWriter, r *http.Request) {
				if (r.ProtoMajor == 2) != test.httpVersion2 {
					t.Errorf("asked with %s", r.Proto)
				}
				if fetching && begun.Add(1) == int64(test.requests) {
					close(together)
				}
				if fetching {
					<-together
				}
				test.server(content)(w, r)
			})
			c, _ := newTestClient(t, Options{Parallel: test.parallel})
			small := func() {
				t.Helper()
				if _, err := c.Revalidate(t.Context(), o.URL+"/platform.json", "", 1<<20); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Get(t.Context(), []string{o.URL + "/b"}, tree.NewRef("trees/a@", content, ".json")); err != nil {
					t.Fatal(err)
				}
			}
			small()
			far(c, o)
			fetching = true
			var files []File
			for i := range 60 {
				files = append(files, wanted(t, content, fmt.Sprintf("%s/%d", o.URL, i)))
			}
			if err := c.Fetch(t.Context(), files, nil); err != nil {
				t.Fatal(err)
			}
			fetching = false
			small()
			if got := o.conns.Load(); got != test.conns {
				t.Errorf("%d connections for %d files", got, len(files))
			}
			most := int64(test.requests)
			if test.httpVersion2 { // an answer may be whole here before the server's handler has ended
				most += 2
			}
			if got := o.most.Load(); got < int64(test.requests) || got > most {
				t.Errorf("%d requests at once", got)
			}
			if got := len(o.requests()); got != len(files)+4 {
				t.Errorf("%d requests for %d files and 4 small ones", got, len(files))
			}
		})
	}
}

// Small files that are asked for at the same time have two connections, which are kept.
func TestSmallFilesAtOnce(t *testing.T) {
	content := random(kib)
	for name, test := range map[string]struct {
		serve func(*testing.T, http.HandlerFunc) *origin
		conns int64
	}{"HTTP/1.1": {serve, 2}, "HTTP/2": {serveHTTP2, 1}} {
		t.Run(name, func(t *testing.T) {
			var meeting sync.WaitGroup
			o := test.serve(t, func(w http.ResponseWriter, r *http.Request) {
				meeting.Done()
				meeting.Wait()
				good(content)(w, r)
			})
			c, _ := newTestClient(t, Options{Parallel: 1})
			// HTTP/2 is known to be spoken from the first answer on.
			meeting.Add(1)
			first, err := c.Revalidate(t.Context(), o.URL+"/platform.json", "", kib)
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				meeting.Add(2)
				var both sync.WaitGroup
				both.Go(func() {
					if a, err := c.Revalidate(t.Context(), o.URL+"/platform.json", first.ETag, kib); err != nil || !a.Unchanged {
						t.Error(a, err)
					}
				})
				both.Go(func() {
					if _, err := c.Get(t.Context(), []string{o.URL + "/shard"}, tree.NewRef("shards/a@", content, ".json")); err != nil {
						t.Error(err)
					}
				})
				both.Wait()
			}
			if got := o.conns.Load(); got != test.conns {
				t.Errorf("%d connections", got)
			}
		})
	}
}

// A host that refuses gets no more downloads at once than go on without those, for a while.
func TestDownloadsCrowded(t *testing.T) {
	c, k := newTestClient(t, Options{Parallel: 8})
	const url = "http://school.example/a"
	c.hosts.of(url).downloads.pace = pace{latency: 300 * time.Millisecond, bytes: 1 << 40}
	var releases []func()
	for range 8 {
		release, err := c.hosts.acquire(t.Context(), url, 1, c.now)
		if err != nil {
			t.Fatal(err)
		}
		releases = append(releases, release)
	}
	for _, release := range releases[2:] {
		release()
		c.hosts.crowded(url, c.now())
	}
	limit := func() int { return c.hosts.of(url).downloads.limit(c.now()) }
	if limit() != 2 || !c.hosts.full(url, c.now()) {
		t.Errorf("%d may go on at once where it takes 2", limit())
	}
	for _, release := range releases[:2] {
		release()
		c.hosts.crowded(url, c.now())
	}
	if limit() != 1 || c.hosts.full(url, c.now()) {
		t.Errorf("%d may go on at once where it takes none", limit())
	}
	k.sleep(t.Context(), avoidFor)
	if limit() != 8 {
		t.Errorf("after a while %d may go on at once", limit())
	}
}

// From a server that takes only so many requests at once all files come, and what it refuses
// another source gives.
func TestFetchFromCrowded(t *testing.T) {
	content := random(20 * kib)
	for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		for _, takes := range []int64{1, 2} {
			for _, others := range []int{0, 1} {
				t.Run(fmt.Sprint(code, ", takes ", takes, ", others ", others), func(t *testing.T) {
					var now, refused atomic.Int64
					enough := make(chan struct{})
					o := serve(t, func(w http.ResponseWriter, r *http.Request) {
						if now.Add(1) > takes {
							if refused.Add(1) == 1 {
								close(enough)
							}
							now.Add(-1)
							status(code)(w, r)
							return
						}
						<-enough
						now.Add(-1) // before the laptop can know
						good(content)(w, r)
					})
					other := serve(t, good(content))
					c, _ := newTestClient(t, Options{Parallel: 8})
					far(c, o)
					var files []File
					for i := range 60 {
						f := wanted(t, content, fmt.Sprintf("%s/%d", o.URL, i))
						if others > 0 {
							f.URLs = append(f.URLs, other.URL)
						}
						files = append(files, f)
					}
					if err := c.Fetch(t.Context(), files, nil); err != nil {
						t.Fatal(err)
					}
					for _, f := range files {
						mustHave(t, f.Path, content)
					}
					if n := refused.Load(); n > 30 {
						t.Errorf("it had to refuse %d requests", n)
					}
					if n := len(other.requests()); (n > 0) != (others > 0) {
						t.Errorf("the other source was asked %d times", n)
					}
				})
			}
		}
	}
}

// A connection of HTTP/2 that breaks breaks all that comes over it: each goes on where it was.
func TestFetchThroughBrokenHTTP2(t *testing.T) {
	content := random(500 * kib)
	var o *origin
	var broken atomic.Bool
	o = serveHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") == "" && !broken.Swap(true) {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content[:300*kib])
			w.(http.Flusher).Flush()
			o.CloseClientConnections()
			return
		}
		good(content)(w, r)
	})
	c, _ := newTestClient(t, Options{Parallel: 3})
	var files []File
	for i := range 6 {
		files = append(files, wanted(t, content, fmt.Sprintf("%s/%d", o.URL, i)))
	}
	if err := c.Fetch(t.Context(), files, nil); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		mustHave(t, f.Path, content)
	}
	if n := o.conns.Load(); n < 2 {
		t.Errorf("%d connections", n)
	}
}
