package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// Sugar's word processor, 36 real packages, comes over a link that drops every 256 KiB. The packages are not the project's.
func TestInstallWrite(t *testing.T) {
	if !long {
		t.Skip("in the long tier: PRESOLVE_LONG=1")
	}
	corpus, err := filepath.Abs("../../../shared/corpus")
	if err != nil {
		t.Fatal(err)
	}
	rpms, _ := filepath.Glob(filepath.Join(corpus, "rpms", "*.rpm"))
	base, _ := filepath.Glob(filepath.Join(corpus, "base", "*.rpm"))
	if len(rpms) == 0 || len(base) == 0 {
		t.Skipf("SKIPPED: the real packages are not in %s", corpus)
	}
	const platform = "debian-12-x86_64"
	dir := t.TempDir()
	root := filepath.Join(dir, "image")
	if err := testbed.Root(root, base...); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "presolver.toml")
	err = os.WriteFile(config, fmt.Appendf(nil, "platform = %q\narch = \"x86_64\"\noutput = %q\nrpms = \"copy\"\nlayouts = [\"presolve\"]\n"+
		"[[repository]]\nid = \"sugar\"\nurl = \"file://%s/rpms\"\n[base]\nroot = %q\nrpmdb = %q\n[toplevel]\npackages = [\"sugar-write-activity\"]\n",
		platform, filepath.Join(dir, "published"), corpus, root, testbed.DBPath), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := school.Build(config, "--strict"); err != nil {
		t.Fatal(err, out)
	}
	server, err := school.Serve(filepath.Join(dir, "published"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	l := &link{weather: weather{Every: 256 * kib}}
	l.lay(t, server.URL)
	laptop, err := testbed.NewLaptop(filepath.Join(dir, "laptop"), platform, l.url, "presolve", "", base...)
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, laptop)
	var size int64
	var names []string
	for _, line := range h.ok("install-packages", "none", "sugar-write-activity;101-2;noarch;school") {
		if f := strings.Split(line, "\t"); f[0] == "package" && f[1] == "installed" {
			id := strings.Split(f[2], ";")
			_, plain, found := strings.Cut(id[1], ":") // a file's name has no epoch
			if !found {
				plain = id[1]
			}
			fi, err := os.Stat(filepath.Join(dir, "published", platform, "rpms", id[0]+"-"+plain+"."+id[2]+".rpm"))
			if err != nil {
				t.Fatal(err)
			}
			size += fi.Size()
			names = append(names, id[0])
		}
	}
	if len(names) != 36 {
		t.Errorf("%d packages were installed: %q", len(names), names)
	}
	agrees(t, laptop, h.ok("get-packages", "installed"))
	if out, _ := testbed.RPMQuery(laptop.Root, append([]string{"-V", "--nouser", "--nogroup"}, names...)...); out != "" {
		t.Errorf("rpm -V says:\n%s", out)
	}
	count(t, l.received.Load(), size, 0)
}
