// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

func TestModulesForms(t *testing.T) {
	var gz, zst, x bytes.Buffer
	g := gzip.NewWriter(&gz)
	g.Write([]byte(dbModules))
	g.Close()
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	z.Write([]byte(dbModules))
	z.Close()
	w, err := xz.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(dbModules))
	w.Close()
	for name, data := range map[string][]byte{
		"modules.yaml": []byte(dbModules), "modules.yaml.gz": gz.Bytes(), "modules.yaml.zst": zst.Bytes(), "modules.yaml.xz": x.Bytes(),
		"crlf.yaml":       []byte(strings.ReplaceAll(dbModules, "\n", "\r\n")),
		"directives.yaml": []byte("\ufeff# a comment\n%YAML 1.2\n" + strings.ReplaceAll(dbModules, "...\n", "...\n\n# and more\n%TAG ! x\n")),
		"no-dots.yaml":    []byte(strings.ReplaceAll(dbModules, "...\n", "")),
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		var m modules
		if _, err := m.read(t.Context(), path, maxModules, 0); err != nil || len(m.streams) != 2 || m.streams[1].String() != "db:12" || m.streams[1].version != 820190104140133 ||
			len(m.streams[1].artifacts) != 2 || m.defaults["db"].stream != "10" {
			t.Errorf("%s: %v, %+v", name, err, m)
		}
	}
	// A repository as modifyrepo_c writes it with bzip2.
	dir := repotest.New(t, dbPackages...)
	addModules(t, dir, dbModules, "--compress-type=bz2")
	p := open(t, Config{Arch: "x86_64", Repositories: []Repository{{ID: "r", URL: repotest.URL(dir)}}, Base: Base{Packages: []string{"base"}}})
	if got := show(solveOne(t, p, "db")); got != "db-10.1-1.module_el8.x86_64" {
		t.Errorf("bz2: %s", got)
	}
}

func TestModulesRefused(t *testing.T) {
	good := build("db:1", "1", "c", "{}", "", "db-0:1-1.noarch")
	for name, test := range map[string]struct {
		yaml, want string
		line       int
	}{
		"no YAML":        {"---\na: [\n...\n", "it is no modules.yaml", 1},
		"no mapping":     {"---\n- a\n...\n", "it is no document about modules", 1},
		"no kind":        {"---\na: b\n...\n", "doesn't say what it is", 1},
		"version 3":      {good + "---\ndocument: modulemd\nversion: 3\ndata: {name: x, stream: 1}\n", "a modulemd of version 3: this program reads 1 and 2", 20},
		"no stream":      {good + "---\ndocument: modulemd\nversion: 2\ndata: {name: x}\n", `can't be the stream of a module`, 20},
		"a large number": {"---\ndocument: modulemd\nversion: 2\ndata: {name: x, stream: 1, version: -5}\n", "reading a modulemd", 1},
		"aliases":        {"---\ndocument: modulemd\nversion: 2\nx: &a [b, b]\ndata: {name: x, stream: 1, y: [*a, *a]}\n", "it has aliases", 1},
		"many values":    {good + "---\na: [" + strings.Repeat("a,", maxMarks) + "]\n", "larger than that of any module", 20},
		"a long text":    {good + "---\na: |\n" + strings.Repeat("  "+strings.Repeat("a", 1000)+"\n", maxDocument/1000), "larger than that of any module", 20},
		"a long line":    {good + "---\na: " + strings.Repeat("a", maxDocument), "token too long", 21},
		"many keys":      {"---\na: {" + strings.Repeat("a,", maxKeys+1) + "}\n", "one of its mappings has more than 10000 keys", 1},
		"many builds":    {strings.Repeat(good, maxBuilds+1), "more than 500 of the module db", 0},
		"deep":           {"---\na: " + strings.Repeat("[", 20_000), "it is no modules.yaml", 1},
	} {
		var m modules
		_, err := m.parse(strings.NewReader(test.yaml), maxModules, 0)
		if err == nil || !strings.Contains(err.Error(), test.want) || len(m.streams) > 0 {
			t.Errorf("%s: %.200v, want %s", name, err, test.want)
			continue
		}
		var f *fault
		if errors.As(err, &f) && f.line != test.line || f == nil && test.line > 0 {
			t.Errorf("%s: %.200v is not of line %d", name, err, test.line)
		}
	}
	var m modules
	if _, err := m.parse(strings.NewReader(good), 100, 0); err == nil || !strings.Contains(err.Error(), "more than 100 bytes") {
		t.Errorf("a bound of 100 bytes: %v", err)
	}
}

// Repositories with the same module, and what the later one says.
func TestModuleDefaultsMerge(t *testing.T) {
	say := func(stream, modified string) string {
		return "---\ndocument: modulemd-defaults\nversion: 1\ndata: {module: m, " + stream + "modified: " + modified + "}\n"
	}
	for _, test := range []struct {
		repositories []string
		want         defaultStream
	}{
		{[]string{say("stream: 1, ", "5")}, defaultStream{"1", 5, false}},
		{[]string{say("stream: 1, ", "5") + say("stream: 2, ", "4")}, defaultStream{"2", 4, false}},
		{[]string{say("stream: 1, ", "5"), say("stream: 2, ", "4")}, defaultStream{"1", 5, false}},
		{[]string{say("stream: 1, ", "5"), say("stream: 2, ", "6")}, defaultStream{"2", 6, false}},
		{[]string{say("stream: 1, ", "5"), say("stream: 2, ", "5"), say("stream: 2, ", "6")}, defaultStream{"", 6, true}},
		{[]string{say("stream: 1, ", "5"), say("", "6")}, defaultStream{"1", 6, false}},
		{[]string{say("", "6"), say("stream: 1, ", "5")}, defaultStream{"1", 6, false}},
	} {
		var m modules
		for i, yaml := range test.repositories {
			if _, err := m.parse(strings.NewReader(yaml), maxModules, i); err != nil {
				t.Fatal(err)
			}
		}
		if got := *m.defaults["m"]; got != test.want {
			t.Errorf("%q: %+v, want %+v", test.repositories, got, test.want)
		}
	}
}

// FuzzModules: whatever is read is bounded, and can be named and solved.
func FuzzModules(f *testing.F) {
	f.Add([]byte(dbModules))
	for _, document := range strings.SplitAfter(manyModules, "...\n") {
		f.Add([]byte(document))
	}
	f.Add([]byte("--- {document: modulemd, version: 2, data: {name: a, stream: 1, dependencies: [{requires: {a: [-1], platform: []}}]}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m modules
		if _, err := m.parse(bytes.NewReader(data), 1<<20, 0); err != nil {
			return
		}
		for _, s := range m.streams {
			if err := s.Check(); err != nil {
				t.Error(err)
			}
		}
		c := Config{Arch: "x86_64", PlatformID: "platform:el8", Repositories: []Repository{{ID: "r"}}}
		if err := m.activate(t.Context(), c, func(string) {}); err != nil {
			t.Errorf("nothing is enabled, and defaults can't be in the way: %v", err)
		}
		active := make(map[string]string)
		for _, s := range m.streams {
			if old, ok := active[s.Name]; s.active && ok && old != s.solvable {
				t.Errorf("%s and %s are both active", old, s.solvable)
			} else if s.active {
				active[s.Name] = s.solvable
			}
		}
		m.tell(c, func(w Warning) {
			if len(w.Problem) > maxWarning {
				t.Errorf("a warning of %d bytes", len(w.Problem))
			}
		})
		if len(m.streams) > 0 && slices.ContainsFunc(m.streams, func(s *stream) bool { return s.arch == "" }) {
			t.Error("a stream of no architecture")
		}
	})
}
