// SPDX-License-Identifier: GPL-2.0-or-later

// Package transaction carries out what changes the system, and keeps two helpers from doing so at
// once. Each command that does (install-packages, install-files, update-packages, remove-packages)
// makes a Plan in its own way; from there on all go the same way:
//
//	change.go     Change and Repair: the lock, and what a change that was cut off left in the journal
//	recover.go    what an rpm that was killed left half-done
//	plan.go       trees become a Plan: what is installed is taken out, what it takes the place of is noted, and whatever makes
//	              it impossible ends it, before a byte of RPM is downloaded
//	complete.go   what the Plan changes without having been asked to: packages that share what is updated, obsoletes
//	conditions.go what packages ask of each other beyond their trees, "(plugin if editor)", conflicts: what comes and what is
//	              installed are held against each other, and what completes them is added
//	beside.go     kernels and the like: beside their older versions, in runs of their own, and how many stay
//	space.go      whether there is space, and where RPMs are kept
//	run.go        the Plan is written to the journal step by step, downloaded, handed to rpm, and recorded
//	trust.go      whether what was downloaded may be installed: who it is, what it obsoletes, who signed it
//	local.go      people's own RPMs: the copies that are verified and installed
//	policy.go     what this computer's rpm would refuse: what isn't signed, a database that it can't write
//	outcome.go    what rpm did, compared with what was meant; whose fault it is where it couldn't unpack
//	lacking.go    installed programs that lack what they need, and what brings it
//	twice.go      of two versions of one package the newer one stays
//	progress.go   downloads and rpm's steps become percentages that only grow
//
// The base, all that this backend has not installed, is never touched.
package transaction
