// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

var two = pkgs{
	{NEVRA: "a-1-1.noarch", Requires: []string{"b", "/usr/share/b"}},
	{NEVRA: "b-1-1.noarch", Files: []string{"/usr/share/b"}},
	{NEVRA: "base-1-1.noarch"},
}

func TestRepositoryForms(t *testing.T) {
	for name, options := range map[string][]string{
		"gz":     {},
		"xz":     {"--general-compress-type=xz"},
		"bz2":    {"--general-compress-type=bz2"},
		"sha1":   {"--checksum=sha1"},
		"sha512": {"--checksum=sha512", "--simple-md-filenames"},
		"zst":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			repotest.WriteRPMs(t, dir, two...)
			repotest.CreateRepo(t, dir, options...)
			if options == nil {
				zstdRepo(t, dir)
			}
			server := httptest.NewServer(http.FileServer(http.Dir(dir)))
			defer server.Close()
			for _, url := range []string{repotest.URL(dir), server.URL, server.URL + "/"} {
				p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "repo", URL: url}}, Base: Base{Packages: []string{"base"}}})
				if got, want := show(solveOne(t, p, "a")), "b-1-1.noarch a-1-1.noarch[b]"; got != want {
					t.Errorf("%s: got %s, want %s", url, got, want)
				}
			}
		})
	}
}

// zstdRepo writes a repository's metadata anew, compressed with zstd: Debian's createrepo_c can't.
func zstdRepo(t *testing.T, dir string) {
	t.Helper()
	var data strings.Builder
	for _, kind := range []string{"primary", "filelists"} {
		files, err := filepath.Glob(filepath.Join(dir, "repodata", "*-"+kind+".xml.gz"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		packed, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		z, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		packed = z.EncodeAll(plain, nil)
		name := "repodata/" + kind + ".xml.zst"
		if err := os.WriteFile(filepath.Join(dir, name), packed, 0o644); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(packed)
		fmt.Fprintf(&data, `<data type=%q><checksum type="sha256">%s</checksum><location href=%q/><size>%d</size><open-size>%d</open-size></data>`,
			kind, hex.EncodeToString(sum[:]), name, len(packed), len(plain))
	}
	repomd := `<repomd xmlns="http://linux.duke.edu/metadata/repo">` + data.String() + `</repomd>`
	if err := os.WriteFile(filepath.Join(dir, "repodata/repomd.xml"), []byte(repomd), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBrokenRepositories(t *testing.T) {
	primary := func(t *testing.T, dir string) string {
		files, err := filepath.Glob(filepath.Join(dir, "repodata", "*-primary.xml.gz"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		return files[0]
	}
	edit := func(name string, change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			file := filepath.Join(dir, name)
			if name == "primary" {
				file = primary(t, dir)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, change(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(old, new string) func(*testing.T, string) {
		return edit("repodata/repomd.xml", func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("repomd.xml has no %s", old)
			}
			return bytes.ReplaceAll(b, []byte(old), []byte(new))
		})
	}
	for name, test := range map[string]struct {
		breaks func(t *testing.T, dir string)
		want   []string
	}{
		"damaged":        {edit("primary", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }), []string{"primary.xml.gz", "damaged"}},
		"truncated":      {edit("primary", func(b []byte) []byte { return b[:len(b)/2] }), []string{"primary.xml.gz", "cut off"}},
		"too long":       {edit("primary", func(b []byte) []byte { return append(b, 0) }), []string{"primary.xml.gz", "bytes"}},
		"no repomd":      {func(t *testing.T, dir string) { os.Remove(dir + "/repodata/repomd.xml") }, []string{"repodata/repomd.xml", "correct the repository's url"}},
		"no primary":     {func(t *testing.T, dir string) { os.Remove(primary(t, dir)) }, []string{"primary.xml.gz"}},
		"empty repomd":   {edit("repodata/repomd.xml", func([]byte) []byte { return nil }), []string{"repodata/repomd.xml", "it is no repomd.xml"}},
		"a web page":     {edit("repodata/repomd.xml", func([]byte) []byte { return []byte("<html>not found</html>") }), []string{"it is no repomd.xml"}},
		"nothing in it":  {edit("repodata/repomd.xml", func([]byte) []byte { return []byte("<repomd/>") }), []string{"it lists no primary.xml"}},
		"md5":            {replace(`type="sha256"`, `type="md5"`), []string{`checksum of the kind "md5"`, "createrepo_c"}},
		"size too large": {replace(`<size>`, `<size>9`), []string{"primary.xml.gz", "bytes", "cut off"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := repotest.New(t, two...)
			test.breaks(t, dir)
			server := httptest.NewServer(http.FileServer(http.Dir(dir)))
			defer server.Close()
			for _, url := range []string{repotest.URL(dir), server.URL} {
				_, err := Open(context.Background(), Config{Arch: "x86_64", Repositories: []Repository{{ID: "repo", URL: url}}, Base: Base{Packages: []string{"base"}}})
				for _, want := range append(test.want, "repository repo", url) {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("the error is %v and should say %q", err, want)
					}
				}
			}
		})
	}
}

// What unpacks to more than repomd.xml says is not unpacked further.
func TestUnpackingIsBounded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "primary.xml.gz")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprint(z, `<metadata xmlns="http://linux.duke.edu/metadata/common">`+strings.Repeat(" ", 10<<20)+`</metadata>`)
	z.Close()
	if err := os.WriteFile(name, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	p := newPool("x86_64")
	defer p.free()
	if _, err := p.readPrimary(context.Background(), p.addRepo("a"), name, 1<<20); err == nil || !strings.Contains(err.Error(), "unpacks to more than 1048576 bytes") {
		t.Errorf("the error is %v", err)
	}
	if _, err := p.readPrimary(context.Background(), p.addRepo("b"), name, 11<<20); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(name, packed.Bytes()[:packed.Len()/2], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := p.readPrimary(context.Background(), p.addRepo("c"), name, 11<<20); err == nil {
		t.Error("a file that is cut off is taken for whole")
	}
}

// An RPM that isn't what the repository says is refused.
func TestRPMIsChecked(t *testing.T) {
	dir := repotest.New(t, two...)
	p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "repo", URL: repotest.URL(dir)}}, Base: Base{Packages: []string{"base"}}})
	pkg := solveOne(t, p, "b").Packages[0]
	file := filepath.Join(dir, "b-1-1.noarch.rpm")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bad := slices.Clone(good)
	bad[len(bad)-1] ^= 1
	for want, data := range map[string][]byte{"has the sha256": bad, "has 9 bytes": good[:9], "has more than": append(slices.Clone(good), 0)} {
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.RPM(context.Background(), pkg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v and should say %q", err, want)
		}
	}
	if _, err := pkg.Check(bytes.NewReader(good)); err != nil {
		t.Error(err)
	}
}

func TestGroup(t *testing.T) {
	for in, want := range map[string]string{
		"": "unknown", "Amusements/Games": "games", "Amusements/Games/Board/Puzzle": "games", "Applications/System": "admin-tools",
		"Development/Languages": "programming", "System Environment/Libraries": "system", "python": "programming", "non-free/games": "games",
		"contrib/net": "network", "Unspecified": "unknown", "Productivity/Networking/Web/Browsers": "internet", "Sugar/Activities": "education",
		"User Interface/X": "desktop-other", "education": "education", "netutils": "unknown",
	} {
		if got := group(in); got != want {
			t.Errorf("the group of %q is %s and should be %s", in, got, want)
		}
	}
}

func TestFileURL(t *testing.T) {
	for _, test := range []struct{ repository, base, location, want string }{
		{"http://m/fedora", "", "Packages/a-1-1.noarch.rpm", "http://m/fedora/Packages/a-1-1.noarch.rpm"},
		{"http://m/fedora/", "", "a+b~1^2.rpm", "http://m/fedora/a%2Bb~1%5E2.rpm"},
		{"http://m/fedora/", "", "a%2Bb.rpm", "http://m/fedora/a%2Bb.rpm"},
		{"http://m/c++/", "", "a.rpm", "http://m/c%2B%2B/a.rpm"},
		{"http://m/fedora/", "https://[::1]:80/x+y", "a.rpm", "https://[::1]:80/x%2By/a.rpm"},
		{"http://m/fedora/", "https://user:secret@other/x", "a.rpm", "password"},
		{"http://m/fedora/", "", "https://other/x/a+1.rpm", "https://other/x/a%2B1.rpm"},
		{"http://m/fedora/", "http://base/", "https://other/a.rpm?version=1&x=a+b#c", "https://other/a.rpm?version=1&x=a+b"},
		{"file:///srv", "", "https://other/a.rpm", "https://other/a.rpm"},
		{"file:///srv", "", "file:///other/a%20b.rpm", "file:///other/a%20b.rpm"},
		{"http://m/fedora/", "", "file:///etc/shadow", `of the kind "file"`},
		{"file:///srv", "", "file://host/etc/shadow", `of the kind "file"`},
		{"http://m/fedora/", "", "ftp://other/a.rpm", `of the kind "ftp"`},
		{"http://m/fedora/", "", "https:///a.rpm", `of the kind "https"`},
		{"http://m/fedora/", "", "https://user:secret@other/a.rpm", "password"},
		{"http://m/fedora/", "", "https://user@other/a.rpm", "password"},
		{"http://m/fedora/", "", "https://user:sec%ret@other/a.rpm", "no URL"},
		{"http://m/fedora/", "", "://a.rpm", "no URL"},
		{"http://m/fedora/", "http://other/x", "a.rpm", "http://other/x/a.rpm"},
		{"http://m/fedora/", "file:///etc", "shadow", "http://m/fedora/shadow"},
		{"file:///srv", "file:///other", "a.rpm", "file:///other/a.rpm"},
		{"file:///srv/my repo", "", "a%5E2.rpm", "file:///srv/my%20repo/a%5E2.rpm"},
		{"file:///srv", "", "a?b#c.rpm", "file:///srv/a%3Fb%23c.rpm"},
		{"http://m/f?x=1", "", "100%.rpm", "http://m/f/100%25.rpm?x=1"},
	} {
		got, err := fileURL(test.repository, test.base, test.location)
		if err != nil && !strings.Contains(test.want, "://") && strings.Contains(err.Error(), test.want) && !strings.Contains(err.Error(), "sec") {
			continue
		}
		if got != test.want {
			t.Errorf("%s in %s is at %s and should be at %s", test.location, test.repository, got, test.want)
		}
	}
}

func FuzzRepomd(f *testing.F) {
	f.Add([]byte(`<repomd><data type="primary"><checksum type="sha256">` + strings.Repeat("0", 64) + `</checksum><location href="repodata/primary.xml.gz"/><size>10</size></data></repomd>`))
	f.Add([]byte(`<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"/></repomd>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		md, err := parseRepomd(data, "http://mirror/repo")
		if err != nil {
			return
		}
		for _, m := range []*metadata{md.primary, md.filelists} {
			if m == nil || m.fault != nil {
				continue
			}
			if m.size < 0 || m.size > maxMetadata || m.openSize < 0 || m.openSize > maxUnpacked || newHash(m.kind) == nil || m.location == "" {
				t.Errorf("taken: %+v", m)
			}
		}
	})
}
