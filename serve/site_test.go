// SPDX-License-Identifier: GPL-2.0-or-later

package serve

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// newTestSite serves a folder with files of every kind.
func newTestSite(t *testing.T) (dir string, server *httptest.Server) {
	t.Helper()
	top := t.TempDir()
	dir = filepath.Join(top, "served")
	for name, content := range map[string]string{
		"served/p/platform.json":                      `{"serial":1}`,
		"served/p/keys/fingerprint.asc":               `signed`,
		"served/p/platform@0123456789abcdef.json":     `{"serial":1}`,
		"served/p/platform@0123456789abcdef.json.asc": `signed`,
		"served/p/trees/a@0123456789abcdef.json":      strings.Repeat(`{"a":1}`, 1000),
		"served/p/search/0123456789abcdef.zst":        "zstd",
		"served/p/dictionary/0123456789abcdef.zst":    "zstd",
		"served/p/texts/0123456789abcdef/0":           "shard",
		"served/p/references/0123456789abcdef/7":      "shard",
		"served/p/rpms/a-1-1.noarch.rpm":              "0123456789",
		"served/p/.lock":                              "",
		"served/p/trees/.new-a@0123456789abcdef.json": "half",
		"served/q/index.html":                         "<html>",
		"served/packages/presolve/p/a":                `{}`,
		"served/packages/presolve/p/b":                `{}`,
		"served/packages/presolve/p/a-1-1.noarch.rpm": "rpm",
		"served/packages/presolve/p/.new-c":           "half",
		"secret":                                      "secret",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(top, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../../secret", filepath.Join(dir, "p", "link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	server = httptest.NewServer(patient(newSite(root)))
	t.Cleanup(func() { server.Close(); root.Close() })
	return dir, server
}

// ask sends one request as it is, without what Go's client adds.
func ask(t *testing.T, server *httptest.Server, method, target string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.URL.Opaque = target
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestSite(t *testing.T) {
	_, server := newTestSite(t)
	const forever = "public, max-age=31536000, immutable"
	for _, test := range []struct {
		method, target string
		headers        string // separated by newlines
		status         int
		body           string
		want           string // headers of the answer
	}{
		{"GET", "/p/platform.json", "", 200, `{"serial":1}`, "Content-Type: application/json\nCache-Control: no-cache\nVary: Accept-Encoding"},
		{"GET", "/p/platform@0123456789abcdef.json", "", 200, `{"serial":1}`, "Etag: \"0123456789abcdef\"\nCache-Control: " + forever},
		{"GET", "/p/platform@0123456789abcdef.json.asc", "", 200, "signed", "Content-Type: text/plain; charset=utf-8\nCache-Control: no-cache"},
		{"HEAD", "/p/platform.json", "", 200, "", "Content-Length: 12"},
		{"GET", "/p/keys/fingerprint.asc", "", 200, "signed", "Content-Type: text/plain; charset=utf-8\nCache-Control: no-cache"},
		{"GET", "/p/trees/a@0123456789abcdef.json", "", 200, strings.Repeat(`{"a":1}`, 1000), "Etag: \"0123456789abcdef\"\nCache-Control: " + forever},
		{"GET", "/p/trees/a@0123456789abcdef.json", `If-None-Match: "0123456789abcdef"`, 304, "", `Etag: "0123456789abcdef"`},
		{"GET", "/p/trees/a@0123456789abcdef.json", `If-None-Match: "other"`, 200, strings.Repeat(`{"a":1}`, 1000), ""},
		{"GET", "/p/trees/a@0123456789abcdef.json", "If-None-Match: \"0123456789abcdef-gzip\"\nAccept-Encoding: gzip", 304, "", `Etag: "0123456789abcdef-gzip"`},
		{"GET", "/p/trees/a@0123456789abcdef.json", "Accept-Encoding: gzip;q=0", 200, strings.Repeat(`{"a":1}`, 1000), ""},
		{"GET", "/p/trees/a@0123456789abcdef.json", "Accept-Encoding: gzip\nRange: bytes=1-3", 206, `"a"`, ""},
		{"GET", "/p/search/0123456789abcdef.zst", "Accept-Encoding: gzip", 200, "zstd", "Etag: \"0123456789abcdef\"\nContent-Encoding: \nContent-Type: application/zstd"},
		{"GET", "/p/dictionary/0123456789abcdef.zst", "Accept-Encoding: gzip", 200, "zstd", "Etag: \"0123456789abcdef\"\nContent-Encoding: \nContent-Type: application/zstd"},
		{"GET", "/p/texts/0123456789abcdef/0", "", 200, "shard", "Etag: \"0123456789abcdef/0\"\nCache-Control: " + forever},
		{"GET", "/p/references/0123456789abcdef/7", "Accept-Encoding: gzip", 200, "shard", "Etag: \"0123456789abcdef/7\"\nContent-Encoding: \nContent-Type: application/octet-stream\nCache-Control: " + forever},
		{"GET", "/p/rpms/a-1-1.noarch.rpm", "Range: bytes=3-", 206, "3456789", "Content-Range: bytes 3-9/10\nCache-Control: " + forever},
		{"GET", "/p/rpms/a-1-1.noarch.rpm", "Range: bytes=30-", 416, "invalid range: failed to overlap\n", ""},
		{"GET", "/p/rpms/a-1-1.noarch.rpm", "Range: bytes=3-\nIf-Range: \"other\"", 200, "0123456789", ""},
		{"GET", "/q/", "", 200, "<html>", "Content-Type: text/html; charset=utf-8"},
		{"GET", "/q", "", 301, "", "Location: /q/"},
		{"GET", "/packages/presolve/p/", "", 200, `["a","b"]`, "Content-Type: application/json\nCache-Control: no-cache"},
		{"GET", "/packages/presolve/p", "", 200, `["a","b"]`, ""},
		{"GET", "/packages/presolve/p/a", "", 200, `{}`, "Content-Type: application/json\nCache-Control: no-cache"},
		{"GET", "/packages/presolve/p/a-1-1.noarch.rpm", "", 200, "rpm", "Content-Type: application/x-rpm"},
		{"POST", "/p/platform.json", "", 405, "", "Allow: GET, HEAD"},
		{"GET", "/", "", 404, "", ""},
		{"GET", "/p/", "", 404, "", ""},
		{"GET", "/packages/presolve/", "", 404, "", ""},
		{"GET", "/p/missing.json", "", 404, "", ""},
		{"GET", "/p/.lock", "", 404, "", ""},
		{"GET", "/p/trees/.new-a@0123456789abcdef.json", "", 404, "", ""},
		{"GET", "/packages/presolve/p/.new-c", "", 404, "", ""},
		{"GET", "/p/link", "", 404, "", ""},
		{"GET", "/../secret", "", 404, "", ""},
		{"GET", "/p/../../secret", "", 404, "", ""},
		{"GET", "/%2e%2e/secret", "", 404, "", ""},
		{"GET", "/p/..%2f..%2fsecret", "", 404, "", ""},
		{"GET", "/p/%00", "", 404, "", ""},
		{"GET", "//secret", "", 404, "", ""},
	} {
		var headers []string
		if test.headers != "" {
			headers = strings.Split(test.headers, "\n")
		}
		resp, body := ask(t, server, test.method, test.target, headers...)
		name := test.method + " " + test.target + " " + test.headers
		if resp.StatusCode != test.status {
			t.Errorf("%s: %s", name, resp.Status)
		}
		if strings.Contains(body, "secret") || test.body != "" && body != test.body {
			t.Errorf("%s: the body is %.60q", name, body)
		}
		for h := range strings.SplitSeq(test.want, "\n") {
			if key, value, ok := strings.Cut(h, ": "); ok && resp.Header.Get(key) != value {
				t.Errorf("%s: %s is %q and should be %q", name, key, resp.Header.Get(key), value)
			}
		}
	}
}

func TestSiteCompresses(t *testing.T) {
	_, server := newTestSite(t)
	resp, body := ask(t, server, "GET", "/p/trees/a@0123456789abcdef.json", "Accept-Encoding: gzip")
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil || string(plain) != strings.Repeat(`{"a":1}`, 1000) || len(body) > 1000 {
		t.Errorf("%d bytes, %d unpacked, %v", len(body), len(plain), err)
	}
	if resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("Etag") != `"0123456789abcdef-gzip"` {
		t.Errorf("the header is %v", resp.Header)
	}
	if resp, body := ask(t, server, "HEAD", "/p/trees/a@0123456789abcdef.json", "Accept-Encoding: gzip"); body != "" || resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("HEAD: %v %q", resp.Header, body)
	}
}

// The ETag of what changes in place is its content's.
func TestSiteSeesChanges(t *testing.T) {
	dir, server := newTestSite(t)
	resp, _ := ask(t, server, "GET", "/p/platform.json")
	first := resp.Header.Get("Etag")
	if resp, _ := ask(t, server, "GET", "/p/platform.json", "If-None-Match: "+first); resp.StatusCode != 304 {
		t.Errorf("unchanged: %s", resp.Status)
	}
	replace := func(content string) {
		if err := os.WriteFile(filepath.Join(dir, "p/.new-platform.json"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "p/.new-platform.json"), filepath.Join(dir, "p/platform.json")); err != nil {
			t.Fatal(err)
		}
	}
	replace(`{"serial":2}`)
	resp, body := ask(t, server, "GET", "/p/platform.json", "If-None-Match: "+first)
	if resp.StatusCode != 200 || body != `{"serial":2}` || resp.Header.Get("Etag") == first {
		t.Errorf("changed: %s %s", resp.Status, body)
	}
	replace(`{"serial":1}`)
	if resp, _ := ask(t, server, "GET", "/p/platform.json"); resp.Header.Get("Etag") != first {
		t.Errorf("the same content again has another ETag")
	}
}

// A large file is whole, in one and in parts.
func TestSiteLargeFile(t *testing.T) {
	dir, server := newTestSite(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := os.WriteFile(filepath.Join(dir, "p/rpms/large.rpm"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, body := ask(t, server, "GET", "/p/rpms/large.rpm"); body != string(content) {
		t.Errorf("%d bytes", len(body))
	}
	if _, body := ask(t, server, "GET", "/p/rpms/large.rpm", "Range: bytes=1000-524287"); body != string(content[1000:524288]) {
		t.Errorf("%d bytes", len(body))
	}
}

// What is neither a file nor a folder isn't opened: a request for a pipe would wait for somebody
// who writes to it.
func TestPipeInTheFolder(t *testing.T) {
	dir, server := newTestSite(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "p", "pipe.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "index.html"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/p/pipe.json", "/"} {
		if resp, _ := ask(t, server, "GET", target); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", target, resp.Status)
		}
	}
}

// A school's laptops ask for the same file at once: it is compressed once, and one that is too
// large is sent as it is.
func TestCompressedOnce(t *testing.T) {
	var z zipped
	var wait sync.WaitGroup
	content := strings.Repeat("tree", 1000)
	var read atomic.Int64
	for range 30 {
		wait.Go(func() {
			body, err := z.get("digest", countingReader{strings.NewReader(content), &read})
			if err != nil {
				t.Error(err)
				return
			}
			r, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != content {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wait.Wait()
	if read.Load() != int64(len(content)) {
		t.Errorf("%d bytes were read of a file of %d", read.Load(), len(content))
	}
	dir, server := newTestSite(t)
	if err := os.WriteFile(filepath.Join(dir, "p", "large.json"), bytes.Repeat([]byte("0"), maxCompressed+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if resp, body := ask(t, server, "GET", "/p/large.json", "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "" || len(body) != maxCompressed+1 {
		t.Errorf("%s: %d bytes", resp.Header.Get("Content-Encoding"), len(body))
	}
}

type countingReader struct {
	io.Reader
	read *atomic.Int64
}

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.read.Add(int64(n))
	return n, err
}
