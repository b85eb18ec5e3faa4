// SPDX-License-Identifier: GPL-2.0-or-later

// Package catalogue keeps a source's search file on the laptop, in a form in which it can be
// searched at once: sorted, indexed, mapped into memory and never loaded.
//
// A file is written once, while its lines stream in, from the whole file that a server publishes or
// from the one that is here and a difference, and takes its place by a rename when it is whole and on
// the disk. Nothing of it needs memory in proportion to the catalogue: it is segments of some
// hundred lines, each with its own index, and a list of the segments at the end. Each segment has a
// checksum, that is looked at when the segment is first used.
//
// A segment has the lines as they are published (tree.Entry), where each of them begins, their names
// in lower case, a number for each one's group, and for each block of lines a signature: a set of
// bits for the trigrams of its texts in lower case, so that looking for a word reads those blocks
// only that may have it. Words of one or two characters are looked for in all of them.
package catalogue

import (
	"context"
	"errors"
	"io"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// ErrDamaged is among the errors that come of a file that isn't what was written.
var ErrDamaged = errors.New("a catalogue is damaged")

// A File is an open file. Several goroutines may use it at a time.
type File struct{}

// Open opens a file that Write or Merge made. The error is ErrDamaged where it is none of this version
// (one of an older version isn't: the caller gets rid of it all the same, as what is in it is to be had
// again), and os.ErrNotExist where there is none.
func Open(path string) (*File, error) { panic("") }

// Close closes the file. Nothing that came from it may be used after that.
func (f *File) Close() error { panic("") }

// Content is the SHA-256 of its lines, in hexadecimal, by which its source names it.
func (f *File) Content() string { panic("") }

// Size is how many bytes its lines have.
func (f *File) Size() int64 { panic("") }

// Find gives the lines of a name: the packages, and what else is said of the name.
func (f *File) Find(name string) ([]*tree.Entry, error) { panic("") }

// A Query says which packages are wanted. The zero Query is all; with more than one field set, those
// that satisfy every one.
type Query struct {
	In    []string // each of these is a part of the name, upper and lower case alike
	Text  []string // each of these is a part of name, summary, description, licence or group
	Group []string // it is in one of these groups; "" is none
}

// Search gives the lines that a query is for, in their order, until yield fails. Those that have
// successors only (Entry.By) are in no answer. The Entry is yield's to keep.
func (f *File) Search(q Query, yield func(*tree.Entry) error) error { panic("") }

// Groups are the groups that packages are in, sorted.
func (f *File) Groups() ([]string, error) { panic("") }

// Check tells whether all of the file is what was written.
func (f *File) Check(ctx context.Context) error { panic("") }

// Write makes a file of a search file as it is downloaded. It refuses one that isn't what s says; then,
// and where ctx ends, nothing is left. What is there under this path is replaced when all is on the
// disk.
func Write(ctx context.Context, path string, s tree.Search, whole io.Reader) error { panic("") }

// Merge is Write for a difference from an older file, which stays open and as it is.
func Merge(ctx context.Context, path string, s tree.Search, old *File, difference io.Reader) error {
	panic("")
}

// WriteEntries makes a file of lines that no server has published, sorted by name, and tells their
// Search: its Ref is empty.
func WriteEntries(ctx context.Context, path string, entries []*tree.Entry) (tree.Search, error) {
	panic("")
}
