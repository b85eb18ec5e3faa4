// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// Small repositories as distributions have them: what of their metadata differs is there, with
// packages that are made up. For each name what dnf installs is solved. (That of EL 8, which has
// modules, is in TestModulesAsDNF.)
func TestDistributionsAsDNF(t *testing.T) {
	base := pkgs{{NEVRA: "filesystem-3-1.x86_64"}, {NEVRA: "glibc-2.40-1.x86_64", Provides: []string{"libc.so.6()(64bit)"}}, {NEVRA: "bash-5-1.x86_64", Files: []string{"/usr/bin/bash", "/bin/sh"}}}
	const updateinfo = `<?xml version="1.0" encoding="UTF-8"?><updates><update status="final" type="security" version="1"><id>%s</id><title>prog1</title>` +
		`<issued date="%s"/><pkglist><collection><package name="prog1" epoch="0" version="2" release="1" arch="x86_64"/></collection></pkglist></update></updates>`
	const comps = `<?xml version="1.0"?><comps><group><id>office</id><name>Office</name><packagelist><packagereq type="default">prog1</packagereq></packagelist></group></comps>`
	for name, d := range map[string]struct {
		more    pkgs
		options []string          // of createrepo_c
		beside  map[string]string // metadata by type
	}{
		"Fedora": {pkgs{
			{NEVRA: "langpacks-core-de-4-1.noarch"},
			{NEVRA: "speller-1-1.x86_64", Requires: []string{"(speller-de if langpacks-core-de)"}}, {NEVRA: "speller-de-1-1.noarch"},
			{NEVRA: "writer-1-1.x86_64", Requires: []string{"speller", "langpacks-core-de"}, Recommends: []string{"prog2"}},
			{NEVRA: "glibc-2.40-1.i686", Provides: []string{"libc.so.6"}}, {NEVRA: "wine-core-1-1.i686", Requires: []string{"libc.so.6"}}, {NEVRA: "wine-1-1.x86_64", Requires: []string{"wine-core = 1-1"}},
		}, []string{"--compress-type=xz", "--general-compress-type=xz"}, map[string]string{"group": comps, "updateinfo": fmt.Sprintf(updateinfo, "FEDORA-2026-1", "2026-01-02 03:04:05")}},
		"Fedora updates": {pkgs{
			{NEVRA: "kernel-core-6.11-300.x86_64", Provides: []string{"installonlypkg(kernel)", "kernel-core-uname-r = 6.11"}}, {NEVRA: "kernel-core-6.12-300.x86_64", Provides: []string{"installonlypkg(kernel)", "kernel-core-uname-r = 6.12"}},
			{NEVRA: "kernel-modules-6.11-300.x86_64", Provides: []string{"installonlypkg(kernel-module)"}, Requires: []string{"kernel-core-uname-r = 6.11"}},
			{NEVRA: "kernel-modules-6.12-300.x86_64", Provides: []string{"installonlypkg(kernel-module)"}, Requires: []string{"kernel-core-uname-r = 6.12"}},
			{NEVRA: "kmod-old-1-1.x86_64", Requires: []string{"kernel-modules = 6.11-300"}},
		}, []string{"--compress-type=bz2"}, map[string]string{"updateinfo": fmt.Sprintf(updateinfo, "FEDORA-2026-2", "2026-02-02 03:04:05")}},
		"CentOS Stream": {pkgs{
			{NEVRA: "httpd-2.4-1.x86_64", Requires: []string{"httpd-core = 2.4-1", "/etc/mime.types"}}, {NEVRA: "httpd-core-2.4-1.x86_64", Requires: []string{"httpd-filesystem"}}, {NEVRA: "httpd-filesystem-2.4-1.noarch"},
			{NEVRA: "mailcap-2-1.noarch", Files: []string{"/etc/mime.types"}},
		}, []string{"--compress-type=xz", "--general-compress-type=xz"}, map[string]string{"group": comps}},
		"openSUSE Leap": {pkgs{
			{NEVRA: "patterns-office-1-1.noarch", Provides: []string{"pattern()", "pattern-category() = Office", "pattern-visible()"}, Requires: []string{"prog1"}, Recommends: []string{"prog3"}},
			{NEVRA: "libfoo1-1-1.x86_64", Provides: []string{"libfoo.so.1()(64bit)"}}, {NEVRA: "foo-1-1.x86_64", Requires: []string{"libfoo.so.1()(64bit)"}, Recommends: []string{"foo-lang"}}, {NEVRA: "foo-lang-1-1.noarch", Requires: []string{"foo"}},
		}, []string{"--checksum=sha512"}, map[string]string{"susedata": `<susedata><package name="foo" arch="x86_64" pkgid="x"><version epoch="0" ver="1" rel="1"/></package></susedata>`}},
		"openSUSE Tumbleweed": {pkgs{
			{NEVRA: "newname-2-1.x86_64", Obsoletes: []string{"oldname < 2"}, Provides: []string{"oldname = 2"}}, {NEVRA: "oldname-1-1.x86_64"}, {NEVRA: "usesold-1-1.x86_64", Requires: []string{"oldname"}},
			{NEVRA: "third-3-1.x86_64", Obsoletes: []string{"second"}}, {NEVRA: "second-2-1.x86_64", Obsoletes: []string{"first"}}, {NEVRA: "first-1-1.x86_64"},
		}, []string{"--checksum=sha512", "--compress-type=xz", "--general-compress-type=xz"}, map[string]string{"updateinfo": fmt.Sprintf(updateinfo, "openSUSE-2026-3", "1767225600")}},
		"Amazon Linux": {pkgs{
			{NEVRA: "libstdc++-14-1.x86_64", Provides: []string{"libstdc++.so.6()(64bit)", "libstdc++.so.6(GLIBCXX_3.4)(64bit)"}}, {NEVRA: "gcc-c++-14-1.amzn2023.x86_64", Requires: []string{"libstdc++.so.6(GLIBCXX_3.4)(64bit)", "libstdc++ = 14-1"}},
			{NEVRA: "app+x_y.z-2-1.x86_64", Requires: []string{"gcc-c++ >= 13"}},
		}, []string{"--compress-type=gz"}, nil},
		"Tizen": {pkgs{
			{NEVRA: "elm-1.28-1.x86_64", Requires: []string{"/usr/bin/eet", "libeina = 1.28"}}, {NEVRA: "eet-1.28-1.x86_64", Files: []string{"/usr/bin/eet"}}, {NEVRA: "libeina-1.28-1.x86_64", Conflicts: []string{"libeina-profile_tv"}},
			{NEVRA: "libeina-profile_tv-1.28-1.x86_64", Provides: []string{"libeina = 1.28"}, Conflicts: []string{"libeina"}},
		}, []string{"--checksum=sha", "--simple-md-filenames"}, map[string]string{"group": comps}},
		"Mageia": {pkgs{
			{NEVRA: "lib64z1-1:1.3-2.x86_64", Provides: []string{"libz.so.1()(64bit)", "zlib1 = 1:1.3-2"}}, {NEVRA: "lib64z-devel-1:1.3-2.x86_64", Provides: []string{"pkgconfig(zlib) = 1.3", "devel(libz(64bit))"}, Requires: []string{"lib64z1 = 1:1.3-2"}},
			{NEVRA: "task-c-1-1.noarch", Requires: []string{"pkgconfig(zlib) >= 1.2", "devel(libz(64bit))"}}, {NEVRA: "wants-newer-1-1.noarch", Requires: []string{"zlib1 >= 2:0"}},
		}, []string{"--compress-type=xz"}, map[string]string{"updateinfo": strings.Replace(fmt.Sprintf(updateinfo, "MGASA-2026-4", "2026-03-02"), `epoch="0"`, `epoch="None"`, 1)}},
		"releases elsewhere": {pkgs{{NEVRA: "tool-1-1.x86_64", Requires: []string{"prog1 >= 2"}}},
			[]string{"--location-prefix=https://example.org/releases/"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			repotest.WriteRPMs(t, dir, append(madeUp(uint64(len(name))), d.more...)...)
			repotest.CreateRepo(t, dir, d.options...)
			for kind, text := range d.beside {
				file := filepath.Join(t.TempDir(), kind+".xml")
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				repotest.Modify(t, dir, kind, file)
			}
			asDNFFrom(t, repotest.URL(dir), base, nil)
		})
	}
}

// madeUp are packages that need each other in all ways that are common, by chance.
func madeUp(seed uint64) (all pkgs) {
	random := rand.New(rand.NewPCG(seed, 11))
	const libraries, programs = 8, 12
	for i := range libraries {
		for version := 1; version <= 1+random.IntN(2); version++ {
			lib := repotest.Package{NEVRA: fmt.Sprintf("lib%d-%d-1.x86_64", i, version), Provides: []string{fmt.Sprintf("lib%d.so.%d()(64bit)", i, version)}}
			if i > 0 && random.IntN(2) == 0 {
				lib.Requires = append(lib.Requires, fmt.Sprintf("lib%d", random.IntN(i)))
			}
			lib.Requires = append(lib.Requires, "libc.so.6()(64bit)")
			all = append(all, lib)
		}
	}
	for i := range programs {
		prog := repotest.Package{NEVRA: fmt.Sprintf("prog%d-2-1.x86_64", i), Requires: []string{"/bin/sh"}, Files: []string{fmt.Sprintf("/usr/bin/prog%d", i)}}
		for range random.IntN(4) {
			n := random.IntN(libraries)
			prog.Requires = append(prog.Requires, []string{fmt.Sprintf("lib%d", n), fmt.Sprintf("lib%d.so.1()(64bit)", n), fmt.Sprintf("lib%d >= 2", n), fmt.Sprintf("(lib%d or lib%d)", n, (n+1)%libraries)}[random.IntN(4)])
		}
		if i > 0 && random.IntN(3) == 0 {
			prog.Requires = append(prog.Requires, fmt.Sprintf("/usr/bin/prog%d", random.IntN(i)))
		}
		all = append(all, prog)
	}
	return all
}
