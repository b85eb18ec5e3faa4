// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// RPM copies a package's RPM from its repository to w and returns its SHA-256. Where the error
// isn't nil, what w got is not the RPM that the repository describes. What a mirror gives that is
// wrong is taken back, and the next one asked, where w can be cut, as an *os.File can; else only a
// mirror that gives nothing is passed over.
func (p *Platform) RPM(ctx context.Context, pkg *Package, w io.Writer) (sum string, err error) {
	var final error
	err = p.mirrors[pkg.repository].get(ctx, pkg.base, pkg.location, func(address string) error {
		if final != nil {
			return final
		}
		n := &counter{}
		sum, err = p.rpm(ctx, pkg, address, io.MultiWriter(w, n))
		if err != nil && n.n > 0 {
			final = takeBack(w)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return sum, nil
}

// takeBack makes what was written be as if it never was.
func takeBack(w io.Writer) error {
	f, ok := w.(interface {
		io.Seeker
		Truncate(size int64) error
	})
	if !ok {
		return errors.New("what an earlier mirror gave can't be taken back")
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// rpm is RPM from one place.
func (p *Platform) rpm(ctx context.Context, pkg *Package, address string, w io.Writer) (string, error) {
	sum := sha256.New()
	check, n := newHash(pkg.ChecksumKind), &counter{}
	writers := []io.Writer{w, sum, n}
	if check != nil {
		writers = append(writers, check)
	}
	if err := p.fetcher.fetch(ctx, address, io.MultiWriter(writers...), pkg.Size); err != nil {
		return "", err
	}
	if err := pkg.compare(address, n.n, check); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// compare tells whether a file of a size and digest, which is at a place, is the package's RPM.
func (pkg *Package) compare(at string, size int64, sum hash.Hash) error {
	if size != pkg.Size {
		return fmt.Errorf("%s has %d bytes and its repository says %d: run createrepo_c on the repository, or try again when it isn't being updated", at, size, pkg.Size)
	}
	if sum == nil {
		return fmt.Errorf("%s has no checksum in its repository that is any good (it is %q): run createrepo_c on the repository", at, pkg.ChecksumKind)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != pkg.Checksum {
		return fmt.Errorf("%s has the %s %s and its repository says %s: it is damaged, or the repository is just being updated", at, pkg.ChecksumKind, got, pkg.Checksum)
	}
	return nil
}

// place is what people are told of where the RPM should be.
func (pkg *Package) place() string {
	if len(pkg.URLs) == 0 {
		return "the RPM of " + pkg.NEVRA.String()
	}
	return pkg.URLs[0]
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
	if err := pkg.compare(pkg.place(), n, check); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
