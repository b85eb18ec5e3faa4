// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// writePlatforms writes platforms.json, by which a laptop knows which other platforms are published
// beside its own: those whose folders are there. A build of another platform at the same time is
// waited for.
func writePlatforms(output string, before func(string) error) error {
	lock, err := os.OpenFile(filepath.Join(output, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("locking the output: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("locking the output: %w", err)
	}
	entries, err := os.ReadDir(output) // sorted
	if err != nil {
		return fmt.Errorf("looking for other platforms: %w", err)
	}
	all := &tree.Platforms{Format: tree.Format, Platforms: []tree.PlatformEntry{}}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(output, e.Name(), "platform.json"))
		if err != nil {
			continue // no platform's folder
		}
		if p, err := tree.ParsePlatform(data, e.Name()); err == nil {
			all.Platforms = append(all.Platforms, tree.PlatformEntry{Platform: p.Platform, Arch: p.Arch})
		}
	}
	content, err := all.Encode()
	if err != nil {
		return err
	}
	f := newFolder(output, before)
	defer f.abandon()
	if old, err := os.ReadFile(f.path("platforms.json")); err == nil && bytes.Equal(old, content) {
		return nil
	}
	if err := f.replace("platforms.json", content); err != nil {
		return err
	}
	return f.commit()
}
