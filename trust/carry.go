// SPDX-License-Identifier: GPL-2.0-or-later

package trust

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Carry brings all that a computer may need to believe the claim, whomever it trusts and whatever keys
// file it knows: the signatures of platform.json, the keys files from the first on, and the public keys
// of those who signed. So a Get that keeps what it brings has what a copy of the source has to have.
//
// Nothing is believed, and what the source hasn't got is left out: whoever gets the copy decides as if it
// had asked the source. The keys files that are there are returned, from the first on; the error is Get's,
// or that of a keys file that can't be read.
func (c Claim) Carry(ctx context.Context) ([]*Keys, error) {
	version, err := tree.KeysOf(c.Head)
	if err != nil {
		return nil, err
	}
	signatures, err := c.may(ctx, tree.SignatureName(tree.HeadName(c.Head)), pgp.MaxSignatures)
	if err != nil {
		return nil, err
	}
	issuers, _ := pgp.Issuers(signatures) // where nobody can read them nobody signed
	for _, print := range issuers {
		text, err := c.may(ctx, tree.KeyName(print), pgp.MaxKey)
		if err != nil {
			return nil, err
		}
		// Who trusts the key whose subkey signed asks for that.
		if k, err := pgp.ReadKey(text); err == nil && k.Has(print) && k.Fingerprint != print {
			if _, err := c.may(ctx, tree.KeyName(k.Fingerprint), pgp.MaxKey); err != nil {
				return nil, err
			}
		}
	}
	var all []*Keys
	for v := int64(1); v <= version; v++ {
		name := tree.KeysName(v)
		text, err := c.may(ctx, name, tree.MaxKeysFile)
		if err != nil {
			return nil, err
		}
		signatures, err := c.may(ctx, tree.SignatureName(name), pgp.MaxSignatures)
		if err != nil {
			return nil, err
		}
		if text == nil {
			continue
		}
		k, err := ParseKeys(text, v)
		if err != nil {
			return nil, wrong(Changed, name, "%w", err)
		}
		k.Signatures = signatures
		all = append(all, k)
	}
	return all, nil
}

// A Kept is what came from a source, by the names of its files: who makes a copy keeps what Check and Carry
// have asked for, each file asked for once. The zero value has nothing.
type Kept struct {
	mu    sync.Mutex
	files map[string][]byte
}

// Get is a claim's Get that keeps what get brings.
func (k *Kept) Get(get func(ctx context.Context, name string, most int64) ([]byte, error)) func(context.Context, string, int64) ([]byte, error) {
	return func(ctx context.Context, name string, most int64) ([]byte, error) {
		k.mu.Lock()
		data, ok := k.files[name]
		k.mu.Unlock()
		if ok {
			return data, nil
		}
		data, err := get(ctx, name, most)
		if err == nil {
			k.mu.Lock()
			if k.files == nil {
				k.files = make(map[string][]byte)
			}
			k.files[name] = data
			k.mu.Unlock()
		}
		return data, err
	}
}

// Files are the files that came. Nothing may be asked any more.
func (k *Kept) Files() map[string][]byte { return k.files }

// may brings a file that the source need not have.
func (c Claim) may(ctx context.Context, name string, most int64) ([]byte, error) {
	data, err := c.Get(ctx, name, most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}
