// SPDX-License-Identifier: GPL-2.0-or-later

// Package rpm reads the RPM database in-process and runs the rpm program.
//
// Reading: Database finds the database of a root (bdb as on the XO, ndb, or sqlite as today), tells
// by its State whether it changed, and gives the headers of the installed packages one at a time,
// in the small memory of the machines that this is for. What the database has is never asked of
// rpm. Headers of files are read by the same reader, more strictly: they are anybody's.
//
// Changing: Install, Upgrade and Erase each run one rpm for all packages of a transaction. rpm does
// what only rpm can: its own dependency check, file conflicts, scriptlets, and the order of it all.
// What it prints, and where in a file it reads, becomes Steps and an *Error.
//
// Asking: what rpm alone knows is asked of it, since it knows every kind of dependency and
// signature of its version, and its exit status is the answer: what would be unmet by a change
// (UnmetByErasing, UnmetByInstalling), whether a signature is good (CheckSignature), and whether a
// file is damaged (Damaged). rpm's words have names from outside in them: they choose what a person
// is told, and only where a header says the same do they choose more. Cancelling ends a question,
// never a change.
//
// The package knows nothing of PackageKit, trees or the record.
package rpm
