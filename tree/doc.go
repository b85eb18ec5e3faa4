// SPDX-License-Identifier: GPL-2.0-or-later

// Package tree reads, checks and writes what a presolve server publishes and a laptop downloads.
//
// A platform (one operating system release on one architecture) has a base, the standard
// installation that every laptop has from the image, and top-level packages, which users may ask
// for. The tree of a top-level package is every package that must be present beyond the base, in
// install order. The catalogue lists the top-level packages: the search file says what searching
// needs of all of them, and the references, of which a name costs one small file, lead to the trees.
//
// Everything is static files below <url>/<platform>/:
//
//	platform.json                    the only file that changes in place; it has the digests of what it leads to
//	search/<digest>.zst              a search file: one Entry a line; or a Difference of it from an earlier one
//	references/<root>/<n>            a shard of an Index: one Reference a line, with the digest of a tree
//	trees/<name>@<digest>.json.zst   a Tree; it has the digests of its RPMs
//	dictionary/<digest>.zst          what trees are compressed with: see Packer
//	files/<name>@<digest>.json.zst   a FileList: the paths in a package
//	notices/<name>@<digest>.json     Notices: why a tree's versions came; the tree has its digest
//	texts/<root>/<n>                 a shard of an Index: one Language a line
//	texts/<lang>@<digest>.zst        a search file of a language; its differences are beside it
//	capabilities/<root>/<n>          a shard of an Index: one Capability a line
//	categories/<digest>.json         Categories
//	rpms/<file>                      the RPMs that this source holds itself
//
// where <digest> is the first 16 hexadecimal digits of the file's SHA-256, and <root> those of an
// Index. So one digest, platform.json's, vouches for everything, and what is below it never changes
// and may be cached for ever.
//
// What comes from outside is hostile until checked: each Parse function refuses what breaks a
// promise of this page (sizes, digests, names, paths, order), ignores unknown fields, and refuses
// an unknown format with a *FormatError. The callers compare sizes and digests with the level above
// before they parse (Ref.Check).
//
// This package knows nothing of networks, databases or PackageKit.
package tree
