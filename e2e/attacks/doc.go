// SPDX-License-Identifier: GPL-2.0-or-later

// Package attacks does to a laptop what a local user, a stick or a lying server may do to it, and
// finds that nothing came of it. The programs, rpm, packagekitd and polkitd are the real ones; who
// attacks as a local user really is one, of the uid
// 65534. What must not change is compared before and after: the RPM database, the record, the cache, the files that were the
// targets. Memory is what the kernel says that the helper had at most.
//
//	signature_test.go   RPM files that lie about who signed them, and are swapped after they were verified
//	local_test.go       RPM files of a user's: links to other people's, headers that are bombs
//	source_test.go      what servers and sticks publish: links, bombs, other packages, odd names
//	user_test.go        locks, folders to download to, queries without an end
//	server_test.go      presolver: repositories that are bombs, words in them, passwords
//	packagekit_test.go  the same through packagekitd, where that is a local user's way in
//
// A test whose name is that of an attack is the right place to begin reading. They need root; where
// that or a program is missing they are skipped, but for CI, where that is a failure.
package attacks
