// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Bounds on the files beside a repository's packages, which are read into memory. Fedora's
// updateinfo.xml have 30 MiB, with elements of up to 1 MiB.
const (
	maxXML     = 512 << 20 // unpacked bytes of all of a platform's
	maxElement = 8 << 20   // bytes of one update, component or package
	maxDepth   = 64        // elements within each other, around those
	maxWindow  = 128 << 20 // what zstd --ultra -22 needs to unpack
)

// unpacked gives what is in a file, compressed as its name says, to read, with how many bytes it
// may have at most, which gives how many it has. It ends early with ctx's error.
func unpacked(ctx context.Context, path string, max int64, read func(r io.Reader, max int64) (int64, error)) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := unpack(f, suffix(path))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return read(Interruptible(ctx, r), min(max, maxXML))
}

func unpack(r io.Reader, suffix string) (io.ReadCloser, error) {
	switch suffix {
	case ".gz":
		return gzip.NewReader(r)
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case ".xz":
		x, err := xz.NewReader(bufio.NewReader(r))
		return io.NopCloser(x), err
	case ".bz2":
		return io.NopCloser(bzip2.NewReader(r)), nil
	case "":
		return io.NopCloser(r), nil
	}
	return nil, fmt.Errorf("it is compressed as %s, which this program can't read", suffix)
}

// newXML reads an XML text in whatever encoding it says, or its first bytes say, that it has.
func newXML(r io.Reader) *xml.Decoder {
	d := xml.NewDecoder(transform.NewReader(r, unicode.BOMOverride(transform.Nop)))
	d.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
		if strings.HasPrefix(strings.ToLower(label), "utf-16") { // BOMOverride has done it
			return r, nil
		}
		e, err := ianaindex.IANA.Encoding(label)
		if err != nil || e == nil { // names that are none, and that everybody understands: "utf8"
			e, err = htmlindex.Get(label)
		}
		if err != nil || e == nil {
			return nil, fmt.Errorf("it has the encoding %.40q, which this program can't read", label)
		}
		return e.NewDecoder().Reader(r), nil
	}
	return d
}

// A skip is the error of an element that is left out, or of a part of one, where what comes behind
// it is still to be read.
type skip struct{ error }

// elements gives each element of an XML text of at most max bytes to take, which takes it whole, by
// decoding or skipping it, or leaves what is in it to come. It gives how many bytes it has read.
// what the text should be is for errors. An error is a *fault where a line has it; then all that
// came before it was taken, and, where the fault was a skip, all else too.
func elements(r io.Reader, max int64, what string, take func(*xml.Decoder, xml.StartElement) (taken bool, err error)) (int64, error) {
	limited := &bounded{r: r, max: max, left: max}
	d := newXML(bufio.NewReader(limited))
	var first *fault // that was skipped
	skipped := 0
	for depth := 0; ; {
		limited.element = maxElement
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			if first == nil {
				return limited.read(), nil
			}
			if skipped > 1 {
				first.err = fmt.Errorf("%w (the first of %d such faults)", first.err, skipped)
			}
			return limited.read(), first
		}
		line, _ := d.InputPos()
		switch x := token.(type) {
		case xml.StartElement:
			var taken bool
			if taken, err = take(d, x); !taken {
				depth++
			}
		case xml.EndElement:
			depth--
		}
		if err == nil && depth > maxDepth {
			err = fmt.Errorf("there are more than %d elements within each other", maxDepth)
		}
		var left skip
		switch {
		case limited.err != nil:
			err = limited.err
		case errors.As(err, &left):
			if skipped++; first == nil {
				first = &fault{line, left.error}
			}
			continue
		case err != nil:
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) { // the fault has the line
				err = errors.New(syntax.Msg)
			}
			err = fmt.Errorf("it is no %s: %w", what, err)
		}
		if err != nil {
			line, _ = d.InputPos()
			return limited.read(), &fault{line, err}
		}
	}
}

// read is how many bytes were read, as far as they count.
func (b *bounded) read() int64 { return b.max - max(b.left, 0) }

// bounded ends with an error, which it keeps, after so many bytes in all and in one element.
type bounded struct {
	r             io.Reader
	max           int64
	left, element int64
	err           error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	b.element -= int64(n)
	switch {
	case b.left < 0:
		b.err = fmt.Errorf("it unpacks to more than %d bytes", b.max)
	case b.element < 0:
		b.err = fmt.Errorf("one of its elements has more than %d bytes", maxElement)
	case err != nil && err != io.EOF:
		b.err = err
	default:
		return n, err
	}
	return 0, b.err
}
