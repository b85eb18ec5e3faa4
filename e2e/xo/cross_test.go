// SPDX-License-Identifier: GPL-2.0-or-later

package xo

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestCrossBuild builds for the XO and installs into a folder: the helper and the stub are of 32
// bits, know nothing of SSE, and are where the XO's packagekitd looks; presolver isn't built.
func TestCrossBuild(t *testing.T) {
	dir := t.TempDir()
	dest := crossBuild(t, dir)
	want := []string{"usr/lib/i386-linux-gnu/packagekit-backend/presolve/libpk_backend_presolve.so", "usr/libexec/pk-presolve"}
	var got []string
	check(t, filepath.WalkDir(dest, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		if f, err := elf.Open(path); err == nil {
			defer f.Close()
			if f.Machine != elf.EM_386 {
				t.Errorf("%s is for %v", path, f.Machine)
			}
			rel, err := filepath.Rel(dest, path)
			got = append(got, rel)
			return err
		}
		return nil
	}))
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the programs installed are %q, want %q", got, want)
	}
	code, err := exec.Command("objdump", "-d", "--no-show-raw-insn", filepath.Join(dest, want[0])).Output()
	check(t, err)
	if sse := regexp.MustCompile(`.*%xmm.*`).Find(code); sse != nil {
		t.Errorf("the stub uses SSE: %s", sse)
	}
}

// crossBuild builds for an i386 Debian and installs into a folder below dir, which it returns.
func crossBuild(t *testing.T, dir string) string {
	t.Helper()
	need(t, "mmdebstrap", "gcc", "objdump", "pkg-config")
	sysroot, dest := filepath.Join(dir, "sysroot"), filepath.Join(dir, "image")
	if out, err := exec.Command("../../dist/sysroot", "i386", sysroot).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED: Debian's packages for i386 can't be had: %v: %s", err, out)
	}
	env := append(os.Environ(), "GOARCH=386", "GO386=softfloat", "BUILD="+filepath.Join(dir, "build"), "DESTDIR="+dest,
		fmt.Sprintf("CC=gcc -m32 -march=i686 --sysroot=%[1]s -B%[1]s/usr/lib/gcc/i686-linux-gnu/12", sysroot),
		"PKG_CONFIG_SYSROOT_DIR="+sysroot, "PKG_CONFIG_LIBDIR="+filepath.Join(sysroot, "usr/lib/i386-linux-gnu/pkgconfig"))
	for _, script := range []string{"../../dist/build", "../../dist/install"} {
		cmd := exec.Command(script)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	return dest
}

// need skips the test where a program is missing, and fails it in CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%v: run ./setup", err)
			}
			t.Skipf("NOT TESTED: %v: run ./setup; the virtual XO needs Debian's qemu-system-x86 and qemu-utils too", err)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
