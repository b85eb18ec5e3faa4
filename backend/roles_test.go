// SPDX-License-Identifier: GPL-2.0-or-later

package backend_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
)

// What PackageKit's enumerations, whose values are bits in bit fields, call these numbers.
const (
	filterNone, filterInstalled, filterNotInstalled = 1, 2, 3
	filterBasename, filterNewest, filterArch        = 14, 16, 18

	flagSimulate, flagOnlyDownload = 2, 3

	infoInstalled, infoAvailable, infoInstalling = 1, 2, 12

	exitSuccess, exitFailed, exitCancelled = 1, 2, 3

	errorNotSupported, errorInternal, errorPackageNotFound = 3, 4, 8
	errorCancelled, errorProcessKill                       = 17, 21

	statusQuery, statusDownload, statusWaitingForLock = 4, 8, 30
)

const none = uint64(1 << filterNone)

const (
	foo = "foo;1-1;noarch;school"
	bar = "bar;1:2-3.fc18;i686;installed"
)

// A role is a method of D-Bus, with its arguments, and the command that the helper has to get for
// it.
type role struct {
	bit     uint // PkRoleEnum
	method  string
	args    []any
	command []string
}

var ids = []string{foo, bar}

// roles are those that the helper has a command for.
var roles = []role{
	{2, "DependsOn", []any{uint64(1<<filterNotInstalled | 1<<filterNewest), ids, true},
		[]string{"depends-on", "~installed;newest", foo + "&" + bar, "yes"}},
	{3, "GetDetails", []any{ids}, []string{"get-details", foo + "&" + bar, "no"}},
	{4, "GetFiles", []any{ids[:1]}, []string{"get-files", foo}},
	{5, "GetPackages", []any{uint64(1<<filterInstalled | 1<<filterArch)}, []string{"get-packages", "installed;arch"}},
	{11, "InstallPackages", []any{uint64(1<<flagSimulate | 1<<flagOnlyDownload), ids},
		[]string{"install-packages", "simulate;only-download", foo + "&" + bar}},
	{13, "RefreshCache", []any{true}, []string{"refresh-cache", "yes"}},
	{17, "Resolve", []any{none, []string{"foo", bar}}, []string{"resolve", "none", "foo&" + bar}},
	{18, "SearchDetails", []any{none, []string{"a b", "c"}}, []string{"search-details", "none", "a b&c"}},
	{21, "SearchNames", []any{uint64(1 << filterBasename), []string{"größer"}}, []string{"search-name", "basename", "größer"}},
	{25, "DownloadPackages", []any{false, ids}, []string{"download-packages", "", foo + "&" + bar}},
	{6, "GetRepoList", []any{none}, []string{"get-repo-list", "none"}},
	{7, "RequiredBy", []any{none, ids, false}, []string{"required-by", "none", foo + "&" + bar, "no"}},
	{8, "GetUpdateDetail", []any{ids}, []string{"get-update-detail", foo + "&" + bar}},
	{9, "GetUpdates", []any{none}, []string{"get-updates", "none"}},
	{10, "InstallFiles", []any{uint64(0), []string{"RPM", "RPM"}}, []string{"install-files", "none", "RPM|RPM"}},
	{12, "InstallSignature", []any{uint32(1), "abcd", foo}, []string{"install-signature", "gpg", "abcd", foo}},
	{14, "RemovePackages", []any{uint64(0), ids, true, false}, []string{"remove-packages", "none", foo + "&" + bar, "yes", "no"}},
	{15, "RepoEnable", []any{"school", false}, []string{"repo-enable", "school", "no"}},
	{16, "RepoSetData", []any{"school", "url", "http://x"}, []string{"repo-set-data", "school", "url", "http://x"}},
	{19, "SearchFiles", []any{none, []string{"/bin/x"}}, []string{"search-file", "none", "/bin/x"}},
	{20, "SearchGroups", []any{none, []string{"games"}}, []string{"search-group", "none", "games"}},
	{22, "UpdatePackages", []any{uint64(0), ids}, []string{"update-packages", "none", foo + "&" + bar}},
	{23, "WhatProvides", []any{none, []string{"x"}}, []string{"what-provides", "none", "x"}},
	{26, "GetDistroUpgrades", nil, []string{"get-distro-upgrades"}},
	{27, "GetCategories", nil, []string{"get-categories"}},
	{29, "RepairSystem", []any{uint64(0)}, []string{"repair-system", "none"}},
	{30, "GetDetailsLocal", []any{[]string{"RPM"}}, []string{"get-details-local", "RPM"}},
	{31, "GetFilesLocal", []any{[]string{"RPM"}}, []string{"get-files-local", "RPM"}},
	{33, "UpgradeSystem", []any{uint64(0), "f19", uint32(2)}, []string{"upgrade-system", "f19"}},
}

const (
	roleCancel          = 1
	roleOldTransactions = 28 // packagekitd's own
)

func bits(roles []role) uint64 {
	b := uint64(1<<roleCancel | 1<<roleOldTransactions)
	for _, r := range roles {
		b |= 1 << r.bit
	}
	return b
}

func TestAbout(t *testing.T) {
	d, _ := start(t)
	if got, want := d.Property("Roles"), bits(roles); got != want {
		t.Errorf("roles %b, want %b", got, want)
	}
	if got, want := d.Property("Filters"), uint64(1<<filterInstalled|1<<filterBasename|1<<filterNewest|1<<filterArch); got != want {
		t.Errorf("filters %b, want %b", got, want)
	}
	if got, want := d.Property("Groups"), uint64(1<<34-1)&^(1<<0|1<<32); got != want {
		t.Errorf("groups %b, want %b", got, want)
	}
	if got := d.Property("MimeTypes"); !slices.Equal(got.([]string), []string{"application/x-rpm"}) {
		t.Errorf("MIME types %v", got)
	}
	if d.Property("BackendDescription") == "" || d.Property("BackendAuthor") == "" {
		t.Error("no description or no author")
	}
	if d.Property("BackendName") != d.Backend() {
		t.Errorf("backend %v", d.Property("BackendName"))
	}
	if err := d.Begin().Call("RepoRemove", uint64(0), "school", true); err == nil || !strings.Contains(err.Error(), "not supported") {
		t.Errorf("RepoRemove: %v, want not supported", err)
	}
	out, err := d.Pkcon("backend-details")
	if err != nil || !strings.Contains(out, "Presolved packages") {
		t.Errorf("pkcon backend-details: %v\n%s", err, out)
	}
}

// The groups are those that the helper found packages in, or all.
func TestGroups(t *testing.T) {
	path := filepath.Join(t.TempDir(), "groups")
	for text, want := range map[string]string{"education\nno-such-group\ngames\n": "education games", "": "many", "no-such-group\n": "many"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d := pktest.Start(t, newTheatre(t).Helper, "PRESOLVE_GROUPS="+path)
		out, err := d.Pkcon("get-groups")
		if err != nil {
			t.Fatal(err, out)
		}
		groups := strings.Fields(out)
		slices.Sort(groups)
		got := strings.Join(groups, " ")
		if len(groups) > 20 && slices.Contains(groups, "office") && !slices.Contains(groups, "collections") {
			got = "many"
		}
		if got != want {
			t.Errorf("%q: the groups are %q, want %s", text, got, want)
		}
		d.Stop()
	}
}

// withRPM puts a file that passes for an RPM in the place of "RPM".
func withRPM(t *testing.T, args []any) []any {
	args = slices.Clone(args)
	for i, arg := range args {
		if list, ok := arg.([]string); ok && list[0] == "RPM" {
			list = slices.Clone(list)
			for j := range list {
				list[j] = rpmFile(t)
			}
			args[i] = list
		}
	}
	return args
}

func rpmFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(os.TempDir(), "presolve-test.rpm")
	if err := os.WriteFile(path, []byte("\xed\xab\xee\xdb\x03\x00\x00\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// Each role's arguments arrive as PackageKit's own spawning code writes them, on the command line
// and on stdin.
func TestCommands(t *testing.T) {
	d, th := start(t)
	changing := []string{"install-", "remove-", "update-", "refresh-", "download-", "repo-", "repair-", "upgrade-"}
	var queries, changes *puppet
	for _, r := range roles {
		p := &queries
		if slices.ContainsFunc(changing, func(prefix string) bool { return strings.HasPrefix(r.command[0], prefix) }) {
			p = &changes
		}
		x := d.Begin()
		if err := x.Call(r.method, withRPM(t, r.args)...); err != nil {
			t.Errorf("%s: %v", r.method, err)
			continue
		}
		if *p == nil {
			*p = th.Enter()
		}
		got := strings.Split((*p).Expect("command").Line, "\t")
		want := slices.Clone(r.command)
		for i := range want {
			want[i] = strings.ReplaceAll(want[i], "RPM", rpmFile(t))
		}
		if r.method == "DownloadPackages" { // a folder of packagekitd's choice
			want[1] = got[1]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", r.method, got, want)
		}
		(*p).Finish()
		if exit := x.Wait().Exit(); exit != exitSuccess {
			t.Errorf("%s: exit %d", r.method, exit)
		}
	}
	if queries == nil || changes == nil || queries.Pid == changes.Pid {
		t.Error("queries and changes don't have a helper each")
	}
	if want := []string{"--dialect", "1.3", "--stay", "depends-on", "~installed;newest", foo + "&" + bar, "yes"}; !slices.Equal(queries.Argv, want) {
		t.Errorf("started with %q, want %q", queries.Argv, want)
	}
}

// Without a folder of the caller's a download is for the helper's cache.
func TestDownloadIntoCache(t *testing.T) {
	d, th := start(t)
	x := d.Begin()
	x.Call("DownloadPackages", true, ids)
	p := th.Enter()
	p.Command("download-packages", "", foo+"&"+bar)
	p.Finish()
	x.Wait()
}

// Nothing gets into the line protocol that would be read as something else there.
func TestUnwritableArguments(t *testing.T) {
	d, th := start(t)
	for _, r := range []struct {
		method string
		args   []any
	}{
		{"SearchNames", []any{none, []string{"a\tb"}}},
		{"SearchNames", []any{none, []string{"a\nresolve\tnone\tb"}}},
		{"Resolve", []any{none, []string{"ok", "a\rb"}}},
		{"GetDetails", []any{[]string{"foo;1&2;noarch;school"}}},
	} {
		result := d.Run(r.method, r.args...)
		if code, text := result.Error(); code != errorNotSupported || result.Exit() != exitFailed {
			t.Errorf("%s %q: error %d %q, exit %d", r.method, r.args, code, text, result.Exit())
		}
	}
	x := d.Begin()
	x.Call("SearchNames", none, []string{"fine"})
	p := th.Enter()
	p.Command("search-name", "none", "fine")
	p.Finish()
	x.Wait()
}

// The library exports its entries and nothing else, and needs nothing that packagekitd hasn't in
// any release.
func TestSymbols(t *testing.T) {
	exported := symbols(t, "--defined-only", pktest.Build(t))
	want := []string{"pk_backend_cancel", "pk_backend_destroy", "pk_backend_get_author", "pk_backend_get_description",
		"pk_backend_get_filters", "pk_backend_get_groups", "pk_backend_get_mime_types", "pk_backend_get_roles",
		"pk_backend_initialize", "pk_backend_supports_parallelization"}
	snake := regexp.MustCompile(`[A-Z]`)
	for _, r := range roles {
		want = append(want, "pk_backend"+strings.ToLower(snake.ReplaceAllString(r.method, "_$0")))
	}
	slices.Sort(want)
	if !slices.Equal(exported, want) {
		t.Errorf("exports %q, want %q", exported, want)
	}
	daemon := symbols(t, "--defined-only", "/usr/libexec/packagekitd")
	for _, name := range symbols(t, "--undefined-only", pktest.Build(t)) {
		if !strings.HasPrefix(name, "pk_backend") {
			continue
		}
		if !slices.Contains(daemon, name) {
			t.Errorf("needs %s, which packagekitd hasn't", name)
		}
		if name == "pk_backend_job_details" || name == "pk_backend_job_details_full" || name == "pk_backend_job_packages" || name == "pk_backend_job_package_full" {
			t.Errorf("is linked to %s, which isn't the same in every release", name)
		}
	}
}

func symbols(t *testing.T, which, path string) (names []string) {
	t.Helper()
	out, err := exec.Command("nm", "-D", which, path).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		name, _, _ := strings.Cut(fields[len(fields)-1], "@")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
