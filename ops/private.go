// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// PrivateFolders makes folders of this program's own that only its user can enter: what is in them
// is locked, and grows, while commands wait for it, so nobody else may open any of it. Those that
// are there already are closed to others; one that belongs to somebody else, is a link, or has
// other programs' folders in it is an error that says what to do. own are the names of the folders
// that this program makes in them. Nothing in them may have been opened. A folder that can't be
// made or opened is left alone: whatever needs it says so, and all else goes on.
func PrivateFolders(folders []string, own ...string) error {
	folders = slices.Clone(folders)
	for i := range folders {
		folders[i] = filepath.Clean(folders[i])
	}
	for _, folder := range folders {
		if err := privateFolder(folder, func(name string) bool {
			inner := filepath.Join(folder, name)
			return slices.Contains(own, name) || slices.ContainsFunc(folders, func(f string) bool {
				return f == inner || strings.HasPrefix(f, inner+"/")
			})
		}); err != nil && !errors.As(err, new(*fs.PathError)) {
			return err
		}
	}
	return nil
}

func privateFolder(path string, own func(name string) bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making a folder: %w", err)
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s is a link: name the folder that it leads to in the configuration", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("looking at a folder: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("looking at a folder: %w", err)
	}
	if s, ok := fi.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to the user %d: give it to the user %d (chown), or name another folder in the configuration", path, s.Uid, os.Geteuid())
	}
	if fi.Mode().Perm()&0o077 == 0 {
		return nil
	}
	// To close a folder that others need, such as /var/cache itself, would harm the system.
	entries, err := f.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("looking at a folder: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != "lost+found" && !own(e.Name()) {
			return fmt.Errorf("%s has the folder %s, which is not of this program: name a folder in the configuration that nothing else uses", path, e.Name())
		}
	}
	if err := f.Chmod(0o700); err != nil {
		return fmt.Errorf("closing a folder to others: %w", err)
	}
	return nil
}
