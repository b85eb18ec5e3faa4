// SPDX-License-Identifier: GPL-2.0-or-later

// Package doctor looks at all that has to be right before a program can be installed, and says of each
// whether it is, and what to do where it isn't.
//
// It changes nothing, locks nothing, and keeps nothing of what it downloads. It decides by values; its
// texts are for a person. What only root can look at it leaves out for others, and says so.
//
//	doctor.go      what is looked at, and in which order
//	system.go      the RPM database, the platform, folders and disks, who holds the locks
//	sources.go     the sources: the way there, what they publish, who signed it; the clock
//	packagekit.go  whether packagekitd will start the helper
//
// It knows nothing of PackageKit's protocol, and nothing of the record, which it would have to open.
package doctor
