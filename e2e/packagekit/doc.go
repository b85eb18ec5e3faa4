// SPDX-License-Identifier: GPL-2.0-or-later

// Package packagekit tests the whole of a laptop as its users have it: PackageKit's own packagekitd
// and polkitd on a bus of their own, the backend stub in it, the helper below it, rpm below that,
// and a school's server beside it. Nothing is a stand-in. The clients are those that people have:
//
//	testdata/*.txtar  pkcon, as transcripts that serve as examples, too
//	desktop_test.go   PackageKit's GLib library, as desktops use it
//	the others        plain D-Bus, as Sugar uses it
//
// What the stub does with a helper that misbehaves is tested in backend/, with a puppet for a
// helper.
package packagekit
