// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// keysFolder has public keys, each by its fingerprint. People may put others there.
const keysFolder = "keys"

// isHead tells whether a name is that of a platform.json under its digest, or of its signatures.
func isHead(name string) bool { return strings.HasPrefix(name, "platform@") }

// signs tells whether a file belongs to signatures. They are looked at in each build, whether anything
// else has changed or not: whoever adds a signature by hand changes nothing of what was built.
func signs(name string) bool {
	return isHead(name) || strings.HasPrefix(name, "keys@") || path.Dir(name) == keysFolder
}

// sign adds platform.json under its digest, and its signatures, where there are any: those that are
// there, and the one of who signs. With them come the keys files, and the public key that made it.
func (f *folder) sign(ctx context.Context, platform []byte, s *signing.Signing, now time.Time) error {
	head := tree.HeadName(platform)
	if err := f.add(head, platform); err != nil {
		return err
	}
	if s != nil {
		for _, k := range s.Keys {
			if err := errors.Join(f.replace(k.Name(), k.Text), f.replace(tree.SignatureName(k.Name()), k.Signatures)); err != nil {
				return err
			}
		}
		key := s.Signer.Key
		if err := f.replace(tree.KeyName(key.Fingerprint), key.Armoured); err != nil {
			return err
		}
	}
	name := tree.SignatureName(head)
	signatures, err := os.ReadFile(f.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the signatures of platform.json: %w", err)
	}
	if s != nil {
		if signatures, err = s.Signer.Add(ctx, platform, signatures, now); err != nil {
			return err
		}
		if err := f.subkeys(signatures, s.Signer.Key); err != nil {
			return err
		}
	}
	if signatures == nil {
		return nil
	}
	return f.replace(name, signatures)
}

// subkeys adds the public key under the fingerprints of those of its subkeys that signed, too: who knows
// no key has only those to ask by.
func (f *folder) subkeys(signatures []byte, key *pgp.Key) error {
	issuers, err := pgp.Issuers(signatures)
	if err != nil {
		return err
	}
	for _, print := range issuers {
		if key.Has(print) && print != key.Fingerprint {
			if err := f.replace(tree.KeyName(print), key.Armoured); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkKeys refuses keys files that contradict those that laptops may have taken already.
func (p *presolve) checkKeys() error {
	if p.Signing == nil {
		return nil
	}
	if version := p.Signing.Version(); p.was.Keys > version {
		return fmt.Errorf("what is published is signed by the keys of %s, and signing.keys has %d versions: laptops stay with the newest that they know", tree.KeysName(p.was.Keys), version)
	}
	for _, k := range p.Signing.Keys[:p.was.Keys] {
		text, err := os.ReadFile(p.folder.path(k.Name()))
		if err == nil && !bytes.Equal(text, k.Text) {
			return fmt.Errorf("%s isn't the one that is published: laptops may have that; make a new version in its place", k.Name())
		}
	}
	return nil
}
