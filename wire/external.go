// SPDX-License-Identifier: GPL-2.0-or-later

package wire

// external is what PackageKit's "External Backends" described before its first release, in August
// 2007 (helpers/README of commit 3e083195f in PackageKit's repository): programs called
// {backend}-{command}.*, packages by their names, colons on stderr, a description as it is, of
// several lines. That page calls the arguments STDIN: they may come there too. It has no word for
// errors; theirs is made in its manner, and the exit status tells as well.
var external = generation{
	dialect: External,
	commands: map[string][]command{
		"get-depends":       gone,
		"get-files":         gone,
		"get-repo-list":     gone,
		"get-requires":      gone,
		"get-update-detail": gone,
		"get-updates":       gone,
		"install-file":      gone,
		"repo-enable":       gone,
		"repo-set-data":     gone,
		"resolve":           gone,
		"search-details":    gone,
		"search-file":       gone,
		"search-group":      gone,
		"update":            gone,

		"get-deps":        {takes(argPackage).as("depends-on")},
		"get-description": {takes(argPackage).as("get-details")},
		"install":         {takes(argPackage).as("install-packages")},
		"remove":          {takes(argAllowDeps, argPackage).as("remove-packages")},
		"search-name":     {takes(argOption, rest(argTerm))},
	},
	replies: map[string]string{
		"package": "{info.installed} {id.name} {summary}",
		"working": "data:{id.name}",
		// "Always yes", and each package "as" it is installed, removed or updated.
		"package of get-deps": "yes {id.name} {summary}",
		"changed":             "yes {id.name} {summary}",

		"details":        "{id.name} {id.version} {description.lines} {url}",
		"percentage":     "percentage:{percent}",
		"item-progress":  "subpercentage:{percent}",
		"status":         "status:{status}",
		"error":          "error:{code}:{text}",
		"files":          "",
		"updatedetail":   "",
		"repo-detail":    "",
		"requirerestart": "",
		"allow-cancel":   "",
		"message":        "",
	},
	words: map[string]map[string]string{
		"status": {
			"wait": "", "setup": "", "query": "", "info": "", "refresh-cache": "download", "cleanup": "", "obsolete": "update", "dep-resolve": "",
			"commit": "", "request": "", "finished": "", "cancel": "",
		},
	},
	stderr: []string{"working"},
	stdin:  true,
}
