package tree

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format is the version of the published formats that this package reads and writes.
const Format = 1

// Bounds on what a reader takes. They are far above what real platforms need (63,440 packages: a
// platform.json of 36 KiB, shards of 50 KiB) and far below what would hurt a laptop of 256 MB.
const (
	MaxPlatform = 1 << 20  // bytes of platform.json
	MaxFile     = 32 << 20 // bytes of any other published file but RPMs
	MaxShard    = 16 << 20 // bytes of a shard, unpacked
	MaxRPM      = 16 << 30 // bytes of an RPM
	MaxPackages = 20000    // packages in a tree
	maxName     = 255      // bytes of a name
	maxPath     = 1024     // bytes of a path
)

// FormatError reports a published file of a format that this version can't read.
type FormatError struct {
	What   string // the kind of file: "platform.json", "tree", "file list"
	Format int    // the format that it has
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("this %s has format %d and this version reads format %d: update packagekit-backend-presolve", e.What, e.Format, Format)
}

// A Ref is a published file named by its content: Path, relative to the platform's folder, SHA256 in
// hexadecimal, and Size in bytes.
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

// check tells whether the Ref itself may be followed: a path in the folder that belongs to it, a digest that the
// path agrees with, a size within the bounds.
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
	if r.Size <= 0 || r.Size > MaxFile {
		return fmt.Errorf("%s: a size of %d bytes is not between 1 and %d", r.Path, r.Size, MaxFile)
	}
	return nil
}

func checkDigest(s string) error {
	if len(s) != 2*sha256.Size || strings.Trim(s, "0123456789abcdef") != "" {
		return fmt.Errorf("%q is not a SHA-256 in lower case hexadecimal", s)
	}
	return nil
}

// CheckName tells whether a package name may become part of a path, a package id and a line of protocol.
func CheckName(s string) error {
	if s == "" || s == "." || s == ".." || len(s) > maxName {
		return fmt.Errorf("%.40q can't be the name of a package", s)
	}
	return checkText("name", s, unfit)
}

// unfit are the characters that no part of a package's name may have: they mean something in a path, a package id, a list
// of the protocol, a URL or a pattern of file names. U+FFFD is what reading JSON makes of what is not UTF-8.
const unfit = "/\\;&| \t*?[]{}#\uFFFD"

// checkPath tells whether a path stays within the folder that it is relative to.
func checkPath(s string) error {
	if s == "" || len(s) > maxPath || s != path.Clean(s) || path.IsAbs(s) || s == "." || s == ".." || strings.HasPrefix(s, "../") {
		return fmt.Errorf("%.80q is not a plain relative path", s)
	}
	return checkText("path", s, "\\\uFFFD")
}

func checkText(what, s, forbidden string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("the %s %.80q is not UTF-8", what, s)
	}
	for _, r := range s {
		if unicode.IsControl(r) || strings.ContainsRune(forbidden, r) {
			return fmt.Errorf("the %s %.80q has the character %q", what, s, r)
		}
	}
	return nil
}

func checkURL(s string) error {
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

func (p NEVRA) check() error {
	if err := CheckName(p.Name); err != nil {
		return err
	}
	for _, f := range [...]struct{ what, text, unfit string }{
		{"version", p.Version, unfit + "-:"}, {"release", p.Release, unfit + "-:"}, {"architecture", p.Arch, unfit + "-:."},
	} {
		if f.text == "" || len(f.text) > maxName {
			return fmt.Errorf("%s: the %s %.40q is empty or too long", p.Name, f.what, f.text)
		}
		if err := checkText(f.what, f.text, f.unfit); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if p.Epoch < 0 {
		return fmt.Errorf("%s: the epoch %d is negative", p.Name, p.Epoch)
	}
	return nil
}
