// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

func newOffers(t *testing.T, mounts []string, sources ...Source) *Offers {
	t.Helper()
	state := t.TempDir()
	record, err := db.Open(t.Context(), filepath.Join(state, "record.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { record.Close() })
	net := transport.New(transport.Options{SmallRetryFor: time.Second})
	t.Cleanup(net.Close)
	o, err := New(t.Context(), Config{Platform: stickPlatform, Sources: sources, Mounts: mounts, Record: record, Net: net, Log: hclog.NewNullLogger(),
		Trust: trust.Open(state, filepath.Join(state, "keyring"), time.Time{}, func(problem error) { t.Error(problem) })})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

// What a tree says of this computer's files counts only below the folder of its own source, if that
// is in the configuration.
func TestTreesNameNoFilesOfThisComputer(t *testing.T) {
	o := newOffers(t, nil,
		Source{ID: "folder", URL: "file:///srv/pub", Layout: Presolve},
		Source{ID: "other", URL: "file:///srv/other", Layout: Presolve},
		Source{ID: "capitals", URL: "FILE:///srv/pub", Layout: Presolve},
		Source{ID: "net", URL: "http://school.invalid", Layout: Presolve})
	for _, test := range []struct {
		source, url string
		counts      bool
	}{
		{"folder", "file:///srv/pub/rpms/a.rpm", true},
		{"folder", "file:///srv/pub/../pub/a.rpm", true},
		{"capitals", "File:///srv/pub/a.rpm", true},
		{"folder", "http://mirror.invalid/a.rpm", true},
		{"net", "http://mirror.invalid/a.rpm", true},
		{"folder", "file:///etc/shadow", false},
		{"folder", "file:///srv/pub/../../etc/shadow", false},
		{"folder", "file:///srv/pub/%2e%2e/other/a.rpm", false},
		{"folder", "file:///srv/public/a.rpm", false},
		{"folder", "file:///srv/other/a.rpm", false},
		{"other", "file:///srv/pub/a.rpm", false},
		{"net", "file:///srv/pub/a.rpm", false},
		{"net", "FILE:///srv/pub/a.rpm", false},
		{"stick", "file:///srv/pub/a.rpm", false},
		{"unknown", "file:///srv/pub/a.rpm", false},
	} {
		f := o.Download(test.source, &tree.Package{URLs: []string{test.url}})
		if got := slices.Contains(f.URLs, test.url); got != test.counts {
			t.Errorf("%s, %s: %v", test.source, test.url, got)
		}
		// The same as a mirror of a repository.
		at := strings.LastIndex(test.url, "/")
		o.view.platforms = map[string]*tree.Platform{test.source: {Repositories: []tree.Repository{{URLs: []string{test.url[:at]}}}}}
		if f := o.Download(test.source, &tree.Package{Repository: 1, Location: test.url[at+1:]}); (len(f.URLs) == 1) != test.counts {
			t.Errorf("%s, %s in a repository: %q", test.source, test.url, f.URLs)
		}
	}
}

// The folders that file URLs may be of are those of the sources that are switched on, and of the
// sticks.
func TestReadable(t *testing.T) {
	mounts := t.TempDir()
	real, err := filepath.EvalSymlinks(mounts)
	if err != nil {
		t.Fatal(err)
	}
	publish(t, filepath.Join(mounts, "LABEL", "presolve"))
	o := newOffers(t, []string{mounts},
		Source{ID: "a", URL: "file:///srv/a%20b", Layout: Presolve}, Source{ID: "b", URL: "http://school.invalid/srv", Layout: Presolve},
		Source{ID: "c", URL: "file:///srv/c", Layout: Presolve, Disabled: true}, Source{ID: "d", URL: "file:", Layout: Presolve})
	want := []string{"/srv/a b"}
	if got := o.readable(); !slices.Equal(got, want) { // nobody has looked for sticks
		t.Errorf("%q, want %q", got, want)
	}
	o.watchMounts()
	want = append(want, filepath.Join(real, "LABEL", "presolve"))
	if got := o.readable(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := o.use(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := o.readable(); !slices.Equal(got, want[1:]) {
		t.Errorf("%q, want %q", got, want[1:])
	}
}

// A stick with links to what only root reads: neither the links nor where they lead are read.
func TestStickLeadsOut(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "shadow")
	if err := os.WriteFile(secret, []byte("root:x"), 0o600); err != nil {
		t.Fatal(err)
	}
	mounts := t.TempDir()
	stick := filepath.Join(mounts, "LABEL", "presolve")
	publish(t, stick)
	o := newOffers(t, []string{mounts}, Source{ID: "school", URL: "http://127.0.0.1:1", Layout: Presolve})
	o.watchMounts()
	rpms := filepath.Join(stick, stickPlatform, "rpms")
	if err := errors.Join(os.MkdirAll(rpms, 0o755), os.Symlink(secret, filepath.Join(rpms, "a.rpm"))); err != nil {
		t.Fatal(err)
	}
	f := o.Download("school", &tree.Package{Location: "rpms/a.rpm", Size: 6, SHA256: tree.NewRef("", []byte("public"), "").SHA256})
	f.Path = filepath.Join(t.TempDir(), "cache", "a.rpm")
	if err := o.Net.Fetch(t.Context(), []transport.File{f}, nil); err == nil || !strings.Contains(err.Error(), "leads out of its source's folder") {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(f.Path)); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}
