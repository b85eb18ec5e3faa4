// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
)

const school = `platform = "school-1-x86_64"
[[source]]
id = "school"
url = "http://schoolserver"
signatures = "none"
[[source]]
id = "stick"
url = "file:///run/media/usb"
signatures = "none"
`

func TestMounts(t *testing.T) {
	for _, tt := range []struct {
		table   string
		folders []config.Path
	}{
		{"", []config.Path{"/run/media", "/media", "/mnt"}},
		{"[mounts]\nfolders = []\n", nil},
		{"[mounts]\nfolders = [\"/usb\", \"sticks\"]\n", []config.Path{"/usb", "/etc/PackageKit/sticks"}},
	} {
		c, _, err := parseConfig("/etc/PackageKit/presolve.toml", []byte(school+tt.table))
		if err != nil || !slices.Equal(c.Mounts.Folders, tt.folders) {
			t.Errorf("%q: %+v, %v", tt.table, c, err)
		}
	}
}

func TestRelativePaths(t *testing.T) {
	c, _, err := parseConfig("/srv/laptop/presolve.toml", []byte("root = 'root'\nstate = './state'\ncache = '../cache'\nlog_file = 'log'\nrpmdb = '/var/lib/rpm'\n"+school+"[trust]\nkeyring = 'keys'\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Root != "/srv/laptop/root" || c.State != "/srv/laptop/state" || c.Cache != "/srv/cache" || c.LogFile != "/srv/laptop/log" ||
		c.RPMDB != "/var/lib/rpm" || c.Trust.Keyring != "/srv/laptop/keys" || c.Source[1].URL != "file:///run/media/usb" {
		t.Errorf("%+v", c)
	}
}

func TestConfigRefuses(t *testing.T) {
	const first = "platform = \"school-1-x86_64\"\n"
	for _, tt := range []struct {
		old, new string // what to change in school
		want     string
	}{
		{first, first + "idle_timeout = 5\n", `2: idle_timeout = 5 has no unit: write idle_timeout = "5s"`},
		{first, first + "idle_timeout = \"soon\"\n", `2: idle_timeout = "soon" is not a time like "5s", "10m" or "720h" for thirty days`},
		{first, first + "[transport]\nretry_for = 600\n", `3: retry_for = 600 has no unit: write retry_for = "600s"`},
		{first, first + "cache_limit = 200\n", `2: cache_limit = 200 has no unit: write cache_limit = "200 MiB"`},
		{first, first + "cache_limit = -1\n", `2: cache_limit = -1 is not a size like "200 MiB" or "2 GiB"`},
		{first, first + "installonly_limit = -1\n", `2: installonly_limit = -1 should be 2 or more, since the kernel that runs stays beside a new one, or 0 for no limit`},
		{first, first + "installonly_limit = 1\n", `2: installonly_limit = 1 should be 2 or more, since the kernel that runs stays beside a new one, or 0 for no limit`},
		{first, first + "idle_timout = \"5s\"\n", `2: there is no key "idle_timout": did you mean "idle_timeout"?`},
		{first, first + "[transports]\nparallel = 3\n", `2: there is no table [transports]: did you mean [transport]?`},
		{first, first + "transport = \"fast\"\n", `2: transport = "fast" should be a table [transport]`},
		{first, first + "[mounts]\nfolder = [\"/usb\"]\n", `3: there is no key "folder" in [mounts]: did you mean "folders"?`},
		{first, first + "[mounts]\nfolders = [\n\"/usb\",\n\"/\"]\n", `5: folders has "/", which should be a folder in which sticks appear, such as /media`},
		{first, first + "[mounts]\nfolders = [\"\"]\n", `3: folders has "", which should be a folder in which sticks appear, such as /media`},
		{first, first + "[mounts]\nsignatures = \"none\"\n", `3: mounts.signatures is no more: a stick is believed for what a source's keys have signed; take it out`},
		{first, first + "[trust]\nrpm_signatures = \"optionel\"\n", `3: rpm_signatures = "optionel" should be "optional" or "required": did you mean "optional"?`},
		{first, first + "[trust]\nkeyring = \"\"\n", `3: keyring = "" names no folder: leave it out for the usual one`},
		{first, first + "state = \"\"\n", `2: state = "" names no folder: leave it out for the usual one`},
		{first, first + "rpmdb = \"var/lib/rpm\"\n", `2: rpmdb = "var/lib/rpm" should be the folder as root has it: write rpmdb = "/var/lib/rpm"`},
		{first, first + "log_level = \"loud\"\n", `2: log_level = "loud" should be "trace", "debug", "info", "warn", "error" or "off"`},
		{first, first + "log_level = \"warning\"\n", `2: log_level = "warning" should be "trace", "debug", "info", "warn", "error" or "off"`},
		{first, first + "log_level = \"debgu\"\n", `2: log_level = "debgu" should be "trace", "debug", "info", "warn", "error" or "off": did you mean "debug"?`},
		{first, first + "[transport]\nparallel = 17\n", `3: parallel = 17 should be a number from 1 to 16`},
		{first, first + "[transport]\nparallel = \"3\"\n", `3: parallel = "3" should be a whole number`},
		{first, first + "dialect = \"9.9\"\n", `2: the dialect "9.9" is neither a PackageKit release, such as 1.2.8, nor one of: 1.3, 1.2, 0.9, 0.8, 0.6, 0.3, 0.2, 0.1, 0.0, external`},
		{first, "", ` platform is missing: write it as the sources do, e.g. platform = "fedora-18-i686"`},
		{`"school-1-x86_64"`, `"a b"`, `1: platform = "a b" can't be: the name has no slashes, spaces and semicolons, and no dot at its start`},
		{`"school-1-x86_64"`, `"school-1-amd64"`, `1: platform = "school-1-amd64" should end with what rpm calls the architecture: write platform = "school-1-x86_64"`},
		{`"school-1-x86_64"`, `"school-1-armhfp"`, `1: platform = "school-1-armhfp" should end with what rpm calls the architecture: write platform = "school-1-armv7hl"`},
		{`"school-1-x86_64"`, `18`, `1: platform = 18 should be in quotes: write platform = "18"`},
		{`"school-1-x86_64"`, `"x`, `1:14: basic strings cannot have new lines`},
		{school[len(first):], "", ` there is no source: add a table [[source]] with id, url and signatures`},
		{"[[source]]\nid = \"school\"", "[source]\nid = \"school\"", `6:3: key source already exists as a table, but should be an array table`},
		// The second source's line is told, and the key's where it has it.
		{`id = "stick"`, `id = "school"`, `7: two sources have the id "school": rename one`},
		{`id = "stick"`, `id = "a b"`, `7: id = "a b" can't be: an id has letters, digits and ._- and isn't "installed"`},
		{`id = "stick"`, `name = "stick"`, `6: the source has no id: name it, e.g. id = "school"`},
		{`id = "stick"`, "id = \"stick\"\nsize = 3", `8: there is no key "size" in [[source]]: [[source]] has id, name, url, layout, enabled, signatures, keys`},
		{`id = "stick"`, "id = \"stick\"\nroot = \"/\"", `8: there is no key "root" in [[source]]: write it above the first table`},
		{`id = "stick"`, "id = \"stick\"\nlayout = \"sugar_network\"", `8: layout = "sugar_network" should be "presolve" or "sugar-network": did you mean "sugar-network"?`},
		{`id = "stick"`, "id = \"stick\"\nenabled = \"no\"", `8: enabled = "no" should be true or false`},
		{"url = \"file:///run/media/usb\"\n", "", `6: the source "stick" has no url: name a server or a folder, with http://, https:// or file://`},
		{`url = "file:///run/media/usb"`, `url = 5`, `8: url = 5 should be in quotes: write url = "5"`},
		{`file:///run/media/usb`, `gopher://u:secret@usb`, `8: the url "gopher://xxxxx@usb" should begin with http://, https:// or file://`},
		{`file:///run/media/usb`, `http://u:sec ret@usb`, `8: the url "http://xxxxx@usb" should begin with http://, https:// or file://`},
		{`file:///run/media/usb`, `file://run/media/usb`, `8: the url "file://run/media/usb" names a computer: a folder of this one has three slashes, "file:///run/media/usb"`},
		{`file:///run/media/usb`, `file:usb`, `8: the url "file:usb" names no place`},
		{"usb\"\nsignatures = \"none\"", "usb\"\nsignatures = \"nonne\"", `9: signatures = "nonne" should be "required" or "none": did you mean "none"?`},
		{"usb\"\nsignatures = \"none\"", "usb\"\nkeys = [\"0123456789abcdef\"]", `9: keys: "0123456789abcdef" is no fingerprint of a key, which has 40 hexadecimal digits (64 of version 6): gpg --list-keys shows it`},
		{"usb\"\n", "usb\"\nkeys = [\"0123456789abcdef0123456789abcdef01234567\"]\n", `9: the source "stick" has keys, and what it publishes isn't checked by any: take keys out, or signatures`},
		{"usb\"\nsignatures = \"none\"", "usb\"\nlayout = \"sugar-network\"", `6: nothing that the source "stick" publishes can be signed but RPMs: set rpm_signatures = "required" in [trust], or signatures = "none" here, which believes the server and whoever is between`},
	} {
		text := strings.Replace(school, tt.old, tt.new, 1)
		if text == school {
			t.Fatalf("the example has no %s", tt.old)
		}
		if _, _, err := parseConfig("presolve.toml", []byte(text)); err == nil || err.Error() != "presolve.toml:"+tt.want {
			t.Errorf("%s\nsays %v\nwant presolve.toml:%s", tt.new, err, tt.want)
		}
	}
}

// A root without an RPM database is an error; an empty database is none. doctor says what is there,
// and changes nothing.
func TestDoctor(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "presolve.toml")
	for _, root := range []string{"laptop", "new", "bare/var/lib/rpm"} {
		if err := os.MkdirAll(filepath.Join(dir, root), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, root := range []string{"laptop", "new"} {
		if out, err := exec.Command("rpm", "--root", filepath.Join(dir, root), "--dbpath", "/var/lib/rpm", "--initdb").CombinedOutput(); err != nil {
			t.Fatalf("%v %s: run ./setup", err, out)
		}
	}
	const first = "platform = \"school-1-x86_64\"\n"
	initdb := func(root, path string) string {
		return `"rpm --root ` + dir + "/" + root + " --dbpath " + path + ` --initdb" makes an empty one`
	}
	for _, tt := range []struct{ keys, want string }{
		{"root = \"laptop\"\n", ""},
		{"root = \"new\"\nrpmdb = \"/var/lib/rpm\"\n", ""},
		{"root = \"labtop\"\n", "2: there is no folder " + dir + "/labtop: correct root"},
		{"root = \"presolve.toml\"\n", "2: there is no folder " + file + ": correct root"},
		{"root = \"bare\"\n", "2: there is no RPM database in " + dir + "/bare/var/lib/rpm: correct root, or set rpmdb where rpm has it elsewhere; " + initdb("bare", "/var/lib/rpm")},
		{"root = \"bare\"\nrpmdb = \"/rpm\"\n", "3: there is no RPM database in " + dir + "/bare/rpm: correct rpmdb; " + initdb("bare", "/rpm")},
		{"root = \"laptop\"\nrpmdb = \"/var/lib/rmp\"\n", `3: rpmdb = "/var/lib/rmp" has no RPM database: did you mean "/var/lib/rpm"?`},
		{"root = \"labtop\"\nrpmdb = \"/var/lib/rpm\"\n", "2: there is no folder " + dir + "/labtop: correct root"},
	} {
		text := strings.Replace(school, first, first+tt.keys, 1)
		text = strings.Replace(text, "http://schoolserver", "http://u:secret@127.0.0.1:1", 1)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		before := listed(t, dir)
		var stdout, stderr bytes.Buffer
		status := run([]string{"pk-presolve", "--config", file, "doctor"}, os.Stdin, &stdout, &stderr)
		switch {
		case tt.want != "" && (status != 2 || !strings.Contains(stdout.String(), "wrong    configuration: "+file+":"+tt.want+"\n         next: ") || stderr.Len() > 0):
			t.Errorf("%s\nsays %d %s%s\nwant %s:%s", tt.keys, status, &stdout, &stderr, file, tt.want)
		case tt.want == "" && (stderr.Len() > 0 || !strings.Contains(stdout.String(), "ok       configuration: "+file) || !strings.Contains(stdout.String(), "http://u:xxxxx@127.0.0.1:1") || strings.Contains(stdout.String(), "secret")):
			t.Errorf("%s\nsays %d %s%s", tt.keys, status, &stdout, &stderr)
		}
		if after := listed(t, dir); !slices.Equal(before, after) {
			t.Errorf("%s\nchanged %q to %q", tt.keys, before, after)
		}
	}
}

// listed are the files and folders below a folder.
func listed(t *testing.T, dir string) (all []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// What is read is as the checks promise, whatever the file has.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(school))
	f.Add([]byte(twoSources))
	f.Add([]byte("platform = 'p'\nidle_timeout = 5\nsource = [{id = 'a', url = 'http://a', signatures = 'none'}]\nmounts.folders = ['.']\ntransport = {retry_for = 600}\ncache_limit = -1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, file, err := parseConfig("/etc/PackageKit/presolve.toml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "/etc/PackageKit/presolve.toml:") || strings.Contains(err.Error(), "main.") && !bytes.Contains(data, []byte("main.")) {
				t.Errorf("the error is %v", err)
			}
			return
		}
		if err := c.check(file); err != nil {
			t.Errorf("taken and refused: %v", err)
		}
		for _, p := range append([]config.Path{c.Root, c.State, c.Cache, c.Trust.Keyring}, c.Mounts.Folders...) {
			if !filepath.IsAbs(string(p)) {
				t.Errorf("the path %q is taken", p)
			}
		}
		if c.IdleTimeout <= 0 || c.Transport.RetryFor <= 0 || c.CacheLimit < 0 || c.CacheLimit > 0 && c.CacheLimit < 1024 || len(c.sources()) == 0 {
			t.Errorf("taken: %+v", c)
		}
	})
}
