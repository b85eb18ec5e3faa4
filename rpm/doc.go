// Package rpm reads the RPM database in-process and runs the rpm program.
//
// Reading: Database finds the database of a root (bdb as on the XO, ndb, or sqlite as today), tells by its State
// whether it changed, and gives the headers of the installed packages one at a time, in the small memory of the
// machines that this is for. What the database has is never asked of rpm.
//
// Changing: Install, Upgrade and Erase each run one rpm for all packages of a transaction. rpm does what only rpm can: its own
// dependency check, file conflicts, scriptlets, and the order of it all. What it prints becomes Steps and an *Error.
//
// Asking: what rpm alone knows is asked of it, since it knows every kind of dependency and signature of its version: what would be
// unmet by a change (UnmetByErasing, UnmetByInstalling), who signed a file (CheckSignature), and whether it is damaged (Damaged).
//
// The package knows nothing of PackageKit, trees or the record.
package rpm
