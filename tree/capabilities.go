// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"path"
	"strings"
)

// The index of what the packages in all trees provide, and of who requires them, is in shards, so
// that a question costs one shard. Platform.Capabilities leads to a list of these: a line for each,
// a ShardRef. It is asked for only when somebody asks a question.

// A Capability is a line of a shard: a name, and the packages that provide it, in whatever version.
type Capability struct {
	// Name is a name as packages require it, without a version, e.g. "libz.so.1()(64bit)", "zlib",
	// or the path of a file in a folder of programs or below /etc, which are those that
	// repositories' primary.xml have.
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
func CapabilityShard(name string, n int) int { return Shard(foundBy(name), n) }

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

// ParseCapabilities reads the list of the shards.
func ParseCapabilities(data []byte, ref ShardRef) ([]ShardRef, error) {
	var shards []ShardRef
	size := int64(0)
	err := lines(data, ref, func(line []byte) error {
		var s ShardRef
		if err := json.Unmarshal(line, &s); err != nil {
			return fmt.Errorf("reading the list of shards: %w", err)
		}
		if shards = append(shards, s); len(shards) > MaxShards {
			return fmt.Errorf("the index of capabilities has more than %d shards", MaxShards)
		}
		if err := s.check("capabilities"); err != nil {
			return err
		}
		if _, unpacked := s.Most(); unpacked > maxCapabilityShard {
			return fmt.Errorf("%s has %d bytes unpacked, more than %d", s.Path, unpacked, maxCapabilityShard)
		}
		if size += s.Size; size > maxCapabilities {
			return fmt.Errorf("the index of capabilities has more than %d bytes", maxCapabilities)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if bits.OnesCount(uint(len(shards))) != 1 {
		return nil, fmt.Errorf("the index of capabilities has %d shards, which is no power of two", len(shards))
	}
	return shards, nil
}

// EncodeCapabilities writes the list of the shards as it is published, and the ShardRef that leads
// to it.
func EncodeCapabilities(shards []ShardRef) ([]byte, ShardRef, error) {
	var lines [][]byte
	for _, s := range shards {
		line, err := encode(s)
		if err != nil {
			return nil, ShardRef{}, err
		}
		lines = append(lines, line)
	}
	return encodeLines("capabilities/", lines)
}

// ParseCapabilityShard reads shard i of n, and gives each line to yield until yield fails. It holds
// one line in memory, and ends as soon as there is more than ref says.
func ParseCapabilityShard(data []byte, ref ShardRef, i, n int, yield func(*Capability) error) error {
	return lines(data, ref, func(line []byte) error {
		if err := capabilityLimit.check("line", line); err != nil {
			return err
		}
		c := new(Capability)
		if err := json.Unmarshal(line, c); err != nil {
			return fmt.Errorf("reading the shard: %w", err)
		}
		if err := c.check(); err != nil {
			return err
		}
		if at := CapabilityShard(c.Name, n); at != i {
			return fmt.Errorf("%.80q is in shard %d of %d and belongs into %d", c.Name, i, n, at)
		}
		return yield(c)
	})
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

// EncodeCapabilityShard writes a shard as it is published, of lines that Capability.Line made, and
// the ShardRef that leads to it. The same lines give the same bytes.
func EncodeCapabilityShard(lines [][]byte) ([]byte, ShardRef, error) {
	return encodeLines("capabilities/", lines)
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
