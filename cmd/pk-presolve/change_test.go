// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

const twoSources = `# The school's laptops.
platform = "school-1-x86_64" # as flashed

[[source]]   # in the library
  id   = "school"
  name = "School server" # "the" server
  url  = 'http://schoolserver/presolve'
  signatures = "none"

[transport]
parallel = 2

[[ source ]]
id = 'usb' # a stick
enabled = false # until it is there
url = "file:///run/media/usb"
signatures = "none"
# the end`

func TestChangeSource(t *testing.T) {
	tests := []struct{ name, id, key, value, old, new string }{
		{"a key that is there", "usb", "enabled", "true", "enabled = false # until", "enabled = true # until"},
		{"one that isn't", "school", "enabled", "false", "  id   = \"school\"\n", "  id   = \"school\"\n  enabled = false\n"},
		{"what it is already", "school", "enabled", "true", "", ""},
		{"a url", "school", "url", "https://other/", "'http://schoolserver/presolve'", `"https://other/"`},
		{"a name with quotes", "school", "name", `"A" \ b`, `"School server" #`, `"\"A\" \\ b" #`},
		{"a name with a dollar sign", "school", "name", `$1`, `"School server" #`, `"$1" #`},
		{"a name for one that has none", "usb", "name", "Žofie’s stick", "id = 'usb' # a stick\n", "id = 'usb' # a stick\nname = \"Žofie’s stick\"\n"},
		{"a name with a control character", "school", "name", "a\x01b", `"School server" #`, `"a\u0001b" #`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := changeSource("presolve.toml", []byte(twoSources), tt.id, tt.key, tt.value)
			if err != nil {
				t.Fatal(err)
			}
			want := twoSources
			if tt.old != "" {
				want = strings.Replace(twoSources, tt.old, tt.new, 1)
			}
			if string(got) != want {
				t.Errorf("it is now\n%s\nand should be\n%s", got, want)
			}
		})
	}
	// A text that looks like the key is none.
	const text = "platform = \"p\"\n[[source]]\nid = \"a\"\nurl = \"http://a\"\nsignatures = \"none\"\nname = '''\nenabled = true\n'''\n"
	if got, err := changeSource("presolve.toml", []byte(text), "a", "enabled", "false"); err != nil || string(got) != strings.Replace(text, "id = \"a\"\n", "id = \"a\"\nenabled = false\n", 1) {
		t.Errorf("a text that looks like the key: %q, %v", got, err)
	}
	crlf := strings.ReplaceAll(twoSources, "\n", "\r\n")
	if got, err := changeSource("presolve.toml", []byte(crlf), "school", "enabled", "false"); err != nil || !strings.Contains(string(got), "\"school\"\r\n  enabled = false\r\n") {
		t.Errorf("lines that end with CR LF: %q, %v", got, err)
	}
}

func TestChangeSourceRefused(t *testing.T) {
	const head = "platform = \"p\"\n"
	tests := []struct{ name, text, id, key, value, says string }{
		{"no such source", twoSources, "home", "enabled", "true", "no source"},
		{"no boolean", twoSources, "usb", "enabled", "perhaps", "true or false"},
		{"no URL", twoSources, "usb", "url", "nowhere", "http://"},
		{"signatures", twoSources, "usb", "signatures", "none", "can't be changed from here"},
		{"the order", twoSources, "usb", "priority", "1", "order of the sources"},
		{"inline", head + `source = [{id = "a", url = "http://a", signatures = "none"}]`, "a", "enabled", "false", "a line of its own"},
		{"broken", "platform = ", "a", "enabled", "false", "presolve.toml:1:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := changeSource("presolve.toml", []byte(tt.text), tt.id, tt.key, tt.value)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q, %v; want %q", got, err, tt.says)
			}
		})
	}
}

// The file that a link leads to is changed, and stays as readable as it was.
func TestSetSource(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "real.toml"), filepath.Join(dir, "presolve.toml")
	if err := os.WriteFile(file, []byte(twoSources), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.toml", link); err != nil {
		t.Fatal(err)
	}
	c := sourcesIn(link)
	if all, err := c.Read(); err != nil || len(all) != 2 || all[0].Disabled || !all[1].Disabled {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := c.Set("usb", "enabled", "true"); err != nil {
		t.Fatal(err)
	}
	if all, err := c.Read(); err != nil || len(all) != 2 || all[1].Disabled {
		t.Errorf("%+v, %v", all, err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	// What can't be read is an error and no reason to forget what was.
	if err := os.WriteFile(file, []byte("platform"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := c.Read(); err == nil {
		t.Errorf("a broken file is read as %+v", all)
	}
}

// A link is followed only where nobody else can say where it leads, and what is changed keeps its
// mode and owner.
func TestSetSourceLinks(t *testing.T) {
	dir := t.TempDir()
	shared := filepath.Join(dir, "shared")
	for _, folder := range []string{shared, filepath.Join(dir, "own")} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "real.toml"), []byte(twoSources), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(shared, 0o777); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "presolve.toml")
	for _, tt := range []struct{ folder, want string }{{"shared", "others can write to " + shared + ": edit the file itself"}, {"own", ""}} {
		folder, want := tt.folder, tt.want
		if err := os.RemoveAll(link); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(folder, "real.toml"), link); err != nil {
			t.Fatal(err)
		}
		err := sourcesIn(link).Set("usb", "enabled", "true")
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("%s: %v, want %s", folder, err, want)
		}
		text, err := os.ReadFile(link)
		if changed := string(text) != twoSources; err != nil || changed != (want == "") {
			t.Errorf("%s: changed is %t, %v", folder, changed, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "own", "real.toml")); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, %v", info, err)
	}
	if os.Geteuid() != 0 {
		return
	}
	// root changes the file of somebody else: it stays theirs.
	own := filepath.Join(dir, "own", "real.toml")
	if err := os.Chown(own, 1234, 4321); err != nil {
		t.Fatal(err)
	}
	if err := sourcesIn(link).Set("usb", "enabled", "false"); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("a link to somebody else's file: %v", err)
	}
	if err := sourcesIn(own).Set("usb", "enabled", "false"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(own)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 1234 || owner.Gid != 4321 || info.Mode().Perm() != 0o640 {
		t.Errorf("it belongs to %d:%d and has the mode %v", owner.Uid, owner.Gid, info.Mode())
	}
}

// Whatever the file is, a change that is made changes that key of that source and nothing else.
func FuzzChangeSource(f *testing.F) {
	f.Add([]byte(twoSources), 1, "enabled", "true")
	f.Add([]byte(twoSources), 0, "name", "a\"\\\n\x00b")
	f.Add([]byte(strings.ReplaceAll(twoSources, "\n", "\r\n")), 0, "enabled", "false")
	f.Add([]byte("platform = 'p'\nsource = [{id = 'a', url = 'http://a', signatures = 'none', enabled = true}]"), 0, "enabled", "false")
	f.Add([]byte("platform = 'p'\nsource = [{\nid = 'a'\n, url = 'http://a', signatures = 'none'}]"), 0, "enabled", "false")
	f.Add([]byte("platform = 'p'\n[[source]]\nurl = 'http://a'\nsignatures = 'none'\nid = '''a''' # x"), 0, "url", "http://b/\"")
	f.Fuzz(func(t *testing.T, data []byte, i int, key, value string) {
		before, _, err := parseConfig("presolve.toml", data)
		if err != nil || i < 0 || i >= len(before.Source) {
			return
		}
		text, err := changeSource("presolve.toml", data, before.Source[i].ID, key, value)
		if err != nil {
			return
		}
		after, file, err := parseConfig("presolve.toml", text)
		if err != nil {
			t.Fatalf("%q can't be read any more: %v", text, err)
		}
		// The text but for that value, or for that line, is the old one.
		if !bytes.Equal(text, data) {
			at, ok := file.Value(fmt.Sprintf("source.%d.%s", i, key))
			start, _ := file.Key(fmt.Sprintf("source.%d.%s", i, key))
			lineStart := bytes.LastIndexByte(text[:start], '\n')
			if !ok || !bytes.HasPrefix(data, text[:max(lineStart, 0)]) || !bytes.HasSuffix(data, text[at.End:]) {
				t.Errorf("%q has become %q", data, text)
			}
		}
		from, to := before.Source[i], after.Source[i]
		switch key {
		case "enabled":
			to.Enabled = from.Enabled
		case "name":
			if to.Name != value {
				t.Errorf("the name is %q", to.Name)
			}
			to.Name = from.Name
		case "url":
			to.URL = from.URL
		}
		after.Source[i] = to
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%+v has become %+v", before, after)
		}
	})
}
