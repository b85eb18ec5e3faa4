package rpm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	rpmfile "github.com/cavaliergopher/rpm"
	"github.com/fsnotify/fsnotify"
)

// A Database is the RPM database of one system.
type Database struct {
	Root string // where the system's / is: "/" for the running one
	Path string // rpm's --dbpath, absolute, within Root
}

// paths are where distributions keep the database, the newest habit first.
var paths = []string{"/usr/lib/sysimage/rpm", "/var/lib/rpm"}

// FindDatabase finds the database of a root. path is its place within root; empty: the first of
// /usr/lib/sysimage/rpm and /var/lib/rpm that has a database, else the first that is there, else /var/lib/rpm, where
// rpm will make one.
func FindDatabase(root, path string) Database {
	if path != "" {
		return Database{root, path}
	}
	for _, p := range paths {
		if d := (Database{root, p}); d.file() != "" {
			return d
		}
	}
	for _, p := range paths {
		if _, err := os.Stat(filepath.Join(root, p)); err == nil {
			return Database{root, p}
		}
	}
	return Database{root, paths[len(paths)-1]}
}

// Dir is the folder of the database as this process sees it.
func (d Database) Dir() string { return filepath.Join(d.Root, d.Path) }

// file is the path of the file that holds the packages; "" where there is none.
func (d Database) file() string {
	for _, f := range formats {
		if info, err := os.Stat(filepath.Join(d.Dir(), f.name)); err == nil && info.Mode().IsRegular() {
			return filepath.Join(d.Dir(), f.name)
		}
	}
	return ""
}

// State is a short text that differs after the database changed. It costs a few stats. A database that is not there
// has the state "".
func (d Database) State() (string, error) {
	h := sha256.New()
	found := false
	for _, f := range formats {
		for _, suffix := range []string{"", "-wal"} {
			info, err := os.Stat(filepath.Join(d.Dir(), f.name+suffix))
			if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
				continue // an empty write-ahead log says no more than none
			}
			if err != nil {
				return "", fmt.Errorf("looking at the RPM database: %w", err)
			}
			found = true
			fmt.Fprintln(h, f.name+suffix, info.Size(), info.ModTime().UnixNano())
		}
	}
	if !found {
		return "", nil
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// A Header is what the RPM database has of one installed package.
type Header struct {
	Name, Version, Release, Arch       string
	Epoch                              int
	Summary, Description, License, URL string
	Size                               int64 // bytes on disk

	header *rpmfile.Package
}

// Files are the paths of the package's files and folders, in the header's order.
func (h *Header) Files() []string {
	tags := h.header.Header
	bases, dirs, indexes := tags.GetTag(tagBasenames).StringSlice(), tags.GetTag(tagDirnames).StringSlice(), tags.GetTag(tagDirindexes).Int64Slice()
	var files []string
	for i, base := range bases {
		if i < len(indexes) && indexes[i] >= 0 && int(indexes[i]) < len(dirs) {
			files = append(files, dirs[indexes[i]]+base)
		}
	}
	return files
}

// RPM's numbers of header tags (rpmtag.h).
const (
	tagSummary     = 1004
	tagDescription = 1005
	tagDirindexes  = 1116
	tagBasenames   = 1117
	tagDirnames    = 1118
)

// Read gives every installed package, in no particular order. Each comes with its digest, which is the same as
// long as the header is: where known says that the caller has it, its header is not even parsed. Packages that
// are no software (gpg-pubkey) are left out. Memory for one header at a time is held.
func (d Database) Read(known func(digest string) bool, yield func(digest string, h *Header) error) error {
	file := d.file()
	if file == "" {
		return nil
	}
	var err error
	for _, f := range formats {
		if filepath.Base(file) != f.name {
			continue
		}
		err = f.read(file, func(blob []byte) error {
			sum := sha256.Sum256(blob)
			digest := hex.EncodeToString(sum[:8])
			if known(digest) {
				return nil
			}
			h, err := parseHeader(blob)
			if err != nil {
				return &DamagedError{err}
			}
			if h.Name == "gpg-pubkey" {
				return nil
			}
			return yield(digest, h)
		})
	}
	if err != nil {
		return fmt.Errorf("reading the RPM database %s: %w", file, err)
	}
	return nil
}

// A DamagedError is about a header in the database that can't be read. Rebuild may help.
type DamagedError struct{ Err error }

func (e *DamagedError) Error() string { return e.Err.Error() }
func (e *DamagedError) Unwrap() error { return e.Err }

// parseHeader reads a header as the database keeps it: an RPM file's without the eight bytes before it. cavaliergopher/rpm
// reads whole files, so it gets one: a lead, an empty signature, the header.
func parseHeader(blob []byte) (h *Header, err error) {
	defer func() {
		if r := recover(); r != nil {
			h, err = nil, fmt.Errorf("a damaged header: %v", r)
		}
	}()
	if len(blob) < 8 {
		return nil, fmt.Errorf("a header of %d bytes", len(blob))
	}
	il, dl := uint64(binary.BigEndian.Uint32(blob)), uint64(binary.BigEndian.Uint32(blob[4:]))
	if 8+16*il+dl > uint64(len(blob)) {
		return nil, fmt.Errorf("a header of %d bytes that says it has %d", len(blob), 8+16*il+dl)
	}
	// cavaliergopher/rpm makes room for as many values as the header says before it looks for them.
	said := uint64(0)
	for i := range il {
		entry := blob[8+16*i:]
		kind, count := binary.BigEndian.Uint32(entry[4:]), uint64(binary.BigEndian.Uint32(entry[12:]))
		size := uint64(1)
		if kind < uint32(len(tagSizes)) {
			size = tagSizes[kind]
		}
		if said += size * count; said > dl {
			return nil, fmt.Errorf("a damaged header: its values don't fit into its %d bytes", dl)
		}
	}
	p, err := rpmfile.Read(&fileReader{prefix: filePrefix(), blob: blob})
	if err != nil {
		return nil, fmt.Errorf("a damaged header: %w", err)
	}
	return newHeader(p), nil
}

// ReadFile reads the header of an RPM file.
func ReadFile(path string) (h *Header, err error) {
	defer func() {
		if r := recover(); r != nil {
			h, err = nil, fmt.Errorf("reading %s: a damaged header: %v", path, r)
		}
	}()
	p, err := rpmfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return newHeader(p), nil
}

func newHeader(p *rpmfile.Package) *Header {
	return &Header{
		Name: p.Name(), Epoch: p.Epoch(), Version: p.Version(), Release: p.Release(), Arch: p.Architecture(),
		Summary: first(p, tagSummary), Description: first(p, tagDescription), License: p.License(), URL: p.URL(),
		Size: int64(p.Size()), header: p,
	}
}

// tagSizes are the bytes that a value of each type has at least, by the type's number: null, char, int8, int16,
// int32, int64, string, binary, string array, translated string.
var tagSizes = []uint64{0, 1, 1, 2, 4, 8, 1, 1, 1, 1}

// first is the first of a tag's texts: the untranslated one.
func first(p *rpmfile.Package, tag int) string {
	if s := p.Header.GetTag(tag).StringSlice(); len(s) > 0 {
		return s[0]
	}
	return ""
}

// filePrefix is what an RPM file has before the part of its header that the database keeps: a lead of 96 bytes (magic,
// version 3, signature type 5), an empty signature, the magic of the header.
func filePrefix() string {
	const magic = "\x8e\xad\xe8\x01\x00\x00\x00\x00"
	zeros := strings.Repeat("\x00", 96)
	return "\xed\xab\xee\xdb\x03\x00" + zeros[:72] + "\x00\x05" + zeros[:16] + magic + zeros[:8] + magic
}

// fileReader reads prefix and blob as one, filling each Read as far as it can: cavaliergopher/rpm counts on that.
type fileReader struct {
	prefix string
	blob   []byte
}

func (r *fileReader) Read(b []byte) (n int, err error) {
	n = copy(b, r.prefix)
	r.prefix = r.prefix[n:]
	m := copy(b[n:], r.blob)
	r.blob = r.blob[m:]
	if n+m == 0 && len(b) > 0 {
		return 0, os.ErrClosed
	}
	return n + m, nil
}

// Watch calls changed, from a goroutine of its own, whenever something in the database's folder changes, until stop is
// called. It can't watch a folder that is not there yet: that is an error.
func (d Database) Watch(changed func()) (stop func(), err error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching the RPM database: %w", err)
	}
	dir, err := filepath.EvalSymlinks(d.Dir())
	if err == nil {
		err = w.Add(dir)
	}
	// "rpm --rebuilddb" puts a new folder into the place of the old one: seen in the folder above.
	if err == nil {
		err = w.Add(filepath.Dir(dir))
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("watching the RPM database: %w", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case e, ok := <-w.Events:
				if !ok {
					return
				}
				if e.Name == dir && e.Has(fsnotify.Create) {
					w.Add(dir) // where it is gone again, the folder above tells when it comes back
				} else if e.Name != dir && filepath.Dir(e.Name) != dir {
					continue // a neighbour
				}
				changed()
			case _, ok := <-w.Errors: // an overflow: something changed, it is not known what
				if !ok {
					return
				}
				w.Add(dir)
				changed()
			}
		}
	}()
	return func() { w.Close(); <-done }, nil
}
