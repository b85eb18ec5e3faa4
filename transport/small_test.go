// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

func gzipped(content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			good(content)(w, r)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		z.Write(content)
		z.Close()
	}
}

func TestGet(t *testing.T)      { testGet(t, serve) }
func TestGetHTTP2(t *testing.T) { testGet(t, serveHTTP2) }

func testGet(t *testing.T, serve func(*testing.T, http.HandlerFunc) *origin) {
	content := bytes.Repeat([]byte("a tree "), 10000)
	noise := random(len(content))
	for _, test := range []struct {
		name    string
		content []byte
		server  http.HandlerFunc
		sent    int
	}{
		{"good", content, good(content), len(content)},
		{"compressed", content, gzipped(content), 2 * kib},
		{"empty", nil, good(nil), 0},
		{"drops", noise, dropping(20*kib, good(noise)), len(noise)},
		{"drops, compressed", noise, dropping(20*kib, gzipped(noise)), len(noise) + 20*kib},
		{"drops, no ranges", noise, inTurn(dropping(20*kib, good(noise)), noRanges(good(noise))), len(noise) + 20*kib},
		{"drops, then 416", noise, inTurn(dropping(20*kib, good(noise)), status(416), good(noise)), len(noise) + 21*kib},
		{"503", content, inTurn(status(503), good(content)), len(content) + 100},
		{"corrupt once", content, inTurn(good(noise), good(content)), 2 * len(content)},
		{"wrong range", noise, inTurn(dropping(20*kib, good(noise)), func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9/10")
			w.WriteHeader(206)
		}, good(noise)), len(noise) + 20*kib},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, k := newTestClient(t, Options{})
			o := serve(t, test.server)
			ref := tree.NewRef("trees/a@", test.content, ".json")
			got, err := c.Get(t.Context(), []string{o.URL + "/" + ref.Path}, ref)
			if err != nil || !bytes.Equal(got, test.content) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if sent := o.sent.Load(); sent > int64(test.sent) {
				t.Errorf("the server sent %d bytes; %d were enough", sent, test.sent)
			}
			if k.slept > 2*time.Second {
				t.Errorf("waited %v", k.slept)
			}
		})
	}
}

// matches is a check of GetChecked.
func matches(content []byte) func([]byte) error {
	return func(whole []byte) error {
		if !bytes.Equal(whole, content) {
			return errors.New("another file came")
		}
		return nil
	}
}

// Files whose size nobody knows: what came is kept as far as the next answer continues it, and the
// check has the last word.
func TestGetChecked(t *testing.T)      { testGetChecked(t, serve) }
func TestGetCheckedHTTP2(t *testing.T) { testGetChecked(t, serveHTTP2) }

func testGetChecked(t *testing.T, serve func(*testing.T, http.HandlerFunc) *origin) {
	content := bytes.Repeat([]byte("a block "), 10000)
	noise := random(len(content))
	ranged := func(header string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", header)
			w.WriteHeader(206)
			w.Write(noise[20*kib : 20*kib+10])
		}
	}
	for _, test := range []struct {
		name    string
		content []byte
		server  http.HandlerFunc
		sent    int
	}{
		{"good", content, good(content), len(content)},
		{"chunked", content, chunked(content), len(content)},
		{"compressed", content, gzipped(content), 2 * kib},
		{"empty", nil, good(nil), 0},
		{"no length, hangs up", content, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			w.Header().Set("Transfer-Encoding", "identity")
			w.Write(content)
		}, len(content)},
		{"drops", noise, dropping(20*kib, good(noise)), len(noise)},
		{"drops, chunked", noise, inTurn(dropping(20*kib, chunked(noise)), good(noise)), len(noise)},
		{"drops, compressed", noise, dropping(20*kib, gzipped(noise)), len(noise) + 20*kib},
		{"drops, no ranges", noise, inTurn(dropping(20*kib, good(noise)), noRanges(good(noise))), len(noise) + 20*kib},
		{"drops, then 416", noise, inTurn(dropping(20*kib, good(noise)), status(416), good(noise)), len(noise) + 21*kib},
		{"drops, then a short range", noise, inTurn(dropping(20*kib, good(noise)), ranged(fmt.Sprintf("bytes 20480-20489/%d", len(noise))), good(noise)), len(noise)},
		{"drops, then a range of unknown size", noise, inTurn(dropping(20*kib, good(noise)), ranged("bytes 20480-20489/*"), good(noise)), len(noise) + 20*kib + 10},
		{"drops, then a range of too large a file", noise, inTurn(dropping(20*kib, good(noise)), ranged("bytes 20480-20489/1000000000000"), good(noise)), len(noise) + 20*kib + 10},
		{"drops, then another file", noise, inTurn(dropping(20*kib, good(noise)), good(content), good(noise)), 2*len(noise) + 20*kib},
		{"503", content, inTurn(status(503), good(content)), len(content) + 100},
		{"corrupt once", content, inTurn(good(noise), good(content)), 2 * len(content)},
		{"empty once", content, inTurn(good(nil), good(content)), len(content)},
		{"too large once", content, inTurn(good(random(len(content)+1)), good(content)), 2*len(content) + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, k := newTestClient(t, Options{})
			o := serve(t, test.server)
			got, err := c.GetChecked(t.Context(), []string{o.URL}, "a block", int64(len(content)), matches(test.content))
			if err != nil || !bytes.Equal(got, test.content) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if sent := o.sent.Load(); sent > int64(test.sent) {
				t.Errorf("the server sent %d bytes; %d were enough", sent, test.sent)
			}
			if k.slept > 2*time.Second {
				t.Errorf("waited %v", k.slept)
			}
		})
	}
}

func TestGetCheckedFails(t *testing.T) {
	content := random(1000)
	for _, test := range []struct {
		name    string
		server  http.HandlerFunc
		kind    Kind
		message string
	}{
		{"404", status(404), NotFound, "404"},
		{"corrupt", good(random(1001)[1:]), Corrupt, "another file came"},
		{"longer", good(random(1001)), Corrupt, "more than the 1000"},
		{"longer, chunked", chunked(random(1001)), Corrupt, "more than 1000"},
		{"longer when unpacked", gzipped(make([]byte, 1<<20)), Corrupt, "more than 1000"},
		{"shorter", good(content[:999]), Corrupt, "another file came"},
		{"503", status(503), Interrupted, "503"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := newTestClient(t, Options{})
			o := serve(t, test.server)
			_, err := c.GetChecked(t.Context(), []string{o.URL + "/a", o.URL + "/b"}, "a block", 1000, matches(content))
			e := mustBe(t, err, test.kind)
			for _, s := range []string{test.message, o.URL + "/a", o.URL + "/b"} {
				if e.Label != "a block" || !strings.Contains(err.Error(), s) {
					t.Errorf("%v: want %q in it", err, s)
				}
			}
		})
	}
	c, _ := newTestClient(t, Options{})
	wrong := serve(t, good(random(1001)[1:])).URL
	if got, err := c.GetChecked(t.Context(), []string{wrong, serve(t, good(content)).URL}, "a block", 1000, matches(content)); err != nil || !bytes.Equal(got, content) {
		t.Error("from the next source:", err)
	}
}

func TestGetFails(t *testing.T) {
	content := random(1000)
	for _, test := range []struct {
		name   string
		server http.HandlerFunc
		kind   Kind
	}{
		{"404", status(404), NotFound},
		{"403", status(403), Refused},
		{"corrupt", good(random(1001)[1:]), Corrupt},
		{"longer", good(random(1001)), Corrupt},
		{"longer, chunked", chunked(random(1001)), Corrupt},
		{"longer when unpacked", gzipped(make([]byte, 1<<20)), Corrupt},
		{"shorter", good(random(999)), Corrupt},
		{"shorter, chunked", chunked(random(999)), Corrupt},
		{"503", status(503), Interrupted},
		{"broken gzip", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(content)
		}, Interrupted},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, k := newTestClient(t, Options{})
			o := serve(t, test.server)
			ref := tree.NewRef("trees/a@", content, ".json")
			_, err := c.Get(t.Context(), []string{o.URL + "/a", o.URL + "/b"}, ref)
			e := mustBe(t, err, test.kind)
			if e.Label != ref.Path || !strings.Contains(err.Error(), o.URL+"/a") || !strings.Contains(err.Error(), o.URL+"/b") {
				t.Error(err)
			}
			if k.slept > c.SmallRetryFor {
				t.Errorf("waited %v", k.slept)
			}
		})
	}
	c, _ := newTestClient(t, Options{})
	_, err := c.Get(t.Context(), []string{nobody(t)}, tree.NewRef("trees/a@", content, ".json"))
	mustBe(t, err, NoNetwork)
	_, err = c.Get(t.Context(), nil, tree.Ref{Size: -1})
	mustBe(t, err, Corrupt)
}

func TestGetFromTheNextSource(t *testing.T) {
	content := random(1000)
	c, k := newTestClient(t, Options{})
	c.stall = 100 * time.Millisecond
	silent := serve(t, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	got, err := c.Get(t.Context(), []string{silent.URL, nobody(t), serve(t, good(content)).URL + "/a"}, tree.NewRef("trees/a@", content, ".json"))
	if err != nil || !bytes.Equal(got, content) || k.slept > 0 {
		t.Fatal(err, k.slept)
	}
}

func TestGetCancelled(t *testing.T) {
	c, _ := newTestClient(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	o := serve(t, func(w http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	if _, err := c.Get(ctx, []string{o.URL}, tree.NewRef("trees/a@", random(5), ".json")); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestRevalidate(t *testing.T) {
	old := time.Now().Add(-time.Hour)
	path := filepath.Join(t.TempDir(), "platform.json")
	os.WriteFile(path, []byte("one"), 0o644)
	os.Chtimes(path, old, old)
	tagged := func(w http.ResponseWriter, r *http.Request) {
		body, _ := os.ReadFile(path)
		w.Header().Set("ETag", `W/"`+string(body)+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
	dated := func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) }
	for name, url := range map[string]string{
		"tags":  serve(t, tagged).URL + "/platform.json",
		"dates": serve(t, dated).URL + "/platform.json",
		"file":  "file://" + path,
	} {
		t.Run(name, func(t *testing.T) {
			os.WriteFile(path, []byte("one"), 0o644)
			os.Chtimes(path, old, old)
			c, _ := newTestClient(t, Options{})
			ask := func(etag, body string, unchanged bool) string {
				t.Helper()
				a, err := c.Revalidate(t.Context(), url, etag, 10)
				if err != nil || string(a.Body) != body || a.Unchanged != unchanged {
					t.Fatalf("%+v, %v", a, err)
				}
				return a.ETag
			}
			etag := ask("", "one", false)
			if etag == "" {
				t.Fatal("nothing to revalidate with")
			}
			etag = ask(etag, "", true)
			os.WriteFile(path, []byte("two"), 0o644)
			os.Chtimes(path, old.Add(time.Minute), old.Add(time.Minute))
			etag = ask(etag, "two", false)
			ask(etag, "", true)

			// Just written: the next change may have the same date.
			os.WriteFile(path, []byte("three"), 0o644)
			if etag := ask(etag, "three", false); name != "tags" && etag != "" {
				t.Errorf("%q vouches for a file that is still being changed", etag)
			}

			os.WriteFile(path, []byte("more than ten"), 0o644)
			_, err := c.Revalidate(t.Context(), url, "", 10)
			mustBe(t, err, Corrupt)
		})
	}
}

func TestRevalidateFails(t *testing.T) {
	c, _ := newTestClient(t, Options{})
	for _, test := range []struct {
		name   string
		server http.HandlerFunc
		kind   Kind
	}{
		{"404", status(404), NotFound},
		{"too long, chunked", chunked(random(11)), Corrupt},
		{"304 to no question", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(304) }, Refused},
		{"cut", dropping(5, good(random(10))), Interrupted},
		{"Retry-After beyond our patience", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(503)
		}, Interrupted},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := c.Revalidate(t.Context(), serve(t, test.server).URL+"/platform.json", "", 10)
			if e := mustBe(t, err, test.kind); e.Label != "platform.json" {
				t.Error(err)
			}
		})
	}
}

// From https to http only content with a digest may come.
func TestRedirectToPlainHTTP(t *testing.T) {
	content := random(10)
	open := serve(t, good(content))
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, open.URL, http.StatusFound)
	}))
	defer s.Close()
	c, _ := newClientFor(t, Options{})
	c.transport.TLSClientConfig.RootCAs = nil
	_, err := c.Revalidate(t.Context(), s.URL, "", 10)
	if mustBe(t, err, Refused); !strings.Contains(err.Error(), "clock") {
		t.Errorf("%q does not say that the certificate may be fine", err)
	}

	c, _ = newTestClient(t, Options{})
	_, err = c.Revalidate(t.Context(), s.URL, "", 10)
	if mustBe(t, err, Refused); !strings.Contains(err.Error(), "redirect") {
		t.Error(err)
	}
	if _, err := c.Get(t.Context(), []string{s.URL}, tree.NewRef("a@", content, "")); err != nil {
		t.Error(err)
	}
	f := wanted(t, content, s.URL)
	if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
		t.Error(err)
	}
	f = wanted(t, content, s.URL)
	f.Digest = ""
	mustBe(t, c.Fetch(t.Context(), []File{f}, nil), Refused)
}

func TestRequestHeaders(t *testing.T) {
	content := random(10)
	var seen []http.Header
	o := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Clone())
		good(content)(w, r)
	})
	c, _ := newTestClient(t, Options{UserAgent: "test/1"})
	if _, err := c.Get(t.Context(), []string{o.URL}, tree.NewRef("a@", content, "")); err != nil {
		t.Fatal(err)
	}
	if err := c.Fetch(t.Context(), []File{wanted(t, content, o.URL)}, nil); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"gzip", "identity"} {
		if got := seen[i].Get("Accept-Encoding"); got != want || seen[i].Get("User-Agent") != "test/1" {
			t.Errorf("%v", seen[i])
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":      0,
		"5":     5 * time.Second,
		"-5":    0,
		"99999": 2 * time.Minute,
		"1e3":   0,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(time.Hour).Format(http.TimeFormat):    2 * time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("%q: %v and not %v", header, got, want)
		}
	}
}

// The server's clock counts where it tells it: this computer's may be years off.
func TestRetryAfterByTheServersClock(t *testing.T) {
	now := time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)
	for _, off := range []int{-50, 0, 50} {
		resp := &http.Response{StatusCode: 503, Header: http.Header{"Date": {now.Format(http.TimeFormat)}, "Retry-After": {now.Add(5 * time.Second).Format(http.TimeFormat)}}}
		if got := unexpected(resp, now.AddDate(off, 0, 0)).wait; got != 5*time.Second {
			t.Errorf("%d years off: %v", off, got)
		}
	}
}

func TestParseContentRange(t *testing.T) {
	for header, want := range map[string]contentRange{
		"bytes 5-9/10": {5, 9, 10},
		"bytes 5-9/*":  {5, 9, -1},
		"bytes */10":   {-1, -1, 10},
		"Bytes 0-0/1":  {0, 0, 1},
	} {
		if got, err := parseContentRange(header); err != nil || got != want {
			t.Errorf("%q: %v, %v", header, got, err)
		}
	}
	for _, header := range []string{"", "bytes", "bytes */*", "bytes 5-4/10", "bytes 5-10/10", "bytes -5/10", "bytes 5-/10", "lines 1-2/3", "bytes +5-9/10", "bytes 5-9", "bytes 0-99999999999999999999/*"} {
		if got, err := parseContentRange(header); err == nil {
			t.Errorf("%q was taken as %v", header, got)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 5-9/10", "bytes 5-9/*", "bytes */10", "bytes 5--9/10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r, err := parseContentRange(header)
		if err != nil {
			return
		}
		again := fmt.Sprintf("bytes %d-%d/%d", r.First, r.Last, r.Size)
		switch {
		case r.First < 0 && (r.Last >= 0 || r.Size < 0), r.Last < r.First, r.Size >= 0 && r.Last >= r.Size:
			t.Errorf("%q was taken as %v", header, r)
		case r.First < 0:
			again = fmt.Sprintf("bytes */%d", r.Size)
		case r.Size < 0:
			again = fmt.Sprintf("bytes %d-%d/*", r.First, r.Last)
		}
		if r2, err := parseContentRange(again); err != nil || r2 != r {
			t.Errorf("%q became %q: %v, %v", header, again, r2, err)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "5", "-5", "2147483647", "99999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT"} {
		f.Add(s, int64(0))
		f.Add(s, int64(1<<40))
	}
	f.Fuzz(func(t *testing.T, header string, now int64) {
		if d := retryAfter(header, time.Unix(now, 0)); d < 0 || d > 2*time.Minute {
			t.Errorf("%q at %d: %v", header, now, d)
		}
	})
}

// What a server says of a file's version is sent to it and written to a file: it must bear both,
// and be read as it was written.
func FuzzValidator(f *testing.F) {
	for _, s := range []string{`"v"`, `W/"v"`, `"`, "\"a\r\nb\"", "\"\x00\"", "\"\x7f\"", "\"\u0080\xff\"", `"a"b"`, `"` + strings.Repeat("x", maxValidator) + `"`} {
		f.Add(s, "Fri, 01 Jan 2021 00:00:00 GMT", "")
		f.Add(s, "", "Fri, 01 Jan 2021 00:00:00 GMT")
	}
	f.Add("", "Fri, 01 Jan 2021 00:00:00 GMT", "Fri, 01 Jan 2021 00:00:01 GMT")
	f.Add("", "Friday, 01-Jan-21 00:00:00 GMT", "Sat Jan  2 00:00:00 2021")
	f.Fuzz(func(t *testing.T, tag, modified, date string) {
		h := http.Header{"Etag": {tag}, "Last-Modified": {modified}, "Date": {date}}
		v := validator(h, time.Unix(1<<31, 0))
		if v == "" {
			return
		}
		if !sendable(v) {
			t.Errorf("%q can't be sent", v)
		}
		if s := strong(h, time.Unix(1<<31, 0)); s != "" && (s != v || strings.HasPrefix(s, "W/")) {
			t.Errorf("%q became %q", v, s)
		} else if s != "" {
			part := filepath.Join(t.TempDir(), "a.part")
			if err := keepVersion(part, s); err != nil {
				t.Fatal(err)
			}
			if got := loadVersion(part); got != s {
				t.Errorf("%q was read as %q", s, got)
			}
			if otherVersion(h, s) {
				t.Errorf("%q isn't the version that it is", s)
			}
		}
	})
}

// What is in the place of a version's file may have been torn, or be anything.
func FuzzLoadVersion(f *testing.F) {
	for _, s := range []string{``, `"v"`, `"`, "\"a\nb\"", "\"\x00\"", "Fri, 01 Jan 2021 00:00:00 GMT", "Fri, 01 Jan 2021 00:00:00 GMT\n", `"` + strings.Repeat("x", 1000) + `"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		part := filepath.Join(t.TempDir(), "a.part")
		if err := os.WriteFile(part+versionSuffix, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if v := loadVersion(part); v != "" && !sendable(v) {
			t.Errorf("%q was taken as %q", content, v)
		}
	})
}

// sendable tells whether net/http sends a validator as it is: it refuses control characters and
// leaves out space around it.
func sendable(v string) bool {
	control := func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
	return len(v) <= maxValidator && !strings.ContainsFunc(v, control) && strings.TrimSpace(v) == v
}

// Entity tags are taken as servers make them, whatever RFC 9110 says.
func TestRevalidateOddTags(t *testing.T) {
	for _, tag := range []string{"\"\xff\u0080\"", `"a"b"`, "W/\"\t\""} {
		o := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // net/http's own server matches no such tag
			w.Header()["Etag"] = []string{tag}
			if r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			io.WriteString(w, "one")
		}))
		c, _ := newTestClient(t, Options{})
		a, err := c.Revalidate(t.Context(), o.URL+"/platform.json", "", 10)
		if err == nil {
			a, err = c.Revalidate(t.Context(), o.URL+"/platform.json", a.ETag, 10)
		}
		if err != nil || !a.Unchanged {
			t.Errorf("%q: %+v, %v", tag, a, err)
		}
	}
}
