// SPDX-License-Identifier: GPL-2.0-or-later

package trust

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
)

// A Store is what was accepted, and the folder of keys. It is used by one goroutine at a time; other
// processes may use the same files.
type Store struct {
	folder  string
	keyring string
	built   time.Time
	clock   func() time.Time
	note    func(problem error)

	read  os.FileInfo // the file that state is from; nil: there was none
	state state

	looks, changed bool // see Looking; state isn't what the file has any more
}

// state is what the file has.
type state struct {
	Format int `json:"format"`
	// Keys are the last accepted keys files, as they were published, by the anchors that led to them.
	Keys map[string]keysFile `json:"keys,omitempty"`
	// Accepted is the last that was accepted, by platform, and by the fingerprint of who signed it.
	Accepted map[string]map[string]accepted `json:"accepted,omitempty"`
}

type keysFile struct {
	Version int64  `json:"version"`
	File    string `json:"file"`
}

type accepted struct {
	Serial  int64     `json:"serial"`
	Created time.Time `json:"created"`
}

// File is the name of the file in the folder of the state.
const File = "trust.json"

// maxFile is far more than the file has.
const maxFile = 8 << 20

// Open opens what is in a folder, which root alone may enter, and a folder of ASCII-armoured keys, a
// file each, which need not be there. built is when the program was, zero where that isn't known. note
// is told what is wrong with the files and does no harm. Nothing is read before it is needed.
func Open(folder, keyring string, built time.Time, note func(problem error)) *Store {
	return &Store{folder: folder, keyring: keyring, built: built, clock: time.Now, note: note}
}

// Looking is the store for who only looks: what it accepts is kept in memory, and the files stay as
// they are.
func (s *Store) Looking() *Store {
	looking := *s
	looking.looks = true
	return &looking
}

// load reads the file where it isn't the one that was read.
func (s *Store) load() error {
	if s.changed {
		return nil
	}
	path := filepath.Join(s.folder, File)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		s.read, s.state = nil, state{}
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading whom this computer trusts: %w", err)
	}
	if s.read != nil && os.SameFile(info, s.read) && info.ModTime().Equal(s.read.ModTime()) && info.Size() == s.read.Size() {
		return nil
	}
	data, err := readFile(path, maxFile)
	if err != nil {
		return fmt.Errorf("reading whom this computer trusts: %w", err)
	}
	var read state
	if err := json.Unmarshal(data, &read); err != nil || read.Format != 1 {
		s.note(fmt.Errorf("%s is damaged: whom this computer trusts begins anew with the keys of the configuration", path))
		read = state{}
	}
	s.read, s.state = info, read
	return nil
}

// change changes what the file has, while nobody else does.
func (s *Store) change(f func(*state)) error {
	if s.looks {
		if err := s.load(); err != nil {
			return err
		}
		s.state, s.changed = s.state.clone(), true
		f(&s.state)
		return nil
	}
	lock, err := os.OpenFile(filepath.Join(s.folder, ".trust.lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("keeping whom this computer trusts: %w", err)
	}
	defer lock.Close()
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); { // held for a few writes, by root alone
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err == nil {
		err = s.load()
	}
	if err != nil {
		return fmt.Errorf("keeping whom this computer trusts: %w", err)
	}
	next := s.state.clone()
	f(&next)
	data, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("keeping whom this computer trusts: %w", err)
	}
	s.read = nil
	if err := replace(s.folder, File, data); err != nil {
		return fmt.Errorf("keeping whom this computer trusts: %w", err)
	}
	return nil
}

func (s state) clone() state {
	next := state{Format: 1, Keys: make(map[string]keysFile), Accepted: make(map[string]map[string]accepted)}
	for k, v := range s.Keys {
		next.Keys[k] = v
	}
	for p, by := range s.Accepted {
		next.Accepted[p] = make(map[string]accepted)
		for k, v := range by {
			next.Accepted[p][k] = v
		}
	}
	return next
}

// replace writes a file aside, syncs it, and gives it its name.
func replace(folder, name string, data []byte) error {
	f, err := os.CreateTemp(folder, "."+name+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(folder, name))
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readFile reads a regular file of at most so many bytes. A FIFO isn't waited for.
func readFile(path string, most int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", path, most)
	}
	return io.ReadAll(io.LimitReader(f, most))
}

// anchorsID is how a set of anchors is called in the file.
func anchorsID(anchors []string) string {
	sorted := slices.Sorted(slices.Values(anchors))
	return strings.Join(slices.Compact(sorted), " ")
}

// keysOf is the keys file that these anchors have led to; nil where there is none.
func (s *Store) keysOf(anchors []string) (*Keys, error) {
	if err := s.load(); err != nil {
		return nil, err
	}
	kept, ok := s.state.Keys[anchorsID(anchors)]
	if !ok {
		return nil, nil
	}
	k, err := ParseKeys([]byte(kept.File), kept.Version)
	if err != nil {
		s.note(fmt.Errorf("%s is damaged: %w: whom this computer trusts begins anew with the keys of the configuration", filepath.Join(s.folder, File), err))
		return nil, nil
	}
	return k, nil
}

// Believes tells whether what these keys have signed, when it was accepted, is believed still: the
// anchors, or the keys that they have led to, are others after a change of the configuration, or of
// the keys file.
func (s *Store) Believes(anchors, signers []string) (bool, error) {
	k, err := s.keysOf(anchors)
	if err != nil {
		return false, err
	}
	may := anchors
	if k != nil {
		may = nil
		for _, key := range k.Online {
			may = append(may, key.Fingerprint)
		}
	}
	return slices.ContainsFunc(signers, func(print string) bool { return slices.Contains(may, print) }), nil
}

// inKeyring is the key with a fingerprint in the folder of keys; nil where it isn't there.
func (s *Store) inKeyring(print string) *pgp.Key {
	entries, err := os.ReadDir(s.keyring)
	if err != nil {
		return nil
	}
	// The file that is called so comes first, so that others need not be read.
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		called := func(e fs.DirEntry) int {
			if e.Name() == print+".asc" {
				return 0
			}
			return 1
		}
		return called(a) - called(b)
	})
	for _, e := range entries {
		text, err := readFile(filepath.Join(s.keyring, e.Name()), pgp.MaxKey)
		if err != nil {
			continue
		}
		if k, err := pgp.ReadKey(text); err == nil && k.Fingerprint == print {
			return k
		}
	}
	return nil
}
