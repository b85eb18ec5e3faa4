// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// A Header is what the RPM database has of one installed package, or an RPM file of itself. It
// keeps the bytes that were read, and decodes of them what is asked for.
type Header struct {
	Name, Version, Release, Arch       string
	Epoch                              int // 0 to 2³¹-1
	Summary, Description, License, URL string
	Size                               int64 // bytes on disk

	header *header
}

// Bounds. rpm's own are 65,535 entries and 256 MiB (lib/header.c); these are made fit for machines
// that have 256 MiB in all. The largest headers of distributions have some 10 MiB.
const (
	maxHeader          = 64 << 20 // bytes of a header in the database
	maxFileHeader      = 32 << 20 // of the header of a file
	maxSignatureHeader = 8 << 20  // of the header of its signatures: some distributions have one for each file in it
	maxEntries         = 65_535
	maxSignatures      = 32      // entries of the header of the signatures, as in rpm
	maxValues          = 1 << 19 // of an array: a name in it takes 16 bytes, however short it is
	maxPath            = 4096    // bytes of a file's path, as in the kernel
	maxPaths           = 32 << 20
)

// RPM's numbers of header tags (rpmtag.h).
const (
	tagImage       = 61 // these three begin a header that can be signed
	tagSignatures  = 62
	tagImmutable   = 63
	tagName        = 1000
	tagVersion     = 1001
	tagRelease     = 1002
	tagEpoch       = 1003
	tagSummary     = 1004
	tagDescription = 1005
	tagSize        = 1009
	tagLicense     = 1014
	tagURL         = 1020
	tagArch        = 1022
	tagDirindexes  = 1116
	tagBasenames   = 1117
	tagDirnames    = 1118
	tagLongsize    = 5009
)

// The types of values.
const (
	typeInt8        = 2
	typeInt64       = 5
	typeString      = 6
	typeBinary      = 7
	typeStringArray = 8
	typeTranslated  = 9
)

// widths are the bytes that a value of each type has, or has at least, by the type's number: null,
// char, int8, int16, int32, int64, string, binary, string array, translated string. They are the
// alignments too.
var widths = [...]uint32{0, 1, 1, 2, 4, 8, 1, 1, 1, 1}

// An entry says where the values of a tag are.
type entry struct{ tag, kind, offset, count uint32 }

// A header is an index of entries, 16 bytes each, and the store that they lead to. What it was made
// from says how far it was checked.
type header struct{ index, store []byte }

const (
	introSize   = 8 // the number of entries, the size of the store
	entrySize   = 16
	leadSize    = 96
	leadMagic   = "\xed\xab\xee\xdb"
	headerMagic = "\x8e\xad\xe8\x01\x00\x00\x00\x00"
)

func (h *header) len() int { return len(h.index) / entrySize }

func (h *header) at(i int) entry { return parseEntry(h.index[i*entrySize:]) }

func parseEntry(b []byte) entry {
	return entry{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}
}

// newHeader makes a header of a blob: the intro, the index, the store. The blob stays the caller's.
func newHeader(blob []byte, entries, size uint32) (*header, error) {
	if len(blob) < introSize {
		return nil, fmt.Errorf("a header of %d bytes", len(blob))
	}
	il, dl := binary.BigEndian.Uint32(blob), binary.BigEndian.Uint32(blob[4:])
	if il == 0 || il > entries || dl > size {
		return nil, fmt.Errorf("a damaged header, or one that is too large: %d entries, %d bytes", il, dl)
	}
	if whole := introSize + entrySize*uint64(il) + uint64(dl); whole > uint64(len(blob)) {
		return nil, fmt.Errorf("a header of %d bytes that says it has %d", len(blob), whole)
	}
	end := introSize + entrySize*int(il)
	h := &header{blob[introSize:end], blob[end : end+int(dl)]}
	for i := range h.len() {
		if e := h.at(i); !h.fits(e) {
			return nil, fmt.Errorf("a damaged header: the values of its tag %d don't fit into its %d bytes", e.tag, dl)
		}
	}
	return h, nil
}

// fits tells whether an entry is of a type that there is and its values can be within the store; of
// texts only that there is a byte for each.
func (h *header) fits(e entry) bool {
	if e.kind >= uint32(len(widths)) {
		return false
	}
	width, size := widths[e.kind], uint64(len(h.store))
	// Where there is room for nothing, there need be no place.
	return (width == 0 || e.offset%width == 0) && uint64(e.offset) <= size && uint64(width)*uint64(e.count) <= size-uint64(e.offset)
}

// extent is the number of bytes that the values of an entry that fits have; false where a text
// doesn't end.
func (h *header) extent(e entry) (int, bool) {
	if e.kind != typeString && e.kind != typeStringArray && e.kind != typeTranslated {
		return int(widths[e.kind]) * int(e.count), true
	}
	if e.kind == typeString && e.count != 1 {
		return 0, false
	}
	rest := h.store[e.offset:]
	n := 0
	for range e.count {
		i := bytes.IndexByte(rest[n:], 0)
		if i < 0 {
			return 0, false
		}
		n += i + 1
	}
	return n, true
}

// strict checks what rpm checks of a file's header (lib/header.c, hdrblobVerifyInfo and
// hdrblobVerifyRegion): the values of each entry are there, in the order of the entries, and none
// overlap; if the header can be signed, all of it is. All is read once.
func (h *header) strict(region uint32) error {
	first := 0
	if e := h.at(0); e.tag == region {
		first = 1
		if e.kind != typeBinary || e.count != entrySize {
			return errors.New("a damaged header: its region is none")
		}
		// The trailer is an entry whose offset leads back over all entries.
		trailer := parseEntry(h.store[e.offset:])
		if back := uint64(-trailer.offset); trailer.kind != typeBinary || trailer.count != entrySize || back%entrySize != 0 || back > uint64(len(h.index)) || region == tagImmutable && back != uint64(len(h.index)) {
			return errors.New("a damaged header: its region is not all of it")
		}
	}
	end := 0
	for i := first; i < h.len(); i++ {
		e := h.at(i)
		n, ok := h.extent(e)
		if !ok || n == 0 || e.tag < 100 || int(e.offset) < end {
			return fmt.Errorf("a damaged header: the values of its tag %d are not where they should be", e.tag)
		}
		end = int(e.offset) + n
	}
	return nil
}

// find finds the first entry of a tag; false also where it has more values than anything real.
func (h *header) find(tag uint32) (entry, bool) {
	for i := range h.len() {
		if e := h.at(i); e.tag == tag {
			return e, e.count > 0 && (e.count <= maxValues || e.kind == typeBinary)
		}
	}
	return entry{}, false
}

// texts are the texts of a tag; they share one string.
func (h *header) texts(tag uint32) []string {
	e, ok := h.find(tag)
	if !ok || e.kind != typeString && e.kind != typeStringArray && e.kind != typeTranslated {
		return nil
	}
	n, ok := h.extent(e)
	if !ok {
		return nil
	}
	all := make([]string, 0, e.count)
	for rest := string(h.store[e.offset : int(e.offset)+n]); rest != ""; {
		var s string
		s, rest, _ = strings.Cut(rest, "\x00")
		all = append(all, s)
	}
	return all
}

// text is the first text of a tag: the untranslated one.
func (h *header) text(tag uint32) string {
	e, ok := h.find(tag)
	if !ok || e.kind != typeString && e.kind != typeStringArray && e.kind != typeTranslated {
		return ""
	}
	b, _, ok := bytes.Cut(h.store[e.offset:], []byte{0})
	if !ok {
		return ""
	}
	return string(b)
}

// numbers are the numbers of a tag.
func (h *header) numbers(tag uint32) []uint64 {
	e, ok := h.find(tag)
	if !ok || e.kind < typeInt8 || e.kind > typeInt64 {
		return nil
	}
	all := make([]uint64, e.count)
	width := int(widths[e.kind])
	for i := range all {
		for _, b := range h.store[int(e.offset)+i*width:][:width] {
			all[i] = all[i]<<8 | uint64(b)
		}
	}
	return all
}

// number is the first number of a tag; false where there is none.
func (h *header) number(tag uint32) (uint64, bool) {
	all := h.numbers(tag)
	if len(all) == 0 {
		return 0, false
	}
	return all[0], true
}

// bytes are the bytes of a tag.
func (h *header) bytes(tag uint32) []byte {
	e, ok := h.find(tag)
	if !ok || e.kind != typeBinary {
		return nil
	}
	return h.store[e.offset : e.offset+e.count]
}

// has tells whether there is a tag.
func (h *header) has(tag uint32) bool {
	_, ok := h.find(tag)
	return ok
}

// describe decodes what a Header always has. ok is false where it has an epoch that is none.
func (h *header) describe() (_ *Header, ok bool) {
	size, found := h.number(tagLongsize)
	if !found {
		size, _ = h.number(tagSize)
	}
	epoch, _ := h.number(tagEpoch)
	return &Header{
		Name: h.text(tagName), Epoch: int(min(epoch, math.MaxInt32)), Version: h.text(tagVersion), Release: h.text(tagRelease), Arch: h.text(tagArch),
		Summary: h.text(tagSummary), Description: h.text(tagDescription), License: h.text(tagLicense), URL: h.text(tagURL),
		Size: int64(min(size, math.MaxInt64)), header: h,
	}, epoch <= math.MaxInt32
}

// used are the arrays that are decoded when they are asked for, those of texts and those of
// numbers.
var used = [...]uint32{
	tagBasenames, tagDirnames, tagDirindexes, tagProvidename, tagRequirename, tagRequireversion, tagRequireflags,
	tagObsoletename, tagObsoleteversion, tagObsoleteflags, tagConflictname, tagConflictversion, tagConflictflags, tagProvideversion, tagProvideflags,
}

// parseHeader reads a header as the database keeps it: an RPM file's without the eight bytes before
// it. What can't be read of it later is an error now. ok is false where it is a header and what it
// is called can't be told: a part of its name is missing, or has what can't stand in a package's
// id. rpm lets such a thing be installed, and it must not be in the way of all others.
func parseHeader(blob []byte) (_ *Header, ok bool, err error) {
	h, err := newHeader(blob, maxEntries, maxHeader)
	if err != nil {
		return nil, false, err
	}
	for _, tag := range used {
		if e, there := h.find(tag); there {
			if _, ok := h.extent(e); !ok {
				return nil, false, fmt.Errorf("a damaged header: a text of its tag %d doesn't end", tag)
			}
		}
	}
	d, ok := h.describe()
	for _, s := range []string{d.Name, d.Version, d.Release, d.Arch} {
		ok = ok && s != "" && strings.IndexFunc(s, func(r rune) bool { return r == ';' || r == ' ' || !unicode.IsPrint(r) }) < 0 && utf8.ValidString(s)
	}
	return d, ok, nil
}

// ReadFile reads the header of an RPM file. What is no regular file is an error, and is not waited
// for.
func ReadFile(path string) (*Header, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("reading the RPM: %w", err)
	}
	defer f.Close()
	h, err := ReadOpen(f)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return h, nil
}

// ReadOpen is ReadFile of a file that is open. It reads from the file's beginning, whatever its
// offset is, and leaves that alone. The file stays the caller's; the Header doesn't need it. Errors
// don't name the file.
//
// A file is refused whose header rpm would refuse, or is larger than this program reads; that has
// no name, version, release or architecture, or one that rpmbuild would not have written; and that
// has control characters in the names of its files, or of what it provides and requires: rpm prints
// them.
func ReadOpen(f *os.File) (*Header, error) {
	_, h, err := readPackage(f)
	if err != nil {
		return nil, err
	}
	return h.packaged()
}

// readPackage reads the headers of a file: that of its signatures, and its own.
func readPackage(f *os.File) (signatures, h *header, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is no regular file")
	}
	r := io.NewSectionReader(f, 0, info.Size())
	lead := make([]byte, leadSize)
	if _, err := io.ReadFull(r, lead); err != nil || string(lead[:4]) != leadMagic {
		return nil, nil, errors.Join(errors.New("it is no RPM"), notEOF(err))
	}
	if signatures, err = readHeader(r, tagSignatures, maxSignatures, maxSignatureHeader); err != nil {
		return nil, nil, fmt.Errorf("its signatures: %w", err)
	}
	// What follows begins at a multiple of 8 bytes.
	if _, err := r.Seek(int64(-(len(signatures.index)+len(signatures.store))&7), io.SeekCurrent); err != nil {
		return nil, nil, err
	}
	if h, err = readHeader(r, tagImmutable, maxEntries, maxFileHeader); err != nil {
		return nil, nil, err
	}
	return signatures, h, nil
}

// readHeader reads a header with what is before it in a file.
func readHeader(r *io.SectionReader, region, entries, size uint32) (*header, error) {
	intro := make([]byte, len(headerMagic)+introSize)
	if _, err := io.ReadFull(r, intro); err != nil || string(intro[:len(headerMagic)]) != headerMagic {
		return nil, errors.Join(errors.New("there is no header where one should be"), notEOF(err))
	}
	intro = intro[len(headerMagic):]
	il, dl := binary.BigEndian.Uint32(intro), binary.BigEndian.Uint32(intro[4:])
	if il == 0 || il > entries || dl > size {
		return nil, fmt.Errorf("a damaged header, or one that is too large: %d entries, %d bytes", il, dl)
	}
	rest := int64(entrySize)*int64(il) + int64(dl)
	if at, err := r.Seek(0, io.SeekCurrent); err != nil || rest > r.Size()-at {
		return nil, errors.Join(fmt.Errorf("a header of %d bytes has %d", rest, r.Size()-at), err)
	}
	blob := append(make([]byte, 0, introSize+rest), intro...)
	if _, err := io.ReadFull(r, blob[introSize:cap(blob)]); err != nil {
		return nil, err
	}
	blob = blob[:cap(blob)]
	h, err := newHeader(blob, entries, size)
	if err != nil {
		return nil, err
	}
	return h, h.strict(region)
}

// notEOF leaves out that a file ends too early.
func notEOF(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

// packaged describes the header of a file.
func (h *header) packaged() (*Header, error) {
	d, ok := h.describe()
	if !ok {
		return nil, errors.New("its epoch is no number that is in use")
	}
	for _, part := range []struct{ what, is, allowed string }{
		{"name", d.Name, "-._+"}, {"version", d.Version, "._+~^"}, {"release", d.Release, "._+~^"}, {"architecture", d.Arch, "_"},
	} {
		if part.is == "" {
			return nil, fmt.Errorf("it has no %s", part.what)
		}
		if !onlyHas(part.is, part.allowed) {
			return nil, fmt.Errorf("its %s %.80q has characters that none has", part.what, part.is)
		}
	}
	if strings.ContainsRune("-.+", rune(d.Name[0])) {
		return nil, fmt.Errorf("its name %.80q begins as none does", d.Name)
	}
	total := 0
	for _, tag := range printed {
		e, there := h.find(tag)
		if !there {
			if h.lists(tag) {
				return nil, fmt.Errorf("it has more than %d values of the tag %d", maxValues, tag)
			}
			continue
		}
		n, _ := h.extent(e)
		for _, b := range h.store[e.offset : int(e.offset)+n] {
			if b < ' ' && b != 0 || b == 0x7f {
				return nil, fmt.Errorf("a name in it has control characters, in the tag %d", tag)
			}
		}
	}
	for range d.paths() {
		total++
	}
	if e, _ := h.find(tagBasenames); total != int(e.count) {
		return nil, errors.New("it has files without a folder, or more than can be listed")
	}
	return d, nil
}

// printed are the texts that rpm prints: of files, and of what is provided, required, in conflict
// and obsolete, with its version.
var printed = [...]uint32{
	tagBasenames, tagDirnames, tagProvidename, tagProvideversion, tagRequirename, tagRequireversion, tagConflictname, tagConflictversion, tagObsoletename, tagObsoleteversion,
	1027, // file names as they were before there were folders of their own
}

// lists tells whether there is a tag that find gives up on.
func (h *header) lists(tag uint32) bool {
	for i := range h.len() {
		if e := h.at(i); e.tag == tag && e.count > maxValues {
			return true
		}
	}
	return false
}

// onlyHas tells whether a text has only ASCII's letters and digits, and what else is allowed
// (build/parsePreamble.c).
func onlyHas(s, allowed string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(allowed, r) {
			return false
		}
	}
	return true
}

// Files are the paths of the package's files and folders, in the header's order. A path that is
// longer than any is left out, and where all are more than 32 MiB, the rest.
func (h *Header) Files() []string {
	var files []string
	for dir, base := range h.paths() {
		files = append(files, dir+base)
	}
	return files
}

// paths are the folders and names of the files, as Files says.
func (h *Header) paths() func(yield func(dir, base string) bool) {
	return func(yield func(dir, base string) bool) {
		bases, dirs, indexes := h.header.texts(tagBasenames), h.header.texts(tagDirnames), h.header.numbers(tagDirindexes)
		total := 0
		for i, base := range bases {
			if i >= len(indexes) || indexes[i] >= uint64(len(dirs)) {
				continue
			}
			dir := dirs[indexes[i]]
			if len(dir)+len(base) > maxPath {
				continue
			}
			if total += len(dir) + len(base); total > maxPaths || !yield(dir, base) {
				return
			}
		}
	}
}
