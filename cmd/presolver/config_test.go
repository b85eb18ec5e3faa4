package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
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
	c, err := parseConfig([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	short, err := parseConfig([]byte(`platform = "debian-12-x86_64"
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
	if p := c.publish(); p.Platform != "debian-12-x86_64" || p.Copy || !p.Presolve || p.SugarNetwork || p.ValidFor != 720*time.Hour {
		t.Errorf("to publish: %+v", p)
	}
	if s := c.solve(nil); s.Arch != "x86_64" || s.Repositories[0].URL != "http://mirror/fedora/18/i386" || s.Base.Packages[0] != "sugar-session" || !s.FileLists {
		t.Errorf("to solve: %+v", s)
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, test := range []struct {
		old, new string // what to change in the good one
		want     []string
	}{
		{`rpms `, `rmps `, []string{"4: there is no key rmps: the file has platform, arch"}},
		{`id  =`, `name =`, []string{"10: there is no key repository.name: [repository] has id, url"}},
		{`file     = ""`, `files = ""`, []string{"20: there is no key toplevel.files: [toplevel] has packages, file, all"}},
		{`[signing]`, `[sining]`, []string{"there is no key sining", "signing"}},
		{`platform = "debian-12-x86_64"`, `platform = 12`, []string{"1: platform must be a string in quotes"}},
		{`platform = "debian-12-x86_64"`, `platform = "../etc"`, []string{"1: ", "can't be the name of a platform"}},
		{`platform = "debian-12-x86_64"`, ``, []string{"platform is missing"}},
		{`arch     = "x86_64"`, `arch = "noarch"`, []string{"2: ", "is not an architecture"}},
		{`arch     = "x86_64"`, ``, []string{"arch is missing"}},
		{`output   = "/srv/presolve"`, `output = 3.5`, []string{"3: output must be a string in quotes"}},
		{`output   = "/srv/presolve"`, ``, []string{"output is missing"}},
		{`rpms     = "upstream"`, `rpms = "local"`, []string{"4: ", `rpms is "local": choose`}},
		{`layouts  = ["presolve"]`, `layouts = "presolve"`, []string{"5: layouts must be a list of strings"}},
		{`layouts  = ["presolve"]`, `layouts = ["zero"]`, []string{"5: ", `"zero", which is neither "presolve"`}},
		{`layouts  = ["presolve"]`, `layouts = ["sugar-network"]`, []string{`set rpms = "copy"`}},
		{`layouts  = ["presolve"]`, `layouts = []`, []string{"layouts is empty"}},
		{`weak_dependencies = false`, `weak_dependencies = "no"`, []string{"6: weak_dependencies must be true or false"}},
		{`valid_for = "720h"`, `valid_for = "30 days"`, []string{"7: ", `"720h" for thirty days`}},
		{`valid_for = "720h"`, `valid_for = 30`, []string{"7: valid_for must be a string in quotes"}},
		{`url = "http://mirror/fedora/18/i386"`, `url = "ftp://mirror/"`, []string{"11: ", "give an http, https or file URL"}},
		{`url = "http://mirror/fedora/18/i386"`, ``, []string{"9: the repository main has no url"}},
		{`id  = "main"`, ``, []string{"9: the repository has no id"}},
		{`[base]`, "[[repository]]\nid = 'main'\nurl = 'file:///x'\n[base]", []string{"14: two repositories have the id main"}},
		{`packages = ["sugar-session"]`, `packages = ["a/b"]`, []string{"14: ", "give its name alone"}},
		{`packages = ["sugar-session"]`, ``, []string{"there is no base"}},
		{`root     = ""`, `root = "/"`, []string{"base.packages and base.root are both set"}},
		{`packages = ["sugar-write-activity"]`, ``, []string{"there is no top-level package"}},
		{`all      = false`, `all = 1`, []string{"21: toplevel.all must be true or false"}},
		{`key = ""`, `key = "/etc/key.asc"`, []string{"this version can't sign"}},
		{`arch     = "x86_64"`, `arch = "x86_64`, []string{"2: "}},
		{`arch     = "x86_64"`, "arch = 'i686'\narch = 'i686'", []string{"3: "}},
	} {
		text := strings.Replace(good, test.old, test.new, 1)
		if text == good {
			t.Fatalf("the example has no %s", test.old)
		}
		_, err := parseConfig([]byte(text))
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error is %v and should say %q", test.new, err, want)
			}
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("platform = 1\n[[repository]]\nid = 'a'\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig(data)
		if err != nil {
			return
		}
		if c.Platform == "" || strings.ContainsAny(string(c.Platform), "/\\") || len(c.Repository) == 0 || c.validFor < time.Minute {
			t.Errorf("taken: %+v", c)
		}
	})
}
