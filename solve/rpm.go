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
	"path"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

// ErrNoRPM is in the errors of Platform.RPM and Package.Check where what the repository has under
// the RPM's name is nothing, or not what its metadata describe. Other errors tell that it couldn't
// be found out, as when the server can't be reached.
var ErrNoRPM = errors.New("the repository doesn't have the RPM that it describes")

// noRPM is an ErrNoRPM with a text of its own.
type noRPM struct{ error }

func (e noRPM) Is(target error) bool { return target == ErrNoRPM }
func (e noRPM) Unwrap() error        { return e.error }

// RPM brings a package's RPM from its repository into the cache of the Downloader, where it is to
// be linked or copied from, and gives its path and SHA-256.
func (p *Platform) RPM(ctx context.Context, pkg *Package) (name, sum string, err error) {
	if pkg.Size <= 0 || newHash(pkg.ChecksumKind) == nil {
		return "", "", pkg.compare(pkg.place(), pkg.Size, nil)
	}
	f := file{base: pkg.base, location: pkg.location, label: pkg.fileName(), sum: pkg.Checksum, kind: pkg.ChecksumKind, size: pkg.Size, most: pkg.Size}
	name, err = p.downloads.file(ctx, p.mirrors[pkg.repository], f)
	switch {
	case err == nil:
	case isGone(err):
		return "", "", noRPM{err}
	default:
		return "", "", err
	}
	if pkg.ChecksumKind == "sha256" {
		return name, pkg.Checksum, nil
	}
	r, err := OpenRegular(name)
	if err != nil {
		return "", "", err
	}
	defer r.Close()
	sum, err = pkg.Check(Interruptible(ctx, r))
	return name, sum, err
}

// fileName is what people call the RPM.
func (pkg *Package) fileName() string {
	if strings.Contains(pkg.location, "://") || pkg.location == "" {
		return pkg.NEVRA.String() + ".rpm"
	}
	return path.Base(pkg.location)
}

// isGone tells whether there is no such file at any mirror, or a wrong one. A server that is
// overloaded or asks for a password may have it; a store that may not be listed says 403 of what it
// doesn't have.
func isGone(err error) bool {
	switch e := err.(type) {
	case *transport.StatusError:
		return e.Code == http.StatusNotFound || e.Code == http.StatusGone || e.Code == http.StatusForbidden
	case wrongContent:
		return true
	case *transport.Error:
		return e.Kind == transport.NotFound || e.Kind == transport.Corrupt || e.Kind == transport.Refused && isGone(e.Err)
	case interface{ Unwrap() []error }:
		return len(e.Unwrap()) > 0 && !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !isGone(err) })
	case interface{ Unwrap() error }:
		return isGone(e.Unwrap())
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular)
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
