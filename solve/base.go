// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// loadBase reads the RPM database of an installed system and takes its packages for the installed
// ones.
//
// The database is read from a copy: librpm wants to write beside some kinds of database even to
// read them, a root is often a mounted image that can't be written to, and libsolv looks in no
// folder but var/lib/rpm.
func loadBase(ctx context.Context, p *pool, b Base) error {
	db, err := b.Database()
	if err != nil {
		return err
	}
	root, remove, err := makeTemp()
	if err != nil {
		return fmt.Errorf("making a folder for a copy of the base's RPM database: %w", err)
	}
	defer remove()
	if err := copyFiles(ctx, filepath.Join(root, "var/lib/rpm"), db); err != nil {
		return fmt.Errorf("copying the base's RPM database %s: %w", db, err)
	}
	if err := p.readRPMDB(p.addRepo("base"), root); err != nil {
		return fmt.Errorf("reading the base's RPM database %s: %w", db, err)
	}
	if start, end := p.installed(); start == end {
		return fmt.Errorf("the base's RPM database %s has no packages: set base.root and base.rpmdb to an installed system's", db)
	}
	return nil
}

// Database is the folder of the RPM database of the base's root. The error says what to correct.
func (b Base) Database() (string, error) {
	if b.RPMDB != "" {
		db := filepath.Join(b.Root, b.RPMDB)
		if !hasDB(db) {
			return "", fmt.Errorf("there is no RPM database in %s: correct base.rpmdb, or leave it out to have it found", db)
		}
		return db, nil
	}
	for _, folder := range []string{"usr/lib/sysimage/rpm", "var/lib/rpm"} {
		if db := filepath.Join(b.Root, folder); hasDB(db) {
			return db, nil
		}
	}
	return "", fmt.Errorf("there is no RPM database in usr/lib/sysimage/rpm or var/lib/rpm of %s: correct base.root or set base.rpmdb", b.Root)
}

func hasDB(folder string) bool {
	for _, name := range []string{"rpmdb.sqlite", "Packages.db", "Packages"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// copyFiles copies the regular files of a folder.
func copyFiles(ctx context.Context, to, from string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if err := copyFile(ctx, filepath.Join(to, e.Name()), filepath.Join(from, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(ctx context.Context, to, from string) error {
	r, err := OpenRegular(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, Interruptible(ctx, r)); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}
