// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A Policy is how this computer's rpm is configured, in macros: for the run that asks, which has
// the user, the environment and the root of the runs that install.
type Policy struct {
	// Demands is the level (%_pkgverify_level) for which rpm refuses what isn't signed by a key in
	// its keyring: "all" or "signature". It is empty where a package's own digests will do, and for
	// an rpm before 4.14.2, which has no levels.
	Demands string
	backend string // what a new database is made with: "sqlite"; "" where rpm can't say
}

// Policy asks rpm.
func (d Database) Policy(ctx context.Context) (Policy, error) {
	var out strings.Builder
	args := []string{"--eval", "%{?_pkgverify_level}", "--eval", "%{?_db_backend}"}
	err := d.run(ctx, nil, args, func(stdout io.Reader) { io.Copy(&out, io.LimitReader(stdout, 1000)) })
	if err != nil {
		return Policy{}, fmt.Errorf("asking rpm how it is configured: %w", err)
	}
	level, rest, _ := strings.Cut(out.String(), "\n")
	backend, _, _ := strings.Cut(rest, "\n")
	p := Policy{backend: backend}
	if level == "all" || level == "signature" {
		p.Demands = level
	}
	return p, nil
}

// Version is this computer's rpm, for people: "RPM version 4.18.0".
func (d Database) Version(ctx context.Context) (string, error) {
	var out strings.Builder
	err := d.run(ctx, nil, []string{"--version"}, func(stdout io.Reader) { io.Copy(&out, io.LimitReader(stdout, 100)) })
	if err != nil {
		return "", fmt.Errorf("asking rpm for its version: %w", err)
	}
	return strings.TrimSpace(out.String()), nil
}

// An UnwritableError is about a database that this computer's rpm can't write to: it is of a kind
// that rpm can't write, or rpm takes another one, which is empty, for it.
type UnwritableError struct {
	File string // that holds the packages
	// Rebuild: rpm can read it, so that "rpm --rebuilddb", and Database.Rebuild, makes one of it
	// that rpm can write.
	Rebuild bool
	shadow  string // the file of the empty one that rpm uses; "" where there is none
	kind    string
}

func (e *UnwritableError) Error() string {
	text := fmt.Sprintf("the RPM database %s is of the kind %s, which this computer's rpm can't write to: ", e.File, e.kind)
	if e.shadow != "" {
		text = fmt.Sprintf("rpm takes %s for its database, which is empty, while %s has the packages: remove the empty one, then ", e.shadow, e.File)
	}
	switch {
	case e.Rebuild || e.shadow != "":
		return text + `have rpm convert it with "rpm --rebuilddb"`
	default:
		return text + `convert it with the rpm that wrote it ("rpmdb --exportdb" there, "rpmdb --importdb" here)`
	}
}

// CheckWritable tells whether rpm can write to the database: an *UnwritableError says why not. It
// is found out without touching it: rpm creates what it lacks beside it even to look.
func (d Database) CheckWritable(ctx context.Context, p Policy) error {
	file := d.File()
	if file == "" {
		return nil // rpm makes one
	}
	kind, configured := "", ""
	for _, f := range formats {
		if filepath.Base(file) == f.name {
			kind = f.kind
		}
		if path := filepath.Join(d.Dir(), f.name); f.kind == p.backend && isRegular(path) {
			configured = path // rpm takes it, whatever else is there
		}
	}
	failed := &UnwritableError{File: file, kind: kind}
	switch {
	case kind == p.backend, p.backend == "" && kind == "bdb":
		return nil
	case configured != "":
		failed.shadow = configured
		return failed
	}
	// rpm looks for a database of another kind that it was built for, and writes to that.
	makes, err := d.makes(ctx, kind, filepath.Base(file))
	if err != nil || makes {
		return err
	}
	if kind == "bdb" { // newer ones may still read it
		if failed.Rebuild, err = d.readsBDB(ctx); err != nil {
			return err
		}
	}
	return failed
}

// makes tells whether rpm was built to write databases of a kind: asked for one, it makes it.
func (d Database) makes(ctx context.Context, kind, name string) (bool, error) {
	dir, err := os.MkdirTemp("", "presolve-rpmdb-")
	if err != nil {
		return false, fmt.Errorf("finding out which databases rpm can write: %w", err)
	}
	defer os.RemoveAll(dir)
	if _, err := (Database{"/", dir}).holds(ctx, "--define", "_db_backend "+kind, "--initdb"); err != nil {
		return false, err
	}
	return isRegular(filepath.Join(dir, name)), nil
}

// readsBDB tells whether rpm can read the database, which is of the kind bdb, without writing.
func (d Database) readsBDB(ctx context.Context) (bool, error) {
	found := false
	err := d.run(ctx, nil, []string{"--define", "_db_backend bdb_ro", "-qa", "--qf", "1"}, func(stdout io.Reader) {
		n, _ := io.Copy(io.Discard, stdout)
		found = n > 0
	})
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return err == nil && found, nil
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
