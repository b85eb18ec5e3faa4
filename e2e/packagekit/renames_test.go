// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// What distributions do to their packages goes through packagekitd as well: renames, kernels beside
// kernels, both word sizes side by side. Each is installed, updated and removed with pkcon.
func TestDistribution(t *testing.T) {
	kernel := func(version string) []testbed.RPM {
		return []testbed.RPM{
			{Name: "kernel-rt", Version: version, Arch: "x86_64", Provides: []string{"installonlypkg(kernel)"}, Files: map[string]string{"/boot/vmlinuz-" + version: version}},
			{Name: "kernel-tool", Version: version, Requires: []string{"kernel-rt = " + version}, Files: map[string]string{"/usr/bin/kernel-tool": version}},
		}
	}
	library := func(version string) []testbed.RPM {
		return []testbed.RPM{
			{Name: "libfoo", Version: version, Arch: "x86_64", Provides: []string{"libfoo.so.1()(64bit)"}, Files: map[string]string{"/usr/lib64/libfoo.so.1": version, "/usr/share/doc/foo": version}},
			{Name: "libfoo", Version: version, Arch: "i686", Provides: []string{"libfoo.so.1"}, Files: map[string]string{"/usr/lib/libfoo.so.1": version, "/usr/share/doc/foo": version}},
			{Name: "game", Version: version, Arch: "i686", Requires: []string{"libfoo.so.1"}},
			{Name: "viewer", Version: version, Arch: "x86_64", Requires: []string{"libfoo.so.1()(64bit)"}},
		}
	}
	type step struct {
		pkcon   string // what pkcon is told; "": the school publishes what is new
		says    string // a part of what it prints
		without string // what it must not print
		has     string // what is installed then beside the base; "": that doesn't matter
	}
	for _, test := range []struct {
		name       string
		first, new []testbed.RPM
		gone       string // an RPM that isn't in the repository any more
		steps      []step
	}{
		{"rename", []testbed.RPM{{Name: "foo"}, {Name: "usesfoo", Requires: []string{"foo"}}},
			[]testbed.RPM{{Name: "bar", Version: "2.0", Summary: "Was foo", Obsoletes: []string{"foo < 2"}, Provides: []string{"foo = 2"}}}, "foo-1.0-1.noarch.rpm",
			[]step{
				{"install foo usesfoo", "", "", "foo-1.0.noarch usesfoo-1.0.noarch"},
				{},
				{"refresh", "", "", ""},
				{"get-updates", "bar-2.0-1.noarch", "foo-1.0", ""},
				{"get-update-detail bar", "Obsoletes: foo;1.0-1;noarch", "", ""},
				{"update bar", "bar-2.0-1.noarch", "", "bar-2.0.noarch usesfoo-1.0.noarch"},
				{"get-updates", "", "bar", ""},
				{"remove bar", "", "", ""},
				{"install foo", "", "", "bar-2.0.noarch"},
			}},
		{"kernel", kernel("1"), kernel("2"), "", []step{
			{"install kernel-tool", "", "", "kernel-rt-1.x86_64 kernel-tool-1.noarch"},
			{},
			{"refresh", "", "", ""},
			{"get-updates", "kernel-rt-2-1.x86_64", "", ""},
			{"update", "", "", "kernel-rt-1.x86_64 kernel-rt-2.x86_64 kernel-tool-2.noarch"},
			{"get-updates", "", "kernel-rt", ""},
			{"remove kernel-rt;1-1;x86_64;installed:school", "", "", "kernel-rt-2.x86_64 kernel-tool-2.noarch"},
		}},
		{"multilib", library("1"), library("2"), "", []step{
			{"install viewer game;1-1;i686;school", "", "", "game-1.i686 libfoo-1.i686 libfoo-1.x86_64 viewer-1.x86_64"},
			{},
			{"refresh", "", "", ""},
			{"get-updates", "libfoo-2-1.i686", "", ""},
			{"update", "", "", "game-2.i686 libfoo-2.i686 libfoo-2.x86_64 viewer-2.x86_64"},
			{"get-updates", "", "libfoo", ""},
			{"remove libfoo;2-1;i686;installed:school", "", "", "libfoo-2.x86_64 viewer-2.x86_64"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := testbed.NewSchool(t.TempDir(), school.Tools, test.first...)
			check(t, err)
			t.Cleanup(func() { s.Close() })
			l := newLaptopOf(t, s, "")
			l.Daemon = pktest.Start(t, l.Helper)
			for _, step := range test.steps {
				if step.pkcon == "" {
					if test.gone != "" {
						check(t, os.Remove(filepath.Join(s.Dir, "repository", test.gone)))
					}
					check(t, s.Release("", test.new...))
					continue
				}
				said, err := pkcon(l, strings.Fields(step.pkcon), false, false)
				check(t, err)
				if !strings.Contains(said, step.says) || step.without != "" && strings.Contains(said, step.without) {
					t.Errorf("pkcon %s says\n%s", step.pkcon, said)
				}
				out, err := testbed.RPMQuery(l.Root, "-qa", "--qf", `%{name}-%{version}.%{arch}\n`)
				check(t, err)
				all := slices.DeleteFunc(strings.Fields(out), func(p string) bool { return strings.HasPrefix(p, "basesystem-") || strings.HasPrefix(p, "libschool-") })
				slices.Sort(all)
				if got := strings.Join(all, " "); step.has != "" && got != step.has {
					t.Errorf("after pkcon %s there are %s, want %s; it said\n%s", step.pkcon, got, step.has, said)
				}
			}
		})
	}
}
