// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"database/sql"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // RPM's database

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// TestChanges runs testdata/changes/*.txtar: what goes beyond a first install. Each has a school of
// its own, which can be in any season. Beside testscript's own commands these have:
//
//	laptop [KEY=VALUE…]   makes a laptop; KEY=VALUE goes into its configuration
//	season NAME           the school's repository gets new versions, and is published again: see seasons
//	rpm OPTION…           runs rpm on the laptop's root; files are looked for in the school's repository, too
//	damage NAME           damages what the laptop's RPM database has of a package
//	make NAME             makes an RPM file NAME.rpm in the working folder: see files
//	agrees                tells whether the record and "rpm -qa" name the same packages
//	talk FILE             as in TestTranscripts
func TestChanges(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/changes",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			s, err := testbed.NewSchool(filepath.Join(env.WorkDir, "school"), school.Tools)
			if err != nil {
				return err
			}
			env.Defer(func() { s.Close() })
			env.Values["school"] = s
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"laptop": func(ts *testscript.TestScript, neg bool, args []string) {
				more := ""
				for _, a := range args {
					key, value, _ := strings.Cut(a, "=")
					more += fmt.Sprintf("%s = %s\n", key, strings.ReplaceAll(value, "$WORK", ts.Getenv("WORK")))
				}
				l, err := ts.Value("school").(*testbed.School).Laptop("", "presolve", more)
				ts.Check(err)
				for key, value := range map[string]string{"CONFIG": l.Config, "ROOT": l.Root, "CACHE": l.Cache, "STATE": l.State, "LAPTOP": l.Dir} {
					ts.Setenv(key, value)
				}
			},
			"season": func(ts *testscript.TestScript, neg bool, args []string) {
				season, ok := seasons[args[0]]
				if !ok {
					ts.Fatalf("usage: season %s", strings.Join(slices.Sorted(maps.Keys(seasons)), "|"))
				}
				ts.Check(ts.Value("school").(*testbed.School).Release(season.updateinfo, season.packages...))
			},
			"rpm": func(ts *testscript.TestScript, neg bool, args []string) {
				for i, a := range args {
					if in := filepath.Join(ts.Getenv("WORK"), "school", "repository", a); strings.HasSuffix(a, ".rpm") && !filepath.IsAbs(a) {
						args[i] = in
						if _, err := os.Stat(in); err != nil {
							args[i] = filepath.Join(ts.Getenv("WORK"), a)
						}
					}
				}
				out, err := testbed.RPMQuery(ts.Getenv("ROOT"), args...)
				fmt.Fprint(ts.Stdout(), out)
				if (err == nil) == neg {
					ts.Fatalf("rpm: %v: %s", err, out)
				}
			},
			"make": func(ts *testscript.TestScript, neg bool, args []string) {
				r, ok := files[args[0]]
				if !ok {
					ts.Fatalf("usage: make %s", strings.Join(slices.Sorted(maps.Keys(files)), "|"))
				}
				path, err := r.Write(ts.MkAbs("."))
				ts.Check(err)
				ts.Check(os.Rename(path, ts.MkAbs(args[0]+".rpm")))
			},
			"damage": func(ts *testscript.TestScript, neg bool, args []string) {
				database, err := sql.Open("sqlite", filepath.Join(ts.Getenv("ROOT"), testbed.DBPath, "rpmdb.sqlite"))
				ts.Check(err)
				defer database.Close()
				_, err = database.Exec("UPDATE Packages SET blob = x'00' WHERE hnum = (SELECT hnum FROM Name WHERE key = ?)", args[0])
				ts.Check(err)
			},
			"agrees": func(ts *testscript.TestScript, neg bool, args []string) {
				h, err := school.Start(ts.Getenv("CONFIG"), nil)
				ts.Check(err)
				defer h.Kill()
				lines, err := h.Do("get-packages", "installed")
				ts.Check(err)
				record, database := both(ts, ts.Getenv("ROOT"), lines)
				if !slices.Equal(record, database) {
					ts.Fatalf("the record has %d packages and rpm -qa %d:\n%q\n%q", len(record), len(database), record, database)
				}
			},
			"talk": talk,
		},
	})
}

// both are the packages that get-packages told, and those that "rpm -qa" tells, sorted.
func both(ts *testscript.TestScript, root string, lines []string) (record, database []string) {
	for _, l := range lines {
		if f := strings.Split(l, "\t"); f[0] == "package" {
			id := strings.Split(f[2], ";")
			record = append(record, id[0]+"-"+id[1]+"."+id[2])
		}
	}
	out, err := testbed.RPMQuery(root, "-qa", "--qf", `%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}.%{ARCH}\n`)
	ts.Check(err)
	for p := range strings.FieldsSeq(strings.ReplaceAll(out, "-0:", "-")) {
		if !strings.HasPrefix(p, "gpg-pubkey-") {
			database = append(database, p)
		}
	}
	slices.Sort(record)
	slices.Sort(database)
	return record, database
}

// A season is what a distribution gives out at once.
type season struct {
	packages   []testbed.RPM
	updateinfo string
}

func file(path, text string) map[string]string { return map[string]string{path: text} }

// seasons are the versions that follow those of testbed.Programs.
var seasons = map[string]season{
	// Everything is new, and why is told.
	"spring": {packages: []testbed.RPM{
		{Name: "hello", Version: "2.0", Summary: "Says hello", Requires: []string{"libgreet >= 2", "libvoice"}, Files: file("/usr/bin/hello", "2\n")},
		{Name: "libgreet", Version: "2.0", Arch: "x86_64", Summary: "Greetings in many languages", Requires: []string{"libtext >= 2:1.0"}, Files: file("/usr/lib64/libgreet.so.2", "ELF\n")},
		{Name: "libtext", Version: "1.0", Epoch: 2, Arch: "x86_64", Summary: "Text for everybody", Files: file("/usr/lib64/libtext.so.1", "ELF\n")},
		{Name: "libvoice", Version: "1.0", Arch: "x86_64", Summary: "Speaks", Files: file("/usr/lib64/libvoice.so.1", "ELF\n")},
		{Name: "paint", Version: "4.0", Arch: "x86_64", Summary: "Draws and paints", Requires: []string{"libtext >= 2:1.0", "paint-data = 4.0-1"}, Files: file("/usr/bin/paint", "ELF 4\n")},
		{Name: "paint-data", Version: "4.0", Summary: "Brushes and colours", Requires: []string{"paint = 4.0-1"}, Files: file("/usr/share/paint/brushes", "brushes\n")},
	}, updateinfo: springNotices},
	// The library of greetings has another name.
	"summer": {packages: []testbed.RPM{
		{Name: "hello", Version: "3.0", Summary: "Says hello", Requires: []string{"greetings"}, Files: file("/usr/bin/hello", "3\n")},
		{Name: "greetings", Version: "3.0", Arch: "x86_64", Summary: "Greetings in all languages", Requires: []string{"libtext"}, Obsoletes: []string{"libgreet < 3"}, Files: file("/usr/lib64/libgreetings.so.3", "ELF\n")},
	}},
	// One package in the middle fails.
	"storm": {packages: []testbed.RPM{
		{Name: "hello", Version: "1.5", Summary: "Says hello", Requires: []string{"libgreet >= 1.5"}, Files: file("/usr/bin/hello", "1.5\n")},
		{Name: "libgreet", Version: "1.5", Arch: "x86_64", Summary: "Greetings in many languages", Pre: `error("struck by lightning")`, Requires: []string{"libtext >= 2:0.95"}, Files: file("/usr/lib64/libgreet.so.1", "ELF 1.5\n")},
		{Name: "libtext", Version: "0.95", Epoch: 2, Arch: "x86_64", Summary: "Text for everybody", Files: file("/usr/lib64/libtext.so.0", "ELF 0.95\n")},
	}},
	// The standard installation moves on, and a program needs it.
	"autumn": {packages: []testbed.RPM{
		{Name: "libschool", Version: "3.0", Arch: "x86_64", Summary: "The school's library", Files: file("/usr/lib64/libschool.so.3", "ELF\n")},
		{Name: "hello", Version: "2.5", Summary: "Says hello", Requires: []string{"libschool >= 3"}, Files: file("/usr/bin/hello", "2.5\n")},
		{Name: "paint-data", Version: "3.5", Summary: "Brushes and colours", Requires: []string{"paint"}},
		{Name: "paint", Version: "3.5", Arch: "x86_64", Summary: "Draws and paints", Requires: []string{"paint-data = 3.5-1"}, Files: file("/usr/bin/paint", "ELF 3.5\n")},
	}},
	// A program has a library that nobody had before.
	"choir": {packages: []testbed.RPM{
		{Name: "paint", Version: "3.2", Arch: "x86_64", Summary: "Draws and paints", Requires: []string{"libsong"}, Files: file("/usr/bin/paint", "ELF 3.2\n")},
		{Name: "libsong", Version: "1.0", Arch: "x86_64", Summary: "Songs", Provides: []string{"libsong.so.1()(64bit)"}, Files: file("/usr/lib64/libsong.so.1", "ELF\n")},
	}},
	// Something obsoletes the standard installation's library.
	"winter": {packages: []testbed.RPM{
		{Name: "paint", Version: "5.0", Arch: "x86_64", Summary: "Draws and paints", Requires: []string{"snow"}, Files: file("/usr/bin/paint", "ELF 5\n")},
		{Name: "snow", Version: "1.0", Summary: "Covers everything", Obsoletes: []string{"frost"}},
	}},
}

const springNotices = `<?xml version="1.0" encoding="UTF-8"?>
<updates>
  <update from="school@example.org" status="stable" type="security" version="1">
    <id>SCHOOL-2026-7</id><title>libtext-1.0</title><issued date="2026-03-20 08:00:00"/><updated date="2026-03-21 09:30:00"/>
    <severity>Important</severity><description>A text could
run as a program.</description>
    <references>
      <reference href="http://bugs.example.org/7" id="7" type="bugzilla"/>
      <reference href="http://cve.example.org/CVE-2026-7" id="CVE-2026-7" type="cve"/>
      <reference href="http://example.org/SCHOOL-2026-7" id="SCHOOL-2026-7" type="self"/>
    </references>
    <pkglist><collection short="school"><package name="libtext" epoch="2" version="1.0" release="1" arch="x86_64"><filename>libtext-1.0-1.x86_64.rpm</filename><reboot_suggested>True</reboot_suggested></package></collection></pkglist>
  </update>
  <update from="school@example.org" status="stable" type="bugfix" version="1">
    <id>SCHOOL-2026-6</id><title>libgreet-1.9</title><issued date="2026-02-01 08:00:00"/>
    <description>Says hello in the right language.</description>
    <pkglist><collection short="school"><package name="libgreet" version="1.9" release="1" arch="x86_64"/></collection></pkglist>
  </update>
  <update from="school@example.org" status="stable" type="enhancement" version="1">
    <id>SCHOOL-2026-8</id><title>hello speaks</title><issued date="2026-03-22 08:00:00"/><description>hello has a voice now.</description>
    <pkglist><collection short="school">
      <package name="hello" epoch="0" version="2.0" release="1" arch="noarch"/>
      <package name="libgreet" epoch="0" version="2.0" release="1" arch="x86_64"/>
    </collection></pkglist>
  </update>
  <update status="stable" type="security"><id>SCHOOL-2026-1</id><title>something else</title><pkglist><collection><package name="kernel" version="1" release="1" arch="x86_64"><reboot_suggested/></package></collection></pkglist></update>
</updates>
`

// files are RPMs that users have.
var files = map[string]testbed.RPM{
	"poem":      {Name: "poem", Summary: "A poem", Requires: []string{"basesystem"}, Files: file("/usr/share/poem", "roses\n")},
	"poem2":     {Name: "poem", Version: "2.0", Summary: "A longer poem", Files: file("/usr/share/poem", "roses, violets\n")},
	"greeter":   {Name: "greeter", Summary: "Greets", Requires: []string{"libgreet >= 1.2", "/usr/bin/paint"}, Files: file("/usr/bin/greeter", "x\n")},
	"singer":    {Name: "singer", Summary: "Sings", Requires: []string{"libsong.so.1()(64bit)"}},
	"needy":     {Name: "needy", Summary: "Needs what nobody has", Requires: []string{"moon >= 2", "(sun or stars)"}},
	"newschool": {Name: "libschool", Version: "9.0", Arch: "x86_64", Summary: "The school's library", Files: file("/usr/lib64/libschool.so.9", "ELF\n")},
	"phone":     {Name: "phone", Arch: "armv7hl", Summary: "For another machine"},
	"rusty":     {Name: "rusty", Summary: "Can't be removed", Preun: `error("rusted in")`, Files: file("/usr/share/rusty", "rust\n")},
	"rustier":   {Name: "rustier", Summary: "Needs rusty", Requires: []string{"rusty"}, Files: file("/usr/share/rustier", "rust\n")},
	"frost":     {Name: "frost", Summary: "Somebody else's"},
	"hello9":    {Name: "hello", Version: "9.0", Summary: "Says hello, from a stick", Files: file("/usr/bin/hello", "9\n")},
	"hand":      {Name: "hand", Summary: "Installed by hand", Requires: []string{"libtext"}},
}
