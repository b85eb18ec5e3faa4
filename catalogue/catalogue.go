// SPDX-License-Identifier: GPL-2.0-or-later

// Package catalogue keeps a source's search file on the laptop, in a form in which it can be
// searched at once: sorted, indexed, mapped into memory and never loaded.
//
// A file is written once, while its lines stream in, from the whole file that a server publishes or
// from the one that is here and a difference, and takes its place by a rename when it is whole and on
// the disk. Nothing of it needs memory in proportion to the catalogue.
//
// Its lines are as they are published (tree.Entry). About a kilobyte of them is a block, 64 blocks
// are a segment, and a segment has, one after another:
//
//   - the lines;
//   - for each block where its lines and their names begin, how many lines are before it, and the
//     lines' checksum;
//   - for each line a byte that stands for its group;
//   - for each line its name in lower case, with a newline; none where the line is of no package but
//     tells what obsoletes the name, as nobody looks for these by a part of it;
//   - the signatures of the blocks. A signature is a set of signatureBits bits, one of which is set
//     for each three bytes that follow one another in a text of the block, in lower case. They are
//     kept by bit: 64 blocks in 8 bytes. So looking for a word reads a few of these, and then those
//     blocks only that may have it. Words of one or two bytes are looked for in all blocks.
//
// At the end of the file stands the directory: what the file is, the groups, and of each segment its
// first name, how large its parts are, and their checksums. These are looked at when a part, or a
// block, is first used. All numbers are little-endian.
//
// A page that can't be read, as the disk fails or the file was cut off, is ErrDamaged, as is what
// differs from its checksum.
package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// ErrDamaged is among the errors that come of a file that isn't what was written.
var ErrDamaged = errors.New("a catalogue is damaged")

// The beginning of a file. The number is the version's.
const (
	kind  = "presolve catalogue "
	magic = kind + "1\n"
)

// The sizes are measured with Debian's 63,440 packages: 8.6 MB of lines become a file 1.27 times as
// large, and half of the words in names are found in texts in less than 0.05 ms. With 768 bits it is
// 1.24 times and 0.06 ms, with 512 it is 1.21 times and 0.13 ms; blocks of half the size, with half
// the bits, make it larger and no faster.
const (
	blockSize     = 1024      // bytes of lines with which a block is full
	maxBlocks     = 64        // in a segment
	segmentSize   = 128 << 10 // bytes of lines with which a segment is full
	maxLine       = 1 << 20   // tree.ParseEntry takes no longer ones
	signatureBits = 1024
	signatureSize = signatureBits * maxBlocks / 8
	tableEntry    = 16 // bytes for each block: where it begins, its first line's number, where its names begin, its checksum
	segmentEntry  = 26 // bytes for each segment in the directory, and its first name
	footer        = 8  // the directory's size and checksum
	maxFile       = 2*tree.MaxUnpacked + 64<<20
)

// What the byte that stands for a line's group is beside the group's number.
const (
	maxGroups      = 254
	otherGroup     = 254 // a group that has no number: it stands in the line
	successorsOnly = 255 // the line is of no package, it tells what obsoletes the name
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sumOf(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

// A File is an open file. Several goroutines may use it at a time.
type File struct {
	path     string
	content  string
	size     int64
	lines    int
	groups   []group
	segments []segment

	mu   sync.RWMutex // held while data is read, so that Close waits
	data []byte       // the file, mapped
}

// A group is one of those that have a number.
type group struct {
	name  string
	lines uint32 // how many are in it
}

// A segment is where the parts of one are, in bytes of the file, and what is known of them.
type segment struct {
	first                          string // the name of its first line
	at, index, names, signature    uint32 // where they begin
	end                            uint32
	lines                          uint32 // how many
	blocks                         int
	indexSum, namesSum, signSum    uint32
	indexGood, namesGood, signGood atomic.Bool
	good                           atomic.Uint64 // the blocks whose checksums are right
}

// Open opens a file that Write or Merge made. The error is ErrDamaged where it is none of this version
// (one of an older version isn't: the caller gets rid of it all the same, as what is in it is to be had
// again), and os.ErrNotExist where there is none.
func Open(path string) (*File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening a catalogue: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening a catalogue: %w", err)
	}
	f := &File{path: path}
	if !info.Mode().IsRegular() || info.Size() < int64(len(magic)+footer) || info.Size() > maxFile {
		return nil, f.damaged("it is no such file or has an impossible size")
	}
	f.data, err = syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	if err := f.guard(f.readDirectory); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close closes the file. What came from it may be kept, but Find, Search, Groups, Check and Merge
// fail from now on with os.ErrClosed.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.data == nil {
		return nil
	}
	data := f.data
	f.data = nil
	return syscall.Munmap(data)
}

// Content is the SHA-256 of its lines, in hexadecimal, by which its source names it.
func (f *File) Content() string { return f.content }

// Size is how many bytes its lines have, each with a newline.
func (f *File) Size() int64 { return f.size }

// Lines is how many lines it has.
func (f *File) Lines() int { return f.lines }

func (f *File) damaged(how string) error { return fmt.Errorf("%s: %s: %w", f.path, how, ErrDamaged) }

// guard runs what reads the mapped file. Pages that can't be read are ErrDamaged.
func (f *File) guard(read func() error) (err error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.data == nil {
		return fmt.Errorf("%s: %w", f.path, os.ErrClosed)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if _, ok := r.(interface{ Addr() uintptr }); !ok {
			panic(r)
		}
		err = f.damaged("a part of it can't be read")
	}()
	return read()
}

// readDirectory reads the end of the file. Nothing in it is believed before it is checked.
func (f *File) readDirectory() error {
	if begin := string(f.data[:len(magic)]); begin != magic {
		if strings.HasPrefix(begin, kind) {
			return fmt.Errorf("%s is of another version, %q", f.path, begin)
		}
		return f.damaged("it is no such file")
	}
	end := len(f.data) - footer
	size, sum := binary.LittleEndian.Uint32(f.data[end:]), binary.LittleEndian.Uint32(f.data[end+4:])
	if int64(size) > int64(end-len(magic)) {
		return f.damaged("its end is missing")
	}
	directory := f.data[end-int(size) : end]
	if sumOf(directory) != sum {
		return f.damaged("its directory has another checksum")
	}
	r := reader{rest: directory}
	f.content = hex.EncodeToString(r.bytes(sha256.Size))
	f.size, f.lines = int64(r.uint64()), int(r.uint32()&(1<<31-1))
	f.groups = make([]group, r.byte())
	for i := range f.groups {
		f.groups[i] = group{string(r.bytes(int(r.byte()))), r.uint32()}
	}
	count := r.uint32()
	if r.failed || int64(count)*segmentEntry > int64(len(r.rest)) || len(f.groups) > maxGroups {
		return f.damaged("its directory is wrong")
	}
	f.segments = make([]segment, count)
	at, lines, all := int64(len(magic)), int64(0), int64(0)
	for i := range f.segments {
		s := &f.segments[i]
		text, names := r.uint32(), r.uint32()
		s.lines, s.blocks = r.uint32(), int(r.byte())
		s.indexSum, s.namesSum, s.signSum = r.uint32(), r.uint32(), r.uint32()
		s.first = string(r.bytes(int(r.byte())))
		if r.failed || text > segmentSize+maxLine || s.lines > text || names > text || s.blocks < 1 || s.blocks > maxBlocks || i > 0 && s.first < f.segments[i-1].first {
			return f.damaged("its directory is wrong")
		}
		s.at = uint32(at)
		s.index = s.at + text
		s.names = s.index + uint32(s.blocks)*tableEntry + s.lines
		s.signature = s.names + names
		s.end = s.signature + signatureSize
		at = int64(s.end)
		if at > int64(end)-int64(size) {
			return f.damaged("its directory is wrong")
		}
		lines, all = lines+int64(s.lines), all+int64(text)
	}
	if len(r.rest) > 0 || at != int64(end)-int64(size) || lines != int64(f.lines) || all != f.size {
		return f.damaged("its directory is wrong")
	}
	return nil
}

// A reader reads numbers and texts one after another.
type reader struct {
	rest   []byte
	failed bool // there was less than was asked for; what was given is zero
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.failed, r.rest = true, nil
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte     { return r.bytes(1)[0] }
func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.bytes(4)) }
func (r *reader) uint64() uint64 { return binary.LittleEndian.Uint64(r.bytes(8)) }

// part is a part of a segment; its checksum is looked at once.
func (f *File) part(from, to, sum uint32, good *atomic.Bool) ([]byte, error) {
	part := f.data[from:to]
	if !good.Load() {
		if sumOf(part) != sum {
			return nil, f.damaged("a part of it has another checksum")
		}
		good.Store(true)
	}
	return part, nil
}

// An index is what is known of a segment's lines.
type index struct {
	table, groups []byte
}

func (f *File) index(s *segment) (index, error) {
	part, err := f.part(s.index, s.names, s.indexSum, &s.indexGood)
	if err != nil {
		return index{}, err
	}
	return index{part[:s.blocks*tableEntry], part[s.blocks*tableEntry:]}, nil
}

// A span is a block: from and to, in bytes of its segment, its lines' numbers, and its names, in
// bytes of all names.
type span struct {
	from, to, line, lines, names, namesTo uint32
	sum                                   uint32
}

func (f *File) span(s *segment, x index, b int) (span, error) {
	at := func(b int) (from, line, names uint32) {
		if b == s.blocks {
			return s.index - s.at, s.lines, s.signature - s.names
		}
		e := x.table[b*tableEntry:]
		return binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:]), binary.LittleEndian.Uint32(e[8:])
	}
	var p span
	p.from, p.line, p.names = at(b)
	p.to, p.lines, p.namesTo = at(b + 1)
	p.sum = binary.LittleEndian.Uint32(x.table[b*tableEntry+12:])
	if p.from > p.to || p.to > s.index-s.at || p.line > p.lines || p.lines > s.lines || p.names > p.namesTo || p.namesTo > s.signature-s.names {
		return p, f.damaged("a block is nowhere")
	}
	p.lines -= p.line
	return p, nil
}

// block gives a block of a segment: its lines, each with a newline, and the bytes of their groups.
// Its checksum is looked at once.
func (f *File) block(s *segment, x index, b int) (text, groups []byte, err error) {
	p, err := f.span(s, x, b)
	if err != nil {
		return nil, nil, err
	}
	text = f.data[s.at+p.from : s.at+p.to]
	if s.good.Load()&(1<<b) == 0 {
		if sumOf(text) != p.sum {
			return nil, nil, f.damaged("a block has another checksum")
		}
		s.good.Or(1 << b)
	}
	return text, x.groups[p.line : p.line+p.lines], nil
}

// all are a segment's blocks, as bits.
func (s *segment) all() uint64 { return ^uint64(0) >> (maxBlocks - s.blocks) }

// Groups are the groups that lines are in, sorted.
func (f *File) Groups() ([]string, error) {
	seen := make(map[string]bool)
	for _, g := range f.groups {
		if g.lines > 0 {
			seen[g.name] = true
		}
	}
	if len(f.groups) == maxGroups {
		err := f.search(&searcher{others: true}, func(e *tree.Entry) error {
			seen[e.Group] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	delete(seen, "")
	all := make([]string, 0, len(seen))
	for g := range seen {
		all = append(all, g)
	}
	slices.Sort(all)
	return all, nil
}

// Check tells whether all of the file is what was written.
func (f *File) Check(ctx context.Context) error {
	content := sha256.New()
	for i := range f.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		s := &f.segments[i]
		err := f.guard(func() error {
			s.indexGood.Store(false)
			s.namesGood.Store(false)
			s.signGood.Store(false)
			s.good.Store(0)
			x, err := f.index(s)
			if err != nil {
				return err
			}
			if _, err := f.names(s); err != nil {
				return err
			}
			if _, err := f.signature(s); err != nil {
				return err
			}
			for mask := s.all(); mask != 0; mask &= mask - 1 {
				text, _, err := f.block(s, x, bits.TrailingZeros64(mask))
				if err != nil {
					return err
				}
				content.Write(text)
			}
			return nil
		})
		if err != nil {
			return err
		}
		f.leave(s)
	}
	if hex.EncodeToString(content.Sum(nil)) != f.content {
		return f.damaged("its lines have another digest")
	}
	return nil
}

// leave gives back the memory of a segment, where all are gone through one after another: the file
// would be in memory as a whole. It is read again when it is needed.
func (f *File) leave(s *segment) {
	f.guard(func() error {
		page := uint32(os.Getpagesize())
		return syscall.Madvise(f.data[s.at/page*page:s.end], syscall.MADV_DONTNEED)
	})
}

func (f *File) names(s *segment) ([]byte, error) {
	return f.part(s.names, s.signature, s.namesSum, &s.namesGood)
}

func (f *File) signature(s *segment) ([]byte, error) {
	return f.part(s.signature, s.end, s.signSum, &s.signGood)
}
