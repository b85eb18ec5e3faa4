// SPDX-License-Identifier: GPL-2.0-or-later

// Package rich reads rpm's dependencies, the boolean ones ("rich",
// docs/manual/boolean_dependencies.md of rpm) among them, and tells whether a set of packages meets
// them, as rpm does:
//
//	dep.go      plain dependencies: "libtext", "libtext >= 2:0.9"; which ranges of versions overlap
//	parse.go    boolean ones: "(plugin if editor)", "(a with b)", however nested
//	eval.go     whether a set meets one, what it names, and what would complete it
//
// The rules are those of rpm 4.18: lib/rpmds.c (rpmrichParse, rpmdsCompareIndex), lib/depends.c
// (unsatisfiedDepend), rpmio/rpmver.c (rpmverOverlap). A test asks the real rpm.
//
// This package knows nothing of trees, of the RPM database, or of what is installed.
package rich
