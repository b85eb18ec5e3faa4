// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// Sugar's own way: one Resolve for a hundred names, some of which nobody knows, then
// InstallPackages with the ids.
func TestSugar(t *testing.T) {
	l := start(t)
	var names []string
	for n := range 100 {
		names = append(names, activity(n))
	}
	result := l.Run("Resolve", none, names)
	var ids []string
	for _, p := range result.All("Package") {
		if p[0].(uint32) != infoAvailable || !strings.HasPrefix(p[1].(string), activity(len(ids))+";1.0-1;noarch;school") {
			t.Errorf("package %v", p)
		}
		ids = append(ids, p[1].(string))
	}
	if len(ids) != activities || result.Exit() != exitSuccess {
		t.Fatalf("%d packages: %v", len(ids), result)
	}

	result = l.Run("InstallPackages", uint64(flagsNone), ids)
	if got := len(strings.Split(packages(result), ", ")); got != activities+1 || result.Exit() != exitSuccess {
		t.Errorf("%d packages were installed: %v", got, result)
	}
	grows(t, result)
	for _, id := range ids {
		if name := id[:strings.IndexByte(id, ';')]; !l.Installed(name) {
			t.Errorf("%s isn't installed", name)
		}
	}

	for n, want := range map[int]uint32{1: errorAlreadyInstalled, 2: errorAllThere} {
		result = l.Run("InstallPackages", uint64(flagsNone), ids[:n])
		if code, text := result.Error(); code != want || result.Exit() != exitFailed {
			t.Errorf("%d ids again: error %d %q", n, code, text)
		}
	}
	// Some of them are new.
	if result = l.Run("InstallPackages", uint64(flagsNone), []string{ids[0], hello}); result.Exit() != exitSuccess {
		t.Errorf("one more: %v", result)
	}
	result = l.Run("Resolve", none, names)
	for _, p := range result.All("Package") {
		if p[0].(uint32) != infoInstalled {
			t.Errorf("package %v", p)
		}
	}
}

// Packages that are downloaded into the cache aren't downloaded by the install.
func TestDownloadIntoCache(t *testing.T) {
	l := start(t)
	if result := l.Run("DownloadPackages", true, []string{hello}); result.Exit() != exitSuccess || len(result.All("Files")) != 1 {
		t.Errorf("download: %v", result)
	}
	l.Fault(testbed.Damage) // of hello alone
	l.installs(t, hello)
}

// Flags change what an install does.
func TestFlags(t *testing.T) {
	l := start(t)
	want := "installing hello, installing libgreet, installing libtext"
	if result := l.Run("InstallPackages", uint64(flagSimulate), []string{hello}); packages(result) != want || l.Installed("hello") {
		t.Errorf("simulate: %v", result)
	}
	result := l.Run("InstallPackages", uint64(flagOnlyDownload), []string{hello})
	if result.Exit() != exitSuccess || l.Installed("hello") || len(l.Partial()) > 0 {
		t.Errorf("only-download: %v", result)
	}
	// What is there isn't downloaded again.
	before := len(l.Proxy.Requests())
	if result := l.Run("InstallPackages", uint64(flagsNone), []string{hello}); packages(result) != want || !l.Installed("hello") {
		t.Errorf("install: %v", result)
	}
	if after := l.Proxy.Requests(); len(after) > before {
		t.Errorf("the server was asked for %q", after[before:])
	}
}
