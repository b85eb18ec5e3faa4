// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/catalogue"
	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

// errEnough ends a search whose reader has enough.
var errEnough = errors.New("enough")

// What a caller can decide on.
var (
	// ErrNotOffered says that no source offers a package.
	ErrNotOffered = errors.New("no source offers it")
	// ErrSuperseded says that the source offered a package until a moment ago, and now offers a
	// newer version in its place. It is an ErrNotOffered.
	ErrSuperseded = fmt.Errorf("%w any more", ErrNotOffered)
	// ErrElsewhere says that the source which offers a package is a copy of some programs, and this
	// isn't one of them.
	ErrElsewhere = errors.New("the source has no copy of it")
	// ErrNoSource says that there is no source to ask: none is configured, or each is switched off.
	ErrNoSource = errors.New("there is no source")
	// ErrUnknownSource says that no source has an id.
	ErrUnknownSource = errors.New("there is no such source")
	// ErrOtherKey says that a source is signed with another key than was said.
	ErrOtherKey = errors.New("it is another key")
	// ErrConfiguration is about the file that the sources are written in.
	ErrConfiguration = errors.New("the configuration of the sources")
)

// marked is an error that is one of those above too, and has a text of its own.
type marked struct {
	error
	is error
}

func (m marked) Is(target error) bool { return target == m.is }
func (m marked) Unwrap() error        { return m.error }

// mark makes an error that is also another one.
func mark(is error, format string, args ...any) error { return marked{fmt.Errorf(format, args...), is} }

// A SourceError is about one source that can't be used: Err says why.
type SourceError struct {
	Source string // id
	URL    string // without a password; empty where the source was reached and what it publishes is wrong
	Err    error
}

func (e *SourceError) Error() string {
	if e.URL == "" {
		return fmt.Sprintf("the source %s: %v", e.Source, e.Err)
	}
	return fmt.Sprintf("the source %s (%s): %v", e.Source, e.URL, e.Err)
}

func (e *SourceError) Unwrap() error { return e.Err }

// Unreachable tells whether the source could not be reached at all: it may be tomorrow.
func (e *SourceError) Unreachable() bool { return transport.KindOf(e) == transport.NoNetwork }

// sourceError says which source an error is about. What isn't a source's fault stays what it is:
// the end of the command, a damaged or locked record, a full disk under the record.
func sourceError(source Source, err error) error {
	var known *SourceError
	switch {
	case err == nil, Ends(err), errors.As(err, &known), errors.Is(err, syscall.ENOSPC) && transport.KindOf(err) == 0:
		return err
	}
	return &SourceError{Source: source.ID, URL: source.place(), Err: err}
}

// Ends tells whether an error ends a command whatever another source could give.
func Ends(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, db.ErrDamaged) || errors.Is(err, db.ErrLocked) || errors.Is(err, catalogue.ErrDamaged)
}

// diskFull tells whether an error is about a disk of this computer.
func diskFull(err error) bool {
	return transport.KindOf(err) == transport.NoSpace || transport.KindOf(err) == 0 && errors.Is(err, syscall.ENOSPC)
}

func notFound(err error) bool { return transport.KindOf(err) == transport.NotFound }
