// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"os"
	"sync"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// An entry is a package as all trees have it, but for Requires.
type entry struct {
	tree.Package
	from [16]byte // the digest of it and of its files

	// Why no tree can have it: an RPM that can't be had, one that laptops won't take, or the build
	// fails. Empty and nil: they can.
	lacks, unsolved string
	err             error
}

// entry makes a package's entry, once.
func (b *builder) entry(ctx context.Context, pkg *solve.Package) *entry {
	once, _ := b.entries.LoadOrStore(pkg, sync.OnceValue(func() *entry { return b.makeEntry(ctx, pkg) }))
	return once.(func() *entry)()
}

func (b *builder) makeEntry(ctx context.Context, pkg *solve.Package) *entry {
	e := &entry{Package: pkg.Package}
	clip(&e.Package)
	if pkg.Nowhere != "" {
		e.lacks = pkg.Nowhere + ": correct the repository"
		return e
	}
	if b.Copy {
		rpm, err := b.rpm(ctx, pkg)
		if errors.Is(err, solve.ErrNoRPM) {
			e.lacks = err.Error()
			b.reportMu.Lock()
			b.lacksRPM = true
			b.reportMu.Unlock()
			return e
		}
		if err != nil {
			e.err = fmt.Errorf("copying the RPM of %s: %w", pkg.NEVRA, err)
			return e
		}
		e.Location, e.SHA256, e.Digest, e.URLs = rpms+rpm.name, rpm.sha256, "", nil
		e.Unsigned = rpm.unsigned
	} else if e.RPMDigest() == "" {
		e.unsolved = fmt.Sprintf(`the repository has a checksum of the kind %q for %s and laptops need its sha256, sha384 or sha512: run createrepo_c --checksum sha256 on the repository, or build with rpms = "copy"`, pkg.ChecksumKind, e.NEVRA)
		return e
	}
	if b.Asked == "" {
		return e
	}
	h := sha256.New()
	if e.err = json.NewEncoder(h).Encode(&e.Package); e.err == nil && b.solved.HasFiles() {
		e.err = json.NewEncoder(h).Encode(files(b.solved.Files(pkg)))
	}
	copy(e.from[:], h.Sum(nil))
	return e
}

// make encodes a tree, or finds that the last build did so. from has been written what its packages
// are. It is nil where laptops would refuse it.
func (b *builder) make(t *tree.Tree, from hash.Hash, about []tree.Notice) (*madeTree, error) {
	m := &madeTree{Name: t.Name, Arch: t.Top().Arch}
	if b.Asked != "" {
		if err := json.NewEncoder(from).Encode([]any{t.Needs, about}); err != nil {
			return nil, fmt.Errorf("comparing the tree of %s: %w", t.Name, err)
		}
		copy(m.From[:], from.Sum(nil))
		if was := b.wasMade[m.is()]; was != nil && was.From == m.From && b.areThere(was.refs()) {
			return was, nil
		}
	}
	var err error
	if m.encoded, err = t.Encode(); err != nil {
		return nil, err
	}
	if err := t.CheckEncoded(m.encoded, b.Platform, t.Name); err != nil {
		b.unsolved(t.Name, "laptops would refuse it: "+err.Error())
		return nil, nil
	}
	return m, nil
}

// areThere tells whether the files of a tree are in the platform's folder.
func (b *builder) areThere(refs []tree.Ref) bool {
	for _, ref := range refs {
		if info, err := os.Stat(b.home.path(ref.Path)); err != nil || info.Size() != ref.Size {
			return false
		}
	}
	return true
}
