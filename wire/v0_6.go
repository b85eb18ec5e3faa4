// SPDX-License-Identifier: GPL-2.0-or-later

package wire

// v0_6 is 0.5.2 to 0.7, which the XO laptops had with Fedora 14: there are no flags but booleans,
// and commands of their own to simulate; how far one package is has no package in it.
//
// From pk-backend-spawn.c, pk-enum.c and pk-backend-yum.c of 0.5.2 to 0.7.6. Autoremove came in the
// course of 0.5; speed is 0.6.12's, earlier releases warn in their log and go on.
var v0_6 = generation{
	dialect: V0_6,
	since:   [3]int{0, 5, 2},
	commands: map[string][]command{
		"repair-system":    gone,
		"install-packages": {takes(argOnlyTrusted, argIDs)},
		"install-files":    {takes(argOnlyTrusted, argFilesBar)},
		"update-packages":  {takes(argOnlyTrusted, argIDs)},
		"update-system":    {takes(argOnlyTrusted).as("update-packages"), takes().as("update-packages")},
		"remove-packages":  {takes(argAllowDeps, argAutoremove, argIDs), takes(argAllowDeps, argIDs)},

		"simulate-install-packages": {takes(argIDs).as("install-packages").simulated()},
		"simulate-install-files":    {takes(argFilesBar).as("install-files").simulated()},
		"simulate-update-packages":  {takes(argIDs).as("update-packages").simulated()},
		// It asks what else would go.
		"simulate-remove-packages": {takes(argIDs).as("remove-packages").simulated().withDeps()},
	},
	replies: map[string]string{
		"item-progress":           "subpercentage {percent}",
		"download-size-remaining": "",
	},
	words: map[string]map[string]string{
		"info":   {"untrusted": "available", "trusted": "available", "preparing": "installing", "decompressing": "installing"},
		"status": {"copy-files": "install"},
		"code": {
			"package-database-changed": "transaction-error", "provide-type-not-supported": "not-supported", "unfinished-transaction": "transaction-error",
			"install-root-invalid": "internal-error", "cannot-fetch-sources": "package-download-failed", "cancelled-priority": "transaction-cancelled",
			"lock-required": "cannot-get-lock", "failed-due-to-running-process": "transaction-error",
		},
	},
}
