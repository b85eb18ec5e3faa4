// SPDX-License-Identifier: GPL-2.0-or-later

// Package db is the record: the client's own SQLite database, the one place where it remembers
// anything but what can be searched of the sources' offers (package catalogue).
//
// It holds
//
//   - the installed packages, as read from the RPM database, so that no command has to read that again;
//   - which of them this backend installed and why: asked for, or needed by a top-level package;
//   - small files of the sources, as they came: those that change in place with their validators (platform.json), the
//     shards of their indexes that were asked for, and the trees and other files that are named by their content;
//   - a journal of transactions: what a command set out to do is written down before it is done, so that the next
//     start can tell what a power cut left behind.
//
// The record belongs to one process at a time for writing and to any number for reading (SQLite's
// write-ahead log); a write that another process is in the middle of is waited for, half a minute
// at most. Each exported method is one SQLite transaction: done whole or not at all, and after a
// power cut too (synchronous=FULL).
//
// A disk may still lose or mix up what it said it had written. Errors that come of that are
// ErrDamaged, and Rebuild makes the record anew from what can be read of it and be checked. Of a record
// that an older version of this program has made, Open carries over what is nowhere else.
//
// Beside the record is a reserve: room on its disk that is given up where the disk is full, so that
// what frees space can go on.
//
// The package knows nothing of networks, rpm or PackageKit.
package db
