// SPDX-License-Identifier: GPL-2.0-or-later

// Package signing is a publisher's side of what package trust believes: who signs platforms, with a
// secret key in a file or by a command that has one elsewhere, and the keys files that say who may.
//
// What a Signer gives was verified: nothing is published that laptops would refuse for its signature.
//
// This package knows nothing of platforms but their bytes, and of published folders that keys files
// are in them.
package signing
