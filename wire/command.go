// SPDX-License-Identifier: GPL-2.0-or-later

package wire

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// A command is one form of a command: its arguments, in order, and the request that it makes.
type command struct {
	args      []argument
	name      string // of the request, where it is another than the command's
	flag      Flag   // that the request has in any case
	allowDeps bool
}

// takes makes a command of its arguments.
func takes(args ...argument) command { return command{args: args} }

// as is the command under the name that PackageKit 1.0 gave it.
func (c command) as(name string) command { c.name = name; return c }

// simulated is the command with the flag simulate.
func (c command) simulated() command { c.flag = Simulate; return c }

// withDeps is the command with allow_deps.
func (c command) withDeps() command { c.allowDeps = true; return c }

// gone is the form of a command that a generation doesn't have.
var gone []command

// An argument reads a word of a command into the request. The error is an *Error.
type argument struct {
	read func(r *Request, word string) error
	rest bool // see rest
}

// The arguments.
var (
	argFilters     = argument{read: func(r *Request, w string) (err error) { r.Filters, err = parseFilters(w); return }}
	argFlags       = argument{read: func(r *Request, w string) (err error) { r.Flags, err = parseFlags(w); return }}
	argType        = argument{read: func(*Request, string) error { return nil }} // what-provides': the values tell it as well
	argValues      = argument{read: (*Request).readValues}                       // joined with "&"
	argIDs         = argument{read: (*Request).readIDs}                          // joined with "&"
	argFiles       = argument{read: func(r *Request, w string) error { return r.readFiles(w, "&") }}
	argFilesBar    = argument{read: func(r *Request, w string) error { return r.readFiles(w, "|") }}
	argFolder      = argument{read: (*Request).readFolder}
	argForce       = argBool(func(r *Request) *bool { return &r.Force })
	argWithDeps    = argBool(func(r *Request) *bool { return &r.WithDeps })
	argRecursive   = argBool(func(r *Request) *bool { return &r.Recursive })
	argAllowDeps   = argBool(func(r *Request) *bool { return &r.AllowDeps })
	argAutoremove  = argBool(func(r *Request) *bool { return &r.Autoremove })
	argEnabled     = argBool(func(r *Request) *bool { return &r.Enabled })
	argName        = argument{read: func(r *Request, w string) error { r.Name = w; return nil }} // of a source, a release, a locale, a kind of key
	argParameter   = argument{read: func(r *Request, w string) error { r.Parameter = w; return nil }}
	argValue       = argument{read: func(r *Request, w string) error { r.Value = w; return nil }}
	argKeyID       = argument{read: func(r *Request, w string) error { r.KeyID = w; return nil }}
	argOnlyTrusted = argument{read: (*Request).readOnlyTrusted} // what became a flag in 0.8
	argIDsBar      = argument{read: (*Request).readIDsBar}      // joined with "|", or with "&": 0.3.5 changed it
	argValuesBar   = argument{read: func(r *Request, w string) error { return r.readValues(strings.ReplaceAll(w, "|", "&")) }}
	argTerm        = argument{read: func(r *Request, w string) error { r.Values = []string{w}; return nil }}
	argFile        = argument{read: func(r *Request, w string) error { return r.readFiles(w, "\x00") }}
	// External's: "installed", "available" or "all"; and a package, by its name. What came after it
	// takes either the option or filters.
	argOption          = argument{read: (*Request).readOption}
	argOptionOrFilters = argument{read: (*Request).readOptionOrFilters}
	argPackage         = argument{read: (*Request).readPackage}
)

// rest is an argument that takes all the words that are left, with spaces between them: up to
// 0.1.11 the command line is cut at its spaces.
func rest(a argument) argument { a.rest = true; return a }

func argBool(of func(*Request) *bool) argument {
	return argument{read: func(r *Request, word string) error {
		switch word {
		case "yes", "true":
			*of(r) = true
		case "no", "false":
			*of(r) = false
		default:
			return Errorf(InternalError, "%s takes yes or no and came with %.40q", r.Command, word)
		}
		return nil
	}}
}

func (r *Request) readOnlyTrusted(word string) error {
	var only bool
	err := argBool(func(*Request) *bool { return &only }).read(r, word)
	if only {
		r.Flags = Flags{OnlyTrusted: true}
	}
	return err
}

// few is an error where a word has more parts than a command may have.
func (r *Request) few(word, separator, what string) error {
	if n := strings.Count(word, separator) + 1; n > MaxValues {
		return Errorf(NotSupported, "%s came with %d %s, more than the %d that are taken at once: ask for fewer at a time", r.Command, n, what, MaxValues)
	}
	return nil
}

func (r *Request) readValues(word string) error {
	if err := r.few(word, "&", "values"); err != nil {
		return err
	}
	for v := range strings.SplitSeq(word, "&") {
		if v != "" {
			r.Values = append(r.Values, v)
		}
	}
	if len(r.Values) == 0 {
		return Errorf(InternalError, "%s came without a value", r.Command)
	}
	return nil
}

func (r *Request) readIDs(word string) error {
	if err := r.few(word, "&", "package ids"); err != nil {
		return err
	}
	for s := range strings.SplitSeq(word, "&") {
		id, err := ParsePackageID(s)
		if err != nil {
			return err
		}
		r.IDs = append(r.IDs, id)
	}
	return nil
}

func (r *Request) readIDsBar(word string) error {
	return r.readIDs(strings.ReplaceAll(word, "|", "&"))
}

func (r *Request) readFiles(word, separator string) error {
	if err := r.few(word, separator, "files"); err != nil {
		return err
	}
	for f := range strings.SplitSeq(word, separator) {
		if !path.IsAbs(f) {
			return Errorf(FileNotFound, "the file %.80q is not an absolute path", f)
		}
		r.Files = append(r.Files, path.Clean(f))
	}
	return nil
}

func (r *Request) readFolder(word string) error {
	if word == "" { // the helper's cache
		return nil
	}
	if !path.IsAbs(word) {
		return Errorf(InternalError, "the folder %.80q is not an absolute path", word)
	}
	r.Folder = path.Clean(word)
	return nil
}

func (r *Request) readOption(word string) error {
	switch word {
	case "installed":
		r.Filters = Filters{Installed: true}
	case "available":
		r.Filters = Filters{Installed: false}
	case "all":
		r.Filters = Filters{}
	default:
		return Errorf(FilterInvalid, "%s takes installed, available or all and came with %.40q", r.Command, word)
	}
	return nil
}

func (r *Request) readOptionOrFilters(word string) (err error) {
	if word == "available" || word == "all" { // "installed" is both
		return r.readOption(word)
	}
	r.Filters, err = parseFilters(word)
	return err
}

// readPackage takes a whole id too, which names one package of several.
func (r *Request) readPackage(word string) error {
	if strings.Contains(word, ";") {
		return r.readIDs(word)
	}
	if word == "" {
		return Errorf(PackageIDInvalid, "%s came without a package", r.Command)
	}
	r.IDs = []PackageID{{Name: word}}
	return nil
}

// match is the form that has as many arguments as there are words.
func match(forms []command, words int) (command, bool) {
	for _, c := range forms {
		n := len(c.args)
		if n == words || n > 0 && n < words && c.args[n-1].rest {
			return c, true
		}
	}
	return command{}, false
}

// counts says how many arguments the forms of a command take: "2 arguments", "1 or 2 arguments".
func counts(forms []command) string {
	all := make(map[int]string)
	for _, c := range forms {
		n := len(c.args)
		all[n] = fmt.Sprint(n)
		if n > 0 && c.args[n-1].rest {
			all[n] += " or more"
		}
	}
	if len(all) == 1 && all[1] == "1" {
		return "1 argument"
	}
	var sorted []string
	for _, n := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, all[n])
	}
	return strings.Join(sorted, " or ") + " arguments"
}
