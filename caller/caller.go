// SPDX-License-Identifier: GPL-2.0-or-later

// Package caller acts as the person whose command is carried out.
//
// The helper is root, and people give it paths: of RPM files, of folders for downloads. What a
// person can't read or write the helper must not read or write for them, and only the kernel can
// decide that, at the very moment of opening. So paths that people give are opened by a thread that
// has their user id and groups and no capability, and from then on only the descriptor is used.
//
// What a person owns may also never answer: a file system of their own (FUSE) can keep a read
// waiting for ever. So all of it happens beside the command, which goes on without it when it is
// cancelled or when nothing came for Patience.
//
// The package knows nothing of RPMs, PackageKit or configuration: not what a path is good for, nor
// which folders are an exception.
package caller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long a file may give no sign of life before it is given up.
const Patience = 30 * time.Second

// nobody is the user and group of somebody who is not known: they have no more than everybody has.
const nobody = 65534

// maxHanging is how many calls that never returned a process bears: each keeps a thread.
const maxHanging = 16

// ErrHangs is what an operation on a person's file fails with that gave no sign of life for
// Patience, or that isn't tried because too many of them hang already.
var ErrHangs = errors.New("it doesn't answer")

// ErrNotRegular is what OpenFile fails with where a path is neither a plain file nor a symbolic
// link.
var ErrNotRegular = errors.New("it is not a plain file")

// ErrLink is what OpenFile and OpenFolder fail with where the last part of a path is a symbolic
// link.
var ErrLink = errors.New("it is a symbolic link")

// A User is whom a command is carried out for.
type User struct {
	id       int
	switches bool
	patience time.Duration
	running  chan struct{} // has one for each call that has not returned
}

// New is the user whose id PackageKit gives in the environment variable UID. Without one
// (PackageKit before 1.0) and with 0 it is the helper's own user; so it is where the helper isn't
// root, since it couldn't become another. What is no user id is nobody's.
func New(uid string) *User {
	u := &User{patience: Patience, running: make(chan struct{}, maxHanging)}
	if uid == "" || os.Geteuid() != 0 {
		return u
	}
	n, err := strconv.ParseUint(uid, 10, 32)
	if err != nil || n >= math.MaxInt32 { // -1 is how the kernel and PackageKit write "none"
		n = nobody
	}
	u.id, u.switches = int(n), n != 0
	return u
}

// Switches tells whether the user is another than the helper's own.
func (u *User) Switches() bool { return u.switches }

// Do runs what as the user and gives its result. It doesn't wait for it longer than ctx lives, nor
// than it shows that it is alive (by calling alive) within Patience: then what goes on by itself,
// and its result is dropped; an *os.File in it is closed by Go. So what must own all that it uses,
// and look at ctx between steps.
func Do[T any](ctx context.Context, u *User, what func(alive func()) (T, error)) (T, error) {
	return do(ctx, u, u.switches, what)
}

// Wait is Do with the helper's own rights, for what is open already.
func Wait[T any](ctx context.Context, u *User, what func(alive func()) (T, error)) (T, error) {
	return do(ctx, u, false, what)
}

func do[T any](ctx context.Context, u *User, switches bool, what func(alive func()) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	select {
	case u.running <- struct{}{}:
	default:
		return none, fmt.Errorf("%w, and %d others before it didn't", ErrHangs, maxHanging)
	}
	done, signs := make(chan result, 1), make(chan struct{}, 1)
	alive := func() {
		select {
		case signs <- struct{}{}:
		default:
		}
	}
	go func() {
		defer func() { <-u.running }()
		var r result
		if switches {
			runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
			if r.err = u.become(); r.err != nil {
				done <- r
				return
			}
		}
		r.value, r.err = what(alive)
		done <- r
	}()
	timer := time.NewTimer(u.patience)
	defer timer.Stop()
	for {
		select {
		case r := <-done:
			return r.value, r.err
		case <-signs:
			timer.Reset(u.patience)
		case <-timer.C:
			return none, ErrHangs
		case <-ctx.Done():
			return none, ctx.Err()
		}
	}
}

// become gives the calling thread the user's id and groups for all that files are about, and takes
// its capabilities away: without them quotas and the disk's reserve hold, too. The package unix,
// unlike syscall, changes the calling thread alone.
func (u *User) become() error {
	gid, groups := u.groups()
	if err := unix.Setgroups(groups); err != nil {
		return fmt.Errorf("taking on the groups of the user %d: %w", u.id, err)
	}
	unix.SetfsgidRetGid(gid)
	unix.SetfsuidRetUid(u.id)
	// They don't tell whether they did it: what -1 gives does.
	is, err := unix.SetfsuidRetUid(-1)
	isGroup, errGroup := unix.SetfsgidRetGid(-1)
	if err != nil || errGroup != nil || is != u.id || isGroup != gid {
		return fmt.Errorf("the kernel doesn't let the helper act as the user %d", u.id)
	}
	var none [2]unix.CapUserData // the kernel takes 64 of them, in two parts
	if err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]); err != nil {
		return fmt.Errorf("acting as the user %d: giving up capabilities: %w", u.id, err)
	}
	return nil
}

// groups are the user's own group and all groups. A user who is in none of the system's files has
// none.
func (u *User) groups() (gid int, all []int) {
	known, err := user.LookupId(strconv.Itoa(u.id))
	if err != nil {
		return nobody, nil
	}
	if gid, err = strconv.Atoi(known.Gid); err != nil {
		return nobody, nil
	}
	ids, err := known.GroupIds()
	if err != nil {
		return gid, nil
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil {
			all = append(all, n)
		}
	}
	return gid, all
}

// openFlags let nothing happen but opening: no link is followed at the end of a path, a terminal
// doesn't become the helper's own.
const openFlags = unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NOCTTY

// OpenFile opens a plain file for reading, as the user. size is what it has now, in bytes; it may
// change. The caller closes the file.
func (u *User) OpenFile(ctx context.Context, path string) (f *os.File, size int64, err error) {
	type opened struct {
		file *os.File
		size int64
	}
	o, err := Do(ctx, u, func(func()) (opened, error) {
		fd, err := open(unix.AT_FDCWD, path, unix.O_RDONLY|unix.O_NONBLOCK|openFlags, 0) // a FIFO isn't waited for
		if err != nil {
			return opened{}, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		var st unix.Stat_t
		if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
			err = ErrNotRegular
		}
		if err == nil {
			err = unix.SetNonblock(fd, false) // or Go would have a FUSE file polled
		}
		if err != nil {
			unix.Close(fd)
			return opened{}, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		return opened{os.NewFile(uintptr(fd), path), st.Size}, nil
	})
	return o.file, o.size, err
}

// open is openat; a symbolic link is told by ErrLink.
func open(dir int, path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, path, flags, mode)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ELOOP):
			return -1, ErrLink
		case errors.Is(err, unix.ENXIO): // a socket, or a device without a driver
			return -1, ErrNotRegular
		}
		return fd, err
	}
}

// copyStep is how many bytes are copied between two looks at whether the command is still wanted.
const copyStep = 256 << 10

// Copy copies exactly size bytes, which is all that from may have. It is an error where there are
// more or fewer.
func Copy(ctx context.Context, to io.Writer, from io.Reader, size int64, alive func()) error {
	for left := size; left > 0; {
		n, err := io.CopyN(to, from, min(left, copyStep))
		left -= n
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("it had %d bytes when it was opened, and now %d: it was changed meanwhile", size, size-left)
		case err != nil:
			return err
		}
		alive()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if n, err := from.Read(make([]byte, 1)); n > 0 {
		return fmt.Errorf("it had %d bytes when it was opened, and has more now: it was changed meanwhile", size)
	} else if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
