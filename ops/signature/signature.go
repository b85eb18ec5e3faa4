// SPDX-License-Identifier: GPL-2.0-or-later

// Package signature has the op install-signature: a key that a person trusts for RPMs goes into RPM's
// keyring and into the configured folder of keys. One that is to be trusted for what a source
// publishes (ops.SourceKey) goes into that folder and the configuration of the source: neither counts
// for the other.
//
// The key itself comes from where it can be had: the folder of keys, the keys that the distribution
// put into the system, or the source of the package that is signed with it. Wherever it comes from,
// it must be the one whose id the person agreed to.
package signature

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's op into m.
func Register(m ops.Mux, s *ops.System) {
	m["install-signature"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return install(ctx, s, w, r) })
}

// distributionKeys is where Fedora, and those like it, put their keys.
const distributionKeys = "/etc/pki/rpm-gpg"

func install(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) error {
	if r.Name != "gpg" {
		return wire.Errorf(wire.NotSupported, "a signature of the kind %.40q is not known: RPM has gpg", r.Name)
	}
	id, err := keyID(r.KeyID)
	if err != nil {
		return err
	}
	w.Status(wire.StatusSigCheck)
	if p, err := wire.ParsePackageID(r.Value); err == nil {
		if source, ok := ops.KeyOf(p); ok {
			return s.Offers.TrustKey(ctx, source, string(id), func(k *pgp.Key) error {
				return keep(filepath.Join(s.Keyring, k.Fingerprint+".asc"), k.Armoured)
			})
		}
	}
	key, err := find(ctx, s, id, r.Value)
	if err != nil {
		return err
	}
	return transaction.Change(ctx, s, w, func(lock *os.File) error {
		path := filepath.Join(s.Keyring, key.prints[0]+".asc")
		if err := keep(path, key.armoured); err != nil {
			return err
		}
		if err := s.RPM.ImportKey(lock, path); err != nil {
			return wire.Errorf(wire.GPGFailure, "the key %s can't be put into RPM's keyring: %w", id, err)
		}
		return s.SyncInstalledNow(ctx)
	})
}

// An id is the last digits of a key's fingerprint, or all of it, in lower case.
type id string

var hexadecimal = regexp.MustCompile(`^[0-9a-f]+$`)

func keyID(s string) (id, error) {
	plain := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(s, "0x"), "0X"), " ", ""))
	if !hexadecimal.MatchString(plain) || len(plain) != 8 && len(plain) != 16 && len(plain) != 40 && len(plain) != 64 {
		return "", wire.Errorf(wire.GPGFailure, "%.60q is not the id of a key: 8, 16, 40 or 64 hexadecimal digits are needed", s)
	}
	return id(plain), nil
}

// is tells whether a key has this id: itself, or one of the subkeys that sign for it.
func (i id) is(key *publicKey) bool {
	return slices.ContainsFunc(key.prints, func(print string) bool { return strings.HasSuffix(print, string(i)) })
}

// in is the key with this id that a file has; nil where it has none.
func (i id) in(text []byte) *publicKey {
	key, err := readKey(text, time.Now())
	if err != nil || !i.is(key) {
		return nil
	}
	return key
}

// find looks for a key.
func find(ctx context.Context, s *ops.System, id id, packageID string) (*publicKey, error) {
	for _, folder := range []string{s.Keyring, filepath.Join(s.RPM.Root, distributionKeys)} {
		key, err := inFolder(folder, id)
		if key != nil || err != nil {
			return key, err
		}
	}
	// An id of 8 digits can be forged in minutes: what comes from outside needs a longer one.
	nor := ""
	if p, err := wire.ParsePackageID(packageID); err == nil && len(id) >= 16 {
		text, at, err := s.Offers.Key(ctx, p.Data, string(id), pgp.MaxKey)
		if offers.Ends(err) {
			return nil, err
		}
		if err == nil {
			if key := id.in(text); key != nil {
				return key, nil
			}
		}
		if at != "" {
			nor = ", nor at " + at
		}
	}
	return nil, wire.Errorf(wire.GPGFailure, "the key %s is neither in %s nor in %s%s: put it, ASCII-armoured, into %s as a file of its own", id, s.Keyring, distributionKeys, nor, s.Keyring)
}

// inFolder looks for a key in the files of a folder.
func inFolder(folder string, id id) (*publicKey, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the key %s: %w", id, err)
	}
	for _, e := range entries {
		text, err := readFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("looking for the key %s: %w", id, err)
		}
		if key := id.in(text); key != nil {
			return key, nil
		}
	}
	return nil, nil
}

// readFile reads a file that may have a key; nil where it can't. Links are followed: distributions
// have them in their folder.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0) // a FIFO isn't waited for
	if err != nil {
		return nil, nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > pgp.MaxKey {
		return nil, nil
	}
	return io.ReadAll(io.LimitReader(f, pgp.MaxKey+1))
}

// keep puts a key into the folder of keys, whole or not at all.
func keep(path string, key []byte) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("keeping the key: %w", err)
	}
	f, err := os.CreateTemp(folder, ".presolve-*")
	if err != nil {
		return fmt.Errorf("keeping the key: %w", err)
	}
	_, err = f.Write(key)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("keeping the key: %w", err)
	}
	return nil
}
