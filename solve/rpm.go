// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// RPM copies a package's RPM from its repository to w and returns its SHA-256. Where the error
// isn't nil, what w got is not the RPM that the repository describes.
func (p *Platform) RPM(ctx context.Context, pkg *Package, w io.Writer) (string, error) {
	sum := sha256.New()
	check, n := newHash(pkg.ChecksumKind), &counter{}
	writers := []io.Writer{w, sum, n}
	if check != nil {
		writers = append(writers, check)
	}
	if err := p.fetcher.fetch(ctx, pkg.URLs[0], io.MultiWriter(writers...), pkg.Size); err != nil {
		return "", err
	}
	if err := pkg.compare(n.n, check); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// compare tells whether a file of a size and digest is the package's RPM.
func (pkg *Package) compare(size int64, sum hash.Hash) error {
	if size != pkg.Size {
		return fmt.Errorf("%s has %d bytes and its repository says %d: run createrepo_c on the repository, or try again when it isn't being updated", pkg.URLs[0], size, pkg.Size)
	}
	if sum == nil {
		return fmt.Errorf("%s has no checksum in its repository that is any good (it is %q): run createrepo_c on the repository", pkg.URLs[0], pkg.ChecksumKind)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != pkg.Checksum {
		return fmt.Errorf("%s has the %s %s and its repository says %s: it is damaged, or the repository is just being updated", pkg.URLs[0], pkg.ChecksumKind, got, pkg.Checksum)
	}
	return nil
}

// Check tells whether r has the RPM that the repository describes, and gives its SHA-256.
func (pkg *Package) Check(r io.Reader) (string, error) {
	sum, check := sha256.New(), newHash(pkg.ChecksumKind)
	w := io.Writer(sum)
	if check != nil {
		w = io.MultiWriter(sum, check)
	}
	n, err := io.Copy(w, io.LimitReader(r, pkg.Size+1))
	if err != nil {
		return "", fmt.Errorf("reading an RPM: %w", err)
	}
	if err := pkg.compare(n, check); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
