// SPDX-License-Identifier: GPL-2.0-or-later

package wire

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Dialect is one generation of the protocol, named after the PackageKit releases that speak it.
type Dialect string

// The dialects, the newest first. The file of each says in what it differs from the one above it,
// and from which PackageKit release that is known.
const (
	V1_3     Dialect = "1.3"      // 1.3.3 and later
	V1_2     Dialect = "1.2"      // 1.0.7 to 1.3.2
	V0_9     Dialect = "0.9"      // 0.9.1 to 1.0.6
	V0_8     Dialect = "0.8"      // 0.8
	V0_6     Dialect = "0.6"      // 0.5.2 to 0.7; Fedora 14, which the XO laptops had
	V0_3     Dialect = "0.3"      // 0.3.2 to 0.5.1
	V0_2     Dialect = "0.2"      // 0.1.10 to 0.3.1: one program a command
	V0_1     Dialect = "0.1"      // up to 0.1.9: and replies on stderr too
	V0_0     Dialect = "0.0"      // what "Backends Spawn" said in September 2007, before the first release
	External Dialect = "external" // "External Backends" of August 2007: and colons
)

// A generation is what a dialect is made of. Each but the newest says only in what it differs from
// the next newer one.
type generation struct {
	dialect Dialect
	// since is the first release that speaks it, as far as numbers go: major, minor, micro.
	since [3]int
	// commands are the forms of each command: several where releases of the generation send
	// different numbers of arguments. None: the generation doesn't have the command.
	commands map[string][]command
	// replies are the lines of each reply. What is between braces is a field, a space is a tab.
	// Empty: the generation doesn't have the reply. Where a command's replies have lines of their
	// own, the name is followed by " of " and the command.
	replies map[string]string
	// words are, for a field, the words that the generation doesn't know, each with the nearest one
	// that it does. Empty: there is none, and the line is left out.
	words map[string]map[string]string
	// maxSize is the largest size, in bytes, that it takes. 0: the next newer one's.
	maxSize int64
	// sizeToCome: the size of what isn't installed is what is to be downloaded, in the older ones too.
	sizeToCome bool
	// stderr are the replies that are read there; the others are on stdout.
	stderr []string
	// stdin: the arguments of a command that has none on its command line are a line of stdin.
	stdin bool
	// split: the arguments are separated by tabs, within one word of the command line too.
	split bool
	// apart: older generations differ from the next newer one and not from it.
	apart bool
}

// generations are all of them, the newest first.
var generations = []*generation{&v1_3, &v1_2, &v0_9, &v0_8, &v0_6, &v0_3, &v0_2, &v0_1, &v0_0, &external}

// Dialects are the names of all dialects, the newest first.
func Dialects() (names []string) {
	for _, g := range generations {
		names = append(names, string(g.dialect))
	}
	return names
}

// ParseDialect finds a dialect by its name or by the PackageKit release that speaks it: "1.2",
// "1.2.8". A release without its last number is the last of those: "1.0" is 1.0.11.
func ParseDialect(s string) (Dialect, error) {
	var names []string
	for _, g := range generations {
		if string(g.dialect) == s {
			return g.dialect, nil
		}
		names = append(names, string(g.dialect))
	}
	if v, ok := release(s); ok && v[0] <= 1 && (v[0] == 0 || v[1] <= 3) {
		for _, g := range generations {
			if slices.Compare(v[:], g.since[:]) >= 0 {
				return g.dialect, nil
			}
		}
	}
	return "", fmt.Errorf("the dialect %q is neither a PackageKit release, such as 1.2.8, nor one of: %s", s, strings.Join(names, ", "))
}

// release reads a number such as 1.2.8.
func release(s string) (v [3]int, ok bool) {
	v[2] = 99
	parts := strings.Split(strings.TrimPrefix(s, "v"), ".")
	if len(parts) < 2 || len(parts) > 3 {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return v, false
		}
		v[i] = int(n)
	}
	return v, true
}

// line is the line of generations from the newest to a dialect's own; of a dialect that isn't
// known, to 1.2's.
func (d Dialect) line() []*generation {
	i := slices.IndexFunc(generations, func(g *generation) bool { return g.dialect == d })
	if i < 0 {
		return V1_2.line()
	}
	line := generations[:i+1]
	if slices.ContainsFunc(line[:i], func(g *generation) bool { return g.apart }) {
		line = slices.DeleteFunc(slices.Clone(line), func(g *generation) bool { return g.apart && g.dialect != d })
	}
	return line
}

// command is the forms of a command; none: the dialect doesn't have it.
func (d Dialect) command(name string) []command {
	for _, g := range slices.Backward(d.line()) {
		if forms, ok := g.commands[name]; ok {
			return forms
		}
	}
	return nil
}

// Commands are the names of the commands that the dialect has, in order.
func (d Dialect) Commands() []string {
	names := make(map[string]bool)
	for _, g := range d.line() {
		for name, forms := range g.commands {
			names[name] = len(forms) > 0
		}
	}
	maps.DeleteFunc(names, func(_ string, has bool) bool { return !has })
	return slices.Sorted(maps.Keys(names))
}

// RepliesOnStderr tells whether some replies are read on stderr, so that nothing else may be
// written there.
func (d Dialect) RepliesOnStderr() bool {
	return slices.ContainsFunc(d.line(), func(g *generation) bool { return len(g.stderr) > 0 })
}

// ArgumentsOnStdin tells whether the arguments of a command that came without any are a line of
// stdin.
func (d Dialect) ArgumentsOnStdin(words []string) bool {
	line := d.line()
	if !line[len(line)-1].stdin || len(words) != 1 {
		return false
	}
	forms := d.command(words[0])
	_, none := match(forms, 0)
	return len(forms) > 0 && !none
}

// ParseProgram reads the name that the program was called by, as PackageKit before 0.3.2 does,
// which has one program for each command: "search-name.py", "presolve-search-name". It returns that
// command and the dialect that belongs to the form of the name, or "" where the name is no
// command's. The ending doesn't matter.
//
// A name with "presolve-" before it is External's form ({backend}-search-name.*), and a name
// without is V0_1's. A command that these lack is the next newer dialect's: "install-packages.py"
// is V0_2's. Most names of V0_2 are V0_1's too, and those of V0_0 all are: these dialects are the
// configuration's to name.
func ParseProgram(path string) (command string, d Dialect) {
	name := path[strings.LastIndex(path, "/")+1:]
	name, _, _ = strings.Cut(name, ".")
	name, prefixed := strings.CutPrefix(name, "presolve-")
	for _, d := range []Dialect{External, V0_1, V0_2} {
		if (d != External || prefixed) && len(d.command(name)) > 0 {
			return name, d
		}
	}
	return "", ""
}
