// SPDX-License-Identifier: GPL-2.0-or-later

package wire

// v0_0 is what "Backends Spawn" said before the first release (docs/backends.xml of September 2007,
// from commit 63363a3ff to 50f55e02c), to the letter: a package's line begins with "package_id", an
// update's with the id, and a description has no license. The program of that time never read it
// so: it wanted "package", since 11 September (bee68b3a8) a license, and had no line for updates.
//
// The methods are that page's, the words those of pk-enum.c at 50f55e02c.
var v0_0 = generation{
	dialect: V0_0,
	commands: map[string][]command{
		"get-files":     gone,
		"get-repo-list": gone,
		"repo-enable":   gone,
		"repo-set-data": gone,
	},
	replies: map[string]string{
		"package":      "package_id {info} {id} {summary}",
		"working":      "package_id {info} {id} {summary}",
		"details":      "description {id} {group} {description} {url}",
		"updatedetail": "{id} {updates} {obsoletes} {vendor} {restart} {text}",
		"files":        "",
		"repo-detail":  "",
		"allow-cancel": "",
		"message":      "",
	},
	words: map[string]map[string]string{
		"info": {"bugfix": "normal", "enhancement": "low", "blocked": "normal", "cleanup": "", "obsoleting": "removing"},
		"status": {
			"info": "query", "dep-resolve": "query", "cleanup": "update", "obsolete": "update", "commit": "setup", "request": "setup", "finished": "", "cancel": "",
		},
		"group": {
			"publishing": "office", "servers": "system", "fonts": "system", "admin-tools": "system", "legacy": "other", "localization": "system", "virtualization": "system",
			"desktop-gnome": "other", "desktop-kde": "other", "desktop-xfce": "other", "desktop-other": "other", "power-management": "system", "security": "system",
			"communication": "internet", "network": "internet", "maps": "other", "repos": "system",
		},
		"code": {
			"no-cache": "transaction-error", "transaction-cancelled": "transaction-error", "package-not-found": "package-not-installed", "group-not-found": "filter-invalid",
			"repo-not-found": "transaction-error", "cannot-remove-system-package": "transaction-error", "process-kill": "transaction-error",
			"failed-initialization": "internal-error", "failed-finalise": "internal-error", "failed-config-parsing": "internal-error",
		},
	},
	split: true,
	apart: true, // its few words for errors aren't External's
}
