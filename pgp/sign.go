// SPDX-License-Identifier: GPL-2.0-or-later

package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

var (
	errExpired = []error{pgperrors.ErrKeyExpired, pgperrors.ErrSignatureExpired}
	errRevoked = pgperrors.ErrKeyRevoked
)

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
}

// A Signer is a secret key, and the public one that belongs to it.
type Signer struct {
	*Key
	entity *openpgp.Entity
}

// Generate makes a key of Ed25519, of version 4, which gpg reads too, with a user id such as "School
// <school@example.org>". It expires after validFor; 0: never.
func Generate(userID string, validFor time.Duration, now time.Time) (*Signer, error) {
	name, email, _ := strings.Cut(strings.TrimSuffix(userID, ">"), " <")
	e, err := openpgp.NewEntity(name, "", email, &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519, KeyLifetimeSecs: uint32(min(validFor/time.Second, 1<<32-1)),
		Time: func() time.Time { return now },
	})
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	e.Subkeys = nil // for encryption, which nobody needs
	return newSigner(e)
}

func newSigner(e *openpgp.Entity) (*Signer, error) {
	text, err := armoured(openpgp.PublicKeyType, e.Serialize)
	if err != nil {
		return nil, fmt.Errorf("writing the public key: %w", err)
	}
	k, err := ReadKey(text)
	if err != nil {
		return nil, err
	}
	return &Signer{k, e}, nil
}

// ReadSigner reads the one secret key in an ASCII-armoured text, as Secret, gpg --export-secret-keys
// and gpg --export-secret-subkeys write it. passphrase is asked where it is protected by one.
func ReadSigner(text []byte, passphrase func() ([]byte, error)) (*Signer, error) {
	packets, err := dearmour(text, openpgp.PrivateKeyType, MaxKey)
	if err != nil {
		return nil, err
	}
	all, err := openpgp.ReadKeyRing(bytes.NewReader(packets))
	if err != nil {
		return nil, fmt.Errorf("its secret key is damaged: %w", err)
	}
	if len(all) != 1 {
		return nil, errors.New("it has more than one key")
	}
	e := all[0]
	locked := e.PrivateKey != nil && e.PrivateKey.Encrypted
	for _, sub := range e.Subkeys {
		locked = locked || sub.PrivateKey != nil && sub.PrivateKey.Encrypted
	}
	if locked {
		phrase, err := passphrase()
		if err != nil {
			return nil, err
		}
		if err := e.DecryptPrivateKeys(phrase); err != nil {
			return nil, errors.New("the passphrase is not that of the secret key")
		}
	}
	return newSigner(e)
}

// Secret is the secret key, ASCII-armoured, protected by a passphrase unless that is empty.
func (s *Signer) Secret(passphrase []byte) ([]byte, error) {
	text, err := armoured(openpgp.PrivateKeyType, func(w io.Writer) error { return s.entity.SerializePrivate(w, nil) })
	if err != nil || len(passphrase) == 0 {
		return text, err
	}
	copied, err := ReadSigner(text, nil) // what is in memory stays as it is
	if err != nil {
		return nil, err
	}
	if err := copied.entity.EncryptPrivateKeys(passphrase, nil); err != nil {
		return nil, fmt.Errorf("protecting the secret key: %w", err)
	}
	return armoured(openpgp.PrivateKeyType, func(w io.Writer) error { return copied.entity.SerializePrivateWithoutSigning(w, nil) })
}

// Sign makes an ASCII-armoured detached signature of the data. The error is a *KeyError where nobody
// would believe it.
func (s *Signer) Sign(data []byte, now time.Time) ([]byte, error) {
	if err := s.Usable(now); err != nil {
		return nil, err
	}
	text, err := armoured(openpgp.SignatureType, func(w io.Writer) error {
		return openpgp.DetachSign(w, s.entity, bytes.NewReader(data), &packet.Config{Time: func() time.Time { return now }})
	})
	if err == nil {
		_, err = Verify(data, text, []*Key{s.Key}, now)
	}
	if err != nil {
		return nil, fmt.Errorf("signing with the key %s: %w", s.Fingerprint, err)
	}
	return text, nil
}

// Merge is a text that has the signatures of two, those of an issuer once, from the last. The first may be empty.
func Merge(before, after []byte) ([]byte, error) {
	signatures, err := readSignatures(after)
	if err != nil || len(before) == 0 {
		return after, err
	}
	had, err := readSignatures(before)
	if err != nil {
		return nil, err
	}
	for _, s := range had {
		if !slices.ContainsFunc(signatures, func(n signature) bool { return n.issuer == s.issuer }) {
			signatures = append(signatures, s)
		}
	}
	return armoured(openpgp.SignatureType, func(w io.Writer) error {
		for _, s := range signatures {
			if err := s.packet.Serialize(w); err != nil {
				return err
			}
		}
		return nil
	})
}

// armoured is what write writes, as an ASCII-armoured block.
func armoured(kind string, write func(io.Writer) error) ([]byte, error) {
	var text bytes.Buffer
	w, err := armor.Encode(&text, kind, nil)
	if err == nil {
		err = write(w)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	return append(text.Bytes(), '\n'), nil
}
