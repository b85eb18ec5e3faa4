// SPDX-License-Identifier: GPL-2.0-or-later

// Package install has the ops that bring packages:
//
//	install.go    install-packages
//	files.go      install-files: RPMs that the user has, and
//	provider.go   what they need, found in the platform's trees
//	download.go   download-packages
//
// What they plan is carried out by package transaction.
package install
