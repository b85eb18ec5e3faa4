// SPDX-License-Identifier: GPL-2.0-or-later

package wire

// v1_2 is 1.0.7 to 1.3.2. It drops a details line whose size is over 1 GiB (pk-backend-spawn.c).
// The words are those of 1.0.7: critical came with 1.2.4, run-hook with 1.1.9, desktop-dde with
// 1.2.7, repo-already-set with 1.1.4.
var v1_2 = generation{
	dialect: V1_2,
	since:   [3]int{1, 0, 7},
	commands: map[string][]command{
		"get-details": {takes(argIDs)},
	},
	replies: map[string]string{
		"details": "details {id} {summary} {license} {group} {description} {url} {size}",
	},
	words: map[string]map[string]string{
		"info":   {"critical": "security", "install": "installing", "remove": "removing", "obsolete": "obsoleting", "downgrade": "downgrading"},
		"status": {"run-hook": "running"},
		"group":  {"desktop-dde": "desktop-other"},
		"code":   {"repo-already-set": "repo-configuration-error"},
	},
	maxSize: 1 << 30,
}
