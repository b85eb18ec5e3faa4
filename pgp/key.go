// SPDX-License-Identifier: GPL-2.0-or-later

package pgp

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// MaxKey is how many bytes a file with a key may have.
const MaxKey = 256 << 10

// A Key is a public key: a primary key, with the subkeys that it lets sign for it.
type Key struct {
	Fingerprint string // of the primary key
	UserID      string // its main name, as it says itself; anything may be in it
	Created     time.Time
	Armoured    []byte // the text that it was read from

	entity *openpgp.Entity
}

// ReadKey reads the one public key in an ASCII-armoured text. Whether it may sign is asked of Usable.
func ReadKey(text []byte) (*Key, error) {
	e, err := ReadEntity(text, 4, 6)
	if err != nil {
		return nil, err
	}
	return newKey(e, text), nil
}

func newKey(e *openpgp.Entity, text []byte) *Key {
	k := &Key{Fingerprint: hex.EncodeToString(e.PrimaryKey.Fingerprint), Created: e.PrimaryKey.CreationTime, Armoured: text, entity: e}
	if id := e.PrimaryIdentity(); id != nil {
		k.UserID = id.Name
	}
	return k
}

// ReadEntity reads the one public key, of one of these versions, in an ASCII-armoured text, for who
// has rules of his own. Whatever else is there (another key, a secret one) is refused: nobody agreed
// to that.
func ReadEntity(text []byte, versions ...byte) (*openpgp.Entity, error) {
	packets, err := dearmour(text, openpgp.PublicKeyType, MaxKey)
	if err != nil {
		return nil, err
	}
	if err := checkPackets(packets, versions); err != nil {
		return nil, err
	}
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(packets)))
	if err != nil {
		return nil, fmt.Errorf("its public key is damaged: %w", err)
	}
	return e, nil
}

// called is what people call the kinds of armoured blocks.
var called = map[string]string{openpgp.PublicKeyType: "public key", openpgp.SignatureType: "signature", openpgp.PrivateKeyType: "secret key"}

// dearmour is what the one armoured block in a text has.
func dearmour(text []byte, kind string, most int) ([]byte, error) {
	if len(text) > most {
		return nil, fmt.Errorf("it has more than %d bytes", most)
	}
	switch n := bytes.Count(text, []byte("-----BEGIN PGP ")); {
	case n == 0:
		return nil, fmt.Errorf("it has no ASCII-armoured %s", called[kind])
	case n > 1 && kind == openpgp.PublicKeyType:
		return nil, errors.New("it has more than one key, or something beside the key")
	case n > 1:
		return nil, fmt.Errorf("it has something beside the %s", called[kind])
	}
	block, err := armor.Decode(bytes.NewReader(text))
	if err != nil || block.Type != kind {
		return nil, fmt.Errorf("it has no ASCII-armoured %s", called[kind])
	}
	packets, err := io.ReadAll(block.Body)
	if err != nil {
		return nil, fmt.Errorf("its %s is damaged: %w", called[kind], err)
	}
	return packets, nil
}

// The kinds of packets that count (RFC 9580, 5).
const (
	tagSignature    = 2
	tagSecretKey    = 5
	tagPublicKey    = 6
	tagSecretSubkey = 7
)

// checkPackets looks which keys there are, before any of them is believed: reading an Entity stops
// at the next key.
func checkPackets(packets []byte, versions []byte) error {
	keys := 0
	all := packet.NewOpaqueReader(bytes.NewReader(packets))
	for {
		p, err := all.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("its public key is damaged: %w", err)
		}
		switch p.Tag {
		case tagSecretKey, tagSecretSubkey:
			return errors.New("it has a secret key, which is for nobody else to have")
		case tagPublicKey:
			if keys++; keys > 1 {
				return errors.New("it has more than one key")
			}
			if len(p.Contents) == 0 || !slices.Contains(versions, p.Contents[0]) {
				return fmt.Errorf("its key is not of version %s", strings.Join(strings.Split(fmt.Sprint(versions)[1:2*len(versions)], " "), " or "))
			}
		}
	}
	if keys == 0 {
		return errors.New("it has no public key")
	}
	return nil
}

// A KeyError tells why a key signs nothing now.
type KeyError struct {
	Fingerprint string
	Reason      string // "has expired", "was revoked", "is too weak: …"
}

func (e *KeyError) Error() string { return fmt.Sprintf("the key %s %s", e.Fingerprint, e.Reason) }

// Usable tells whether anything that the key, or a subkey of it, signs is to be believed at a time:
// nil, or a *KeyError.
func (k *Key) Usable(now time.Time) error {
	e := k.entity
	self, id := e.PrimarySelfSignature()
	refused := func(format string, args ...any) error {
		return &KeyError{k.Fingerprint, fmt.Sprintf(format, args...)}
	}
	switch {
	case e.Revoked(now) || id != nil && id.Revoked(now):
		return refused("was revoked")
	case self == nil:
		return refused("has no name that is valid")
	}
	if weak := weakness(e.PrimaryKey); weak != "" {
		return refused("is too weak: it is %s, and %s", weak, strength)
	}
	if !hashes[self.Hash] {
		return refused("is too weak: it vouches for itself over %v, and %s", self.Hash, strength)
	}
	now = latest(now, e.PrimaryKey.CreationTime, self.CreationTime)
	if e.PrimaryKey.KeyExpired(self, now) || self.SigExpired(now) {
		return refused("has expired")
	}
	return nil
}

// Expires is when the key does, as it says itself; zero: never.
func (k *Key) Expires() time.Time {
	self, _ := k.entity.PrimarySelfSignature()
	if self == nil || self.KeyLifetimeSecs == nil || *self.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return k.Created.Add(time.Duration(*self.KeyLifetimeSecs) * time.Second)
}

const strength = "platforms are signed with Ed25519, or RSA of 2048 bits or more, over SHA-256 or better"

// hashes are those that are good enough.
var hashes = map[crypto.Hash]bool{crypto.SHA256: true, crypto.SHA384: true, crypto.SHA512: true, crypto.SHA3_256: true, crypto.SHA3_512: true}

// weakness is what a key is that isn't good enough; "" of one that is.
func weakness(k *packet.PublicKey) string {
	switch k.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		if bits, err := k.BitLength(); err != nil || bits < 2048 {
			return fmt.Sprintf("RSA of %d bits", bits)
		}
		return ""
	case packet.PubKeyAlgoEd25519:
		return ""
	case packet.PubKeyAlgoEdDSA:
		if curve, err := k.Curve(); err == nil && curve == packet.Curve25519 {
			return ""
		}
		return "EdDSA on another curve"
	case packet.PubKeyAlgoDSA:
		return "DSA"
	case packet.PubKeyAlgoECDSA:
		return "ECDSA"
	}
	return fmt.Sprintf("of the algorithm %d", k.PubKeyAlgo)
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

var print = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)

// ParseFingerprint is a fingerprint as people write it, in groups and in upper case perhaps, as this
// package has it. The last digits of one won't do: others can have a key that ends with them.
func ParseFingerprint(text string) (string, error) {
	plain := strings.ToLower(strings.Join(strings.Fields(strings.TrimPrefix(text, "0x")), ""))
	if !print.MatchString(plain) {
		return "", fmt.Errorf("%.80q is no fingerprint of a key, which has 40 hexadecimal digits (64 of version 6): gpg --list-keys shows it", text)
	}
	return plain, nil
}
