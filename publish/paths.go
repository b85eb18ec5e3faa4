// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"encoding/binary"
	"maps"
	"path"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// allPaths are the paths of all packages, for the index of capabilities. A distribution has millions, so
// they are held as little more than their text: in as many parts as an index may have shards, in each
// of them the number of a package and a path, one after the other.
type allPaths struct {
	members  []tree.Member
	parts    [tree.MaxShards][]byte
	unpacked int // about how many bytes their lines have
}

// add adds the paths of a package.
func (f *allPaths) add(who tree.Member, paths []string) {
	if len(paths) == 0 {
		return
	}
	slices.Sort(paths)
	number := len(f.members)
	f.members = append(f.members, who)
	for _, name := range slices.Compact(paths) {
		if tree.CheckProvided(name) != nil { // no index takes it
			continue
		}
		i := tree.CapabilityShard(name, len(f.parts))
		f.parts[i] = appendPath(f.parts[i], number, name)
		f.unpacked += len(name) + len(who.Name) + len(who.Summary) + 100
	}
}

func appendPath(part []byte, number int, name string) []byte {
	part = binary.AppendUvarint(part, uint64(number))
	part = binary.AppendUvarint(part, uint64(len(name)))
	return append(part, name...)
}

// each gives what is in a part to do.
func each(part []byte, do func(number int, name []byte)) {
	for len(part) > 0 {
		number, n := binary.Uvarint(part)
		length, m := binary.Uvarint(part[n:])
		part = part[n+m:]
		do(int(number), part[:length])
		part = part[length:]
	}
}

// spread puts paths whose file's name many have to where all of a path leads, and leaves
// tree.MaxAlike of them where that name leads.
func (f *allPaths) spread() {
	var whole [tree.MaxShards][]byte
	for i, part := range f.parts {
		alike := make(map[string]int)
		many := false
		each(part, func(_ int, name []byte) {
			base := name[bytes.LastIndexByte(name, '/')+1:]
			alike[string(base)]++
			many = many || alike[string(base)] > tree.MaxAlike
		})
		if !many {
			continue
		}
		var left []byte
		seen := make(map[string]int)
		each(part, func(number int, name []byte) {
			base := name[bytes.LastIndexByte(name, '/')+1:]
			if seen[string(base)]++; seen[string(base)] <= tree.MaxAlike {
				left = appendPath(left, number, string(name))
			}
			if alike[string(base)] > tree.MaxAlike && path.Dir(string(name)) != "/" {
				j := tree.Shard(string(name), len(whole))
				whole[j] = appendPath(whole[j], number, string(name))
			}
		})
		f.parts[i] = left
	}
	for i := range f.parts {
		f.parts[i] = append(f.parts[i], whole[i]...)
	}
}

// lines are those of some parts, sorted by path.
func (f *allPaths) lines(begin, end int) ([][]byte, error) {
	byName := make(map[string][]tree.Member)
	for _, part := range f.parts[begin:end] {
		each(part, func(number int, name []byte) { byName[string(name)] = append(byName[string(name)], f.members[number]) })
	}
	var all [][]byte
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		line, err := (&tree.Capability{Name: name, Provides: few(byName[name])}).Line()
		if err != nil {
			return nil, err
		}
		if line != nil {
			all = append(all, line)
		}
	}
	return all, nil
}
