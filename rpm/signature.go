// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Trust is what RPM's keyring says of a file.
type Trust int

// What a signature can be.
const (
	Unsigned Trust = iota
	Signed         // by a key in the keyring
	NoKey          // by a key that is not in the keyring
	Bad            // the file is not what was signed
)

// required makes rpm refuse what has no good signature of a key in its keyring that covers all of a
// package, and what has no good digests. rpm knows these macros since 4.14.2; they count however
// the computer is configured.
var required = []string{"--define", "_pkgverify_level all", "--define", "_pkgverify_flags 0x0"}

// OpenPGP signatures in the header of the signatures (rpmtag.h): of the header, of RPM 6, and of
// the header with what follows it.
const (
	tagDSA     = 267
	tagRSA     = 268
	tagOpenPGP = 278
	tagPGP     = 1002
	tagGPG     = 1005
)

// signature is an OpenPGP signature that a file has.
type signature struct {
	key string // its id, 16 hexadecimal digits in lower case; "" where it doesn't tell
	all bool   // it covers the payload itself
}

// CheckSignature asks rpm what its keyring says of an RPM file, by its exit status; what it prints
// has the file's name in it. So a file is Signed that has a signature and that rpm verifies where
// it must have one. key is the id of the key that the file is signed with, as the signature says,
// 16 hexadecimal digits in lower case; "" where it isn't signed or the signature doesn't tell. The
// error is for a file that can't be read or is no RPM, and for rpm itself: an *Error, or ctx's.
//
// The file must be one that nobody exchanges meanwhile: it is opened more than once.
func (d Database) CheckSignature(ctx context.Context, file string) (trust Trust, key string, err error) {
	if file, err = filepath.Abs(file); err != nil { // so that it is no option, and no URL
		return Unsigned, "", fmt.Errorf("checking a signature: %w", err)
	}
	signatures, err := readSignatures(file)
	if err != nil {
		return Unsigned, "", &Error{Kind: Corrupt, Output: fmt.Sprintf("%s is no RPM, or damaged: %v\n", file, err), Err: err}
	}
	if len(signatures) == 0 {
		return Unsigned, "", nil
	}
	key = signatures[0].key
	verified, err := d.holds(ctx, append(slices.Clone(required), "-K", file)...)
	if err != nil {
		return Unsigned, "", err
	}
	if verified {
		// An old rpm takes a file that has only its header signed, though it doesn't compare the
		// digest of the payload in there.
		if !slices.ContainsFunc(signatures, func(s signature) bool { return s.all }) && !d.knowsLevels(ctx) {
			return Unsigned, "", ctx.Err()
		}
		return Signed, key, nil
	}
	damaged, err := d.damaged(ctx, file)
	if err != nil || damaged {
		return Bad, key, err
	}
	for _, s := range signatures {
		if s.key == "" {
			continue
		}
		known, err := d.holds(ctx, "-q", "gpg-pubkey-"+s.key[8:]) // rpm calls a key by its last digits
		if err != nil {
			return Unsigned, "", err
		}
		if !known {
			return NoKey, s.key, nil
		}
	}
	return Bad, key, nil
}

// holds runs rpm for its exit status. The error is for what is no answer.
func (d Database) holds(ctx context.Context, args ...string) (bool, error) {
	err := d.run(ctx, nil, args, func(stdout io.Reader) { io.Copy(io.Discard, stdout) })
	var failed *Error
	if errors.As(err, &failed) && failed.Kind != Killed && failed.Kind != NotFound {
		return false, nil
	}
	return err == nil, err
}

// knowsLevels tells whether rpm knows the macros of required: it has a default of one.
func (d Database) knowsLevels(ctx context.Context) bool {
	var level strings.Builder
	err := d.run(ctx, nil, []string{"--eval", "%{?_pkgverify_level}"}, func(stdout io.Reader) { io.Copy(&level, io.LimitReader(stdout, 100)) })
	return err == nil && strings.TrimSpace(level.String()) != ""
}

// HasSignature tells whether an RPM file is signed, by whomever.
func HasSignature(file string) (bool, error) {
	all, err := readSignatures(file)
	if err != nil {
		return false, fmt.Errorf("looking whether an RPM is signed: %w", err)
	}
	return len(all) > 0, nil
}

// readSignatures reads which OpenPGP signatures an RPM file has. Whether they are good only rpm
// tells.
func readSignatures(file string) ([]signature, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, _, err := readPackage(f)
	if err != nil {
		return nil, err
	}
	var all []signature
	for _, tag := range []uint32{tagRSA, tagDSA, tagOpenPGP, tagPGP, tagGPG} {
		if tag == tagOpenPGP {
			for _, text := range h.texts(tag) {
				if packets, err := base64.StdEncoding.DecodeString(text); err == nil {
					all = append(all, signature{key: issuer(packets)})
				}
			}
		} else if packets := h.bytes(tag); len(packets) > 0 {
			all = append(all, signature{issuer(packets), tag == tagPGP || tag == tagGPG})
		}
	}
	return all, nil
}

// issuer is the id of the key that made the first of some OpenPGP packets, a signature; "" where it
// doesn't tell.
func issuer(packets []byte) string {
	p, err := packet.NewOpaqueReader(bytes.NewReader(packets)).Next()
	const isSignature = 2 // the number of the kind of packet (RFC 9580, 5)
	if err != nil || p.Tag != isSignature {
		return ""
	}
	// Version 3, which Fedora's packages were signed with for long: a length of 5, the kind, the
	// time, the key's id (RFC 4880, 5.2.2).
	if b := p.Contents; len(b) >= 15 && b[0] == 3 && b[1] == 5 {
		return hex.EncodeToString(b[7:15])
	}
	parsed, err := p.Parse()
	s, ok := parsed.(*packet.Signature)
	switch {
	case err != nil || !ok:
		return ""
	case s.IssuerKeyId != nil:
		return fmt.Sprintf("%016x", *s.IssuerKeyId)
	case len(s.IssuerFingerprint) == 20: // of a key of version 4: the id is its end
		return hex.EncodeToString(s.IssuerFingerprint[12:])
	case len(s.IssuerFingerprint) == 32: // of version 6: its beginning
		return hex.EncodeToString(s.IssuerFingerprint[:8])
	}
	return ""
}

// Damaged tells whether an RPM file is found not to be what was built, by the digests that it has
// itself: by rpm's exit status. Who signed it doesn't matter. Where that can't be told, it is not.
func (d Database) Damaged(ctx context.Context, file string) bool {
	damaged, err := d.damaged(ctx, file)
	return err == nil && damaged
}

func (d Database) damaged(ctx context.Context, file string) (bool, error) {
	file, err := filepath.Abs(file)
	if err != nil {
		return false, fmt.Errorf("looking whether an RPM is damaged: %w", err)
	}
	intact, err := d.holds(ctx, "--define", "_pkgverify_level digest", "--define", "_pkgverify_flags 0x0", "-K", "--nosignature", file)
	return err == nil && !intact, err
}

// ImportKey puts the OpenPGP key in a file, ASCII-armoured, into RPM's keyring. lock is as with
// Install.
func (d Database) ImportKey(lock *os.File, file string) error {
	return d.run(context.Background(), lock, []string{"--import", file}, func(stdout io.Reader) { io.Copy(io.Discard, stdout) })
}

// Rebuild has rpm write the database anew from the headers that can still be read. lock is as with
// Install.
func (d Database) Rebuild(lock *os.File) error {
	return d.run(context.Background(), lock, []string{"--rebuilddb"}, func(stdout io.Reader) { io.Copy(io.Discard, stdout) })
}
