// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func entry(name string) *Entry {
	return &Entry{NEVRA: NEVRA{Name: name, Version: "1", Release: "1", Arch: "noarch"}, Summary: "Summary of " + name, Description: "About it", Size: 77, License: "GPLv2+", URL: "http://x.org/"}
}

func TestEntryRoundTrip(t *testing.T) {
	full := &Entry{NEVRA: NEVRA{"a", 3, "1.2~rc1", "4^5", "x86_64"}, Group: "education", Size: 1 << 40, License: "MIT\tand\nBSD", URL: `http://x.org/\n`,
		Summary: `back\slash, comma`, Description: "Two\nlines,\tand a tab", Obsoletes: []string{`old, "and" \n < 2`, "older"}}
	same := entry("b")
	same.Description = same.Summary
	for line, e := range map[string]*Entry{
		"a\t1099511627776\t3:1.2~rc1-4^5\tx86_64\teducation\tMIT\\tand\\nBSD\thttp://x.org/\\\\n\tback\\\\slash, comma\tTwo\\nlines,\\tand a tab\told\\, \"and\" \\\\n < 2,older": full,
		"b\t77\t1-1\tnoarch\t\tGPLv2+\thttp://x.org/\tSummary of b": same,
		"c\t\t1-1\tnoarch":                      {NEVRA: NEVRA{"c", 0, "1", "1", "noarch"}},
		"d\t\t\t\t\t\t\tSagt hallo\tSagt hallo": {NEVRA: NEVRA{Name: "d"}, Summary: "Sagt hallo", Description: "Sagt hallo"},
		"e\t\t\t\t\t\t\tSagt hallo":             {NEVRA: NEVRA{Name: "e"}, Summary: "Sagt hallo"},
		"f\t\t\t\t\t\t\t\t\t\tg,h":              {NEVRA: NEVRA{Name: "f"}, By: []string{"g", "h"}},
	} {
		if got := string(e.Line()); got != line {
			t.Errorf("%+v is written\n%q, want\n%q", e, got, line)
		}
		if got, err := ParseEntry([]byte(line)); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
		if got := string(NameOf([]byte(line))); got != e.Name {
			t.Errorf("the name in %q is %q", line, got)
		}
	}
}

func TestEntryRefused(t *testing.T) {
	for name, change := range map[string]func(*Entry){
		"name with ../":             func(e *Entry) { e.Name = "../a" },
		"no name":                   func(e *Entry) { e.Name = "" },
		"version with two releases": func(e *Entry) { e.Version = "1-2" },
		"an odd architecture":       func(e *Entry) { e.Arch = "x.y" },
		"negative size":             func(e *Entry) { e.Version, e.Arch, e.Size = "", "", 1 },
		"architecture alone":        func(e *Entry) { e.Version, e.Size = "", 0 },
		"long summary":              func(e *Entry) { e.Summary = strings.Repeat("a", MaxPackageSummary+1) },
		"long description":          func(e *Entry) { e.Description = strings.Repeat("a", MaxPackageDescription+1) },
		"long licence":              func(e *Entry) { e.License = strings.Repeat("a", MaxLicense+1) },
		"no UTF-8":                  func(e *Entry) { e.Summary = "a\xff" },
		"obsoletes two in one":      func(e *Entry) { e.Obsoletes = []string{"a\nb"} },
		"obsoletes nothing":         func(e *Entry) { e.Obsoletes = []string{"a", ""} },
		"obsoletes at length":       func(e *Entry) { e.Obsoletes = []string{strings.Repeat("a", maxPath+1)} },
		"obsoletes in all too much": func(e *Entry) { e.Obsoletes = slices.Repeat([]string{strings.Repeat("a", 500)}, 300) },
		"by, and a package":         func(e *Entry) { e.By = []string{"b"} },
		"by, and a text":            func(e *Entry) { *e = Entry{NEVRA: NEVRA{Name: "a"}, Summary: "a", By: []string{"b"}} },
		"by an odd name":            func(e *Entry) { *e = Entry{NEVRA: NEVRA{Name: "a"}, By: []string{"b;c"}} },
		"by many":                   func(e *Entry) { *e = Entry{NEVRA: NEVRA{Name: "a"}, By: slices.Repeat([]string{"b"}, MaxBy+1)} },
	} {
		e := entry("a")
		change(e)
		if got, err := ParseEntry(e.Line()); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, line := range []string{"", "a\t-1\t1-1\tx", "a\tx\t1-1\tx", "a\t\t1\tx", "a\t\t1-1", "a\t\t1-1-1\tx", "a\t\tx:1-1\tx", strings.Repeat("a\t", searchFields+1), "a" + strings.Repeat("\t", maxEntry)} {
		if got, err := ParseEntry([]byte(line)); err == nil {
			t.Errorf("%.80q: %+v", line, got)
		}
	}
}

// read are the lines of a search file or a difference.
func read(t testing.TB, file []byte, most int64) (lines [][]byte) {
	t.Helper()
	if err := SearchLines(bytes.NewReader(file), most, func(line []byte) error {
		lines = append(lines, bytes.Clone(line))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestSearchLines(t *testing.T) {
	lines := SortLines([][]byte{entry("hello-x").Line(), entry("hello").Line(), (&Entry{NEVRA: NEVRA{Name: "hello"}, By: []string{"hello-x"}}).Line(), entry("a").Line(), entry("a").Line()})
	s, file, err := EncodeSearch("search/", lines)
	if err != nil {
		t.Fatal(err)
	}
	if _, again, _ := EncodeSearch("search/", lines); !bytes.Equal(file, again) {
		t.Error("the same lines give other bytes")
	}
	if err := s.check("search"); err != nil || s.Ref.Check(file) != nil || s.Lines != 4 || s.Content != ContentOf(lines) {
		t.Errorf("%+v: %v", s, err)
	}
	got := read(t, file, s.Unpacked)
	if string(bytes.Join(got, []byte("\n"))) != string(bytes.Join(lines, []byte("\n"))) {
		t.Errorf("got %q\nwant %q", got, lines)
	}
	var names []string
	for _, line := range got {
		names = append(names, string(NameOf(line)))
	}
	if !slices.Equal(names, []string{"a", "hello", "hello", "hello-x"}) {
		t.Errorf("the names are %q", names)
	}
	stop, calls := errors.New("stop"), 0
	if err := SearchLines(bytes.NewReader(file), s.Unpacked, func([]byte) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("%v after %d lines, want yield's own error after the first", err, calls)
	}
	for name, file := range map[string][]byte{
		"more than is promised": compress(t, strings.Repeat("a", int(s.Unpacked))+"\n"),
		"a few bytes too many":  compress(t, string(joined(lines))+"z\n"),
		"a newline too many":    compress(t, string(joined(lines))+"\n"),
		"not Zstandard":         []byte("<html>please log in</html>"),
		"truncated":             file[:len(file)-5],
		"flipped":               func() []byte { b := bytes.Clone(file); b[len(b)/2] ^= 1; return b }(),
		"names not sorted":      compress(t, "b\na\n"),
		"names sorted as lines": compress(t, "a\x01\na\t1\n"),
		"lines not sorted":      compress(t, "a\t2\na\t1\n"),
		"a line twice":          compress(t, "a\t1\na\t1\n"),
		"an empty line":         compress(t, "a\n\nb\n"),
		"no end":                compress(t, "a\nb"),
		"a long line":           compress(t, strings.Repeat("a", maxEntry)+"\n"),
	} {
		most := s.Unpacked
		if name == "a long line" {
			most = MaxUnpacked
		}
		if err := SearchLines(bytes.NewReader(file), most, func([]byte) error { return nil }); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// merged is what a laptop makes of a search file and a difference.
func merged(old, difference [][]byte) (lines [][]byte) {
	names := make(map[string]bool)
	for _, line := range difference {
		names[string(NameOf(line))] = true
		if bytes.Contains(line, []byte("\t")) {
			lines = append(lines, line)
		}
	}
	for _, line := range old {
		if !names[string(NameOf(line))] {
			lines = append(lines, line)
		}
	}
	return SortLines(lines)
}

// Whatever changes, the difference leads from the old lines to the new ones; and so does one that is
// about more names than have changed, as those are that lead over several builds.
func TestDifference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var days [][][]byte
	for range 12 {
		var lines [][]byte
		for i := range 60 {
			for range random.IntN(3) {
				e := entry(fmt.Sprint("name-", i))
				e.Version = fmt.Sprint(random.IntN(4))
				lines = append(lines, e.Line())
			}
		}
		days = append(days, SortLines(append(lines, entry("always").Line())))
	}
	for i := 2; i < len(days); i++ {
		older, old, lines := days[i-2], days[i-1], days[i]
		s, file, err := EncodeSearch("search/", old)
		if err != nil {
			t.Fatal(err)
		}
		names, err := Changed(bytes.NewReader(file), s.Unpacked, lines)
		if err != nil || slices.Contains(names, "always") || !slices.IsSorted(names) {
			t.Fatal(names, err)
		}
		d, difference, err := EncodeDifference("search", s.Content, names, lines)
		if err != nil || d.Ref.Check(difference) != nil || d.Ref.check("search") != nil || !strings.HasPrefix(s.Content, d.From) {
			t.Fatal(d, err)
		}
		if got := ContentOf(merged(old, read(t, difference, MaxUnpacked))); got != ContentOf(lines) {
			t.Fatalf("day %d: the difference leads elsewhere", i)
		}
		_, file, err = EncodeSearch("search/", older)
		if err != nil {
			t.Fatal(err)
		}
		before, err := Changed(bytes.NewReader(file), MaxUnpacked, old)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, before...)
		slices.Sort(names)
		if _, difference, err = EncodeDifference("search", ContentOf(older), slices.Compact(names), lines); err != nil {
			t.Fatal(err)
		}
		if got := ContentOf(merged(older, read(t, difference, MaxUnpacked))); got != ContentOf(lines) {
			t.Fatalf("day %d: the difference over two days leads elsewhere", i)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add(entry("a").Line())
	f.Add([]byte("a\t5\t1:1-1\tx\tg\tl\tu\ts\\\td\\n\to\\,1,p\t"))
	f.Add([]byte("a\t\t\t\t\t\t\t\t\t\tb,c"))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := ParseEntry(line)
		if err != nil {
			return
		}
		if e.Version != "" {
			checkFuzzed(t, e.NEVRA)
		}
		if e.Name != string(NameOf(line)) || CheckName(e.Name) != nil {
			t.Errorf("%q is of %q", line, e.Name)
		}
		again, err := ParseEntry(e.Line())
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%q is read as %+v, written %q, and read as %+v, %v", line, e, e.Line(), again, err)
		}
	})
}

func FuzzSearchLines(f *testing.F) {
	_, file, _ := EncodeSearch("search/", [][]byte{entry("a").Line(), entry("b").Line()})
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add([]byte("a\t1\nb\nb\t2\n"))
	f.Add([]byte("b\na\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, file := range [][]byte{data, compress(t, string(data))} { // the second: what is in the file
			const most = 1 << 16
			var all [][]byte
			if err := SearchLines(bytes.NewReader(file), most, func(line []byte) error {
				all = append(all, bytes.Clone(line))
				return nil
			}); err != nil {
				continue
			}
			if size := len(joined(all)); size > most {
				t.Errorf("%d bytes, more than %d", size, most)
			}
			names, err := Changed(bytes.NewReader(file), most, nil)
			if err != nil || len(all) > 0 && len(names) == 0 {
				t.Errorf("%q: %v", names, err)
			}
		}
	})
}
