// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// openMetadata opens a repository that is written by hand, whose base is "base". change may change
// its folder.
func openMetadata(t *testing.T, c Config, files map[string]string, change func(dir string)) (*Platform, error) {
	t.Helper()
	dir := t.TempDir()
	repotest.WriteMetadata(t, dir, files)
	if change != nil {
		change(dir)
	}
	c.Arch, c.Base = "x86_64", Base{Packages: []string{"base"}}
	c.Repositories = []Repository{{ID: "main", URL: repotest.URL(dir)}}
	p, err := Open(context.Background(), c)
	if err == nil {
		t.Cleanup(p.Close)
	}
	return p, err
}

const (
	updateApp   = `<update type="security"><id>A-1</id><title>%s</title><pkglist><collection><package name="app" epoch="0" version="1" release="1" arch="noarch"/></collection></pkglist></update>`
	describeApp = `<component><pkgname>app</pkgname><summary xml:lang="de">Anwendung</summary></component>`
)

func updateOf(title string) string { return strings.Replace(updateApp, "%s", title, 1) }

// What no tree depends on never stops a build. It is told with its place, and what came before the
// fault is kept.
func TestOptionalMetadata(t *testing.T) {
	primary := repotest.Primary("base", "app requires base")
	replace := func(name, old, new string) func(string) {
		return func(dir string) {
			path := filepath.Join(dir, "repodata", name)
			data, err := os.ReadFile(path)
			if err != nil || !bytes.Contains(data, []byte(old)) {
				t.Fatalf("%s has no %s: %v", name, old, err)
			}
			if err := os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(new), 1), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		kind, text string
		change     func(dir string)
		files      bool     // Config.FileLists
		title      string   // of app's notice
		german     string   // of app
		warning    []string // what it says; nil: there is none
	}{
		"updateinfo good":          {kind: "updateinfo", text: "<updates>\n" + updateOf("One") + "\n</updates>", title: "One"},
		"updateinfo broken":        {kind: "updateinfo", text: "<updates>\n" + updateOf("One") + "\n" + updateOf("A & B") + "\n</updates>", title: "One", warning: []string{"repository main, repodata/updateinfo.xml, line 3: ", "invalid character entity"}},
		"updateinfo cut off":       {kind: "updateinfo", text: "<updates>\n" + updateOf("One") + "\n<update>", title: "One", warning: []string{"repodata/updateinfo.xml, line 3: ", "unexpected EOF"}},
		"updateinfo Latin 1":       {kind: "updateinfo", text: `<?xml version="1.0" encoding="ISO-8859-1"?>` + "\n<updates>" + updateOf("caf\xe9") + "</updates>", title: "café"},
		"updateinfo Latin 2":       {kind: "updateinfo", text: `<?xml version="1.0" encoding="iso-8859-2"?>` + "\n<updates>" + updateOf("\xb3za") + "</updates>", title: "łza"},
		"updateinfo UTF-8, BOM":    {kind: "updateinfo", text: "\ufeff" + `<?xml version="1.0" encoding="utf-8"?>` + "\n<updates>" + updateOf("café") + "</updates>", title: "café"},
		"updateinfo UTF-16":        {kind: "updateinfo", text: utf16(`<?xml version="1.0" encoding="UTF-16"?><updates>` + updateOf("café") + "</updates>"), title: "café"},
		"updateinfo utf8":          {kind: "updateinfo", text: `<?xml version="1.0" encoding="utf8"?>` + "\n<updates>" + updateOf("café") + "</updates>", title: "café"},
		"updateinfo other words":   {kind: "updateinfo", text: `<?xml version="1.0" encoding="klingon"?>` + "\n<updates>" + updateOf("One") + "</updates>", warning: []string{"line 1: ", `the encoding "klingon"`}},
		"updateinfo epoch None":    {kind: "updateinfo", text: "<updates>\n\n" + strings.Replace(updateOf("One"), `epoch="0"`, `epoch="None"`, 1) + "</updates>", title: "One", warning: []string{"line 3: ", `the update "A-1": the epoch of a package is "None", which is taken for 0`}},
		"updateinfo bad epochs":    {kind: "updateinfo", text: "<updates>\n" + strings.Replace(updateOf("Bad"), `epoch="0"`, `epoch="x"`, 1) + "\n" + strings.Replace(updateOf("Bad"), `epoch="0"`, `epoch="-1"`, 1) + updateOf("One") + "</updates>", title: "One", warning: []string{"line 2: ", `its epoch is "x"`, "the first of 2 such faults"}},
		"updateinfo bad version":   {kind: "updateinfo", text: "<updates>\n" + strings.Replace(updateOf("Bad"), `version="1"`, `version="1 or 2"`, 1) + updateOf("One") + "</updates>", title: "One", warning: []string{"line 2: ", "a package of it is left out"}},
		"updateinfo damaged":       {kind: "updateinfo", text: "<updates>" + updateOf("One") + "</updates>", change: replace("updateinfo.xml", "One", "Two"), warning: []string{"has the sha256"}},
		"updateinfo of md5":        {kind: "updateinfo", text: "<updates>" + updateOf("One") + "</updates>", change: replace("repomd.xml", `type="updateinfo"><checksum type="sha256"`, `type="updateinfo"><checksum type="md5"`), warning: []string{"repodata/updateinfo.xml: ", `of the kind "md5"`}},
		"updateinfo of no size":    {kind: "updateinfo", text: "<updates>" + updateOf("One") + "</updates>", change: replace("repomd.xml", "updateinfo.xml\"/><size>", "updateinfo.xml\"/><size>about "), warning: []string{"the size of its updateinfo"}},
		"updateinfo password":      {kind: "updateinfo", text: "<updates>" + updateOf("One") + "</updates>", change: replace("repomd.xml", "repodata/updateinfo.xml", "https://u:secret@host/updateinfo.xml"), warning: []string{"repository main, updateinfo: ", "a user name or a password"}},
		"updateinfo not to be had": {kind: "updateinfo", text: "<updates>" + updateOf("One") + "</updates>", change: func(dir string) { os.Remove(dir + "/repodata/updateinfo.xml") }, warning: []string{"repository main, repodata/updateinfo.xml: ", "no such file"}},
		"appstream broken":         {kind: "appstream", text: "<components>\n" + describeApp + "\n<component><pkgname>app</pkgname><summary xml:lang=\"fr\">A&nbsp;B</summary></component></components>", german: "Anwendung", warning: []string{"repodata/appstream.xml, line 3: ", "&nbsp;"}},
		"appstream not to be had":  {kind: "appstream", text: "<components>" + describeApp + "</components>", change: func(dir string) { os.Remove(dir + "/repodata/appstream.xml") }, warning: []string{"repodata/appstream.xml: "}},
		"susedata no number":       {kind: "susedata.de", text: "<susedata packages='many'><package name='app'><summary lang='de'>Anwendung</summary></package></susedata>", german: "Anwendung"},
		"file lists gone":          {kind: "filelists", text: "<filelists/>", files: true, change: func(dir string) { os.Remove(dir + "/repodata/filelists.xml") }, warning: []string{"repodata/filelists.xml: "}},
		"file lists broken":        {kind: "filelists", text: "<filelists><package", files: true, warning: []string{"repodata/filelists.xml: "}},
	} {
		t.Run(name, func(t *testing.T) {
			var told []Warning
			p, err := openMetadata(t, Config{FileLists: test.files, Warn: func(w Warning) { told = append(told, w) }}, map[string]string{"primary": primary, test.kind: test.text}, test.change)
			if err != nil {
				t.Fatal(err)
			}
			r := solveOne(t, p, "app")
			if r.Unsolvable != "" {
				t.Error(r.Unsolvable)
			}
			var titles []string
			for _, n := range p.Notices(r.Packages) {
				titles = append(titles, n.Title)
			}
			if got := strings.Join(titles, ", "); got != test.title {
				t.Errorf("the notices are %q and should be %q", got, test.title)
			}
			if x := p.Texts()["de"]["app"]; (x == nil && test.german != "") || x != nil && x.Summary != test.german {
				t.Errorf("the text is %+v and should be %q", x, test.german)
			}
			if !slices.Equal(told, p.Warnings()) {
				t.Errorf("told %v, and lists %v", told, p.Warnings())
			}
			if len(told) > 0 != (test.warning != nil) || len(told) > 1 {
				t.Fatalf("warnings: %v", told)
			}
			for _, want := range test.warning {
				if !strings.Contains(told[0].String(), want) || strings.Contains(told[0].String(), "secret") {
					t.Errorf("%s: should say %s, and no password", told[0], want)
				}
			}
		})
	}
}

// utf16 is a text in UTF-16, with its mark.
func utf16(s string) string {
	b := []byte{0xfe, 0xff}
	for _, r := range s {
		b = append(b, byte(r>>8), byte(r))
	}
	return string(b)
}

// What trees depend on stops it.
func TestNeededMetadata(t *testing.T) {
	remove := func(name string) func(string) {
		return func(dir string) { os.Remove(filepath.Join(dir, "repodata", name)) }
	}
	edit := func(old, new string) func(string) {
		return func(dir string) {
			path := filepath.Join(dir, "repodata/repomd.xml")
			data, err := os.ReadFile(path)
			if err != nil || !bytes.Contains(data, []byte(old)) {
				t.Fatalf("repomd.xml has no %s: %v", old, err)
			}
			if err := os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(new), 1), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, test := range map[string]struct {
		files  map[string]string
		change func(string)
		want   string
	}{
		"file lists that a dependency needs": {map[string]string{"primary": repotest.Primary("base", "app requires /usr/share/x"), "filelists": "<filelists/>"}, remove("filelists.xml"), "filelists.xml"},
		"broken, and needed":                 {map[string]string{"primary": repotest.Primary("base", "app requires /usr/share/x"), "filelists": "<filelists><package"}, nil, "filelists.xml"},
		"primary":                            {map[string]string{"primary": repotest.Primary("base")}, remove("primary.xml"), "primary.xml"},
		"primary with a password":            {map[string]string{"primary": repotest.Primary("base")}, edit(`href="repodata/primary.xml"`, `href="https://u:hush@host/primary.xml"`), "its primary can't be read: its place in the metadata has a user name or a password"},
		"primary, a base with a password":    {map[string]string{"primary": repotest.Primary("base")}, edit(`href="repodata/primary.xml"`, `href="primary.xml" xml:base="https://u:hush@host/"`), "its primary can't be read: its place in the metadata has a user name or a password"},
		"primary broken":                     {map[string]string{"primary": "<metadata><package"}, nil, "primary.xml"},
	} {
		if _, err := openMetadata(t, Config{FileLists: true}, test.files, test.change); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// libsolv and dnf take what primary.xml says of folders called bin for all that there is.
	p, err := openMetadata(t, Config{}, map[string]string{"primary": repotest.Primary("base", "tool", "app requires /usr/bin/tool"), "filelists": "<filelists/>"}, remove("filelists.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if r := solveOne(t, p, "app"); r.Unsolvable == "" {
		t.Errorf("a file that isn't in primary.xml is found: %+v", r)
	}
}

// libsolv reads primary.xml itself.
func TestPrimaryInLatin1(t *testing.T) {
	text := `<?xml version="1.0" encoding="ISO-8859-1"?>` + strings.Replace(repotest.Primary("base", "app"), "the summary of app", "caf\xe9", 1)
	p, err := openMetadata(t, Config{}, map[string]string{"primary": text}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := solveOne(t, p, "app").Packages[0].Summary; got != "café" {
		t.Errorf("the summary is %q", got)
	}
}

// A compressed file that is cut off gives what it has.
func TestCutOff(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte("<updates>" + updateOf("One")))
	z.Flush()
	z.Write([]byte(strings.Repeat(updateOf("More"), 100)))
	z.Flush()
	n, err := readUpdateinfo(t, "u.gz", b.Bytes(), maxXML)
	if err == nil || !strings.Contains(err.Error(), "unexpected EOF") || len(n.byName["app"]) != 101 {
		t.Errorf("%v, and %d notices", err, len(n.byName["app"]))
	}
}

// A file of a repository that leads to a place with a password isn't asked for, and isn't told.
func TestPlacesWithPasswords(t *testing.T) {
	primary := repotest.Primary("base", "app", "far at https://host/far-1-1.noarch.rpm", "secret at https://u:secret@host/secret-1-1.noarch.rpm", "local at file:///srv/local.rpm")
	p, err := openMetadata(t, Config{}, map[string]string{"primary": primary}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"far": "https://host/far-1-1.noarch.rpm", "local": "file:///srv/local.rpm", "secret": ""} {
		pkg := solveOne(t, p, name).Packages[0]
		if strings.Join(pkg.URLs, " ") != want || (pkg.Nowhere == "") != (want != "") || strings.Contains(pkg.Nowhere, "secret@") {
			t.Errorf("%s is at %q (%q) and should be at %q", name, pkg.URLs, pkg.Nowhere, want)
		}
	}
	if all := p.Warnings(); len(all) != 1 || !strings.Contains(all[0].String(), "can't be had: 1, e.g. secret-1-1.noarch: ") {
		t.Errorf("warnings: %v", all)
	}
	if _, _, err := p.RPM(context.Background(), &Package{Package: tree.Package{Size: 1}, Checksum: strings.Repeat("0", 64), ChecksumKind: "sha256", location: "https://u:secret@host/x"}); err == nil || strings.Contains(err.Error(), "secret@") {
		t.Errorf("the error is %v", err)
	}
}
