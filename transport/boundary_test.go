// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// What somebody can put in the place of a file of a folder source or a stick, to have root read
// something else. The file that is promised has the secret's size: what comes of it is not told,
// and nothing of it is left.
func TestBoundary(t *testing.T) {
	secret := []byte("root:$6$" + strings.Repeat("secret", 20))
	outside := t.TempDir()
	hidden := filepath.Join(outside, "shadow")
	if err := os.WriteFile(hidden, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		put  func(folder string) error
		path string // of the URL, below the folder where it is relative; "": rpms/a
		kind Kind
	}{
		{name: "absolute link", put: func(f string) error { return os.Symlink(hidden, f+"/rpms/a") }, kind: Corrupt},
		{name: "relative link", put: func(f string) error {
			up, err := filepath.Rel(f+"/rpms", hidden)
			return errors.Join(err, os.Symlink(up, f+"/rpms/a"))
		}, kind: Corrupt},
		{name: "link to a link", put: func(f string) error {
			return errors.Join(os.Symlink("b", f+"/rpms/a"), os.Symlink(hidden, f+"/rpms/b"))
		}, kind: Corrupt},
		{name: "by way of a folder", put: func(f string) error {
			return errors.Join(os.Remove(f+"/rpms"), os.Symlink(outside, f+"/rpms"))
		}, path: "rpms/shadow", kind: Corrupt},
		{name: "link to itself", put: func(f string) error { return os.Symlink("a", f+"/rpms/a") }, kind: NotFound},
		{name: "FIFO", put: func(f string) error { return syscall.Mkfifo(f+"/rpms/a", 0o644) }, kind: Corrupt},
		{name: "link to a FIFO", put: func(f string) error {
			return errors.Join(syscall.Mkfifo(f+"/rpms/b", 0o644), os.Symlink("b", f+"/rpms/a"))
		}, kind: Corrupt},
		{name: "device", put: func(f string) error { return syscall.Mknod(f+"/rpms/a", syscall.S_IFCHR|0o644, 1<<8|5) }, kind: Corrupt},
		{name: "folder", put: func(f string) error { return os.Mkdir(f+"/rpms/a", 0o755) }, kind: Corrupt},
		{name: "file in the place of a folder", put: func(f string) error { return os.WriteFile(f+"/rpms/b", nil, 0o644) }, path: "rpms/b/a", kind: NotFound},
		{name: "dots", path: "rpms/../../" + filepath.Base(outside) + "/shadow", kind: Refused},
		{name: "escaped dots", path: "rpms/%2e%2e/%2E%2E/" + filepath.Base(outside) + "/shadow", kind: Refused},
		{name: "another folder", path: hidden, kind: Refused},
		{name: "a folder whose name begins alike", put: func(f string) error {
			return errors.Join(os.Mkdir(f+"2", 0o755), os.WriteFile(f+"2/a", secret, 0o644))
		}, path: "../folder2/a", kind: Refused},
		{name: "NUL", path: "rpms/a%00", kind: NotFound},
		{name: "other content", put: func(f string) error { return os.WriteFile(f+"/rpms/a", secret, 0o644) }, kind: Corrupt},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "folder")
			if err := os.MkdirAll(folder+"/rpms", 0o755); err != nil {
				t.Fatal(err)
			}
			if test.put != nil {
				if err := test.put(folder); errors.Is(err, syscall.EPERM) {
					t.Skipf("NOT TESTED, this needs root: %v", err)
				} else if err != nil {
					t.Fatal(err)
				}
			}
			at := test.path
			if at == "" {
				at = "rpms/a"
			}
			if !filepath.IsAbs(at) {
				at = folder + "/" + at
			}
			c, _ := newTestClient(t, Options{Folders: func() []string { return []string{folder} }})
			promised := random(len(secret))
			cache := filepath.Join(t.TempDir(), "cache")
			check := func(err error) {
				t.Helper()
				mustBe(t, err, test.kind)
				for _, s := range []string{digest(secret), digest(secret)[:16], "root:", "secretsecret"} {
					if strings.Contains(err.Error(), s) {
						t.Errorf("%q tells %q of the file", err, s)
					}
				}
			}
			// As the file of a folder source; and as a stick's copy that is to continue what there
			// is, which is not lost.
			f := File{URLs: []string{"file://" + at}, Path: filepath.Join(cache, "a.rpm"), Size: int64(len(secret)), Digest: promise(promised)}
			check(c.Fetch(t.Context(), []File{f}, nil))
			if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
				t.Errorf("%v is left, %v", left, err)
			}
			if err := os.WriteFile(f.Path+PartSuffix, promised[:50], 0o600); err != nil {
				t.Fatal(err)
			}
			check(c.Fetch(t.Context(), []File{f}, nil))
			mustHave(t, f.Path+PartSuffix, promised[:50])
			_, err := c.Get(t.Context(), f.URLs, tree.NewRef("trees/a@", promised, ".json"))
			check(err)
			if test.name != "other content" {
				_, err = c.Revalidate(t.Context(), f.URLs[0], "", 1<<20)
				check(err)
				if size := c.localSize(f.URLs[0]); size != -1 {
					t.Errorf("its size is told: %d", size)
				}
			}
		})
	}
}

// What a folder may have: links that stay in it, and links on the way to it. It may be in another,
// which is one too.
func TestBoundaryLets(t *testing.T) {
	content := random(10 * kib)
	real := filepath.Join(t.TempDir(), "real")
	folder := filepath.Join(t.TempDir(), "link")
	os.MkdirAll(real+"/rpms", 0o755)
	os.WriteFile(real+"/rpms/a", content, 0o644)
	err := errors.Join(os.Symlink(real, folder), os.Symlink("../rpms/a", real+"/rpms/b"), os.Symlink("rpms", real+"/c"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folders := range [][]string{{folder}, {folder + "/"}, {"", "relative", "/nonexistent", folder + "/c", folder}, {"/"}} {
		c, _ := newTestClient(t, Options{Folders: func() []string { return folders }})
		for _, name := range []string{"rpms/a", "c/a", "rpms/../rpms/a", "rpms/b"} {
			if folders[0] == "/" && name != "rpms/a" { // there the links on the way are absolute ones in it
				continue
			}
			at := folder
			if folders[0] == "/" {
				at = real
			}
			f := wanted(t, content, "file://"+at+"/"+name)
			if err := c.Fetch(t.Context(), []File{f}, nil); err != nil {
				t.Error(folders, name, err)
			}
		}
	}
	c := New(Options{}) // no folder at all
	defer c.Close()
	mustBe(t, c.Fetch(t.Context(), []File{wanted(t, content, "file://"+real+"/rpms/a")}, nil), Refused)
}

// A file that is exchanged for a link out while it is read: what was opened is read on.
func TestBoundarySwappedWhileRead(t *testing.T) {
	content, secret := random(4<<20), random(4<<20)
	folder := t.TempDir()
	outside := filepath.Join(t.TempDir(), "shadow")
	os.WriteFile(outside, secret, 0o600)
	os.WriteFile(folder+"/a", content, 0o644)
	c, _ := newTestClient(t, Options{Folders: func() []string { return []string{folder} }})
	w := newWatchdog(t.Context(), c.stall, 1)
	defer w.stop()
	req, err := c.request(w.ctx, "file://"+folder+"/a")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.do(c.known, req, w)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	begin := make([]byte, 100)
	if _, err := io.ReadFull(resp.Body, begin); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(outside, folder+"/new"), os.Rename(folder+"/new", folder+"/a")); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(resp.Body)
	if err != nil || digest(append(begin, rest...)) != digest(content) {
		t.Errorf("another file came, %v", err)
	}
}

// A file that is exchanged for a link out again and again is the file, or refused.
func TestBoundarySwappedWhileOpened(t *testing.T) {
	folder := t.TempDir()
	outside := filepath.Join(t.TempDir(), "shadow")
	os.WriteFile(outside, []byte("secret"), 0o600)
	os.WriteFile(folder+"/good", []byte("public"), 0o644)
	if err := errors.Join(os.Symlink(outside, folder+"/bad"), os.Mkdir(folder+"/d", 0o755), os.Link(folder+"/good", folder+"/d/good"),
		os.Symlink(filepath.Dir(outside), folder+"/e"), os.Link(folder+"/good", folder+"/a")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			for _, name := range []string{"bad", "good"} {
				os.Rename(folder+"/a", folder+"/old")
				if name == "bad" {
					os.Symlink(outside, folder+"/a")
				} else {
					os.Link(folder+"/good", folder+"/a")
				}
				os.Remove(folder + "/old")
			}
		}
	}()
	defer func() { stop(); <-ended }()
	c, _ := newTestClient(t, Options{Folders: func() []string { return []string{folder} }})
	came := 0
	for i := 0; i < 5000 || came == 0; i++ {
		f, err := c.openLocal(folder + "/a")
		if err != nil {
			continue
		}
		b, _ := io.ReadAll(f)
		f.Close()
		came++
		if string(b) != "public" {
			t.Fatalf("%q came", b)
		}
	}
}

// A folder that was exchanged for a pipe doesn't hang whoever asks.
func TestBoundaryFolderIsPipe(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "folder")
	if err := syscall.Mkfifo(folder, 0o644); err != nil {
		t.Fatal(err)
	}
	c, _ := newTestClient(t, Options{Folders: func() []string { return []string{folder} }})
	mustBe(t, c.Fetch(t.Context(), []File{wanted(t, random(5), "file://"+folder+"/a")}, nil), NotFound)
}

// A file URL is one in whatever letters.
func TestLocalURLs(t *testing.T) {
	for _, test := range []struct {
		url, path string
		within    bool // file:///srv/pub
	}{
		{"file:///srv/pub/a", "/srv/pub/a", true},
		{"FILE:///srv/pub/a", "/srv/pub/a", true},
		{"file:/srv/pub", "/srv/pub", true},
		{"file:///srv/pub/../pub/a%20b", "/srv/pub/a b", true},
		{"file:///srv/pub/../private", "/srv/private", false},
		{"file:///srv/pub/%2e%2e/private", "/srv/private", false},
		{"file:///srv/public", "/srv/public", false},
		{"file:///etc/shadow", "/etc/shadow", false},
		{"file:srv/pub/a", "", false},
		{"file:", "", false},
		{"file://%zz/srv/pub/a", "", false},
	} {
		if got := LocalPath(test.url); got != test.path || !IsLocal(test.url) {
			t.Errorf("%s: %q, %v", test.url, got, IsLocal(test.url))
		}
		if got := Within("file:///srv/pub/", test.url); got != test.within {
			t.Errorf("%s: %v", test.url, got)
		}
		if host(test.url) != "" {
			t.Errorf("%s counts as the network", test.url)
		}
	}
	for _, url := range []string{"", "fil", "http://h/file:/x", "xfile:///a", "/srv/pub/a"} {
		if IsLocal(url) || LocalPath(url) != "" || Within("file:///", url) || Within(url, "file:///a") {
			t.Errorf("%q counts as a file URL", url)
		}
	}
}

func FuzzWithin(f *testing.F) {
	for _, s := range []string{"file:///srv/pub/a", "file:///srv/pub/%2e%2e/a", "FILE:///srv//pub/./a", "file:///srv/pub%2f..%2f..%2fetc/shadow", "file:///srv/public"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !Within("file:///srv/pub", s) {
			return
		}
		u, err := url.Parse(s)
		if err != nil || !IsLocal(s) {
			t.Fatalf("%q is no file URL", s)
		}
		if rel, err := filepath.Rel("/srv/pub", u.Path); err != nil || !filepath.IsLocal(rel) {
			t.Errorf("%q leads to %q", s, rel)
		}
	})
}

// What is on its way is its owner's alone, and the whole file too.
func TestFetchIsPrivate(t *testing.T) {
	content := random(100 * kib)
	c, _ := newTestClient(t, Options{})
	seen := make(map[string]os.FileMode)
	f := wanted(t, content, serve(t, dropping(50*kib, tagged(content, `"v"`))).URL+"/a")
	f.Path = filepath.Join(filepath.Dir(f.Path), "deeper", "a.rpm")
	f.Size, f.Digest = 0, ""
	look := func() {
		for _, p := range []string{filepath.Dir(f.Path), f.Path, f.Path + PartSuffix, f.Path + PartSuffix + versionSuffix} {
			if fi, err := os.Stat(p); err == nil {
				seen[strings.TrimPrefix(p, filepath.Dir(f.Path))] = fi.Mode().Perm()
			}
		}
	}
	if err := c.Fetch(t.Context(), []File{f}, func(Progress) { look() }); err != nil {
		t.Fatal(err)
	}
	look()
	for name, mode := range map[string]os.FileMode{"": 0o700, "/a.rpm": 0o600, "/a.rpm.part": 0o600, "/a.rpm.part.version": 0o600} {
		if seen[name] != mode {
			t.Errorf("%q has the mode %v and not %v", name, seen[name], mode)
		}
	}
}

// No error tells a password, whatever characters it has: the password may break the URL itself.
func TestRedacted(t *testing.T) {
	for in, want := range map[string]string{
		"http://h/a":                   "http://h/a",
		"http://h/trees/a@0123.json":   "http://h/trees/a@0123.json",
		"http://me:secret@h/a@b":       "http://me:xxxxx@h/a@b",
		"http://secret@h/a":            "http://xxxxx@h/a",
		"http://me:sec%ret@h/a":        `"xxxxx@h/a"`,
		"http://me:secret/1@h/a":       `"xxxxx@h/a"`,
		"http://me:1#secret@h/a":       `"xxxxx@h/a"`,
		"http://me:1?secret@h/a":       `"xxxxx@h/a"`,
		"http:me:secret@h/a":           `"xxxxx@h/a"`,
		"http://me:secret@h\n/a\u202e": `"xxxxx@h\n/a\u202e"`,
		"file:///run/media/x y":        "file:///run/media/x%20y",
		"http://[::1":                  `"http://[::1"`,
	} {
		if got := Redacted(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func FuzzRedacted(f *testing.F) {
	for _, s := range []string{"", "%", "/", "#", "?", "@", "\n", ":", "]", "//", "1/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw := "http://me:Secret" + s + "@h/a"
		if got := Redacted(raw); strings.Contains(got, "Secret") {
			t.Errorf("%q: %q", raw, got)
		}
	})
}

// What breaks a URL, or a proxy's, isn't quoted either.
func TestBrokenURLs(t *testing.T) {
	c, _ := newTestClient(t, Options{})
	for _, u := range []string{"http://me:Secret/x@h/a", "http://me:Sec%ret@h/a", "http://me:Secret@h:x/a", "http://me:Secret@\x7f/a"} {
		err := c.Fetch(t.Context(), []File{wanted(t, random(5), u)}, nil)
		if e := mustBe(t, err, Refused); strings.Contains(e.Error()+e.URL, "Sec") {
			t.Errorf("%q: %v", u, err)
		}
	}
	c, _ = newClientFor(t, Options{SmallRetryFor: time.Second})
	c.transport.Proxy = redactedProxy(func(*http.Request) (*url.URL, error) {
		return nil, errors.New(`invalid proxy address "http://me:Secret@\x7f"`) // as golang.org/x/net/http/httpproxy has it
	})
	err := c.Fetch(t.Context(), []File{wanted(t, random(5), nobody(t)+"/a")}, nil)
	if e := mustBe(t, err, NoNetwork); strings.Contains(e.Error(), "Secret") || !strings.Contains(e.Error(), "http_proxy") {
		t.Error(err)
	}
}
