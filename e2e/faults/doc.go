// SPDX-License-Identifier: GPL-2.0-or-later

// Package faults tests that an install survives: each way in which a link, a server, a disk or the
// laptop itself lets it down is a case with a name, and can be run alone:
//
//	go test ./e2e/faults -run 'TestFaults/drops every 256 KiB'
//
// Servers, helper and rpm are the real ones. Each case ends installed or with the right error; then
// the fault goes away, and the install completes; bytes on the wire are counted all the while. With
// PRESOLVE_LONG=1 the faults take their real times, the install is killed at 200 points, and the
// soak has a million commands.
package faults
