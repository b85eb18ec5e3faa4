package wire

import (
	"fmt"
	"strings"
)

// A Dialect is one generation of the protocol, named by the first PackageKit release that speaks it.
type Dialect string

// V1_2 is what PackageKit 1.0 to 1.2 speak.
const V1_2 Dialect = "1.2"

// dialects are all that this package speaks.
var dialects = []Dialect{V1_2}

// ParseDialect finds a dialect by its name.
func ParseDialect(s string) (Dialect, error) {
	var names []string
	for _, d := range dialects {
		if string(d) == s {
			return d, nil
		}
		names = append(names, string(d))
	}
	return "", fmt.Errorf("the dialect %q is not one of: %s", s, strings.Join(names, ", "))
}

// An argument is what a word of a command is.
type argument int

const (
	argFilters   argument = iota // filters joined with ";"
	argValues                    // names, ids or search terms, joined with "&"
	argIDs                       // package ids joined with "&"
	argFlags                     // transaction flags joined with ";"
	argFolder                    // a folder
	argForce                     // a boolean
	argRecursive                 // a boolean
)

// commands are the commands of dialect 1.2 with their arguments, in order.
var commands = map[string][]argument{
	"depends-on":        {argFilters, argIDs, argRecursive},
	"download-packages": {argFolder, argIDs},
	"get-details":       {argIDs},
	"get-files":         {argIDs},
	"get-packages":      {argFilters},
	"install-packages":  {argFlags, argIDs},
	"refresh-cache":     {argForce},
	"resolve":           {argFilters, argValues},
	"search-details":    {argFilters, argValues},
	"search-name":       {argFilters, argValues},
}
