// SPDX-License-Identifier: GPL-2.0-or-later

package trust

import (
	"fmt"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
)

// A Kind is why something isn't believed.
type Kind int

// The kinds.
const (
	Unsigned   Kind = iota + 1 // it has no signature
	UnknownKey                 // nobody signed it who may
	BadKey                     // who signed it may, and the key has expired, was revoked or is too weak
	Changed                    // it isn't what was signed
	Expired                    // it, or the keys file that leads to who signs it, has
	Older                      // than what was accepted before
	Future                     // it is from there
)

// An Error tells that something isn't believed. What was accepted before stays in use.
type Error struct {
	Kind Kind
	What string // the name of the file in the platform's folder
	Err  error  // why
	// Key is who signed it, where nobody's word counts yet, since the configuration names no key. The
	// signature is right. It is for a person to decide.
	Key *pgp.Key
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

func wrong(kind Kind, what, format string, args ...any) *Error {
	return &Error{Kind: kind, What: what, Err: fmt.Errorf(format, args...)}
}
