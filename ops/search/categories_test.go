// SPDX-License-Identifier: GPL-2.0-or-later

package search

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

const comps = `<comps>
	<group><id>painting</id><name>Painting</name><name xml:lang="de">Malen</name><description>To draw</description><description xml:lang="de">Zum Zeichnen</description>
		<packagelist><packagereq>paint</packagereq><packagereq>orphan</packagereq></packagelist></group>
	<group><id>games</id><name>Games</name><name xml:lang="de">Spiele</name><packagelist><packagereq>chess</packagereq></packagelist></group>
	<group><id>nothing</id><name>Nothing</name><packagelist><packagereq>orphan</packagereq></packagelist></group>
	<environment><id>school</id><name>School</name><description>All of it</description><grouplist><groupid>painting</groupid><groupid>games</groupid></grouplist></environment>
</comps>`

// What a distribution's comps arrange are categories, in the language of who asks, with packages
// that are on offer; a package whose RPM tells no group has comps'.
func TestCategories(t *testing.T) {
	for _, program := range []string{"rpm", "createrepo_c", "modifyrepo_c"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: run ./setup", err)
		}
	}
	school := laptoptest.NewSchool(t, testbed.RPM{Name: "chess", Summary: "For two", Group: "Unspecified"})
	if err := school.Metadata("group", comps); err != nil {
		t.Fatal(err)
	}
	proxy, err := school.Proxy()
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	laptop, err := school.Laptop(proxy.URL, "presolve", "")
	if err != nil {
		t.Fatal(err)
	}
	downloads := func() (n int) {
		for _, r := range proxy.Requests() {
			if strings.Contains(r, "/categories/") || strings.Contains(r, "/texts/") {
				n++
			}
		}
		return n
	}
	h := laptoptest.Start(t, school.Tools, laptop, []string{"LANG=C"})
	told := func() (all []string) {
		for _, l := range h.OK("get-categories") {
			if strings.HasPrefix(l, "category\t") {
				all = append(all, strings.ReplaceAll(strings.TrimPrefix(l, "category\t"), "\t", "|"))
			}
		}
		return all
	}
	found := func(values string) string {
		var all []string
		for _, l := range h.OK("search-group", "none", values) {
			if f := strings.Split(l, "\t"); f[0] == "package" {
				all = append(all, f[1]+":"+strings.Split(f[2], ";")[0])
			}
		}
		return strings.Join(all, " ")
	}
	if got := found("@painting"); got != "available:paint" { // before anything else is known
		t.Errorf("in @painting are %q", got)
	}
	want := []string{"|@group:games|Games|Programs in the group games|applications-games", "|@group:other|Other|Programs in the group other|applications-other",
		"|repo:school|School server|Programs from the source school|network-server",
		"|@school|School|All of it|package-x-generic", "@school|@painting|Painting|To draw|package-x-generic", "@school|@games|Games|Games|package-x-generic"}
	if got := told(); !slices.Equal(got, want) {
		t.Errorf("the categories are\n%s\nand should be\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := downloads(); n != 1 {
		t.Errorf("%d files were downloaded for it, want 1: %q", n, proxy.Requests())
	}
	for values, want := range map[string]string{
		"@games": "available:chess", "games": "available:chess", "@school": "available:chess available:paint", "@games&@painting": "available:chess available:paint", "games&@painting": "available:chess available:paint",
	} {
		if got := found(values); got != want {
			t.Errorf("in %s are %q, want %q", values, got, want)
		}
	}
	h.OK("install-packages", "none", "paint;3.1-1;x86_64;school")
	if got := found("@painting"); got != "installed:paint" {
		t.Errorf("in @painting are %q, and paint is installed", got)
	}
	for _, id := range []string{"@nothing", "@", "@gone", "@games&@gone"} {
		if got := h.Fails("group-not-found", "search-group", "none", id); strings.Contains(got, `"@games"`) {
			t.Errorf("%s: %s", id, got)
		}
	}
	h.OK("repair-system", "none") // forgets what nothing leads to
	before := downloads()
	told()
	if n := downloads() - before; n != 0 {
		t.Errorf("after a repair %d files are downloaded again", n)
	}
	// In German the texts come, once, and what isn't translated stays.
	h.OK("set-locale", "de_DE.UTF-8")
	want = []string{"|@school|School|All of it|package-x-generic", "@school|@painting|Malen|Zum Zeichnen|package-x-generic", "@school|@games|Spiele|Spiele|package-x-generic"}
	for range 2 {
		if got := told(); len(got) != 6 || !slices.Equal(got[3:], want) {
			t.Errorf("the categories are\n%s\nand should be\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	h.OK("repair-system", "none")
	told()
	if n := downloads() - before; n != 1 {
		t.Errorf("%d files were downloaded for German, want 1", n)
	}
	if err := h.Stop(); err != nil {
		t.Error(err)
	}
}
