// Package rpm reads the RPM database in-process and runs the rpm program.
//
// Reading: Database finds the database of a root (bdb as on the XO, ndb, or sqlite as today), tells by its State
// whether it changed, and gives the headers of the installed packages one at a time, in the small memory of the
// machines that this is for. rpm is never run to ask something.
//
// Installing: Install runs one "rpm -i" for all packages of a transaction. rpm does what only rpm can: its own
// dependency check, file conflicts, scriptlets, and the order of it all. What it prints becomes Steps and an *Error.
//
// The package knows nothing of PackageKit, trees or the record.
package rpm
