// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"fmt"
	"path"
)

// CopiesName is the name of Copies in a platform's folder.
const CopiesName = "copies.json"

// Copies is what a copy of a platform's folder says of itself; what a publisher makes has none. It is
// a hint and not signed: it tells what is worth asking for, and nothing is believed by it.
type Copies struct {
	Format   int    `json:"format"`
	Platform string `json:"platform"`
	// RPMs: RPMs of the platform's repositories are here too, each under the name CopyOf.
	RPMs bool `json:"rpms,omitempty"`
	// Chosen: of the trees, and what only they lead to, some are here.
	Chosen bool `json:"chosen,omitempty"`
}

// ParseCopies reads and checks a copies.json.
func ParseCopies(data []byte, platform string) (*Copies, error) {
	c := new(Copies)
	if err := unmarshal(CopiesName, data, copiesLimit, &c.Format, c); err != nil {
		return nil, err
	}
	if c.Platform != platform {
		return nil, fmt.Errorf("%s is of the platform %.80q, not %s", CopiesName, c.Platform, platform)
	}
	return c, nil
}

// Encode writes copies.json as it is published.
func (c *Copies) Encode() ([]byte, error) { return encode(c) }

// CopyOf is where the folder of a platform, or a copy of it, has the RPM of a package of a tree: its
// Location, where that is in the platform's folder, else a name by its digest, since RPMs of several
// repositories may have one file name. "": it has no digest, and no copy either.
func CopyOf(p *Package) string {
	switch {
	case p.Repository == 0 && p.Location != "":
		return p.Location
	case p.RPMDigest() == "":
		return ""
	}
	return path.Join("rpms", p.RPMDigest().Hex()[:16]+".rpm")
}
