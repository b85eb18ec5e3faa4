// SPDX-License-Identifier: GPL-2.0-or-later

// Package xo tests what the project is for, on the computer that it is for: a virtual XO, which
// qemu emulates: i386 without SSE2, one core, 256 or 128 MB, with Debian's packages, packagekitd,
// the stub and the softfloat helper.
//
// CI builds for it and looks at what comes of that. The virtual computer itself is of the long
// tier, takes up to an hour, and prints a table:
//
//	PRESOLVE_LONG=1 go test -v -timeout 3h ./e2e/xo
package xo
