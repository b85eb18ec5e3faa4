// SPDX-License-Identifier: GPL-2.0-or-later

package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxLine is the length in bytes of the longest command that is read.
const MaxLine = 1 << 20

// MaxValues is how many package ids, files or values a command may have, 10,000.
// packagekitd itself takes that many values of a client and 5,200 ids or files (1.2,
// src/pk-transaction.c).
const MaxValues = 10_000

// A Request is one command with the arguments that it takes; the fields of other commands are
// empty.
type Request struct {
	Command string // e.g. "search-name", as PackageKit 1.0 calls it
	Filters Filters
	Flags   Flags
	Values  []string // search terms; names or package ids for resolve
	// IDs are packages; none in update-packages: all that have an update (the older
	// "update-system"). Before the first release packages come by their names alone.
	IDs       []PackageID
	Files     []string // absolute paths
	Folder    string   // an absolute path; empty: the helper's cache
	Force     bool
	WithDeps  bool // get-details: what is to be downloaded is told with what the packages require
	Recursive bool // depends-on, required-by: also what is required by way of others
	// AllowDeps and Autoremove are remove-packages': packages that depend on a removed one may go
	// too; packages that nothing needs any more go too.
	AllowDeps  bool
	Autoremove bool
	// Name is the id of a source (repo-enable, repo-set-data), of a release (upgrade-system), a
	// locale (set-locale), a kind of signature (install-signature).
	Name      string
	Enabled   bool   // repo-enable
	Parameter string // repo-set-data
	Value     string // repo-set-data's; install-signature's package id
	KeyID     string // install-signature
}

// Parse reads the words of a command in dialect 1.2.
func Parse(words []string) (*Request, error) { return V1_2.Parse(words) }

// Parse reads the words of a command. The error is for PackageKit: an *Error.
func (d Dialect) Parse(words []string) (*Request, error) {
	if len(words) == 0 || words[0] == "" {
		return nil, Errorf(InternalError, "an empty line came where a command was expected")
	}
	line := d.line()
	if line[len(line)-1].split {
		words = strings.Split(strings.Join(words, "\t"), "\t")
	}
	for _, w := range words {
		if !utf8.ValidString(w) {
			return nil, Errorf(InternalError, "the command %.40q is not UTF-8", strings.Join(words, " "))
		}
		if strings.ContainsAny(w, "\x00\t\n") && !(line[len(line)-1].split && !strings.ContainsAny(w, "\x00\n")) {
			return nil, Errorf(InternalError, "an argument of the command %.40q has a NUL byte, a tab or a newline", strings.Join(words, " "))
		}
	}
	forms := d.command(words[0])
	if len(forms) == 0 {
		return nil, Errorf(NotSupported, "the command %.40q is not known", words[0])
	}
	args := words[1:]
	c, ok := match(forms, len(args))
	if !ok {
		return nil, Errorf(InternalError, "%s takes %s and came with %d", words[0], counts(forms), len(args))
	}
	r := &Request{Command: words[0]}
	for i, a := range c.args {
		word := args[i]
		if a.rest {
			word = strings.Join(args[i:], " ")
		}
		if err := a.read(r, word); err != nil {
			return nil, err
		}
	}
	if c.name != "" {
		r.Command = c.name
	}
	if c.flag != "" {
		r.Flags = Flags{c.flag: true}
	}
	r.AllowDeps = r.AllowDeps || c.allowDeps
	return r, nil
}

// A PackageID names one package of one source: "name;version;arch;data" (PackageKit's document
// "Introduction: Concepts", Package Identification).
type PackageID struct {
	Name    string
	Version string // [epoch:]version-release
	Arch    string
	// Data is the id of the source, or "installed", or "installed:SOURCE" where this backend
	// installed it.
	Data string
}

// ParsePackageID reads "name;version;arch;data"; all but the name may be empty. The error is an
// *Error.
func ParsePackageID(s string) (PackageID, error) {
	f := strings.Split(s, ";")
	if len(f) != 4 || f[0] == "" {
		return PackageID{}, Errorf(PackageIDInvalid, "%.80q is not a package id: name, version, arch and data with a semicolon between each", s)
	}
	return PackageID{f[0], f[1], f[2], f[3]}, nil
}

func (id PackageID) String() string {
	return id.Name + ";" + id.Version + ";" + id.Arch + ";" + id.Data
}

// Text is the id as people read it, "name-version.arch", for error texts: PackageKit makes line
// breaks of an id's semicolons.
func (id PackageID) Text() string {
	s := id.Name
	if id.Version != "" {
		s += "-" + id.Version
	}
	if id.Arch != "" {
		s += "." + id.Arch
	}
	return s
}

// Installed tells whether the id is of a package as it is installed.
func (id PackageID) Installed() bool {
	return id.Data == "installed" || strings.HasPrefix(id.Data, "installed:")
}

// A Filter narrows what a query answers.
type Filter string

// The filters that this backend gives a meaning.
const (
	Installed Filter = "installed" // in the RPM database
	Newest    Filter = "newest"    // no newer version of the same name is known
	Arch      Filter = "arch"      // of the platform's own architecture, or of none
	Basename  Filter = "basename"  // the program itself and not its -devel, -doc and other parts
)

// knownFilters are all of PackageKit's (lib/packagekit-glib2/pk-enum.c, 1.2). Those without a
// meaning here are taken and change nothing.
var knownFilters = set("installed devel gui free visible supported basename newest arch source collections application downloaded")

// Filters are the filters of one query: for each, true where it is wanted and false where it is
// negated.
type Filters map[Filter]bool

func parseFilters(word string) (Filters, error) {
	f := Filters{}
	for s := range strings.SplitSeq(word, ";") {
		// gpk-update-viewer 43 asks for the bit of the enumeration's first value, "unknown", where it means none.
		if s == "none" || s == "unknown" || s == "" {
			continue
		}
		name, negated := strings.CutPrefix(s, "~")
		if !knownFilters[name] {
			return nil, Errorf(FilterInvalid, "the filter %.40q is not known: a filter is none, or one of %s, or one of these with ~ before it", s, strings.Join(slices.Sorted(maps.Keys(knownFilters)), ", "))
		}
		if was, twice := f[Filter(name)]; twice && was == negated {
			return nil, Errorf(FilterInvalid, "the filter %q is both wanted and negated", name)
		}
		f[Filter(name)] = !negated
	}
	return f, nil
}

// Pass tells whether something for which a filter is true or not gets through.
func (f Filters) Pass(filter Filter, is bool) bool {
	want, asked := f[filter]
	return !asked || want == is
}

// A Flag changes how a transaction is carried out.
type Flag string

// The transaction flags that this backend gives a meaning.
const (
	Simulate       Flag = "simulate"        // say what would be done
	OnlyDownload   Flag = "only-download"   // download and don't install
	OnlyTrusted    Flag = "only-trusted"    // nothing whose signature isn't known
	AllowReinstall Flag = "allow-reinstall" // what is installed already may be installed again
	JustReinstall  Flag = "just-reinstall"  // only what is installed already, again
	AllowDowngrade Flag = "allow-downgrade" // an older version may take the place of a newer one
)

// knownFlags are all of PackageKit's (pk-enum.c, 1.2).
var knownFlags = set("none only-trusted simulate only-download allow-reinstall just-reinstall allow-downgrade")

// Flags are the flags of one transaction.
type Flags map[Flag]bool

func parseFlags(word string) (Flags, error) {
	f := Flags{}
	for s := range strings.SplitSeq(word, ";") {
		switch s {
		case "":
			continue
		case "simluate": // 0.8.1 to 0.8.5
			s = string(Simulate)
		}
		if !knownFlags[s] {
			return nil, Errorf(NotSupported, "the transaction flag %.40q is not known", s)
		}
		f[Flag(s)] = true
	}
	return f, nil
}

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// String is the request as a log shows it.
func (r *Request) String() string {
	return fmt.Sprintf("%s (%d values, %d ids)", r.Command, len(r.Values), len(r.IDs))
}
