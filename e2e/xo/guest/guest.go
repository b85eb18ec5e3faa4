// SPDX-License-Identifier: GPL-2.0-or-later

// Package guest is what the test and the program in the virtual XO say to each other: JSON, one
// value after the other, over a connection that the program opens.
package guest

import "time"

// A Command is to be run. Several may run at once.
type Command struct {
	ID   int
	Args []string
}

// A Reply is a line that a command printed, or its end.
type Reply struct {
	ID   int
	Line string
	End  *End
}

// An End is what became of a command, and what it took of the whole computer.
type End struct {
	Status  string // empty: success
	Wall    time.Duration
	CPU     time.Duration // all that was not idle
	Memory  int64         // bytes: the most anonymous memory there was, all programs'
	Largest int64         // bytes: the most that one program had in memory, its files' pages too
	Written int64         // bytes to the disk, with what was synced at its end
}
