// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"time"
)

// A Platform is platform.json: the root of what is published for one platform.
type Platform struct {
	Format   int    `json:"format"`
	Platform string `json:"platform"` // e.g. "fedora-18-i686"
	Arch     string `json:"arch"`     // as RPM names it
	// Serial grows with each build whose content differs. A reader takes a lower one than it has seen
	// only when it is forced to, or from a stick.
	Serial    int64      `json:"serial"`
	Created   time.Time  `json:"created"`
	Expires   time.Time  `json:"expires"` // publishers keep what it names until then; readers don't look at it yet
	Base      Base       `json:"base"`
	Catalogue []ShardRef `json:"catalogue"` // the shards: 2ⁿ of them, see Shard
	// Texts are summaries and descriptions by language; none where the repositories have none.
	Texts map[string]Ref `json:"texts,omitempty"`
	// Capabilities leads to the index of what the packages in all trees provide.
	Capabilities ShardRef `json:"capabilities,omitzero"`
	// Categories are menus of the packages; none where the repositories have none.
	Categories Ref      `json:"categories,omitzero"`
	Keys       []string `json:"keys,omitempty"`
}

// Base says what trees were solved against: SHA256 is of the sorted lines NEVRA.String() of its
// packages.
type Base struct {
	SHA256   string `json:"sha256"`
	Packages int    `json:"packages"`
}

// A ShardRef is a shard, with how much is in it. An older server says neither: both are 0.
type ShardRef struct {
	Ref
	Entries  int   `json:"entries,omitempty"`
	Unpacked int64 `json:"unpacked,omitempty"` // bytes
}

// Most is how many entries and bytes the shard has unpacked at the most.
func (s ShardRef) Most() (entries int, unpacked int64) {
	if s.Entries == 0 && s.Unpacked == 0 {
		unpacked = min(s.Size*unknownGrowth, MaxShard)
		return int(unpacked / minEntry), unpacked
	}
	return s.Entries, s.Unpacked
}

func (s ShardRef) check(folder string) error {
	if err := s.Ref.check(folder); err != nil {
		return err
	}
	entries, unpacked := s.Most()
	if unpacked < 1 || unpacked > MaxShard {
		return fmt.Errorf("%s: %d bytes unpacked are not between 1 and %d", s.Path, unpacked, MaxShard)
	}
	if entries < 0 || int64(entries) > unpacked/minEntry {
		return fmt.Errorf("%s: %d entries can't be in %d bytes", s.Path, entries, unpacked)
	}
	return nil
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
	if p.Serial < 1 {
		return nil, fmt.Errorf("platform.json has the serial %d", p.Serial)
	}
	if n := len(p.Catalogue); n == 0 || n&(n-1) != 0 {
		return nil, fmt.Errorf("the catalogue has %d shards, which is no power of two", n)
	}
	if err := checkCatalogue(p.Catalogue); err != nil {
		return nil, err
	}
	if len(p.Texts) > maxLanguages {
		return nil, fmt.Errorf("platform.json has texts in %d languages, more than %d", len(p.Texts), maxLanguages)
	}
	for language, ref := range p.Texts {
		if err := CheckLanguage(language); err != nil {
			return nil, fmt.Errorf("platform.json has texts: %w", err)
		}
		if err := ref.check("texts"); err != nil {
			return nil, err
		}
	}
	if !p.Capabilities.IsZero() {
		if err := p.Capabilities.check("capabilities"); err != nil {
			return nil, err
		}
	}
	if !p.Categories.IsZero() {
		if err := p.Categories.check("categories"); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// checkCatalogue checks the shards, each and all together.
func checkCatalogue(shards []ShardRef) error {
	if len(shards) > MaxShards {
		return fmt.Errorf("the catalogue has %d shards, more than %d", len(shards), MaxShards)
	}
	entries, unpacked, size := 0, int64(0), int64(0)
	for _, s := range shards { // none of which is so large that the sums could overflow
		if err := s.check("catalogue"); err != nil {
			return err
		}
		n, bytes := s.Most()
		size, unpacked = size+s.Size, unpacked+bytes
		if s.Entries > 0 {
			entries += n
		}
	}
	if entries > MaxEntries || unpacked > MaxUnpacked || size > MaxCatalogue {
		return fmt.Errorf("the catalogue has %d entries in %d bytes, %d unpacked: more than the %d in %d, %d unpacked, that a laptop can use",
			entries, size, unpacked, MaxEntries, MaxCatalogue, MaxUnpacked)
	}
	return nil
}

// Encode writes platform.json as it is published.
func (p *Platform) Encode() ([]byte, error) { return encode(p) }

// Shard is the index in Catalogue of the shard that has a name.
func (p *Platform) Shard(name string) int { return Shard(name, len(p.Catalogue)) }

// Shard tells which of n shards, a power of two, has a name: the one whose number is the first
// log2(n) bits of the name's SHA-256.
func Shard(name string, n int) int {
	sum := sha256.Sum256([]byte(name))
	return int(uint64(binary.BigEndian.Uint32(sum[:4])) >> (32 - bits.TrailingZeros(uint(n))))
}

// Shards is how many shards a catalogue of so many entries is published in: as many as keep one at
// about 256.
func Shards(entries int) int {
	n := 1
	for entries > n*384 {
		n *= 2
	}
	return n
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
