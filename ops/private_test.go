// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPrivateFolders(t *testing.T) {
	syscall.Umask(0o022)
	mkdir := func(path string, mode os.FileMode) error {
		return errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, mode))
	}
	for _, test := range []struct {
		name string
		made func(dir string) error
		want string // in the error; "": both are closed to others
	}{
		{"nothing", func(string) error { return nil }, ""},
		{"an older installation", func(d string) error {
			return errors.Join(mkdir(d+"/state", 0o755), mkdir(d+"/cache", 0o755), mkdir(d+"/cache/rpms", 0o755), mkdir(d+"/cache/lost+found", 0o700),
				os.WriteFile(d+"/state/record.sqlite", nil, 0o644))
		}, ""},
		{"a folder that everybody writes", func(d string) error { return mkdir(d+"/state", 0o777|os.ModeSticky) }, ""},
		{"a folder that is private, with others' folders", func(d string) error {
			return errors.Join(mkdir(d+"/state/x", 0o755), os.Chmod(d+"/state", 0o700))
		}, ""},
		{"a link", func(d string) error {
			return errors.Join(mkdir(d+"/elsewhere", 0o755), os.Symlink("elsewhere", d+"/state"))
		}, "is a link"},
		{"a link to nothing", func(d string) error { return os.Symlink("elsewhere", d+"/cache") }, "is a link"},
		{"somebody's", func(d string) error { return errors.Join(mkdir(d+"/state", 0o755), os.Chown(d+"/state", 65534, 65534)) }, "belongs to the user 65534"},
		{"everybody's", func(d string) error { return mkdir(d+"/cache/dnf", 0o755) }, "has the folder dnf"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := test.made(dir); errors.Is(err, syscall.EPERM) {
				t.Skipf("NOT TESTED, this needs root: %v", err)
			} else if err != nil {
				t.Fatal(err)
			}
			modes := func() map[string]os.FileMode {
				all := map[string]os.FileMode{}
				for _, name := range []string{"state", "cache", "elsewhere"} {
					if fi, err := os.Stat(filepath.Join(dir, name)); err == nil {
						all[name] = fi.Mode()
					}
				}
				return all
			}
			before := modes()
			for range 2 { // the second time there is nothing to do
				err := PrivateFolders([]string{dir + "/state/", dir + "/cache"}, "rpms")
				if test.want != "" {
					if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
						t.Errorf("%v, want %q", err, test.want)
					}
					for name, mode := range modes() {
						if was, ok := before[name]; ok && mode != was {
							t.Errorf("%s had the mode %v and has %v", name, was, mode)
						}
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range []string{"state", "cache"} {
					if mode := modes()[name]; mode != os.ModeDir|0o700 {
						t.Errorf("%s has the mode %v", name, mode)
					}
				}
			}
		})
	}
}

// One in the other is no folder of another program.
func TestPrivateFoldersNested(t *testing.T) {
	dir := t.TempDir() + "/presolve"
	if err := os.MkdirAll(dir+"/a/cache", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := PrivateFolders([]string{dir, dir + "/a/cache"}, "rpms"); err != nil {
		t.Fatal(err)
	}
	if err := PrivateFolders([]string{dir, dir}, "rpms"); err != nil {
		t.Fatal(err)
	}
}

// What is no folder is left as it is: whoever needs it says so, and queries are answered all the
// same.
func TestPrivateFoldersThatAreNone(t *testing.T) {
	for name, made := range map[string]func(path string) error{
		"a file": func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"a pipe": func(path string) error { return syscall.Mkfifo(path, 0o644) },
	} {
		dir := t.TempDir()
		if err := made(dir + "/cache"); err != nil {
			t.Fatal(err)
		}
		before, err := os.Lstat(dir + "/cache")
		if err != nil {
			t.Fatal(err)
		}
		if err := PrivateFolders([]string{dir + "/state", dir + "/cache"}, "rpms"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.Lstat(dir + "/cache"); err != nil || after.Mode() != before.Mode() {
			t.Errorf("%s: %v, %v", name, after.Mode(), err)
		}
		if state, err := os.Stat(dir + "/state"); err != nil || state.Mode() != os.ModeDir|0o700 {
			t.Errorf("%s: the state has %v, %v", name, state.Mode(), err)
		}
	}
}
