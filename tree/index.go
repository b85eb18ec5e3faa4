// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
)

// An Index is lines of JSON that are asked for by a name: in 2ⁿ small files, its shards, of which a
// name costs one. Root is that of a Merkle tree over the shards, as RFC 6962 makes them, and each
// shard brings the hashes along that lead from it to the Root. So platform.json vouches for all of
// them by 32 bytes, and nobody downloads a list of digests.
//
// A shard's file is n hashes of 32 bytes, from the leaf's sibling up, and then lines compressed by
// Zstandard. It is called ROOT/NUMBER in the folder of its index: the Root's first 16 digits, and
// the number in decimal.
type Index struct {
	Root   string `json:"root"`   // SHA-256, in hexadecimal
	Shards int    `json:"shards"` // a power of two
}

// Folder is where its shards are, in a folder for several of these.
func (x Index) Folder(in string) string { return in + "/" + x.Root[:16] }

// IsZero tells whether there is no such index.
func (x Index) IsZero() bool { return x == Index{} }

// Path is where a shard is, in a folder.
func (x Index) Path(folder string, number int) string {
	return x.Folder(folder) + "/" + strconv.Itoa(number)
}

// Shard is the number of the shard that has a name. Capabilities are found by other names: see
// CapabilityShard.
func (x Index) Shard(name string) int { return Shard(name, x.Shards) }

func (x Index) check() error {
	if err := checkDigest(x.Root); err != nil {
		return err
	}
	if x.Shards < 1 || x.Shards > MaxShards || x.Shards&(x.Shards-1) != 0 {
		return fmt.Errorf("an index has %d shards: no power of two up to %d", x.Shards, MaxShards)
	}
	return nil
}

// Check tells whether a file is the shard of this number.
func (x Index) Check(number int, file []byte) error {
	_, err := x.content(number, file)
	return err
}

// content is what a shard has beside the hashes.
func (x Index) content(number int, file []byte) ([]byte, error) {
	levels := bits.TrailingZeros(uint(x.Shards))
	if len(file) > MaxShardFile || len(file) < levels*sha256.Size {
		return nil, fmt.Errorf("a shard has %d bytes: not between %d and %d", len(file), levels*sha256.Size, MaxShardFile)
	}
	path, content := file[:levels*sha256.Size], file[levels*sha256.Size:]
	at := leaf(content)
	for level := range levels {
		sibling := [sha256.Size]byte(path[level*sha256.Size:])
		if number>>level&1 == 0 {
			at = node(at, sibling)
		} else {
			at = node(sibling, at)
		}
	}
	if hex.EncodeToString(at[:]) != x.Root {
		return nil, errors.New("a shard isn't the one that platform.json leads to")
	}
	return content, nil
}

// Lines gives each line of the shard of this number to yield until yield fails. It holds one line in
// memory.
func (x Index) Lines(number int, file []byte, yield func(line []byte) error) error {
	content, err := x.content(number, file)
	if err != nil {
		return err
	}
	return unpackedLines(bytes.NewReader(content), MaxShard, maxEntry, yield)
}

// EncodeIndex writes the shards as they are published: of each its lines, each of which ends with a
// newline. There are 2ⁿ of them, none of which readers would find too large. The same lines give the
// same bytes.
func EncodeIndex(shards [][][]byte) (Index, [][]byte, error) {
	return encodeIndex(&best, len(shards), func(number int) ([]byte, error) { return bytes.Join(shards[number], nil), nil })
}

// EncodeLargeIndex is EncodeIndex for n shards whose lines aren't in memory together: shard gives
// those of one. They are compressed a little less, in a tenth of the time.
func EncodeLargeIndex(n int, shard func(number int) ([]byte, error)) (Index, [][]byte, error) {
	return encodeIndex(&better, n, shard)
}

func encodeIndex(e *encoder, n int, shard func(number int) ([]byte, error)) (Index, [][]byte, error) {
	if n == 0 || n&(n-1) != 0 {
		return Index{}, nil, fmt.Errorf("encoding an index: %d shards are no power of two", n)
	}
	files := make([][]byte, n)
	level := make([][sha256.Size]byte, n)
	for i := range files {
		all, err := shard(i)
		if err != nil {
			return Index{}, nil, err
		}
		if files[i], err = e.compress(all); err != nil {
			return Index{}, nil, err
		}
		if len(all) > MaxShard || len(files[i]) > MaxShardFile-sha256.Size*bits.Len(uint(n)) {
			return Index{}, nil, fmt.Errorf("%w: one has %d bytes, %d compressed", ErrLargeShard, len(all), len(files[i]))
		}
		level[i] = leaf(files[i])
	}
	paths := make([][]byte, n)
	for h := 0; len(level) > 1; h++ {
		for i := range paths {
			sibling := level[i>>h^1]
			paths[i] = append(paths[i], sibling[:]...)
		}
		up := make([][sha256.Size]byte, len(level)/2)
		for i := range up {
			up[i] = node(level[2*i], level[2*i+1])
		}
		level = up
	}
	for i := range files {
		files[i] = append(paths[i], files[i]...)
	}
	return Index{hex.EncodeToString(level[0][:]), n}, files, nil
}

// ErrLargeShard is of an index that no reader would take: it needs more shards.
var ErrLargeShard = errors.New("a shard is too large")

func leaf(content []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(content)
	return [sha256.Size]byte(h.Sum(nil))
}

func node(left, right [sha256.Size]byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte{1})
	h.Write(left[:])
	h.Write(right[:])
	return [sha256.Size]byte(h.Sum(nil))
}
