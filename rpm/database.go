// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"
)

// A Database is the RPM database of one system.
type Database struct {
	Root string // where the system's / is: "/" for the running one
	Path string // rpm's --dbpath, absolute, within Root
}

// paths are where distributions keep the database, the newest habit first.
var paths = []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm"}

// FindDatabase finds the database of a root. path is its place within root; empty: the first of
// /usr/lib/sysimage/rpm and /var/lib/rpm that has packages, else the first that has a database,
// else the first that is there, else /var/lib/rpm, where rpm will make one.
func FindDatabase(root, path string) Database {
	if path != "" {
		return Database{root, path}
	}
	var found []Database
	for _, p := range paths {
		if d := (Database{root, p}); d.File() != "" {
			found = append(found, d)
		}
	}
	for _, d := range found {
		if len(found) == 1 || !isEmpty(d.File()) {
			return d
		}
	}
	if len(found) > 0 {
		return found[0]
	}
	for _, p := range paths {
		if _, err := os.Stat(filepath.Join(root, p)); err == nil {
			return Database{root, p}
		}
	}
	return Database{root, paths[len(paths)-1]}
}

// Dir is the folder of the database as this process sees it.
func (d Database) Dir() string { return filepath.Join(d.Root, d.Path) }

// File is the path of the file that holds the packages; "" where there is none. Where databases of
// several kinds are there, it is the one that has packages: an rpm that can't read the real one
// makes an empty one of its own beside it, even to answer a question.
func (d Database) File() string {
	var found []string
	for _, f := range formats {
		if path := filepath.Join(d.Dir(), f.name); isRegular(path) {
			found = append(found, path)
		}
	}
	if len(found) > 1 {
		if i := slices.IndexFunc(found, func(path string) bool { return !isEmpty(path) }); i >= 0 {
			return found[i]
		}
	}
	if len(found) > 0 {
		return found[0]
	}
	return ""
}

// isEmpty tells whether a file of a database has no packages. Where it can't be read, it may have
// some.
func isEmpty(path string) bool {
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		return true
	}
	some := errors.New("it has some")
	err := readFrom(context.Background(), path, func([]byte) error { return some })
	return err == nil
}

// readFrom gives the headers in a file of a database, each only until yield returns.
func readFrom(ctx context.Context, path string, yield func(blob []byte) error) error {
	for _, f := range formats {
		if filepath.Base(path) == f.name {
			return f.read(ctx, path, yield)
		}
	}
	return nil
}

// Headers gives the header of every installed package as it is stored, each only until yield
// returns, keys (gpg-pubkey) too.
func (d Database) Headers(ctx context.Context, yield func(blob []byte) error) error {
	err := readFrom(ctx, d.File(), func(blob []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return yield(blob)
	})
	if err != nil {
		return fmt.Errorf("reading the RPM database %s: %w", d.File(), err)
	}
	return nil
}

// Files are the names of files that hold packages: one for each kind of database.
func Files() []string {
	var all []string
	for _, f := range formats {
		all = append(all, f.name)
	}
	return all
}

// State is a short text that differs after the database changed. It costs a few stats. A database
// that is not there has the state "".
func (d Database) State() (string, error) {
	h := sha256.New()
	found := false
	for _, f := range formats {
		for _, suffix := range []string{"", "-wal"} {
			info, err := os.Stat(filepath.Join(d.Dir(), f.name+suffix))
			if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
				continue // an empty write-ahead log says no more than none
			}
			if err != nil {
				return "", fmt.Errorf("looking at the RPM database: %w", err)
			}
			found = true
			fmt.Fprintln(h, f.name+suffix, info.Size(), info.ModTime().UnixNano())
		}
	}
	if !found {
		return "", nil
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// Read gives every installed package, in no particular order. Each comes with its digest, which is
// the same as long as the header is: where known says that the caller has it, its header is not
// even parsed. Packages that are no software (gpg-pubkey) are left out, and those that have no
// name, version, release or architecture that could stand in a package's id. Memory for one header
// at a time is held; a Header is the caller's to keep. Where another process keeps the database
// locked for more than 5 s, that is an error. Cancelling ctx ends it.
func (d Database) Read(ctx context.Context, known func(digest string) bool, yield func(digest string, h *Header) error) error {
	return d.Headers(ctx, func(blob []byte) error {
		sum := sha256.Sum256(blob)
		digest := hex.EncodeToString(sum[:8])
		if known(digest) {
			return nil
		}
		h, ok, err := parseHeader(bytes.Clone(blob))
		if err != nil {
			return &DamagedError{err}
		}
		if !ok || h.Name == "gpg-pubkey" {
			return nil
		}
		return yield(digest, h)
	})
}

// A DamagedError is about a header in the database that can't be read. Rebuild may help.
type DamagedError struct{ Err error }

func (e *DamagedError) Error() string { return e.Err.Error() }
func (e *DamagedError) Unwrap() error { return e.Err }

// Watch calls changed, from a goroutine of its own, whenever something in the database's folder
// changes, until stop is called. It can't watch a folder that is not there yet: that is an error.
func (d Database) Watch(changed func()) (stop func(), err error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching the RPM database: %w", err)
	}
	dir, err := filepath.EvalSymlinks(d.Dir())
	if err == nil {
		err = w.Add(dir)
	}
	// "rpm --rebuilddb" puts a new folder into the place of the old one: seen in the folder above.
	if err == nil {
		err = w.Add(filepath.Dir(dir))
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("watching the RPM database: %w", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case e, ok := <-w.Events:
				if !ok {
					return
				}
				if e.Name == dir && e.Has(fsnotify.Create) {
					w.Add(dir) // where it is gone again, the folder above tells when it comes back
				} else if e.Name != dir && filepath.Dir(e.Name) != dir {
					continue // a neighbour
				}
				changed()
			case _, ok := <-w.Errors: // an overflow: something changed, it is not known what
				if !ok {
					return
				}
				w.Add(dir)
				changed()
			}
		}
	}()
	return func() { w.Close(); <-done }, nil
}
