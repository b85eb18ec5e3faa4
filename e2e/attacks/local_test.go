// SPDX-License-Identifier: GPL-2.0-or-later

package attacks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A user reads an RPM that only root may read neither through a link of their own nor by its name.
func TestRootsRPMThroughALink(t *testing.T) {
	t.Parallel()
	l := newLaptop(t, "", "")
	h := start(t, l, asNobody...)
	warm(t, h)
	dir, vault := home(t), folder(t)
	secret := filepath.Join(vault, "plans.rpm")
	check(t, testbed.RPM{Name: "plans", Summary: "The plan is secret", Files: map[string]string{"/etc/secret-plan": "x"}}.WriteFile(secret))
	check(t, os.Chmod(secret, 0o600))
	check(t, os.Mkdir(filepath.Join(vault, "closed"), 0o700))
	closed := filepath.Join(vault, "closed/plans.rpm")
	check(t, os.Link(secret, closed))
	check(t, os.Link(secret, filepath.Join(dir, "hard.rpm"))) // where the kernel's protected_hardlinks is off, users can do that
	check(t, os.Symlink(secret, filepath.Join(dir, "link.rpm")))
	check(t, os.Symlink("link.rpm", filepath.Join(dir, "link-to-link.rpm")))
	check(t, os.Symlink(filepath.Dir(closed), filepath.Join(dir, "folder")))
	before := stateOf(t, l, dir, vault)
	opened := newWatch(t, unix.IN_OPEN, secret)
	for _, path := range []string{
		secret, closed, filepath.Join(dir, "hard.rpm"), filepath.Join(dir, "link.rpm"), filepath.Join(dir, "link-to-link.rpm"),
		filepath.Join(dir, "folder/plans.rpm"), "/proc/self/root" + secret,
	} {
		for _, words := range [][]string{{"get-details-local", path}, {"get-files-local", path}, {"install-files", "simulate", path}, {"install-files", "none", path}} {
			lines := ask(t, h, words...)
			all := strings.Join(lines, "\n")
			if laptoptest.ErrorOf(lines) == "" || strings.Contains(all, "The plan") || strings.Contains(all, "secret-plan") || strings.Contains(all, "plans;") {
				t.Errorf("%q: %.300q", words, lines)
			}
		}
	}
	if opened.came() {
		t.Error("root has opened it")
	}
	before.same(t, stateOf(t, l, dir, vault))
}

// What a user can read, and nobody else, can be looked at and installed; root's helper isn't a
// user's.
func TestOnesOwnRPM(t *testing.T) {
	t.Parallel()
	l := newLaptop(t, "", "")
	dir := home(t)
	check(t, os.Chmod(dir, 0o700))
	path := filepath.Join(dir, "poem.rpm")
	check(t, testbed.RPM{Name: "poem", Summary: "A poem", Files: map[string]string{"/usr/share/poem": "la\n"}}.WriteFile(path))
	check(t, os.Chown(path, nobody, nobody))
	check(t, os.Chmod(path, 0o600))
	for _, env := range [][]string{asNobody, {"UID=0"}, nil} {
		h := start(t, l, env...)
		if lines := h.OK("get-details-local", path); !strings.Contains(strings.Join(lines, "\n"), "details\tpoem;1.0-1;noarch;local\tA poem\t") {
			t.Errorf("%q: %q", env, lines)
		}
		h.OK("get-files-local", path)
		h.OK("install-files", "simulate", path)
		check(t, h.Stop())
	}
	h := start(t, l, asNobody...)
	h.OK("install-files", "none", path)
	laptoptest.Agrees(t, l, h.OK("get-packages", "installed"))
}

// entry is one of a header's index entries: tag, type, offset, count.
type entry [4]uint32

// Types of entries (rpm's rpmtag.h).
const (
	typeInt32       = 4
	typeString      = 6
	typeBin         = 7
	typeStringArray = 8
	typeI18N        = 9
)

// header is one of an RPM's headers, as it says itself that it is: entries and bytes may be other
// numbers than there are.
func header(entries, bytes uint32, index []entry, store string) string {
	b := []byte("\x8e\xad\xe8\x01\x00\x00\x00\x00")
	b = binary.BigEndian.AppendUint32(b, entries)
	b = binary.BigEndian.AppendUint32(b, bytes)
	for _, e := range index {
		for _, n := range e {
			b = binary.BigEndian.AppendUint32(b, n)
		}
	}
	return string(b) + store
}

// wellFormed is a header that says what it has.
func wellFormed(index []entry, store string) string {
	return header(uint32(len(index)), uint32(len(store)), index, store)
}

var (
	lead        = "\xed\xab\xee\xdb\x03\x00\x00\x00\x00\x01" + "song" + strings.Repeat("\x00", 62) + "\x00\x01\x00\x05" + strings.Repeat("\x00", 16)
	noSignature = header(0, 0, nil, "")
)

// named are a header's entries that make it a package, and their store.
func named(name string) ([]entry, string) {
	store := name + "\x00" + "1.0\x00" + "1\x00" + "noarch\x00" + "linux\x00"
	n := uint32(len(name) + 1)
	return []entry{{1000, typeString, 0, 1}, {1001, typeString, n, 1}, {1002, typeString, n + 4, 1}, {1022, typeString, n + 6, 1}, {1021, typeString, n + 13, 1}}, store
}

// bombs are files that are made to be read with all memory, or to end who reads them.
func bombs() map[string]string {
	shared := func(kind uint32) string {
		index, store := named("bomb")
		count := uint32(450_000)
		at := uint32(len(store))
		for i := range 3000 {
			index = append(index, entry{uint32(20000 + i), kind, at, count})
		}
		return lead + noSignature + wellFormed(index, store+strings.Repeat("a\x00", int(count)))
	}
	bin := func() string {
		index, store := named("bomb")
		at := uint32(len(store))
		for i := range 3000 {
			index = append(index, entry{uint32(20000 + i), typeBin, at, 900_000})
		}
		return lead + noSignature + wellFormed(index, store+strings.Repeat("a", 900_000))
	}
	all := map[string]string{
		"3,000 lists that share one store":  shared(typeStringArray),
		"3,000 texts that share one store":  shared(typeI18N),
		"3,000 blobs that share one store":  bin(),
		"a header without a name":           lead + noSignature + wellFormed([]entry{{1001, typeString, 0, 1}, {1002, typeString, 4, 1}, {1022, typeString, 6, 1}}, "1.0\x001\x00noarch\x00"),
		"a header of nothing":               lead + noSignature + noSignature,
		"a name that is a number":           lead + noSignature + wellFormed([]entry{{1000, typeInt32, 0, 1}}, "\x00\x00\x00\x01"),
		"entries without an end":            lead + header(0xffffffff, 8, nil, "12345678"),
		"a store without an end":            lead + header(0, 0xffffffff, nil, "12345678"),
		"a store of 2 GiB less one":         lead + header(0, 0x7fffffff, nil, "12345678"),
		"a million entries that aren't":     lead + noSignature + header(1<<20, 8, nil, "12345678"),
		"a list of names that has no end":   lead + noSignature + wellFormed([]entry{{1000, typeString, 0, 1}}, "song"),
		"an RPM that is only its lead":      lead,
		"a file of nothing":                 "",
		"a signature that isn't one":        lead + "garbage garbage garbage garbage",
		"a region that points to nowhere":   lead + noSignature + wellFormed([]entry{{63, typeBin, 0x7ffffff0, 16}}, strings.Repeat("\x00", 16)),
		"a signature of 16 MiB that isn't":  lead + header(1, 16<<20, []entry{{1000, typeInt32, 0, 1}}, "1234"),
		"a negative offset":                 lead + noSignature + wellFormed([]entry{{1000, typeString, 0xffffffff, 1}}, "song\x00"),
		"more paths than there are folders": lead + noSignature + paths(),
	}
	for kind := uint32(0); kind <= 10; kind++ { // 136 bytes each
		for _, count := range []uint32{0, 0x10000000, 0x20000000, 0x40000000, 0x7fffffff, 0x80000000, 0xffffffff} {
			all[fmt.Sprintf("136 bytes: %#x of type %d", count, kind)] = lead + wellFormed([]entry{{1000, kind, 0, count}}, "12345678")
		}
	}
	return all
}

// paths is a header whose files are in folders that it doesn't have.
func paths() string {
	index, store := named("song")
	at := uint32(len(store))
	return wellFormed(append(index, entry{1117, typeStringArray, at, 2}, entry{1118, typeStringArray, at + 4, 1}, entry{1116, typeInt32, at + 12, 2}),
		store+"a\x00b\x00"+"/usr/\x00\x00\x00"+"\x7f\xff\xff\xff\xff\xff\xff\xff")
}

// helper386 is the helper for computers like the XO-1.
var helper386 = sync.OnceValues(func() (string, error) {
	path := filepath.Join(school.Dir, "pk-presolve-386")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "github.com/sugarlabs/packagekit-backend-presolve/cmd/pk-presolve") // as unit-386 compiles
	cmd.Env = append(os.Environ(), "GOARCH=386", "GO386=softfloat", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// A file of whatever content is answered with an error, and neither ends the helper nor makes it
// large.
func TestHeaderBomb(t *testing.T) {
	dir := home(t)
	all := bombs()
	files := map[string]string{}
	for name, content := range all {
		path := filepath.Join(dir, fmt.Sprintf("%d.rpm", len(files)))
		write(t, path, content, 0o644)
		files[name] = path
	}
	for _, arch := range []string{"amd64", "386"} {
		t.Run(arch, func(t *testing.T) {
			t.Parallel()
			tools := school.Tools
			if arch == "386" {
				path, err := helper386()
				check(t, err)
				if err := exec.Command(path, "--help").Run(); errors.Is(err, syscall.ENOEXEC) {
					t.Skip("NOT TESTED: this computer's kernel runs no programs of 32 bits") // nothing to install helps, so in CI too
				} else if err != nil {
					skip(t, "programs for i386 don't run here: "+err.Error())
				}
				tools.Helper = path
			}
			l := newLaptop(t, "", "")
			h := laptoptest.Start(t, tools, l, asNobody)
			warm(t, h)
			before := stateOf(t, l)
			failures := 0
			for name, path := range files {
				for _, words := range [][]string{{"get-details-local", path}, {"get-files-local", path}, {"install-files", "simulate", path}} {
					if failures > 5 {
						t.Fatal("and so on")
					}
					giveUp := time.AfterFunc(patience, func() { h.Process.Kill() })
					lines, err := h.Do(words...)
					giveUp.Stop()
					code, text, _ := strings.Cut(laptoptest.ErrorOf(lines), "\t")
					switch has := 0; {
					case err != nil:
						failures++
						t.Errorf("%s: %s ends the helper, or isn't answered in %v: %.600v", name, words[0], patience, err)
						h = laptoptest.Start(t, tools, l, asNobody)
					case code != "invalid-package-file" && !(strings.HasPrefix(name, "more paths") && words[0] == "get-details-local"): // nothing is wrong with the rest of it
						failures++
						t.Errorf("%s: %s answers %q (%.200q): %.300q", name, words[0], code, text, lines)
						fallthrough
					default:
						if has = peak(t, h.Process.Pid); has > 100 {
							failures++
							t.Errorf("%s: the helper had %d MiB", name, has)
							h.Kill()
							h = laptoptest.Start(t, tools, l, asNobody)
						}
					}
				}
			}
			t.Logf("the helper had %d MiB at most", peak(t, h.Process.Pid))
			warm(t, h)
			before.same(t, stateOf(t, l))
		})
	}
}

// oddNames are what no package's name, version, release or architecture may be.
var oddNames = []string{
	"-rf", "%{lua:os.exit()}", "%n", "song\u202egnos", "song\u2066x", "song\u200fx", "song\u009b31m", "song\x1b[31m", "a;b", "a b", "a\tb", "a\nb", "../song", "a&b",
	"a|b", "a\\b", "a*", "a'b", `a"b`, "a$b", "a`b", "", "\xff\xfe", "sоng", // the last with a Cyrillic o
}

// A package that is called like an option, a macro, a path, or like nothing isn't told of as if it were one.
func TestOddNamesInFiles(t *testing.T) {
	t.Parallel()
	l := newLaptop(t, "", "")
	h := start(t, l)
	warm(t, h)
	before := stateOf(t, l)
	path := filepath.Join(home(t), "song.rpm")
	for _, name := range oddNames {
		check(t, testbed.RPM{Name: "song", Summary: "A song"}.WriteFile(path))
		song := testbed.RPM{Name: name, Version: "1.0", Release: "1", Arch: "noarch", Summary: "A song"}
		for what, made := range map[string]testbed.RPM{
			"name":    song,
			"version": {Name: "song", Version: name, Release: "1", Arch: "noarch", Summary: "A song"},
			"release": {Name: "song", Version: "1.0", Release: name, Arch: "noarch", Summary: "A song"},
			"arch":    {Name: "song", Version: "1.0", Release: "1", Arch: name, Summary: "A song"},
		} {
			if name == "" && what != "name" {
				continue // WriteFile's own takes its place
			}
			check(t, made.WriteFile(path))
			for _, words := range [][]string{{"get-details-local", path}, {"get-files-local", path}, {"install-files", "none", path}} {
				lines := ask(t, h, words...)
				if code, text, _ := strings.Cut(laptoptest.ErrorOf(lines), "\t"); code != "invalid-package-file" {
					t.Errorf("the %s %q: %s answers %q (%q), want invalid-package-file", what, name, words[0], code, text)
				}
				if strings.ContainsAny(strings.Join(lines, "\n"), "\x1b\u202e\u2066\u200f\u009b") {
					t.Errorf("the %s %q: %s tells it raw: %q", what, name, words[0], lines)
				}
			}
		}
	}
	before.same(t, stateOf(t, l))
}
