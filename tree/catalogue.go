package tree

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

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
	Tree        Ref      `json:"tree"`
	Files       Ref      `json:"files,omitzero"` // absent where the repository has no file lists
}

func (e *Entry) check() error {
	if err := e.NEVRA.check(); err != nil {
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
	for _, p := range e.Provides {
		if err := checkText("provides", p, ""); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	if e.Size < 0 || e.Download < 0 {
		return fmt.Errorf("%s: a size is negative", e.Name)
	}
	return nil
}

// ParseShard reads a shard and gives each entry to yield, in the shard's order, until yield fails. It
// holds one entry in memory. Names that don't belong into shard i of n are refused: they could never be found.
func ParseShard(data []byte, i, n int, yield func(*Entry) error) error {
	z, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(MaxShard))
	if err != nil {
		return fmt.Errorf("reading the shard: %w", err)
	}
	defer z.Close()
	limited := &io.LimitedReader{R: z, N: MaxShard + 1}
	lines := bufio.NewReader(limited)
	for {
		line, err := lines.ReadBytes('\n')
		if limited.N <= 0 {
			return fmt.Errorf("the shard is larger than %d bytes", MaxShard)
		}
		if len(bytes.TrimSpace(line)) > 0 {
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
			if err := yield(e); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the shard: %w", err)
		}
	}
}

// EncodeShard writes a shard as it is published. The same entries give the same bytes.
func EncodeShard(entries []*Entry) ([]byte, error) {
	var lines bytes.Buffer
	for _, e := range entries {
		line, err := encode(e)
		if err != nil {
			return nil, err
		}
		lines.Write(line)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("compressing a shard: %w", err)
	}
	defer z.Close()
	return z.EncodeAll(lines.Bytes(), nil), nil
}
