// SPDX-License-Identifier: GPL-2.0-or-later

// Package xo tests what the project is for, on the computer that it is for: a virtual XO, which
// qemu emulates: i386 without SSE2, one core, 256 or 128 MB, with Debian's packages, packagekitd,
// the stub and the softfloat helper.
//
// CI builds for it and looks at what comes of that. The computer itself is of the long tier: it is
// measured beside dnf, and curl with rpm (TestXO), and its power is cut in the middle of installs
// (TestPowerCut). It needs Debian's qemu-system-x86 and qemu-utils beside what ./setup installs, and
// an hour or more of a quiet machine:
//
//	PRESOLVE_LONG=1 go test -v -timeout 4h ./e2e/xo
//
// The processor is a Pentium III, which has SSE but not SSE2: Debian 12's i386 needs more than the
// Geode of an XO-1. An emulated one is no measure of a real one's speed: only ratios of one run
// count. TestDNFMemory needs no qemu; it limits the memory of this computer's dnf.
package xo
