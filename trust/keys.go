// SPDX-License-Identifier: GPL-2.0-or-later

package trust

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Keys is a keys file, read, with its signatures.
type Keys struct {
	*tree.Keys
	Text            []byte
	Signatures      []byte // nil: there are none
	Offline, Online []*pgp.Key
}

// Name is what the file is called.
func (k *Keys) Name() string { return tree.KeysName(k.Version) }

// ParseKeys reads and checks the keys file of a version, the keys in it too. Who signed it is asked of
// Signers and By.
func ParseKeys(text []byte, version int64) (*Keys, error) {
	t, err := tree.ParseKeys(text, version)
	if err != nil {
		return nil, err
	}
	k := &Keys{Keys: t, Text: text}
	for _, list := range []struct {
		texts []string
		to    *[]*pgp.Key
	}{{t.Offline, &k.Offline}, {t.Online, &k.Online}} {
		for _, text := range list.texts {
			key, err := pgp.ReadKey([]byte(text))
			if err != nil {
				return nil, fmt.Errorf("a key in %s: %w", k.Name(), err)
			}
			if Find(*list.to, key.Fingerprint) != nil {
				return nil, fmt.Errorf("%s has the key %s twice", k.Name(), key.Fingerprint)
			}
			*list.to = append(*list.to, key)
		}
	}
	return k, nil
}

// Find is the key with a fingerprint; nil where it isn't among them.
func Find(keys []*pgp.Key, print string) *pgp.Key {
	if i := slices.IndexFunc(keys, func(k *pgp.Key) bool { return k.Fingerprint == print }); i >= 0 {
		return keys[i]
	}
	return nil
}

// Signers are those who have to sign a keys file: Threshold of its own offline keys, and of those of
// the one before.
type Signers struct {
	Whose     string
	Keys      []*pgp.Key
	Threshold int
}

// Signers are who has to sign it; before is nil for the first.
func (k *Keys) Signers(before *Keys) []Signers {
	all := []Signers{{"its own offline keys", k.Offline, k.Threshold}}
	if before != nil {
		may := slices.Clone(before.Offline)
		for i, key := range may { // a key whose time its owner has prolonged is the same
			if longer := Find(k.Offline, key.Fingerprint); longer != nil {
				may[i] = longer
			}
		}
		all = append(all, Signers{"the offline keys of " + before.Name(), may, before.Threshold})
	}
	return all
}

// By are those of the keys that have signed it and are usable at a time.
func (k *Keys) By(keys []*pgp.Key, now time.Time) ([]*pgp.Key, error) {
	if k.Signatures == nil {
		return nil, nil
	}
	by, err := pgp.Verify(k.Text, k.Signatures, keys, now)
	if errors.As(err, new(*pgp.UnknownKeyError)) {
		err = nil
	}
	return by, err
}
