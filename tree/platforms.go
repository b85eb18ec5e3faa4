// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import "fmt"

// Platforms is platforms.json, beside the platforms' folders: what else is published there. It is a
// hint and not signed: nothing is ever fetched or installed by what it says.
type Platforms struct {
	Format    int             `json:"format"`
	Platforms []PlatformEntry `json:"platforms"` // sorted by name
}

// A PlatformEntry names a platform.
type PlatformEntry struct {
	Platform string `json:"platform"`
	Arch     string `json:"arch"`
}

// ParsePlatforms reads and checks a platforms.json.
func ParsePlatforms(data []byte) (*Platforms, error) {
	p := new(Platforms)
	if err := unmarshal("platforms.json", data, platformsLimit, &p.Format, p); err != nil {
		return nil, err
	}
	for _, e := range p.Platforms {
		if err := CheckName(e.Platform); err != nil {
			return nil, fmt.Errorf("platforms.json: %w", err)
		}
		if err := CheckArch(e.Arch); err != nil {
			return nil, fmt.Errorf("platforms.json: %w", err)
		}
	}
	return p, nil
}

// Encode writes platforms.json as it is published.
func (p *Platforms) Encode() ([]byte, error) { return encode(p) }
