// SPDX-License-Identifier: GPL-2.0-or-later

package signing

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// ReadKeys reads the keys files in a folder: all versions, from 1 on. Who signed them is asked of
// Check.
func ReadKeys(dir string) ([]*trust.Keys, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []*trust.Keys
	for version := int64(1); ; version++ {
		name := tree.KeysName(version)
		text, _, err := readFile(filepath.Join(dir, name), tree.MaxKeysFile)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		var k *trust.Keys
		if err == nil {
			k, err = trust.ParseKeys(text, version)
		}
		if err != nil {
			return nil, err
		}
		k.Signatures, _, err = readFile(filepath.Join(dir, tree.SignatureName(name)), pgp.MaxSignatures)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		all = append(all, k)
	}
	for _, e := range entries {
		name := e.Name()
		known := slices.ContainsFunc(all, func(k *trust.Keys) bool { return k.Name() == name })
		if !known && strings.HasPrefix(name, "keys@") && strings.HasSuffix(name, ".json") {
			return nil, fmt.Errorf("%s has %s and no %s: all versions from 1 on have to be there, since laptops go from one to the next", dir, name, tree.KeysName(int64(len(all)+1)))
		}
	}
	return all, nil
}

// NewKeys makes the keys file after another one, which is nil for the first. What isn't given is that
// one's; of the first file's offline keys more than half have to sign where no threshold is given.
func NewKeys(before *trust.Keys, offline, online []*pgp.Key, threshold int, validFor time.Duration, now time.Time) (*trust.Keys, error) {
	version := int64(1)
	if before != nil {
		version = before.Version + 1
		if len(offline) == 0 {
			offline = before.Offline
		}
		if len(online) == 0 {
			online = before.Online
		}
		threshold = cmp.Or(threshold, before.Threshold)
	}
	now = now.UTC().Truncate(time.Second)
	k := &tree.Keys{Format: tree.Format, Version: version, Created: now, Expires: now.Add(validFor), Threshold: cmp.Or(threshold, len(offline)/2+1)}
	for _, key := range offline {
		k.Offline = append(k.Offline, string(key.Armoured))
	}
	for _, key := range online {
		if trust.Find(offline, key.Fingerprint) != nil {
			return nil, fmt.Errorf("the key %s is both offline and online: who steals the server's key must not be able to name its successor", key.Fingerprint)
		}
		k.Online = append(k.Online, string(key.Armoured))
	}
	for _, key := range slices.Concat(offline, online) {
		if err := key.Usable(now); err != nil {
			return nil, err
		}
	}
	text, err := k.Encode()
	if err != nil {
		return nil, err
	}
	return trust.ParseKeys(text, version)
}

// Check tells whether laptops that have the version before, nil for the first, take this one:
// whether enough have signed it.
func Check(k, before *trust.Keys, now time.Time) error {
	for _, s := range k.Signers(before) {
		by, err := k.By(s.Keys, now)
		if len(by) >= s.Threshold {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k.Name(), err)
		}
		var missing []string
		for _, key := range s.Keys {
			if !slices.Contains(by, key) {
				missing = append(missing, key.Fingerprint)
			}
		}
		return fmt.Errorf("%s is signed by %d of %s, and %d are needed; %s can sign it: presolver sign --key FILE %s",
			k.Name(), len(by), s.Whose, s.Threshold, strings.Join(missing, ", "), k.Name())
	}
	return nil
}

// CheckKeys tells whether laptops could go from the first of all versions to the last, each when it was
// made, and whether a new laptop takes the last one now. Keys of older ones may have expired since.
func CheckKeys(all []*trust.Keys, now time.Time) error {
	for i, k := range all {
		var before *trust.Keys
		if i > 0 {
			before = all[i-1]
		}
		if err := Check(k, before, k.Created); err != nil {
			return err
		}
	}
	last := all[len(all)-1]
	if err := Check(last, nil, now); err != nil {
		return err
	}
	if last.Expires.Before(now) {
		return fmt.Errorf("%s has expired at %s: make the next one (presolver keys new), and have it signed", last.Name(), last.Expires.UTC().Format(time.DateOnly))
	}
	return nil
}
