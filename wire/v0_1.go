// SPDX-License-Identifier: GPL-2.0-or-later

package wire

// v0_1 is up to 0.1.9: replies about how it goes are on stderr, those about packages on stdout.
//
// From pk-backend-spawn.c (up to 0.1.6 pk-backend.c), pk-enum.c, pk-backend-yum.c and "Backends
// Spawn" of 0.1.7 to 0.1.9. Where that document says otherwise (v0_0.go), this is what the program
// wants. Before 0.1.6 description had one field
// more, a list of files, and updatedetail two less; before 0.1.7 allow-cancel was called
// allow-interrupt: these lines are lost there.
var v0_1 = generation{
	dialect: V0_1,
	since:   [3]int{0, 1, 0},
	commands: map[string][]command{
		"download-packages": gone,
		"get-details":       gone,
		"get-packages":      gone,
		"install-files":     gone,
		"install-packages":  gone,
		"install-signature": gone,
		"remove-packages":   gone,
		"update-packages":   gone,
		"what-provides":     gone,

		"get-depends":   {takes(argIDs, argRecursive).as("depends-on"), takes(argIDs).as("depends-on")},
		"get-requires":  {takes(argIDs, argRecursive).as("required-by"), takes(argIDs).as("required-by")},
		"get-repo-list": {takes(), takes(argFilters)},
		"get-updates":   {takes(), takes(argFilters)},
		// The options of the page before it are answered too.
		"search-details": {takes(argOptionOrFilters, rest(argTerm))},
		"search-file":    {takes(argOptionOrFilters, rest(argTerm))},
		"search-group":   {takes(argOptionOrFilters, rest(argTerm))},
		"search-name":    {takes(argOptionOrFilters, rest(argTerm))},

		"resolve":       {takes(argFilters, argValues), takes(argValues)},
		"refresh-cache": {takes()},
		"update-system": {takes().as("update-packages")},
	},
	replies: map[string]string{
		"details":                 "description {id} {license} {group} {description} {url} {size}",
		"repo-signature-required": "",
	},
	words: map[string]map[string]string{
		"status": {
			"running": "commit", "sig-check": "commit", "test-commit": "commit", "download-repository": "refresh-cache", "download-filelist": "refresh-cache",
			"download-updateinfo": "refresh-cache", "download-changelog": "refresh-cache", "download-group": "refresh-cache",
		},
		"code": {
			"bad-gpg-signature": "gpg-failure", "missing-gpg-signature": "gpg-failure", "cannot-get-lock": "transaction-error", "cannot-cancel": "transaction-error",
			"no-packages-to-update": "package-already-installed", "local-install-failed": "transaction-error", "file-conflicts": "transaction-error",
			"invalid-package-file": "transaction-error", "repo-not-available": "no-network", "repo-configuration-error": "failed-config-parsing",
			"cannot-write-repo-config": "failed-config-parsing", "group-list-invalid": "group-not-found", "no-license-agreement": "transaction-error",
			"package-install-blocked": "transaction-error", "cannot-install-source-package": "not-supported",
		},
	},
	stderr: []string{"percentage", "item-progress", "status", "error", "message", "requirerestart", "allow-cancel"},
}
