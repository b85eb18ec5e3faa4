// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// versions are the packages of a database, sorted.
func versions(t *testing.T, d Database) string {
	t.Helper()
	var all []string
	for _, h := range read(t, d) {
		all = append(all, h.Name+"-"+h.Version)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestUpgradeTellsStepsOfBothVersions(t *testing.T) {
	d := newRoot(t)
	install(t, d, pack{name: "lib"}, pack{name: "app", requires: "lib"}, pack{name: "old"})
	dir := t.TempDir()
	files := []string{
		pack{name: "lib", version: "2"}.make(t, dir), pack{name: "app", version: "2", requires: "lib >= 2"}.make(t, dir),
		pack{name: "new", epoch: 3, obsoletes: []string{"old < 2"}}.make(t, dir),
	}
	var order []string
	if err := d.Upgrade(nil, files, Again{}, false, func(s Step) {
		if name := fmt.Sprint(s.Stage, s.Package); !slices.Contains(order, name) {
			order = append(order, name)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if got := versions(t, d); got != "app-2 lib-2 new-1" {
		t.Errorf("the database has %s", got)
	}
	if !slices.Equal(order[:2], []string{"0", "1"}) {
		t.Errorf("the steps are %q", order)
	}
	for _, name := range []string{"2lib-2-1", "2app-2-1", "2new-3:1-1", "2lib-1-1", "2app-1-1", "2old-1-1"} {
		if !slices.Contains(order, name) {
			t.Errorf("the steps are %q, without %s", order, name)
		}
	}
}

func TestUpgradeGoesBackOnlyWhereAllowed(t *testing.T) {
	d := newRoot(t)
	install(t, d, pack{name: "a", version: "2", files: map[string]string{"/opt/a": "2"}})
	same, older := pack{name: "a", version: "2", files: map[string]string{"/opt/a": "2"}}.make(t, t.TempDir()), pack{name: "a"}.make(t, t.TempDir())
	if err := os.Remove(filepath.Join(d.Root, "/opt/a")); err != nil {
		t.Fatal(err)
	}
	var failed *Error
	for _, file := range []string{same, older} {
		if err := d.Upgrade(nil, []string{file}, Again{}, false, func(Step) {}); !errors.As(err, &failed) || !strings.Contains(failed.Output, "is already installed") {
			t.Errorf("Upgrade: %v", err)
		}
	}
	if err := d.Upgrade(nil, []string{same}, Again{Same: true}, false, func(Step) {}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(d.Root, "/opt/a")); err != nil {
		t.Error("installing again did not bring the file back:", err)
	}
	if err := d.Upgrade(nil, []string{older}, Again{Older: true}, false, func(Step) {}); err != nil || versions(t, d) != "a-1" {
		t.Errorf("%v: the database has %s", err, versions(t, d))
	}
}

func TestErase(t *testing.T) {
	d := newRoot(t)
	install(t, d, pack{name: "lib", epoch: 1, files: map[string]string{"/opt/lib": "l"}}, pack{name: "app", requires: "lib"}, pack{name: "tool", requires: "/opt/lib"})
	var failed *Error
	if err := d.Erase(nil, []string{"lib-1-1.noarch"}, func(Step) {}); !errors.As(err, &failed) || failed.Kind != Dependencies {
		t.Errorf("Erase: %v, want an *Error of kind Dependencies", err)
	}
	unmet, err := d.UnmetByErasing(t.Context(), []string{"lib-1-1.noarch"})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(unmet, func(a, b Unmet) int { return strings.Compare(a.By, b.By) })
	if want := []Unmet{{"lib", "app-1-1.noarch", true}, {"/opt/lib", "tool-1-1.noarch", true}}; !slices.Equal(unmet, want) {
		t.Errorf("unmet would be %+v, want %+v", unmet, want)
	}
	if unmet, err := d.UnmetByErasing(t.Context(), []string{"lib-1-1.noarch", "app-1-1.noarch", "tool-1-1.noarch"}); err != nil || unmet != nil {
		t.Errorf("unmet would be %+v, %v", unmet, err)
	}
	if _, err := d.UnmetByErasing(t.Context(), []string{"nobody-1-1.noarch"}); !errors.As(err, &failed) || !strings.Contains(failed.Output, "nobody-1-1.noarch is not installed") {
		t.Errorf("UnmetByErasing: %v", err)
	}
	if got := versions(t, d); got != "app-1 lib-1 tool-1" {
		t.Errorf("asking changed the database: %s", got)
	}
	var names []string
	if err := d.Erase(nil, []string{"lib-1-1.noarch", "app-1-1.noarch"}, func(s Step) {
		if s.Stage == Installing && !slices.Contains(names, s.Package) {
			names = append(names, s.Package)
		}
	}); err == nil {
		t.Error("tool was left alone")
	}
	if err := d.Erase(nil, []string{"lib-1-1.noarch", "app-1-1.noarch", "tool-1-1.noarch"}, func(s Step) {
		if s.Stage == Installing && !slices.Contains(names, s.Package) {
			names = append(names, s.Package)
		}
	}); err != nil || versions(t, d) != "" {
		t.Errorf("%v: the database has %s", err, versions(t, d))
	}
	slices.Sort(names)
	if want := []string{"app-1-1", "lib-1:1-1", "tool-1-1"}; !slices.Equal(names, want) {
		t.Errorf("the steps name %q, want %q", names, want)
	}
}

func TestUnmetByInstalling(t *testing.T) {
	d := newRoot(t)
	install(t, d, pack{name: "there"}, pack{name: "tied", requires: "there = 1"})
	dir := t.TempDir()
	file := pack{name: "app", requires: "lib >= 2:1.0"}.make(t, dir)
	newer := pack{name: "there", version: "2"}.make(t, dir)
	unmet, err := d.UnmetByInstalling(t.Context(), []string{file, newer})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(unmet, func(a, b Unmet) int { return strings.Compare(a.By, b.By) })
	if want := []Unmet{{"lib >= 2:1.0", "app-1-1.noarch", false}, {"there = 1", "tied-1-1.noarch", true}}; !slices.Equal(unmet, want) {
		t.Errorf("unmet would be %+v, want %+v", unmet, want)
	}
	if unmet, err := d.UnmetByInstalling(t.Context(), []string{pack{name: "alone"}.make(t, dir)}); err != nil || unmet != nil {
		t.Errorf("unmet would be %+v, %v", unmet, err)
	}
}

func TestHeaderTellsObsoletesAndSource(t *testing.T) {
	h, err := ReadFile(pack{name: "new", obsoletes: []string{"old", "older < 1:2.0-3", "oldest <= 4"}}.make(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"old", "older < 1:2.0-3", "oldest <= 4"}; !slices.Equal(h.Obsoletes(), want) || h.IsSource() {
		t.Errorf("obsoletes %q, source %v", h.Obsoletes(), h.IsSource())
	}
	h, err = ReadFile(pack{name: "new", source: true}.make(t, t.TempDir()))
	if err != nil || !h.IsSource() || h.Obsoletes() != nil {
		t.Errorf("%v, obsoletes %q, source %v", err, h.Obsoletes(), h.IsSource())
	}
}

// Signatures of gpg's are in e2e: here is what rpm says where there are none.
func TestCheckSignature(t *testing.T) {
	d := newRoot(t)
	if trust, key, err := d.CheckSignature(t.Context(), pack{name: "plain"}.make(t, t.TempDir())); trust != Unsigned || key != "" || err != nil {
		t.Errorf("%v, %q, %v", trust, key, err)
	}
	var failed *Error
	for _, path := range []string{
		damaged(t, pack{name: "html"}.make(t, t.TempDir()), func([]byte) []byte { return []byte("<html>") }),
		filepath.Join(t.TempDir(), "missing.rpm"),
	} {
		if trust, _, err := d.CheckSignature(t.Context(), path); trust != Unsigned || !errors.As(err, &failed) {
			t.Errorf("%v, %v, want an *Error", trust, err)
		}
	}
}

func TestDamaged(t *testing.T) {
	d := newRoot(t)
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		want   bool
	}{
		"intact":            {func(b []byte) []byte { return b }, false},
		"zeros at the end":  {func(b []byte) []byte { return append(b[:len(b)-4096], make([]byte, 4096)...) }, true},
		"a changed payload": {func(b []byte) []byte { b[len(b)-5000] ^= 1; return b }, true},
		"a changed header":  {func(b []byte) []byte { b[bytes.Index(b, []byte("Summary of"))] ^= 0x20; return b }, true},
		"cut short":         {func(b []byte) []byte { return b[:len(b)-1] }, true},
		"cut in its header": {func(b []byte) []byte { return b[:400] }, true},
		"empty":             {func([]byte) []byte { return nil }, true},
		"no RPM":            {func([]byte) []byte { return []byte("<html>please log in</html>\n") }, true},
	} {
		body := make([]byte, 20_000)
		rand.NewChaCha8([32]byte{}).Read(body)
		p := pack{name: "p", files: map[string]string{"/opt/f": string(body)}}
		if got := d.Damaged(t.Context(), damaged(t, p.make(t, t.TempDir()), c.change)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if d.Damaged(t.Context(), "/x.rpm") {
		t.Error("without rpm a file is found damaged")
	}
}

func TestRebuild(t *testing.T) {
	d := newRoot(t)
	install(t, d, pack{name: "a"})
	if err := d.Rebuild(nil); err != nil || versions(t, d) != "a-1" {
		t.Errorf("%v: the database has %s", err, versions(t, d))
	}
	if err := d.ImportKey(nil, pack{name: "nokey"}.make(t, t.TempDir())); err == nil {
		t.Error("an RPM was taken for a key")
	}
	var exit *exec.ExitError
	if err := d.ImportKey(nil, "/nowhere/key.asc"); !errors.As(err, &exit) {
		t.Errorf("ImportKey: %v", err)
	}
}
