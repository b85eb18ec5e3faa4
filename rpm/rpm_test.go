// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/google/rpmpack"
)

// newRoot makes an empty system with a database by the real rpm. Without rpm, or without root's
// rights (rpm --root is a chroot), there is nothing to test.
func newRoot(t *testing.T) Database {
	t.Helper()
	if _, err := exec.LookPath("rpm"); err != nil || os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("these tests need the program rpm, and root's rights to run it with --root")
		}
		t.Skip("NOT TESTED: there is no program rpm here, or no root's rights to run it with --root")
	}
	d := Database{Root: t.TempDir(), Path: "/var/lib/rpm"}
	run(t, d, "--initdb")
	return d
}

// run runs rpm on a database and gives what it prints.
func run(t *testing.T, d Database, args ...string) string {
	t.Helper()
	out, err := exec.Command("rpm", append([]string{"--root", d.Root, "--dbpath", d.Path}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("rpm %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// A pack is an RPM to make.
type pack struct {
	name, version, release string // version and release: 1 where empty
	epoch                  uint32
	requires, conflicts    string
	obsoletes              []string
	source                 bool // a source package
	files                  map[string]string
	key                    *openpgp.Entity // that signs it
	pre, post              string          // Lua
}

// make writes the RPM into a folder and gives its path.
func (p pack) make(t *testing.T, dir string) string {
	t.Helper()
	meta := rpmpack.RPMMetaData{
		Name: p.name, Version: or1(p.version), Release: or1(p.release), Epoch: p.epoch, Arch: "noarch",
		Summary: "Summary of " + p.name, Description: "Line one\nÜmlaut two", Licence: "GPL-2.0", URL: "http://example.org/" + p.name, Compressor: "gzip",
		BuildTime: time.Unix(1700000000, 0), // rpm --rebuilddb drops what has none
	}
	if p.epoch == 0 {
		meta.Epoch = rpmpack.NoEpoch
	}
	for list, s := range map[*rpmpack.Relations]string{&meta.Requires: p.requires, &meta.Conflicts: p.conflicts} {
		if s != "" {
			r, err := rpmpack.NewRelation(s)
			if err != nil {
				t.Fatal(err)
			}
			*list = append(*list, r)
		}
	}
	for _, s := range p.obsoletes {
		if err := meta.Obsoletes.Set(s); err != nil {
			t.Fatal(err)
		}
	}
	r, err := rpmpack.NewRPM(meta)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range p.files {
		r.AddFile(rpmpack.RPMFile{Name: name, Body: []byte(body), Mode: 0o100644, Owner: "root", Group: "root"})
	}
	// The tags of %pre and %post and of what runs them (rpmtag.h).
	for tag, script := range map[int]string{1023: p.pre, 1024: p.post} {
		if script != "" {
			r.AddCustomTag(tag, rpmpack.EntryString(script))
			r.AddCustomTag(map[int]int{1023: 1085, 1024: 1086}[tag], rpmpack.EntryString("<lua>"))
		}
	}
	if p.key != nil {
		r.SetPGPSigner(func(what []byte) ([]byte, error) {
			var b bytes.Buffer
			err := openpgp.DetachSign(&b, p.key, bytes.NewReader(what), nil)
			return b.Bytes(), err
		})
	}
	if p.source {
		r.AddCustomTag(tagSourcepackage, rpmpack.EntryInt32([]int32{1}))
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, p.name+".rpm")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func or1(s string) string {
	if s == "" {
		return "1"
	}
	return s
}

// install makes packages and installs them.
func install(t *testing.T, d Database, packs ...pack) {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for _, p := range packs {
		files = append(files, p.make(t, dir))
	}
	if err := d.Install(nil, files, false, func(Step) {}); err != nil {
		t.Fatal(err)
	}
}

// read gives the headers of a database by name.
func read(t *testing.T, d Database) map[string]*Header {
	t.Helper()
	all := make(map[string]*Header)
	err := d.Read(t.Context(), func(string) bool { return false }, func(_ string, h *Header) error {
		all[h.Name] = h
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
