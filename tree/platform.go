// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"net/url"
	"strings"
	"time"
)

// A Platform is platform.json: the root of what is published for one platform.
type Platform struct {
	Format   int    `json:"format"`
	Platform string `json:"platform"` // e.g. "fedora-18-i686"
	Arch     string `json:"arch"`     // as RPM names it
	// Serial grows with each build whose content differs, and is at most the seconds from 1970 to
	// Created. No reader takes a lower one than it has seen.
	Serial  int64     `json:"serial"`
	Created time.Time `json:"created"`
	// Expires is when readers take it no more. Publishers keep what it names until then.
	Expires time.Time `json:"expires"`
	Base    Base      `json:"base"`
	// Search is what searching needs of all top-level packages.
	Search Search `json:"search"`
	// References leads from the names of top-level packages to their trees (Reference).
	References Index `json:"references"`
	// Texts leads from languages to search files with summaries and descriptions (Language); there is
	// no such index where the repositories have none.
	Texts Index `json:"texts,omitzero"`
	// Capabilities is the index of what the packages in all trees provide (Capability).
	Capabilities Index `json:"capabilities,omitzero"`
	// Dictionary is what trees are compressed with (DictionaryOf); none where that doesn't pay.
	Dictionary Ref `json:"dictionary,omitzero"`
	// Repositories are where RPMs are that aren't in the platform's folder: packages of trees tell
	// the repository by its number. So another mirror changes no tree.
	Repositories []Repository `json:"repositories,omitempty"`
	// Categories are menus of the packages; none where the repositories have none.
	Categories Ref `json:"categories,omitzero"`
	// Appstream is what software centres show of the packages; none where nothing is known of that.
	Appstream Ref `json:"appstream,omitzero"`
	// Keys is the version of the keys file whose Online keys sign this; 0: there is none, and those
	// sign it whom readers know otherwise.
	Keys int64 `json:"keys,omitempty"`
}

// Base says what trees were solved against: SHA256 is of the sorted lines NEVRA.String() of its
// packages.
type Base struct {
	SHA256   string `json:"sha256"`
	Packages int    `json:"packages"`
}

// A Repository is the places that have the same RPMs, the best first.
type Repository struct {
	URLs []string `json:"urls"`
}

// URLs are where the RPM of a package of a tree is, but for the platform's folder.
func (p *Platform) URLs(pkg *Package) []string {
	var all []string
	if i := pkg.Repository - 1; i >= 0 && i < len(p.Repositories) {
		for _, at := range p.Repositories[i].URLs {
			if u, err := url.Parse(at); err == nil { // it was checked
				all = append(all, below(u, pkg.Location))
			}
		}
	}
	return append(all, pkg.URLs...)
}

// below is the URL of a file below another one.
func below(u *url.URL, location string) string {
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + location
	u.RawPath = EscapePath(u.Path)
	return u.String()
}

// ParsePlatform reads and checks a platform.json of the platform that the caller wants.
func ParsePlatform(data []byte, platform string) (*Platform, error) {
	p := new(Platform)
	if err := unmarshal("platform.json", data, platformLimit, &p.Format, p); err != nil {
		return nil, err
	}
	if p.Platform != platform {
		return nil, fmt.Errorf("this is the platform %.80q and not %q", p.Platform, platform)
	}
	if err := CheckArch(p.Arch); err != nil {
		return nil, fmt.Errorf("platform.json names no architecture: %w", err)
	}
	if p.Serial < 1 || p.Serial > max(p.Created.Unix(), 1) {
		return nil, fmt.Errorf("platform.json has the serial %d: there can't have been so many builds", p.Serial)
	}
	if err := checkKeysVersion(p.Keys); err != nil {
		return nil, err
	}
	if err := p.Search.check("search"); err != nil {
		return nil, err
	}
	if err := p.References.check(); err != nil {
		return nil, err
	}
	for _, x := range []Index{p.Texts, p.Capabilities} {
		if !x.IsZero() {
			if err := x.check(); err != nil {
				return nil, err
			}
		}
	}
	if !p.Dictionary.IsZero() {
		if err := p.Dictionary.check("dictionary"); err != nil {
			return nil, err
		}
	}
	if len(p.Repositories) > MaxRepositories {
		return nil, fmt.Errorf("platform.json has %d repositories, more than %d", len(p.Repositories), MaxRepositories)
	}
	for i, r := range p.Repositories {
		if len(r.URLs) == 0 || len(r.URLs) > maxURLs {
			return nil, fmt.Errorf("repository %d of platform.json has %d mirrors: not between 1 and %d", i+1, len(r.URLs), maxURLs)
		}
		for _, u := range r.URLs {
			if err := checkURL(u); err != nil {
				return nil, fmt.Errorf("repository %d of platform.json: %w", i+1, err)
			}
		}
	}
	if !p.Categories.IsZero() {
		if err := p.Categories.check("categories"); err != nil {
			return nil, err
		}
	}
	if !p.Appstream.IsZero() {
		if err := p.Appstream.check("appstream"); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Encode writes platform.json as it is published.
func (p *Platform) Encode() ([]byte, error) { return encode(p) }

// Shard tells which of n shards, a power of two, has a name: the one whose number is the first
// log2(n) bits of the name's SHA-256.
func Shard(name string, n int) int {
	sum := sha256.Sum256([]byte(name))
	return int(uint64(binary.BigEndian.Uint32(sum[:4])) >> (32 - bits.TrailingZeros(uint(n))))
}

// unmarshal decodes a published file: its format first, so that a newer one is refused by its
// number and not by a field that changed its type. Nothing is decoded of a file that is beyond its
// limit.
func unmarshal(what string, data []byte, l limit, format *int, v any) error {
	if err := l.check(what, data); err != nil {
		return err
	}
	var f struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return fmt.Errorf("this is no %s: %w", what, err)
	}
	if f.Format != Format {
		return &FormatError{What: what, Format: f.Format}
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("this is no %s: %w", what, err)
	}
	*format = f.Format
	return nil
}

func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	return append(data, '\n'), nil
}
