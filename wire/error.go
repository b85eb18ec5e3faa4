package wire

import "fmt"

// A Code is one of PackageKit's error codes (pk-enum.c, PK_ERROR_ENUM_*).
type Code string

// The codes that this backend answers with.
const (
	AllPackagesAlreadyInstalled Code = "all-packages-already-installed"
	CannotGetFilelist           Code = "cannot-get-filelist"
	CannotGetLock               Code = "cannot-get-lock"
	DepResolutionFailed         Code = "dep-resolution-failed"
	FailedConfigParsing         Code = "failed-config-parsing"
	FailedInitialization        Code = "failed-initialization"
	FileConflicts               Code = "file-conflicts"
	FilterInvalid               Code = "filter-invalid"
	InternalError               Code = "internal-error"
	InvalidPackageFile          Code = "invalid-package-file"
	NoCache                     Code = "no-cache"
	NoNetwork                   Code = "no-network"
	NoSpaceOnDevice             Code = "no-space-on-device"
	NotSupported                Code = "not-supported"
	PackageAlreadyInstalled     Code = "package-already-installed"
	PackageConflicts            Code = "package-conflicts"
	PackageCorrupt              Code = "package-corrupt"
	PackageDownloadFailed       Code = "package-download-failed"
	PackageFailedToInstall      Code = "package-failed-to-install"
	PackageIDInvalid            Code = "package-id-invalid"
	PackageNotFound             Code = "package-not-found"
	ProcessKill                 Code = "process-kill"
	RepoNotAvailable            Code = "repo-not-available"
	TransactionCancelled        Code = "transaction-cancelled"
	TransactionError            Code = "transaction-error"
)

// An Error is one that PackageKit is told: a code and a text that says to a person what was tried and what to do.
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
