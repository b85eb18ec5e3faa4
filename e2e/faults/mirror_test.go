// SPDX-License-Identifier: GPL-2.0-or-later

package faults

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// presolver runs a command of presolver that is to succeed.
func presolver(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(school.Presolver, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("presolver %q: %v: %s", args, err, out)
	}
	return string(out)
}

// TestRegionsNight is a night of a region: it builds and signs trees whose RPMs stay in a repository, and
// brings them to a bucket;
// a school copies that, another one copies the school, and a stick is made of what that has. Then the
// region and the repository are gone, and laptops install from each.
func TestRegionsNight(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "online.key")
	key, err := testbed.NewKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	repository, err := school.Serve(filepath.Join(school.Dir, "repository"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { repository.Stop() })
	config := filepath.Join(dir, "presolver.toml")
	text := fmt.Sprintf("platform = %q\narch = \"x86_64\"\noutput = %q\n[[repository]]\nid = \"main\"\nurl = %q\n[base]\npackages = [\"basesystem\", \"libschool\"]\n[toplevel]\npackages = [\"hello\", \"paint\"]\n[signing]\nkey = %q\n",
		testbed.Platform, filepath.Join(dir, "region"), repository.URL, secret)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := school.Build(config); err != nil {
		t.Fatal(err)
	}
	serve := func(name string) *testbed.Server {
		s, err := school.Serve(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Stop() })
		return s
	}
	laptop := func(name, at, more string) *testbed.Laptop {
		var base []string
		for _, file := range []string{"basesystem-1.0-1.noarch.rpm", "libschool-2.0-1.x86_64.rpm"} {
			base = append(base, filepath.Join(school.Dir, "repository", file))
		}
		l, err := testbed.NewLaptop(filepath.Join(dir, name), testbed.Platform, at, "presolve", key.Fingerprint, more, base...)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	installs := func(l *testbed.Laptop, tools testbed.Tools) {
		t.Helper()
		h := laptoptest.Start(t, tools, l, nil)
		h.OK("install-packages", "none", "hello;1.0-1;noarch;school")
		laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
		if out, err := testbed.RPMQuery(l.Root, "-V", "hello", "libgreet", "libtext"); err != nil {
			t.Errorf("rpm -V: %v, %s", err, out)
		}
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	}

	presolver(t, "upload", filepath.Join(dir, "region"), "file://"+(&url.URL{Path: filepath.Join(dir, "bucket")}).EscapedPath()+"?create_dir=true&no_tmp_dir=true")
	region := serve("bucket")
	presolver(t, "mirror", region.URL, filepath.Join(dir, "near"), "--key", key.Fingerprint)
	near := serve("near")
	// A server that has nothing of its own, and what laptops asked for with the region there.
	passing := exec.Command(school.Presolver, "serve", "--upstream", region.URL, "--key", key.Fingerprint, filepath.Join(dir, "passing"), "--listen", "127.0.0.1:0")
	out, err := passing.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := passing.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { passing.Process.Kill(); passing.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	passingURL := strings.TrimRight(strings.TrimSpace(strings.TrimPrefix(line, "listening on ")), "/")
	installs(laptop("laptop-passing", passingURL, ""), school.Tools)
	// The laptop has read platform.json before the region is gone: nothing of it changes.
	before := laptop("before", region.URL, "")
	h := laptoptest.Start(t, school.Tools, before, nil)
	h.OK("refresh-cache", "true")
	h.Stop()
	if err := region.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := repository.Stop(); err != nil {
		t.Fatal(err)
	}
	presolver(t, "mirror", near.URL, filepath.Join(dir, "far"), "--key", key.Fingerprint, "--name", "hello")
	far := serve("far")
	stick := filepath.Join(dir, "stick")
	mount(t, stick, "-t", "tmpfs", "tmpfs")
	presolver(t, "export", "--from", far.URL, "hello", stick, "--key", key.Fingerprint)
	presolver(t, "import", stick, filepath.Join(dir, "island"), "--key", key.Fingerprint)
	for _, copied := range []string{"near", "far", "stick/presolve", "island"} {
		presolver(t, "verify", filepath.Join(dir, copied), "--key", key.Fingerprint)
	}

	installs(laptop("laptop-near", near.URL, ""), school.Tools)
	installs(laptop("laptop-passing-alone", passingURL, ""), school.Tools)
	installs(laptop("laptop-far", far.URL, ""), school.Tools)
	installs(laptop("laptop-island", serve("island").URL, ""), school.Tools)
	installs(laptop("laptop-folder", "file://"+(&url.URL{Path: filepath.Join(dir, "island")}).EscapedPath(), ""), school.Tools)
	// What isn't in a copy of some programs is told, and doesn't hang.
	h = laptoptest.Start(t, school.Tools, laptop("laptop-other", far.URL, ""), nil)
	if said := h.Fails("package-not-found", "install-packages", "none", "paint;3.1-1;x86_64;school"); !strings.Contains(said, "paint isn't at the source school, which is a copy of some programs: ask whoever runs it for this one") {
		t.Errorf("said %q", said)
	}
	h.Stop()
	s := newSlot(t)
	s.in(t, stick)
	installs(laptop("laptop-stick", "http://region.invalid", s.config), withoutNetwork(t))
	// A laptop that knew the region goes on with the stick.
	had, err := os.ReadFile(before.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(before.Config, []byte(strings.Replace(string(had), "[mounts]\nfolders = []\n", s.config, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	installs(before, withoutNetwork(t))
}

// What somebody on the way has changed isn't copied, and what was copied before stays.
func TestMirrorsAreNotFooled(t *testing.T) {
	t.Parallel()
	one := func(pattern string) func(t *testing.T, dir string) string {
		return func(t *testing.T, dir string) string {
			t.Helper()
			all, err := filepath.Glob(filepath.Join(dir, testbed.Platform, pattern))
			if err != nil || len(all) == 0 {
				t.Fatalf("%s: %v", pattern, err)
			}
			return all[0]
		}
	}
	change := func(pattern string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			name := one(pattern)(t, dir)
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.WriteFile(name, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(pattern string, with func(name string) error) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			name := one(pattern)(t, dir)
			if err := errors.Join(os.Remove(name), with(name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	link := func(name string) error { return os.Symlink("/etc/passwd", name) }
	for _, test := range []struct {
		name, said string
		spoil      func(t *testing.T, dir string)
	}{
		{"platform.json is changed", "it isn't signed", change("platform.json")},
		{"the signature is changed", "platform.json", change("platform@*.json.asc")},
		{"a tree is another", "isn't what", change("trees/paint@*")},
		{"a reference is another", "references/", change("references/*/0")},
		{"the search file is another", "search/", change("search/*")},
		{"an RPM is another", "paint", change("rpms/paint-3*")},
		{"a tree is a link to another file", "trees/paint", replace("trees/paint@*", link)},
		{"an RPM is a link to another file", "paint", replace("rpms/paint-3*", link)},
		{"an RPM is a pipe", "paint", replace("rpms/paint-3*", func(name string) error { return syscall.Mkfifo(name, 0o644) })},
		{"a tree is gone", "trees/paint", replace("trees/paint@*", func(string) error { return nil })},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			origin, to := filepath.Join(dir, "origin"), filepath.Join(dir, "copy")
			if err := os.CopyFS(origin, os.DirFS(school.Published())); err != nil {
				t.Fatal(err)
			}
			head := filepath.Join(to, testbed.Platform, "platform.json")
			test.spoil(t, origin)
			server := httptest.NewServer(http.FileServer(http.Dir(origin)))
			defer server.Close()
			for _, from := range []string{origin, server.URL} {
				if from == server.URL && strings.Contains(test.name, "link") || strings.Contains(test.name, "pipe") && from == server.URL {
					continue // Go's file server follows links
				}
				out, err := exec.Command(school.Presolver, "mirror", from, to, "--key", school.Key.Fingerprint, "--retry-for", "1s").CombinedOutput()
				if err == nil || !strings.Contains(string(out), test.said) {
					t.Errorf("mirror %s: %v: %s", from, err, out)
				}
				if _, err := os.Stat(head); err == nil {
					t.Fatal("there is a platform.json")
				}
			}
			// Where it is right it goes on with what came.
			presolver(t, "mirror", school.Published(), to, "--key", school.Key.Fingerprint)
			presolver(t, "verify", to, "--key", school.Key.Fingerprint)
		})
	}
}
