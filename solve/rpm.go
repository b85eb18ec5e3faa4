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
// isn't nil, what w got is not the RPM that the repository describes.
func (p *Platform) RPM(ctx context.Context, pkg *Package, w io.Writer) (string, error) {
	sum := sha256.New()
	check, n := newHash(pkg.ChecksumKind), &counter{}
	writers := []io.Writer{w, sum, n}
	if check != nil {
		writers = append(writers, check)
	}
	if err := p.fetcher.fetch(ctx, pkg.URLs[0], io.MultiWriter(writers...), pkg.Size); err != nil {
		if n.n > pkg.Size || isGone(pkg.URLs[0], err) {
			return "", noRPM{err}
		}
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
		return noRPM{fmt.Errorf("%s has %d bytes and its repository says %d: run createrepo_c on the repository, or try again when it isn't being updated", pkg.URLs[0], size, pkg.Size)}
	}
	if sum == nil {
		return noRPM{fmt.Errorf("%s has no checksum in its repository that is any good (it is %q): run createrepo_c on the repository", pkg.URLs[0], pkg.ChecksumKind)}
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != pkg.Checksum {
		return noRPM{fmt.Errorf("%s has the %s %s and its repository says %s: it is damaged, or the repository is just being updated", pkg.URLs[0], pkg.ChecksumKind, got, pkg.Checksum)}
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
