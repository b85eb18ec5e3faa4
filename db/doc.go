// SPDX-License-Identifier: GPL-2.0-or-later

// Package db is the record: the client's own SQLite database, the one place where it remembers
// anything.
//
// It holds
//
//   - the installed packages, as read from the RPM database, so that no command has to read that again;
//   - which of them this backend installed and why: asked for, or needed by a top-level package;
//   - the small files of the sources: those that change in place with their validators (platform.json), the catalogue
//     in tables with an index of its texts, and the trees and file lists that were ever needed;
//   - a journal of transactions: what a command set out to do is written down before it is done, so that the next
//     start can tell what a power cut left behind.
//
// The record belongs to one process at a time for writing and to any number for reading (SQLite's
// write-ahead log); a write that another process is in the middle of is waited for, half a minute
// at most. Each exported method is one SQLite transaction: done whole or not at all, and after a
// power cut too (synchronous=FULL).
//
// A disk may still lose or mix up what it said it had written. Errors that come of that are
// ErrDamaged, and Rebuild makes the record anew from what can be read of it and be checked.
//
// Beside the record is a reserve: room on its disk that is given up where the disk is full, so that
// what frees space can go on.
//
// The package knows nothing of networks, rpm or PackageKit.
package db
