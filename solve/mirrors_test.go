// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A mirror serves a folder, and keeps what it was asked for.
type mirror struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newMirror(t *testing.T, dir string) *mirror {
	m := new(mirror)
	files := http.FileServer(http.Dir(dir))
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		m.asked = append(m.asked, r.URL.Path)
		m.mu.Unlock()
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(m.Close)
	return m
}

// requests are those since the last call.
func (m *mirror) requests() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.asked
	m.asked = nil
	return all
}

// copyOf is a copy of a folder that may be spoilt.
func copyOf(t *testing.T, dir string) string {
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func spoil(t *testing.T, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		t.Fatal(pattern, files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(files[0], data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// One mirror is dead, one has a damaged primary.xml, one has a damaged RPM, one is good: each file
// is taken from one that has it right, and trees name no more than three of them.
func TestMirrors(t *testing.T) {
	dir := repotest.New(t, two...)
	dead := newMirror(t, dir)
	dead.Close()
	bad := copyOf(t, dir)
	spoil(t, bad+"/repodata/*-primary.xml.gz")
	rpmless := copyOf(t, dir)
	spoil(t, rpmless+"/b-1-1.noarch.rpm")
	damaged, noRPM, good, spare := newMirror(t, bad), newMirror(t, rpmless), newMirror(t, dir), newMirror(t, dir)
	p := open(t, Config{Arch: "x86_64", Base: Base{Packages: []string{"base"}},
		Repositories: []Repository{{ID: "main", URL: dead.URL, URLs: []string{damaged.URL, noRPM.URL + "/", good.URL, spare.URL}}}})
	b := solveOne(t, p, "b").Packages[0]
	want := []string{noRPM.URL + "/b-1-1.noarch.rpm", good.URL + "/b-1-1.noarch.rpm", spare.URL + "/b-1-1.noarch.rpm"}
	if !slices.Equal(b.URLs, want) {
		t.Errorf("the tree names %q and should name %q", b.URLs, want)
	}
	if got := damaged.requests(); len(got) != 2 {
		t.Errorf("a mirror that was wrong was asked again: %q", got)
	}
	if got := len(good.requests()) + len(spare.requests()); got != 0 {
		t.Errorf("%d requests for nothing", got)
	}
	name, sum, err := p.RPM(context.Background(), b)
	if err != nil || sum != b.SHA256 {
		t.Errorf("the RPM: %s, %v", sum, err)
	}
	got, err := os.ReadFile(name)
	want0, err2 := os.ReadFile(dir + "/b-1-1.noarch.rpm")
	if err != nil || err2 != nil || !bytes.Equal(got, want0) {
		t.Errorf("the RPM has %d bytes and should have %d: %v, %v", len(got), len(want0), err, err2)
	}
	if len(p.Mirrors()) != 0 {
		t.Errorf("they are said to be from a list: %v", p.Mirrors())
	}
	// All are dead.
	_, err = Open(context.Background(), Config{Arch: "x86_64", Repositories: []Repository{{ID: "main", URL: dead.URL, URLs: []string{damaged.URL, dead.URL + "/x", dead.URL + "/y"}}}, Base: Base{Packages: []string{"base"}}})
	for _, want := range []string{"repository main: ", dead.URL, "and another mirror: ", damaged.URL, "and 2 more"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v and should say %q", err, want)
		}
	}
}

// RPMs that are on another server than the metadata: as whole URLs, and by xml:base.
func TestRPMsElsewhere(t *testing.T) {
	for _, option := range []string{"--location-prefix", "--baseurl"} {
		dir := t.TempDir()
		repotest.WriteRPMs(t, dir, two...)
		elsewhere := newMirror(t, copyOf(t, dir))
		repotest.CreateRepo(t, dir, option, elsewhere.URL+"/")
		metadata := newMirror(t, dir)
		p := open(t, Config{Arch: "x86_64", Base: Base{Packages: []string{"base"}}, Repositories: []Repository{{ID: "main", URL: metadata.URL, URLs: []string{repotest.URL(dir)}}}})
		b := solveOne(t, p, "b").Packages[0]
		if !slices.Equal(b.URLs, []string{elsewhere.URL + "/b-1-1.noarch.rpm"}) {
			t.Errorf("%s: the RPM is at %q", option, b.URLs)
		}
		name, sum, err := p.RPM(context.Background(), b)
		if err != nil || sum != b.SHA256 {
			t.Errorf("%s: %s, %v", option, sum, err)
		}
		os.Remove(name)
		// A server for RPMs that is down is no mark against the metadata's.
		elsewhere.Close()
		if _, _, err := p.RPM(context.Background(), b); err == nil || len(p.mirrors[0].failed) > 0 {
			t.Errorf("%s: %v, failed are %v", option, err, p.mirrors[0].failed)
		}
	}
}

// A mirror that is behind is passed over where a metalink tells which repomd.xml is right, and its
// own is right where the metalink names that too.
func TestMetalink(t *testing.T) {
	old, now := repotest.New(t, two...), repotest.New(t, append(slices.Clone(two), pkgs{{NEVRA: "a-2-1.noarch"}}...)...)
	behind, good := newMirror(t, old), newMirror(t, now)
	sums := func(dir string) (sha1ish, s256, s512 string) {
		data, err := os.ReadFile(dir + "/repodata/repomd.xml")
		if err != nil {
			t.Fatal(err)
		}
		a, b := sha256.Sum256(data), sha512.Sum512(data)
		return strings.Repeat("0", 40), hex.EncodeToString(a[:]), strings.ToUpper(hex.EncodeToString(b[:]))
	}
	_, now256, now512 := sums(now)
	_, old256, _ := sums(old)
	wrong := strings.Repeat("0", 64)
	link := ""
	lists := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, link) }))
	defer lists.Close()
	v3 := func(hashes, alternates string) string {
		return fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" generator="mirrormanager" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files><file name="repomd.xml"><mm0:timestamp>1</mm0:timestamp><size>9</size><verification><hash type="md5">0</hash>%s</verification>%s
  <resources maxconnections="1">
   <url protocol="rsync" type="rsync" location="DE" preference="100">rsync://host/x/repodata/repomd.xml</url>
   <url protocol="http" type="http" location="DE" preference="98">%s/repodata/repomd.xml</url>
   <url protocol="http" type="http" location="DE" preference="99">%s/repodata/repomd.xml</url>
  </resources></file></files></metalink>`, hashes, alternates, good.URL, behind.URL)
	}
	hash := func(kind, sum string) string { return fmt.Sprintf(`<hash type=%q>%s</hash>`, kind, sum) }
	alternate := func(hashes string) string {
		return `<mm0:alternates><mm0:alternate><mm0:timestamp>0</mm0:timestamp><size>8</size><verification>` + hashes + `</verification></mm0:alternate></mm0:alternates>`
	}
	v4 := `<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="repomd.xml"><size>9</size>` + hash("sha-256", now256) +
		`<url location="de" priority="2">` + good.URL + `/repodata/repomd.xml</url><url location="us" priority="1">` + behind.URL + `/repodata/repomd.xml</url></file></metalink>`
	for name, test := range map[string]struct {
		link, version string // of a
		err           string
	}{
		"3":                       {link: v3(hash("sha256", now256), ""), version: "2"},
		"3, both":                 {link: v3(hash("sha256", now256)+hash("sha512", now512), ""), version: "2"},
		"3, the strongest counts": {link: v3(hash("sha256", old256)+hash("sha512", now512), ""), version: "2"},
		"3, alternates":           {link: v3(hash("sha256", now256), alternate(hash("sha256", old256))), version: "1"},
		"3, weak alternates":      {link: v3(hash("sha256", now256), alternate(hash("sha1", wrong[:40]))), version: "2"},
		"4":                       {link: v4, version: "2"},
		"of none":                 {link: v3(hash("sha256", wrong), ""), err: "isn't one that the metalink names"},
		"weak":                    {link: v3(hash("sha1", wrong[:40]), ""), err: "no checksum of repomd.xml that is any good"},
		"of another file":         {link: strings.ReplaceAll(v4, `"repomd.xml"`, `"other.xml"`), err: "isn't about a repomd.xml"},
		"no mirrors":              {link: strings.ReplaceAll(v4, "http://", "rsync://"), err: "names no mirror"},
		"a password":              {link: strings.ReplaceAll(v4, "http://", "http://u:secret@"), err: "names no mirror"},
		"no metalink":             {link: "<html>", err: "it is no metalink"},
	} {
		link = test.link
		c := Config{Arch: "x86_64", Base: Base{Packages: []string{"base"}}, Repositories: []Repository{{ID: "main", Metalink: lists.URL}}}
		p, err := Open(context.Background(), c)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the error is %v and should say %q", name, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r := solveOne(t, p, "a"); r.Packages[len(r.Packages)-1].Version != test.version {
			t.Errorf("%s: %s", name, show(r))
		}
		p.Close()
	}
	if _, err := Open(context.Background(), Config{Arch: "x86_64", Base: Base{Packages: []string{"base"}}, Repositories: []Repository{{ID: "main", URL: good.URL, Metalink: good.URL + "/none"}}}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a metalink that isn't there: %v", err)
	}
}

func TestMirrorList(t *testing.T) {
	dir := repotest.New(t, two...)
	one, other := newMirror(t, dir), newMirror(t, dir)
	list := ""
	lists := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, list) }))
	defer lists.Close()
	config := func(r Repository) Config {
		r.ID = "main"
		return Config{Arch: "x86_64", Base: Base{Packages: []string{"base"}}, Repositories: []Repository{r}}
	}
	list = "# mirrors\n\nrsync://host/x\nfile:///etc\nhttp://u:secret@host/\n" + one.URL + "\r\n" + other.URL + "\n"
	p := open(t, config(Repository{MirrorList: lists.URL}))
	if got := p.Mirrors()["main"]; !slices.Equal(got, []string{one.URL, other.URL}) {
		t.Errorf("the mirrors are %q", got)
	}
	p = open(t, config(Repository{MirrorList: lists.URL, Prefer: []string{"http://gone", other.URL}}))
	if got := solveOne(t, p, "b").Packages[0].URLs; !slices.Equal(got, []string{other.URL + "/b-1-1.noarch.rpm", one.URL + "/b-1-1.noarch.rpm"}) {
		t.Errorf("the one that trees name already isn't preferred: %q", got)
	}
	for text, want := range map[string]string{"": "names no mirror", "<?xml version='1.0'?>\n<metalink/>": "write metalink in place of mirrorlist", strings.Repeat("#", maxMirrorList+1): "has more than"} {
		list = text
		if _, err := Open(context.Background(), config(Repository{MirrorList: lists.URL})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: the error is %v and should say %q", text, err, want)
		}
		p := open(t, config(Repository{URL: one.URL, MirrorList: lists.URL}))
		if all := p.Warnings(); len(all) != 1 || !strings.Contains(all[0].String(), want) {
			t.Errorf("%.20q: the warnings are %v and should say %q", text, all, want)
		}
	}
	p = open(t, config(Repository{URL: one.URL, MirrorList: strings.Replace(lists.URL, "//", "//u:secret@", 1)}))
	if told := fmt.Sprint(p.Warnings()); strings.Contains(told, "secret") || !strings.Contains(told, "a user name or a password") {
		t.Errorf("told: %s", told)
	}
	file := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(file, []byte(repotest.URL(dir)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p = open(t, config(Repository{MirrorList: repotest.URL(file)}))
	if got := solveOne(t, p, "b").Packages[0].URLs; !slices.Equal(got, []string{repotest.URL(dir) + "/b-1-1.noarch.rpm"}) {
		t.Errorf("from a list in a folder: %q", got)
	}
}

func FuzzMetalink(f *testing.F) {
	f.Add([]byte(`<metalink><files><file name="repomd.xml"><verification><hash type="sha256">` + strings.Repeat("0", 64) + `</hash></verification><resources><url preference="1">http://h/repodata/repomd.xml</url></resources></file></files></metalink>`))
	f.Add([]byte(`<metalink><file name="repomd.xml"><hash type="sha-512">` + strings.Repeat("f", 128) + `</hash><url priority="1">https://h/x/repodata/repomd.xml</url></file></metalink>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		link, err := parseMetalink(data, "https://list")
		if err != nil {
			return
		}
		if len(link.sums) == 0 || len(link.sums) > maxSums {
			t.Errorf("%d sums", len(link.sums))
		}
		for _, s := range link.sums {
			if s.Check() != nil {
				t.Errorf("the sum %q", s)
			}
		}
		checkMirrors(t, link.mirrors)
	})
}

func FuzzMirrorList(f *testing.F) {
	f.Add([]byte("# comment\nhttp://host/x\nhttps://other/\nfile:///etc\nhttp://u:p@host"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if all, err := parseMirrorList(data, "https://list"); err == nil {
			checkMirrors(t, all)
		}
	})
}

func checkMirrors(t *testing.T, all []string) {
	if len(all) == 0 || len(all) > maxListed {
		t.Errorf("%d mirrors", len(all))
	}
	for _, at := range all {
		u, err := fileURL(at, "", "repodata/repomd.xml")
		if err != nil || len(at) > maxMirrorURL || !strings.HasPrefix(u, "http") {
			t.Errorf("the mirror %q: %v", at, err)
		}
	}
}

// What a tree tells of a package in a repository leads to the same URLs, with those that
// platform.json tells of the repositories.
func TestInRepository(t *testing.T) {
	m := &mirrors{urls: []string{"https://a.example.org/a%20b/os/", "http://b.example.org/?token=1", "file:///srv/repo"}}
	p := &Platform{mirrors: []*mirrors{{urls: []string{"http://other.example.org/"}}, m}}
	published := tree.Platform{Repositories: p.Repositories()}
	for _, tt := range []struct{ base, location, want string }{
		{"", "Packages/a/a-1-1.noarch.rpm", "Packages/a/a-1-1.noarch.rpm"},
		{"", "Packages/g++%2B1 ü.rpm", "Packages/g+++1 ü.rpm"},
		{"", "what?is#this%41.rpm", "what?is#thisA.rpm"},
		{"", "../pool/a.rpm", ""},
		{"", "./a.rpm", ""},
		{"", "/a.rpm", ""},
		{"", "http://c.example.org/a.rpm", ""},
		{"http://c.example.org/", "a.rpm", ""},
	} {
		pkg := &Package{repository: 1, base: tt.base, location: tt.location}
		var err error
		if pkg.URLs, err = m.places(tt.base, tt.location, maxTreeURLs); err != nil {
			t.Fatal(err)
		}
		n, location := pkg.InRepository()
		if location != tt.want || (n == 2) != (tt.want != "") || n != 0 && n != 2 {
			t.Errorf("%q at %q is at %q in repository %d", tt.location, tt.base, location, n)
		}
		if got := published.URLs(&tree.Package{Repository: n, Location: location}); n > 0 && !slices.Equal(got, pkg.URLs) {
			t.Errorf("%q is at %q and not at %q", tt.location, got, pkg.URLs)
		}
	}
}
