// SPDX-License-Identifier: GPL-2.0-or-later

// Package pgp reads OpenPGP keys, and makes and verifies detached OpenPGP signatures, as platforms
// are signed: of version 4 or 6, by keys of Ed25519 or of RSA with 2048 bits and more, over SHA-256
// or better (RFC 9580). Other keys, and those that have expired or were revoked, sign nothing.
//
// A person knows a key by its fingerprint, all of it, in lower case hexadecimal. What its subkeys
// sign counts as signed by it.
//
// Time is the caller's: a laptop's clock is often wrong, and what is to be believed of it is known
// elsewhere. No key and no signature is refused here for being from the future.
//
// This package knows nothing of files, of platforms, and of whom to believe.
package pgp
