// SPDX-License-Identifier: GPL-2.0-or-later

package wire

// v0_8 is 0.8, which Fedora 18 had: depends-on and required-by have older names, updating the whole
// system is a command, there are no questions about local files, and details have no summary,
// and messages are shown.
// (0.8.1 alone, not yet stable, drops item-progress.)
//
// From pk-backend-spawn.c, pk-enum.c and pk-backend-yum.c of 0.8.2 to 0.8.17; update-system is
// 0.8.1's.
var v0_8 = generation{
	dialect: V0_8,
	since:   [3]int{0, 8, 0},
	commands: map[string][]command{
		"depends-on":        gone,
		"required-by":       gone,
		"get-details-local": gone,
		"get-files-local":   gone,
		"get-depends":       {takes(argFilters, argIDs, argRecursive).as("depends-on")},
		"get-requires":      {takes(argFilters, argIDs, argRecursive).as("required-by")},
		"what-provides":     {takes(argFilters, argType, argValues)},
		"update-system":     {takes(argFlags).as("update-packages"), takes().as("update-packages")},
	},
	replies: map[string]string{
		"details": "details {id} {license} {group} {description} {url} {size}",
		"message": "message {message} {text}", // gone since 0.9
	},
}
