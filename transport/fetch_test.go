// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

const kib = 1 << 10

// TestFetchThrough downloads one file of 1 MiB through servers that misbehave.
func TestFetchThrough(t *testing.T)      { testFetchThrough(t, serve) }
func TestFetchThroughHTTP2(t *testing.T) { testFetchThrough(t, serveHTTP2) }

func testFetchThrough(t *testing.T, serve func(*testing.T, http.HandlerFunc) *origin) {
	content := random(1024*kib + 7)
	other := random(len(content))
	for _, test := range []struct {
		name   string
		server http.HandlerFunc
		part   []byte // there before
		sent   int    // bytes that the server may send at most; 0: the file's
		edit   func(*File)
	}{
		{name: "good", server: good(content)},
		{name: "resumes", server: good(content), part: content[:700*kib], sent: len(content) - 700*kib},
		{name: "all there but the name", server: status(500), part: content, sent: 1},
		{name: "empty part", server: good(content), part: []byte{}},
		{name: "drops every 256 KiB", server: dropping(256*kib, good(content)), sent: len(content) * 101 / 100},
		{name: "drops every 20 KiB, chunked never resumes", server: inTurn(dropping(20*kib, chunked(content)), chunked(content)), sent: 21*kib + len(content)},
		{name: "200 to a range", server: noRanges(good(content)), part: content[:5*kib]},
		{name: "200 to a range, chunked", server: chunked(content), part: content[:5*kib]},
		{name: "200 to a range, and drops", server: inTurn(dropping(700*kib, noRanges(good(content))), noRanges(good(content))), part: content[:500*kib], sent: 700*kib + len(content)},
		{name: "chunked", server: chunked(content)},
		{name: "refuses HEAD", server: func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "HEAD" {
				status(405)(w, r)
				return
			}
			good(content)(w, r)
		}, part: content[:5], sent: len(content) - 5},
		{name: "wrong Content-Range", server: inTurn(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(content)-1, len(content)))
			w.WriteHeader(206)
			w.Write(content[:10])
		}, good(content)), part: content[:5*kib], sent: len(content) + 10},
		{name: "no Content-Range", server: inTurn(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(206)
			w.Write(content[5*kib : 6*kib])
		}, good(content)), part: content[:5*kib], sent: len(content) + kib},
		{name: "short ranges", server: func(w http.ResponseWriter, r *http.Request) {
			if rng := r.Header.Get("Range"); rng != "" {
				var first int
				fmt.Sscanf(rng, "bytes=%d-", &first)
				r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", first, first+100*kib-1))
			}
			good(content)(w, r)
		}, part: content[:5], sent: len(content) - 5},
		{name: "416 for nothing", server: inTurn(status(416), good(content)), part: content[:5*kib], sent: len(content) + 50},
		{name: "503 for a while", server: inTurn(status(503), status(429), status(408), good(content)), sent: len(content) + 100},
		{name: "says nothing and hangs up", server: inTurn(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, good(content))},
		{name: "corrupt once", server: inTurn(good(other), good(content)), sent: 2 * len(content)},
		{name: "corrupt part", server: good(content), part: other[:5*kib], sent: 2*len(content) - 5*kib},
		{name: "corrupt part, 200 to a range", server: noRanges(good(content)), part: other[:5*kib], sent: 3 * len(content)},
		{name: "corrupt part as long as the file", server: good(content), part: other},
		{name: "part longer than the file", server: good(content), part: append(slices.Clone(content), 'x')},
		{name: "more than the file, chunked", server: chunked(append(slices.Clone(content), 'x')), sent: len(content) + 1},
		{name: "unknown size", server: good(content), edit: func(f *File) { f.Size = 0 }},
		{name: "unknown size, resumed", server: good(content), part: content[:5*kib], sent: len(content) - 5*kib, edit: func(f *File) { f.Size = 0 }},
		{name: "unknown size, all there", server: good(content), part: content, sent: 60, edit: func(f *File) { f.Size = 0 }},
		{name: "unknown size, drops", server: dropping(256*kib, good(content)), edit: func(f *File) { f.Size = 0 }},
		{name: "unknown size and digest, drops", server: dropping(256*kib, good(content)), edit: func(f *File) { f.Size, f.Digest = 0, "" }},
		{name: "unknown size and digest, drops, no validator", server: inTurn(dropping(256*kib, tagless(content)), tagless(content)), sent: 256*kib + len(content), edit: func(f *File) { f.Size, f.Digest = 0, "" }},
		{name: "unknown size and digest, changes in the middle", server: inTurn(dropping(256*kib, tagged(other, `"v0"`)), good(content)), sent: 256*kib + 2*len(content), edit: func(f *File) { f.Size, f.Digest = 0, "" }},
		{name: "unknown size and digest, changes, If-Range not known", server: inTurn(dropping(256*kib, tagged(other, `"v0"`)), noIfRange(good(content))), sent: 256*kib + 3*len(content), edit: func(f *File) { f.Size, f.Digest = 0, "" }},
		{name: "unknown size and digest, changes with a weak tag", server: inTurn(dropping(256*kib, tagged(other, `W/"v"`)), tagged(content, `W/"v"`)), sent: 256*kib + 2*len(content), edit: func(f *File) { f.Size, f.Digest = 0, "" }},
		{name: "unknown size and digest, chunked", server: chunked(content), part: content[:5*kib], edit: func(f *File) { f.Size, f.Digest = 0, "" }},
		{name: "unknown size and digest, another part", server: noRanges(good(content)), part: other[:5*kib], sent: 2 * len(content), edit: func(f *File) { f.Size, f.Digest = 0, "" }},
		{name: "unknown size and digest, range of unknown size", server: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "" {
				good(content)(w, r)
				return
			}
			w.Header().Set("Content-Range", "bytes 10-19/*")
			w.WriteHeader(206)
			w.Write(content[10:20])
		}, part: content[:10], sent: len(content) + 10, edit: func(f *File) { f.Size, f.Digest = 0, "" }},
		{name: "captive portal once, chunked", server: inTurn(chunked([]byte(strings.Repeat("<html>", 1000))), good(content)), sent: len(content) + 6000},
		{name: "captive portal once, chunked, to a range", server: inTurn(chunked([]byte(strings.Repeat("<html>", 1000))), good(content)), part: content[:kib], sent: len(content) - kib + 6000},
		{name: "corrupt part, chunked", server: chunked(content), part: other[:5*kib], sent: 3 * len(content)},
		{name: "SHA-512", server: good(content), part: content[:5*kib], sent: len(content) - 5*kib, edit: func(f *File) { f.Digest = longer("sha512", content) }},
		{name: "SHA-512, no ranges", server: noRanges(good(content)), part: content[:5*kib], edit: func(f *File) { f.Digest = longer("sha512", content) }},
		{name: "SHA-384, another part", server: inTurn(good(content), good(content)), part: other[:5*kib], sent: 2*len(content) - 5*kib, edit: func(f *File) { f.Digest = longer("sha384", content) }},
		{name: "digest in capitals", server: good(content), edit: func(f *File) { f.Digest = tree.Digest("sha256:" + strings.ToUpper(f.Digest.Hex())) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := newTestClient(t, Options{})
			o := serve(t, test.server)
			f := wanted(t, content, o.URL+"/a.rpm")
			if test.edit != nil {
				test.edit(&f)
			}
			if test.part != nil {
				if err := os.WriteFile(f.Path+PartSuffix, test.part, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var last Progress
			finished := 0
			err := c.Fetch(t.Context(), []File{f}, func(p Progress) {
				last = p
				if p.Finished {
					finished++
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			mustHave(t, f.Path, content)
			mustNotExist(t, f.Path+PartSuffix)
			if n := int64(len(content)); finished != 1 || !last.Finished || last.Done != n || last.FileDone != n || last.Total != n {
				t.Errorf("finished %d times, lastly %+v", finished, last)
			}
			if test.sent == 0 {
				test.sent = len(content)
			}
			if sent := o.sent.Load(); sent > int64(test.sent) {
				t.Errorf("the server sent %d bytes; %d were enough: %q", sent, test.sent, o.requests())
			}
		})
	}
}

// A power cut leaves zeros at the end of a partial file: what is before them is kept.
func TestFetchAfterPowerCut(t *testing.T) {
	content := random(300*kib + 7)
	ended := append(random(200*kib), make([]byte, 100*kib+7)...) // with zeros that it really has
	zeroed := func(from, n int) []byte { return append(slices.Clone(content[:from]), make([]byte, n-from)...) }
	for _, test := range []struct {
		name  string
		whole []byte
		part  []byte
		from  int // what is asked for first
		drops int // bytes after which the server hangs up
	}{
		{name: "blocks", whole: content, part: zeroed(100*kib, 200*kib), from: 96 * kib},
		{name: "one block", whole: content, part: zeroed(196*kib, 200*kib), from: 192 * kib},
		{name: "from the middle of a block", whole: content, part: zeroed(101*kib, 200*kib), from: 100 * kib},
		{name: "to the middle of a block", whole: content, part: zeroed(100*kib, 201*kib+5), from: 96 * kib},
		{name: "from and to the middle of a block", whole: content, part: zeroed(101*kib, 201*kib+5), from: 100 * kib},
		{name: "up to the file's end", whole: content, part: zeroed(100*kib, len(content)), from: 96 * kib},
		{name: "beyond the file's end", whole: content, part: zeroed(100*kib, len(content)+9*kib), from: 96 * kib},
		{name: "all", whole: content, part: zeroed(0, 200*kib)},
		{name: "all but a piece of the first block", whole: content, part: zeroed(kib, 200*kib)},
		{name: "none", whole: content, part: content[:200*kib+5], from: 200*kib + 5},
		{name: "zeros that are right", whole: ended, part: ended[:250*kib], from: 196 * kib},
		{name: "zeros that are right, less than a block", whole: ended, part: ended[:200*kib-5], from: 200*kib - 5},
		{name: "zeros that are right, all there", whole: ended, part: ended, from: 196 * kib},
		{name: "zeros that are right, drops", whole: ended, part: ended[:250*kib], from: 196 * kib, drops: 10 * kib},
		{name: "zeros that are right, from the start, drops", whole: ended, part: []byte{}, drops: 10 * kib},
	} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprint(test.name, ", known ", known), func(t *testing.T) {
				c, _ := newTestClient(t, Options{})
				server := good(test.whole)
				if test.drops > 0 {
					server = dropping(test.drops, server)
				}
				o := serve(t, server)
				f := wanted(t, test.whole, o.URL+"/a.rpm")
				if err := os.WriteFile(f.Path+PartSuffix, test.part, 0o644); err != nil {
					t.Fatal(err)
				}
				if !known {
					f.Size, f.Digest = 0, ""
					if err := keepVersion(f.Path+PartSuffix, `"v1"`); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
					t.Fatal(err)
				}
				mustHave(t, f.Path, test.whole)
				first := "GET"
				if test.from > 0 {
					first = fmt.Sprintf("GET bytes=%d-", test.from)
				}
				if asked := o.requests(); asked[0] != first || o.sent.Load() != int64(len(test.whole)-test.from) {
					t.Errorf("%d bytes were sent for the missing %d: %q", o.sent.Load(), len(test.whole)-test.from, asked)
				}
				// A whole file is not a part.
				if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
					t.Fatal(err)
				}
				if sent := o.sent.Load(); sent != int64(len(test.whole)-test.from) {
					t.Errorf("what is there is fetched again: %q", o.requests())
				}
			})
		}
	}
}

// What comes in the place of nothing but zeros is not taken for the version that those were of.
func TestFetchAfterPowerCutOtherVersion(t *testing.T) {
	c, _ := newTestClient(t, Options{RetryFor: time.Minute})
	content := random(100 * kib)
	f := wanted(t, content, serve(t, inTurn(dropping(50*kib, tagless(content)), status(500))).URL+"/a.rpm")
	f.Size, f.Digest = 0, ""
	if err := errors.Join(os.WriteFile(f.Path+PartSuffix, make([]byte, 20*kib), 0o644), keepVersion(f.Path+PartSuffix, `"v1"`)); err != nil {
		t.Fatal(err)
	}
	mustBe(t, c.Fetch(t.Context(), []File{f}, nil), Interrupted)
	mustHave(t, f.Path+PartSuffix, content[:50*kib])
	mustNotExist(t, f.Path+PartSuffix+versionSuffix)
}

func TestFetchFails(t *testing.T) {
	content := random(100 * kib)
	other := random(100*kib + 1)[1:]
	portal := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<html>Please log in</html>") }
	for _, test := range []struct {
		name    string
		server  http.HandlerFunc
		kind    Kind
		gets    int  // requests, if that is fixed
		keeps   bool // the part
		part    []byte
		message string
	}{
		{name: "404", server: status(404), kind: NotFound, gets: 1, message: "404 Not Found"},
		{name: "410", server: status(410), kind: NotFound, gets: 1},
		{name: "403", server: status(403), kind: Refused, gets: 1, part: content[:10], keeps: true},
		{name: "204", server: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) }, kind: Corrupt, gets: 2},
		{name: "500 for ever", server: status(500), kind: Interrupted, part: content[:10], keeps: true, message: "tries"},
		{name: "drops for ever at the same byte", server: dropping(10, noRanges(good(content))), kind: Interrupted, part: content[:50], keeps: true},
		{name: "corrupt twice", server: good(other), kind: Corrupt, gets: 2, message: digest(content)},
		{name: "captive portal", server: portal, kind: Corrupt, gets: 2, part: content[:10], keeps: true, message: "26 bytes"},
		{name: "captive portal, chunked", server: chunked([]byte("<html>")), kind: Corrupt, gets: 2},
		{name: "captive portal, chunked, to a range", server: chunked([]byte("<html>")), kind: Corrupt, gets: 2, part: content[:10], keeps: true},
		{name: "wrong size in a range", server: good(random(99 * kib)), part: content[:50], kind: Corrupt, gets: 2, keeps: true},
		{name: "redirect to a file", server: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, kind: Refused, gets: 1, message: "file URL"},
		{name: "redirects for ever", server: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/", http.StatusFound)
		}, kind: Refused, gets: 10},
		{name: "large headers", server: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 80*kib))
		}, kind: Interrupted},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, k := newTestClient(t, Options{RetryFor: time.Minute})
			o := serve(t, test.server)
			f := wanted(t, content, strings.Replace(o.URL, "//", "//me:secret@", 1)+"/a.rpm")
			f.Label = "alpha-1-1.noarch"
			if test.part != nil {
				os.WriteFile(f.Path+PartSuffix, test.part, 0o644)
			}
			err := c.Fetch(t.Context(), []File{f}, nil)
			e := mustBe(t, err, test.kind)
			for _, s := range []string{"alpha-1-1.noarch", o.Listener.Addr().String() + "/a.rpm", test.kind.String(), test.message} {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
			if strings.Contains(err.Error()+e.URL, "secret") {
				t.Errorf("%q has the password", err)
			}
			if test.gets > 0 && len(o.requests()) != test.gets {
				t.Errorf("%q: want %d requests", o.requests(), test.gets)
			}
			if test.kind == Interrupted && (k.slept < 20*time.Second || k.slept > time.Minute) {
				t.Errorf("gave up after %v", k.slept)
			}
			mustNotExist(t, f.Path)
			if test.keeps {
				mustHave(t, f.Path+PartSuffix, test.part)
			}
		})
	}
}

func TestFetchFromTheNextSource(t *testing.T) {
	content := random(300 * kib)
	right := serve(t, good(content))
	for _, test := range []struct {
		name  string
		first string
	}{
		{"404", serve(t, status(404)).URL},
		{"403", serve(t, status(403)).URL},
		{"500", serve(t, status(500)).URL},
		{"nobody", nobody(t)},
		{"corrupt", serve(t, good(random(300*kib + 1)[1:])).URL},
		{"captive portal", serve(t, good([]byte("<html>"))).URL},
		{"drops", serve(t, inTurn(dropping(100*kib, good(content)), status(404))).URL},
		{"stalls", serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content[:10*kib])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}).URL},
		{"no such scheme", "gopher://example.org"},
		{"no URL", "http://[::1"},
		{"file", "file:///nonexistent"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, k := newTestClient(t, Options{})
			c.stall = 200 * time.Millisecond
			f := wanted(t, content, test.first+"/a", right.URL+"/a")
			if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
				t.Fatal(err)
			}
			mustHave(t, f.Path, content)
			if k.slept > 0 {
				t.Errorf("waited %v though the second source was ready", k.slept)
			}
		})
	}
}

func TestFetchRedirected(t *testing.T) {
	content := random(100 * kib)
	mirror := serve(t, dropping(60*kib, good(content)))
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, mirror.URL+"/mirrored", http.StatusFound)
	})
	c, _ := newTestClient(t, Options{})
	f := wanted(t, content, o.URL+"/a")
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
	if got := mirror.sent.Load(); got != int64(len(content)) {
		t.Errorf("the mirror sent %d bytes", got)
	}
}

func TestFetchNoNetwork(t *testing.T) {
	c, k := newTestClient(t, Options{RetryFor: time.Minute})
	f := wanted(t, random(10), nobody(t)+"/a", nobody(t)+"/b")
	err := c.Fetch(t.Context(), []File{f}, nil)
	mustBe(t, err, NoNetwork)
	if k.slept == 0 || k.slept > 2*time.Second { // who starts its server anew has that long
		t.Errorf("gave up after %v", k.slept)
	}
	for _, u := range f.URLs {
		if !strings.Contains(err.Error(), u) {
			t.Errorf("%q does not say that %s was tried", err, u)
		}
	}
}

func TestFetchWithoutSource(t *testing.T) {
	c, _ := newTestClient(t, Options{})
	mustBe(t, c.Fetch(t.Context(), []File{wanted(t, random(10))}, nil), NotFound)
}

// A dead host is asked once, not once a file.
func TestFetchAvoidsDeadHosts(t *testing.T) {
	content := random(10)
	o := serve(t, good(content))
	c, _ := newClientFor(t, Options{Parallel: 1})
	dead := nobody(t)
	var asked atomic.Int64
	c.transport.Proxy = func(r *http.Request) (*url.URL, error) {
		if "http://"+r.URL.Host == dead {
			asked.Add(1)
		}
		return nil, nil
	}
	var files []File
	for range 5 {
		files = append(files, wanted(t, content, dead+"/a", o.URL+"/a"))
	}
	if err := c.Fetch(t.Context(), files, nil); err != nil {
		t.Fatal(err)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the dead host was asked %d times", n)
	}
}

func TestFetchManyThroughFew(t *testing.T) {
	contents := map[string][]byte{}
	together := make(chan struct{}, 3)
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		// The first three wait for each other: all three connections are used.
		select {
		case together <- struct{}{}:
			for len(together) < 3 && r.Context().Err() == nil {
				runtime.Gosched()
			}
		default:
		}
		good(contents[r.URL.Path])(w, r)
	})
	c, k := newTestClient(t, Options{Parallel: 3})
	k.sleep(t.Context(), 0)
	var files []File
	dir := t.TempDir()
	var total int64
	for i := range 40 {
		path := fmt.Sprintf("/%d.rpm", i)
		contents[path] = random(1 + i*3*kib)
		f := wanted(t, contents[path], o.URL+path)
		f.Path = filepath.Join(dir, "deep", fmt.Sprint(i%2), path)
		files = append(files, f)
		total += f.Size
	}
	files = append(files, files[7], files[39])
	total2 := total // a Path twice counts once
	var inside atomic.Bool
	finished := make([]int, len(files))
	var reports int
	err := c.Fetch(t.Context(), files, func(p Progress) {
		if !inside.CompareAndSwap(false, true) {
			t.Error("two reports at once")
		}
		defer inside.Store(false)
		reports++
		if p.Total != total2 || p.Done > p.Total || p.FileDone > files[p.File].Size {
			t.Errorf("%+v of %d", p, total2)
		}
		if p.Finished {
			finished[p.File]++
			mustHave(t, files[p.File].Path, contents["/"+filepath.Base(files[p.File].Path)])
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(finished, func(n int) bool { return n != 1 }); i >= 0 {
		t.Errorf("file %d finished %d times", i, finished[i])
	}
	if most := o.most.Load(); most != 3 {
		t.Errorf("%d connections at once", most)
	}
	if n := len(o.requests()); n != 40 {
		t.Errorf("%d requests for 40 files", n)
	}
	// The clock stands still: one report at each file's begin and one at its end.
	if reports > 2*len(files) {
		t.Errorf("%d reports", reports)
	}

	// Again: all there, nothing asked. One was cut meanwhile, one changed.
	os.Truncate(files[3].Path, 5)
	os.WriteFile(files[4].Path, random(int(files[4].Size) + 1)[1:], 0o644)
	if err := c.Fetch(t.Context(), files, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(o.requests()); n != 42 {
		t.Errorf("%d requests for 2 damaged files", n-40)
	}
	for i := range 40 {
		mustHave(t, files[i].Path, contents[fmt.Sprintf("/%d.rpm", i)])
	}
}

func TestFetchRefusesTwoFilesAtOnePath(t *testing.T) {
	c, _ := newTestClient(t, Options{})
	a, b := wanted(t, random(5)), wanted(t, random(6))
	b.Path = filepath.Dir(a.Path) + "/./" + filepath.Base(a.Path)
	mustBe(t, c.Fetch(t.Context(), []File{a, b}, nil), Denied)
}

func TestFetchCancelledGoesOnLater(t *testing.T) {
	content := random(1000 * kib)
	arrived := make(chan struct{})
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			good(content)(w, r)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:600*kib])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	c, k := newTestClient(t, Options{Parallel: 1})
	f := wanted(t, content, o.URL+"/a")
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	go func() { <-arrived; cancel() }()
	err := c.Fetch(ctx, []File{f, wanted(t, content, o.URL+"/b")}, func(p Progress) {
		k.sleep(t.Context(), reportEvery)
		if p.FileDone == 600*kib {
			once.Do(func() { close(arrived) })
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	mustHave(t, f.Path+PartSuffix, content[:600*kib])

	before := o.sent.Load()
	var first *Progress
	if err := c.Fetch(t.Context(), []File{f}, func(p Progress) {
		if first == nil {
			first = &p
		}
	}); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
	if got := o.sent.Load() - before; got != 400*kib {
		t.Errorf("%d bytes were sent for the missing %d: %q", got, 400*kib, o.requests())
	}
	if first.Done <= 600*kib {
		t.Errorf("the first report does not count what was there: %+v", first)
	}
}

// A download that is stopped when all of it is there keeps it, whether or not a digest vouches for
// it.
func TestFetchCancelledAtTheEnd(t *testing.T) {
	content := random(1000 * kib)
	for _, known := range []bool{true, false} {
		t.Run(fmt.Sprintf("known %v", known), func(t *testing.T) {
			o := serve(t, good(content))
			c, k := newTestClient(t, Options{})
			f := wanted(t, content, o.URL+"/a")
			if !known {
				f.Size, f.Digest = 0, ""
			}
			ctx, cancel := context.WithCancel(t.Context())
			err := c.Fetch(ctx, []File{f}, func(p Progress) {
				k.sleep(t.Context(), reportEvery)
				if p.FileDone == int64(len(content)) {
					cancel()
				}
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			mustHave(t, f.Path+PartSuffix, content)
			before := o.sent.Load()
			if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
				t.Fatal(err)
			}
			mustHave(t, f.Path, content)
			if again := o.sent.Load() - before; again > 100 {
				t.Errorf("%d bytes were sent for a file that was there: %q", again, o.requests())
			}
		})
	}
}

func TestFetchCancelledWhileWaiting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := newTestClient(t, Options{})
	c.sleep = func(ctx context.Context, d time.Duration) error { cancel(); return sleep(ctx, d) }
	o := serve(t, status(503))
	if err := c.Fetch(ctx, []File{wanted(t, random(5), o.URL)}, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// One file that fails for good stops the others, which keep what they have.
func TestFetchFailureStopsAll(t *testing.T) {
	content := random(100 * kib)
	half := make(chan struct{})
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content[:50*kib])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/bad":
			select {
			case <-half:
			case <-r.Context().Done():
			}
			status(404)(w, r)
		default:
			t.Errorf("%s was asked for", r.URL)
		}
	})
	c, k := newTestClient(t, Options{Parallel: 2})
	files := []File{wanted(t, content, o.URL+"/slow"), wanted(t, content, o.URL+"/bad"), wanted(t, content, o.URL+"/never")}
	var once sync.Once
	err := c.Fetch(t.Context(), files, func(p Progress) {
		k.sleep(t.Context(), reportEvery)
		if p.FileDone == 50*kib {
			once.Do(func() { close(half) })
		}
	})
	mustBe(t, err, NotFound)
	mustHave(t, files[0].Path+PartSuffix, content[:50*kib])
}

func TestFetchDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("NOT TESTED, a file system can't be mounted: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	content := random(1000 * kib)
	o := serve(t, good(content))
	c, _ := newTestClient(t, Options{})
	f := wanted(t, content, o.URL+"/a")
	f.Path = filepath.Join(dir, "a.rpm")
	mustBe(t, c.Fetch(t.Context(), []File{f}, nil), NoSpace)
	if n := len(o.requests()); n != 1 {
		t.Errorf("%d requests for a disk that was full at the first", n)
	}

	// Space appears, and what was there is not fetched again.
	part, err := os.Stat(f.Path + PartSuffix)
	if err != nil || part.Size() == 0 {
		t.Fatalf("%v, %v", part, err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)
	if got, want := o.requests()[1], fmt.Sprintf("GET bytes=%d-", part.Size()); got != want {
		t.Errorf("asked %q and not %q", got, want)
	}
}

func TestFetchReadOnlyDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("NOT TESTED, a file system can't be mounted: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	content := random(10)
	c, _ := newTestClient(t, Options{})
	f := wanted(t, content, serve(t, good(content)).URL)
	f.Path = filepath.Join(dir, "a.rpm")
	if e := mustBe(t, c.Fetch(t.Context(), []File{f}, nil), Denied); !errors.Is(e, syscall.EROFS) {
		t.Error(e)
	}
}

func TestFetchFileInPlaceOfFolder(t *testing.T) {
	content := random(10)
	c, _ := newTestClient(t, Options{})
	f := wanted(t, content, serve(t, good(content)).URL)
	os.WriteFile(f.Path, nil, 0o644)
	f.Path += "/deeper/a.rpm"
	mustBe(t, c.Fetch(t.Context(), []File{f}, nil), Denied)

	for _, suffix := range []string{"", PartSuffix} {
		f = wanted(t, content, serve(t, good(content)).URL)
		os.Mkdir(f.Path+suffix, 0o755)
		e := mustBe(t, c.Fetch(t.Context(), []File{f}, nil), Denied)
		if !strings.Contains(e.Error(), "not a regular file") {
			t.Error(e)
		}
	}
}

func TestFetchSyncs(t *testing.T) {
	content := random(10)
	c, _ := newTestClient(t, Options{})
	f := wanted(t, content, serve(t, good(content)).URL)
	var synced []string
	c.sync = func(path string) error { synced = append(synced, path); return syncPath(path) }
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{f.Path + PartSuffix, filepath.Dir(f.Path)}; !slices.Equal(synced, want) {
		t.Errorf("synced %q and not %q", synced, want)
	}

	os.Remove(f.Path)
	c.sync = func(string) error { return syscall.EDQUOT }
	mustBe(t, c.Fetch(t.Context(), []File{f}, nil), NoSpace)
	mustNotExist(t, f.Path)
}

// What comes over a slow link is brought to the disk on the way.
func TestFetchSyncsOnTheWay(t *testing.T) {
	content := random(1000 * kib)
	c, k := newTestClient(t, Options{})
	f := wanted(t, content, serve(t, good(content)).URL)
	var mu sync.Mutex
	synced := 0
	c.sync = func(path string) error {
		mu.Lock()
		defer mu.Unlock()
		if path == f.Path+PartSuffix {
			synced++
		}
		return nil
	}
	slow := sync.OnceFunc(func() { k.sleep(t.Context(), secureEvery) })
	err := c.Fetch(t.Context(), []File{f}, func(p Progress) {
		k.sleep(t.Context(), reportEvery)
		if p.FileDone > 300*kib {
			slow()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if synced < 2 {
		t.Errorf("synced %d times, and not on the way", synced)
	}
}

func TestFetchFromFolder(t *testing.T) {
	content := random(500 * kib)
	path := filepath.Join(t.TempDir(), "with space.rpm")
	os.WriteFile(path, content, 0o644)
	c, _ := newTestClient(t, Options{})
	f := wanted(t, content, (&url.URL{Scheme: "file", Path: path}).String())
	os.WriteFile(f.Path+PartSuffix, content[:100*kib], 0o644)
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f.Path, content)

	f = wanted(t, content, "file:///nonexistent/a.rpm")
	mustBe(t, c.Fetch(t.Context(), []File{f}, nil), NotFound)
	f = wanted(t, content, "file://"+filepath.Dir(path)+"/")
	f.Size = 0
	mustBe(t, c.Fetch(t.Context(), []File{f}, nil), Corrupt)
}

func TestProgress(t *testing.T) {
	k := &clock{t: time.Now()}
	files := []File{{Path: "/nonexistent/a", Size: 1000}, {Path: "/nonexistent/b"}}
	jobs, err := plan(files)
	if err != nil {
		t.Fatal(err)
	}
	var got []Progress
	newMeters(jobs, k.now, func(p Progress) { got = append(got, p) })
	a, b := jobs[0].meter, jobs[1].meter
	for i := range 10 {
		k.sleep(t.Context(), reportEvery/2)
		a.gain(50, int64(50*(i+1)), 1000)
	}
	if n := len(got); n < 4 || n > 6 {
		t.Errorf("%d reports in half a second", n)
	}
	if p := got[len(got)-1]; p.Total != 0 || p.Speed < 900 || p.Speed > 1100 {
		t.Errorf("%+v", p)
	}
	b.set(0, 500)
	a.set(0, 1000) // wrong, anew
	k.sleep(t.Context(), reportEvery)
	b.gain(500, 500, 500)
	b.finish()
	if p := got[len(got)-1]; !p.Finished || p.File != 1 || p.Done != 500 || p.Total != 1500 || p.FileDone != 500 {
		t.Errorf("%+v", p)
	}
}
