// SPDX-License-Identifier: GPL-2.0-or-later

package wire

// v0_2 is 0.1.10 to 0.3.1, with one program for each command: it ends when it is done, and says no
// "finished".
//
// From pk-backend-spawn.c, pk-enum.c, pk-backend-yum.c and "Backends Spawn"
// (docs/…/pk-backend-spawn.xml) of 0.2.0 to 0.2.5. Two of the details differ at the ends: 0.1.10
// and 0.1.11 call details a description, and 0.3.0 and 0.3.1 take updatedetail with as many fields
// as later ones; they warn about the line and go on. The older names of commands are 0.1.11's.
var v0_2 = generation{
	dialect: V0_2,
	since:   [3]int{0, 1, 10},
	commands: map[string][]command{
		"get-categories":      gone,
		"get-distro-upgrades": gone,
		"set-locale":          gone,
		"upgrade-system":      gone,

		"get-description": {takes(argIDsBar).as("get-details")},
		"install":         {takes(argIDsBar).as("install-packages")},
		"install-file":    {takes(rest(argFile)).as("install-files")},
		"remove":          {takes(argAllowDeps, argIDsBar).as("remove-packages")},
		"update":          {takes(argIDsBar).as("update-packages")},

		// A search is for one term. Up to 0.1.11 the command line is cut at its spaces.
		"repo-set-data":  {takes(argName, argParameter, rest(argValue))},
		"search-details": {takes(argFilters, rest(argTerm))},
		"search-file":    {takes(argFilters, rest(argTerm))},
		"search-group":   {takes(argFilters, rest(argTerm))},
		"search-name":    {takes(argFilters, rest(argTerm))},
	},
	replies: map[string]string{
		"finished":       "",
		"category":       "",
		"distro-upgrade": "",
		"updatedetail":   "updatedetail {id} {updates} {obsoletes} {vendor} {bugs} {cves} {restart} {text}",
		// Up to 0.2.3 the texts are formats of printf.
		"error":   "error {code} {text.unformatted}",
		"message": "message {message} {text.unformatted}",
	},
	words: map[string]map[string]string{
		"message": {"backend-error": "warning", "config-files-changed": "notice"}, // up to 0.3.0
		"status":  {"loading-cache": "query", "repackaging": "update"},
		"group":   {"science": "education", "documentation": "other", "electronics": "other"},
		"code": {
			"package-conflicts": "dep-resolution-failed", "package-corrupt": "package-download-failed",
			"all-packages-already-installed": "package-already-installed", "file-not-found": "invalid-package-file",
		},
	},
}
