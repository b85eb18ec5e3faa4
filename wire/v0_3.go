// SPDX-License-Identifier: GPL-2.0-or-later

package wire

// v0_3 is 0.3.2 to 0.5.1, the first with a dispatcher: nothing can be simulated, and
// only_trusted and force come from 0.5.0 on.
//
// From pk-backend-spawn.c, pk-enum.c and pk-backend-yum.c of 0.3.2 to 0.5.1. The ids of packages
// are joined with "|" up to 0.3.4. Categories are 0.3.7's, earlier releases warn in their log and
// go on.
var v0_3 = generation{
	dialect: V0_3,
	since:   [3]int{0, 3, 2},
	commands: map[string][]command{
		"download-packages": {takes(argFolder, argIDsBar)},
		"get-depends":       {takes(argFilters, argIDsBar, argRecursive).as("depends-on")},
		"get-details":       {takes(argIDsBar)},
		"get-files":         {takes(argIDsBar)},
		"get-requires":      {takes(argFilters, argIDsBar, argRecursive).as("required-by")},
		"get-update-detail": {takes(argIDsBar)},
		"install-packages":  {takes(argIDsBar), takes(argOnlyTrusted, argIDsBar)},
		"refresh-cache":     {takes(), takes(argForce)},
		"remove-packages":   {takes(argAllowDeps, argIDsBar), takes(argAllowDeps, argAutoremove, argIDsBar)},
		"resolve":           {takes(argFilters, argValuesBar)},
		"update-packages":   {takes(argIDsBar), takes(argOnlyTrusted, argIDsBar)},
		"update-system":     {takes().as("update-packages"), takes(argOnlyTrusted).as("update-packages")},

		"simulate-install-packages": gone,
		"simulate-install-files":    gone,
		"simulate-update-packages":  gone,
		"simulate-remove-packages":  gone,
	},
	replies: map[string]string{
		"speed": "",
	},
	words: map[string]map[string]string{
		"info": {
			"collection-installed": "installed", "collection-available": "available", "finished": "",
			"reinstalling": "installing", "downgrading": "installing",
		},
		"status": {
			"download-packagelist": "refresh-cache", "waiting-for-lock": "wait", "waiting-for-auth": "wait",
			"scan-applications": "query", "generate-package-list": "query", "scan-process-list": "query", "check-executable-files": "query", "check-libraries": "query",
		},
		"group":   {"collections": "other", "vendor": "other", "newest": "other"},
		"restart": {"security-system": "system", "security-session": "session"},
		"code": {
			"no-more-mirrors-to-try": "package-download-failed", "no-distro-upgrade-data": "transaction-error", "incompatible-architecture": "invalid-package-file",
			"no-space-on-device": "transaction-error", "media-change-required": "transaction-error", "not-authorized": "transaction-error",
			"update-not-found": "package-not-found", "cannot-install-repo-unsigned": "missing-gpg-signature", "cannot-update-repo-unsigned": "missing-gpg-signature",
			"cannot-get-filelist": "internal-error", "cannot-get-requires": "internal-error", "cannot-disable-repository": "repo-configuration-error",
			"restricted-download": "package-download-failed", "package-failed-to-configure": "transaction-error", "package-failed-to-build": "transaction-error",
			"package-failed-to-install": "transaction-error", "package-failed-to-remove": "transaction-error",
		},
	},
}
