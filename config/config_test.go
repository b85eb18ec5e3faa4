// SPDX-License-Identifier: GPL-2.0-or-later

package config

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

type example struct {
	Name    string   `toml:"name"`
	Wait    Duration `toml:"wait"`
	Fresh   Duration `toml:"fresh" unit:"h"`
	Limit   Size     `toml:"limit"`
	Folder  Path     `toml:"folder"`
	Count   int      `toml:"count"`
	On      bool     `toml:"on"`
	Words   []string `toml:"words"`
	Folders []Path   `toml:"folders"`
	Source  []struct {
		ID      string `toml:"id"`
		URL     string `toml:"url"`
		Enabled *bool  `toml:"enabled"`
		More    struct {
			Key string `toml:"key"`
		} `toml:"more"`
	} `toml:"source"`
	Table struct {
		Wait Duration `toml:"wait"`
	} `toml:"table"`
	private int
}

func TestParse(t *testing.T) {
	e := example{Name: "default", Count: 3}
	_, err := Parse("/etc/x/example.toml", []byte(`wait = "5s"
limit = "200 MiB"
folder = "../a"
folders = ["b", "/c", ""]
words = ["w"]
on = true
[[source]]
id = "one"
[source.more]
key = "k"
[[source]]
enabled = false
`), &e)
	if err != nil {
		t.Fatal(err)
	}
	if e.Name != "default" || e.Count != 3 || e.Wait != Duration(5*time.Second) || e.Limit != 200<<20 || e.Folder != "/etc/a" || !e.On ||
		!reflect.DeepEqual(e.Folders, []Path{"/etc/x/b", "/c", ""}) || !reflect.DeepEqual(e.Words, []string{"w"}) || len(e.Source) != 2 ||
		e.Source[0].More.Key != "k" || e.Source[0].Enabled != nil || e.Source[1].Enabled == nil || *e.Source[1].Enabled {
		t.Errorf("%+v", e)
	}
	// A relative path is the same wherever the program was started.
	t.Chdir(t.TempDir())
	here, err := filepath.Abs("b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Parse("example.toml", []byte(`folder = "b"`), &e); err != nil || e.Folder != Path(here) {
		t.Errorf("%s, %v; want %s", e.Folder, err, here)
	}
}

func TestParseRefuses(t *testing.T) {
	const known = "name, wait, fresh, limit, folder, count, on, words, folders, source, table"
	for _, tt := range []struct{ text, want string }{
		{`wait = 5`, `1: wait = 5 has no unit: write wait = "5s"`},
		{`wait = "5"`, `1: wait = "5" has no unit: write wait = "5s"`},
		{`fresh = 720`, `1: fresh = 720 has no unit: write fresh = "720h"`},
		{`wait = -5`, `1: wait = -5 is not a time like "5s", "10m" or "720h" for thirty days`},
		{`wait = 0`, `1: wait = 0 is not a time like "5s", "10m" or "720h" for thirty days`},
		{`wait = "-5s"`, `1: wait = "-5s" is not a time like "5s", "10m" or "720h" for thirty days`},
		{`wait = "soon"`, `1: wait = "soon" is not a time like "5s", "10m" or "720h" for thirty days`},
		{`wait = 2.5`, `1: wait = 2.5 should be a time in quotes, e.g. wait = "5s"`},
		{`wait = true`, `1: wait = true should be a time in quotes, e.g. wait = "5s"`},
		{`wait = 10:00:00`, `1: wait = 10:00:00 should be a time in quotes, e.g. wait = "5s"`},
		{`wait = []`, `1: wait should be a time in quotes, e.g. wait = "5s"`},
		{"\n[table]\nwait = 600", `3: wait = 600 has no unit: write wait = "600s"`},
		{`limit = 200`, `1: limit = 200 has no unit: write limit = "200 MiB"`},
		{`limit = "200"`, `1: limit = "200" has no unit: write limit = "200 MiB"`},
		{`limit = -1`, `1: limit = -1 is not a size like "200 MiB" or "2 GiB"`},
		{`limit = 0`, `1: limit = 0 is not a size like "200 MiB" or "2 GiB"`},
		{`limit = "200 MB"`, `1: limit = "200 MB" is not a size like "200 MiB" or "2 GiB"`},
		{`limit = {}`, `1: limit should be a size in quotes, e.g. limit = "200 MiB"`},
		{`name = 12`, `1: name = 12 should be in quotes: write name = "12"`},
		{`name = true`, `1: name = true should be in quotes: write name = "true"`},
		{`name = ["a"]`, `1: name should be a text in quotes`},
		{`[name]`, `1: name should be a text in quotes`},
		{`folder = 1`, `1: folder = 1 should be in quotes: write folder = "1"`},
		{`folder = "a\u0000"`, `1: folder = "a\x00" can't be a path: it has a zero byte`},
		{`count = "3"`, `1: count = "3" should be a whole number`},
		{`count = 2.5`, `1: count = 2.5 should be a whole number`},
		{`on = "yes"`, `1: on = "yes" should be true or false`},
		{`on = 1`, `1: on = 1 should be true or false`},
		{`words = "a"`, `1: words = "a" should be a list: write words = ["a"]`},
		{`words = 1`, `1: words = 1 should be a list of texts, e.g. words = ["a", "b"]`},
		{"words = [\n'a',\n5]", `3: words has 5, which should be a text in quotes`},
		{`source = "x"`, `1: source = "x" should be tables [[source]]`},
		{`source = ["x"]`, `1: source should be tables [[source]]`},
		{"[source]\nid = 'a'", `1: [source] should be [[source]]: there can be several`},
		{"[[table]]", `1: [[table]] should be [table]: there is one`},
		{`table = 5`, `1: table = 5 should be a table [table]`},
		{"[[source]]\nid = 'a'\n[[source]]\nid = 5\n", `4: id = 5 should be in quotes: write id = "5"`},
		{"[[source]]\n[source.more]\n[[source]]\n[source.more]\nkey = 5\n", `5: key = 5 should be in quotes: write key = "5"`},
		{"[[source]]\nid = 'a'\n[[source]]\nidd = 'a'\n", `4: there is no key "idd" in [[source]]: did you mean "id"?`},
		{"source = [\n{id = 'a'},\n{idd = 'b'}]", `3: there is no key "idd" in [[source]]: did you mean "id"?`},
		{"[[source]]\nenabled = 'true'", `2: enabled = "true" should be true or false`},
		{"[[source]]\ncount = 3", `2: there is no key "count" in [[source]]: write it above the first table`},
		{"[table]\nwaits = '5s'", `2: there is no key "waits" in [table]: did you mean "wait"?`},
		{"[table]\ncolour = 'blue'", `2: there is no key "colour" in [table]: [table] has wait`},
		{"[[source]]\ncolour = 'blue'", `2: there is no key "colour" in [[source]]: [[source]] has id, url, enabled, more`},
		{`coutn = 3`, `1: there is no key "coutn": did you mean "count"?`},
		{`url = "x"`, `1: there is no key "url": write it in [[source]]`},
		{"[table]\nenabled = true", `2: there is no key "enabled" in [table]: write it in [[source]]`},
		{`Name = "x"`, `1: there is no key "Name": did you mean "name"?`},
		{`colour = "blue"`, `1: there is no key "colour": the file has ` + known},
		{`"http://u:secret@m/" = 1`, `1: there is no key "http://xxxxx@m/": the file has ` + known},
		{"\n[tabel]\nwait = '5s'", `2: there is no table [tabel]: did you mean [table]?`},
		{"[[sorce]]\nid = 'a'", `1: there is no table [[sorce]]: did you mean [[source]]?`},
		{`private = 1`, `1: there is no key "private": the file has ` + known},
		{"on = true\nname = \"x", `2:9: unterminated basic string`},
		{"name = 'a'\nname = 'b'", `2:1: key name is already defined`},
		{"on = yes", `1:6: unexpected character U+0079 'y' at start of value`},
		{strings.Repeat("#", maxSize+1), ` this is no configuration: it has more than 1 MiB`},
		// The first fault in the file is the one that is told.
		{"on = 1\nname = 1\n", `1: on = 1 should be true or false`},
	} {
		var e example
		_, err := Parse("e.toml", []byte(tt.text), &e)
		var typed *Error
		if !errors.As(err, &typed) || err.Error() != "e.toml:"+tt.want {
			t.Errorf("%.80s\nsays %v\nwant e.toml:%s", tt.text, err, tt.want)
		}
	}
}

func TestErrorf(t *testing.T) {
	var e example
	f, err := Parse("e.toml", []byte("name = 'x'\n[[source]]\nid = 'a'\n\n[[source]]\nid = 'b'\nurl = 'u'\n"), &e)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"name":           "e.toml:1: p",
		"source.0.url":   "e.toml:2: p", // the table that lacks it
		"source.1":       "e.toml:5: p",
		"source.1.id":    "e.toml:6: p",
		"source.1.url":   "e.toml:7: p",
		"table.wait":     "e.toml: p",
		"source.9.url.x": "e.toml:2: p",
	} {
		if err := f.Errorf(key, "p"); err.Error() != want {
			t.Errorf("%s: %v, want %s", key, err, want)
		}
	}
	if err := f.OneOf("name", "reqired", "required", "none"); err.Error() != `e.toml:1: name = "reqired" should be "required" or "none": did you mean "required"?` {
		t.Error(err)
	}
	if err := f.OneOf("words.0", "x", "a"); err.Error() != `e.toml: words has "x", which should be "a"` {
		t.Error(err)
	}
	if err := f.OneOf("name", "none", "required", "none"); err != nil {
		t.Error(err)
	}
	if r, ok := f.Value("source.1.url"); !ok || string(f.data[r.Start:r.End]) != "'u'" {
		t.Errorf("the value is %v, %t", r, ok)
	}
}

func TestRedacted(t *testing.T) {
	for url, want := range map[string]string{
		"http://mirror/fedora":           "http://mirror/fedora",
		"http://user:secret@mirror/f":    "http://xxxxx@mirror/f",
		"https://token@mirror/f":         "https://xxxxx@mirror/f",
		"http://user:se/cr@et@mirror/f":  "http://xxxxx@mirror/f",
		"http:/user:secret@mirror/f":     "http:/xxxxx@mirror/f",
		"user:secret@mirror":             "user:xxxxx@mirror",
		"ftp//secret@mirror":             "xxxxx@mirror",
		"http://user:12/secret@mirror/f": "http://xxxxx@mirror/f",
	} {
		if got := Redacted(url); got != want {
			t.Errorf("%s becomes %s, want %s", url, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"platform", "root", "rpmdb", "idle_timeout", "id", "url", "sugar-network"}
	for word, want := range map[string]string{
		"idle_timout": "idle_timeout", "idle-timeout": "idle_timeout", "plafrom": "platform", "Root": "root", "rmpdb": "rpmdb", "idd": "id",
		"ulr": "url", "sugar_network": "sugar-network", "colour": "", "": "", "x": "", strings.Repeat("a", 1000): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%.20q is near %q, want %q", word, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for _, text := range []string{"200 MiB", "2 GiB", "1 KiB", "999999999 GiB"} {
		if s, problem := parseSize(text); problem != "" || s <= 0 || s.String() != text {
			t.Errorf("%s is %d, %s %s", text, s, s, problem)
		}
	}
}

// Whatever a file has, it is read or refused with an error about that file, and what was read is as
// its types promise.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"wait = '5s'\nlimit = '1 GiB'\nfolder = 'x'\n[[source]]\nid = 'a'\n[source.more]\nkey = 'k'\n[[source]]\nenabled = false\n",
		"source = [{id = 'a'}, {more = {key = 'b'}}]\ntable.wait = '1h'\n", "wait = 5", "limit = -1", "words = [1, [2, {a = 3}]]",
		"[a.b.c.d.e.f.g.h]\n[[a.b.c.d.e.f.g.i]]", "\"a.b\" = 1\n[[source.more]]", "count = 9223372036854775807", "folder = \"\\u0000\"",
		"name = '''\r\nx'''\r\n", "\xef\xbb\xbfname = 'x'", "[[source]]\n[[source.more.key]]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e example
		file, err := Parse("/etc/e.toml", data, &e)
		var typed *Error
		switch {
		case err == nil:
			absolute := func(p Path) bool { return p == "" || filepath.IsAbs(string(p)) }
			if e.Wait < 0 || e.Fresh < 0 || e.Limit < 0 || !absolute(e.Folder) || e.private != 0 {
				t.Errorf("taken: %+v", e)
			}
			for key := range file.places {
				if r, ok := file.Value(key); ok && (r.Start < 0 || r.End > len(data) || r.Start >= r.End) {
					t.Errorf("%s is at %v of %d bytes", key, r, len(data))
				}
			}
		case !errors.As(err, &typed) || !strings.HasPrefix(err.Error(), "/etc/e.toml:"):
			t.Errorf("the error is %v", err)
		case strings.Contains(typed.Problem, "config.") || strings.Contains(typed.Problem, "struct"):
			if !strings.Contains(string(data), "config.") && !strings.Contains(string(data), "struct") {
				t.Errorf("the error has Go's words: %v", err)
			}
		case typed.Line > 1+strings.Count(string(data), "\n"):
			t.Errorf("the line is none of the file's: %v", err)
		}
	})
}
