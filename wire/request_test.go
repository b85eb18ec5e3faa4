// SPDX-License-Identifier: GPL-2.0-or-later

package wire

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	id := PackageID{"a", "1-1", "x86_64", "school"}
	two := []PackageID{id, {"b", "2:2-2", "noarch", "installed:school"}}
	const ids = "a;1-1;x86_64;school&b;2:2-2;noarch;installed:school"
	tests := []struct {
		line string // words separated by tabs
		want Request
	}{
		{"depends-on\tnone\t" + ids + "\tyes", Request{Filters: Filters{}, IDs: two, Recursive: true}},
		{"depends-on\t~installed;arch\ta;1-1;x86_64;school\tfalse", Request{Filters: Filters{Installed: false, Arch: true}, IDs: two[:1]}},
		{"download-packages\t/tmp/x/../y/\t" + ids, Request{Folder: "/tmp/y", IDs: two}},
		{"download-packages\t\t" + ids, Request{IDs: two}},
		{"get-details\t" + ids, Request{IDs: two}},
		{"get-files\ta;;;", Request{IDs: []PackageID{{Name: "a"}}}},
		{"get-packages\tinstalled", Request{Filters: Filters{Installed: true}}},
		{"get-packages\t", Request{Filters: Filters{}}},
		{"get-packages\tunknown", Request{Filters: Filters{}}},
		{"install-packages\tnone\t" + ids, Request{Flags: Flags{"none": true}, IDs: two}},
		{"install-packages\tonly-trusted;simulate;only-download\t" + ids, Request{Flags: Flags{"only-trusted": true, Simulate: true, OnlyDownload: true}, IDs: two}},
		{"get-categories", Request{}},
		{"get-details-local\t/a.rpm&/b/../c.rpm", Request{Files: []string{"/a.rpm", "/c.rpm"}}},
		{"get-distro-upgrades", Request{}},
		{"get-files-local\t/a.rpm&/b|c.rpm", Request{Files: []string{"/a.rpm", "/b|c.rpm"}}},
		{"get-repo-list\tnone", Request{Filters: Filters{}}},
		{"get-update-detail\t" + ids, Request{IDs: two}},
		{"get-updates\t~installed", Request{Filters: Filters{Installed: false}}},
		{"install-files\tsimulate\t/a.rpm|/b&c.rpm", Request{Flags: Flags{Simulate: true}, Files: []string{"/a.rpm", "/b&c.rpm"}}},
		{"install-signature\tgpg\tABCD\t" + ids[:strings.Index(ids, "&")], Request{Name: "gpg", KeyID: "ABCD", Value: "a;1-1;x86_64;school"}},
		{"refresh-cache\tyes", Request{Force: true}},
		{"remove-packages\tnone\t" + ids + "\tyes\tno", Request{Flags: Flags{"none": true}, IDs: two, AllowDeps: true}},
		{"remove-packages\tsimulate\ta;;;\tno\tyes", Request{Flags: Flags{Simulate: true}, IDs: []PackageID{{Name: "a"}}, Autoremove: true}},
		{"repair-system\tsimulate", Request{Flags: Flags{Simulate: true}}},
		{"repo-enable\tschool\tyes", Request{Name: "school", Enabled: true}},
		{"repo-enable\tschool\tfalse", Request{Name: "school"}},
		{"repo-set-data\tschool\tuse-remote\tyes", Request{Name: "school", Parameter: "use-remote", Value: "yes"}},
		{"required-by\tnone\ta;;;\tno", Request{Filters: Filters{}, IDs: []PackageID{{Name: "a"}}}},
		{"search-file\tnone\t/usr/bin/x", Request{Filters: Filters{}, Values: []string{"/usr/bin/x"}}},
		{"search-group\tnone\tgames&education", Request{Filters: Filters{}, Values: []string{"games", "education"}}},
		{"set-locale\tpt_BR.UTF-8", Request{Name: "pt_BR.UTF-8"}},
		{"update-packages\tonly-trusted\t" + ids, Request{Flags: Flags{"only-trusted": true}, IDs: two}},
		{"upgrade-system\tschool-2-x86_64", Request{Name: "school-2-x86_64"}},
		{"what-provides\tnone\ta&b", Request{Filters: Filters{}, Values: []string{"a", "b"}}},
		{"refresh-cache\ttrue", Request{Force: true}},
		{"refresh-cache\tno", Request{}},
		{"resolve\tnewest;~basename\ta&b;1-1;noarch;x", Request{Filters: Filters{Newest: true, Basename: false}, Values: []string{"a", "b;1-1;noarch;x"}}},
		{"search-details\tnone;installed;installed\tÜnï çödé", Request{Filters: Filters{Installed: true}, Values: []string{"Ünï çödé"}}},
		{"search-name\tdevel;~gui;free;visible;~supported;source;collections;application;~downloaded\t&a&&b&", Request{Values: []string{"a", "b"},
			Filters: Filters{"devel": true, "gui": false, "free": true, "visible": true, "supported": false, "source": true, "collections": true, "application": true, "downloaded": false}}},
	}
	seen := make(map[string]bool)
	for _, tt := range tests {
		words := strings.Split(tt.line, "\t")
		seen[words[0]] = true
		tt.want.Command = words[0]
		for _, d := range []Dialect{V1_3, V1_2, V0_9} {
			got, err := d.Parse(words)
			if err != nil || !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("%s: Parse(%q) = %+v, %v\nwant %+v", d, words, got, err, tt.want)
			}
		}
		// One argument more or less is never right.
		if words[0] == "what-provides" || words[0] == "get-details" {
			continue // they take one more or one less
		}
		for _, wrong := range [][]string{append(words[:len(words):len(words)], "x"), words[:len(words)-1]} {
			if len(wrong) > 0 {
				refused(t, wrong, InternalError, words[0]+" takes ")
			}
		}
	}
	for command := range v1_3.commands {
		if !seen[command] {
			t.Errorf("%s is not tested", command)
		}
	}
}

func refused(t *testing.T, words []string, code Code, says string) {
	t.Helper()
	r, err := Parse(words)
	var known *Error
	if r != nil || !errors.As(err, &known) || known.Code != code || !strings.Contains(known.Text, says) {
		t.Errorf("Parse(%.80q) = %v, %v, want %s and %q", words, r, err, code, says)
	}
	if known != nil && len(known.Text) > 1000 {
		t.Errorf("Parse(%.80q): the error has %d bytes", words, len(known.Text))
	}
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	tests := []struct {
		line string
		code Code
		says string
	}{
		{"", InternalError, "an empty line"},
		{"|x", InternalError, "an empty line"},
		{"frobnicate|x", NotSupported, `"frobnicate" is not known`},
		{"Resolve|none|a", NotSupported, "not known"},
		{" resolve|none|a", NotSupported, "not known"},
		{long, NotSupported, "not known"},
		{"\xff\xfe", InternalError, "is not UTF-8"},
		{"resolve|none|a\xff", InternalError, "is not UTF-8"},
		{"resolve|none|a\x00b", InternalError, "a NUL byte"},
		{"resolve|none|a\tb", InternalError, "a tab"},
		{"resolve|none|a\nb", InternalError, "a newline"},
		{"resolve|none|", InternalError, "without a value"},
		{"search-name|none|&&", InternalError, "without a value"},
		{"resolve|shiny|a", FilterInvalid, `"shiny"`},
		{"resolve|~|a", FilterInvalid, `"~"`},
		{"resolve|~none|a", FilterInvalid, `"~none"`},
		{"resolve|~unknown|a", FilterInvalid, `"~unknown"`},
		{"resolve|~~installed|a", FilterInvalid, `"~~installed"`},
		{"resolve|Installed|a", FilterInvalid, `"Installed"`},
		{"resolve|installed;~installed|a", FilterInvalid, "both wanted and negated"},
		{"resolve|~arch;newest;arch|a", FilterInvalid, "both wanted and negated"},
		{"resolve|" + long + "|a", FilterInvalid, "not known"},
		{"get-details|", PackageIDInvalid, "semicolon"},
		{"get-details|a", PackageIDInvalid, `"a"`},
		{"get-details|a;1;x", PackageIDInvalid, `"a;1;x"`},
		{"get-details|a;1;x;d;e", PackageIDInvalid, `"a;1;x;d;e"`},
		{"get-details|;1;x;d", PackageIDInvalid, `";1;x;d"`},
		{"get-details|a;1;x;d&", PackageIDInvalid, `""`},
		{"get-details|" + long, PackageIDInvalid, "not a package id"},
		{"install-packages|force|a;1;x;d", NotSupported, `"force"`},
		{"install-packages|~simulate|a;1;x;d", NotSupported, `"~simulate"`},
		{"download-packages|tmp|a;1;x;d", InternalError, "not an absolute path"},
		{"download-packages|" + long + "|a;1;x;d", InternalError, "not an absolute path"},
		{"refresh-cache|", InternalError, "yes or no"},
		{"refresh-cache|YES", InternalError, "yes or no"},
		{"refresh-cache|1", InternalError, "yes or no"},
		{"depends-on|none|a;1;x;d|maybe", InternalError, "yes or no"},
	}
	for _, tt := range tests {
		refused(t, strings.Split(tt.line, "|"), tt.code, tt.says)
	}
	for line, separator := range map[string]string{
		"get-files\ta;;;": "&", "required-by\tnone\ta;;;\tno": "&", "resolve\tnone\ta": "&", "get-files-local\t/a": "&", "install-files\tnone\t/a": "|",
	} {
		words := strings.Split(line, "\t")
		i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "a") || strings.HasPrefix(w, "/") })
		one := words[i]
		words[i] = strings.Repeat(one+separator, MaxValues-1) + one
		if _, err := Parse(words); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		words[i] += separator + one
		refused(t, words, NotSupported, words[0]+" came with 10001 ")
	}
	refused(t, nil, InternalError, "an empty line")
}

func TestFiltersPass(t *testing.T) {
	f := Filters{Installed: true, Arch: false}
	for _, tt := range []struct {
		filter   Filter
		is, want bool
	}{{Installed, true, true}, {Installed, false, false}, {Arch, true, false}, {Arch, false, true}, {Newest, true, true}, {Newest, false, true}} {
		if got := f.Pass(tt.filter, tt.is); got != tt.want {
			t.Errorf("Pass(%s, %v) = %v", tt.filter, tt.is, got)
		}
	}
}

func TestPackageID(t *testing.T) {
	for s, installed := range map[string]bool{"a;1-1;x;installed": true, "a;1-1;x;installed:school": true, "a;1-1;x;school": false, "a;;;": false, "a;1-1;x;installedish": false} {
		id, err := ParsePackageID(s)
		if err != nil || id.String() != s || id.Installed() != installed {
			t.Errorf("%q is read as %+v, %v; installed: %v", s, id, err, id.Installed())
		}
	}
}

func TestParseDialect(t *testing.T) {
	for s, want := range map[string]Dialect{
		"1.3": V1_3, "1.2": V1_2, "0.9": V0_9, "0.8": V0_8, "0.6": V0_6, "0.3": V0_3, "0.2": V0_2, "0.1": V0_1, "0.0": V0_0, "external": External,
		"1.3.6": V1_3, "1.3.3": V1_3, "1.3.2": V1_2, "v1.2.8": V1_2, "1.1": V1_2, "1.0": V1_2, "1.0.7": V1_2, "1.0.6": V0_9, "0.9.1": V0_9, "0.8.17": V0_8, "0.7": V0_6,
		"0.6.22": V0_6, "0.5": V0_6, "0.5.1": V0_3, "0.4": V0_3, "0.3.2": V0_3, "0.3.1": V0_2, "0.2.5": V0_2, "0.1.10": V0_2, "0.1.9": V0_1, "0.1.0": V0_1, "0.0.9": V0_0,
	} {
		if d, err := ParseDialect(s); d != want || err != nil {
			t.Errorf("ParseDialect(%q) = %q, %v, want %s", s, d, err, want)
		}
	}
	for _, s := range []string{"", "1", "1.4", "1.20", "9", "2.0", "1.2.", "1.2.3.4", "1.-2", "1.2.8-1", "colons", "99999999999999999999.1"} {
		if d, err := ParseDialect(s); err == nil || d != "" || !strings.Contains(err.Error(), "1.3, 1.2, ") {
			t.Errorf("ParseDialect(%q) = %q, %v, want one that says what there is", s, d, err)
		}
	}
}

func TestParseProgram(t *testing.T) {
	for path, want := range map[string]struct {
		command string
		dialect Dialect
	}{
		"search-name.sh": {"search-name", V0_1},
		"/usr/share/PackageKit/helpers/presolve/resolve.py": {"resolve", V0_1},
		"get-depends":               {"get-depends", V0_1},
		"update-system.pl":          {"update-system", V0_1},
		"install-packages.py":       {"install-packages", V0_2},
		"presolve-search-name":      {"search-name", External},
		"presolve-get-deps.sh":      {"get-deps", External},
		"presolve-update-system.py": {"update-system", External},
		"presolve-get-depends":      {"get-depends", V0_1},
		"presolve-get-details":      {"get-details", V0_2},
		"/usr/libexec/pk-presolve":  {},
		"presolve":                  {},
		"presolve-":                 {},
		"get-deps":                  {},
		"simulate-install-packages": {},
		"repair-system":             {},
		"":                          {},
		"/":                         {},
	} {
		if command, d := ParseProgram(path); command != want.command || d != want.dialect {
			t.Errorf("ParseProgram(%q) = %q, %q, want %q, %q", path, command, d, want.command, want.dialect)
		}
	}
}

// Every form of every command of the dialects whose commands differ from the newest one's.
func TestParseOlder(t *testing.T) {
	a, b := PackageID{"a", "1-1", "x86_64", "school"}, PackageID{"b", "2:2-2", "noarch", "installed"}
	const (
		one = "a;1-1;x86_64;school"
		two = one + "&b;2:2-2;noarch;installed"
		bar = one + "|b;2:2-2;noarch;installed"
	)
	ids, first := []PackageID{a, b}, []PackageID{a}
	none, installed := Filters{}, Filters{Installed: true}
	files := []string{"/a.rpm", "/b&.rpm"}
	trusted, simulate := Flags{OnlyTrusted: true}, Flags{Simulate: true}
	tests := []struct {
		dialects, line string // words separated by tabs
		want           Request
	}{
		{"0.8 0.6 0.3", "search-name\tnone\ta&b", Request{Command: "search-name", Filters: none, Values: []string{"a", "b"}}},
		{"0.8 0.6 0.3", "search-details\tnone\ta b", Request{Command: "search-details", Filters: none, Values: []string{"a b"}}},
		{"0.8 0.6 0.3", "search-group\tnone\tgames", Request{Command: "search-group", Filters: none, Values: []string{"games"}}},
		{"0.8 0.6 0.3", "search-file\tnone\t/a", Request{Command: "search-file", Filters: none, Values: []string{"/a"}}},
		{"0.2 0.1 0.0", "search-name\tnone\ta&b", Request{Command: "search-name", Filters: none, Values: []string{"a&b"}}},
		{"0.2 0.1 0.0", "search-name\tinstalled\ta\tb\tc", Request{Command: "search-name", Filters: installed, Values: []string{"a b c"}}},
		{"0.2 0.1 0.0", "search-details\tnone\ta\tb", Request{Command: "search-details", Filters: none, Values: []string{"a b"}}},
		{"0.2 0.1 0.0", "search-group\tnone\tgames", Request{Command: "search-group", Filters: none, Values: []string{"games"}}},
		{"0.2 0.1 0.0", "search-file\tnone\t/a", Request{Command: "search-file", Filters: none, Values: []string{"/a"}}},
		{"0.1 0.0", "search-name\tavailable\ta", Request{Command: "search-name", Filters: Filters{Installed: false}, Values: []string{"a"}}},
		{"0.1 0.0", "search-file\tall\t/a", Request{Command: "search-file", Filters: none, Values: []string{"/a"}}},
		{"external", "search-name\tall\ta\tb", Request{Command: "search-name", Filters: none, Values: []string{"a b"}}},
		{"external", "search-name\tinstalled\ta", Request{Command: "search-name", Filters: installed, Values: []string{"a"}}},
		{"external", "search-name\tavailable\ta", Request{Command: "search-name", Filters: Filters{Installed: false}, Values: []string{"a"}}},
		{"0.8 0.6 0.3 0.2 0.1 0.0", "resolve\tnone\ta", Request{Command: "resolve", Filters: none, Values: []string{"a"}}},
		{"0.8 0.6 0.3 0.2", "resolve\tnone\ta&b", Request{Command: "resolve", Filters: none, Values: []string{"a", "b"}}},
		{"0.3 0.2", "resolve\tnone\ta|b", Request{Command: "resolve", Filters: none, Values: []string{"a", "b"}}},
		{"0.1 0.0", "resolve\ta", Request{Command: "resolve", Values: []string{"a"}}},
		{"0.8 0.6 0.3 0.2", "get-packages\tinstalled", Request{Command: "get-packages", Filters: installed}},
		{"0.8 0.6 0.3 0.2", "what-provides\tnone\tcodec\ta&b", Request{Command: "what-provides", Filters: none, Values: []string{"a", "b"}}},
		{"0.8 0.6 0.3 0.2", "get-depends\tnone\t" + two + "\tyes", Request{Command: "depends-on", Filters: none, IDs: ids, Recursive: true}},
		{"0.8 0.6 0.3 0.2", "get-requires\tnone\t" + two + "\tno", Request{Command: "required-by", Filters: none, IDs: ids}},
		{"0.3 0.2", "get-depends\tnone\t" + bar + "\tno", Request{Command: "depends-on", Filters: none, IDs: ids}},
		{"0.3 0.2", "get-requires\tnone\t" + bar + "\tyes", Request{Command: "required-by", Filters: none, IDs: ids, Recursive: true}},
		{"0.1 0.0", "get-depends\t" + one, Request{Command: "depends-on", IDs: first}},
		{"0.1 0.0", "get-depends\t" + one + "\tyes", Request{Command: "depends-on", IDs: first, Recursive: true}},
		{"0.1 0.0", "get-requires\t" + one, Request{Command: "required-by", IDs: first}},
		{"0.1 0.0", "get-requires\t" + one + "\tyes", Request{Command: "required-by", IDs: first, Recursive: true}},
		{"external", "get-deps\ta", Request{Command: "depends-on", IDs: []PackageID{{Name: "a"}}}},
		{"0.8 0.6 0.3 0.2", "get-details\t" + two, Request{Command: "get-details", IDs: ids}},
		{"0.3 0.2", "get-details\t" + bar, Request{Command: "get-details", IDs: ids}},
		{"0.2 0.1 0.0", "get-description\t" + one, Request{Command: "get-details", IDs: first}},
		{"external", "get-description\ta", Request{Command: "get-details", IDs: []PackageID{{Name: "a"}}}},
		{"external", "get-description\t" + one, Request{Command: "get-details", IDs: first}},
		{"0.8 0.6 0.3 0.2", "get-files\t" + two, Request{Command: "get-files", IDs: ids}},
		{"0.3 0.2 0.1", "get-files\t" + bar, Request{Command: "get-files", IDs: ids}},
		{"0.8 0.6 0.3 0.2", "get-update-detail\t" + two, Request{Command: "get-update-detail", IDs: ids}},
		{"0.3 0.2 0.1 0.0", "get-update-detail\t" + bar, Request{Command: "get-update-detail", IDs: ids}},
		{"0.8 0.6 0.3 0.2 0.1 0.0", "get-updates\tnone", Request{Command: "get-updates", Filters: none}},
		{"0.1 0.0", "get-updates", Request{Command: "get-updates"}},
		{"0.8 0.6 0.3", "get-distro-upgrades", Request{Command: "get-distro-upgrades"}},
		{"0.8 0.6 0.3", "get-categories", Request{Command: "get-categories"}},
		{"0.8 0.6 0.3 0.2 0.1", "get-repo-list\tnone", Request{Command: "get-repo-list", Filters: none}},
		{"0.1", "get-repo-list", Request{Command: "get-repo-list"}},
		{"0.8 0.6 0.3 0.2 0.1", "repo-enable\tschool\ttrue", Request{Command: "repo-enable", Name: "school", Enabled: true}},
		{"0.8 0.6 0.3 0.2 0.1", "repo-set-data\tschool\turl\tx", Request{Command: "repo-set-data", Name: "school", Parameter: "url", Value: "x"}},
		{"0.8", "install-packages\tsimluate;only-trusted\t" + two, Request{Command: "install-packages", Flags: Flags{Simulate: true, OnlyTrusted: true}, IDs: ids}},
		{"0.6 0.3 0.2", "install-packages\tyes\t" + two, Request{Command: "install-packages", Flags: trusted, IDs: ids}},
		{"0.3 0.2", "install-packages\t" + bar, Request{Command: "install-packages", IDs: ids}},
		{"0.2 0.1 0.0", "install\t" + one, Request{Command: "install-packages", IDs: first}},
		{"external", "install\ta", Request{Command: "install-packages", IDs: []PackageID{{Name: "a"}}}},
		{"0.8", "update-packages\tnone\t" + two, Request{Command: "update-packages", Flags: Flags{"none": true}, IDs: ids}},
		{"0.6 0.3 0.2", "update-packages\tno\t" + two, Request{Command: "update-packages", IDs: ids}},
		{"0.3 0.2", "update-packages\t" + bar, Request{Command: "update-packages", IDs: ids}},
		{"0.2 0.1 0.0", "update\t" + one, Request{Command: "update-packages", IDs: first}},
		{"0.8", "update-system\tonly-trusted", Request{Command: "update-packages", Flags: trusted}},
		{"0.6 0.3 0.2", "update-system\tyes", Request{Command: "update-packages", Flags: trusted}},
		{"0.8 0.6 0.3 0.2 0.1 0.0 external", "update-system", Request{Command: "update-packages"}},
		{"0.8", "install-files\tsimulate\t/a.rpm|/b&.rpm", Request{Command: "install-files", Flags: simulate, Files: files}},
		{"0.6 0.3 0.2", "install-files\tno\t/a.rpm|/b&.rpm", Request{Command: "install-files", Files: files}},
		{"0.2 0.1 0.0", "install-file\t/a|b.rpm", Request{Command: "install-files", Files: []string{"/a|b.rpm"}}},
		{"0.2 0.1 0.0", "install-file\t/a\tb.rpm", Request{Command: "install-files", Files: []string{"/a b.rpm"}}},
		{"0.2 0.1", "repo-set-data\tschool\tname\tThe\tschool", Request{Command: "repo-set-data", Name: "school", Parameter: "name", Value: "The school"}},
		{"0.8", "remove-packages\tnone\t" + two + "\tyes\tno", Request{Command: "remove-packages", Flags: Flags{"none": true}, IDs: ids, AllowDeps: true}},
		{"0.6 0.3 0.2", "remove-packages\tno\tyes\t" + two, Request{Command: "remove-packages", IDs: ids, Autoremove: true}},
		{"0.6 0.3 0.2", "remove-packages\tyes\t" + two, Request{Command: "remove-packages", IDs: ids, AllowDeps: true}},
		{"0.2 0.1 0.0", "remove\tyes\t" + one, Request{Command: "remove-packages", IDs: first, AllowDeps: true}},
		{"external", "remove\tno\ta", Request{Command: "remove-packages", IDs: []PackageID{{Name: "a"}}}},
		{"0.6", "simulate-install-packages\t" + two, Request{Command: "install-packages", Flags: simulate, IDs: ids}},
		{"0.6", "simulate-install-files\t/a.rpm|/b&.rpm", Request{Command: "install-files", Flags: simulate, Files: files}},
		{"0.6", "simulate-update-packages\t" + two, Request{Command: "update-packages", Flags: simulate, IDs: ids}},
		{"0.6", "simulate-remove-packages\t" + two, Request{Command: "remove-packages", Flags: simulate, IDs: ids, AllowDeps: true}},
		{"0.8 0.6", "download-packages\t/tmp\t" + two, Request{Command: "download-packages", Folder: "/tmp", IDs: ids}},
		{"0.3 0.2", "download-packages\t/tmp\t" + bar, Request{Command: "download-packages", Folder: "/tmp", IDs: ids}},
		{"0.8 0.6 0.3 0.2", "refresh-cache\tyes", Request{Command: "refresh-cache", Force: true}},
		{"0.3 0.2 0.1 0.0 external", "refresh-cache", Request{Command: "refresh-cache"}},
		{"0.8 0.6 0.3 0.2", "install-signature\tgpg\tAB\t" + one, Request{Command: "install-signature", Name: "gpg", KeyID: "AB", Value: one}},
		{"0.8", "repair-system\tnone", Request{Command: "repair-system", Flags: Flags{"none": true}}},
		{"0.8 0.6 0.3", "upgrade-system\tschool-2", Request{Command: "upgrade-system", Name: "school-2"}},
		{"0.8 0.6 0.3", "set-locale\tpt_BR", Request{Command: "set-locale", Name: "pt_BR"}},
	}
	seen := make(map[string]bool)
	for _, tt := range tests {
		words := strings.Split(tt.line, "\t")
		for name := range strings.FieldsSeq(tt.dialects) {
			d := Dialect(name)
			form, _ := match(d.command(words[0]), len(words)-1)
			seen[fmt.Sprint(d, words[0], len(form.args))] = true
			if got, err := d.Parse(words); err != nil || !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("%s: Parse(%q) = %+v, %v\nwant %+v", d, words, got, err, tt.want)
			}
			for _, wrong := range [][]string{append(words[:len(words):len(words)], "x"), words[:len(words)-1]} {
				if len(wrong) == 0 {
					continue
				}
				if _, ok := match(d.command(words[0]), len(wrong)-1); ok {
					continue // the number of another form
				}
				r, err := d.Parse(wrong)
				var known *Error
				if r != nil || !errors.As(err, &known) || known.Code != InternalError || !strings.HasPrefix(known.Text, words[0]+" takes ") {
					t.Errorf("%s: Parse(%q) = %v, %v", d, wrong, r, err)
				}
			}
		}
	}
	for _, g := range generations {
		for _, command := range g.dialect.Commands() {
			for _, form := range g.dialect.command(command) {
				if !seen[fmt.Sprint(g.dialect, command, len(form.args))] && !slices.Contains([]Dialect{V1_3, V1_2, V0_9}, g.dialect) {
					t.Errorf("%s: %s with %d arguments is not tested", g.dialect, command, len(form.args))
				}
			}
		}
	}
}

// What a generation does not have is not known in it.
func TestParseOlderRefuses(t *testing.T) {
	tests := []struct {
		dialect Dialect
		line    string
		code    Code
		says    string
	}{
		{V1_2, "get-depends\tnone\ta;;;\tno", NotSupported, "not known"},
		{V0_8, "depends-on\tnone\ta;;;\tno", NotSupported, "not known"},
		{V0_8, "get-details-local\t/a", NotSupported, "not known"},
		{V0_8, "simulate-install-packages\ta;;;", NotSupported, "not known"},
		{V0_6, "repair-system\tnone", NotSupported, "not known"},
		{V0_6, "install-packages\tnone\ta;;;", InternalError, "yes or no"},
		{V0_6, "update-system\tnone", InternalError, "yes or no"},
		{V0_6, "get-details\ta;;;|b;;;", PackageIDInvalid, "not a package id"},
		{V0_3, "simulate-remove-packages\ta;;;", NotSupported, "not known"},
		{V0_3, "install-packages\ta;;;|b", PackageIDInvalid, `"b"`},
		{V0_2, "get-categories", NotSupported, "not known"},
		{V0_1, "install-packages\ta;;;", NotSupported, "not known"},
		{V0_1, "install-file\ta\tb", FileNotFound, `"a b"`},
		{V0_1, "search-name\tnone", InternalError, "takes 2 or more arguments"},
		{V0_1, "get-depends\ta;;;\tno\tno", InternalError, "takes 1 or 2 arguments"},
		{V0_1, "get-deps\ta", NotSupported, "not known"},
		{External, "get-depends\ta;;;", NotSupported, "not known"},
		{External, "search-name\tnone\ta", FilterInvalid, "installed, available or all"},
		{External, "install\t", PackageIDInvalid, "without a package"},
		{External, "install\ta;b", PackageIDInvalid, "not a package id"},
		{External, "remove\ta\ta", InternalError, "yes or no"},
	}
	for _, tt := range tests {
		r, err := tt.dialect.Parse(strings.Split(tt.line, "\t"))
		var known *Error
		if r != nil || !errors.As(err, &known) || known.Code != tt.code || !strings.Contains(known.Text, tt.says) {
			t.Errorf("%s: Parse(%q) = %v, %v, want %s and %q", tt.dialect, tt.line, r, err, tt.code, tt.says)
		}
	}
}

func FuzzParse(f *testing.F) {
	for i, g := range generations {
		for _, command := range g.dialect.Commands() {
			for _, form := range g.dialect.command(command) {
				f.Add(uint8(i), command+strings.Repeat("\tnone", len(form.args)))
			}
		}
	}
	f.Add(uint8(1), "install-packages\tsimulate\ta;1-1;x;d&b;;;")
	f.Add(uint8(5), "remove-packages\tyes\tno\ta;1-1;x;d|b;;;")
	f.Add(uint8(7), "install-file\t/a\tb")
	f.Add(uint8(8), "search-name\tall\ta\tb")
	f.Add(uint8(0), "\x00\t\xff")
	f.Fuzz(func(t *testing.T, i uint8, line string) {
		d := generations[int(i)%len(generations)].dialect
		r, err := d.Parse(strings.Split(line, "\t"))
		if err != nil {
			var known *Error
			if !errors.As(err, &known) || known.Code == "" || known.Text == "" || len(known.Text) > 1000 || r != nil {
				t.Errorf("%s: Parse: %v, %#v", d, err, r)
			}
			return
		}
		if _, ok := v1_3.commands[r.Command]; !ok {
			t.Errorf("%s: %q becomes %s, which no op answers", d, line, r.Command)
		}
		for _, id := range r.IDs {
			if again, err := ParsePackageID(id.String()); err != nil || again != id {
				t.Errorf("%v is read again as %v, %v", id, again, err)
			}
		}
		for _, path := range append(r.Files, r.Folder) {
			if path != "" && path[0] != '/' {
				t.Errorf("%s: %q has the path %q", d, line, path)
			}
		}
		_ = r.String()
	})
}

// The oldest pages' ways of giving arguments: on stdin, and within one word.
func TestArgumentsElsewhere(t *testing.T) {
	for line, want := range map[string]bool{
		"search-name": true, "install": true, "remove": true, "get-deps": true, "search-name\tall": false, "refresh-cache": false, "update-system": false, "frobnicate": false, "": false,
	} {
		words := strings.Split(line, "\t")
		if got := External.ArgumentsOnStdin(words); got != want {
			t.Errorf("%q: %v", line, got)
		}
		if V0_0.ArgumentsOnStdin(words) || V1_3.ArgumentsOnStdin(words) {
			t.Errorf("%q: another dialect reads stdin", line)
		}
	}
	r, err := V0_0.Parse([]string{"search-name", "none\thello"})
	if err != nil || !slices.Equal(r.Values, []string{"hello"}) {
		t.Errorf("a word with a tab is %+v, %v", r, err)
	}
}
