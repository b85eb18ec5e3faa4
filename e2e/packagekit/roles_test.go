// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A role is a method of D-Bus with arguments, and what comes of it.
type role struct {
	bit    uint
	method string
	args   []any
	want   string // all packages, or what else it answers; empty: no helper has a command for it
}

// roles are all that PackageKit has, in an order in which they can be tried on one laptop.
var roles = []role{
	{13, "RefreshCache", []any{true}, "done"},
	{17, "Resolve", []any{none, []string{"hello", "libschool", "nobody"}}, "available hello, installed libschool"},
	{21, "SearchNames", []any{none, []string{"hel"}}, "available hello"},
	{18, "SearchDetails", []any{none, []string{"draws"}}, "available paint"},
	{5, "GetPackages", []any{uint64(1 << 2)}, "installed basesystem, installed libschool"},
	{3, "GetDetails", []any{[]string{hello}}, "Says hello"},
	{4, "GetFiles", []any{[]string{hello}}, "/usr/bin/hello"},
	{2, "DependsOn", []any{none, []string{hello}, true}, "available libgreet, available libtext, installed basesystem, installed libschool"},
	{25, "DownloadPackages", []any{false, []string{hello}}, "hello-1.0-1.noarch.rpm"},
	{11, "InstallPackages", []any{uint64(flagsNone), []string{hello}}, "installing hello, installing libgreet, installing libtext"},
	{7, "RequiredBy", []any{uint64(1 << 2), []string{"libtext;2:0.9-1;x86_64;installed:school"}, false}, "installed libgreet"},
	{6, "GetRepoList", []any{none}, "[[school School server true]]"},
	{9, "GetUpdates", []any{none}, "done"},
	{8, "GetUpdateDetail", []any{[]string{paint}}, "error 49 paint-3.1-1.x86_64 is no update of anything that this backend installed: the list of updates tells which there are"},
	{22, "UpdatePackages", []any{uint64(0), []string{hello}}, "error 27 all of them are as new as the sources have them"},
	{19, "SearchFiles", []any{none, []string{"/usr/bin/hello"}}, "available rival, installed hello"},
	{20, "SearchGroups", []any{none, []string{"games"}}, "done"},
	{23, "WhatProvides", []any{none, []string{"libtext"}}, "installed libtext"},
	{27, "GetCategories", nil, "[[ @group:other Other Programs in the group other applications-other] [ repo:school School server Programs from the source school network-server]]"},
	{30, "GetDetailsLocal", []any{[]string{"RPM"}}, "Says hello"},
	{31, "GetFilesLocal", []any{[]string{"RPM"}}, "/usr/bin/hello"},
	{14, "RemovePackages", []any{uint64(0), []string{"hello;1.0-1;noarch;installed:school"}, true, true}, "removing hello, removing libgreet, removing libtext"},
	{10, "InstallFiles", []any{uint64(0), []string{"RPM"}}, "installing hello, installing libgreet, installing libtext"},
	{12, "InstallSignature", []any{uint32(1), "abcd", hello}, "error 5 \"abcd\" is not the id of a key: 8, 16, 40 or 64 hexadecimal digits are needed"},
	{26, "GetDistroUpgrades", nil, "done"},
	{33, "UpgradeSystem", []any{uint64(0), "school-2", uint32(2)}, "error 44 no source publishes \"school-2\" as a later release of school-1-x86_64: the list of upgrades of the system tells which there are"},
	{29, "RepairSystem", []any{uint64(0)}, "done"},
	{15, "RepoEnable", []any{"school", false}, "done"},
	{16, "RepoSetData", []any{"school", "name", "School server"}, "done"},
	{24, "AcceptEula", nil, ""},
	{32, "RepoRemove", []any{uint64(0), "school", true}, ""},
}

// Each role that the stub claims works, each that it doesn't claim isn't supported, and none is
// left out here.
func TestRoles(t *testing.T) {
	l := start(t)
	claimed := l.Property("Roles").(uint64)
	left := claimed &^ (1<<roleCancel | 1<<roleGetOldTransactions)
	for _, r := range roles {
		left &^= 1 << r.bit
		switch isClaimed := claimed&(1<<r.bit) != 0; {
		case r.method == "AcceptEula": // packagekitd's own
		case !isClaimed && r.want != "":
			t.Errorf("%s isn't claimed", r.method)
		case isClaimed && r.want == "":
			t.Errorf("%s is claimed: say here what it should answer", r.method)
		case isClaimed:
			result := l.Run(r.method, withRPM(r.args)...)
			if got := answer(l, result); got != r.want || (result.Exit() == exitSuccess) == strings.HasPrefix(r.want, "error ") {
				t.Errorf("%s: %q, want %q: %v", r.method, got, r.want, result)
			}
		default:
			err := l.Begin().Call(r.method, withRPM(r.args)...)
			if err == nil || !strings.Contains(err.Error(), "not supported") {
				t.Errorf("%s: %v, want not supported", r.method, err)
			}
		}
	}
	if left != 0 {
		t.Errorf("roles %b are claimed, and aren't tried here", left)
	}
}

// withRPM puts a real RPM in the place of "RPM".
func withRPM(args []any) []any {
	args = slices.Clone(args)
	for i, a := range args {
		if list, ok := a.([]string); ok && list[0] == "RPM" {
			args[i] = []string{filepath.Join(school.Dir, "repository", "hello-1.0-1.noarch.rpm")}
		}
	}
	return args
}
