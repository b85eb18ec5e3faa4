package solve

import (
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// maxXML is how many bytes a file beside a repository's packages may unpack to: Fedora's updateinfo.xml have 30 MiB.
const maxXML = 1 << 30

// unpacked gives what is in a file, compressed as its name says, to read, with how many bytes it may have at most.
func unpacked(path string, max int64, read func(r io.Reader, max int64) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := unpack(f, suffix(path))
	if err != nil {
		return err
	}
	defer r.Close()
	return read(r, min(max, maxXML))
}

func unpack(r io.Reader, suffix string) (io.ReadCloser, error) {
	switch suffix {
	case ".gz":
		return gzip.NewReader(r)
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxXML))
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

// elements gives each element of an XML text of at most max bytes to take, which decodes it, skips it, or leaves what is in it to
// come. what the text should be is for errors.
func elements(r io.Reader, max int64, what string, take func(*xml.Decoder, xml.StartElement) error) error {
	limited := &io.LimitedReader{R: r, N: max + 1}
	d := xml.NewDecoder(bufio.NewReader(limited))
	for {
		token, err := d.Token()
		if limited.N <= 0 {
			return fmt.Errorf("it unpacks to more than %d bytes", max)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if start, ok := token.(xml.StartElement); ok && err == nil {
			err = take(d, start)
		}
		if err != nil {
			return fmt.Errorf("it is no %s: %w", what, err)
		}
	}
}
