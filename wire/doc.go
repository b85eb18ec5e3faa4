// Package wire speaks the protocol between PackageKit and its helpers: a line in becomes a Request, a
// reply becomes a line out.
//
// PackageKit starts a helper with a command as its arguments and writes further commands to its stdin, one a
// line, the words separated by tabs. The helper answers each with lines on stdout, a word and its fields
// separated by tabs, the last one "finished" (PackageKit's document "Backends Spawn", and
// src/pk-backend-spawn.c of each release). Every generation of PackageKit has its own dialect of this; what is known
// of a dialect is known here and nowhere else.
//
// The package knows the words of the protocol and nothing of what they ask for.
package wire
