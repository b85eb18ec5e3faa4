// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// What packages in trees provide can be asked for though they aren't offered by themselves, as dnf
// answers it, at the cost of a shard; and what is told can be looked at and installed.
func TestCapabilities(t *testing.T) {
	s := laptoptest.NewSchool(t,
		testbed.RPM{Name: "needy", Summary: "Needs a codec", Requires: []string{"libextra.so.1()(64bit)", "extra-fonts"}},
		testbed.RPM{Name: "other", Summary: "Needs it too", Requires: []string{"libextra", "paint"}})
	err := s.Release("",
		testbed.RPM{Name: "libextra", Version: "1.5", Arch: "x86_64", Summary: "More", Provides: []string{"libextra.so.1()(64bit)", "gstreamer1(decoder-video/extra)()(64bit)", "config(libextra) = 1.5"},
			Files: map[string]string{"/usr/bin/extra": "#!/bin/sh\n", "/etc/extra.conf": "x\n", "/usr/share/extra/data": "x\n"}},
		testbed.RPM{Name: "extra-fonts", Summary: "Letters", Provides: []string{"font(extra)", "font(:lang=xx)"}},
		testbed.RPM{Name: "unneeded", Summary: "In no tree", Provides: []string{"font(:lang=xx)"}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	got := make(map[string]int) // requests by folder
	files := http.FileServer(http.Dir(s.Published()))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if f := strings.Split(r.URL.Path, "/"); len(f) > 3 { // /PLATFORM/FOLDER/…
			got[f[2]]++
		}
		mu.Unlock()
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	l, err := s.Laptop(server.URL, "presolve", "")
	if err != nil {
		t.Fatal(err)
	}
	h := laptoptest.Start(t, school.Tools, l, nil)
	available := func(lines []string) (all []string) {
		for _, line := range lines {
			if f := strings.Split(line, "\t"); f[0] == "package" && f[1] == "available" {
				all = append(all, strings.Split(f[2], ";")[0])
			}
		}
		slices.Sort(all)
		return all
	}

	// A new laptop, one question: a shard, no catalogue, no tree.
	if all := available(h.OK("what-provides", "none", "libextra.so.1()(64bit)")); !slices.Equal(all, []string{"libextra"}) {
		t.Errorf("libextra.so.1 is provided by %q", all)
	}
	if got["capabilities"] != 1 || got["search"] != 0 || got["references"] != 0 || got["trees"] != 0 {
		t.Errorf("one question took these requests: %v", got)
	}

	notOffered := map[string]bool{"basesystem": true, "libschool": true, "unneeded": true, "orphan": true}
	for _, capability := range []string{
		"libextra.so.1()(64bit)", "libextra", "config(libextra)", "gstreamer1(decoder-video/extra)()(64bit)", "font(extra)", "font(:lang=xx)", "font(:lang=yy)",
		"/usr/bin/extra", "/etc/extra.conf", "/usr/bin/hello", "/usr/bin/none", "hello", "paint-data", "libtext", "nobody",
	} {
		query := exec.Command("dnf", "-q", "--setopt=reposdir=/nonexistent", "--setopt=cachedir="+t.TempDir(), "--setopt=module_platform_id=platform:none", "--releasever=1", "--forcearch=x86_64",
			"--repofrompath=school,file://"+filepath.Join(s.Dir, "repository"), "--installroot="+l.Root, "repoquery", "--whatprovides", capability, "--qf", "%{name}")
		out, err := query.Output()
		if err != nil {
			t.Fatalf("dnf: %v\n%s", err, out)
		}
		want := slices.DeleteFunc(strings.Fields(string(out)), func(name string) bool { return notOffered[name] })
		slices.Sort(want)
		want = slices.Compact(want)
		if all := available(h.OK("what-provides", "none", capability)); !slices.Equal(all, want) {
			t.Errorf("%s is provided by %q, and dnf says by %q", capability, all, want)
		}
	}
	if all := available(h.OK("search-file", "none", "extra")); !slices.Equal(all, []string{"libextra"}) {
		t.Errorf("a file extra is in %q", all)
	}
	for _, c := range []struct {
		recursive string
		want      []string
	}{{"no", []string{"needy", "other"}}, {"yes", []string{"needy", "other"}}} {
		if all := available(h.OK("required-by", "none", "libextra;1.5-1;x86_64;school", c.recursive)); !slices.Equal(all, c.want) {
			t.Errorf("recursive %s: libextra is required by %q", c.recursive, all)
		}
	}
	if all := available(h.OK("required-by", "none", "libtext;2:0.9-1;x86_64;school", "yes")); !slices.Equal(all, []string{"hello", "libgreet", "other", "paint"}) {
		t.Errorf("libtext is required by %q", all)
	}

	if lines := h.OK("get-details", "extra-fonts;1.0-1;noarch;school"); !has(lines, "details\textra-fonts;1.0-1;noarch;school\t") {
		t.Error(lines)
	}
	h.OK("install-packages", "none", "libextra;1.5-1;x86_64;school")
	if all := laptoptest.Installed(t, l); !slices.Contains(all, "libextra-1.5-1.x86_64") || slices.ContainsFunc(all, func(p string) bool { return strings.HasPrefix(p, "needy-") }) {
		t.Errorf("installed: %q", all)
	}
	laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))

	// Without the server what was asked for is still known.
	server.Close()
	if all := available(h.OK("what-provides", "none", "font(extra)")); !slices.Equal(all, []string{"extra-fonts"}) {
		t.Errorf("font(extra) is provided by %q", all)
	}
}
