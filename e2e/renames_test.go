// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// newSchool makes a school of the test's own that offers more programs.
func newSchool(t *testing.T, more ...testbed.RPM) *testbed.School {
	t.Helper()
	s, err := testbed.NewSchool(filepath.Join(t.TempDir(), "school"), school.Tools, more...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// laptopOf makes a laptop of a school and starts its helper.
func laptopOf(t *testing.T, s *testbed.School, more string) (*testbed.Laptop, *laptoptest.Helper) {
	t.Helper()
	l, err := s.Laptop("", "presolve", more)
	if err != nil {
		t.Fatal(err)
	}
	return l, start(t, l)
}

// told are the packages that lines tell of, without summaries: "updating hello;2.0-1;noarch;school".
func told(lines []string, infos ...string) string {
	var all []string
	for _, l := range lines {
		f := strings.Split(l, "\t")
		if f[0] == "package" && (len(infos) == 0 || slices.Contains(infos, f[1])) {
			all = append(all, f[1]+" "+f[2])
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

func wants(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}

// drop removes RPMs from a school's repository.
func drop(t *testing.T, s *testbed.School, files ...string) {
	t.Helper()
	for _, f := range files {
		if err := os.Remove(filepath.Join(s.Dir, "repository", f)); err != nil {
			t.Fatal(err)
		}
	}
}

// A program that was renamed, and one that was split, are updates: whether the old names are still
// in the repository or not. Whoever asks for an old name gets what took its place.
func TestRenamed(t *testing.T) {
	for _, gone := range []bool{false, true} {
		t.Run(map[bool]string{false: "the old ones are there", true: "the old ones are gone"}[gone], func(t *testing.T) {
			t.Parallel()
			s := newSchool(t, testbed.RPM{Name: "foo", Requires: []string{"libtext"}}, testbed.RPM{Name: "usesfoo", Requires: []string{"foo"}}, testbed.RPM{Name: "whole"})
			l, h := laptopOf(t, s, "")
			h.OK("install-packages", "none", "foo;1.0-1;noarch;school&usesfoo;1.0-1;noarch;school&whole;1.0-1;noarch;school")
			if gone {
				drop(t, s, "foo-1.0-1.noarch.rpm", "whole-1.0-1.noarch.rpm")
			}
			if err := s.Release("",
				testbed.RPM{Name: "bar", Version: "2.0", Summary: "Was foo", Obsoletes: []string{"foo < 2"}, Provides: []string{"foo = 2"}, Requires: []string{"libtext"}},
				testbed.RPM{Name: "half", Version: "2.0", Obsoletes: []string{"whole < 2"}}, testbed.RPM{Name: "rest", Version: "2.0", Obsoletes: []string{"whole < 2"}},
				testbed.RPM{Name: "stranger", Version: "2.0", Obsoletes: []string{"foo < 1"}},
			); err != nil {
				t.Fatal(err)
			}
			h.OK("refresh-cache", "no")
			const bar = "bar;2.0-1;noarch;school"
			wants(t, "updates", told(h.OK("get-updates", "none")), "normal "+bar+", normal half;2.0-1;noarch;school, normal rest;2.0-1;noarch;school")
			if lines := h.OK("get-update-detail", bar); !has(lines, "updatedetail\t"+bar+"\t\tfoo;1.0-1;noarch;installed:school\t") {
				t.Errorf("the detail: %q", lines)
			}
			wants(t, "the old name", told(h.OK("resolve", "none", "foo")), "available "+bar+", installed foo;1.0-1;noarch;installed:school")
			const plan = "installing bar;2.0-1;noarch;school, obsoleting foo;1.0-1;noarch;installed:school"
			wants(t, "simulation", told(h.OK("update-packages", "simulate", bar)), plan)
			wants(t, "update", told(h.OK("update-packages", "none", bar), "installing", "updating", "obsoleting"), plan)
			h.OK("update-packages", "none", "half;2.0-1;noarch;school&rest;2.0-1;noarch;school")
			wants(t, "updates that are left", told(h.OK("get-updates", "none")), "")
			wants(t, "what is ours", told(h.OK("get-packages", "installed"), "installed"),
				"installed bar;2.0-1;noarch;installed:school, installed basesystem;1.0-1;noarch;installed, installed half;2.0-1;noarch;installed:school, "+
					"installed libschool;2.0-1;x86_64;installed, installed libtext;2:0.9-1;x86_64;installed:school, installed rest;2.0-1;noarch;installed:school, installed usesfoo;1.0-1;noarch;installed:school")
			laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
			// It is there for the same reason as the old one: a person asked for it.
			wants(t, "removal", told(h.OK("remove-packages", "simulate", "usesfoo;1.0-1;noarch;installed:school", "no", "yes")), "removing usesfoo;1.0-1;noarch;installed:school")
			wants(t, "removal", told(h.OK("remove-packages", "none", "bar;2.0-1;noarch;installed:school", "yes", "yes"), "removing"),
				"removing bar;2.0-1;noarch;installed:school, removing libtext;2:0.9-1;x86_64;installed:school, removing usesfoo;1.0-1;noarch;installed:school")

			_, h = laptopOf(t, s, "")
			wants(t, "the old name", told(h.OK("resolve", "none", "foo")), "available "+bar)
			wants(t, "the old name of a split", told(h.OK("resolve", "~installed", "whole")), "available half;2.0-1;noarch;school, available rest;2.0-1;noarch;school")
			wants(t, "an install by the old name", told(h.OK("install-packages", "none", "foo;;;"), "installing"), "installing "+bar+", installing libtext;2:0.9-1;x86_64;school")
			wants(t, "nobody's name", told(h.OK("resolve", "none", "nobody")), "")
		})
	}
}

// What the base has stays, and what would take its place is blocked for whoever needs it.
func TestRenamedBase(t *testing.T) {
	t.Parallel()
	s := newSchool(t, testbed.RPM{Name: "old"})
	_, h := laptopOf(t, s, "")
	h.OK("install-packages", "none", "old;1.0-1;noarch;school")
	if err := s.Release("", testbed.RPM{Name: "new", Obsoletes: []string{"old < 2"}}, testbed.RPM{Name: "libnew", Obsoletes: []string{"libschool < 3"}}); err != nil {
		t.Fatal(err)
	}
	h.OK("refresh-cache", "no")
	wants(t, "updates", told(h.OK("get-updates", "none")), "normal new;1.0-1;noarch;school")
	wants(t, "the base", told(h.OK("resolve", "none", "libschool")), "installed libschool;2.0-1;x86_64;installed")
}

// kernel is a version of a kernel: two packages, and a program that is of the same version.
func kernel(version string) []testbed.RPM {
	return []testbed.RPM{
		{Name: "kernel-rt", Version: version, Arch: "x86_64", Provides: []string{"installonlypkg(kernel)", "kernel-uname-r = " + version}, Requires: []string{"kernel-firmware >= " + version},
			Files: map[string]string{"/boot/vmlinuz-" + version: version, "/lib/modules/" + version + "/vmlinuz": version}},
		{Name: "kernel-rt-modules", Version: version, Arch: "x86_64", Provides: []string{"installonlypkg(kernel-module)"}, Requires: []string{"kernel-uname-r = " + version},
			Files: map[string]string{"/lib/modules/" + version + "/sound.ko": version}},
		{Name: "kernel-firmware", Version: version, Files: map[string]string{"/lib/firmware/card": version}},
		{Name: "kernel-tool", Version: version, Requires: []string{"kernel-rt-modules >= " + version}, Files: map[string]string{"/usr/bin/kernel-tool": version}},
	}
}

// kernels are the installed versions of kernel-rt and its modules.
func kernels(t *testing.T, l *testbed.Laptop) string {
	t.Helper()
	out, err := testbed.RPMQuery(l.Root, "-q", "--qf", "%{name}-%{version} ", "kernel-rt", "kernel-rt-modules")
	if err != nil {
		t.Fatal(err, out)
	}
	all := strings.Fields(out)
	slices.Sort(all)
	return strings.Join(all, " ")
}

// A new kernel comes beside the old ones, of which so many stay as the configuration says; what
// isn't install-only is updated in the same change. The kernel that runs stays whatever its age.
func TestKernels(t *testing.T) {
	t.Parallel()
	running, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Skip("NOT TESTED: this computer doesn't say which kernel runs: ", err)
	}
	s := newSchool(t, kernel("1")...)
	l, h := laptopOf(t, s, "installonly_limit = 2\n")
	unlimited, all := laptopOf(t, s, "installonly_limit = 0\n")
	for _, h := range []*laptoptest.Helper{h, all} {
		h.OK("install-packages", "none", "kernel-tool;1-1;noarch;school")
	}
	for _, version := range []string{"2", "3"} {
		if err := s.Release("", kernel(version)...); err != nil {
			t.Fatal(err)
		}
		for _, h := range []*laptoptest.Helper{h, all} {
			h.OK("refresh-cache", "no")
			want := "normal kernel-firmware;V-1;noarch;school, normal kernel-rt-modules;V-1;x86_64;school, normal kernel-rt;V-1;x86_64;school, normal kernel-tool;V-1;noarch;school"
			wants(t, "updates", told(h.OK("get-updates", "none")), strings.ReplaceAll(want, "V", version))
			lines := h.OK("update-packages", "none", "kernel-tool;"+version+"-1;noarch;school")
			want = "installing kernel-rt-modules;V-1;x86_64;school, installing kernel-rt;V-1;x86_64;school, updating kernel-firmware;V-1;noarch;school, updating kernel-tool;V-1;noarch;school"
			wants(t, "the update", told(lines, "installing", "updating"), strings.ReplaceAll(want, "V", version))
			wants(t, "updates that are left", told(h.OK("get-updates", "none")), "")
		}
	}
	wants(t, "a limit of two", kernels(t, l), "kernel-rt-2 kernel-rt-3 kernel-rt-modules-2 kernel-rt-modules-3")
	wants(t, "no limit", kernels(t, unlimited), "kernel-rt-1 kernel-rt-2 kernel-rt-3 kernel-rt-modules-1 kernel-rt-modules-2 kernel-rt-modules-3")
	laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
	if lines := h.OK("get-packages", "installed"); strings.Count(told(lines), "kernel-rt;") != 2 || !has(lines, "package\tinstalled\tkernel-rt;2-1;x86_64;installed:school") {
		t.Errorf("what is ours: %s", told(lines))
	}
	wants(t, "the removal of one", told(h.OK("remove-packages", "simulate", "kernel-rt-modules;2-1;x86_64;installed:school", "no", "no")), "removing kernel-rt-modules;2-1;x86_64;installed:school")

	// The kernel that runs is the oldest, and is known by the folder of its modules alone.
	release := strings.TrimSpace(string(running))
	old := testbed.RPM{Name: "kernel-rt", Version: "0.1", Arch: "x86_64", Provides: []string{"installonlypkg(kernel)"}, Files: map[string]string{"/lib/modules/" + release + "/vmlinuz": ""}}
	dir := t.TempDir()
	path, err := old.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	s2 := newSchool(t, kernel("1")...)
	l, h = laptopOf(t, s2, "installonly_limit = 2\n")
	h.OK("install-files", "none", path)
	h.OK("install-packages", "none", "kernel-rt;1-1;x86_64;school")
	if err := s2.Release("", kernel("2")...); err != nil {
		t.Fatal(err)
	}
	h.OK("refresh-cache", "no")
	wants(t, "what would go", told(h.OK("update-packages", "simulate", "kernel-rt;2-1;x86_64;school"), "removing"), "removing kernel-rt;1-1;x86_64;installed:school")
	h.OK("update-packages", "none", "kernel-rt;2-1;x86_64;school")
	out, err := testbed.RPMQuery(l.Root, "-q", "--qf", "%{version} ", "kernel-rt")
	if err != nil || out != "0.1 2 " && out != "2 0.1 " {
		t.Errorf("the kernels are %q, %v", out, err)
	}
}

// A change with kernels that is killed at any point is ended, and the old kernel stays.
func TestKilledKernel(t *testing.T) {
	points := []string{
		"status\tdownload", "allow-cancel\tfalse", "package\tupdating\tkernel-firmware;", "package\tcleanup\tkernel-firmware;", "package\tinstalling\tkernel-rt;",
		"package\tinstalling\tkernel-rt-modules;", "package\tupdating\tkernel-tool;", "package\tremoving\tkernel-rt;", "package\tinstalled\tkernel-rt;",
	}
	s := newSchool(t, kernel("1")...)
	var laptops []*testbed.Laptop
	for range points {
		l, h := laptopOf(t, s, "installonly_limit = 2\n")
		h.OK("install-packages", "none", "kernel-tool;1-1;noarch;school")
		laptops = append(laptops, l)
	}
	if err := s.Release("", kernel("2")...); err != nil {
		t.Fatal(err)
	}
	for _, l := range laptops {
		h := start(t, l)
		h.OK("refresh-cache", "no")
		h.OK("update-packages", "none", "kernel-tool;2-1;noarch;school")
		if err := h.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Release("", kernel("3")...); err != nil {
		t.Fatal(err)
	}
	for i, at := range points {
		t.Run(strings.ReplaceAll(at, "\t", " "), func(t *testing.T) {
			t.Parallel()
			const id = "kernel-tool;3-1;noarch;school"
			l := laptops[i]
			killAt(t, l, at, "update-packages", "none", id)
			h := start(t, l)
			h.Answer("get-updates", "none")
			if e := laptoptest.ErrorOf(h.Answer("update-packages", "none", id)); e != "" && !strings.HasPrefix(e, "no-packages-to-update\t") {
				t.Error("the next update:", e)
			}
			if got := kernels(t, l); !strings.Contains(got, "kernel-rt-2 ") || !strings.Contains(got, "kernel-rt-3 ") || !strings.Contains(got, "kernel-rt-modules-2 ") || !strings.HasSuffix(got, "kernel-rt-modules-3") {
				t.Errorf("the kernels are %s", got)
			}
			lines := h.OK("get-packages", "installed")
			laptoptest.Agrees(t, l, lines)
			for _, is := range []string{"kernel-rt;3-1;x86_64", "kernel-rt-modules;3-1;x86_64", "kernel-rt;2-1;x86_64", "kernel-tool;3-1;noarch", "kernel-firmware;3-1;noarch"} {
				if !has(lines, "package\tinstalled\t"+is+";installed:school\t") {
					t.Errorf("%s is not known to be this backend's", is)
				}
			}
			verify(t, l, "kernel-tool", "kernel-firmware", "kernel-rt-3-1.x86_64", "kernel-rt-2-1.x86_64")
		})
	}
}

// Both word sizes of a library are installed, told, updated and removed side by side.
func TestMultilib(t *testing.T) {
	t.Parallel()
	library := func(version string) []testbed.RPM {
		return []testbed.RPM{
			{Name: "libfoo", Version: version, Arch: "x86_64", Provides: []string{"libfoo.so.1()(64bit)"}, Files: map[string]string{"/usr/lib64/libfoo.so.1": version, "/usr/share/doc/foo": version}},
			{Name: "libfoo", Version: version, Arch: "i686", Provides: []string{"libfoo.so.1"}, Files: map[string]string{"/usr/lib/libfoo.so.1": version, "/usr/share/doc/foo": version}},
			{Name: "game", Version: version, Arch: "i686", Requires: []string{"libfoo.so.1"}, Files: map[string]string{"/usr/bin/game": version}},
			{Name: "viewer", Version: version, Arch: "x86_64", Requires: []string{"libfoo.so.1()(64bit)"}, Files: map[string]string{"/usr/bin/viewer": version}},
		}
	}
	s := newSchool(t, library("1")...)
	// Both are offered where they are asked for.
	config := filepath.Join(s.Dir, "presolver.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(strings.Replace(string(text), `"libfoo"`, `"libfoo.i686", "libfoo"`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(""); err != nil {
		t.Fatal(err)
	}
	l, h := laptopOf(t, s, "")
	wants(t, "the name", told(h.OK("resolve", "none", "libfoo")), "available libfoo;1-1;i686;school, available libfoo;1-1;x86_64;school")
	wants(t, "the name alone", told(h.OK("install-packages", "simulate", "libfoo;;;")), "installing libfoo;1-1;x86_64;school")
	h.OK("install-packages", "none", "viewer;1-1;x86_64;school")
	wants(t, "one more", told(h.OK("install-packages", "none", "game;1-1;i686;school"), "installing"), "installing game;1-1;i686;school, installing libfoo;1-1;i686;school")
	h.OK("install-packages", "none", "libfoo;1-1;x86_64;school&libfoo;1-1;i686;school&hello;1.0-1;noarch;school")
	wants(t, "what is installed", told(h.OK("resolve", "installed", "libfoo")), "installed libfoo;1-1;i686;installed:school, installed libfoo;1-1;x86_64;installed:school")
	if err := s.Release("", library("2")...); err != nil {
		t.Fatal(err)
	}
	h.OK("refresh-cache", "no")
	wants(t, "updates", told(h.OK("get-updates", "none")),
		"normal game;2-1;i686;school, normal libfoo;2-1;i686;school, normal libfoo;2-1;x86_64;school, normal viewer;2-1;x86_64;school")
	wants(t, "in step", told(h.OK("update-packages", "none", "libfoo;2-1;i686;school"), "updating"),
		"updating game;2-1;i686;school, updating libfoo;2-1;i686;school, updating libfoo;2-1;x86_64;school, updating viewer;2-1;x86_64;school")
	wants(t, "updates that are left", told(h.OK("get-updates", "none")), "")
	laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
	wants(t, "one goes", told(h.OK("remove-packages", "none", "libfoo;2-1;i686;installed:school", "yes", "no"), "removing"), "removing game;2-1;i686;installed:school, removing libfoo;2-1;i686;installed:school")
	wants(t, "what is left", told(h.OK("resolve", "installed", "libfoo")), "installed libfoo;2-1;x86_64;installed:school")
	laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
}
