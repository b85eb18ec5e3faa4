// SPDX-License-Identifier: GPL-2.0-or-later

// Package offers is what sources offer, as this laptop knows it: which sources there are and in
// what order, their catalogues, the trees of the packages in them, the sticks that were put in, and
// what could not be had lately.
//
//	offers.go        Offers: what all of it is made from; Close
//	source.go        sources, and the configuration that they are written in
//	layout.go        how a source lays its files out: the seam. presolve.go and sugarnetwork.go are the two layouts
//	catalogue.go     Ready and Refresh: what the sources offer is here, or is brought up to date
//	shards.go        the sources' indexes, a shard at a time: references, and what packages provide
//	lines.go         what catalogues say of packages: of a name, or all that a query is for
//	attempt.go       how long a source that fails may keep anybody waiting
//	find.go          the package that a name or an id is about
//	renames.go       what has taken the place of a package
//	published.go     trees, file lists and notices: from the record, else from the first source that has them
//	texts.go         summaries and descriptions in the user's language
//	platforms.go     which other platforms sources publish
//	sticks.go        published folders that appear on this computer, such as USB sticks
//
// What came from a source is in the record (package db), or in a search file beside it (package
// catalogue), and stays there, so that a laptop without a network can search what it has seen.
// Nothing that a source says counts before it was checked (package tree) against the digest that led
// to it; what changes in place, platform.json, is what everything else hangs on. A search file is
// named by its content, and counts while the platform.json that the record has names it.
//
// Errors are values: ErrNotOffered and the like, and *SourceError. What code PackageKit is told is
// package ops' matter. This package knows nothing of PackageKit's protocol, of what is installed,
// or of how anything gets installed.
package offers
