// SPDX-License-Identifier: GPL-2.0-or-later

// Package config reads the TOML files of pk-presolve and presolver into their structs.
//
// What a key means is the program's: its struct, the defaults in it and the checks that need its
// knowledge are in its config.go. Here is what both need: strict types, the place of every key and
// value in the file, and errors that say what would be right, in the words of the file.
//
//	settings := defaults()
//	file, err := config.Read("presolve.toml", &settings)
//	…
//	if settings.Transport.Parallel > 16 {
//		return file.Errorf("transport.parallel", "parallel should be …")
//	}
//
// This package knows no key, and nothing of PackageKit, RPM and repositories but what rpm calls
// architectures.
package config
