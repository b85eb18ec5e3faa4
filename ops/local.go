// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/sugarlabs/packagekit-backend-presolve/caller"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A LocalFile is an RPM file that a person names. It is opened once, as that person, and its path
// means nothing afterwards: whoever owns the folder can put another file there at any moment.
type LocalFile struct {
	*rpm.Header
	Path string // the person's own; it is only told
	Size int64  // bytes when it was opened
	user *caller.User
	file *os.File
}

// OpenLocal opens an RPM file that a person names, and reads its header. The caller closes it.
func (s *System) OpenLocal(ctx context.Context, path string) (*LocalFile, error) {
	f, size, err := s.Caller.OpenFile(ctx, path)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, fs.ErrNotExist):
		return nil, wire.Errorf(wire.FileNotFound, "there is no file %q", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, wire.Errorf(wire.FileNotFound, "you may not read %q", path)
	case errors.Is(err, caller.ErrLink):
		return nil, wire.Errorf(wire.InvalidPackageFile, "%q is a symbolic link: name the file that it leads to", path)
	case errors.Is(err, caller.ErrNotRegular):
		return nil, wire.Errorf(wire.InvalidPackageFile, "%q is no file", path)
	default:
		return nil, wire.Errorf(wire.FileNotFound, "opening %q: %w", path, withoutPath(err))
	}
	if size > tree.MaxRPM {
		f.Close()
		return nil, wire.Errorf(wire.InvalidPackageFile, "%q has %d bytes, and an RPM has %d at most", path, size, int64(tree.MaxRPM))
	}
	h, err := caller.Wait(ctx, s.Caller, func(func()) (*rpm.Header, error) { return rpm.ReadOpen(f) })
	if err == nil {
		if _, wrong := tree.ParseNEVRA(NEVRA(h).String()); wrong != nil {
			err = wrong
		}
	}
	if err != nil {
		f.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, wire.Errorf(wire.InvalidPackageFile, "%q is not an RPM, or damaged: %w", path, err)
	}
	return &LocalFile{Header: h, Path: path, Size: size, user: s.Caller, file: f}, nil
}

// withoutPath is an error of opening without the path, which its reader quotes.
func withoutPath(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// Close closes the file.
func (l *LocalFile) Close() error { return l.file.Close() }

// CopyTo copies the file, which must have as many bytes still as when it was opened. The caller
// closes to; where this is given up because the file hangs, something may be written to it until
// then.
func (l *LocalFile) CopyTo(ctx context.Context, to *os.File) error {
	_, err := caller.Wait(ctx, l.user, func(alive func()) (struct{}, error) {
		return struct{}{}, caller.Copy(ctx, to, io.NewSectionReader(l.file, 0, tree.MaxRPM+1), l.Size, alive)
	})
	var writing *fs.PathError
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.As(err, &writing) && writing.Op == "write": // of the copy: no fault of the file
		return fmt.Errorf("copying %q: %w", l.Path, withoutPath(err))
	}
	return wire.Errorf(wire.InvalidPackageFile, "%q can't be copied: %w", l.Path, withoutPath(err))
}

// NEVRA is what a header says that its package is.
func NEVRA(h *rpm.Header) tree.NEVRA {
	return tree.NEVRA{Name: h.Name, Epoch: h.Epoch, Version: h.Version, Release: h.Release, Arch: h.Arch}
}
