// SPDX-License-Identifier: GPL-2.0-or-later

package catalogue

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Write makes a file of a search file as it is downloaded. It refuses one that isn't what s says; then,
// and where ctx ends, nothing is left. What is there under this path is replaced when all is on the
// disk. What writers that were killed have left in the folder is removed by the next one.
func Write(ctx context.Context, path string, s tree.Search, whole io.Reader) error {
	_, err := write(ctx, path, func(w *writer) error {
		return tree.SearchLines(whole, s.Unpacked, w.published)
	}, &s)
	return err
}

// Merge is Write for a difference from an older file, which stays open and as it is. Where that is
// damaged the error is ErrDamaged.
func Merge(ctx context.Context, path string, s tree.Search, old *File, difference io.Reader) error {
	_, err := write(ctx, path, func(w *writer) error {
		return w.merge(old, difference)
	}, &s)
	return err
}

// WriteEntries makes a file of lines that no server has published, in any order, and tells their
// Search: its Ref is empty. It has all lines in memory.
func WriteEntries(ctx context.Context, path string, entries []*tree.Entry) (tree.Search, error) {
	return write(ctx, path, func(w *writer) error {
		lines := make([][]byte, len(entries))
		for i, e := range entries {
			lines[i] = e.Line()
		}
		for _, line := range tree.SortLines(lines) {
			if err := w.published(line); err != nil {
				return err
			}
		}
		return nil
	}, nil)
}

// write makes a file of the lines that it is given, and sees that they are what is wanted.
func write(ctx context.Context, path string, lines func(*writer) error, want *tree.Search) (tree.Search, error) {
	s, err := writeAside(ctx, path, lines, want)
	if err != nil {
		return s, fmt.Errorf("writing the catalogue %s: %w", path, err)
	}
	return s, nil
}

func writeAside(ctx context.Context, path string, lines func(*writer) error, want *tree.Search) (tree.Search, error) {
	folder := filepath.Dir(path)
	removeLeft(folder)
	file, err := create(folder)
	if err != nil {
		return tree.Search{}, err
	}
	defer file.Close()
	defer os.Remove(file.Name()) // after the rename there is none
	w := &writer{ctx: ctx, file: file, content: sha256.New(), numbers: make(map[string]byte)}
	w.text = append(w.text, magic...)
	w.begin, w.start = len(magic), len(magic)
	if err := lines(w); err != nil {
		return tree.Search{}, err
	}
	is, err := w.finish(want)
	if err != nil {
		return is, err
	}
	if err := file.Sync(); err != nil {
		return is, err
	}
	if err := ctx.Err(); err != nil {
		return is, err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return is, err
	}
	return is, syncFolder(folder)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// aside is how the names of files begin that aren't whole. Who writes one has it locked.
const aside = ".new-"

// create makes a file that is not in the place of any other.
func create(folder string) (*os.File, error) {
	for {
		file, err := os.OpenFile(filepath.Join(folder, aside+rand.Text()), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		var info syscall.Stat_t
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			err = syscall.Fstat(int(file.Fd()), &info)
		}
		if err == nil && info.Nlink > 0 {
			return file, nil
		}
		file.Close()
		if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
			os.Remove(file.Name())
			return nil, err
		}
		// Another one has just taken it for a leftover.
	}
}

// removeLeft removes what writers that were killed have left: what isn't locked.
func removeLeft(folder string) {
	all, _ := os.ReadDir(folder) // who can't read it can't write either
	for _, each := range all {
		if !strings.HasPrefix(each.Name(), aside) || !each.Type().IsRegular() {
			continue
		}
		path := filepath.Join(folder, each.Name())
		file, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.Remove(path)
		}
		file.Close()
	}
}

// A writer writes a file segment by segment. It has one in memory.
type writer struct {
	ctx     context.Context
	file    *os.File
	content hash.Hash
	size    int64
	lines   int
	numbers map[string]byte // of the groups
	groups  []group
	ends    []byte // the directory's part about segments
	count   uint32 // of segments

	// The segment.
	text      []byte // the lines, after what else is to be written first
	start     int    // where they begin in it
	begin     int    // where the block begins in it
	blocks    int    // those that are full
	table     []byte
	of        []byte // the numbers of the groups of the lines
	names     []byte
	signature [signatureSize]byte

	line folder
}

// published adds a line as it is published.
func (w *writer) published(line []byte) error {
	e, err := tree.ParseEntry(line)
	if err != nil {
		return err
	}
	if len(e.Name) == len(line) {
		return fmt.Errorf("the line of %s has nothing but the name", e.Name)
	}
	number := byte(successorsOnly)
	if e.Version != "" || len(e.By) == 0 {
		number = w.number(e.Group)
	}
	return w.add(line, number)
}

// number is that of a group.
func (w *writer) number(name string) byte {
	n, ok := w.numbers[name]
	if !ok {
		if len(w.groups) == maxGroups {
			return otherGroup
		}
		n = byte(len(w.groups))
		w.numbers[name] = n
		w.groups = append(w.groups, group{name: name})
	}
	w.groups[n].lines++
	return n
}

// add adds a line with the number of its group.
func (w *writer) add(line []byte, number byte) error {
	if w.lines++; w.lines > tree.MaxEntries {
		return fmt.Errorf("there are more than %d lines", tree.MaxEntries)
	}
	if w.size += int64(len(line)) + 1; w.size > tree.MaxUnpacked {
		return fmt.Errorf("the lines have more than %d bytes", tree.MaxUnpacked)
	}
	if len(w.text) == w.begin {
		w.table = binary.LittleEndian.AppendUint32(w.table, uint32(w.begin-w.start))
		w.table = binary.LittleEndian.AppendUint32(w.table, uint32(len(w.of)))
		w.table = binary.LittleEndian.AppendUint32(w.table, uint32(len(w.names)))
	}
	w.text = append(append(w.text, line...), '\n')
	w.of = append(w.of, number)
	if number != successorsOnly {
		texts, err := w.line.texts(line)
		if err != nil {
			return err
		}
		w.names = append(w.names, texts[0]...)
		for _, text := range texts {
			sign(w.signature[:], w.blocks, text)
		}
	}
	w.names = append(w.names, '\n')
	if len(w.text)-w.begin >= blockSize {
		w.endBlock()
	}
	if w.blocks == maxBlocks || len(w.text)-w.start >= segmentSize {
		return w.endSegment()
	}
	return nil
}

func (w *writer) endBlock() {
	w.table = binary.LittleEndian.AppendUint32(w.table, sumOf(w.text[w.begin:]))
	w.begin = len(w.text)
	w.blocks++
}

// endSegment writes a segment.
func (w *writer) endSegment() error {
	if len(w.text) > w.begin {
		w.endBlock()
	}
	if w.blocks == 0 {
		return nil
	}
	lines := w.text[w.start:]
	w.content.Write(lines)
	first := tree.NameOf(lines[:bytes.IndexByte(lines, '\n')])
	index := len(w.text)
	w.text = append(append(w.text, w.table...), w.of...)
	names := len(w.text)
	w.text = append(w.text, w.names...)
	signature := len(w.text)
	w.text = append(w.text, w.signature[:]...)

	w.ends = binary.LittleEndian.AppendUint32(w.ends, uint32(index-w.start))
	w.ends = binary.LittleEndian.AppendUint32(w.ends, uint32(len(w.names)))
	w.ends = binary.LittleEndian.AppendUint32(w.ends, uint32(len(w.of)))
	w.ends = append(w.ends, byte(w.blocks))
	for _, part := range [...][]byte{w.text[index:names], w.text[names:signature], w.text[signature:]} {
		w.ends = binary.LittleEndian.AppendUint32(w.ends, sumOf(part))
	}
	w.ends = append(append(w.ends, byte(len(first))), first...)
	w.count++
	w.table, w.of, w.names, w.blocks = w.table[:0], w.of[:0], w.names[:0], 0
	clear(w.signature[:])
	return w.flush()
}

// flush writes what there is.
func (w *writer) flush() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	_, err := w.file.Write(w.text)
	w.text, w.start, w.begin = w.text[:0], 0, 0
	return err
}

// finish writes the directory, where the lines are what is wanted.
func (w *writer) finish(want *tree.Search) (tree.Search, error) {
	if err := w.endSegment(); err != nil {
		return tree.Search{}, err
	}
	content := w.content.Sum(nil)
	is := tree.Search{Content: hex.EncodeToString(content), Unpacked: w.size, Lines: w.lines}
	if want != nil && (is.Content != want.Content || is.Unpacked != want.Unpacked || is.Lines != want.Lines) {
		return is, fmt.Errorf("it isn't what its source promised: %d lines in %d bytes with the SHA-256 %s", want.Lines, want.Unpacked, want.Content)
	}
	begin := len(w.text)
	w.text = append(w.text, content...)
	w.text = binary.LittleEndian.AppendUint64(w.text, uint64(w.size))
	w.text = binary.LittleEndian.AppendUint32(w.text, uint32(w.lines))
	w.text = append(w.text, byte(len(w.groups)))
	for _, g := range w.groups {
		w.text = append(append(w.text, byte(len(g.name))), g.name...)
		w.text = binary.LittleEndian.AppendUint32(w.text, g.lines)
	}
	w.text = binary.LittleEndian.AppendUint32(w.text, w.count)
	w.text = append(w.text, w.ends...)
	directory := w.text[begin:]
	size, sum := uint32(len(directory)), sumOf(directory)
	w.text = binary.LittleEndian.AppendUint32(w.text, size)
	w.text = binary.LittleEndian.AppendUint32(w.text, sum)
	return is, w.flush()
}

// merge adds the lines of a file and a difference from it.
func (w *writer) merge(old *File, difference io.Reader) error {
	from := &cursor{f: old}
	var replaced []byte // the name whose lines the difference has
	err := tree.SearchLines(difference, tree.MaxUnpacked, func(line []byte) error {
		name := tree.NameOf(line)
		if !bytes.Equal(name, replaced) || replaced == nil {
			replaced = append(replaced[:0], name...)
			if err := w.older(from, replaced); err != nil {
				return err
			}
			for from.line != nil && bytes.Equal(tree.NameOf(from.line), replaced) {
				if err := from.next(); err != nil {
					return err
				}
			}
		}
		if len(name) == len(line) { // there are none any more
			return tree.CheckName(string(name))
		}
		return w.published(line)
	})
	if err != nil {
		return err
	}
	return w.older(from, nil)
}

// older adds lines as they are, to those of a name, nil for all.
func (w *writer) older(from *cursor, name []byte) error {
	if from.line == nil {
		if err := from.next(); err != nil { // the first
			return err
		}
	}
	for from.line != nil && (name == nil || bytes.Compare(tree.NameOf(from.line), name) < 0) {
		number := from.number
		switch {
		case number < otherGroup:
			if int(number) >= len(from.f.groups) {
				return from.f.damaged("a line is in no group")
			}
			number = w.number(from.f.groups[number].name)
		case number == otherGroup:
			e, err := from.f.entry(from.line)
			if err != nil {
				return err
			}
			number = w.number(e.Group)
		}
		if err := w.add(from.line, number); err != nil {
			return err
		}
		if err := from.next(); err != nil {
			return err
		}
	}
	return nil
}

// A cursor goes through a file's lines.
type cursor struct {
	f       *File
	segment int
	mask    uint64 // the segment's blocks that are still to come
	begun   bool   // the segment is

	copied       []byte // the block, and the numbers of its groups
	text, groups []byte // what is left of them

	line   []byte // without its newline, until the next; nil at the end
	number byte   // of its group
}

// next goes to the next line.
func (c *cursor) next() error {
	c.line = nil
	for len(c.text) == 0 {
		if c.segment == len(c.f.segments) {
			return nil
		}
		s := &c.f.segments[c.segment]
		if !c.begun {
			c.mask, c.begun = s.all(), true
		}
		if c.mask == 0 {
			c.f.leave(s)
			c.segment++
			c.begun = false
			continue
		}
		err := c.f.guard(func() error {
			x, err := c.f.index(s)
			if err != nil {
				return err
			}
			text, groups, err := c.f.block(s, x, bits.TrailingZeros64(c.mask))
			c.copied = append(append(c.copied[:0], text...), groups...)
			c.text, c.groups = c.copied[:len(text)], c.copied[len(text):]
			return err
		})
		if err != nil {
			return err
		}
		c.mask &= c.mask - 1
	}
	end := bytes.IndexByte(c.text, '\n')
	if end < 0 || len(c.groups) == 0 {
		return c.f.damaged("a line is missing")
	}
	c.line, c.number = c.text[:end], c.groups[0]
	c.text, c.groups = c.text[end+1:], c.groups[1:]
	return nil
}
