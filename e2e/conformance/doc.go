// SPDX-License-Identifier: GPL-2.0-or-later

// Package conformance holds a whole conversation with the helper in every dialect: all commands
// that the dialect has, as the PackageKits of that generation send them, and the exact lines of the
// answers.
//
// testdata/DIALECT.txt are the conversations. Beside what is compared, each line is read as that
// generation's PackageKit reads it (package wiretest). `go test ./e2e/conformance -update` writes
// what was said into them; review the difference.
//
//	> COMMAND   a command, its words separated by tabs; up to 0.3.1 it is a program
//	< LINE      what comes on stdout
//	! LINE      what comes on stderr
//	= N         the helper's end, with its exit status
//	@ publish   the school publishes hello 1.1
//	# …         a comment; before "# What is wrong." no command is answered by not-supported
//
// How far a command is (percentage, speed, …) is checked and left out. $URL, $SCHOOL and $LAPTOP
// are the source and the two's folders.
package conformance
