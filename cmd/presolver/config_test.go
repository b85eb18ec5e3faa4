// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// good is the design's example.
const good = `platform = "debian-12-x86_64"
arch     = "x86_64"
output   = "/srv/presolve"
rpms     = "upstream"
layouts  = ["presolve"]
weak_dependencies = false
valid_for = "720h"

[[repository]]
id  = "main"
url = "http://mirror/fedora/18/i386"

[base]
packages = ["sugar-session"]
root     = ""
rpmdb    = ""

[toplevel]
packages = ["sugar-write-activity"]
file     = ""
all      = false

[signing]
key = ""
`

func TestConfig(t *testing.T) {
	c, _, err := parseConfig("presolver.toml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	short, _, err := parseConfig("presolver.toml", []byte(`platform = "debian-12-x86_64"
arch = "x86_64"
output = "/srv/presolve"
repository = [{id = "main", url = "http://mirror/fedora/18/i386"}]
base.packages = ["sugar-session"]
toplevel.packages = ["sugar-write-activity"]`))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, short) {
		t.Errorf("what is left out isn't the default:\n%+v\n%+v", c, short)
	}
	if p := c.publish(); p.Platform != "debian-12-x86_64" || p.Copy || !slices.Equal(p.Layouts, []*publish.Layout{publish.Presolve}) || p.ValidFor != 720*time.Hour {
		t.Errorf("to publish: %+v", p)
	}
	if s := c.solve(func(string) {}); s.Arch != "x86_64" || s.Repositories[0].URL != "http://mirror/fedora/18/i386" || s.Base.Packages[0] != "sugar-session" || !s.FileLists {
		t.Errorf("to solve: %+v", s)
	}
}

func TestRelativePaths(t *testing.T) {
	text := strings.Replace(good, `"/srv/presolve"`, `"../published"`, 1)
	text = strings.Replace(text, `file     = ""`, `file = "names.txt"`, 1)
	text = strings.Replace(text, `packages = ["sugar-session"]`, ``, 1)
	text = strings.Replace(text, `root     = ""`, `root = "image"`, 1)
	c, _, err := parseConfig("/srv/laptops/presolver.toml", []byte(text))
	if err != nil || c.Output != "/srv/published" || c.Toplevel.File != "/srv/laptops/names.txt" || c.Base.Root != "/srv/laptops/image" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestConfigRefuses(t *testing.T) {
	const second = "[[repository]]\nid = 'second'\nurl = 'file:///x'\n\n[base]"
	for _, test := range []struct {
		old, new string // what to change in the good one
		want     string
	}{
		{`rpms `, `rmps `, `4: there is no key "rmps": did you mean "rpms"?`},
		{`id  =`, `name =`, `10: there is no key "name" in [[repository]]: [[repository]] has id, url, urls, mirrorlist, metalink, module_hotfixes`},
		{`file     = ""`, `files = ""`, `20: there is no key "files" in [toplevel]: did you mean "file"?`},
		{`file     = ""`, `colour = ""`, `20: there is no key "colour" in [toplevel]: [toplevel] has packages, file, all`},
		{`[signing]`, `[sining]`, `23: there is no table [sining]: did you mean [signing]?`},
		{`[[repository]]`, `[repository]`, `9: [repository] should be [[repository]]: there can be several`},
		{`[base]`, `[[base]]`, `13: [[base]] should be [base]: there is one`},
		{`platform = "debian-12-x86_64"`, `platform = 12`, `1: platform = 12 should be in quotes: write platform = "12"`},
		{`platform = "debian-12-x86_64"`, `platform = "../etc"`, `1: "../etc" can't be the name of a platform, which becomes a folder: use letters, digits, hyphens and dots, as in fedora-18-i686`},
		{`platform = "debian-12-x86_64"`, `platform = "debian-12-amd64"`, `1: platform = "debian-12-amd64" should end with what rpm calls the architecture: write platform = "debian-12-x86_64"`},
		{`platform = "debian-12-x86_64"`, `platform = "debian-12-arm64"`, `1: platform = "debian-12-arm64" should end with what rpm calls the architecture: write platform = "debian-12-x86_64"`},
		{`platform = "debian-12-x86_64"`, ``, ` platform is missing: name the release and the architecture, e.g. platform = "fedora-18-i686"`},
		{`arch     = "x86_64"`, `arch = "amd64"`, `2: arch = "amd64" is not what rpm calls it: write arch = "x86_64"`},
		{`arch     = "x86_64"`, `arch = "x86-64"`, `2: arch = "x86-64" is not what rpm calls it: write arch = "x86_64"`},
		{`arch     = "x86_64"`, `arch = "arm64"`, `2: arch = "arm64" is not what rpm calls it: write arch = "aarch64"`},
		{`arch     = "x86_64"`, `arch = "i386"`, `2: arch = "i386" is not what rpm calls it: write arch = "i686"`},
		{`arch     = "x86_64"`, `arch = "armhfp"`, `2: arch = "armhfp" is not what rpm calls it: write arch = "armv7hl"`},
		{`arch     = "x86_64"`, `arch = "x86"`, `2: arch = "x86" is not what rpm calls it: write arch = "i686"`},
		{`arch     = "x86_64"`, `arch = "noarch"`, `2: "noarch" is not an architecture: name it as rpm does, e.g. x86_64, i686, aarch64 or armv7hl`},
		{`arch     = "x86_64"`, ``, ` arch is missing: name the architecture as rpm does, e.g. arch = "i686"`},
		{`output   = "/srv/presolve"`, `output = 3.5`, `3: output = 3.5 should be in quotes: write output = "3.5"`},
		{`output   = "/srv/presolve"`, ``, ` output is missing: name the folder to publish in, e.g. output = "/srv/presolve"`},
		{`rpms     = "upstream"`, `rpms = "local"`, `4: rpms = "local" should be "upstream" or "copy"`},
		{`rpms     = "upstream"`, `rpms = "upstraem"`, `4: rpms = "upstraem" should be "upstream" or "copy": did you mean "upstream"?`},
		{`layouts  = ["presolve"]`, `layouts = "presolve"`, `5: layouts = "presolve" should be a list: write layouts = ["presolve"]`},
		{`layouts  = ["presolve"]`, "layouts = [\n\"presolve\",\n\"sugar_network\"]", `7: layouts has "sugar_network", which should be "presolve" or "sugar-network": did you mean "sugar-network"?`},
		{`layouts  = ["presolve"]`, `layouts = ["sugar-network"]`, `5: the layout "sugar-network" holds the RPMs itself: set rpms = "copy"`},
		{`layouts  = ["presolve"]`, `layouts = []`, `5: layouts is empty: give at least one, "presolve" or "sugar-network", or leave it out`},
		{`weak_dependencies = false`, `weak_dependencies = "no"`, `6: weak_dependencies = "no" should be true or false`},
		{`valid_for = "720h"`, `valid_for = "30 days"`, `7: valid_for = "30 days" is not a time like "5s", "10m" or "720h" for thirty days`},
		{`valid_for = "720h"`, `valid_for = 720`, `7: valid_for = 720 has no unit: write valid_for = "720h"`},
		{`valid_for = "720h"`, `valid_for = -1`, `7: valid_for = -1 is not a time like "5s", "10m" or "720h" for thirty days`},
		{`valid_for = "720h"`, `valid_for = "5s"`, `7: valid_for = "5s" is less than a minute: give hours and minutes, e.g. "720h" for thirty days`},
		{`url = "http://mirror/fedora/18/i386"`, `url = "ftp://u:secret@mirror/"`, `11: "ftp://xxxxx@mirror/" is not a repository's address: give an http, https or file URL of what holds repodata/, e.g. http://mirror/fedora or file:///srv/fedora`},
		{`url = "http://mirror/fedora/18/i386"`, `url = "http://u:secret@mirror/"`, `11: the url "http://xxxxx@mirror/" has a user or password, which rpms = "upstream" would publish: set rpms = "copy", or take it out of the url`},
		{`url = "http://mirror/fedora/18/i386"`, ``, `9: the repository main has no url: name what holds repodata/, or the list of its mirrors in mirrorlist or metalink`},
		{`url = "http://mirror/fedora/18/i386"`, `urls = ["http://a/", "ftp://b/"]`, `11: "ftp://b/" is not a repository's address: give an http, https or file URL of what holds repodata/, e.g. http://mirror/fedora or file:///srv/fedora`},
		{`url = "http://mirror/fedora/18/i386"`, `urls = ["http://a/", "http://u:secret@b/"]`, `11: the url "http://xxxxx@b/" has a user or password, which rpms = "upstream" would publish: set rpms = "copy", or take it out of the url`},
		{`url = "http://mirror/fedora/18/i386"`, `metalink = "fedora-40"`, `11: "fedora-40" is not the address of a list: give an http, https or file URL`},
		{`url = "http://mirror/fedora/18/i386"`, `mirrorlist = "https://u:secret@mirrors/"`, `11: "https://xxxxx@mirrors/" has a user or password: only a repository's url and urls may`},
		{`url = "http://mirror/fedora/18/i386"`, `url = "http://mirror/$releasever/$basearch"`, `11: "http://mirror/$releasever/$basearch" has $releasever: give the release too, before the tables, e.g. releasever = "40"`},
		{`id  = "main"`, ``, `9: the repository has no id: name it`},
		{`[base]`, strings.Replace(second, "second", "main", 1), `14: two repositories have the id main: rename one`},
		{`[base]`, strings.Replace(second, "file:///x", "x", 1), `15: "x" is not a repository's address: give an http, https or file URL of what holds repodata/, e.g. http://mirror/fedora or file:///srv/fedora`},
		{`[base]`, strings.Replace(second, "'file:///x'", "5", 1), `15: url = 5 should be in quotes: write url = "5"`},
		{`[base]`, "[[module]]\nstream = '12'\n[base]", `13: the module has no name: name it`},
		{`[base]`, "[[module]]\nname = 'db'\n[base]", `13: the module "db" has no stream: say which one is enabled, in quotes, e.g. stream = "12"`},
		{`[base]`, "[[module]]\nname = 'db'\nstream = 12\n[base]", `15: stream = 12 should be in quotes: write stream = "12"`},
		{`[base]`, "[[module]]\nname = 'db:12'\nstream = '12'\n[base]", `14: "db:12" can't be the name of a module`},
		{`[base]`, "[[module]]\nname = 'db'\nstream = '1'\n[[module]]\nname = 'db'\nstream = '2'\n[base]", `17: the module db is there twice: one of its streams can be enabled`},
		{`arch     = "x86_64"`, "arch = 'x86_64'\nplatform_id = 'el8'", `3: "el8" is no platform_id: PLATFORM_ID in the laptops' /etc/os-release says what it is, e.g. "platform:el8"`},
		{`[base]`, strings.Replace(second, "url", "ulr", 1), `15: there is no key "ulr" in [[repository]]: did you mean "url"?`},
		{`packages = ["sugar-session"]`, `packages = ["sugar", "a/b"]`, `14: base.packages: ` + tree.CheckName("a/b").Error() + `: give its name alone, without version and architecture`},
		{`packages = ["sugar-session"]`, ``, `13: there is no base: set packages or root in the table [base]`},
		{`root     = ""`, `root = "/"`, `14: base.packages and base.root are both set: choose one`},
		{"packages = [\"sugar-session\"]\nroot     = \"\"\nrpmdb    = \"\"", "root = \"/\"\nrpmdb = \"rpm\"", `15: rpmdb = "rpm" should be the folder as root has it: write rpmdb = "/rpm"`},
		{`packages = ["sugar-write-activity"]`, ``, `18: there is no top-level package: set packages, file or all in the table [toplevel]`},
		{`all      = false`, `all = 1`, `21: all = 1 should be true or false`},
		{`key = ""`, "key = \"/etc/online.key\"\ncommand = [\"gpg\"]", `25: signing.key and signing.command are both set: choose one`},
		{`key = ""`, `command = ["gpg", "--detach-sign"]`, `24: signing.command needs the public key that it signs with: export it to a file, and name that: public = "key.asc"`},
		{`key = ""`, `key = "/srv/presolve/online.key"`, `24: signing.key = "/srv/presolve/online.key" is in the output, where everybody can download it: put it elsewhere`},
		{`key = ""`, `command = [""]`, `24: signing.command names no program`},
		{`key = ""`, `public = "key.asc"`, `24: signing.public belongs to signing.command: leave it out`},
		{`key = ""`, `passphrase_file = "phrase"`, `24: signing.passphrase_file belongs to signing.key: leave it out`},
		{`key = ""`, `keys = "keys"`, `24: signing.keys says who may sign, and nobody does: set signing.key or signing.command`},
		{`arch     = "x86_64"`, `arch = "x86_64`, `2:15: basic strings cannot have new lines`},
		{`arch     = "x86_64"`, "arch = 'i686'\narch = 'i686'", `3:1: key arch is already defined`},
	} {
		text := strings.Replace(good, test.old, test.new, 1)
		if text == good {
			t.Fatalf("the example has no %s", test.old)
		}
		if _, _, err := parseConfig("presolver.toml", []byte(text)); err == nil || err.Error() != "presolver.toml:"+test.want {
			t.Errorf("%s\nsays %v\nwant presolver.toml:%s", test.new, err, test.want)
		}
	}
}

// What dnf's files have can be written here.
func TestRepositoriesAsDnfHasThem(t *testing.T) {
	text := strings.Replace(good, `url = "http://mirror/fedora/18/i386"`, `url = "http://a/$releasever/$basearch/"
urls = ["http://b/${basearch}", "file:///srv/$arch"]
mirrorlist = "https://mirrors/?release=$releasever&arch=$basearch"
metalink = "https://mirrors/metalink?repo=fedora-$releasever&arch=$basearch"`, 1)
	text = "releasever = \"18\"\n" + strings.NewReplacer("debian-12-x86_64", "fedora-18-i686", `"x86_64"`, `"i686"`).Replace(text)
	c, _, err := parseConfig("presolver.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got := c.solve(func(string) {}).Repositories[0]
	want := solve.Repository{ID: "main", URL: "http://a/18/i386/", URLs: []string{"http://b/i386", "file:///srv/i686"},
		MirrorList: "https://mirrors/?release=18&arch=i386", Metalink: "https://mirrors/metalink?repo=fedora-18&arch=i386"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	var out bytes.Buffer
	c.describe(&out, "presolver.toml", nil)
	for _, want := range []string{"main, http://a/18/i386/\n", "main, file:///srv/i686\n", "main, the mirrors of https://mirrors/metalink?repo=fedora-18&arch=i386\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("--check doesn't say %q:\n%s", want, out.String())
		}
	}
}

// What the configuration names must be there: the first that isn't is told with its line.
func TestCheckRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, made := range []string{"repo/repodata", "image/var/lib/rpm", "bare"} {
		if err := os.MkdirAll(filepath.Join(dir, made), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, made := range []string{"repo/repodata/repomd.xml", "image/var/lib/rpm/rpmdb.sqlite", "names.txt"} {
		if err := os.WriteFile(filepath.Join(dir, made), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "presolver.toml")
	text := func(base, names, second string) string {
		return "platform = \"p-1-x86_64\"\narch = \"x86_64\"\noutput = \"out\"\n" +
			"[base]\n" + base + "\n[toplevel]\nfile = \"" + names + "\"\n" +
			"[[repository]]\nid = \"main\"\nurl = \"file://" + dir + "/repo\"\n" +
			"[[repository]]\nid = \"second\"\nurl = \"file://" + dir + "/" + second + "\"\n"
	}
	const root = `root = "image"`
	for _, tt := range []struct{ text, want string }{
		{text(root, "names.txt", "repo"), ""},
		{text(root+"\nrpmdb = \"/var/lib/rpm\"", "names.txt", "repo"), ""},
		{text(`root = "bare"`, "names.txt", "repo"), `:5: there is no RPM database in usr/lib/sysimage/rpm or var/lib/rpm of ` + dir + `/bare: correct base.root or set base.rpmdb`},
		{text(`root = "imgae"`, "names.txt", "repo"), `:5: there is no RPM database in usr/lib/sysimage/rpm or var/lib/rpm of ` + dir + `/imgae: correct base.root or set base.rpmdb`},
		{text(root+"\nrpmdb = \"/var/lib/rmp\"", "names.txt", "repo"), `:6: there is no RPM database in ` + dir + `/image/var/lib/rmp: correct base.rpmdb, or leave it out to have it found`},
		{text(root, "name.txt", "repo"), `:7: reading toplevel.file: open ` + dir + `/name.txt: no such file or directory: correct it`},
		{text(root, "names.txt", "rope"), `:13: there is no repository in ` + dir + `/rope: correct the url, or run createrepo_c`},
	} {
		if err := os.WriteFile(file, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		want := file + tt.want
		var out bytes.Buffer
		err := (&buildCmd{Config: []string{file}, Check: true}).Run(t.Context(), streams{&out, os.Stderr})
		if tt.want == "" {
			if err != nil || !strings.HasPrefix(out.String(), file+" is right. What it means:\nplatform ") {
				t.Errorf("%s\n%v: %s", tt.text, err, &out)
			}
			continue
		}
		var exit *exitError
		if err == nil || err.Error() != want || !errors.As(err, &exit) || exit.code != exitUsage || out.Len() > 0 {
			t.Errorf("%s\nsays %v\nwant %s", tt.text, err, want)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "out")); !os.IsNotExist(err) {
		t.Errorf("--check has made %v", entries)
	}
}

// With RPMs that are copied a repository may ask for a password, which no text tells.
func TestPasswordIsHidden(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for _, host := range []string{strings.TrimPrefix(server.URL, "http://"), "127.0.0.1:1"} {
		text := strings.Replace(strings.Replace(good, "upstream", "copy", 1), "http://mirror", "http://u:se%63ret%2f@"+host, 1) + "[transport]\nretry_for = \"1s\"\n"
		text = strings.Replace(text, "/srv/presolve", t.TempDir(), 1)
		file := filepath.Join(t.TempDir(), "presolver.toml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		said, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
		if err != nil {
			t.Fatal(err)
		}
		defer said.Close()
		var out bytes.Buffer
		std := streams{&out, said}
		failed := (&buildCmd{Config: []string{file}}).Run(t.Context(), std)
		if failed == nil {
			t.Fatal("there is no repository, and it was built")
		}
		if err := (&buildCmd{Config: []string{file}, Check: true}).Run(t.Context(), std); err != nil {
			t.Fatal(err)
		}
		notes, err := os.ReadFile(said.Name())
		if err != nil {
			t.Fatal(err)
		}
		all := failed.Error() + string(notes) + out.String()
		if strings.Contains(all, "cret") || !strings.Contains(all, "http://"+host) || !strings.Contains(all, "http://xxxxx@"+host) {
			t.Errorf("%s", all)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("platform = 1\n[[repository]]\nid = 'a'\n"))
	f.Add([]byte(strings.Replace(good, "http://mirror", "http://u:p@mirror", 1)))
	f.Add([]byte(strings.Replace(good, `"720h"`, `720`, 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, file, err := parseConfig("/srv/presolver.toml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "/srv/presolver.toml:") {
				t.Errorf("the error is %v", err)
			}
			return
		}
		if err := c.check(file); err != nil {
			t.Errorf("taken and refused: %v", err)
		}
		if c.Platform == "" || strings.ContainsAny(string(c.Platform), "/\\") || len(c.Repository) == 0 || time.Duration(c.ValidFor) < time.Minute || !filepath.IsAbs(string(c.Output)) {
			t.Errorf("taken: %+v", c)
		}
		for _, r := range c.Repository {
			if u, err := url.Parse(r.URL); err != nil || u.User != nil && c.RPMs == "upstream" {
				t.Errorf("the url %s is taken, %v", r.URL, err)
			}
		}
	})
}
