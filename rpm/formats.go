// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/knqyf263/go-rpmdb/pkg/bdb"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// formats are the files that hold the packages, with what gives the header of each package in one,
// until yield fails. A damaged file gives an error: a package that is silently left out would count
// as removed.
//
// go-rpmdb's own readers don't do that (v0.1.1): they don't see that sqlite broke off, run in
// circles or panic in a goroutine on a damaged bdb file, as any is while rpm writes to it, and
// print to stdout, which is the protocol's. So this is on top of what they are made of.
var formats = []struct {
	name string
	kind string // as rpm calls it (%_db_backend)
	read func(ctx context.Context, path string, yield func(blob []byte) error) error
}{
	{"rpmdb.sqlite", "sqlite", readSQLite},
	{"Packages.db", "ndb", readNDB},
	{"Packages", "bdb", readBDB},
}

// patience is how long a database that another process has locked is waited for. Whoever may read
// it may lock it.
const patience = 5 * time.Second

func readSQLite(ctx context.Context, path string, yield func(blob []byte) error) error {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&_pragma=cache_size(-64)&_pragma=busy_timeout("+strconv.FormatInt(patience.Milliseconds(), 10)+")")
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SELECT blob FROM Packages")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var blob sql.RawBytes
		if err := rows.Scan(&blob); err != nil {
			return err
		}
		if err := yield(blob); err != nil {
			return err
		}
	}
	return rows.Err()
}

// readNDB reads rpm's own format (lib/backend/ndb/rpmpkg.c): pages of 4 KiB with slots of 16 bytes,
// the first two of which are the file's header; a slot that is in use has the place of a blob in
// units of 16 bytes.
func readNDB(ctx context.Context, path string, yield func(blob []byte) error) error {
	const fileMagic, slotMagic, blobMagic = "RpmP", "Slot", "BlbS"
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := lockShared(ctx, file); err != nil { // rpm locks it to write
		return err
	}
	header := make([]byte, 32)
	if _, err := io.ReadFull(file, header); err != nil {
		return err
	}
	pages := binary.LittleEndian.Uint32(header[12:])
	if string(header[:4]) != fileMagic || binary.LittleEndian.Uint32(header[4:]) != 0 || pages == 0 || pages > 2048 {
		return errors.New("it is not of the format ndb, version 0")
	}
	slots := bufio.NewReader(io.NewSectionReader(file, 32, int64(pages)*4096-32))
	slot, blobHeader := make([]byte, 16), make([]byte, 16)
	var blob []byte
	for {
		switch _, err := io.ReadFull(slots, slot); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case string(slot[:4]) != slotMagic:
			return fmt.Errorf("a slot begins with %q", slot[:4])
		}
		index, at := slot[4:8], int64(binary.LittleEndian.Uint32(slot[8:]))*16
		if binary.LittleEndian.Uint32(index) == 0 {
			continue
		}
		if _, err := file.ReadAt(blobHeader, at); err != nil {
			return err
		}
		size := binary.LittleEndian.Uint32(blobHeader[12:])
		if string(blobHeader[:4]) != blobMagic || !bytes.Equal(blobHeader[4:8], index) || size > maxHeader {
			return fmt.Errorf("the header of package %d is not where it should be", binary.LittleEndian.Uint32(index))
		}
		if blob, err = readBlob(blob, io.NewSectionReader(file, at+16, int64(size)), int64(size)); err != nil {
			return err
		}
		if err := yield(blob); err != nil {
			return err
		}
	}
}

// ErrLocked is about a database that another process has had locked for more than 5 s.
var ErrLocked = fmt.Errorf("another process has had it locked for more than %v: find out which (lslocks), and end it", patience)

// lockShared locks a file as all may that read it, as soon as nobody has it who writes.
func lockShared(ctx context.Context, file *os.File) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, ErrLocked)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}

// readBlob reads size bytes, and doesn't make room for more than there are.
func readBlob(into []byte, r io.Reader, size int64) ([]byte, error) {
	b := bytes.NewBuffer(into[:0])
	if n, err := io.Copy(b, r); err != nil || n != size {
		return nil, errors.Join(err, fmt.Errorf("a header of %d bytes has %d", size, n))
	}
	return b.Bytes(), nil
}

// readBDB reads a hash of Berkeley DB. A header is a chain of overflow pages, which an entry of a
// hash page leads to.
func readBDB(ctx context.Context, path string, yield func(blob []byte) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	first := make([]byte, 512)
	if _, err := io.ReadFull(file, first); err != nil {
		return err
	}
	meta, err := bdb.ParseHashMetadataPage(first)
	if err != nil {
		return err
	}
	size := meta.PageSize
	if size < 512 || size > 65536 || size&(size-1) != 0 {
		return fmt.Errorf("it has pages of %d bytes", size)
	}
	read := func(number uint32, into []byte) (*bdb.HashPage, error) {
		if _, err := file.ReadAt(into, int64(number)*int64(size)); err != nil {
			return nil, fmt.Errorf("page %d: %w", number, err)
		}
		return bdb.ParseHashPage(into, meta.Swapped)
	}
	page, overflow := make([]byte, size), make([]byte, size)
	var blob []byte
	for number := uint32(0); number <= meta.LastPageNo; number++ {
		p, err := read(number, page)
		if err != nil {
			return err
		}
		if p.PageType != bdb.HashPageType && p.PageType != bdb.HashUnsortedPageType {
			continue
		}
		if bdb.PageHeaderSize+bdb.HashIndexEntrySize*int(p.NumEntries) > int(size) {
			return fmt.Errorf("page %d has %d entries", number, p.NumEntries)
		}
		indexes, err := bdb.HashPageValueIndexes(page, p.NumEntries, meta.Swapped)
		if err != nil {
			return err
		}
		for _, i := range indexes {
			if int(i)+bdb.HashOffPageSize > int(size) || page[i] != bdb.HashOffIndexPageType {
				continue // a value that is so short that it is in the page itself: no header
			}
			entry, err := bdb.ParseHashOffPageEntry(page[i:int(i)+bdb.HashOffPageSize], meta.Swapped)
			if err != nil {
				return err
			}
			blob = blob[:0]
			for next := entry.PageNo; next != 0; {
				o, err := read(next, overflow)
				if err != nil {
					return err
				}
				if o.PageType != bdb.OverflowPageType {
					return fmt.Errorf("page %d is not an overflow page", next)
				}
				end := int(size)
				if o.NextPageNo == 0 { // FreeAreaOffset: how much of the last page is filled
					end = min(end, bdb.PageHeaderSize+int(o.FreeAreaOffset))
				}
				if blob = append(blob, overflow[bdb.PageHeaderSize:end]...); len(blob) > int(min(entry.Length, maxHeader)) {
					return fmt.Errorf("a header of %d bytes goes on after its end", entry.Length)
				}
				next = o.NextPageNo
			}
			if len(blob) != int(entry.Length) {
				return fmt.Errorf("a header of %d bytes has %d", entry.Length, len(blob))
			}
			if err := yield(blob); err != nil {
				return err
			}
		}
	}
	return nil
}
