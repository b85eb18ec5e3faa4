// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// cached opens a repository with a cache in a folder, and has an RPM brought.
func cached(t *testing.T, dir, url string) {
	t.Helper()
	d, err := NewDownloader(Downloads{Cache: dir, For: "test", RetryFor: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c := Config{Arch: "x86_64", Downloads: d, Base: Base{Packages: []string{"base"}}, Repositories: []Repository{{ID: "main", URL: url}}}
	if _, err := Look(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	p := open(t, c)
	if _, sum, err := p.RPM(t.Context(), solveOne(t, p, "b").Packages[0]); err != nil || len(sum) != 64 {
		t.Fatal(sum, err)
	}
	if err := d.Clean(); err != nil {
		t.Fatal(err)
	}
}

// What is there isn't asked for again, whatever its checksum: only whether repomd.xml is as it was.
func TestCache(t *testing.T) {
	for _, kind := range []string{"sha1", "sha256", "sha512"} {
		dir := t.TempDir()
		repotest.WriteRPMs(t, dir, two...)
		repotest.CreateRepo(t, dir, "--checksum="+kind)
		long := time.Now().Add(-time.Hour) // else the date is no validator
		if err := os.Chtimes(dir+"/repodata/repomd.xml", long, long); err != nil {
			t.Fatal(err)
		}
		m := newMirror(t, dir)
		cache := filepath.Join(t.TempDir(), "cache")
		cached(t, cache, m.URL)
		if got := len(m.requests()); got != 4 { // repomd, primary, filelists, the RPM
			t.Errorf("%s: %d requests", kind, got)
		}
		cached(t, cache, m.URL)
		if got := m.requests(); !slices.Equal(got, []string{"/repodata/repomd.xml"}) {
			t.Errorf("%s: asked again for %q", kind, got)
		}
		// What is damaged is brought anew.
		for _, pattern := range []string{kind + "-*.gz", "head-*"} {
			spoil(t, filepath.Join(cache, firstOf(t, cache, pattern)))
		}
		cached(t, cache, m.URL)
		if got := m.requests(); len(got) != 2 {
			t.Errorf("%s: asked for %q after damage", kind, got)
		}
		if info, err := os.Stat(cache); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: others may look into the cache: %v", kind, err)
		}
		// What nothing names any more goes: here that of another repository.
		other := newMirror(t, repotest.New(t, append(slices.Clone(two), repotest.Package{NEVRA: "c-1-1.noarch"})...))
		before := len(namesIn(t, cache))
		cached(t, cache, other.URL)
		if got := len(namesIn(t, cache)); got > before {
			t.Errorf("%s: %d files are in the cache, and %d were", kind, got, before)
		}
	}
}

func firstOf(t *testing.T, dir, pattern string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(all) == 0 {
		t.Fatal(pattern, err)
	}
	return filepath.Base(all[0])
}

func namesIn(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// What another platform uses, and what a build had that was interrupted, stays.
func TestCleanKeepsWhatOthersUse(t *testing.T) {
	dir := t.TempDir()
	write := func(d *Downloader, name string) {
		d.cache.use(name)
		if err := os.WriteFile(d.cache.path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := func(platform string) *Downloader {
		d, err := NewDownloader(Downloads{Cache: dir, For: platform})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	one := start("one")
	write(one, "sha256-1")
	write(one, "sha256-2.gz.part")
	one.Close() // and it was interrupted
	other := start("other")
	write(other, "sha256-3")
	if err := os.WriteFile(other.cache.path("sha256-4.part"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	third := start("third")
	if err := other.Clean(); err != nil || len(namesIn(t, dir)) != 6 {
		t.Errorf("while another one downloads: %q, %v", namesIn(t, dir), err)
	}
	third.Close()
	if err := other.Clean(); err != nil {
		t.Fatal(err)
	}
	other.Close()
	if got := namesIn(t, dir); !slices.Equal(got, []string{".lock", "names", "sha256-1", "sha256-3"}) && len(got) != 5 {
		t.Errorf("there are %q", got)
	}
}

// Each way in which a server doesn't give a repository says what it means, and what to do.
func TestWhatToDo(t *testing.T) {
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	var handler http.HandlerFunc
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(w, r) }))
	defer server.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, test := range map[string]struct {
		url     string
		handler http.HandlerFunc
		want    string
	}{
		"401":      {server.URL, answer(401), "401 Unauthorized: the server wants a user name and a password: write them into the url"},
		"403":      {server.URL, answer(403), "403 Forbidden: the server doesn't let this computer have it: ask whoever runs it"},
		"404":      {server.URL, answer(404), "404 Not Found: the server doesn't have it: correct the repository's url"},
		"500":      {server.URL, answer(500), "the server is broken, which only who runs it can mend: try again later"},
		"503":      {server.URL, answer(503), "the server is overloaded or being worked on: try again later"},
		"a loop":   {server.URL, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "the server sends from one place to the next: correct the url"},
		"a login":  {server.URL, func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<!DOCTYPE html><html>Please log in")) }, "what came is a web page: a network that wants a login answers so"},
		"refused":  {"http://" + closed.Addr().String(), nil, "nothing listens: start the web server, or correct the port"},
		"no host":  {"http://nothing.invalid", nil, "/etc/resolv.conf"},
		"timeouts": {"http://" + silent.Addr().String(), nil, "it takes too long: look at the network and a firewall"},
	} {
		t.Run(name, func(t *testing.T) {
			handler = test.handler
			d, err := NewDownloader(Downloads{RetryFor: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			_, err = Look(t.Context(), Config{Arch: "x86_64", Downloads: d, Base: Base{Packages: []string{"base"}}, Repositories: []Repository{{ID: "main", URL: test.url}}})
			if err == nil || !strings.HasPrefix(err.Error(), "repository main: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v and should say %q", err, test.want)
			}
		})
	}
}

// All repositories that can't be read are told at once, and passwords aren't.
func TestAllRepositoriesAreLookedAt(t *testing.T) {
	dir := repotest.New(t, two...)
	private := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "u" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.FileServer(http.Dir(dir)).ServeHTTP(w, r)
	}))
	defer private.Close()
	with := func(login string) string { return strings.Replace(private.URL, "//", "//"+login+"@", 1) }
	config := func(urls ...string) Config {
		c := Config{Arch: "x86_64", Base: Base{Packages: []string{"base"}}}
		for i, u := range urls {
			c.Repositories = append(c.Repositories, Repository{ID: fmt.Sprint("r", i), URL: u})
		}
		return c
	}
	_, err := Look(context.Background(), config(with("u:wr0ng"), newMirror(t, dir).URL, private.URL+"/none"))
	if err == nil || !strings.Contains(err.Error(), "repository r0: ") || !strings.Contains(err.Error(), "repository r2: ") || strings.Contains(err.Error(), "repository r1") || strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error is %v", err)
	}
	p := open(t, config(with("u:s3cret")))
	pkg := solveOne(t, p, "b").Packages[0]
	if _, sum, err := p.RPM(t.Context(), pkg); err != nil || sum != pkg.SHA256 || strings.Contains(fmt.Sprint(pkg.URLs), "s3cret") {
		t.Errorf("%q, %v", pkg.URLs, err)
	}
}
