// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// An Entry is one top-level package in the catalogue.
type Entry struct {
	NEVRA
	Summary     string   `json:"summary"`
	Group       string   `json:"group,omitempty"` // PackageKit's, e.g. "education"
	License     string   `json:"license,omitempty"`
	URL         string   `json:"url,omitempty"`
	Description string   `json:"description,omitempty"`
	Size        int64    `json:"size,omitempty"`     // installed bytes of this package
	Download    int64    `json:"download,omitempty"` // bytes of all RPMs in the tree
	Provides    []string `json:"provides,omitempty"` // what what-provides may ask for
	// Obsoletes are the packages that it takes the place of, as spec files have them: who asks for
	// one of those by its name finds this one.
	Obsoletes []string `json:"obsoletes,omitempty"`
	Tree      Ref      `json:"tree"`
	Files     Ref      `json:"files,omitzero"` // absent where the repository has no file lists
}

func (e *Entry) check() error {
	if err := e.NEVRA.Check(); err != nil {
		return err
	}
	if err := e.Tree.check("trees"); err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	if !e.Files.IsZero() {
		if err := e.Files.check("files"); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	if err := checkTexts(e.Summary, e.Description, e.License, e.Group, e.URL); err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	text := 0
	for _, p := range e.Provides {
		if err := CheckProvided(p); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		text += len(p)
	}
	if len(e.Provides) > MaxProvides || text > MaxProvidesText {
		return fmt.Errorf("%s provides %d things in %d bytes, more than %d in %d", e.Name, len(e.Provides), text, MaxProvides, MaxProvidesText)
	}
	text = 0
	for _, o := range e.Obsoletes {
		if err := CheckObsoleted(o); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		text += len(o)
	}
	if len(e.Obsoletes) > MaxObsoletes || text > MaxObsoletesText {
		return fmt.Errorf("%s obsoletes %d packages in %d bytes, more than %d in %d", e.Name, len(e.Obsoletes), text, MaxObsoletes, MaxObsoletesText)
	}
	if e.Size < 0 || e.Download < 0 {
		return fmt.Errorf("%s: a size is negative", e.Name)
	}
	return nil
}

// ParseShard reads the shard that a platform's Catalogue has as number i of n, and gives each entry
// to yield, in the shard's order, until yield fails. It holds one entry in memory, and ends as soon
// as there is more than ref says. Names that don't belong into shard i of n are refused: they could
// never be found.
func ParseShard(data []byte, ref ShardRef, i, n int, yield func(*Entry) error) error {
	return lines(data, ref, func(line []byte) error {
		e := new(Entry)
		if err := json.Unmarshal(line, e); err != nil {
			return fmt.Errorf("reading the shard: %w", err)
		}
		if err := e.check(); err != nil {
			return err
		}
		if Shard(e.Name, n) != i {
			return fmt.Errorf("%s is in shard %d of %d and belongs into %d", e.Name, i, n, Shard(e.Name, n))
		}
		return yield(e)
	})
}

// lines gives each line of a shard to yield until yield fails.
func lines(data []byte, ref ShardRef, yield func(line []byte) error) error {
	z, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(MaxShard), zstd.WithDecoderMaxWindow(MaxShard))
	if err != nil {
		return fmt.Errorf("reading the shard: %w", err)
	}
	defer z.Close()
	entries, unpacked := ref.Most()
	limited := &io.LimitedReader{R: z, N: unpacked + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxEntry)
	for lines.Scan() {
		if limited.N <= 0 {
			return fmt.Errorf("the shard is larger than the %d bytes that platform.json says", unpacked)
		}
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if entries--; entries < 0 {
			return fmt.Errorf("the shard has more entries than platform.json says")
		}
		if err := yield(line); err != nil {
			return err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("a line of the shard is larger than %d bytes", maxEntry)
	} else if err != nil {
		return fmt.Errorf("reading the shard: %w", err)
	}
	return nil
}

// EncodeShard writes a shard as it is published, and the ShardRef that leads to it. The same
// entries give the same bytes.
func EncodeShard(entries []*Entry) ([]byte, ShardRef, error) {
	var lines [][]byte
	for _, e := range entries {
		line, err := encode(e)
		if err != nil {
			return nil, ShardRef{}, err
		}
		lines = append(lines, line)
	}
	return encodeLines("catalogue/", lines)
}

// encoders are there for the next shard: each has tables of 40 MiB, of which a platform of 500
// shards would leave 20 GiB to the garbage collector.
var encoders sync.Pool

func encodeLines(prefix string, lines [][]byte) ([]byte, ShardRef, error) {
	z, ok := encoders.Get().(*zstd.Encoder)
	if !ok {
		var err error
		if z, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true)); err != nil {
			return nil, ShardRef{}, fmt.Errorf("compressing a shard: %w", err)
		}
	}
	defer encoders.Put(z)
	all := bytes.Join(lines, nil)
	content := z.EncodeAll(all, nil)
	return content, ShardRef{NewRef(prefix, content, ".jsonl.zst"), len(lines), int64(len(all))}, nil
}
