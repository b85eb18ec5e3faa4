// SPDX-License-Identifier: GPL-2.0-or-later

package wire

import "fmt"

// A Code is one of PackageKit's error codes (pk-enum.c, PK_ERROR_ENUM_*).
type Code string

// The codes that this backend answers with.
const (
	AllPackagesAlreadyInstalled Code = "all-packages-already-installed"
	BadGPGSignature             Code = "bad-gpg-signature"
	CannotCancel                Code = "cannot-cancel"
	CannotGetFilelist           Code = "cannot-get-filelist"
	CannotGetLock               Code = "cannot-get-lock"
	CannotGetRequires           Code = "cannot-get-requires"
	CannotRemoveSystemPackage   Code = "cannot-remove-system-package"
	DepResolutionFailed         Code = "dep-resolution-failed"
	FailedConfigParsing         Code = "failed-config-parsing"
	FailedInitialization        Code = "failed-initialization"
	FileConflicts               Code = "file-conflicts"
	FileNotFound                Code = "file-not-found"
	FilterInvalid               Code = "filter-invalid"
	GPGFailure                  Code = "gpg-failure"
	GroupNotFound               Code = "group-not-found"
	IncompatibleArchitecture    Code = "incompatible-architecture"
	InternalError               Code = "internal-error"
	InvalidPackageFile          Code = "invalid-package-file"
	LocalInstallFailed          Code = "local-install-failed"
	MissingGPGSignature         Code = "missing-gpg-signature"
	NoCache                     Code = "no-cache"
	NoDistroUpgradeData         Code = "no-distro-upgrade-data"
	NoMoreMirrorsToTry          Code = "no-more-mirrors-to-try"
	NoNetwork                   Code = "no-network"
	NoPackagesToUpdate          Code = "no-packages-to-update"
	NoSpaceOnDevice             Code = "no-space-on-device"
	NotSupported                Code = "not-supported"
	OutOfMemory                 Code = "out-of-memory"
	PackageAlreadyInstalled     Code = "package-already-installed"
	PackageConflicts            Code = "package-conflicts"
	PackageCorrupt              Code = "package-corrupt"
	PackageDatabaseChanged      Code = "package-database-changed"
	PackageDownloadFailed       Code = "package-download-failed"
	PackageFailedToConfigure    Code = "package-failed-to-configure"
	PackageFailedToInstall      Code = "package-failed-to-install"
	PackageFailedToRemove       Code = "package-failed-to-remove"
	PackageIDInvalid            Code = "package-id-invalid"
	PackageNotFound             Code = "package-not-found"
	PackageNotInstalled         Code = "package-not-installed"
	ProcessKill                 Code = "process-kill"
	ProvideTypeNotSupported     Code = "provide-type-not-supported"
	RepoConfigurationError      Code = "repo-configuration-error"
	RepoNotAvailable            Code = "repo-not-available"
	RepoNotFound                Code = "repo-not-found"
	TransactionCancelled        Code = "transaction-cancelled"
	TransactionError            Code = "transaction-error"
	UnfinishedTransaction       Code = "unfinished-transaction"
	UpdateNotFound              Code = "update-not-found"
)

// An Error is one that PackageKit is told: a code and a text that says to a person what was tried
// and what to do.
type Error struct {
	Code Code
	Text string
	Err  error // what it came from, for the log; may be nil
}

// Errorf makes an Error; %w keeps what it came from.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Text: err.Error(), Err: err}
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Text }
func (e *Error) Unwrap() error { return e.Err }
