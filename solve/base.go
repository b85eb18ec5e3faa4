// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
)

// loadBase reads the RPM database of an installed system and takes its packages for the installed
// ones. It gives the digest of the database.
//
// The database is read from a copy: librpm wants to write beside some kinds of database even to
// read them, a root is often a mounted image that can't be written to, and libsolv looks in no
// folder but var/lib/rpm. One of a kind that this server's librpm can't read, as openSUSE's is for
// Debian's, is read by package rpm, as laptops do, and written anew by this server's rpmdb.
func loadBase(ctx context.Context, p *pool, b Base) (digest string, err error) {
	db, err := b.find()
	if err != nil {
		return "", err
	}
	root, remove, err := makeTemp()
	if err != nil {
		return "", fmt.Errorf("making a folder for a copy of the base's RPM database: %w", err)
	}
	defer remove()
	copied := filepath.Join(root, "var/lib/rpm")
	names, err := copyFiles(ctx, copied, db)
	if err == nil {
		digest, err = digestOf(ctx, copied, names)
	}
	if err != nil {
		return "", fmt.Errorf("copying the base's RPM database %s: %w", db.File(), err)
	}
	return digest, readBase(ctx, p, db, root)
}

// readBase reads a copy of a database in var/lib/rpm of root.
func readBase(ctx context.Context, p *pool, db rpm.Database, root string) error {
	base := p.addRepo("base")
	err := p.readRPMDB(base, root)
	if start, end := p.installed(); err == nil && start < end {
		return nil
	}
	n := 0
	if err := db.Headers(ctx, func([]byte) error { n++; return nil }); err != nil {
		return fmt.Errorf("the base: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("the base's RPM database %s has no packages: set base.root and base.rpmdb to an installed system's", db.Dir())
	}
	anew := filepath.Join(root, "anew")
	if failed := convert(ctx, db, anew); failed != nil {
		return fmt.Errorf("the base's RPM database %s is of a kind that this server's rpm can't read (%v) and can't be converted: %w", db.File(), err, failed)
	}
	if err := p.readRPMDB(base, anew); err != nil {
		return fmt.Errorf("reading the base's RPM database %s, converted: %w", db.File(), err)
	}
	if start, end := p.installed(); start == end {
		return fmt.Errorf("this server's rpm reads nothing of the %d packages in the base's RPM database %s", n, db.File())
	}
	return nil
}

// convert writes the packages of a database into one of the kind that this server's rpm makes, in
// the folder var/lib/rpm of a new root.
func convert(ctx context.Context, db rpm.Database, root string) error {
	dir := filepath.Join(root, "var/lib/rpm")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "rpmdb", "--dbpath", dir, "--importdb")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("running rpmdb: %w", err)
	}
	// A list of headers: each with the eight bytes before it that it has in a file.
	magic := []byte{0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0}
	err = db.Headers(ctx, func(header []byte) error {
		if _, err := stdin.Write(magic); err != nil {
			return err
		}
		_, err := stdin.Write(header)
		return err
	})
	err = errors.Join(err, stdin.Close())
	if failed := cmd.Wait(); failed != nil {
		return fmt.Errorf("rpmdb --importdb: %w: %s", failed, Visible(cut(strings.TrimSpace(said.String()), 500)))
	}
	return err
}

// Database is the folder of the RPM database of the base's root. The error says what to correct.
func (b Base) Database() (string, error) {
	db, err := b.find()
	if err != nil {
		return "", err
	}
	return db.Dir(), nil
}

// find is the RPM database of the base's root. Of several the one counts that has packages.
func (b Base) find() (rpm.Database, error) {
	db := rpm.FindDatabase(b.Root, b.RPMDB)
	switch {
	case db.File() != "":
		return db, nil
	case b.RPMDB != "":
		return db, fmt.Errorf("there is no RPM database in %s: correct base.rpmdb, or leave it out to have it found", db.Dir())
	}
	return db, fmt.Errorf("there is no RPM database in usr/lib/sysimage/rpm or var/lib/rpm of %s: correct base.root or set base.rpmdb", b.Root)
}

// databaseFiles are the regular files in a database's folder, without those of databases of other
// kinds, which librpm might take for it.
func databaseFiles(db rpm.Database) ([]string, error) {
	file := filepath.Base(db.File())
	names, err := regularFiles(db.Dir())
	return slices.DeleteFunc(names, func(name string) bool {
		name = strings.TrimSuffix(strings.TrimSuffix(name, "-wal"), "-shm")
		return name != file && slices.Contains(rpm.Files(), name)
	}), err
}

// copyFiles copies the files of a database and gives their names.
func copyFiles(ctx context.Context, to string, db rpm.Database) (names []string, err error) {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return nil, err
	}
	if names, err = databaseFiles(db); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := copyFile(ctx, filepath.Join(to, name), filepath.Join(db.Dir(), name)); err != nil {
			return nil, err
		}
	}
	return names, nil
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
