// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Format is the version of the published formats that this package reads and writes.
const Format = 2

// FormatError reports a published file of a format that this version can't read.
type FormatError struct {
	What   string // the kind of file: "platform.json", "tree", "file list"
	Format int    // the format that it has
}

func (e *FormatError) Error() string {
	if e.Format < Format {
		return fmt.Sprintf("this %s has format %d, and this version reads format %d: the server's presolver is older, whoever runs it has to update it and build again", e.What, e.Format, Format)
	}
	return fmt.Sprintf("this %s has format %d and this version reads format %d: update packagekit-backend-presolve", e.What, e.Format, Format)
}

// A Ref is a published file named by its content: Path, relative to the platform's folder, SHA256
// in hexadecimal, and Size in bytes.
type Ref struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// IsZero tells whether there is no such file.
func (r Ref) IsZero() bool { return r == Ref{} }

// NewRef names content as a file called prefix + digest + suffix, e.g. "trees/gbrainy@", ".json".
func NewRef(prefix string, content []byte, suffix string) Ref {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	return Ref{Path: prefix + digest[:16] + suffix, SHA256: digest, Size: int64(len(content))}
}

// Check compares content with the Ref that led to it.
func (r Ref) Check(content []byte) error {
	if int64(len(content)) != r.Size {
		return fmt.Errorf("%s has %d bytes and should have %d", r.Path, len(content), r.Size)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != r.SHA256 { // which one it has may be nobody's business
		return fmt.Errorf("%s isn't what its source promised, which has the SHA-256 %s", r.Path, r.SHA256)
	}
	return nil
}

// check tells whether the Ref itself may be followed: a path in the folder that belongs to it, a
// digest that the path agrees with, a size within the bounds.
func (r Ref) check(folder string) error {
	if err := checkPath(r.Path); err != nil {
		return err
	}
	if err := checkDigest(r.SHA256); err != nil {
		return fmt.Errorf("%s: %w", r.Path, err)
	}
	if path.Dir(r.Path) != folder || !strings.Contains(path.Base(r.Path), r.SHA256[:16]) {
		return fmt.Errorf("the path %q should be in %s/ and have the digest %s", r.Path, folder, r.SHA256[:16])
	}
	if r.Size <= 0 || r.Size > maxSizes[folder] {
		return fmt.Errorf("%s: a size of %d bytes is not between 1 and %d", r.Path, r.Size, maxSizes[folder])
	}
	return nil
}

func checkDigest(s string) error {
	if len(s) != 2*sha256.Size || strings.Trim(s, "0123456789abcdef") != "" {
		return fmt.Errorf("%q is not a SHA-256 in lower case hexadecimal", s)
	}
	return nil
}

// CheckLocation tells whether a text may be a Package's Location.
func CheckLocation(s string) error { return checkPath(s) }

// checkPath tells whether a path stays within the folder that it is relative to.
func checkPath(s string) error {
	if s == "" || len(s) > maxPath || s != path.Clean(s) || path.IsAbs(s) || s == "." || s == ".." || strings.HasPrefix(s, "../") {
		return fmt.Errorf("%.80q is not a plain relative path", s)
	}
	if strings.Contains(s, `\`) {
		return fmt.Errorf("the path %.80q has a backslash", s)
	}
	return checkText("path", s)
}

func checkURL(s string) error {
	if len(s) > MaxURL {
		return fmt.Errorf("the URL %.80q has %d bytes, more than %d", s, len(s), MaxURL)
	}
	if err := checkText("URL", s); err != nil {
		return err
	}
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Errorf("%.80q is not a URL: %w", s, err)
	}
	switch {
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", u.Scheme == "file" && path.IsAbs(u.Path):
		return nil
	}
	return fmt.Errorf("%.80q is not an absolute http, https or file URL", s)
}
