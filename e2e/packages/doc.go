// SPDX-License-Identifier: GPL-2.0-or-later

// Package packages tests what packagers and distributions get: that the same sources give the same
// bytes, what is in the packages, and their life in a system: installed, upgraded, removed.
//
// CI builds packages for this computer, looks into them, and installs them into empty roots with
// dpkg and rpm. The long tier (PRESOLVE_LONG) builds for all architectures, each build with a cache
// of its own, and lives through a fresh Debian, which takes its packages from DEBIAN_MIRROR.
package packages
