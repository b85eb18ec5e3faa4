// SPDX-License-Identifier: GPL-2.0-or-later

package wire

// v1_3 is the newest generation: PackageKit 1.3.3 and later. What every generation has in common is
// here; the others say in what they differ.
//
// From src/pk-backend-spawn.c and lib/packagekit-glib2/pk-enum.c of 1.3.3 to 1.3.6, and from the
// commands that the portage and yum backends send.
var v1_3 = generation{
	dialect: V1_3,
	since:   [3]int{1, 3, 3},
	commands: map[string][]command{
		"depends-on":        {takes(argFilters, argIDs, argRecursive)},
		"download-packages": {takes(argFolder, argIDs)},
		"get-categories":    {takes()},
		// PackageKit's own spawning code never says the latter, a client's hint details-with-deps-size;
		// this project's stub does.
		"get-details":         {takes(argIDs), takes(argIDs, argWithDeps)},
		"get-details-local":   {takes(argFiles)},
		"get-distro-upgrades": {takes()},
		"get-files":           {takes(argIDs)},
		"get-files-local":     {takes(argFiles)},
		"get-packages":        {takes(argFilters)},
		"get-repo-list":       {takes(argFilters)},
		"get-update-detail":   {takes(argIDs)},
		"get-updates":         {takes(argFilters)},
		"install-files":       {takes(argFlags, argFilesBar)},
		"install-packages":    {takes(argFlags, argIDs)},
		"install-signature":   {takes(argName, argKeyID, argValue)},
		"refresh-cache":       {takes(argForce)},
		"remove-packages":     {takes(argFlags, argIDs, argAllowDeps, argAutoremove)},
		"repair-system":       {takes(argFlags)},
		"repo-enable":         {takes(argName, argEnabled)},
		"repo-set-data":       {takes(argName, argParameter, argValue)},
		"required-by":         {takes(argFilters, argIDs, argRecursive)},
		"resolve":             {takes(argFilters, argValues)},
		"search-details":      {takes(argFilters, argValues)},
		"search-file":         {takes(argFilters, argValues)},
		"search-group":        {takes(argFilters, argValues)},
		"search-name":         {takes(argFilters, argValues)},
		"set-locale":          {takes(argName)},
		"update-packages":     {takes(argFlags, argIDs)},
		"upgrade-system":      {takes(argName)},
		"what-provides":       {takes(argFilters, argValues), takes(argFilters, argType, argValues)},
	},
	replies: map[string]string{
		// A package, as a query finds it or as a transaction has left it; and one that a
		// transaction is at.
		"package": "package {info} {id} {summary}",
		"working": "package {info} {id} {summary}",

		"details":                 "details {id} {summary} {license} {group} {description} {url} {size} {download}",
		"files":                   "files {id} {paths}",
		"updatedetail":            "updatedetail {id} {updates} {obsoletes} {vendor} {bugs} {cves} {restart} {text} {changelog} {state} {issued} {updated}",
		"repo-detail":             "repo-detail {source} {description} {enabled}",
		"category":                "category {parent} {category} {name} {summary} {icon}",
		"distro-upgrade":          "distro-upgrade {kind} {name} {summary}",
		"repo-signature-required": "repo-signature-required {id} {source} {url} {user} {key} {fingerprint} {time} gpg",
		"requirerestart":          "requirerestart {restart} {id}",
		"status":                  "status {status}",
		"percentage":              "percentage {percent}",
		"item-progress":           "item-progress {id} {status} {percent}",
		"speed":                   "speed {speed}",
		"download-size-remaining": "download-size-remaining {bytes}",
		"allow-cancel":            "allow-cancel {allow}",
		"error":                   "error {code} {text}",
		"finished":                "finished",
	},
}
