// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/words"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// AsError gives an op's error the code that PackageKit knows it by. Errors of the parts that an op
// said nothing more about get the code of their kind.
func AsError(err error) *wire.Error {
	if err == nil {
		return nil
	}
	var known *wire.Error
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return &wire.Error{Code: wire.TransactionCancelled, Text: "The command was cancelled. What was downloaded is kept.", Err: err}
	}
	var damaged *rpm.DamagedError
	if errors.As(err, &damaged) || errors.Is(err, db.ErrDamaged) { // by this code PackageKit's clients know to offer a repair
		return &wire.Error{Code: wire.UnfinishedTransaction, Text: err.Error() + ": repair the system", Err: err}
	}
	for is, code := range codes {
		if errors.Is(err, is) {
			return &wire.Error{Code: code, Text: err.Error(), Err: err}
		}
	}
	e := &wire.Error{Code: codeOf(err), Text: err.Error(), Err: err}
	if e.Code == wire.NoSpaceOnDevice {
		e.Text += ": make some room first"
	}
	return e
}

// Told is an error as it is told to somebody who speaks these languages, the best first: what its kind
// means to a person, and then the details.
func Told(e *wire.Error, languages []string) *wire.Error {
	if e == nil {
		return nil
	}
	sentence := words.Of(languages, kindOf(e))
	if sentence == "" {
		return e
	}
	return &wire.Error{Code: e.Code, Text: sentence + "\n" + e.Text, Err: e.Err}
}

// kindOf is the kind of an error as package words has it.
func kindOf(e *wire.Error) string {
	var refused *trust.Error
	switch {
	case errors.As(e, &refused):
		return string(e.Code) + exactly[refused.Kind]
	case errors.Is(e, syscall.EROFS):
		return string(e.Code) + ".read-only"
	}
	return string(e.Code)
}

// exactly are the words of package words for what isn't believed.
var exactly = map[trust.Kind]string{trust.Expired: ".expired", trust.Older: ".older", trust.Future: ".future"}

// codes are those of the errors of packages db and offers.
var codes = map[error]wire.Code{
	db.ErrLocked:            wire.CannotGetLock,
	offers.ErrNotOffered:    wire.PackageNotFound,
	offers.ErrElsewhere:     wire.PackageNotFound,
	offers.ErrNoSource:      wire.RepoNotAvailable,
	offers.ErrUnknownSource: wire.RepoNotFound,
	offers.ErrConfiguration: wire.RepoConfigurationError,
	offers.ErrOtherKey:      wire.GPGFailure,
}

// untrusted are those of what isn't believed.
var untrusted = map[trust.Kind]wire.Code{
	trust.Unsigned:   wire.MissingGPGSignature,
	trust.UnknownKey: wire.GPGFailure,
	trust.BadKey:     wire.GPGFailure,
	trust.Changed:    wire.BadGPGSignature,
	trust.Expired:    wire.RepoNotAvailable,
	trust.Older:      wire.RepoNotAvailable,
	trust.Future:     wire.RepoNotAvailable,
}

func codeOf(err error) wire.Code {
	var refused *trust.Error
	if errors.As(err, &refused) {
		return untrusted[refused.Kind]
	}
	if errors.As(err, new(*offers.KeyError)) {
		return wire.GPGFailure
	}
	var source *offers.SourceError
	if errors.As(err, &source) {
		switch {
		case source.Unreachable():
			return wire.NoNetwork
		case transport.KindOf(err) == transport.NoSpace:
			return wire.NoSpaceOnDevice
		}
		return wire.RepoNotAvailable // there is no package to blame
	}
	switch transport.KindOf(err) {
	case transport.NoNetwork:
		return wire.NoNetwork
	case transport.NotFound, transport.Refused, transport.Interrupted:
		return wire.PackageDownloadFailed
	case transport.Corrupt:
		return wire.PackageCorrupt
	case transport.NoSpace:
		return wire.NoSpaceOnDevice
	case transport.Denied:
		return wire.TransactionError
	}
	var r *rpm.Error
	if errors.As(err, &r) {
		switch r.Kind {
		case rpm.Locked:
			return wire.CannotGetLock
		case rpm.Dependencies:
			return wire.DepResolutionFailed
		case rpm.Conflicts:
			return wire.FileConflicts
		case rpm.Corrupt:
			return wire.PackageCorrupt
		case rpm.NoSpace:
			return wire.NoSpaceOnDevice
		case rpm.Denied:
			return wire.TransactionError
		case rpm.Killed:
			return wire.ProcessKill
		case rpm.NotFound:
			return wire.FailedInitialization
		default:
			return wire.PackageFailedToInstall
		}
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return wire.NoSpaceOnDevice
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return wire.TransactionError
	}
	return wire.InternalError
}
