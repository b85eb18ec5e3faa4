// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// writePlatforms writes platforms.json, by which a laptop knows which other platforms are published
// beside its own: those whose folders are there. A build of another platform at the same time is
// waited for.
func writePlatforms(ctx context.Context, output string, before func(string) error) error {
	lock, err := os.OpenFile(filepath.Join(output, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("locking the output: %w", err)
	}
	defer lock.Close()
	if err := flock(ctx, lock); err != nil {
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
	f := newFolder(output, []string{""}, before)
	defer f.abandon()
	if err := f.replace("platforms.json", content); err != nil {
		return err
	}
	return f.commit()
}

// Merge makes platforms.json of the platforms in an output folder that several computers write to, whose
// file system may not keep them from doing so at once. It gives their names.
func Merge(ctx context.Context, output string) (names []string, err error) {
	if err := writePlatforms(ctx, output, func(string) error { return nil }); err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(output, "platforms.json"))
	if err != nil {
		return nil, err
	}
	all, err := tree.ParsePlatforms(data)
	if err != nil {
		return nil, err
	}
	for _, p := range all.Platforms {
		names = append(names, p.Platform)
	}
	return names, nil
}

// flock waits for a lock on a file until ctx ends.
func flock(ctx context.Context, file *os.File) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}
