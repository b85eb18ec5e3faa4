// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gorpmdb "github.com/knqyf263/go-rpmdb/pkg"
)

func TestFindDatabase(t *testing.T) {
	const sysimage, lib = "/usr/lib/sysimage/rpm", "/var/lib/rpm"
	tests := []struct {
		name, path string
		there      []string // files and, with a "/" at the end, folders in the root
		want       string
	}{
		{"nothing there", "", nil, lib},
		{"the configuration says", "/srv/rpm", []string{lib + "/Packages"}, "/srv/rpm"},
		{"bdb, as on the XO", "", []string{lib + "/Packages"}, lib},
		{"ndb", "", []string{sysimage + "/Packages.db"}, sysimage},
		{"sqlite", "", []string{sysimage + "/rpmdb.sqlite"}, sysimage},
		{"two databases", "", []string{sysimage + "/rpmdb.sqlite", lib + "/Packages"}, sysimage},
		{"a database before an empty folder", "", []string{sysimage + "/", lib + "/Packages"}, lib},
		{"two empty folders", "", []string{sysimage + "/", lib + "/"}, sysimage},
		{"one empty folder", "", []string{lib + "/"}, lib},
		{"a folder called like a database", "", []string{sysimage + "/Packages/", lib + "/rpmdb.sqlite"}, lib},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for _, f := range tt.there {
				at := filepath.Join(root, f)
				if strings.HasSuffix(f, "/") {
					must(t, os.MkdirAll(at, 0o755))
					continue
				}
				must(t, os.MkdirAll(filepath.Dir(at), 0o755))
				must(t, os.WriteFile(at, nil, 0o644))
			}
			if got := FindDatabase(root, tt.path); got != (Database{root, tt.want}) {
				t.Errorf("FindDatabase = %v, want %s", got, tt.want)
			}
		})
	}
}

func TestReadWhatRPMWrote(t *testing.T) {
	d := newRoot(t)
	install(t, d, pack{name: "plain"}, pack{name: "full", version: "1.0~rc1^git", release: "2.fc18", epoch: 3,
		files: map[string]string{"/opt/a/one": "1", "/opt/a/two": "22", "/opt/ü": "333"}})
	all := read(t, d)
	if len(all) != 2 {
		t.Fatalf("the database has %v", all)
	}
	h := all["full"]
	if files, want := h.Files(), []string{"/opt/a/one", "/opt/a/two", "/opt/ü"}; !slices.Equal(files, want) {
		t.Errorf("files %q, want %q", files, want)
	}
	if files := all["plain"].Files(); files != nil {
		t.Errorf("a package without files has %q", files)
	}
	got := *h
	got.header = nil
	want := Header{Name: "full", Epoch: 3, Version: "1.0~rc1^git", Release: "2.fc18", Arch: "noarch", Summary: "Summary of full",
		Description: "Line one\nÜmlaut two", License: "GPL-2.0", URL: "http://example.org/full", Size: 6}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	names := strings.Fields(run(t, d, "-qa", "--qf", "%{name}\n"))
	if len(names) != len(all) {
		t.Errorf("rpm -qa says %q", names)
	}
}

func TestKnownHeadersAreNotParsed(t *testing.T) {
	d := newRoot(t)
	install(t, d, pack{name: "one"}, pack{name: "two"})
	known := make(map[string]bool)
	must(t, d.Read(t.Context(), func(string) bool { return false }, func(digest string, h *Header) error {
		known[digest] = true
		return nil
	}))
	if len(known) != 2 {
		t.Fatalf("digests %v", known)
	}
	install(t, d, pack{name: "three"})
	var asked, added []string
	must(t, d.Read(t.Context(), func(digest string) bool { asked = append(asked, digest); return known[digest] }, func(digest string, h *Header) error {
		added = append(added, h.Name)
		return nil
	}))
	if len(asked) != 3 || !slices.Equal(added, []string{"three"}) {
		t.Errorf("asked for %q and given %q, want three and only \"three\"", asked, added)
	}
	stop := errors.New("stop")
	calls := 0
	err := d.Read(t.Context(), func(string) bool { return false }, func(string, *Header) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("Read: %v after %d packages, want yield's error after the first", err, calls)
	}
}

func TestStateChangesWithTheDatabaseOnly(t *testing.T) {
	d := newRoot(t)
	state := func() string {
		t.Helper()
		s, err := d.State()
		must(t, err)
		return s
	}
	if s, err := (Database{Root: t.TempDir(), Path: "/var/lib/rpm"}).State(); s != "" || err != nil {
		t.Errorf("a database that is not there has the state %q, %v", s, err)
	}
	must(t, Database{Root: t.TempDir(), Path: "/var/lib/rpm"}.Read(t.Context(), nil, nil)) // has no packages either
	empty := state()
	install(t, d, pack{name: "one"})
	one := state()
	if empty == "" || one == empty {
		t.Errorf("the state is %q before and %q after an install", empty, one)
	}
	for range 3 {
		read(t, d)
		run(t, d, "-qa")
		if s := state(); s != one {
			t.Errorf("the state is %q before and %q after reading", one, s)
		}
	}
	run(t, d, "-e", "one")
	if s := state(); s == one {
		t.Error("the state is the same after an erase")
	}
}

// testdata copies databases of real systems from go-rpmdb's tests: sqlite puts files beside what it
// reads.
func testdata(t testing.TB, paths ...string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/knqyf263/go-rpmdb").Output()
	copies := t.TempDir()
	for _, path := range paths {
		b, readErr := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "pkg", "testdata", path))
		if err != nil || readErr != nil {
			t.Skip("NOT TESTED: go-rpmdb's testdata is not in the module cache")
		}
		must(t, os.MkdirAll(filepath.Join(copies, filepath.Dir(path)), 0o755))
		must(t, os.WriteFile(filepath.Join(copies, path), b, 0o644))
	}
	return copies
}

// systems are some of them: each format, both byte orders of bdb.
var systems = []string{"centos5-plain/Packages", "centos6-plain/Packages", "ubi8-s390x/Packages", "sle15-bci/Packages.db", "fedora35/rpmdb.sqlite"}

func TestReadRealSystems(t *testing.T) {
	dir := testdata(t, systems...)
	for _, path := range systems {
		t.Run(path, func(t *testing.T) {
			got := make(map[string]bool)
			for _, h := range readFile(t, filepath.Join(dir, path)) {
				got[fmt.Sprintf("%s-%d:%s-%s.%s %q %d", h.Name, h.Epoch, h.Version, h.Release, h.Arch, h.Summary, len(h.Files()))] = true
			}
			other, err := gorpmdb.Open(filepath.Join(dir, path))
			must(t, err)
			packages, err := other.ListPackages()
			must(t, err)
			want := 0
			for _, p := range packages {
				if p.Name == "gpg-pubkey" {
					continue
				}
				want++
				files, err := p.InstalledFileNames()
				must(t, err)
				line := fmt.Sprintf("%s-%d:%s-%s.%s %q %d", p.Name, p.EpochNum(), p.Version, p.Release, p.Arch, p.Summary, len(files))
				if !got[line] {
					t.Errorf("%s is missing", line)
				}
			}
			if want == 0 || len(got) != want {
				t.Errorf("%d packages, go-rpmdb says %d", len(got), want)
			}
		})
	}
}

func readFile(t *testing.T, path string) []*Header {
	t.Helper()
	var all []*Header
	must(t, Database{Root: "/", Path: filepath.Dir(path)}.Read(t.Context(), func(string) bool { return false }, func(_ string, h *Header) error {
		all = append(all, h)
		return nil
	}))
	return all
}

// A database that is damaged is one that is read while rpm writes to it, too: it must say so, and
// not seem to have fewer packages.
func TestDamagedDatabase(t *testing.T) {
	paths := []string{"libuuid/Packages", "sle15-bci/Packages.db", "cbl-mariner-2.0/rpmdb.sqlite"}
	dir := testdata(t, paths...)
	for _, path := range paths {
		whole, err := os.ReadFile(filepath.Join(dir, path))
		must(t, err)
		count := len(readFile(t, filepath.Join(dir, path)))
		d := Database{Root: t.TempDir(), Path: "/"}
		at := filepath.Join(d.Root, filepath.Base(path))
		check := func(what string, data []byte, mustFail bool) {
			t.Helper()
			must(t, os.WriteFile(at, data, 0o644))
			n := 0
			err := d.Read(t.Context(), func(string) bool { return false }, func(_ string, h *Header) error { h.Files(); n++; return nil })
			if err == nil && (mustFail || n != count) {
				t.Errorf("%s, %s: read %d of %d packages and no error", path, what, n, count)
			}
			if err != nil && !strings.Contains(err.Error(), at) {
				t.Errorf("%s, %s: %v does not say which file", path, what, err)
			}
		}
		check("whole", whole, false)
		check("empty", nil, true)
		check("a few bytes", whole[:10], true)
		for _, part := range []int{2, 3, 10} {
			check("cut off", whole[:len(whole)/part], true)
		}
		check("not a database", []byte(strings.Repeat("<html>", 1000)), true)
		for page := 4096; page < len(whole); page += max(4096, len(whole)/40/4096*4096) {
			b := slices.Clone(whole)
			for i := page; i < page+64; i++ {
				b[i] ^= 0xff
			}
			must(t, os.WriteFile(at, b, 0o644))
			// What the change hits may be nobody's: no error, then, and no panic or endless loop in
			// any case.
			d.Read(t.Context(), func(string) bool { return false }, func(_ string, h *Header) error { h.Files(); return nil })
		}
	}
}

// A chain of pages that runs in a circle.
func TestBDBCircle(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join(testdata(t, "libuuid/Packages"), "libuuid/Packages"))
	must(t, err)
	size := int(binary.LittleEndian.Uint32(whole[20:]))
	for page := range len(whole) / size {
		if whole[page*size+25] == 7 { // an overflow page: now it leads to itself
			binary.LittleEndian.PutUint32(whole[page*size+16:], uint32(page))
		}
	}
	path := filepath.Join(t.TempDir(), "Packages")
	must(t, os.WriteFile(path, whole, 0o644))
	if err := readBDB(t.Context(), path, func([]byte) error { return nil }); err == nil {
		t.Error("no error")
	}
}

func TestWatchNoticesRPM(t *testing.T) {
	d := newRoot(t)
	changed := make(chan struct{}, 1000)
	stop, err := d.Watch(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	must(t, err)
	before, err := d.State()
	must(t, err)
	waitForChange := func(what string) {
		t.Helper()
		for {
			<-changed
			after, err := d.State()
			must(t, err)
			if after != before {
				before = after
				return
			}
		}
	}
	install(t, d, pack{name: "one"})
	waitForChange("an install")
	run(t, d, "--rebuilddb") // another folder takes the place of this one
	before, err = d.State()
	must(t, err)
	for len(changed) > 0 {
		<-changed
	}
	install(t, d, pack{name: "two"})
	waitForChange("an install after the database was rebuilt")
	stop()
	if _, err := (Database{Root: t.TempDir(), Path: "/var/lib/rpm"}).Watch(func() {}); err == nil {
		t.Error("a folder that is not there was watched")
	}
}

func FuzzParseHeader(f *testing.F) {
	f.Add(installed)
	f.Add(blob(named()...))
	for _, h := range hostile {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, blob []byte) { within(t, len(blob), func() { use(blob) }) })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
