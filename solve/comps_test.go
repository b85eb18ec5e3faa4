// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

const compsHead = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
`

// compsText has the forms that Fedora's and EL's comps have: a hidden group, optional groups of an
// environment, an order, languages, a package for those who have another.
const compsText = compsHead + `
  <group><id>office-suite</id><name>Office Suite</name><name xml:lang="de">Büro</name><name xml:lang="pt-BR">Escritório</name><name xml:lang="x-test">xx</name>
    <description>Write,
      and count.</description><description xml:lang="de">Schreiben und rechnen</description>
    <default>false</default><uservisible>true</uservisible><packagelist>
      <packagereq type="mandatory">writer</packagereq><packagereq type="optional"> calc </packagereq><packagereq>app</packagereq>
      <packagereq type="conditional" requires="glibc">writer-langpack-de</packagereq><packagereq>a b</packagereq></packagelist></group>
  <group><id>gnome-desktop</id><name>GNOME</name><uservisible>false</uservisible><packagelist><packagereq>shell</packagereq><packagereq>app</packagereq></packagelist></group>
  <group><id>lonely</id><packagelist><packagereq>loner</packagereq></packagelist></group>
  <category><id>apps</id><name>Applications</name><display_order>20</display_order><grouplist><groupid>office-suite</groupid><groupid>gone</groupid></grouplist></category>
  <environment><id>desk</id><name>Desktop</name><display_order>10</display_order>
    <grouplist><groupid>gnome-desktop</groupid></grouplist><optionlist><groupid default="true">office-suite</groupid><groupid>apps</groupid></optionlist></environment>
  <langpacks><match install="writer-langpack-%s" name="writer"/></langpacks>
</comps>`

// listed is categories in a line each.
func listed(all []Category) string {
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "%s|%s|%s|%s|%v|%v", c.ID, c.Name, c.Summary, c.Icon, c.Names, c.Groups)
		for _, language := range []string{"de", "pt_BR"} {
			if t, ok := c.Texts[language]; ok {
				fmt.Fprintf(&b, "|%s: %s, %s", language, t.Summary, t.Description)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestComps(t *testing.T) {
	var c categories
	if _, err := c.parse(strings.NewReader(compsText), 1<<20); err != nil {
		t.Fatal(err)
	}
	want := `lonely|lonely|||[loner]|[]
desk|Desktop|||[app shell]|[office-suite]
apps|Applications|||[]|[office-suite]
office-suite|Office Suite|Write, and count.||[app calc writer]|[]|de: Büro, Schreiben und rechnen|pt_BR: Escritório, 
`
	lines := strings.Split(listed(c.sorted()), "\n")
	slices.Sort(lines)
	wanted := strings.Split(want, "\n")
	slices.Sort(wanted)
	if !slices.Equal(lines, wanted) {
		t.Errorf("the categories are\n%s\nand should be\n%s", strings.Join(lines, "\n"), strings.Join(wanted, "\n"))
	}
	if _, ok := c.byID["office-suite"].Texts["x-test"]; ok {
		t.Error("there are texts in x-test")
	}
	// Another repository's comps have the same group, with other packages.
	_, err := c.parse(strings.NewReader(compsHead+`<group><id>office-suite</id><name>Another</name><packagelist><packagereq>draw</packagereq></packagelist></group></comps>`), 1<<20)
	if x := c.byID["office-suite"]; err != nil || x.Name != "Office Suite" || !slices.Contains(x.Names, "draw") || !slices.Contains(x.Names, "calc") {
		t.Errorf("after the second repository's: %+v, %v", x, err)
	}
}

// What is listed again and again costs what its bytes cost.
func TestCompsAreBounded(t *testing.T) {
	text := compsHead + "<group><id>hidden</id><uservisible>false</uservisible><packagelist>" + strings.Repeat("<packagereq>a</packagereq>", 100_000) + "</packagelist></group>"
	for i := range 1000 {
		text += fmt.Sprintf("<category><id>c%d</id><grouplist>%s</grouplist></category>", i, strings.Repeat("<groupid>hidden</groupid>", 10))
	}
	var c categories
	if _, err := c.parse(strings.NewReader(text+"</comps>"), 1<<30); err != nil {
		t.Fatal(err)
	}
	with := 0
	for _, x := range c.sorted() {
		with += len(x.Names)
	}
	if with != maxGrouped/100_000 {
		t.Errorf("%d of the categories have the hidden group's package", with)
	}
	c = categories{n: maxGrouped - 1}
	if _, err := c.parse(strings.NewReader(compsText), 1<<20); err == nil || !strings.Contains(err.Error(), "list more than") {
		t.Errorf("too many packages: %v", err)
	}
	many := compsHead
	for i := range tree.MaxCategories + 1 {
		many += fmt.Sprintf("<group><id>g%d</id></group>", i)
	}
	if _, err := new(categories).parse(strings.NewReader(many+"</comps>"), 1<<30); err == nil || !strings.Contains(err.Error(), "groups and categories") {
		t.Errorf("too many groups: %v", err)
	}
}

func TestGroupOf(t *testing.T) {
	var c categories
	text := compsHead
	for group, packages := range map[string]string{
		"core": "bash editor", "editors": "editor", "gnome-desktop": "shell viewer", "graphics": "viewer", "kde-desktop": "plasma", "xfce-desktop": "panel",
		"german-support": "words", "hardware-support": "firmware", "c-development": "compiler", "mail-server": "postman", "security-lab": "scanner",
		"virtualization-client": "machines", "engineering-and-scientific": "python3-sums", "fonts": "letters", "made-up": "thing kernel-thing",
		"development-tools": "compiler", "sugar-desktop": "sugar", "sugar-apps": "sugar-write", "container-management": "pods", "legacy-unix": "finger", "network-server": "dhcp",
	} {
		text += "<group><id>" + group + "</id><packagelist>"
		for _, p := range strings.Fields(packages) {
			text += "<packagereq>" + p + "</packagereq>"
		}
		text += "</packagelist></group>"
	}
	if _, err := c.parse(strings.NewReader(text+"</comps>"), 1<<20); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"bash": "system", "editor": "accessories", "shell": "desktop-gnome", "viewer": "graphics", "plasma": "desktop-kde", "panel": "desktop-xfce", "words": "localization",
		"firmware": "system", "compiler": "programming", "postman": "servers", "scanner": "security", "machines": "virtualization", "python3-sums": "science",
		"letters": "fonts", "thing": "unknown", "kernel-thing": "system", "sugar": "desktop-other", "sugar-write": "education", "pods": "virtualization", "finger": "legacy", "dhcp": "servers",
		// Not listed: by the name.
		"dejavu-sans-fonts": "fonts", "zlib-devel": "programming", "kernel": "system", "kernel-modules": "system", "glibc-langpack-de": "localization", "hunspell-de": "localization",
		"python3-numpy": "programming", "perl-JSON": "programming", "rubygem-json": "programming", "libreoffice-calc": "office", "libxml2": "system", "bash-completion": "unknown", "kernels": "unknown",
	} {
		if got := c.group(name); got != want {
			t.Errorf("%s is in %s and should be in %s", name, got, want)
		}
	}
	known := strings.Fields("accessibility accessories admin-tools communication desktop-gnome desktop-kde desktop-other desktop-xfce documentation education electronics fonts games graphics internet legacy " +
		"localization maps multimedia network office other power-management programming publishing repos science security servers system vendor virtualization")
	for _, g := range slices.Concat(compsGroups, namedGroups) {
		if !slices.Contains(known, g.group) || g.pattern == "" || !matches(g.pattern, strings.ReplaceAll(g.pattern, "*", "a")) {
			t.Errorf("%s is %s", g.pattern, g.group)
		}
	}
}

// A fault in comps is a warning, and what came before it counts; the compressed one is read where
// there are two. A package keeps the group that its RPM tells.
func TestCompsOfARepository(t *testing.T) {
	primary := strings.Replace(repotest.Primary("base", "app requires base", "calc"), "<format>", "<format><rpm:group>Unspecified</rpm:group>", 2)
	primary = strings.Replace(primary, "<format><rpm:provides><rpm:entry name=\"calc\"", "<format><rpm:group>Amusements/Games</rpm:group><rpm:provides><rpm:entry name=\"calc\"", 1)
	broken := strings.Replace(compsText, "<category>", "<category>\n<name>A & B</name>", 1)
	for name, test := range map[string]struct {
		files   map[string]string
		group   string // of app
		ids     string
		warning string
	}{
		"none":       {nil, "unknown", "", ""},
		"good":       {map[string]string{"group": compsText}, "office", "office-suite lonely desk apps", ""},
		"compressed": {map[string]string{"group": broken, "group_gz": compsText}, "office", "office-suite lonely desk apps", ""},
		"broken":     {map[string]string{"group": broken}, "office", "office-suite lonely", "repodata/group.xml, line 14: it is no comps.xml"},
		"bad ids": {map[string]string{"group": compsHead + "<group><id>a b</id></group>\n<group><id/></group><group><id>games</id><packagelist><packagereq>app</packagereq></packagelist></group></comps>"},
			"games", "games", "line 4: a group is left out: "},
		"latin 1":   {map[string]string{"group": "<?xml version='1.0' encoding='ISO-8859-1'?><comps><group><id>games</id><name>Caf\xe9</name></group></comps>"}, "unknown", "games", ""},
		"too large": {map[string]string{"group": compsHead + "<group><id>" + strings.Repeat("a", maxElement) + "</id></group></comps>"}, "unknown", "", "more than"},
		"nothing":   {map[string]string{"group": ""}, "unknown", "", ""},
		"cut off":   {map[string]string{"group": compsHead + "<group><id>games</id></group><group>"}, "unknown", "games", "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"primary": primary}
			for kind, text := range test.files {
				files[kind] = text
			}
			p, err := openMetadata(t, Config{}, files, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := solveOne(t, p, "app")
			if r.Unsolvable != "" || r.Packages[0].Group != test.group {
				t.Errorf("app is in the group %v (%s), and should be in %s", r.Packages, r.Unsolvable, test.group)
			}
			if calc := solveOne(t, p, "calc"); calc.Packages[0].Group != "games" {
				t.Errorf("calc is in the group %s, and its RPM says games", calc.Packages[0].Group)
			}
			var ids []string
			for _, c := range p.Categories() {
				ids = append(ids, c.ID)
			}
			want := strings.Fields(test.ids)
			slices.Sort(ids)
			slices.Sort(want)
			if !slices.Equal(ids, want) {
				t.Errorf("the categories are %q and should be %q", ids, want)
			}
			if all := fmt.Sprint(p.Warnings()); (test.warning == "") != (len(p.Warnings()) == 0) || !strings.Contains(all, test.warning) {
				t.Errorf("the warnings are %s, and should say %s", all, test.warning)
			}
		})
	}
}

// addMetadata adds a file to a repository's repomd.xml.
func addMetadata(t *testing.T, repository, file, kind string) {
	t.Helper()
	if out, err := exec.Command("modifyrepo_c", "--mdtype="+kind, file, filepath.Join(repository, "repodata")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// openSUSE's patterns are packages: those that are shown are categories, with what they require and
// recommend.
func TestPatterns(t *testing.T) {
	repository := repotest.New(t,
		repotest.Package{NEVRA: "base-1-1.noarch"}, repotest.Package{NEVRA: "shell-1-1.noarch"}, repotest.Package{NEVRA: "viewer-1-1.noarch"},
		repotest.Package{NEVRA: "patterns-gnome-gnome-1-1.noarch", Requires: []string{"shell", "(viewer if base)", "pattern() = base"}, Recommends: []string{"viewer >= 1"},
			Provides: []string{"pattern() = gnome", "pattern-visible()", "pattern-category() = Graphical%20Environments", "pattern-icon() = pattern-gnome-wayland", "pattern-order() = 1010"}},
		repotest.Package{NEVRA: "patterns-games-games-1-1.noarch", Requires: []string{"viewer"}, Provides: []string{"pattern() = games", "pattern-visible()", "pattern-order() = 900"}},
		repotest.Package{NEVRA: "patterns-base-base-1-1.noarch", Requires: []string{"base"}, Provides: []string{"pattern() = base", "pattern-category() = Base"}},
		repotest.Package{NEVRA: "other-1-1.noarch", Provides: []string{"pattern() = other", "pattern-visible()"}},
		repotest.Package{NEVRA: "patterns-none-1-1.noarch"})
	susedata := filepath.Join(t.TempDir(), "susedata.de")
	if err := os.WriteFile(susedata, []byte(`<susedata><package name="patterns-gnome-gnome"><summary lang="de">GNOME-Arbeitsfläche</summary><description lang="de">Fenster.
Und mehr.</description></package></susedata>`), 0o644); err != nil {
		t.Fatal(err)
	}
	addMetadata(t, repository, susedata, "susedata.de")
	p, err := Open(context.Background(), Config{Arch: "x86_64", Repositories: []Repository{{ID: "main", URL: repotest.URL(repository)}}, Base: Base{Packages: []string{"base"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	want := `patterns-games-games|the summary of patterns-games-games|the summary of patterns-games-games, at length.||[viewer]|[]
patterns-gnome-gnome|the summary of patterns-gnome-gnome|the summary of patterns-gnome-gnome, at length.|pattern-gnome-wayland|[shell viewer]|[]|de: GNOME-Arbeitsfläche, Fenster.
patterns-in-graphical-environments|Graphical Environments|||[]|[patterns-gnome-gnome]
`
	if got := listed(p.Categories()); got != want {
		t.Errorf("the categories are\n%s\nand should be\n%s", got, want)
	}
}

// comps are outside input too.
func FuzzComps(f *testing.F) {
	f.Add([]byte(compsText))
	f.Add([]byte(`<comps><group><id>a</id><packagelist>` + strings.Repeat(`<packagereq>b</packagereq>`, 1000) + `</packagelist></group>`))
	f.Add([]byte(`<comps><category><id>a</id><grouplist><groupid>b</groupid></grouplist></category><category><id>b</id><grouplist><groupid>a</groupid><groupid>b</groupid></grouplist></category></comps>`))
	f.Add([]byte("<comps><group><id>..</id><name xml:lang='../de'>\u202e&amp;</name></group></comps>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var c categories
		c.parse(bytes.NewReader(data), 1<<20)
		all := &tree.Categories{Format: tree.Format, Platform: "p"}
		for _, x := range c.sorted() {
			if x.Name == "" || len(x.Name) > tree.MaxSummary || len(x.Summary) > tree.MaxSummary {
				t.Errorf("%+v", x)
			}
			all.Categories = append(all.Categories, x.Category)
		}
		content, err := all.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tree.ParseCategories(content, "p"); err != nil && len(data) < 10_000 {
			t.Errorf("laptops would refuse it: %v", err)
		}
	})
}
