// SPDX-License-Identifier: GPL-2.0-or-later

package pgp

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
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Bounds on a file of signatures.
const (
	MaxSignatures = 64 << 10 // bytes
	mostSignature = 16       // how many
)

// A signature is one in a file.
type signature struct {
	issuer string // fingerprint of the key or subkey that it says it is by; its end, of 16 digits, in old ones
	packet *packet.OpaquePacket
}

// readSignatures are the signatures in a text, one ASCII-armoured block. What is not of a kind that is
// known says nothing, and is left out.
func readSignatures(text []byte) ([]signature, error) {
	packets, err := dearmour(text, openpgp.SignatureType, MaxSignatures)
	if err != nil {
		return nil, err
	}
	var all []signature
	opaque := packet.NewOpaqueReader(bytes.NewReader(packets))
	for {
		p, err := opaque.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || p.Tag != tagSignature {
			return nil, errors.New("its signature is damaged")
		}
		if len(all) == mostSignature {
			return nil, fmt.Errorf("it has more than %d signatures", mostSignature)
		}
		parsed, err := p.Parse()
		if err != nil {
			continue
		}
		if s, ok := parsed.(*packet.Signature); ok && s.IssuerKeyId != nil {
			issuer := fmt.Sprintf("%016x", *s.IssuerKeyId)
			if s.IssuerFingerprint != nil {
				issuer = hex.EncodeToString(s.IssuerFingerprint)
			}
			all = append(all, signature{issuer, p})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("it has no signature")
	}
	return all, nil
}

// Issuers are the fingerprints of the keys, or subkeys, that the signatures in a text say they are by,
// the ends of them in old ones. Nothing is verified.
func Issuers(text []byte) ([]string, error) {
	all, err := readSignatures(text)
	if err != nil {
		return nil, err
	}
	var issuers []string
	for _, s := range all {
		if !slices.Contains(issuers, s.issuer) {
			issuers = append(issuers, s.issuer)
		}
	}
	return issuers, nil
}

// Errors of Verify, beside *KeyError and that the text has no signatures.
type (
	// An UnknownKeyError tells that nobody signed who may.
	UnknownKeyError struct {
		Issuers []string // who did, as they say: see Issuers
	}
	// A BadSignatureError tells that what is signed is something else.
	BadSignatureError struct{ Fingerprint string }
)

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("it is signed by the key %s, which may not sign it", e.Issuers[0])
}

func (e *BadSignatureError) Error() string {
	return fmt.Sprintf("it isn't what the key %s signed", e.Fingerprint)
}

// Verify gives those of the keys that signed the data, by detached signatures in a text, and that are
// usable now. Where there is none the error tells why: the worst of what is wrong.
func Verify(data, signatures []byte, keys []*Key, now time.Time) ([]*Key, error) {
	all, err := readSignatures(signatures)
	if err != nil {
		return nil, err
	}
	var by []*Key
	var bad *BadSignatureError
	var unusable *KeyError
	unknown := &UnknownKeyError{}
	for _, s := range all {
		i := slices.IndexFunc(keys, func(k *Key) bool { return k.Has(s.issuer) })
		if i < 0 {
			unknown.Issuers = append(unknown.Issuers, s.issuer)
			continue
		}
		switch err := s.verify(data, keys[i], now); {
		case err == nil:
			if !slices.Contains(by, keys[i]) {
				by = append(by, keys[i])
			}
		case errors.As(err, &unusable):
		default:
			bad = &BadSignatureError{keys[i].Fingerprint}
		}
	}
	switch {
	case len(by) > 0:
		return by, nil
	case bad != nil:
		return nil, bad
	case unusable != nil:
		return nil, unusable
	}
	return nil, unknown
}

// Has tells whether an issuer (see Issuers) is this key, or a subkey of it.
func (k *Key) Has(issuer string) bool {
	is := func(p *packet.PublicKey) bool {
		print := hex.EncodeToString(p.Fingerprint)
		return print == issuer || len(issuer) == 16 && fmt.Sprintf("%016x", p.KeyId) == issuer
	}
	return is(k.entity.PrimaryKey) || slices.ContainsFunc(k.entity.Subkeys, func(s openpgp.Subkey) bool { return is(s.PublicKey) })
}

// verify verifies one signature by a key.
func (s signature) verify(data []byte, k *Key, now time.Time) error {
	parsed, err := s.packet.Parse()
	if err != nil {
		return err
	}
	p := parsed.(*packet.Signature) // as when it was read
	if err := k.Usable(now); err != nil {
		return err
	}
	if p.SigType != packet.SigTypeBinary || !hashes[p.Hash] {
		return &KeyError{k.Fingerprint, fmt.Sprintf("signed it over %v, and %s", p.Hash, strength)}
	}
	for _, sub := range k.entity.Subkeys {
		if sub.PublicKey.KeyId != *p.IssuerKeyId {
			continue
		}
		if weak := weakness(sub.PublicKey); weak != "" || !hashes[sub.Sig.Hash] {
			return &KeyError{k.Fingerprint, "signed it by a subkey that is too weak: " + cmp.Or(weak, sub.Sig.Hash.String()) + ", and " + strength}
		}
		now = latest(now, sub.PublicKey.CreationTime, sub.Sig.CreationTime)
	}
	var raw bytes.Buffer
	if err := s.packet.Serialize(&raw); err != nil {
		return err
	}
	self, _ := k.entity.PrimarySelfSignature() // there is one: it is usable
	now = latest(now, p.CreationTime, k.Created, self.CreationTime)
	_, _, err = openpgp.VerifyDetachedSignature(openpgp.EntityList{k.entity}, bytes.NewReader(data), &raw, &packet.Config{Time: func() time.Time { return now }})
	switch {
	case err == nil:
		return nil
	case isAny(err, errExpired...):
		return &KeyError{k.Fingerprint, "has expired, or what it signed"}
	case isAny(err, errRevoked):
		return &KeyError{k.Fingerprint, "was revoked"}
	}
	return err
}
