// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// Keys is a keys file: which keys sign a publisher's platforms, and which sign the next keys file. So
// a publisher's keys can be exchanged, one after the other, and laptops follow. The secret ones of
// Offline are kept where no network reaches them.
//
// A keys file is signed as platform.json is. A reader takes version n+1 where it has n, and at least
// Threshold of the Offline keys of n, and as many as it says itself of its own, have signed it.
type Keys struct {
	Format  int       `json:"format"`
	Version int64     `json:"version"` // 1, 2, 3, …
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// Threshold is how many of the Offline keys have to sign.
	Threshold int `json:"threshold"`
	// Offline are the keys, ASCII-armoured, of which Threshold sign keys files, and nothing else.
	Offline []string `json:"offline"`
	// Online are the keys, ASCII-armoured, of which any signs platform.json, and nothing else.
	Online []string `json:"online"`
}

// ParseKeys reads and checks the keys file of a version. That the keys in it are keys is for the
// caller to see.
func ParseKeys(data []byte, version int64) (*Keys, error) {
	k := new(Keys)
	what := KeysName(version)
	if err := unmarshal(what, data, keysLimit, &k.Format, k); err != nil {
		return nil, err
	}
	switch {
	case k.Version != version || version < 1 || version > MaxKeysVersion:
		return nil, fmt.Errorf("%s has the version %d", what, k.Version)
	case len(k.Offline) > MaxKeys || len(k.Online) > MaxKeys:
		return nil, fmt.Errorf("%s has more than %d keys", what, MaxKeys)
	case len(k.Online) == 0:
		return nil, fmt.Errorf("%s has no key that signs platforms", what)
	case k.Threshold < 1 || k.Threshold > len(k.Offline):
		return nil, fmt.Errorf("%s asks for %d of %d signatures", what, k.Threshold, len(k.Offline))
	case !k.Expires.After(k.Created):
		return nil, fmt.Errorf("%s expires before it was made", what)
	}
	return k, nil
}

// Encode writes a keys file as it is published.
func (k *Keys) Encode() ([]byte, error) { return encode(k) }

// KeysName is the name of a keys file in the platform's folder.
func KeysName(version int64) string { return fmt.Sprintf("keys@%d.json", version) }

// HeadName is the name under which platform.json stands beside those of other builds: with its
// digest.
func HeadName(platform []byte) string {
	sum := sha256.Sum256(platform)
	return "platform@" + hex.EncodeToString(sum[:8]) + ".json"
}

// SignatureName is the name of the detached signatures of a file.
func SignatureName(name string) string { return name + ".asc" }

// KeysOf is the version of the keys file that a platform.json says it is signed by, before anything
// of it is believed: see Platform.Keys.
func KeysOf(platform []byte) (int64, error) {
	var format int
	var head struct {
		Keys int64 `json:"keys"`
	}
	if err := unmarshal("platform.json", platform, platformLimit, &format, &head); err != nil {
		return 0, err
	}
	return head.Keys, checkKeysVersion(head.Keys)
}

func checkKeysVersion(version int64) error {
	if version < 0 || version > MaxKeysVersion {
		return fmt.Errorf("platform.json is signed by keys of the version %d", version)
	}
	return nil
}
