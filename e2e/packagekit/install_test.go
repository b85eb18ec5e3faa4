// SPDX-License-Identifier: GPL-2.0-or-later

package packagekit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// "task install" puts everything where it belongs below DESTDIR, "task uninstall" takes it away
// again, and both leave an edited configuration alone.
func TestInstallation(t *testing.T) {
	build, dest := t.TempDir(), t.TempDir()
	for name, from := range map[string]string{"pk-presolve": school.Tools.Helper, "presolver": school.Presolver, "libpk_backend_presolve.so": pktest.Build(t)} {
		check(t, os.Symlink(from, filepath.Join(build, name)))
	}
	run := func(script string, args ...string) string {
		t.Helper()
		cmd := exec.Command("../../dist/"+script, args...)
		cmd.Env = append(os.Environ(), "BUILD="+build, "DESTDIR="+dest)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	out, err := exec.Command("pkg-config", "--variable=libdir", "packagekit-glib2").Output()
	check(t, err)
	backends := strings.TrimSpace(string(out)) + "/packagekit-backend/"
	want := []string{
		"/etc/PackageKit/presolve.toml 644",
		"/usr/bin/presolver 755",
		"/usr/lib/firewalld/services/presolver.xml 644",
		"/usr/lib/systemd/system/presolver-build@.service 644",
		"/usr/lib/systemd/system/presolver-build@.timer 644",
		"/usr/lib/systemd/system/presolver.service 644",
		"/usr/lib/systemd/system/presolver.socket 644",
		"/usr/lib/sysusers.d/packagekit-backend-presolve.conf 644",
		"/usr/lib/sysusers.d/presolver.conf 644",
		"/usr/lib/tmpfiles.d/presolver.conf 644",
		backends + "presolve/libpk_backend_presolve.so 644",
		"/usr/libexec/pk-presolve 755",
		"/usr/sbin/pk-presolve 777",
		"/usr/sbin/presolve-backend 755",
		"/usr/share/bash-completion/completions/pk-presolve 644",
		"/usr/share/bash-completion/completions/presolver 644",
		"/usr/share/doc/packagekit-backend-presolve/examples/sugar-launch-packaged 644",
		"/usr/share/doc/packagekit-backend-presolve/presolve.toml 644",
		"/usr/share/doc/presolver/presolver.toml 644",
		"/usr/share/packagekit-backend-presolve/sugar/packagekit.py 644",
		"/usr/share/man/man1/presolver.1 644",
		"/usr/share/man/man5/presolve.toml.5 644",
		"/usr/share/man/man8/pk-presolve.8 644",
		"/usr/share/man/man8/presolve-backend.8 644",
	}
	slices.Sort(want)
	const helper = "/usr/libexec/pk-presolve"
	for _, path := range []string{pktest.Build(t), "../../doc/pk-presolve.8"} {
		if text, err := os.ReadFile(path); err != nil || !bytes.Contains(text, []byte(helper)) {
			t.Errorf("%s doesn't know %s: %v", path, helper, err)
		}
	}
	config := filepath.Join(dest, "etc/PackageKit/presolve.toml")
	for range 2 { // the second is an update
		run("install")
		if got := files(t, dest); !slices.Equal(got, want) {
			t.Errorf("installed\n%q, want\n%q", got, want)
		}
		check(t, os.WriteFile(config, []byte("platform = \"mine\"\n"), 0o644))
	}
	if link, err := filepath.EvalSymlinks(filepath.Join(dest, "usr/sbin/pk-presolve")); err != nil || link != filepath.Join(dest, helper) {
		t.Errorf("pk-presolve leads to %s, %v", link, err)
	}

	// PackageKit's configuration is what it was when the backend is no longer used, or removed.
	daemon, link := filepath.Join(dest, "etc/PackageKit/PackageKit.conf"), filepath.Join(dest, backends, "libpk_backend_presolve.so")
	for _, before := range []string{"", "[Daemon]\n#DefaultBackend=auto\n", "# x\n[Daemon]\nKeepCache=false\n DefaultBackend = apt\n"} {
		for _, off := range [][]string{{"presolve-backend", "off"}, {"install", "--uninstall"}} {
			check(t, os.WriteFile(daemon, []byte(before), 0o644))
			for range 2 {
				run("presolve-backend", "on")
				if text := read(t, daemon); !regexp.MustCompile(`\[Daemon\]\nDefaultBackend=presolve\n`).MatchString(text) || len(regexp.MustCompile(`(?m)^ *DefaultBackend`).FindAllString(text, -1)) != 1 {
					t.Errorf("%q became %q", before, text)
				}
				if _, err := os.Stat(link); err != nil {
					t.Error(err)
				}
			}
			run(off[0], off[1:]...)
			if text := read(t, daemon); text != before && text != "[Daemon]\n" {
				t.Errorf("%q is in the end %q", before, text)
			}
			if _, err := os.Lstat(link); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the link: %v", err)
			}
			run("install")
		}
	}
	check(t, os.Remove(daemon))

	if said := run("install", "--uninstall"); !strings.Contains(said, "it was edited") {
		t.Errorf("uninstall says %q", said)
	}
	if got := files(t, dest); !slices.Equal(got, want[:1]) {
		t.Errorf("left: %q", got)
	}
	check(t, os.Remove(config))
	run("install")
	run("install", "--uninstall")
	if got := files(t, dest); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	return string(text)
}

// files are the files below a folder, with their modes.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		all = append(all, strings.TrimPrefix(path, dir)+fmt.Sprintf(" %o", info.Mode().Perm()))
		return err
	}))
	slices.Sort(all)
	return all
}

// The configuration to start with says what is missing; with its keys switched on it is a right
// one.
func TestConfigurationToStartWith(t *testing.T) {
	data, err := os.ReadFile("../../dist/presolve.toml")
	check(t, err)
	file := filepath.Join(t.TempDir(), "presolve.toml")
	root := t.TempDir()
	check(t, testbed.Root(root))
	folder := "root = \"" + root + "\"\nrpmdb = \"" + testbed.DBPath + "\"\nstate = \"" + t.TempDir() + "\"\ncache = \"" + t.TempDir() + "\"\n"
	for text, want := range map[string]string{
		string(data): "error\tfailed-config-parsing\t" + file + ": platform is missing",
		folder + string(regexp.MustCompile(`(?m)^#([a-z\[])`).ReplaceAll(data, []byte("$1"))): "error\tnot-supported",
	} {
		check(t, os.WriteFile(file, []byte(text), 0o644))
		out, _ := exec.Command(school.Tools.Helper, "--config", file, "--one-shot", "frobnicate").Output()
		if !strings.Contains(string(out), want) {
			t.Errorf("%s\nsays %q, want %q", text, out, want)
		}
	}
}

// Every key that a page about a configuration has to have is there.
func TestManual(t *testing.T) {
	for page, source := range map[string]string{"presolve.toml.5": "pk-presolve", "presolver.1": "presolver"} {
		text, err := os.ReadFile("../../doc/" + page)
		check(t, err)
		code, err := os.ReadFile("../../cmd/" + source + "/config.go")
		check(t, err)
		for _, key := range regexp.MustCompile(`toml:"([a-z_]+)"`).FindAllStringSubmatch(string(code), -1) {
			if key[1] != "signing" && key[1] != "key" && !regexp.MustCompile(`\b`+key[1]+`\b`).Match(text) {
				t.Errorf("%s doesn't have %s", page, key[1])
			}
		}
	}
}
