// Package ops carries out commands. A reader who knows net/http knows it: an Op is a Handler, a wire.Request the
// request, a wire.Writer the ResponseWriter, a Mux the ServeMux. One folder below for each family of commands has the
// ops themselves; each folder's Register puts them into a Mux.
//
// What ops share is a System: the laptop with its record, its RPM database, its sources and its cache. It knows which
// packages are installed (SyncInstalled), what the sources offer (Ready, List), the tree of a package (Tree), and how to
// change the system without getting in the way of another helper (Change).
//
// Sticks that are put in are found in Mounts. They tell the transport where copies of what the sources publish are; where the
// configuration believes them, they are sources too.
//
// An op that finds the record damaged just fails: Guard has the record rebuilt and the op run once more.
//
// An op returns an error and writes none: the dispatcher tells PackageKit with AsError, the one place where an error of
// the parts below becomes one of PackageKit's codes.
package ops
