// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A site serves one published folder, which may be exchanged, and counts who asks what it offers.
type site struct {
	mu     sync.Mutex
	folder string
	asked  int // for platform.json
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	folder := s.folder
	if strings.HasSuffix(r.URL.Path, "/platform.json") {
		s.asked++
	}
	s.mu.Unlock()
	http.FileServer(http.Dir(folder)).ServeHTTP(w, r)
}

// show has the site serve another folder, and counts anew.
func (s *site) show(folder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.folder, s.asked = folder, 0
}

func (s *site) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// A catalogue that the source has long replaced still installs: what isn't there any more by the
// name that it has there is asked for once, by way of what the source offers now.
func TestSourceMovedOn(t *testing.T) {
	s, err := testbed.NewSchool(t.TempDir(), school.Tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	first, second, broken := filepath.Join(s.Dir, "first"), filepath.Join(s.Dir, "second"), filepath.Join(s.Dir, "broken")
	if err := os.Rename(s.Published(), first); err != nil {
		t.Fatal(err)
	}
	// hello and libtext are new, paint stays and gets another tree.
	if err := s.Release("",
		testbed.RPM{Name: "hello", Version: "2.0", Summary: "Says hello", Requires: []string{"libgreet >= 1.2", "basesystem"}},
		testbed.RPM{Name: "libtext", Version: "1.0", Epoch: 2, Arch: "x86_64", Summary: "Text for everybody"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.Published(), second); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(2 * time.Second) // as a server that has no tags tells it: builds aren't a second apart here
	if err := os.Chtimes(filepath.Join(second, testbed.Platform, "platform.json"), later, later); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(broken, os.DirFS(first)); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"trees", "rpms", "files"} {
		if err := os.RemoveAll(filepath.Join(broken, testbed.Platform, gone)); err != nil {
			t.Fatal(err)
		}
	}

	const hello1, paint = "hello;1.0-1;noarch;school", "paint;3.1-1;x86_64;school"
	for name, c := range map[string]struct {
		ahead []string // a command before the source moves on
		then  string   // what it becomes
		words []string // the command
		asked int      // times that platform.json is asked for
		code  string   // of the error; empty: none
		told  string   // what the error or the answer has
		rpms  string   // what is installed afterwards beside the base
	}{
		"another version":  {nil, second, []string{"install-packages", "none", hello1}, 1, "", "hello;2.0-1;noarch;installed:school", "hello-2.0-1.noarch libgreet-1.2-3.x86_64 libtext-2:1.0-1.x86_64"},
		"another tree":     {nil, second, []string{"install-packages", "none", paint}, 1, "", "paint;3.1-1;x86_64;installed:school", "libtext-2:1.0-1.x86_64 paint-3.1-1.x86_64 paint-data-3.1-1.noarch"},
		"RPMs":             {[]string{"install-packages", "simulate", hello1}, second, []string{"install-packages", "none", hello1}, 1, "", "hello;2.0-1;noarch;installed:school", "hello-2.0-1.noarch libgreet-1.2-3.x86_64 libtext-2:1.0-1.x86_64"},
		"a simulation":     {nil, second, []string{"install-packages", "simulate", hello1}, 1, "", "installing\thello;2.0-1;noarch;school", ""},
		"a download":       {nil, second, []string{"install-packages", "only-download", hello1}, 1, "", "hello;2.0-1;noarch;school", ""},
		"files":            {nil, second, []string{"get-files", paint}, 1, "", "/usr/bin/paint", ""},
		"files that went":  {nil, second, []string{"get-files", hello1}, 1, "package-not-found", "a refresh of the cache", ""},
		"incomplete":       {nil, broken, []string{"install-packages", "none", hello1}, 1, "repo-not-available", "what it publishes is incomplete", ""},
		"incomplete later": {[]string{"install-packages", "simulate", hello1}, broken, []string{"install-packages", "none", hello1}, 1, "package-download-failed", "what it publishes is incomplete", ""},
	} {
		t.Run(name, func(t *testing.T) {
			show := &site{folder: first}
			server := httptest.NewServer(show)
			t.Cleanup(server.Close)
			l, err := s.Laptop(server.URL, "presolve", "")
			if err != nil {
				t.Fatal(err)
			}
			h := laptoptest.Start(t, school.Tools, l, nil)
			h.OK("refresh-cache", "false")
			if c.ahead != nil {
				h.OK(c.ahead...)
			}
			show.show(c.then)
			var said string
			if c.code == "" {
				said = strings.Join(h.OK(c.words...), "\n")
			} else {
				said = h.Fails(c.code, c.words...)
			}
			if !strings.Contains(said, c.told) {
				t.Errorf("%q isn't in:\n%s", c.told, said)
			}
			if asked := show.count(); asked != c.asked {
				t.Errorf("platform.json was asked for %d times, not %d", asked, c.asked)
			}
			rpms := slices.DeleteFunc(laptoptest.Installed(t, l), func(p string) bool { return strings.HasPrefix(p, "basesystem-") || strings.HasPrefix(p, "libschool-") })
			if got := strings.Join(rpms, " "); got != c.rpms {
				t.Errorf("installed: %s, not %s", got, c.rpms)
			}
		})
	}
}
