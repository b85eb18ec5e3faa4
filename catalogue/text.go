// SPDX-License-Identifier: GPL-2.0-or-later

package catalogue

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// texts are tree.TextsOf a line in lower case, and not escaped.
type texts [5][]byte

// has tells whether a term is in one of them.
func (t *texts) has(term []byte) bool {
	for _, text := range t {
		if bytes.Contains(text, term) {
			return true
		}
	}
	return false
}

// A folder makes lower case of lines.
type folder struct {
	buf []byte
}

// texts gives those of a line until the next line.
func (f *folder) texts(line []byte) (texts, error) {
	f.buf = appendLower(f.buf[:0], line)
	return textsOf(line, f.buf)
}

// textsOf gives the texts of a line that is low in lower case.
func textsOf(line, low []byte) (t texts, err error) {
	if bytes.IndexByte(low, '\\') >= 0 {
		e, err := tree.ParseEntry(line)
		if err != nil {
			return t, err
		}
		for i, s := range [...]string{e.Name, e.Group, e.License, e.Summary, e.Description} {
			t[i] = []byte(strings.ToLower(s))
		}
		return t, nil
	}
	return tree.TextsOf(low), nil
}

// appendLower appends a text in lower case, as strings.ToLower makes it.
func appendLower(to, text []byte) []byte {
	begin := len(to)
	to = append(to, text...)
	if lowerASCII(to[begin:]) {
		return to
	}
	to = to[:begin]
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			to = append(to, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		to = utf8.AppendRune(to, unicode.ToLower(r))
		i += size
	}
	return to
}

// lowerASCII makes lower case of a text's ASCII letters and tells whether it is ASCII only.
func lowerASCII(text []byte) bool {
	const every, high = 0x0101010101010101, 0x8080808080808080
	var beyond uint64
	i := 0
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		beyond |= w & high
		low := w &^ high
		upper := (low + (0x80-'A')*every) &^ (low + (0x80-'Z'-1)*every) &^ w & high
		if upper != 0 {
			binary.LittleEndian.PutUint64(text[i:], w|upper>>2)
		}
	}
	for ; i < len(text); i++ {
		c := text[i]
		beyond |= uint64(c & 0x80)
		if 'A' <= c && c <= 'Z' {
			text[i] = c + 'a' - 'A'
		}
	}
	return beyond == 0
}

// isASCII tells whether a text is.
func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// sign sets the bits of a text in the signature of a block.
func sign(signature []byte, block int, text []byte) {
	if len(text) < 3 {
		return
	}
	signature = signature[block/8:]
	bit := byte(1) << (block % 8)
	three := uint32(text[0])<<8 | uint32(text[1])<<16
	for _, c := range text[2:] {
		three = three>>8 | uint32(c)<<16
		signature[bitOf(three)*8] |= bit
	}
}

// bitsOf are the bits that a text has set.
func bitsOf(text []byte) []int {
	var all []int
	for ; len(text) >= 3; text = text[1:] {
		all = append(all, bitOf(uint32(text[0])|uint32(text[1])<<8|uint32(text[2])<<16))
	}
	return all
}

// bitOf is the bit for three bytes.
func bitOf(three uint32) int {
	return int(uint64(three*0x9E3779B1) * signatureBits >> 32)
}
