// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is how far back what is downloaded may refer: a laptop holds so many bytes of it.
const maxWindow = 1 << 20

// SearchLines gives each line of a search file, or of a difference, as it is downloaded, to yield
// until yield fails, and refuses those that aren't sorted, or there twice. most is how many bytes
// they may have. A line is yield's until it returns, and has no newline.
func SearchLines(r io.Reader, most int64, yield func(line []byte) error) error {
	var last []byte
	return unpackedLines(r, most, maxEntry, func(line []byte) error {
		name, before := NameOf(line), NameOf(last)
		order := bytes.Compare(name, before)
		if order < 0 || order == 0 && bytes.Compare(line, last) <= 0 {
			return fmt.Errorf("the line of %.80q comes after one of %.80q, or twice", name, before)
		}
		last = append(last[:0], line...)
		return yield(line)
	})
}

// unpackedLines gives each line of what Zstandard compressed to yield until yield fails, without its
// newline; a line is yield's until it returns. It ends as soon as there are more than most bytes.
func unpackedLines(r io.Reader, most int64, longest int, yield func(line []byte) error) error {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	defer z.Close()
	limited := &io.LimitedReader{R: z, N: most + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, longest)
	lines.Split(splitLines)
	for lines.Scan() {
		if limited.N <= 0 {
			return fmt.Errorf("it has more than the %d bytes that are promised", most)
		}
		if err := yield(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("a line is larger than %d bytes", longest)
	} else if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	return nil
}

// splitLines is bufio.ScanLines for lines none of which is empty, each of which ends with a newline:
// with all of them in it the bytes are known.
func splitLines(data []byte, atEOF bool) (advance int, line []byte, err error) {
	switch i := bytes.IndexByte(data, '\n'); {
	case i > 0:
		return i + 1, data[:i], nil
	case i == 0:
		return 0, nil, errors.New("a line is empty")
	case atEOF && len(data) > 0:
		return 0, nil, errors.New("the last line has no end")
	}
	return 0, nil, nil
}

// SortLines sorts lines as a search file has them, each once.
func SortLines(lines [][]byte) [][]byte {
	// A tab comes before all that a name may have, so by name and then by bytes is by bytes.
	slices.SortFunc(lines, bytes.Compare)
	return slices.CompactFunc(lines, bytes.Equal)
}

// ContentOf is the Content of sorted lines.
func ContentOf(lines [][]byte) string {
	h := sha256.New()
	for _, line := range lines {
		h.Write(line)
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// EncodeSearch writes a search file of sorted lines as it is published, called prefix + digest +
// ".zst". The same lines give the same bytes.
func EncodeSearch(prefix string, lines [][]byte) (Search, []byte, error) {
	all := joined(lines)
	file, err := best.compress(all)
	if err != nil {
		return Search{}, nil, err
	}
	return Search{Ref: NewRef(prefix, file, ".zst"), Content: ContentOf(lines), Unpacked: int64(len(all)), Lines: len(lines)}, file, nil
}

// EncodeDifference writes the difference of a search file from an earlier one of the Content from,
// in the same folder. names, sorted, are those whose lines aren't the same in both: there may be
// others among them.
func EncodeDifference(folder, from string, names []string, lines [][]byte) (Difference, []byte, error) {
	var changed [][]byte
	for _, name := range names {
		of := linesOf(name, lines)
		if len(of) == 0 {
			of = [][]byte{[]byte(name)}
		}
		changed = append(changed, of...)
	}
	file, err := best.compress(joined(changed))
	return Difference{from[:16], NewRef(folder+"/", file, ".zst")}, file, err
}

// linesOf are the lines of a name among sorted ones.
func linesOf(name string, lines [][]byte) [][]byte {
	compare := func(line []byte, name string) int { return bytes.Compare(NameOf(line), []byte(name)) }
	begin, _ := slices.BinarySearchFunc(lines, name, compare)
	end := begin
	for end < len(lines) && compare(lines[end], name) == 0 {
		end++
	}
	return lines[begin:end]
}

// Changed are the names, sorted, whose lines in a search file, as it is published, aren't the same as
// among these sorted lines. most is how many bytes the file's lines may have.
func Changed(file io.Reader, most int64, lines [][]byte) (names []string, err error) {
	changed := func(line []byte) {
		if name := string(NameOf(line)); len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	i := 0
	if err := SearchLines(file, most, func(line []byte) error {
		for i < len(lines) && bytes.Compare(lines[i], line) < 0 {
			changed(lines[i])
			i++
		}
		if i < len(lines) && bytes.Equal(lines[i], line) {
			i++
		} else {
			changed(line)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for _, line := range lines[i:] {
		changed(line)
	}
	return names, nil
}

// joined are lines with their newlines.
func joined(lines [][]byte) []byte {
	size := 0
	for _, line := range lines {
		size += len(line) + 1
	}
	all := make([]byte, 0, size)
	for _, line := range lines {
		all = append(append(all, line...), '\n')
	}
	return all
}

// An encoder compresses what is published, at a level. The same bytes give the same bytes. Zstandard's
// encoders stay for what is compressed next, some of them: each has tables of up to 40 MiB, of which the
// files of a platform would leave 20 GiB to the garbage collector.
type encoder struct {
	level zstd.EncoderLevel
	idle  chan *zstd.Encoder
}

var (
	best   = encoder{zstd.SpeedBestCompression, make(chan *zstd.Encoder, 4)}
	better = encoder{zstd.SpeedBetterCompression, make(chan *zstd.Encoder, 4)}
)

func (e *encoder) compress(data []byte) ([]byte, error) {
	var z *zstd.Encoder
	select {
	case z = <-e.idle:
	default:
		var err error
		if z, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(e.level), zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true), zstd.WithWindowSize(maxWindow)); err != nil {
			return nil, fmt.Errorf("compressing: %w", err)
		}
	}
	packed := z.EncodeAll(data, nil)
	select {
	case e.idle <- z:
	default:
		z.Close()
	}
	return packed, nil
}
