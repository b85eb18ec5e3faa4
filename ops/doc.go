// SPDX-License-Identifier: GPL-2.0-or-later

// Package ops carries out commands. A reader who knows net/http knows it: an Op is a Handler, a
// wire.Request the request, a wire.Writer the ResponseWriter, a Mux the ServeMux. One folder below
// for each family of commands has the ops themselves; each folder's Register puts them into a Mux.
// What changes the system is carried out in ops/transaction.
//
// What ops share is a System: the laptop, with what is installed on it (SyncInstalled,
// FindInstalled), what it is offered (package offers), and both together (List).
//
// An op that finds the record damaged just fails: Guard has the record rebuilt and the op run once
// more.
//
// An op returns an error and writes none: the dispatcher tells PackageKit with AsError, the one
// place where an error of the parts below becomes one of PackageKit's codes.
package ops
