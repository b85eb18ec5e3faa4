// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// What has nothing for the architecture is told so, before the base is said to lack something.
func TestNothingForTheArchitecture(t *testing.T) {
	source := repotest.URL(repotest.New(t, repotest.Package{NEVRA: "bash-1-1.src"}))
	others := repotest.URL(repotest.New(t, repotest.Package{NEVRA: "bash-1-1.aarch64"}, repotest.Package{NEVRA: "bash-1-1.src"}))
	empty := repotest.URL(repotest.New(t))
	good := repotest.URL(repotest.New(t, repotest.Package{NEVRA: "bash-1-1.x86_64"}))
	root := t.TempDir()
	repotest.Install(t, root, "var/lib/rpm", repotest.Package{NEVRA: "base-1-1.x86_64"})
	for _, tt := range []struct {
		urls  []string
		err   string
		notes []string
	}{
		{[]string{source}, "the repository a has nothing for x86_64: it has packages for src only: name the repository that is for x86_64", nil},
		{[]string{others, empty}, "the repository a has nothing for x86_64: it has packages for aarch64, src only; the repository b has nothing for x86_64: it has no packages at all: name the repository that is for x86_64", nil},
		{[]string{good, source}, "", []string{"the repository b has nothing for x86_64: it has packages for src only"}},
		{[]string{empty, good}, "", []string{"the repository a has nothing for x86_64: it has no packages at all"}},
	} {
		for _, base := range []Base{{Packages: []string{"bash"}}, {Root: root}} {
			var notes []string
			c := Config{Arch: "x86_64", Base: base, Note: func(text string) { notes = append(notes, text) }}
			for i, url := range tt.urls {
				c.Repositories = append(c.Repositories, Repository{ID: string(rune('a' + i)), URL: url})
			}
			p, err := Open(context.Background(), c)
			if err == nil {
				p.Close()
			}
			if err == nil != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Errorf("%q says %v", tt.urls, err)
			}
			for _, want := range tt.notes {
				if !slices.Contains(notes, want) {
					t.Errorf("%q is not among %q", want, notes)
				}
			}
		}
	}
	shared, err := filepath.Abs("../../shared/cases/source-only/repo")
	if _, there := os.Stat(shared); err != nil || there != nil {
		return
	}
	_, err = Open(context.Background(), Config{Arch: "x86_64", Repositories: []Repository{{ID: "main", URL: "file://" + shared}}, Base: Base{Packages: []string{"base-files"}}})
	if err == nil || err.Error() != "the repository main has nothing for x86_64: it has packages for src only: name the repository that is for x86_64" {
		t.Errorf("the shared case says %v", err)
	}
}
