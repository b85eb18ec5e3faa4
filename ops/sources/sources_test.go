// SPDX-License-Identifier: GPL-2.0-or-later

package sources_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// What one helper changes, and what a person writes into the file, counts in another helper that
// runs.
func TestTwoHelpers(t *testing.T) {
	school := laptoptest.NewSchool(t)
	laptop, err := school.Laptop("", "presolve", "")
	if err != nil {
		t.Fatal(err)
	}
	var helpers [2]*testbed.Helper
	for i := range helpers {
		if helpers[i], err = school.Start(laptop.Config, nil); err != nil {
			t.Fatal(err)
		}
		defer helpers[i].Kill()
	}
	do := func(i int, words ...string) string {
		t.Helper()
		lines, err := helpers[i].Do(words...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(lines, "\n")
	}
	offered := func(i int) bool {
		t.Helper()
		return strings.Contains(do(i, "resolve", "none", "hello"), "package\tavailable\thello;")
	}
	if !offered(0) || !offered(1) {
		t.Fatal("hello is not offered")
	}
	// The record tells the other helper at once.
	do(0, "repo-enable", "school", "no")
	if offered(0) || offered(1) {
		t.Error("what a disabled source has is offered")
	}
	if got := do(1, "get-repo-list", "none"); !strings.Contains(got, "repo-detail\tschool\tSchool server\tfalse") {
		t.Error(got)
	}
	do(1, "repo-enable", "school", "yes")
	if !offered(0) || !offered(1) {
		t.Error("what an enabled source has is not offered")
	}

	// A person's editor tells nobody but the kernel, which takes its time.
	write := func(text string) {
		t.Helper()
		aside := filepath.Join(school.Dir, "aside")
		if err := os.WriteFile(aside, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(aside, laptop.Config); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(laptop.Config)
	if err != nil {
		t.Fatal(err)
	}
	write(strings.Replace(string(text), "enabled = true", "enabled = false", 1))
	for deadline := time.Now().Add(10 * time.Second); offered(0); {
		if time.Now().After(deadline) {
			t.Fatal("a change in the file doesn't count")
		}
	}
	// A file that is broken just now is no reason to forget the sources.
	write("platform = ")
	if offered(0) {
		t.Error("a broken file enables a source")
	}
	if got := do(0, "get-repo-list", "none"); !strings.Contains(got, "error\trepo-configuration-error\t") {
		t.Error(got)
	}
	write(string(text))
	for deadline := time.Now().Add(10 * time.Second); !offered(1); {
		if time.Now().After(deadline) {
			t.Fatal("a change in the file doesn't count")
		}
	}
	// A source that is gone is forgotten.
	write(strings.Replace(string(text), `id = "school"`, `id = "other"`, 1))
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(do(1, "resolve", "none", "hello"), ";other\t"); {
		if time.Now().After(deadline) {
			t.Fatal("another id doesn't count")
		}
	}
	for i := range helpers {
		if err := helpers[i].Stop(); err != nil {
			t.Error(err, helpers[i].Log.String())
		}
	}
}
