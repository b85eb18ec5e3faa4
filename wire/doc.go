// SPDX-License-Identifier: GPL-2.0-or-later

// Package wire speaks the protocol between PackageKit and its helpers: a line in becomes a Request,
// a reply becomes a line out.
//
// PackageKit starts a helper with a command as its arguments and writes further commands to its
// stdin, one a line, the words separated by tabs. The helper answers each with lines on stdout, a
// word and its fields separated by tabs, the last one "finished" (PackageKit's document "Backends
// Spawn", and src/pk-backend-spawn.c of each release). Every generation of PackageKit has its own
// dialect of this. How a dialect is written is this package's matter alone: beside it only its tests
// (wiretest), the stub's reader of the newest (backend/stub/replies.c) and doc/protocol.md tell it.
//
// A dialect is a table in a file of its own: v1_3.go has the newest one, v1_2.go in what the one
// before it differs, and so on to external.go. Ops know none of this: a Request has PackageKit
// 1.0's names, whatever the command was called and however its arguments were ordered, and a Writer
// has what is newest. What a generation lacks is told by what it has, or left out.
//
// The words and forms are those of the releases' sources, and where releases of a generation
// differ, those that the first of them understands. wiretest reads replies as each generation does.
//
// The package knows the words of the protocol and nothing of what they ask for.
package wire
