// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// objectStore serves a folder as Amazon S3 does, which takes a "+" in a path for a space.
func objectStore(t *testing.T, dir string) string {
	files := http.FileServer(http.Dir(dir))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, err := url.PathUnescape(strings.ReplaceAll(r.URL.EscapedPath(), "+", "%20"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.URL.Path, r.URL.RawPath = path, ""
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// A platform is built from an object store and offered by one, with "+" in all names that may have
// one, and with the SHA-512 that openSUSE's repositories have.
func TestObjectStore(t *testing.T) {
	for _, rpms := range []string{"upstream", "copy"} {
		t.Run(rpms, func(t *testing.T) {
			dir := t.TempDir()
			repository := filepath.Join(dir, "repository")
			base := testbed.RPM{Name: "basesystem", Summary: "The standard installation"}
			err := testbed.Repository(filepath.Join(repository, "c++"), base,
				testbed.RPM{Name: "app+x", Version: "2~rc1+7", Summary: "Needs C++", Requires: []string{"libx++", "basesystem"}, Files: map[string]string{"/usr/bin/app+x": "ELF\n"}},
				testbed.RPM{Name: "libx++", Version: "1.0^git3", Summary: "Is C++"})
			if err == nil {
				err = testbed.CreateRepo(filepath.Join(repository, "c++"), "--checksum=sha512")
			}
			if err != nil {
				t.Fatal(err)
			}
			const platform = "school+1-x86_64"
			config, published := filepath.Join(dir, "presolver.toml"), filepath.Join(dir, "published")
			text := fmt.Sprintf("platform = %q\narch = \"x86_64\"\noutput = %q\nrpms = %q\n[[repository]]\nid = \"main\"\nurl = %q\n[base]\npackages = [\"basesystem\"]\n[toplevel]\npackages = [\"app+x\"]\n",
				platform, published, rpms, objectStore(t, repository)+"/c++")
			if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := school.Build(config, "--strict"); err != nil {
				t.Fatal(err, out)
			}
			l, err := testbed.NewLaptop(filepath.Join(dir, "laptop"), platform, objectStore(t, published), "presolve", "", "", filepath.Join(repository, "c++", "basesystem-1.0-1.noarch.rpm"))
			if err != nil {
				t.Fatal(err)
			}
			h := start(t, l)
			const id = "app+x;2~rc1+7-1;noarch;school"
			if lines := h.OK("get-files", id); !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "/usr/bin/app+x") }) {
				t.Errorf("the files: %q", lines)
			}
			h.OK("install-packages", "only-download", id)
			repairs(t, h, l, rpms == "upstream")
			h.OK("install-packages", "none", id)
			if got, want := laptoptest.Installed(t, l), []string{"app+x-2~rc1+7-1.noarch", "basesystem-1.0-1.noarch", "libx++-1.0^git3-1.noarch"}; !slices.Equal(got, want) {
				t.Errorf("installed are %q and should be %q", got, want)
			}
		})
	}
}

// repairs damages one of the two RPMs that the cache has: that one and no other is removed. longer
// tells that their digests are SHA-512.
func repairs(t *testing.T, h *laptoptest.Helper, l *testbed.Laptop, longer bool) {
	t.Helper()
	var cached []string
	err := filepath.WalkDir(l.Cache, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".rpm") {
			cached = append(cached, path)
		}
		return err
	})
	if err != nil || len(cached) != 2 {
		t.Fatalf("the cache has %q: %v", cached, err)
	}
	for _, path := range cached {
		if strings.HasPrefix(filepath.Base(path), "sha512@") != longer {
			t.Errorf("the cache has %s", path)
		}
	}
	data, err := os.ReadFile(cached[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(cached[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	h.OK("repair-system", "none")
	for i, path := range cached {
		if _, err := os.Stat(path); os.IsNotExist(err) != (i == 0) {
			t.Errorf("repaired: %s: %v", path, err)
		}
	}
}
