// SPDX-License-Identifier: GPL-2.0-or-later

// Package trust decides whether what a source says of itself is believed, with the rules of The
// Update Framework: whatever server, stick or network it came through, the signature over
// platform.json and what was accepted before decide.
//
// A source's anchors are the fingerprints of the keys that the configuration names for it. They sign
// platform.json themselves, or the first keys file (tree.Keys) that this computer sees of the
// publisher: then its online keys do, and its offline keys name their successors. From then on the
// anchors count for nothing, so a key that was taken out is out. Of a first keys file more than half
// of the anchors must be signers.
//
// A platform.json is refused that nobody signed who may, that has expired, that is older than one
// that was accepted, by the serial that is kept for its platform and each key, and that is from the
// future. A new key begins anew. Nothing that was refused changes what was accepted before, which
// stays in use and grows old.
//
// Time is the latest of the clock, of when the program was built, and of when what was accepted last
// was made: the clock of an XO without a battery says 1970. Where the clock is behind the others it
// tells nothing, and nothing is refused for being from the future.
//
// What has to outlive the record is in a small file beside it, replaced as a whole and synced: keys
// files and serials. Where it is damaged it begins anew, from the anchors.
//
// This package downloads nothing: the caller brings the files that are asked for. It knows nothing of
// URLs, PackageKit and RPM's keyring, whose keys and these never count for each other.
package trust
