// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

// A cache is a folder of what was downloaded, which only its owner may look into:
//
//	sha256-HEX.gz, …      files by their checksum, and transport's partial files beside them
//	head-HEX              what changes in place, by the digest of its URL, and its ETag
//	names/PLATFORM        the names of what is used for a platform, one a line
//
// What no list of names has is removed. A name is in the list before its file is begun, so that what
// a build has that was interrupted stays for its next. Everything in it may be deleted: files are
// compared with their checksums each time.
type cache struct {
	dir    string
	list   string // the file in names; empty: none
	lock   *os.File
	remove func() // the folder, where it is a temporary one

	mu   sync.Mutex
	used map[string]bool
}

const namesDir = "names"

// listCounts is for how long a list counts that no build touches: its platform isn't built any more.
const listCounts = 60 * 24 * time.Hour

func openCache(dir, user string) (*cache, error) {
	c := &cache{dir: dir, used: make(map[string]bool), remove: func() {}}
	if dir == "" {
		var err error
		if c.dir, c.remove, err = makeTemp(); err != nil {
			return nil, fmt.Errorf("making a folder for downloads: %w", err)
		}
		return c, nil
	}
	if err := os.MkdirAll(filepath.Join(dir, namesDir), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for downloads: %w: set cache to one that presolver may write to", err)
	}
	if user != "" {
		c.list = filepath.Join(dir, namesDir, user)
	}
	var err error
	if c.lock, err = os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("locking the folder for downloads: %w: set cache to one that presolver may write to", err)
	}
	// Shared by those that download, so that nobody removes what another one is about to use. A file
	// system without locks does without.
	_ = unix.Flock(int(c.lock.Fd()), unix.LOCK_SH)
	return c, nil
}

func (c *cache) close() {
	if c.lock != nil {
		c.lock.Close()
	}
	c.remove()
}

// inCache is the name of a file in the cache, by its checksum.
func inCache(kind, sum, suffix string) string { return kind + "-" + sum + suffix }

func (c *cache) path(name string) string { return filepath.Join(c.dir, name) }

// use says that a name is used.
func (c *cache) use(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used[name] {
		return
	}
	c.used[name] = true
	if c.list == "" {
		return
	}
	if f, err := os.OpenFile(c.list, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err == nil {
		fmt.Fprintln(f, name)
		f.Close()
	}
}

// touch says that the list still counts.
func (c *cache) touch() {
	if c.list != "" {
		now := time.Now()
		_ = os.Chtimes(c.list, now, now) // without it files are downloaded again one day
	}
}

// clean removes what nothing names, unless others are just downloading.
func (c *cache) clean() error {
	if c.list == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := unix.Flock(int(c.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil // they do it
	}
	var mine bytes.Buffer
	for name := range c.used {
		fmt.Fprintln(&mine, name)
	}
	if err := writeAtOnce(c.list, mine.Bytes()); err != nil {
		return fmt.Errorf("cleaning the folder for downloads: %w", err)
	}
	named := make(map[string]bool)
	lists, err := os.ReadDir(filepath.Join(c.dir, namesDir))
	if err != nil {
		return fmt.Errorf("cleaning the folder for downloads: %w", err)
	}
	for _, l := range lists {
		list := filepath.Join(c.dir, namesDir, l.Name())
		if info, err := l.Info(); err == nil && time.Since(info.ModTime()) > listCounts {
			os.Remove(list)
			continue
		}
		data, err := os.ReadFile(list)
		if err != nil {
			return fmt.Errorf("cleaning the folder for downloads: %w", err)
		}
		for name := range strings.FieldsSeq(string(data)) {
			named[name] = true
		}
	}
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("cleaning the folder for downloads: %w", err)
	}
	for _, f := range files {
		name, _, _ := strings.Cut(f.Name(), transport.PartSuffix)
		if f.Type().IsRegular() && f.Name() != ".lock" && !named[name] {
			if err := os.Remove(c.path(f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("cleaning the folder for downloads: %w", err)
			}
		}
	}
	return nil
}

// readHead reads what writeHead wrote; nothing where it is damaged or not there.
func (c *cache) readHead(name string) (etag string, body []byte) {
	data, err := os.ReadFile(c.path(name))
	if err != nil || len(data) < sha256.Size {
		return "", nil
	}
	if sum := sha256.Sum256(data[sha256.Size:]); !bytes.Equal(sum[:], data[:sha256.Size]) {
		return "", nil
	}
	tag, body, ok := bytes.Cut(data[sha256.Size:], []byte("\n"))
	if !ok {
		return "", nil
	}
	return string(tag), body
}

// writeHead keeps a file and its ETag. Where that fails it is asked for in full the next time.
func (c *cache) writeHead(name, etag string, body []byte) {
	content := append([]byte(etag+"\n"), body...)
	sum := sha256.Sum256(content)
	_ = writeAtOnce(c.path(name), append(sum[:], content...))
}

func writeAtOnce(name string, data []byte) error {
	if err := os.WriteFile(name+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
