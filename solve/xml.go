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

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
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

// elements gives each element of an XML text of at most max bytes to take, which takes it whole, by
// decoding or skipping it, or leaves what is in it to come. It gives how many bytes there were.
// what the text should be is for errors.
func elements(r io.Reader, max int64, what string, take func(*xml.Decoder, xml.StartElement) (taken bool, err error)) (int64, error) {
	limited := &bounded{r: r, max: max, left: max}
	d := xml.NewDecoder(bufio.NewReader(limited))
	for depth := 0; ; {
		limited.element = maxElement
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return max - limited.left, nil
		}
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
		if limited.err != nil {
			return 0, limited.err
		}
		if err != nil {
			return 0, fmt.Errorf("it is no %s: %w", what, err)
		}
	}
}

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
