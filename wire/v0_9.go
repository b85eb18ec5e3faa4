// SPDX-License-Identifier: GPL-2.0-or-later

package wire

// v0_9 is 0.9.1 to 1.0.6: in details the summary comes last. unavailable came with 1.0.4.
// What-provides always has the type "any". A size is that of the RPM, 0 where it is here, but for
// what is installed (pk-transaction.xml up to 0.9).
var v0_9 = generation{
	dialect: V0_9,
	since:   [3]int{0, 9, 0},
	replies: map[string]string{
		"details": "details {id} {license} {group} {description} {url} {size} {summary}",
	},
	words: map[string]map[string]string{
		"info": {"unavailable": "blocked"},
	},
	sizeToCome: true,
}
