// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// The index of what the packages in all trees provide, what files they have, and who requires them,
// is asked for only when somebody asks a question, and a question costs a shard.

// A Capability is a line of a shard: a name, and the packages that provide it, in whatever version.
type Capability struct {
	// Name is a name as packages require it, without a version, e.g. "libz.so.1()(64bit)", "zlib",
	// or the path of a file: of any, where the repository has file lists, else of one in a folder of
	// programs or below /etc, which are those that its primary.xml has.
	Name     string   `json:"name"`
	Provides []Member `json:"provides,omitempty"`
	// Requires, where Name is that of packages in trees, are the packages that require one of those
	// directly. None are told where they are more than MaxMembers.
	Requires []Member `json:"requires,omitempty"`
}

// A Member is a package in a tree.
type Member struct {
	NEVRA
	Summary string `json:"summary,omitempty"`
	// In is a top-level package whose tree has it: itself where it is one, and then left out.
	In string `json:"in,omitempty"`
}

// Program is the top-level package whose tree has the package.
func (m *Member) Program() string {
	if m.In == "" {
		return m.Name
	}
	return m.In
}

// CapabilityShard is the number of the shard, of n, that has a capability. What may be asked for
// without saying all of its name is found by what is known: a file by its name without folders, a
// codec without its details, and drivers of devices, which have patterns, are all in one shard.
//
// Some names of files many packages have. Of those that have such a name only MaxAlike are found by
// it, and each of them by all of its path: in the shard Shard(path, n).
func CapabilityShard(name string, n int) int { return Shard(foundBy(name), n) }

// MaxAlike is how many paths that end with the same name of a file are found by that.
const MaxAlike = 256

// CapabilityShards are the numbers of the shards that may have a capability.
func (x Index) CapabilityShards(name string) []int {
	all := []int{CapabilityShard(name, x.Shards)}
	if strings.HasPrefix(name, "/") && path.Dir(name) != "/" && Shard(name, x.Shards) != all[0] {
		all = append(all, Shard(name, x.Shards))
	}
	return all
}

// IsCommand tells whether a path is in every index of capabilities that is about its package: in a
// folder of programs, or below /etc. These are the files that createrepo_c has in primary.xml, too.
func IsCommand(file string) bool {
	return strings.HasPrefix(file, "/") && (strings.HasPrefix(file, "/etc/") || file == "/usr/lib/sendmail" || strings.Contains(file, "bin/"))
}

func foundBy(name string) string {
	switch {
	case strings.HasPrefix(name, "/"):
		return path.Base(name)
	case strings.HasPrefix(name, "gstreamer"):
		codec, _, _ := strings.Cut(name, ")")
		return codec
	case strings.HasPrefix(name, "modalias("):
		return "modalias"
	}
	return name
}

// CapabilityShards is how many shards lines of so many bytes are published in: as many as keep one
// at about 96 KiB, which are about 12 KiB to download.
func CapabilityShards(unpacked int) int {
	n := 1
	for unpacked > n*128<<10 && n < MaxShards {
		n *= 2
	}
	return n
}

// ParseCapability reads and checks a line of the index of capabilities, of the shard of this number.
func (x Index) ParseCapability(number int, line []byte) (*Capability, error) {
	if err := capabilityLimit.check("line", line); err != nil {
		return nil, err
	}
	c := new(Capability)
	if err := json.Unmarshal(line, c); err != nil {
		return nil, fmt.Errorf("reading a shard: %w", err)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if at := x.CapabilityShards(c.Name); !slices.Contains(at, number) {
		return nil, fmt.Errorf("%.80q is in shard %d of %d and belongs into %d", c.Name, number, x.Shards, at)
	}
	return c, nil
}

func (c *Capability) check() error {
	if err := CheckProvided(c.Name); err != nil {
		return err
	}
	if len(c.Provides) > MaxMembers || len(c.Requires) > MaxMembers {
		return fmt.Errorf("%.80q has %d and %d packages, more than %d", c.Name, len(c.Provides), len(c.Requires), MaxMembers)
	}
	for _, list := range [][]Member{c.Provides, c.Requires} {
		for _, m := range list {
			if err := m.check(); err != nil {
				return fmt.Errorf("%.80q: %w", c.Name, err)
			}
		}
	}
	return nil
}

func (m *Member) check() error {
	if err := m.NEVRA.Check(); err != nil {
		return err
	}
	if m.In != "" {
		if err := CheckName(m.In); err != nil {
			return err
		}
	}
	return checkTexts(m.Summary, "", "", "", "")
}

// Line writes a line of a shard. It is nil where no reader would take it.
func (c *Capability) Line() ([]byte, error) {
	if c.check() != nil {
		return nil, nil
	}
	line, err := encode(c)
	if err != nil || len(line) > maxEntry || capabilityLimit.check("line", line) != nil {
		return nil, err
	}
	return line, nil
}
