// Package signature has the op install-signature: a key that a person trusts goes into RPM's keyring and into the
// configured folder of keys.
//
// The key itself comes from where it can be had: the folder of keys, the keys that the distribution put into the system, or the source
// of the package that is signed with it. Wherever it comes from, it must be the one whose id the person agreed to.
package signature

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
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
	key, err := find(ctx, s, id, r.Value)
	if err != nil {
		return err
	}
	return transaction.Change(ctx, s, w, func(lock *os.File) error {
		path := filepath.Join(s.Keyring, id.file(key))
		if err := keep(path, key); err != nil {
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
	if !hexadecimal.MatchString(plain) || len(plain) != 8 && len(plain) != 16 && len(plain) != 40 {
		return "", wire.Errorf(wire.GPGFailure, "%.60q is not the id of a key: 8, 16 or 40 hexadecimal digits are needed", s)
	}
	return id(plain), nil
}

// file is what the key is called in the folder of keys.
func (i id) file(key []byte) string {
	print, err := fingerprint(key)
	if err != nil {
		print = string(i)
	}
	return print + ".asc"
}

// is tells whether a file has the key with this id.
func (i id) is(key []byte) bool {
	print, err := fingerprint(key)
	return err == nil && strings.HasSuffix(print, string(i))
}

// find looks for a key.
func find(ctx context.Context, s *ops.System, id id, packageID string) ([]byte, error) {
	for _, folder := range []string{s.Keyring, filepath.Join(s.RPM.Root, distributionKeys)} {
		key, err := inFolder(folder, id)
		if key != nil || err != nil {
			return key, err
		}
	}
	// An id of 8 digits can be forged in minutes: what comes from outside needs a longer one.
	nor := ""
	if p, err := wire.ParsePackageID(packageID); err == nil && len(id) >= 16 {
		key, at, err := s.Offers.Key(ctx, p.Data, string(id), maxKey)
		if errors.Is(err, context.Canceled) {
			return nil, err
		}
		if err == nil && id.is(key) {
			return key, nil
		}
		if at != "" {
			nor = ", nor at " + at
		}
	}
	return nil, wire.Errorf(wire.GPGFailure, "the key %s is neither in %s nor in %s%s: put it, ASCII-armoured, into %s as a file of its own", id, s.Keyring, distributionKeys, nor, s.Keyring)
}

// inFolder looks for a key in the files of a folder.
func inFolder(folder string, id id) ([]byte, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the key %s: %w", id, err)
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		info, err := os.Stat(path) // distributions have links
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxKey {
			continue
		}
		key, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("looking for the key %s: %w", id, err)
		}
		if id.is(key) {
			return key, nil
		}
	}
	return nil, nil
}

// keep puts a key into the folder of keys, whole or not at all.
func keep(path string, key []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("keeping the key: %w", err)
	}
	aside := path + ".new"
	err := os.WriteFile(aside, key, 0o644)
	if err == nil {
		err = os.Rename(aside, path)
	}
	if err != nil {
		return fmt.Errorf("keeping the key: %w", err)
	}
	return nil
}
