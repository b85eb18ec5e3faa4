// SPDX-License-Identifier: GPL-2.0-or-later

package caller

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A Folder is a folder that is open: what happens to its path afterwards changes nothing. Close
// closes it.
type Folder struct {
	user *User
	dir  *os.File
	as   bool // what is written is written as the user; else as the helper
}

// OpenFolder opens a folder that the user names, as the user, and makes it where it isn't there;
// the last part of its path may not be a symbolic link.
func (u *User) OpenFolder(ctx context.Context, path string) (*Folder, error) {
	dir, err := Do(ctx, u, func(func()) (*os.File, error) {
		dir, err := openFolder(unix.AT_FDCWD, path)
		if !errors.Is(err, fs.ErrNotExist) {
			return dir, err
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, err
		}
		return openFolder(unix.AT_FDCWD, path)
	})
	if err != nil {
		return nil, err
	}
	return &Folder{user: u, dir: dir, as: u.switches}, nil
}

// OpenOwnFolder opens a folder in which the helper writes with its own rights: root's. From "/" on
// each part of its path must be a folder, no link, that belongs to root and that nobody else can
// write to. path is absolute and has no "." or "..".
func (u *User) OpenOwnFolder(path string) (*Folder, error) {
	dir, err := openFolder(unix.AT_FDCWD, "/")
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if err != nil {
			return nil, err
		}
		var next *os.File
		if err = rootsOwn(dir); err == nil {
			next, err = openFolder(int(dir.Fd()), part)
		}
		dir.Close()
		dir = next
	}
	if err == nil {
		if err = rootsOwn(dir); err != nil {
			dir.Close()
		}
	}
	if err != nil {
		return nil, err
	}
	return &Folder{user: u, dir: dir}, nil
}

func openFolder(in int, path string) (*os.File, error) {
	fd, err := open(in, path, unix.O_RDONLY|unix.O_DIRECTORY|openFlags, 0)
	if err != nil {
		if errors.Is(err, unix.ENOTDIR) { // what a link is told by, too, where a folder is asked for
			var st unix.Stat_t
			if unix.Fstatat(in, path, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
				err = ErrLink
			}
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

func rootsOwn(dir *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return &fs.PathError{Op: "stat", Path: dir.Name(), Err: err}
	}
	if st.Uid != 0 || st.Mode&0o022 != 0 {
		return &fs.PathError{Op: "open", Path: dir.Name(), Err: errors.New("others than root can write to it")}
	}
	return nil
}

// Close closes the folder.
func (f *Folder) Close() error { return f.dir.Close() }

// again is the folder for a call that may go on after the folder was closed.
func (f *Folder) again() (*os.File, error) {
	fd, err := unix.FcntlInt(f.dir.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: f.dir.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), f.dir.Name()), nil
}

// Free is how many bytes may still be written to the folder's disk by those who are not root, and
// the disk's number.
func (f *Folder) Free(ctx context.Context) (bytes int64, disk uint64, err error) {
	type space struct {
		bytes int64
		disk  uint64
	}
	dir, err := f.again()
	if err != nil {
		return 0, 0, err
	}
	s, err := Wait(ctx, f.user, func(func()) (space, error) {
		defer dir.Close()
		var sfs unix.Statfs_t
		var st unix.Stat_t
		if err := unix.Fstatfs(int(dir.Fd()), &sfs); err != nil {
			return space{}, fmt.Errorf("asking how much space %q has: %w", dir.Name(), err)
		}
		if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
			return space{}, fmt.Errorf("asking which disk has %q: %w", dir.Name(), err)
		}
		return space{int64(sfs.Bavail) * int64(sfs.Bsize), uint64(st.Dev)}, nil
	})
	return s.bytes, s.disk, err
}

// Put puts a copy of a file into the folder under a name, readable for everybody, whole or not at
// all. What has the name already is replaced; a link is replaced itself, never followed. from is
// read from its beginning, and closed.
func (f *Folder) Put(ctx context.Context, name string, from *os.File, size int64) error {
	dir, err := f.again()
	if err != nil {
		from.Close()
		return err
	}
	_, err = do(ctx, f.user, f.as, func(alive func()) (struct{}, error) {
		defer dir.Close()
		defer from.Close()
		return struct{}{}, put(ctx, dir, name, from, size, alive)
	})
	return err
}

func put(ctx context.Context, dir *os.File, name string, from *os.File, size int64, alive func()) error {
	if name == "" || strings.ContainsRune(name, '/') {
		return fmt.Errorf("%q is not the name of a file", name)
	}
	in := int(dir.Fd())
	aside := ".presolve-" + rand.Text()
	fd, err := open(in, aside, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return &fs.PathError{Op: "create", Path: dir.Name(), Err: err}
	}
	to := os.NewFile(uintptr(fd), aside)
	err = to.Chmod(0o644) // whatever the umask is
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		err = nil // a stick's file system has no modes
	}
	if err == nil {
		err = Copy(ctx, to, from, size, alive)
	}
	if err == nil {
		err = to.Sync()
		alive()
	}
	if e := to.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = unix.Renameat(in, aside, in, name)
	}
	if err == nil {
		err = dir.Sync()
		if errors.Is(err, unix.EINVAL) {
			err = nil // a file system whose folders need none
		}
	}
	if err != nil {
		unix.Unlinkat(in, aside, 0)
		return &fs.PathError{Op: "write", Path: dir.Name() + "/" + name, Err: err}
	}
	return nil
}
