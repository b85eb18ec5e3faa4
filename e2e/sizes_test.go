// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// What get-details says of a program, state by state, is what rpm says of its size, and what its RPM
// and those of its dependencies have more than the RPM database and the cache. Its group stays the same.
func TestSizes(t *testing.T) {
	s := laptoptest.NewSchool(t)
	l, err := s.Laptop(s.Server.URL, "presolve", "cache_limit = \"1GiB\"\n")
	if err != nil {
		t.Fatal(err)
	}
	in := func(words ...string) { // another helper, as a command of another time
		t.Helper()
		h := laptoptest.Start(t, s.Tools, l, nil, "--dialect", "1.3")
		h.OK(words...)
		h.Kill()
	}
	hello := func(version string) string { return "hello;" + version + "-1;noarch;school" }
	install := func(id string) func() {
		return func() { t.Helper(); in("install-packages", "none", id) }
	}
	remove := func(ids ...string) func() {
		return func() { t.Helper(); in("remove-packages", "none", strings.Join(ids, "&"), "yes", "no") }
	}
	download := func(id string) func() {
		return func() { t.Helper(); in("install-packages", "only-download", id) }
	}
	cached := func(name string) string {
		t.Helper()
		all, _ := filepath.Glob(filepath.Join(l.Cache, "rpms", "*-"+name+".rpm"))
		if len(all) != 1 {
			t.Fatalf("the cache has %q of %s", all, name)
		}
		return all[0]
	}
	forget := func(names ...string) func() {
		return func() {
			t.Helper()
			for _, name := range names {
				if err := os.Remove(cached(name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	half := func() {
		whole := cached("hello-1.0-1.noarch")
		info, err := os.Stat(whole)
		if err == nil {
			err = os.Rename(whole, whole+".part")
		}
		if err == nil {
			err = os.Truncate(whole+".part", info.Size()/2)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const text, greet = "libtext-0.9-1.x86_64", "libgreet-1.2-3.x86_64"
	trees := map[string][]string{
		hello("1.0"): {"hello-1.0-1.noarch", greet, text}, hello("1.1"): {"hello-1.1-1.noarch", greet, text},
		"libgreet;1.2-3;x86_64;school": {greet, text},
	}
	for _, state := range []struct {
		name string
		into func()
		ids  []string
	}{
		{"nothing is here", func() {}, []string{hello("1.0"), "libgreet;1.2-3;x86_64;school"}},
		{"downloaded", download(hello("1.0")), []string{hello("1.0"), "libgreet;1.2-3;x86_64;school"}},
		{"downloaded but for its dependencies", forget(text, greet), []string{hello("1.0"), "libgreet;1.2-3;x86_64;school"}},
		{"half of it downloaded", half, []string{hello("1.0")}},
		{"a part of its tree installed", install("paint;3.1-1;x86_64;school"), []string{hello("1.0"), "libgreet;1.2-3;x86_64;school"}},
		{"installed", install(hello("1.0")), []string{hello("1.0"), "hello;1.0-1;noarch;installed:school", "libgreet;1.2-3;x86_64;school"}},
		{"removed, its dependencies stay", remove("hello;1.0-1;noarch;installed:school"), []string{hello("1.0")}},
		{"installed, and there is an update", func() {
			install(hello("1.0"))()
			update := testbed.Programs[0]
			update.Version = "1.1"
			update.Files = map[string]string{"/usr/bin/hello": strings.Repeat("#!/bin/sh\n", 999)}
			if err := s.Release("", update); err != nil {
				t.Fatal(err)
			}
			in("refresh-cache", "yes")
		}, []string{hello("1.1"), "hello;1.0-1;noarch;installed:school"}},
		{"the update downloaded", func() { in("update-packages", "only-download", hello("1.1")) }, []string{hello("1.1")}},
		{"updated", func() { in("update-packages", "none", hello("1.1")) }, []string{hello("1.1"), "hello;1.1-1;noarch;installed:school"}},
		{"all of it removed", remove("libgreet;1.2-3;x86_64;installed:school"), []string{hello("1.1")}},
	} {
		state.into()
		for _, id := range state.ids {
			size, alone, whole := truth(t, s, l, id, trees[id])
			for _, tt := range []struct {
				dialect string
				words   []string
				want    string
			}{
				{"1.3", []string{"get-details", id, "no"}, fmt.Sprint(size, alone)},
				{"1.3", []string{"get-details", id, "yes"}, fmt.Sprint(size, whole)},
				{"1.3", []string{"get-details", id}, fmt.Sprint(size, alone)},
				{"1.2", []string{"get-details", id}, fmt.Sprint(size)},
			} {
				h := laptoptest.Start(t, s.Tools, l, nil, "--dialect", tt.dialect)
				got := ""
				for _, line := range h.OK(tt.words...) {
					if f := strings.Split(line, "\t"); f[0] == "details" {
						got += strings.Join(f[7:], " ")
						if f[4] != "other" {
							t.Errorf("%s: %s is in the group %s", state.name, id, f[4])
						}
					}
				}
				h.Kill()
				if got != tt.want {
					t.Errorf("%s: %q in %s: %s, want %s", state.name, tt.words, tt.dialect, got, tt.want)
				}
			}
			if strings.HasSuffix(id, ";school") && size > 0 && alone > 0 && strings.HasPrefix(id, "hello") {
				h := laptoptest.Start(t, s.Tools, l, nil, "--dialect", "1.3")
				lines := h.OK("install-packages", "simulate", id)
				h.Kill()
				if whole > 0 && !has(lines, "download-size-remaining\t"+strconv.FormatInt(whole, 10)) {
					t.Errorf("%s: a simulation says %q, and %d bytes are to come", state.name, lines, whole)
				}
			}
		}
	}
}

// truth is, of a package with RPMs that it and its dependencies are, what rpm says of its size on disk,
// and how much of its RPM, and of all of them, is neither installed nor in the cache.
func truth(t *testing.T, s *testbed.School, l *testbed.Laptop, id string, rpms []string) (size, alone, whole int64) {
	t.Helper()
	f := strings.Split(id, ";")
	name := f[0] + "-" + f[1] + "." + f[2]
	out, err := testbed.RPMQuery(l.Root, "-qp", "--qf", "%{LONGSIZE}", filepath.Join(s.Dir, "repository", name+".rpm"))
	if err != nil {
		t.Fatal(err, out)
	}
	if size, err = strconv.ParseInt(strings.TrimSpace(out), 10, 64); err != nil {
		t.Fatal(err)
	}
	for _, rpm := range rpms {
		if _, err := testbed.RPMQuery(l.Root, "-q", rpm); err == nil {
			continue
		}
		info, err := os.Stat(filepath.Join(s.Dir, "repository", rpm+".rpm"))
		if err != nil {
			t.Fatal(err)
		}
		coming := info.Size()
		there, _ := filepath.Glob(filepath.Join(l.Cache, "rpms", "*-"+rpm+".rpm*"))
		for _, path := range there {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			coming -= info.Size()
		}
		if rpm == name {
			alone = coming
		}
		whole += coming
	}
	return size, alone, whole
}
