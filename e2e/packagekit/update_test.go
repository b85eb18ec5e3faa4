// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// chess shares nothing with the other programs.
var chess = testbed.RPM{Name: "chess", Summary: "A game for two", Files: map[string]string{"/usr/bin/chess": "ELF\n"}}

// asking are programs that ask something of each other that no tree can know.
var asking = []testbed.RPM{
	{Name: "program", Summary: "Does more with an editor", Requires: []string{"(plugin if editor)"}},
	{Name: "editor", Summary: "Edits"},
	{Name: "plugin", Summary: "What programs have for editors", Requires: []string{"libtext"}},
	{Name: "enemy", Summary: "Likes no editors", Conflicts: []string{"editor"}},
	{Name: "needy", Summary: "Needs what nobody has", Requires: []string{"(treasure if editor)"}},
}

// askingMore are their newer versions.
var askingMore = []testbed.RPM{
	{Name: "program", Version: "2.0", Summary: "Does more with an editor", Requires: []string{"(plugin >= 2 if editor)"}},
	{Name: "plugin", Version: "2.0", Summary: "What programs have for editors", Requires: []string{"libtext"}},
}

// song is what a user has on a stick. What it needs is in the tree of hello.
var song = testbed.RPM{Name: "song", Summary: "A song", Requires: []string{"greetings >= 2"}, Files: map[string]string{"/usr/share/song": "la\n"}}

// spring are the programs' newer versions. What hello was greeted by has another name now.
var spring = []testbed.RPM{
	{Name: "hello", Version: "2.0", Summary: "Says hello", Requires: []string{"greetings >= 2", "libtext >= 2:1.0"}, Files: map[string]string{"/usr/bin/hello": "2\n"}},
	{Name: "greetings", Version: "2.0", Arch: "x86_64", Summary: "Greetings in all languages", Obsoletes: []string{"libgreet < 2"}, Files: map[string]string{"/usr/lib64/libgreetings.so.2": "ELF\n"}},
	{Name: "libtext", Version: "1.0", Epoch: 2, Arch: "x86_64", Summary: "Text for everybody", Files: map[string]string{"/usr/lib64/libtext.so.1": "ELF\n"}},
	{Name: "paint", Version: "4.0", Arch: "x86_64", Summary: "Draws and paints", Requires: []string{"libtext >= 2:1.0", "paint-data = 4.0-1"}, Files: map[string]string{"/usr/bin/paint": "ELF 4\n"}},
	{Name: "paint-data", Version: "4.0", Summary: "Brushes and colours", Requires: []string{"paint = 4.0-1"}, Files: map[string]string{"/usr/share/paint/brushes": "brushes\n"}},
	{Name: "chess", Version: "1.1", Summary: "A game for two", Files: map[string]string{"/usr/bin/chess": "ELF 1.1\n"}},
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
    <pkglist><collection short="school"><package name="libtext" epoch="2" version="1.0" release="1" arch="x86_64"><reboot_suggested>True</reboot_suggested></package></collection></pkglist>
  </update>
  <update from="school@example.org" status="stable" type="bugfix" version="1">
    <id>SCHOOL-2026-8</id><title>chess-1.1</title><issued date="2026-03-22 08:00:00"/><description>A pawn no longer moves backwards.</description>
    <pkglist><collection short="school"><package name="chess" epoch="0" version="1.1" release="1" arch="noarch"/></collection></pkglist>
  </update>
</updates>
`

// ownSchool makes a school that may publish something new.
func ownSchool(t testing.TB, more ...testbed.RPM) *testbed.School {
	t.Helper()
	s, err := testbed.NewSchool(t.TempDir(), school.Tools, append(more, chess)...)
	check(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// publishSpring publishes spring, and what there is as another platform, too: a later release.
func publishSpring(s *testbed.School) error {
	if err := s.Release(springNotices, spring...); err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(s.Dir, "presolver.toml"))
	if err != nil {
		return err
	}
	later := filepath.Join(s.Dir, "later.toml")
	if err := os.WriteFile(later, []byte(strings.Replace(string(config), testbed.Platform, "school-2-x86_64", 1)), 0o644); err != nil {
		return err
	}
	_, err = s.Build(later)
	return err
}

// springLaptop is a laptop with programs whose updates have come out.
func springLaptop(t *testing.T) *laptop {
	t.Helper()
	s := ownSchool(t)
	l := newLaptopOf(t, s, "")
	l.Daemon = pktest.Start(t, l.Helper)
	succeeds(t, l.Run("InstallPackages", uint64(flagsNone), []string{hello, paint}))
	check(t, publishSpring(s))
	succeeds(t, l.Run("RefreshCache", false))
	return l
}

func succeeds(t *testing.T, r pktest.Result) pktest.Result {
	t.Helper()
	if r.Exit() != exitSuccess {
		t.Fatalf("%v", r)
	}
	return r
}

const (
	newHello, newGreetings = "hello;2.0-1;noarch;school", "greetings;2.0-1;x86_64;school"
	newLibtext             = "libtext;2:1.0-1;x86_64;school"
)

// What an update is comes whole through PackageKit.
func TestUpdateDetail(t *testing.T) {
	l := springLaptop(t)
	result := succeeds(t, l.Run("GetUpdateDetail", []string{newLibtext, newHello}))
	got := result.All("UpdateDetail")
	want := [][]any{
		{newLibtext, []string{"libtext;2:0.9-1;x86_64;installed:school"}, []string{}, []string{"http://example.org/SCHOOL-2026-7"},
			[]string{"http://bugs.example.org/7"}, []string{"http://cve.example.org/CVE-2026-7"}, uint32(restartSecuritySystem),
			"libtext-1.0\nA text could\nrun as a program.", "", uint32(stateStable), "2026-03-20T08:00:00Z", "2026-03-21T09:30:00Z"},
		{newHello, []string{"hello;1.0-1;noarch;installed:school"}, []string{}, []string{}, []string{}, []string{}, uint32(restartNone), "", "", uint32(stateUnknown), "", ""},
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

// What is updated, brought in, obsoleted and cleaned up is told as such, in a simulation and for
// real, and that the computer should be restarted. Afterwards nothing is left to update.
func TestUpdateSignals(t *testing.T) {
	l := springLaptop(t)
	const plan = "installing greetings, obsoleting libgreet, updating hello, updating libtext, updating paint, updating paint-data"
	if got := packages(succeeds(t, l.Run("UpdatePackages", uint64(flagSimulate), []string{newHello}))); got != plan || l.Installed("greetings") {
		t.Errorf("simulate: %s, want\n%s", got, plan)
	}
	result := succeeds(t, l.Run("UpdatePackages", uint64(flagsNone), []string{newHello}))
	grows(t, result)
	const done = "cleanup hello, cleanup libtext, cleanup paint, cleanup paint-data, " + plan
	if got := packages(result); got != done {
		t.Errorf("update: %s, want\n%s", got, done)
	}
	restarts := result.All("RequireRestart")
	if want := [][]any{{uint32(restartSecuritySystem), "libtext;2:1.0-1;x86_64;installed:school"}}; fmt.Sprint(restarts) != fmt.Sprint(want) {
		t.Errorf("restarts %v, want %v", restarts, want)
	}
	// The old packages' ids are those that they had, the new ones' are those that they have.
	for _, want := range [][]any{
		{infoUpdating, newHello}, {infoInstalling, newGreetings}, {infoObsoleting, "libgreet;1.2-3;x86_64;installed:school"},
		{infoCleanup, "libtext;2:0.9-1;x86_64;installed:school"}, {infoFinished, "libtext;2:1.0-1;x86_64;installed:school"},
	} {
		if !slices.ContainsFunc(result.All("Package"), func(p []any) bool { return fmt.Sprint(p[:2]) == fmt.Sprint(want) }) {
			t.Errorf("%v isn't told: %v", want, result.All("Package"))
		}
	}
	if l.Installed("libgreet") || !l.Installed("greetings") {
		t.Error("rpm has something else")
	}
	if left := succeeds(t, l.Run("GetUpdates", none)).All("Package"); len(left) > 0 {
		t.Errorf("left to update: %v", left)
	}
}

// Without leave what others need stays; with it they go, too; what nothing needs any more goes
// where that is asked for.
func TestRemove(t *testing.T) {
	l := start(t)
	succeeds(t, l.Run("InstallPackages", uint64(flagsNone), []string{hello}))
	const installed = "libgreet;1.2-3;x86_64;installed:school"
	for _, flags := range []uint64{flagSimulate, flagsNone} {
		result := l.Run("RemovePackages", flags, []string{installed}, false, false)
		if code, text := result.Error(); code != errorDependencies || !strings.Contains(text, "hello-1.0-1.noarch depends on it") || result.Exit() != exitFailed {
			t.Errorf("without leave: %v", result)
		}
	}
	result := l.Run("RemovePackages", uint64(flagsNone), []string{"libschool;2.0-1;x86_64;installed"}, true, false)
	if code, text := result.Error(); code != errorSystemPackage || !strings.Contains(text, "the standard installation stays") {
		t.Errorf("the base: %v", result)
	}
	result = succeeds(t, l.Run("RemovePackages", uint64(flagsNone), []string{installed}, true, false))
	grows(t, result)
	if got := packages(result); got != "removing hello, removing libgreet" || l.Installed("hello") || !l.Installed("libtext") {
		t.Errorf("with leave: %s", got)
	}
	succeeds(t, l.Run("InstallPackages", uint64(flagsNone), []string{hello, paint}))
	result = succeeds(t, l.Run("RemovePackages", uint64(flagsNone), []string{"hello;1.0-1;noarch;installed:school"}, false, true))
	if got := packages(result); got != "removing hello, removing libgreet" || !l.Installed("libtext") {
		t.Errorf("with what it brought: %s; paint needs libtext", got)
	}
}
