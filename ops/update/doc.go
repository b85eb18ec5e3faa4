// SPDX-License-Identifier: GPL-2.0-or-later

// Package update has the ops for newer versions of what this backend installed:
//
//	available.go  which updates there are: the trees of the programs that were asked for, as the sources have them now
//	complete.go   those that bring no newer version: of what isn't complete, or there twice
//	renames.go    what has another name now
//	list.go       get-updates
//	detail.go     get-update-detail
//	update.go     update-packages
//	beside.go     what is updated beside the trees, and updates that break what is installed
//
// What it plans is carried out by package transaction.
package update
