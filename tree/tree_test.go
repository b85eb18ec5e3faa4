// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

const longDigest Digest = "sha512:" + digest + digest

// good is a tree of three packages that passes every check.
func good() *Tree {
	p := func(name string, requires ...int) Package {
		return Package{NEVRA: NEVRA{Name: name, Epoch: 1, Version: "1.0~rc1", Release: "2.fc18", Arch: "noarch"}, Summary: "Ü",
			Size: 100, Installed: 200, SHA256: digest, Location: "rpms/" + name + ".rpm", Requires: requires}
	}
	t := &Tree{Format: Format, Platform: "p", Name: "top", Packages: []Package{p("a"), p("b", 0), p("top", 0, 1)}, Needs: []NEVRA{{Name: "glibc", Version: "2", Release: "1", Arch: "i686"}}}
	t.Packages[1].Location, t.Packages[1].URLs = "", []string{"https://example.org/b.rpm", "http://[::1]:80/b.rpm", "file:///srv/b.rpm"}
	t.Packages[2].Conditions = Conditions{Requires: []string{"(a if b)"}, Conflicts: []string{"c < 2"}, Recommends: []string{"(d unless e)"}}
	t.Packages[1].Provided = []string{"b-api = 2", "/usr/bin/b"}
	t.Packages[0].Repository, t.Packages[0].Location = 2, "Packages/a/a+1.rpm"
	t.Packages[0].Files = NewRef("files/a@", []byte("files"), ".json.zst")
	return t
}

func packer(t testing.TB) *Packer {
	t.Helper()
	p, err := NewPacker(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustEncode(t testing.TB, v interface{ Encode() ([]byte, error) }) []byte {
	t.Helper()
	data, err := v.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTreeRoundTrip(t *testing.T) {
	want := good()
	data := mustEncode(t, want)
	got, err := ParseTree(data, nil, "p", "top")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.Top().Name != "top" {
		t.Errorf("the top-level package is %s", got.Top().Name)
	}
	// A later version of the format may add fields, and must not be refused for them.
	data, err = unpacked(data, nil, MaxTreeFile)
	if err != nil {
		t.Fatal(err)
	}
	added := strings.Replace(string(data), `{"format":2,`, `{"format":2,"new":{"x":[1]},`, 1)
	if _, err := ParseTree(compress(t, added), nil, "p", "top"); err != nil {
		t.Errorf("with an unknown field: %v", err)
	}
}

func TestDigest(t *testing.T) {
	for _, d := range []Digest{longDigest, "sha384:" + digest + Digest(digest[:32])} {
		tr := good()
		tr.Packages[0].SHA256, tr.Packages[0].Digest = "", d
		got, err := ParseTree(mustEncode(t, tr), nil, "p", "top")
		if err != nil || got.Packages[0].RPMDigest() != d || got.Packages[1].RPMDigest() != "sha256:"+digest {
			t.Errorf("%s: %v, %+v", d, err, got)
		}
	}
	abc := map[string]Digest{ // FIPS 180's examples
		"SHA-256 ba78": NewDigest("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
		"SHA-384 cb00": NewDigest("sha384", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"),
		"SHA-512 ddaf": NewDigest("sha512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"),
	}
	for text, d := range abc {
		h := d.Hash()
		h.Write([]byte("abc"))
		if !d.Is(h) || !strings.HasPrefix(d.Text(), text) {
			t.Errorf("%s is not that of abc, and called %q", d, d.Text())
		}
		if h.Write([]byte("d")); d.Is(h) {
			t.Errorf("%s is that of abcd, too", d)
		}
	}
	for _, d := range []Digest{"", "md5:" + Digest(digest[:32]), NewDigest("sha1", digest[:40]), NewDigest("sha512", digest)} {
		if d.Check() == nil || d.Is(d.Hash()) {
			t.Errorf("%q is a digest", d)
		}
	}
}

func TestTreeRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Tree)
		says   string
	}{
		{"another platform", func(t *Tree) { t.Platform = "q" }, `on "q" and not`},
		{"another name", func(t *Tree) { t.Name = "other" }, `tree of "other"`},
		{"no packages", func(t *Tree) { t.Packages = nil }, "0 packages"},
		{"too many packages", func(t *Tree) { t.Packages = make([]Package, MaxPackages+1) }, "20001 packages"},
		{"ends elsewhere", func(t *Tree) { t.Packages = t.Packages[:2] }, "ends with b"},
		{"twice the same", func(t *Tree) { t.Packages[1] = t.Packages[0] }, "twice"},
		{"requires itself", func(t *Tree) { t.Packages[1].Requires = []int{1} }, "a loop or not in install order"},
		{"requires a later one", func(t *Tree) { t.Packages[0].Requires = []int{2} }, "a loop or not in install order"},
		{"requires what is not there", func(t *Tree) { t.Packages[2].Requires = []int{3} }, "a loop or not in install order"},
		{"requires a negative index", func(t *Tree) { t.Packages[2].Requires = []int{-1} }, "a loop or not in install order"},
		{"no digest", func(t *Tree) { t.Packages[0].SHA256 = "" }, "not a SHA-256"},
		{"digest in upper case", func(t *Tree) { t.Packages[0].SHA256 = strings.ToUpper(digest) }, "not a SHA-256"},
		{"digest with a path", func(t *Tree) { t.Packages[0].SHA256 = "../" + digest[3:] }, "not a SHA-256"},
		{"two digests", func(t *Tree) { t.Packages[0].Digest = longDigest }, "only without"},
		{"digest in place of sha256", func(t *Tree) { t.Packages[0].Digest, t.Packages[0].SHA256 = "sha256:"+digest, "" }, "only without"},
		{"digest too short", func(t *Tree) { t.Packages[0].Digest, t.Packages[0].SHA256 = "sha512:"+digest, "" }, "is not a SHA-256, SHA-384"},
		{"digest of another kind", func(t *Tree) { t.Packages[0].Digest, t.Packages[0].SHA256 = "sha1:"+Digest(digest[:40]), "" }, "is not a SHA-256, SHA-384"},
		{"digest of no kind", func(t *Tree) { t.Packages[0].Digest, t.Packages[0].SHA256 = digest, "" }, "is not a SHA-256, SHA-384"},
		{"longer digest in upper case", func(t *Tree) {
			t.Packages[0].Digest, t.Packages[0].SHA256 = "sha512:"+Digest(strings.ToUpper(longDigest.Hex())), ""
		}, "is not a SHA-256, SHA-384"},
		{"no size", func(t *Tree) { t.Packages[0].Size = 0 }, "can't be"},
		{"negative size", func(t *Tree) { t.Packages[0].Size = -1 }, "can't be"},
		{"huge size", func(t *Tree) { t.Packages[0].Size = MaxRPM + 1 }, "can't be"},
		{"negative installed size", func(t *Tree) { t.Packages[0].Installed = -1 }, "can't be"},
		{"nowhere", func(t *Tree) { t.Packages[0].Location = "" }, "neither a location nor a URL"},
		{"in no repository", func(t *Tree) { t.Packages[0].Repository = -1 }, "in repository -1 of"},
		{"in one repository too many", func(t *Tree) { t.Packages[0].Repository = MaxRepositories + 1 }, "in repository 65 of"},
		{"somewhere in a repository", func(t *Tree) { t.Packages[1].Repository = 1 }, "in repository 1 of"},
		{"above a repository", func(t *Tree) { t.Packages[0].Location = "../a.rpm" }, "plain relative path"},
		{"files elsewhere", func(t *Tree) { t.Packages[0].Files.Path = "trees/" + t.Packages[0].Files.SHA256[:16] }, "should be in files/"},
		{"bad package name", func(t *Tree) { t.Packages[0].Name = "../a" }, "name"},
		{"an empty condition", func(t *Tree) { t.Packages[0].Conditions.Requires = []string{""} }, "conditions.requires"},
		{"a long condition", func(t *Tree) { t.Packages[0].Conditions.Conflicts = []string{strings.Repeat("a", MaxCondition+1)} }, "conditions.conflicts"},
		{"a condition in two lines", func(t *Tree) { t.Packages[0].Conditions.Recommends = []string{"(a if\nb)"} }, "conditions.recommends"},
		{"meets too much", func(t *Tree) { t.Packages[0].Provided = make([]string, MaxConditions+1) }, "2049 meets"},
		{"bad name in needs", func(t *Tree) { t.Needs[0].Name = "a\tb" }, "needs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := good()
			tt.change(tr)
			if _, err := ParseTree(mustEncode(t, tr), nil, "p", "top"); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("ParseTree: %v, want %q", err, tt.says)
			}
			if tr.Platform == "p" && tr.Name == "top" {
				if _, err := packer(t).Tree(tr); err == nil {
					t.Error("it is published")
				}
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, ok := range []string{"a", "gcc-c++", "python3.11", "a..b", "libfoo_2", "_a", "g++", "libstdc++6", "0ad", "a-", "a.b.c"} {
		if err := CheckName(ok); err != nil {
			t.Errorf("CheckName(%q): %v", ok, err)
		}
	}
	bad := []string{"", ".", "..", "../a", "/a", "a/b", `a\b`, "a;b", "a&b", "a|b", "a b", "a\tb", "a\nb", "a\x00", "a\x7f", "a\u0085", "a\xff",
		"a*", "a?", "a[1]", "{a,b}", "a#b", "..a", ".a", "-a", "+a", "a%41", "Ü", "aé", "a\u202eb", "a\u200eb", "a~b", "a^b", "a:b", "a,b", "a@b", "a(b)", "a\"b", "a'b", "$a", "a`b", "a=b", "a<b", strings.Repeat("x", 256)}
	for _, name := range bad {
		if CheckName(name) == nil {
			t.Errorf("CheckName(%q): no error", name)
		}
		// The same through JSON, which makes U+FFFD of what is not UTF-8, and for the other parts of a NEVRA.
		for i, p := range []NEVRA{{Name: name, Version: "1", Release: "1", Arch: "x"}, {Name: "a", Version: name, Release: "1", Arch: "x"},
			{Name: "a", Version: "1", Release: name, Arch: "x"}, {Name: "a", Version: "1", Release: "1", Arch: name}} {
			if i > 0 && checkOnly("version", name, inVersion) == nil || i == 3 && CheckArch(name) == nil {
				continue // it may be that, if no name
			}
			tr := good()
			tr.Packages[0].NEVRA = p
			if _, err := ParseTree(mustEncode(t, tr), nil, "p", "top"); err == nil {
				t.Errorf("ParseTree takes the package %+v", p)
			}
		}
	}
	// What can't be told apart once it is joined to name-[epoch:]version-release.arch.
	for _, p := range []NEVRA{{"a", 0, "1-2", "3", "x"}, {"a", 0, "1", "2-3", "x"}, {"a", 0, "1:2", "3", "x"}, {"a", 0, "1", "2", "x.y"}, {"a", -1, "1", "2", "x"}} {
		if p.Check() == nil {
			t.Errorf("%+v is taken", p)
		}
	}
}

func TestPaths(t *testing.T) {
	for _, ok := range []string{"rpms/a.rpm", "a", "..a/b", "a..", "x/Ü b+~^%41.rpm"} {
		if err := checkPath(ok); err != nil {
			t.Errorf("checkPath(%q): %v", ok, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "/", "/etc/passwd", "../a", "a/../b", "a/../../b", "a/..", "./a", "a//b", "a/", `a\b`, "a\nb", "a\x00b", "a\u0085b", "a\u202eb", "a\u2066b", "a\u200fb", "a\ufffdb", "a\xff", strings.Repeat("x/", 512) + "x"} {
		if checkPath(bad) == nil {
			t.Errorf("checkPath(%q): no error", bad)
		}
		tr := good()
		tr.Packages[0].Location = bad
		if _, err := ParseTree(mustEncode(t, tr), nil, "p", "top"); err == nil {
			t.Errorf("ParseTree takes the location %q", bad)
		}
	}
	for _, bad := range []string{"", "a.rpm", "/a.rpm", "//host/a.rpm", "http:///a.rpm", "http:a.rpm", "ftp://host/a.rpm", "file:a.rpm", "javascript:x", "http://ho st/", "http://host/a\nb", ":"} {
		if checkURL(bad) == nil {
			t.Errorf("checkURL(%q): no error", bad)
		}
	}
}

// Each kind of file of a newer format is refused by the format's number, whatever else has changed in it.
func TestNewerFormat(t *testing.T) {
	data := []byte(`{"format": 3, "platform": {"new": true}, "packages": "elsewhere"}`)
	parse := map[string]func([]byte) error{
		"platform.json": func(b []byte) error { _, err := ParsePlatform(b, "p"); return err },
		"tree":          func(b []byte) error { _, err := ParseTree(compress(t, string(b)), nil, "p", "top"); return err },
		"file list":     func(b []byte) error { _, err := ParseFileList(compress(t, string(b)), "top"); return err },
	}
	for what, f := range parse {
		var format *FormatError
		if err := f(data); !errors.As(err, &format) || format.Format != 3 || format.What != what || !strings.Contains(err.Error(), "update packagekit-backend-presolve") {
			t.Errorf("%s: %v", what, err)
		}
		for _, bad := range []string{"", "null", "[]", "{}", `{"format":"1"}`, `{"format":1`, `{"format":1.5}`, `{"format":1} x`, `{"format":2,"platform":7}`, "<html>", "\x00", "\xff\xfe", strings.Repeat("[", 20000)} {
			if f([]byte(bad)) == nil {
				t.Errorf("%s: %.20q is taken", what, bad)
			}
		}
	}
}

func TestClosure(t *testing.T) {
	tr := &Tree{Packages: []Package{{}, {}, {Requires: []int{0}}, {Requires: []int{2}}, {Requires: []int{1}}}}
	for index, want := range map[int][]int{0: {0}, 1: {1}, 2: {0, 2}, 3: {0, 2, 3}, 4: {0, 1, 2, 3, 4}} {
		if got := tr.Closure(index); !reflect.DeepEqual(got, want) {
			t.Errorf("Closure(%d) = %v, want %v", index, got, want)
		}
	}
}

func TestFileList(t *testing.T) {
	want := &FileList{Format: Format, Name: "a", Files: []string{"/usr/bin/a", "/usr/share/Ü b"}}
	got, err := ParseFileList(mustEncode(t, want), "a")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := ParseFileList(mustEncode(t, want), "b"); err == nil {
		t.Error("another package's is taken")
	}
	want.Files[0] = "/a\nfinished"
	if _, err := ParseFileList(mustEncode(t, want), "a"); err == nil {
		t.Error("a path with a newline is taken")
	}
	if _, err := packer(t).FileList(want); err == nil {
		t.Error("a path with a newline is published")
	}
}

func FuzzParseTree(f *testing.F) {
	data, err := json.Marshal(good())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":2,"platform":"p","name":"top","packages":[{"name":"top","requires":[0]}]}`))
	f.Add([]byte(`{"format":3}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		DictionaryOf(data)
		if tr, err := ParseTree(data, nil, "p", "top"); err == nil {
			t.Errorf("what isn't compressed is taken: %+v", tr)
		}
		tr, err := ParseTree(compress(t, string(data)), nil, "p", "top")
		if err != nil {
			return
		}
		for i, p := range tr.Packages {
			checkFuzzed(t, p.NEVRA)
			if last := tr.Closure(i); last[len(last)-1] != i {
				t.Errorf("the closure of %d is %v", i, last)
			}
		}
		if again, err := ParseTree(mustEncode(t, tr), nil, "p", "top"); err != nil || again.Top().NEVRA != tr.Top().NEVRA {
			t.Errorf("what was parsed and encoded isn't taken again: %v", err)
		}
	})
}

// What is compressed may be anything.
func FuzzUnpacked(f *testing.F) {
	dictionary := someDictionary(f)
	p, err := NewPacker(dictionary)
	if err != nil {
		f.Fatal(err)
	}
	data, err := p.Tree(good())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, dictionary)
	f.Add(mustEncode(f, good()), []byte(nil))
	f.Add(compress(f, strings.Repeat("\x00", 1<<20)), dictionary)
	f.Fuzz(func(t *testing.T, data, dictionary []byte) {
		DictionaryOf(data)
		all, err := unpacked(data, dictionary, 1<<16)
		if err == nil && len(all) > 1<<16 {
			t.Errorf("%d bytes", len(all))
		}
		if _, err := NewPacker(dictionary); err == nil && dictionary != nil {
			if content, err := ParseDictionary(dictionary); err != nil || len(content) > MaxDictionary {
				t.Errorf("a dictionary of %d bytes, %v", len(content), err)
			}
		}
	})
}

func FuzzParseFileList(f *testing.F) {
	f.Add([]byte(`{"format":2,"name":"a","files":["/a","/b"]}`))
	f.Add([]byte(`{"format":2,"name":"a","files":["\n"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseFileList(compress(t, string(data)), "a")
		if err != nil {
			return
		}
		if strings.ContainsAny(strings.Join(l.Files, ""), "\t\n\x00") {
			t.Errorf("files %q", l.Files)
		}
	})
}

// checkFuzzed holds for whatever a Parse function takes.
func checkFuzzed(t *testing.T, p NEVRA) {
	t.Helper()
	if again, err := ParseNEVRA(p.String()); err != nil || again != p {
		t.Errorf("%+v is written %s and read as %+v, %v", p, p, again, err)
	}
	if s := p.String(); strings.ContainsAny(s, "/\\;&| \t\n\x00") {
		t.Errorf("the package %q", s)
	}
	if _, err := json.Marshal(p); err != nil {
		t.Error(err)
	}
}
