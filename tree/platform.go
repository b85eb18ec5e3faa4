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
	// Serial grows with each build whose content differs; a reader never goes back to a lower one.
	Serial    int64     `json:"serial"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires"`
	Base      Base      `json:"base"`
	Catalogue []Ref     `json:"catalogue"` // the shards: 2ⁿ of them, see Shard
	// Texts are summaries and descriptions by language; none where the repositories have none.
	Texts map[string]Ref `json:"texts,omitempty"`
	Keys  []string       `json:"keys,omitempty"`
}

// Base says what trees were solved against: SHA256 is of the sorted lines NEVRA.String() of its packages.
type Base struct {
	SHA256   string `json:"sha256"`
	Packages int    `json:"packages"`
}

// ParsePlatform reads and checks a platform.json of the platform that the caller wants.
func ParsePlatform(data []byte, platform string) (*Platform, error) {
	if len(data) > MaxPlatform {
		return nil, fmt.Errorf("platform.json has %d bytes, more than the %d that any platform needs", len(data), MaxPlatform)
	}
	p := new(Platform)
	if err := unmarshal("platform.json", data, &p.Format, p); err != nil {
		return nil, err
	}
	if p.Platform != platform {
		return nil, fmt.Errorf("this is the platform %.80q and not %q", p.Platform, platform)
	}
	if err := checkText("architecture", p.Arch, "/;&| "); err != nil || p.Arch == "" {
		return nil, fmt.Errorf("platform.json names no architecture")
	}
	if p.Serial < 1 {
		return nil, fmt.Errorf("platform.json has the serial %d", p.Serial)
	}
	if n := len(p.Catalogue); n == 0 || n&(n-1) != 0 {
		return nil, fmt.Errorf("the catalogue has %d shards, which is no power of two", n)
	}
	for _, shard := range p.Catalogue {
		if err := shard.check("catalogue"); err != nil {
			return nil, err
		}
	}
	for language, ref := range p.Texts {
		if err := CheckLanguage(language); err != nil {
			return nil, fmt.Errorf("platform.json has texts: %w", err)
		}
		if err := ref.check("texts"); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Encode writes platform.json as it is published.
func (p *Platform) Encode() ([]byte, error) { return encode(p) }

// Shard is the index in Catalogue of the shard that has a name.
func (p *Platform) Shard(name string) int { return Shard(name, len(p.Catalogue)) }

// Shard tells which of n shards, a power of two, has a name: the one whose number is the first log2(n)
// bits of the name's SHA-256.
func Shard(name string, n int) int {
	sum := sha256.Sum256([]byte(name))
	return int(uint64(binary.BigEndian.Uint32(sum[:4])) >> (32 - bits.TrailingZeros(uint(n))))
}

// Shards is how many shards a catalogue of so many entries is published in: as many as keep one at about 256.
func Shards(entries int) int {
	n := 1
	for entries > n*384 {
		n *= 2
	}
	return n
}

// unmarshal decodes a published file: its format first, so that a newer one is refused by its number and not by a
// field that changed its type.
func unmarshal(what string, data []byte, format *int, v any) error {
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
