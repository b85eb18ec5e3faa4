package main

import (
	"os"
	"path/filepath"
	"strings"
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
			got, err := changeSource([]byte(twoSources), tt.id, tt.key, tt.value)
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
	crlf := strings.ReplaceAll(twoSources, "\n", "\r\n")
	if got, err := changeSource([]byte(crlf), "school", "enabled", "false"); err != nil || !strings.Contains(string(got), "\"school\"\r\n  enabled = false\r\n") {
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
		{"a text that looks like it", head + "[[source]]\nid = \"a\"\nurl = \"http://a\"\nsignatures = \"none\"\nname = '''\nenabled = true\n'''\n", "a", "enabled", "false", "a line of its own"},
		{"broken", "platform = ", "a", "enabled", "false", "1:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := changeSource([]byte(tt.text), tt.id, tt.key, tt.value)
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
