// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Interruptible is a reader that ends with ctx's error when ctx does.
func Interruptible(ctx context.Context, r io.Reader) io.Reader { return &interruptible{ctx, r} }

type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	return i.r.Read(p)
}

var errNotRegular = errors.New("it is no regular file")

// OpenRegular opens a file for reading that must be a regular one: opening a pipe would wait for
// ever for somebody who writes to it, and opening a device may do something.
func OpenRegular(name string) (*os.File, error) {
	if info, err := os.Stat(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w (%s)", errNotRegular, info.Mode().Type())}
	}
	file, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // it may have become a pipe meanwhile
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w (%s)", errNotRegular, info.Mode().Type())}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}
