// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// A Digest is that of an RPM, with its algorithm: "sha256:", "sha384:" or "sha512:", and lower case
// hexadecimal. "" says that it isn't known.
type Digest string

// algorithms are those that vouch for an RPM, with what people call them.
var algorithms = map[string]struct {
	name string
	new  func() hash.Hash
}{
	"sha256": {"SHA-256", sha256.New},
	"sha384": {"SHA-384", sha512.New384},
	"sha512": {"SHA-512", sha512.New},
}

// NewDigest is the Digest of an algorithm, as repositories call it, and its hexadecimal; "" where
// no RPM is vouched for by such.
func NewDigest(algorithm, hexadecimal string) Digest {
	d := Digest(algorithm + ":" + hexadecimal)
	if d.Check() != nil {
		return ""
	}
	return d
}

// Check tells whether the digest is one.
func (d Digest) Check() error {
	a, ok := algorithms[d.Algorithm()]
	if !ok || len(d.Hex()) != 2*a.new().Size() || strings.Trim(d.Hex(), "0123456789abcdef") != "" {
		return fmt.Errorf("%.150q is not a SHA-256, SHA-384 or SHA-512 in lower case hexadecimal", string(d))
	}
	return nil
}

// Algorithm is what is before the colon.
func (d Digest) Algorithm() string {
	algorithm, _, _ := strings.Cut(string(d), ":")
	return algorithm
}

// Hex is what is behind the colon.
func (d Digest) Hex() string {
	_, hexadecimal, _ := strings.Cut(string(d), ":")
	return hexadecimal
}

// Hash computes such a digest; a SHA-256 where the algorithm isn't known.
func (d Digest) Hash() hash.Hash {
	if a, ok := algorithms[d.Algorithm()]; ok {
		return a.new()
	}
	return sha256.New()
}

// Is tells whether the digest is what a Hash of its own has computed, in whatever case it is
// written. It is false where the algorithm isn't known.
func (d Digest) Is(computed hash.Hash) bool {
	_, known := algorithms[d.Algorithm()]
	return known && strings.EqualFold(hex.EncodeToString(computed.Sum(nil)), d.Hex())
}

// Text is the digest as people are told it: "SHA-256 0123…".
func (d Digest) Text() string { return algorithms[d.Algorithm()].name + " " + d.Hex() }
