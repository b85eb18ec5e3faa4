// SPDX-License-Identifier: GPL-2.0-or-later

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/laptoptest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A forgery is what the school publishes, changed by somebody who can make the digests right again.
type forgery struct {
	dir       string
	platform  *tree.Platform
	reference *tree.Reference // of hello, the only one; its line of the search file is made of it
	tree      map[string]any
	packages  []map[string]any
}

// forge copies what the school publishes, with hello alone in the catalogue, and lets change change
// it.
func forge(t *testing.T, change func(f *forgery)) (dir string) {
	t.Helper()
	f := &forgery{dir: t.TempDir()}
	from := filepath.Join(school.Published(), testbed.Platform)
	if err := os.CopyFS(filepath.Join(f.dir, testbed.Platform), os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	body := f.read(t, "platform.json")
	var err error
	if f.platform, err = tree.ParsePlatform(body, testbed.Platform); err != nil {
		t.Fatal(err)
	}
	number := f.platform.References.Shard("hello")
	err = f.platform.References.Lines(number, f.read(t, f.platform.References.Path("references", number)), func(line []byte) error {
		r, err := f.platform.References.ParseReference(number, line)
		if err == nil && r.Name == "hello" {
			f.reference = r
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	unpacked, err := z.DecodeAll(f.read(t, f.reference.Tree.Path), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(unpacked, &f.tree); err != nil {
		t.Fatal(err)
	}
	for _, p := range f.tree["packages"].([]any) {
		f.packages = append(f.packages, p.(map[string]any))
	}
	f.seal(t)
	change(f)
	if f.platform != nil {
		f.write(t, "platform.json", f.encode(t, f.platform))
	}
	return f.dir
}

// seal makes the digests right: the tree's in the references, those of the catalogue in the platform.
func (f *forgery) seal(t *testing.T) {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true), zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	body := z.EncodeAll(f.encode(t, f.tree), nil)
	f.reference.Tree = tree.NewRef("trees/hello@", body, ".json.zst")
	f.write(t, f.reference.Tree.Path, body)
	f.sealCatalogue(t)
}

func (f *forgery) sealCatalogue(t *testing.T) {
	t.Helper()
	r := f.reference
	s, search, err := tree.EncodeSearch("search/", [][]byte{(&tree.Entry{NEVRA: r.NEVRA, Summary: r.Summary}).Line()})
	if err != nil {
		t.Fatal(err)
	}
	f.platform.Search = s
	f.write(t, s.Path, search)
	x, shards, err := tree.EncodeIndex([][][]byte{{append(f.encode(t, r), '\n')}})
	if err != nil {
		t.Fatal(err)
	}
	f.platform.References = x
	f.write(t, x.Path("references", 0), shards[0])
}

// sealSearch has a search file of any bytes.
func (f *forgery) sealSearch(t *testing.T, file []byte) {
	t.Helper()
	f.platform.Search.Ref = tree.NewRef("search/", file, ".zst")
	f.write(t, f.platform.Search.Path, file)
}

func (f *forgery) encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (f *forgery) read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(f.dir, testbed.Platform, path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (f *forgery) write(t *testing.T, path string, body []byte) {
	t.Helper()
	// A file may be a hard link into the school.
	at := filepath.Join(f.dir, testbed.Platform, path)
	os.Remove(at)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, body, 0o644); err != nil {
		t.Fatal(err)
	}
}

// What is broken or hostile in a published file is refused with the reason; what the laptop knows,
// has cached and has installed stays as it was, and works.
func TestHostile(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, f *forgery)
		where  string // "refresh" or "install": where it is refused
		code   string
		reason string
	}{
		{"another platform", func(t *testing.T, f *forgery) { f.platform.Platform = "fedora-18-i686" }, "refresh", "repo-not-available", "fedora-18-i686"},
		{"a newer format", func(t *testing.T, f *forgery) { f.platform.Format = tree.Format + 1 }, "refresh", "repo-not-available", "update packagekit-backend-presolve"},
		{"no JSON", func(t *testing.T, f *forgery) { f.write(t, "platform.json", []byte("<html>")); f.platform = nil }, "refresh", "repo-not-available", "no platform.json"},
		{"a platform of 2 MiB", func(t *testing.T, f *forgery) {
			f.write(t, "platform.json", []byte(strings.Repeat(" ", 2<<20)))
			f.platform = nil
		}, "refresh", "repo-not-available", "1048576"},
		{"an older serial", func(t *testing.T, f *forgery) { f.platform.Serial = 1 }, "refresh", "repo-not-available", "older than"},
		{"an older format", func(t *testing.T, f *forgery) { f.platform.Format = 1 }, "refresh", "repo-not-available", "presolver is older"},
		{"three shards", func(t *testing.T, f *forgery) { f.platform.References.Shards = 3 }, "refresh", "repo-not-available", "power of two"},
		{"a search file outside", func(t *testing.T, f *forgery) {
			f.platform.Search.Path = "search/../../" + f.platform.Search.SHA256[:16]
		}, "refresh", "repo-not-available", "plain relative path"},
		{"a search file with another digest", func(t *testing.T, f *forgery) {
			f.write(t, f.platform.Search.Path, []byte(strings.Repeat("x", int(f.platform.Search.Size))))
		}, "refresh", "repo-not-available", "SHA-256"},
		{"a search file that is missing", func(t *testing.T, f *forgery) {
			os.Remove(filepath.Join(f.dir, testbed.Platform, f.platform.Search.Path))
		}, "refresh", "repo-not-available", "404"},
		{"a search file that is no zstd", func(t *testing.T, f *forgery) { f.sealSearch(t, []byte("hello")) }, "refresh", "repo-not-available", "unpacking"},
		{"a search file whose size lies", func(t *testing.T, f *forgery) { f.platform.Search.Size++ }, "refresh", "repo-not-available", "bytes"},
		{"a search file of other lines", func(t *testing.T, f *forgery) { f.platform.Search.Content = strings.Repeat("0", 64) }, "refresh", "repo-not-available", ""},
		{"a name with a path", func(t *testing.T, f *forgery) { f.reference.Name = "../hello"; f.sealCatalogue(t) }, "refresh", "repo-not-available", "../hello"},
		{"a version that breaks the protocol", func(t *testing.T, f *forgery) { f.reference.Version = "1;2"; f.sealCatalogue(t) }, "refresh", "repo-not-available", "1,2"},
		{"references that are missing", func(t *testing.T, f *forgery) {
			os.Remove(filepath.Join(f.dir, testbed.Platform, f.platform.References.Path("references", 0)))
		}, "install", "repo-not-available", "404"},
		{"references of another root", func(t *testing.T, f *forgery) {
			f.write(t, f.platform.References.Path("references", 0), []byte("hello"))
		}, "install", "repo-not-available", "platform.json leads to"},
		{"a tree outside", func(t *testing.T, f *forgery) {
			f.reference.Tree.Path = "trees/../../../etc/" + f.reference.Tree.SHA256[:16]
			f.sealCatalogue(t)
		}, "install", "repo-not-available", "plain relative path"},
		{"a tree with another digest", func(t *testing.T, f *forgery) {
			f.write(t, f.reference.Tree.Path, []byte(strings.Repeat(" ", int(f.reference.Tree.Size))))
		}, "install", "repo-not-available", "SHA-256"},
		{"a tree of a newer format", func(t *testing.T, f *forgery) { f.tree["format"] = 7; f.seal(t) }, "install", "repo-not-available", "format 7"},
		{"another name's tree", func(t *testing.T, f *forgery) { f.tree["name"] = "paint"; f.seal(t) }, "install", "repo-not-available", `"paint"`},
		{"a tree with a loop", func(t *testing.T, f *forgery) { f.packages[0]["requires"] = []int{1}; f.seal(t) }, "install", "repo-not-available", "loop"},
		{"a tree that requires itself", func(t *testing.T, f *forgery) { f.packages[1]["requires"] = []int{1}; f.seal(t) }, "install", "repo-not-available", "loop"},
		{"a location outside", func(t *testing.T, f *forgery) { f.packages[0]["location"] = "../../etc/passwd"; f.seal(t) }, "install", "repo-not-available", "plain relative path"},
		{"a URL that is none", func(t *testing.T, f *forgery) { f.packages[0]["urls"] = []string{"gopher://x/"}; f.seal(t) }, "install", "repo-not-available", "gopher"},
		{"a local file from the network", func(t *testing.T, f *forgery) {
			delete(f.packages[0], "location")
			f.packages[0]["urls"] = []string{"file:///etc/passwd"}
			f.seal(t)
		}, "install", "package-download-failed", "404 Not Found"},
		{"an RPM whose size lies", func(t *testing.T, f *forgery) { f.packages[0]["size"] = 100; f.seal(t) }, "install", "package-corrupt", "bytes"},
		{"an RPM with another digest", func(t *testing.T, f *forgery) {
			f.packages[0]["sha256"] = strings.Repeat("0", 64)
			f.seal(t)
		}, "install", "package-corrupt", "SHA-256"},
		{"an RPM that is none", func(t *testing.T, f *forgery) {
			body := []byte("this is not an RPM, but has the right digest")
			ref := tree.NewRef("", body, "")
			f.write(t, f.packages[0]["location"].(string), body)
			f.packages[0]["sha256"], f.packages[0]["size"] = ref.SHA256, ref.Size
			f.seal(t)
		}, "install", "package-corrupt", "is no RPM"},
		{"an RPM that is another package", func(t *testing.T, f *forgery) {
			first, second := f.packages[0], f.packages[1]
			for _, key := range []string{"location", "sha256", "size"} {
				first[key], second[key] = second[key], first[key]
			}
			f.seal(t)
		}, "install", "package-corrupt", "nothing was installed"},
		{"a base that this laptop hasn't", func(t *testing.T, f *forgery) {
			f.tree["needs"] = []any{map[string]any{"name": "libschool", "version": "3.0", "release": "1", "arch": "x86_64"}}
			f.seal(t)
		}, "install", "dep-resolution-failed", "libschool-3.0-1"},
		{"more than any disk has", func(t *testing.T, f *forgery) { f.packages[0]["installed"] = int64(1) << 60; f.seal(t) }, "install", "no-space-on-device", "free"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			forged := forge(t, func(f *forgery) {
				f.platform.Serial = 3
				f.reference.Summary = "Says hello, they say" // another shard than the one that the laptop has
				f.sealCatalogue(t)
				test.change(t, f)
			})
			good := forge(t, func(f *forgery) { f.platform.Serial = 2 })
			var serve atomic.Value
			serve.Store(good)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.FileServer(http.Dir(serve.Load().(string))).ServeHTTP(w, r)
			}))
			defer server.Close()
			laptop, err := school.Trusting(server.URL, "presolve", "") // or it would end at the signature
			if err != nil {
				t.Fatal(err)
			}
			h := start(t, laptop)
			h.OK("refresh-cache", "no")
			serve.Store(forged)

			refused := h.Answer("refresh-cache", "no")
			if test.where == "install" {
				if laptoptest.ErrorOf(refused) != "" {
					t.Fatal(refused)
				}
				refused = h.Answer("install-packages", "none", "hello;1.0-1;noarch;school")
			}
			if got := laptoptest.ErrorOf(refused); !strings.HasPrefix(got, test.code+"\t") || !strings.Contains(got, test.reason) {
				t.Errorf("answered %q, want %s with %q", got, test.code, test.reason)
			}
			out, err := testbed.RPMQuery(laptop.Root, "-qa")
			if err != nil || strings.Count(out, "\n") != len(testbed.Base) {
				t.Errorf("the RPM database has %q, %v", out, err)
			}

			serve.Store(good)
			h.OK("refresh-cache", "yes")
			h.OK("install-packages", "none", "hello;1.0-1;noarch;school")
			laptoptest.Agrees(t, laptop, h.OK("get-packages", "installed"))
		})
	}
}
