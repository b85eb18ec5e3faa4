package wire

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	id := PackageID{"a", "1-1", "x86_64", "school"}
	two := []PackageID{id, {"b", "2:2-2", "noarch", "installed:school"}}
	const ids = "a;1-1;x86_64;school&b;2:2-2;noarch;installed:school"
	tests := []struct {
		line string // words separated by "|"
		want Request
	}{
		{"depends-on|none|" + ids + "|yes", Request{Filters: Filters{}, IDs: two, Recursive: true}},
		{"depends-on|~installed;arch|a;1-1;x86_64;school|false", Request{Filters: Filters{Installed: false, Arch: true}, IDs: two[:1]}},
		{"download-packages|/tmp/x/../y/|" + ids, Request{Folder: "/tmp/y", IDs: two}},
		{"get-details|" + ids, Request{IDs: two}},
		{"get-files|a;;;", Request{IDs: []PackageID{{Name: "a"}}}},
		{"get-packages|installed", Request{Filters: Filters{Installed: true}}},
		{"get-packages|", Request{Filters: Filters{}}},
		{"install-packages|none|" + ids, Request{Flags: Flags{"none": true}, IDs: two}},
		{"install-packages|only-trusted;simulate;only-download|" + ids, Request{Flags: Flags{"only-trusted": true, Simulate: true, OnlyDownload: true}, IDs: two}},
		{"refresh-cache|yes", Request{Force: true}},
		{"refresh-cache|true", Request{Force: true}},
		{"refresh-cache|no", Request{}},
		{"resolve|newest;~basename|a&b;1-1;noarch;x", Request{Filters: Filters{Newest: true, Basename: false}, Values: []string{"a", "b;1-1;noarch;x"}}},
		{"search-details|none;installed;installed|Ünï çödé", Request{Filters: Filters{Installed: true}, Values: []string{"Ünï çödé"}}},
		{"search-name|devel;~gui;free;visible;~supported;source;collections;application;~downloaded|&a&&b&", Request{Values: []string{"a", "b"},
			Filters: Filters{"devel": true, "gui": false, "free": true, "visible": true, "supported": false, "source": true, "collections": true, "application": true, "downloaded": false}}},
	}
	seen := make(map[string]bool)
	for _, tt := range tests {
		words := strings.Split(tt.line, "|")
		seen[words[0]] = true
		tt.want.Command = words[0]
		got, err := Parse(words)
		if err != nil || !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("Parse(%q) = %+v, %v\nwant %+v", words, got, err, tt.want)
		}
		// One argument more or less is never right.
		for _, wrong := range [][]string{append(words[:len(words):len(words)], "x"), words[:len(words)-1]} {
			refused(t, wrong, InternalError, words[0]+" takes ")
		}
	}
	for command := range commands {
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
		{"frobnicate|x", NotSupported, `"frobnicate" is not known: known are depends-on, download-packages`},
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
		{"resolve|~~installed|a", FilterInvalid, `"~~installed"`},
		{"resolve|Installed|a", FilterInvalid, `"Installed"`},
		{"resolve|installed;~installed|a", FilterInvalid, "both wanted and negated"},
		{"resolve|~arch;newest;arch|a", FilterInvalid, "both wanted and negated"},
		{"resolve|" + long + "|a", FilterInvalid, "not known"},
		{"get-details|", PackageIDInvalid, "name;version;arch;data"},
		{"get-details|a", PackageIDInvalid, `"a"`},
		{"get-details|a;1;x", PackageIDInvalid, `"a;1;x"`},
		{"get-details|a;1;x;d;e", PackageIDInvalid, `"a;1;x;d;e"`},
		{"get-details|;1;x;d", PackageIDInvalid, `";1;x;d"`},
		{"get-details|a;1;x;d&", PackageIDInvalid, `""`},
		{"get-details|" + long, PackageIDInvalid, "not a package id"},
		{"install-packages|force|a;1;x;d", NotSupported, `"force"`},
		{"install-packages|~simulate|a;1;x;d", NotSupported, `"~simulate"`},
		{"download-packages|tmp|a;1;x;d", InternalError, "not an absolute path"},
		{"download-packages||a;1;x;d", InternalError, "not an absolute path"},
		{"download-packages|" + long + "|a;1;x;d", InternalError, "not an absolute path"},
		{"refresh-cache|", InternalError, "yes or no"},
		{"refresh-cache|YES", InternalError, "yes or no"},
		{"refresh-cache|1", InternalError, "yes or no"},
		{"depends-on|none|a;1;x;d|maybe", InternalError, "yes or no"},
	}
	for _, tt := range tests {
		refused(t, strings.Split(tt.line, "|"), tt.code, tt.says)
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
	if d, err := ParseDialect("1.2"); d != V1_2 || err != nil {
		t.Errorf("%q, %v", d, err)
	}
	for _, s := range []string{"", "1.20", "9"} {
		if _, err := ParseDialect(s); err == nil || !strings.Contains(err.Error(), "1.2") {
			t.Errorf("ParseDialect(%q): %v, want one that says what there is", s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for command, args := range commands {
		f.Add(command + strings.Repeat("\tnone", len(args)))
	}
	f.Add("install-packages\tsimulate\ta;1-1;x;d&b;;;")
	f.Add("\x00\t\xff")
	f.Fuzz(func(t *testing.T, line string) {
		r, err := Parse(strings.Split(line, "\t"))
		if err != nil {
			var known *Error
			if !errors.As(err, &known) || known.Code == "" || known.Text == "" || r != nil {
				t.Errorf("Parse: %v, %#v", r, err)
			}
			return
		}
		for _, id := range r.IDs {
			if again, err := ParsePackageID(id.String()); err != nil || again != id {
				t.Errorf("%v is read again as %v, %v", id, again, err)
			}
		}
		if r.Folder != "" && r.Folder[0] != '/' {
			t.Errorf("the folder %q", r.Folder)
		}
		_ = r.String()
	})
}
