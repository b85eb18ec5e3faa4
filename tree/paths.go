// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Kind is what a path means for who serves, caches or copies what is published.
type Kind int

const (
	Other   Kind = iota // it is nothing that laptops ask for: pages for people, and whatever else is there
	InPlace             // it may have another content the next time
	Root                // platform.json: it changes in place, and appears after all that it leads to
	Head                // platform.json under its digest; its signatures can become more
	Named               // by its content: a file, or a shard of an index
	RPM
)

// Immutable tells whether what is under a path never changes.
func (k Kind) Immutable() bool { return k >= Head }

// CacheControl is what HTTP says of it.
func (k Kind) CacheControl() string {
	if k.Immutable() {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}

// A Path is what the path of a file in a published folder says of it, where it is not of the kind Other.
type Path struct {
	Kind     Kind
	Platform string // whose folder it is in; "": it is platforms.json
	Folder   string // the one in that; "": none
	// Digest is that of a Head or a Named: 16 digits, or a shard's ROOT/NUMBER.
	Digest string
}

// ParsePath reads the path of a file, relative to the published folder.
func ParsePath(name string) Path {
	if name == "platforms.json" {
		return Path{Kind: InPlace}
	}
	platform, in, _ := strings.Cut(name, "/")
	kind, digest := kindOf(in)
	if kind == Other || CheckName(platform) != nil {
		return Path{}
	}
	folder, _, below := strings.Cut(in, "/")
	if !below {
		folder = ""
	}
	return Path{kind, platform, folder, digest}
}

// indexes are the folders of indexes; those of files are in maxSizes.
var indexes = []string{"references", "texts", "capabilities"}

// kindOf reads a path in a platform's folder.
func kindOf(in string) (kind Kind, digest string) {
	folder, file, _ := strings.Cut(in, "/")
	root, number, isShard := strings.Cut(file, "/")
	digest = NameDigest(in)
	switch {
	case in == "platform.json":
		return Root, ""
	case in == CopiesName, in == "report.json", isKeysName(strings.TrimSuffix(in, ".asc")):
		return InPlace, ""
	case digest != "" && in == "platform@"+digest+".json":
		return Head, digest
	case digest != "" && in == SignatureName("platform@"+digest+".json"):
		return InPlace, ""
	case isShard:
		if n, err := strconv.ParseUint(number, 10, 16); slices.Contains(indexes, folder) && isDigest(root) && err == nil && n < MaxShards {
			return Named, file
		}
	case file == "", strings.HasPrefix(file, "."): // it is being written
	case maxSizes[folder] > 0 && digest != "":
		return Named, digest
	case folder == "rpms":
		return RPM, ""
	case folder == "keys":
		if print, ok := strings.CutSuffix(file, ".asc"); ok && len(print) >= 8 && len(print) <= 64 && strings.Trim(print, "0123456789abcdefABCDEF") == "" {
			return InPlace, ""
		}
	}
	return Other, ""
}

// NameDigest is the digest in the name of a file, [NAME@]DIGEST.EXTENSION: 16 digits; "": it has none.
func NameDigest(name string) string {
	base := path.Base(name)
	digest, extension, _ := strings.Cut(base[strings.LastIndexByte(base, '@')+1:], ".")
	if !isDigest(digest) || extension == "" {
		return ""
	}
	return digest
}

func isDigest(s string) bool { return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == "" }

// isKeysName tells whether a name is that of a keys file.
func isKeysName(name string) bool {
	number, _ := strings.CutPrefix(name, "keys@")
	version, err := strconv.ParseUint(strings.TrimSuffix(number, ".json"), 10, 20)
	return err == nil && name == KeysName(int64(version))
}

// KeyName is the name of the public key with a fingerprint, in the platform's folder.
func KeyName(fingerprint string) string { return "keys/" + fingerprint + ".asc" }

// EscapePath makes a path fit for a URL. "+" is escaped too, as the name of half of the C++ libraries
// has it: Amazon S3, and what speaks like it, takes a "+" in a path for a space.
func EscapePath(path string) string {
	return strings.ReplaceAll((&url.URL{Path: path}).EscapedPath(), "+", "%2B")
}
