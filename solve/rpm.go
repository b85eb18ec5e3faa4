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
	"io/fs"
	"net/http"
	"net/url"
	"os"
)

// ErrNoRPM is in the errors of Platform.RPM and Package.Check where what the repository has under
// the RPM's name is nothing, or not what its metadata describe. Other errors tell that it couldn't
// be found out, as when the server can't be reached.
var ErrNoRPM = errors.New("the repository doesn't have the RPM that it describes")

// noRPM is an ErrNoRPM with a text of its own.
type noRPM struct{ error }

func (e noRPM) Is(target error) bool { return target == ErrNoRPM }
func (e noRPM) Unwrap() error        { return e.error }

// A statusError is a server's answer other than 200.
type statusError struct {
	code   int
	status string
}

func (e *statusError) Error() string { return "the server answers " + e.status }

// isGone tells whether a download failed since there is no such file. A server that is overloaded
// or asks for a password may have it.
func isGone(address string, err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		// A store that may not be listed says 403 of what it doesn't have.
		return status.code == http.StatusNotFound || status.code == http.StatusGone || status.code == http.StatusForbidden
	}
	u, bad := url.Parse(address)
	if bad != nil || u.Scheme != "file" {
		return false
	}
	info, bad := os.Stat(u.Path)
	return errors.Is(bad, fs.ErrNotExist) || bad == nil && !info.Mode().IsRegular()
}

// RPM copies a package's RPM from its repository to w and returns its SHA-256. Where the error
// isn't nil, what w got is not the RPM that the repository describes. What a mirror gives that is
// wrong is taken back, and the next one asked, where w can be cut, as an *os.File can; else only a
// mirror that gives nothing is passed over.
func (p *Platform) RPM(ctx context.Context, pkg *Package, w io.Writer) (sum string, err error) {
	var final error
	absent := true // at all that could be asked
	err = p.mirrors[pkg.repository].get(ctx, pkg.base, pkg.location, func(address string) error {
		if final != nil {
			return final
		}
		n := &counter{}
		sum, err = p.rpm(ctx, pkg, address, io.MultiWriter(w, n))
		absent = absent && errors.Is(err, ErrNoRPM)
		if err != nil && n.n > 0 {
			final = takeBack(w)
		}
		return err
	})
	if err != nil && !absent && errors.Is(err, ErrNoRPM) {
		return "", fmt.Errorf("%v", err) // a mirror that couldn't be asked may have it
	}
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
		if n.n > pkg.Size || isGone(address, err) {
			return "", noRPM{err}
		}
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
		return noRPM{fmt.Errorf("%s has %d bytes and its repository says %d: run createrepo_c on the repository, or try again when it isn't being updated", at, size, pkg.Size)}
	}
	if sum == nil {
		return noRPM{fmt.Errorf("%s has no checksum in its repository that is any good (it is %q): run createrepo_c on the repository", at, pkg.ChecksumKind)}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != pkg.Checksum {
		return noRPM{fmt.Errorf("%s has the %s %s and its repository says %s: it is damaged, or the repository is just being updated", at, pkg.ChecksumKind, got, pkg.Checksum)}
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
