// SPDX-License-Identifier: GPL-2.0-or-later

// Package transport brings files from sources to the laptop over links that are slow, drop, lie or
// cost money.
//
// Two kinds of files, two ways:
//
//   - Small files (platform.json, shards, trees) are held in memory while a person waits: Get for those whose size
//     and digest are known from the level above, GetChecked for those that the caller can check, Revalidate for the
//     one that changes in place.
//   - RPMs go to disk through a bounded queue, Fetch. Bytes that have arrived are never asked for again: a file
//     grows as <Path>.part through drops, cancellations and restarts of the program, its digest is computed while
//     it streams, and only a whole, verified and synced file is renamed to Path.
//
// The layers, from the outside in; each knows only the next:
//
//	queue.go      Fetch: which file is next, how many at once; progress.go: what is reported
//	file.go       one file: what is there already, what is still missing, whether it is right
//	lock.go       one file: that nobody else writes it
//	persist.go    one file, many sources, many tries: which source is next, how long to wait, when to give up
//	hosts.go      how the sources' hosts did lately
//	downloads.go  how many downloads each host has at once
//	guard.go      one try: stands between grab, which writes the file, and the network, and lets only right bytes through
//	version.go    one try: that a file without a digest is still the one that was begun
//	watchdog.go   one try: that it is not too slow
//	limits.go     all of them: how fast, and at what hours
//	client.go     one request: connections, proxies, redirects, bounds
//	child.go      one request: the process of another user that makes it, where there is a User
//	exchange.go   one request: what the two processes say to each other, and how little of it is believed
//	childmain.go  one request: the other process
//	local.go      one request of a file of this computer
//
// What speaks with the network needs no right but to do that. So where this process is root, a
// process of a user without any does the network's half of a request: names, connections, TLS, HTTP,
// content encodings, proxies. This process decides what is asked, follows redirects, reads the
// bytes, compares digests and writes. A process that was taken over is no more than a server that
// lies, and one that ends or hangs is a connection that drops: it is started again. It is started
// with the first request, and ends with the Client, or when nothing was asked for a while.
//
// What a source says is hostile until checked: sizes, ranges, redirects and headers are bounded,
// and content is compared with its digest. Without a digest (Sugar Network's layout has none) only
// the length can be checked, and that the source says that it is one version from the first byte to
// the last.
//
// A link that is down in the middle is waited for: until RetryFor is over, and Progress says so. A
// network that is down from the start is an error at once where this computer knows no way to any
// source (no route, no name server, no such name), within two seconds where what there is a way to
// refuses, and after SmallRetryFor where one is silent: an access point that comes back is waited for.
//
// Content that has a digest is taken from wherever it is: Options.Copies names files of this
// computer that may have it, on a stick for example. They are asked first. CopiesAppeared says that
// there are new ones: what is on its way over the network, or waits for it, goes on from them at
// once. When they vanish it goes on over the network.
//
// File URLs are opened by root, and whoever made a stick can put links into it: nothing is opened
// but regular files below Options.Folders, and what has not the digest that it should have is not
// described.
//
// This package knows digests and URLs, and nothing of RPM, PackageKit or databases.
package transport
