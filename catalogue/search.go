// SPDX-License-Identifier: GPL-2.0-or-later

package catalogue

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Find gives the lines of a name: the packages, and what else is said of the name.
func (f *File) Find(name string) ([]*tree.Entry, error) {
	var found []*tree.Entry
	// The lines of a name may begin in the segment before the first that begins with the name.
	i := sort.Search(len(f.segments), func(i int) bool { return f.segments[i].first >= name })
	for i = max(i-1, 0); i < len(f.segments) && f.segments[i].first <= name; i++ {
		if err := f.guard(func() (err error) {
			found, err = f.find(&f.segments[i], []byte(name), found)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (f *File) find(s *segment, name []byte, found []*tree.Entry) ([]*tree.Entry, error) {
	x, err := f.index(s)
	if err != nil {
		return nil, err
	}
	from := sort.Search(s.blocks, func(b int) bool {
		text, _, e := f.block(s, x, b)
		if e != nil {
			err = e
		}
		return bytes.Compare(tree.NameOf(text), name) >= 0
	})
	if err != nil {
		return nil, err
	}
	for b := max(from-1, 0); b < s.blocks; b++ {
		text, _, err := f.block(s, x, b)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(text) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			switch bytes.Compare(tree.NameOf(line), name) {
			case 0:
				e, err := f.entry(line)
				if err != nil {
					return nil, err
				}
				found = append(found, e)
			case 1:
				return found, nil
			}
		}
	}
	return found, nil
}

// entry reads a line, that was read before it was written.
func (f *File) entry(line []byte) (*tree.Entry, error) {
	e, err := tree.ParseEntry(line)
	if err != nil {
		return nil, f.damaged(err.Error())
	}
	return e, nil
}

// A Query says which packages are wanted. The zero Query is all; with more than one field set, those
// that satisfy every one.
type Query struct {
	In    []string // each of these is a part of the name, upper and lower case alike
	Text  []string // each of these is a part of name, summary, description, licence or group
	Group []string // it is in one of these groups; "" is none
}

// Search gives the lines that a query is for, in their order, until yield fails. Those that have
// successors only (Entry.By) are in no answer. The Entry is yield's to keep.
func (f *File) Search(q Query, yield func(*tree.Entry) error) error {
	return f.search(f.searcher(q), yield)
}

// A searcher is a Query made ready, and what is needed again and again while searching.
type searcher struct {
	in, text [][]byte // in lower case, the longest first
	bits     []int    // of the signatures, that blocks have with all of these
	verbatim bool     // what text has is in a line as it is in the texts
	groups   *[256]bool
	named    []string // the groups
	others   bool     // those with otherGroup only

	low   []byte // a block in lower case
	line  folder
	found []*tree.Entry
}

func (f *File) searcher(q Query) *searcher {
	x := &searcher{in: lowered(q.In), text: lowered(q.Text), verbatim: true}
	for _, term := range slices.Concat(x.in, x.text) {
		x.bits = append(x.bits, bitsOf(term)...)
	}
	for _, term := range x.text {
		if bytes.ContainsAny(term, "\\\t\n,") {
			x.verbatim = false
		}
	}
	if len(q.Group) > 0 {
		x.groups, x.named = &[256]bool{otherGroup: true}, q.Group
		for i, g := range f.groups {
			x.groups[i] = slices.Contains(q.Group, g.name)
		}
	}
	return x
}

// lowered are terms in lower case, the longest first.
func lowered(terms []string) [][]byte {
	var all [][]byte
	for _, t := range terms {
		if t != "" {
			all = append(all, []byte(strings.ToLower(t)))
		}
	}
	slices.SortStableFunc(all, func(a, b []byte) int { return len(b) - len(a) })
	return all
}

func (f *File) search(x *searcher, yield func(*tree.Entry) error) error {
	for i := range f.segments {
		x.found = x.found[:0]
		if err := f.guard(func() error { return f.searchSegment(&f.segments[i], x) }); err != nil {
			return err
		}
		for _, e := range x.found {
			if err := yield(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *File) searchSegment(s *segment, x *searcher) error {
	mask := s.all()
	if len(x.bits) > 0 {
		signature, err := f.signature(s)
		if err != nil {
			return err
		}
		for _, n := range x.bits {
			if mask &= binary.LittleEndian.Uint64(signature[n*8:]); mask == 0 {
				return nil
			}
		}
	}
	index, err := f.index(s)
	if err != nil {
		return err
	}
	var all, names []byte
	if len(x.in) > 0 {
		if all, err = f.names(s); err != nil {
			return err
		}
	}
	for ; mask != 0; mask &= mask - 1 {
		b := bits.TrailingZeros64(mask)
		if len(x.in) > 0 {
			p, err := f.span(s, index, b)
			if err != nil {
				return err
			}
			if names = all[p.names:p.namesTo]; !hasAll(names, x.in) {
				continue
			}
		}
		text, groups, err := f.block(s, index, b)
		if err != nil {
			return err
		}
		if err := f.searchBlock(text, groups, names, x); err != nil {
			return err
		}
	}
	return nil
}

// hasAll tells whether a text has all terms.
func hasAll(text []byte, terms [][]byte) bool {
	for _, term := range terms {
		if !bytes.Contains(text, term) {
			return false
		}
	}
	return true
}

// inGroup tells whether lines with this byte may be wanted.
func (x *searcher) inGroup(number byte) bool {
	return number != successorsOnly && (x.groups == nil || x.groups[number]) && (!x.others || number == otherGroup)
}

// searchBlock adds what is found in a block. The names are nil where they don't matter.
func (f *File) searchBlock(text, groups, names []byte, x *searcher) error {
	if !slices.ContainsFunc(groups, x.inGroup) {
		return nil
	}
	ascii := true
	if len(x.text) > 0 {
		x.low = append(x.low[:0], text...)
		if ascii = lowerASCII(x.low); ascii && x.verbatim && !hasAll(x.low, x.text) {
			return nil
		}
	}
	at := 0
	for _, number := range groups {
		length := bytes.IndexByte(text[at:], '\n')
		if length < 0 {
			return f.damaged("a line is missing")
		}
		begin, end := at, at+length
		at = end + 1
		if len(x.in) > 0 {
			name, rest, ok := bytes.Cut(names, []byte("\n"))
			if !ok {
				return f.damaged("a name is missing")
			}
			if names = rest; !hasAll(name, x.in) {
				continue
			}
		}
		if !x.inGroup(number) {
			continue
		}
		line := text[begin:end]
		if len(x.text) > 0 {
			ok, err := x.hasText(line, x.low[begin:end], ascii)
			if err != nil {
				return f.damaged(err.Error())
			}
			if !ok {
				continue
			}
		}
		e, err := f.entry(line)
		if err != nil {
			return err
		}
		if number != otherGroup || x.groups == nil || slices.Contains(x.named, e.Group) {
			x.found = append(x.found, e)
		}
	}
	return nil
}

// hasText tells whether a line has all of x.text. In low its ASCII is in lower case.
func (x *searcher) hasText(line, low []byte, ascii bool) (bool, error) {
	if !ascii && !isASCII(low) {
		x.line.buf = appendLower(x.line.buf[:0], line)
		low = x.line.buf
	}
	if x.verbatim && !hasAll(low, x.text) {
		return false, nil
	}
	t, err := textsOf(line, low)
	if err != nil {
		return false, err
	}
	for _, term := range x.text {
		if !t.has(term) {
			return false, nil
		}
	}
	return true, nil
}
