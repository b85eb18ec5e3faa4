// SPDX-License-Identifier: GPL-2.0-or-later

package signature

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
)

// A publicKey is an OpenPGP key whose parts all belong to it: its own signatures on them were
// verified.
type publicKey struct {
	// prints are the fingerprints, in lower case hexadecimal, by which a person may know it: its
	// own, which comes first, and those of the subkeys that it lets sign for it.
	prints []string
	// armoured is what RPM is given: the parts that were verified, written anew, and nothing else
	// that the file had.
	armoured []byte
}

// readKey reads the one OpenPGP public key, of version 4, in an ASCII-armoured text. Whatever else
// the key came with (another key, a secret one) is refused: nobody agreed to that. So is a key that
// was revoked or has expired by now.
func readKey(text []byte, now time.Time) (*publicKey, error) {
	e, err := pgp.ReadEntity(text, 4) // the only version that RPM's keyring takes everywhere
	if err != nil {
		return nil, err
	}
	return verified(e, now)
}

// verified takes from a key what is valid: names that it signed itself and subkeys that it lets
// sign for it, and that let it (subkeys for encryption are of no use to RPM). What others signed of
// it isn't verified by anybody, and is left out.
func verified(e *openpgp.Entity, now time.Time) (*publicKey, error) {
	// A laptop without a battery for its clock lives in the past: no key is refused for being from
	// the future.
	now = latest(now, e.PrimaryKey.CreationTime)
	for _, i := range e.Identities {
		if i.SelfSignature != nil {
			now = latest(now, i.SelfSignature.CreationTime)
		}
	}
	for _, sub := range e.Subkeys {
		now = latest(now, sub.PublicKey.CreationTime, sub.Sig.CreationTime)
	}
	if len(e.Revocations) > 0 {
		return nil, errors.New("its key was revoked")
	}
	var names []*openpgp.Identity
	for _, i := range e.Identities {
		if i.SelfSignature == nil || i.SelfSignature.SigExpired(now) || len(i.Revocations) > 0 {
			continue
		}
		if e.PrimaryKey.KeyExpired(i.SelfSignature, now) {
			return nil, errors.New("its key has expired")
		}
		names = append(names, i)
	}
	if len(names) == 0 {
		return nil, errors.New("its key has no name that is valid now")
	}
	// The main name comes first, since rpm knows a key by the first; the rest is only the same each
	// time.
	slices.SortFunc(names, func(a, b *openpgp.Identity) int {
		if d := boolean(isPrimary(b)) - boolean(isPrimary(a)); d != 0 {
			return d
		}
		return cmp.Or(a.SelfSignature.CreationTime.Compare(b.SelfSignature.CreationTime), cmp.Compare(a.Name, b.Name))
	})
	k := &publicKey{prints: []string{hex.EncodeToString(e.PrimaryKey.Fingerprint)}}
	parts := []interface{ Serialize(io.Writer) error }{e.PrimaryKey}
	for _, i := range names {
		parts = append(parts, i.UserId, i.SelfSignature)
	}
	for _, sub := range e.Subkeys {
		if sub.PublicKey.Version != 4 || !sub.Sig.FlagsValid || !sub.Sig.FlagSign || !sub.PublicKey.PubKeyAlgo.CanSign() ||
			len(sub.Revocations) > 0 || sub.Sig.SigExpired(now) || sub.PublicKey.KeyExpired(sub.Sig, now) {
			continue
		}
		k.prints = append(k.prints, hex.EncodeToString(sub.PublicKey.Fingerprint))
		parts = append(parts, sub.PublicKey, sub.Sig)
	}
	var out bytes.Buffer
	w, err := armor.Encode(&out, openpgp.PublicKeyType, nil)
	for _, p := range parts {
		if err == nil {
			err = p.Serialize(w)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("writing its public key anew: %w", err)
	}
	k.armoured = append(out.Bytes(), '\n')
	return k, nil
}

func isPrimary(i *openpgp.Identity) bool {
	return i.SelfSignature.IsPrimaryId != nil && *i.SelfSignature.IsPrimaryId
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
