// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// asking are packages that ask something of others that no tree can know.
var asking = []testbed.RPM{
	{Name: "program", Requires: []string{"(plugin if editor)"}},
	{Name: "editor", Provides: []string{"editor-api = 2"}, Files: map[string]string{"/usr/bin/edit": "edit\n"}},
	{Name: "plugin", Requires: []string{"plugin-data"}},
	{Name: "plugin-data"},
	{Name: "apiuser", Requires: []string{"((apiplugin and addon) if (editor-api >= 2 and plugin-data))"}},
	{Name: "collection", Provides: []string{"apiplugin = 7"}},
	{Name: "addon", Requires: []string{"(plugin if apiuser else collection)"}},
	{Name: "futurist", Requires: []string{"(plugin if editor-api > 2)"}},
	{Name: "bybin", Requires: []string{"(plugin if /usr/bin/edit)"}},
	{Name: "needy", Requires: []string{"(treasure if editor)"}},
	{Name: "enemy", Conflicts: []string{"editor-api"}},
	{Name: "rich-enemy", Conflicts: []string{"(editor and plugin)"}},
	{Name: "prude", Requires: []string{"((collection unless editor) or plugin-data)"}},
	{Name: "fan", Recommends: []string{"(plugin if editor)", "(treasure if editor)", "(enemy if editor)"}},
	{Name: "oldlib"},
	{Name: "newprog", Requires: []string{"plugin-data"}},
	{Name: "pinned", Requires: []string{"sharedlib = 1.0-1"}},
	{Name: "shared", Requires: []string{"sharedlib"}},
	{Name: "sharedlib"},
}

// later are what the school has of them in its next season.
var later = []testbed.RPM{
	{Name: "program", Version: "2.0", Requires: []string{"(plugin >= 2 if editor)"}},
	{Name: "plugin", Version: "2.0", Requires: []string{"plugin-data"}},
	{Name: "oldlib", Version: "2.0"},
	{Name: "newprog", Version: "2.0", Conflicts: []string{"oldlib < 2"}},
	{Name: "fan", Version: "2.0", Recommends: []string{"(plugin if editor)"}},
	{Name: "shared", Version: "2.0", Requires: []string{"sharedlib = 2.0-1"}},
	{Name: "sharedlib", Version: "2.0"},
}

// TestConditions installs, updates and removes in both orders what depends on what else is
// installed. Each line is carried out: "NAME VERB…" and, after ":", what is installed then beyond
// the base, or "!" and the error, which comes before anything is downloaded.
func TestConditions(t *testing.T) {
	school, err := testbed.NewSchool(t.TempDir(), school.Tools, asking...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { school.Close() })
	config := filepath.Join(school.Dir, "presolver.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	// Only what is recommended is different then.
	if err := os.WriteFile(config, append([]byte("weak_dependencies = true\n"), text...), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := school.Build(config); err != nil {
		t.Fatal(err)
	}
	local := t.TempDir()
	if _, err := (testbed.RPM{Name: "carried", Requires: []string{"(plugin if editor)", "(treasure or plugin-data)", "(/usr/share/carried or treasure)"}, Conflicts: []string{"oldlib"},
		Files: map[string]string{"/usr/share/carried": "carried\n"}}).Write(local); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		steps []string
		late  []string // after the school's next season
	}{
		{"program first", []string{"install program: program", "simulate editor: editor plugin-data plugin", "install editor: editor plugin plugin-data program",
			"remove plugin: !dep-resolution-failed program-1.0-1.noarch", "remove editor: plugin plugin-data program"}, nil},
		{"editor first", []string{"install editor: editor", "install program: editor plugin plugin-data program", "autoremove program: editor"}, nil},
		{"both at once", []string{"install editor program: editor plugin plugin-data program"}, nil},
		{"a file is the condition", []string{"install editor: editor", "install bybin: bybin editor plugin plugin-data"}, nil},
		{"the version isn't it", []string{"install editor: editor", "install futurist: editor futurist"}, nil},
		{"what completes asks for more", []string{"install apiuser editor: apiuser editor", "install plugin-data: addon apiuser collection editor plugin plugin-data"}, nil},
		{"nothing completes it", []string{"install needy: needy",
			"install editor: !dep-resolution-failed the installed needy-1.0-1.noarch needs (treasure if editor), which isn't met together with editor-1.0-1.noarch, and no source offers",
			"simulate editor: !dep-resolution-failed (treasure if editor)", "remove needy: ", "install editor: editor",
			"install needy: !dep-resolution-failed needy-1.0-1.noarch needs (treasure if editor), which isn't met together with editor-1.0-1.noarch, and no source offers"}, nil},
		{"a conflict", []string{"install enemy: enemy", "install editor: !package-conflicts the installed enemy-1.0-1.noarch conflicts with editor-api, which is editor-1.0-1.noarch",
			"remove enemy: ", "install editor: editor", "install enemy: !package-conflicts enemy-1.0-1.noarch conflicts with editor-api, which is editor-1.0-1.noarch"}, nil},
		{"a rich conflict", []string{"install rich-enemy editor: editor rich-enemy",
			"install plugin: !package-conflicts the installed rich-enemy-1.0-1.noarch conflicts with (editor and plugin), which is editor-1.0-1.noarch, plugin-1.0-1.noarch"}, nil},
		{"what would complete it conflicts", []string{"install rich-enemy program: program rich-enemy",
			"install editor: !dep-resolution-failed the installed program-1.0-1.noarch needs (plugin if editor), which isn't met together with editor-1.0-1.noarch, and what would meet it can't come: the installed rich-enemy"}, nil},
		{"unless", []string{"install prude: collection prude", "install editor: collection editor plugin-data prude"}, nil},
		{"recommended", []string{"install fan: fan", "install editor: editor fan", "remove fan: editor", "install fan: editor fan plugin plugin-data", "remove plugin: editor fan plugin-data"},
			[]string{"update fan: editor fan-2.0 plugin-data"}},
		{"a person's own RPM", []string{"install editor: editor", "file carried: carried editor plugin plugin-data", "install oldlib: !package-conflicts the installed carried-1.0-1.noarch conflicts with oldlib"}, nil},
		{"a person's own RPM conflicts", []string{"install oldlib: oldlib", "file carried: !package-conflicts carried-1.0-1.noarch conflicts with oldlib, which is oldlib-1.0-1.noarch"}, nil},
		{"an update asks for more", []string{"install editor program: editor plugin plugin-data program"}, []string{"update program: editor plugin-2.0 plugin-data program-2.0"}},
		{"a conflict that an update ends", []string{"install oldlib: oldlib"}, []string{"install newprog: newprog-2.0 oldlib-2.0"}},
		{"what came because of another program is updated", []string{"install editor bybin: bybin editor plugin plugin-data"}, []string{"update plugin: bybin editor plugin-2.0 plugin-data"}},
		{"an update that breaks a program keeps no other", []string{"install oldlib pinned shared: oldlib pinned shared sharedlib"},
			[]string{"update oldlib shared: oldlib-2.0 pinned shared sharedlib"}},
		{"an update breaks another program", []string{"install pinned shared: pinned shared sharedlib"},
			[]string{"update shared: !dep-resolution-failed the installed pinned-1.0-1.noarch needs sharedlib = 1.0-1, which isn't met any more without"}},
	}
	early := make(map[string]*testbed.Laptop)
	run := func(t *testing.T, l *testbed.Laptop, steps []string) {
		h := laptoptest.Start(t, school.Tools, l, nil)
		defer h.Kill()
		for _, step := range steps {
			words, want, _ := strings.Cut(step, ":")
			verb, rest, _ := strings.Cut(words, " ")
			names := strings.Fields(rest)
			var lines []string
			switch verb {
			case "install":
				lines = h.Answer("install-packages", "none", ids(t, h, "~installed;newest", names))
			case "simulate":
				lines = h.Answer("install-packages", "simulate", ids(t, h, "~installed;newest", names))
			case "update":
				lines = h.Answer("update-packages", "none", ids(t, h, "~installed;newest", names))
			case "remove", "autoremove":
				auto := "no"
				if verb == "autoremove" {
					auto = "yes"
				}
				lines = h.Answer("remove-packages", "none", ids(t, h, "installed", names), "no", auto)
			case "file":
				lines = h.Answer("install-files", "none", filepath.Join(local, names[0]+"-1.0-1.noarch.rpm"))
			default:
				t.Fatal(step)
			}
			want = strings.TrimSpace(want)
			if code, ok := strings.CutPrefix(want, "!"); ok {
				code, says, _ := strings.Cut(code, " ")
				got := laptoptest.ErrorOf(lines)
				if !strings.HasPrefix(got, code+"\t") || !strings.Contains(got, says) {
					t.Fatalf("%s: the error is %q, want %s", step, got, want)
				}
				if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "package\tdownloading\t") }) {
					t.Errorf("%s: it was downloaded before that", step)
				}
				continue
			}
			if e := laptoptest.ErrorOf(lines); e != "" {
				t.Fatalf("%s: %s", step, e)
			}
			var got []string
			if verb == "simulate" {
				for _, line := range lines {
					if f := strings.Split(line, "\t"); f[0] == "package" {
						name, _, _ := strings.Cut(f[2], ";")
						got = append(got, name)
					}
				}
			} else {
				for _, p := range laptoptest.Installed(t, l) {
					p = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(p, ".noarch"), "-1"), "-1.0")
					if p != "basesystem" && !strings.HasPrefix(p, "libschool") {
						got = append(got, p)
					}
				}
			}
			if strings.Join(got, " ") != want {
				t.Fatalf("%s: there is %q", step, got)
			}
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := school.Laptop("", "presolve", "")
			if err != nil {
				t.Fatal(err)
			}
			early[tt.name] = l
			run(t, l, tt.steps)
		})
	}
	if err := school.Release("", later...); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		if tt.late != nil {
			t.Run(tt.name+", later", func(t *testing.T) {
				h := laptoptest.Start(t, school.Tools, early[tt.name], nil)
				h.OK("refresh-cache", "no")
				h.Kill()
				run(t, early[tt.name], tt.late)
			})
		}
	}
}

// ids are the package ids of names, of packages that a filter lets pass.
func ids(t *testing.T, h *laptoptest.Helper, filter string, names []string) string {
	t.Helper()
	var all []string
	for _, name := range names {
		for _, line := range h.OK("resolve", filter, name) {
			if f := strings.Split(line, "\t"); f[0] == "package" {
				all = append(all, f[2])
			}
		}
	}
	if len(all) != len(names) {
		t.Fatalf("%q are %q", names, all)
	}
	return strings.Join(all, "&")
}
