package wire

import (
	"fmt"
	"path"
	"sort"
	"strings"
	"unicode/utf8"
)

// MaxLine is the length in bytes of the longest command that is read.
const MaxLine = 1 << 20

// A Request is one command with the arguments that it takes; the fields of other commands are empty.
type Request struct {
	Command   string // e.g. "search-name", as PackageKit 1.0 calls it
	Filters   Filters
	Flags     Flags
	Values    []string // search terms; names or package ids for resolve
	IDs       []PackageID
	Folder    string // an absolute path
	Force     bool
	Recursive bool
}

// Parse reads the words of a command. The error is for PackageKit: an *Error.
func Parse(words []string) (*Request, error) {
	if len(words) == 0 || words[0] == "" {
		return nil, Errorf(InternalError, "an empty line came where a command was expected")
	}
	for _, w := range words {
		if !utf8.ValidString(w) {
			return nil, Errorf(InternalError, "the command %.40q is not UTF-8", strings.Join(words, " "))
		}
		if strings.ContainsAny(w, "\x00\t\n") {
			return nil, Errorf(InternalError, "an argument of the command %.40q has a NUL byte, a tab or a newline", strings.Join(words, " "))
		}
	}
	args, ok := commands[words[0]]
	if !ok {
		return nil, Errorf(NotSupported, "the command %.40q is not known: known are %s", words[0], strings.Join(commandNames(), ", "))
	}
	if len(words)-1 != len(args) {
		return nil, Errorf(InternalError, "%s takes %d arguments and came with %d", words[0], len(args), len(words)-1)
	}
	r := &Request{Command: words[0]}
	for i, arg := range args {
		if err := r.set(arg, words[i+1]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *Request) set(arg argument, word string) (err error) {
	switch arg {
	case argFilters:
		r.Filters, err = parseFilters(word)
	case argFlags:
		r.Flags, err = parseFlags(word)
	case argValues:
		for v := range strings.SplitSeq(word, "&") {
			if v != "" {
				r.Values = append(r.Values, v)
			}
		}
		if len(r.Values) == 0 {
			err = Errorf(InternalError, "%s came without a value", r.Command)
		}
	case argIDs:
		for s := range strings.SplitSeq(word, "&") {
			id, err := ParsePackageID(s)
			if err != nil {
				return err
			}
			r.IDs = append(r.IDs, id)
		}
	case argFolder:
		r.Folder = path.Clean(word)
		if !path.IsAbs(word) {
			err = Errorf(InternalError, "the folder %.80q is not an absolute path", word)
		}
	case argForce:
		r.Force, err = parseBool(r.Command, word)
	case argRecursive:
		r.Recursive, err = parseBool(r.Command, word)
	}
	return err
}

func parseBool(command, word string) (bool, error) {
	switch word {
	case "yes", "true":
		return true, nil
	case "no", "false":
		return false, nil
	}
	return false, Errorf(InternalError, "%s takes yes or no and came with %.40q", command, word)
}

func commandNames() []string {
	var names []string
	for name := range commands {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// A PackageID names one package of one source: "name;version;arch;data" (PackageKit's document
// "Introduction: Concepts", Package Identification).
type PackageID struct {
	Name    string
	Version string // [epoch:]version-release
	Arch    string
	// Data is the id of the source, or "installed", or "installed:SOURCE" where this backend installed it.
	Data string
}

// ParsePackageID reads "name;version;arch;data"; all but the name may be empty. The error is an *Error.
func ParsePackageID(s string) (PackageID, error) {
	f := strings.Split(s, ";")
	if len(f) != 4 || f[0] == "" {
		return PackageID{}, Errorf(PackageIDInvalid, "%.80q is not a package id: name;version;arch;data", s)
	}
	return PackageID{f[0], f[1], f[2], f[3]}, nil
}

func (id PackageID) String() string {
	return id.Name + ";" + id.Version + ";" + id.Arch + ";" + id.Data
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

// knownFilters are all of PackageKit's (lib/packagekit-glib2/pk-enum.c, 1.2). Those without a meaning here are
// taken and change nothing.
var knownFilters = set("installed devel gui free visible supported basename newest arch source collections application downloaded")

// Filters are the filters of one query: for each, true where it is wanted and false where it is negated.
type Filters map[Filter]bool

func parseFilters(word string) (Filters, error) {
	f := Filters{}
	for s := range strings.SplitSeq(word, ";") {
		if s == "none" || s == "" {
			continue
		}
		name, negated := strings.CutPrefix(s, "~")
		if !knownFilters[name] {
			return nil, Errorf(FilterInvalid, "the filter %.40q is not known", s)
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
	Simulate     Flag = "simulate"      // say what would be done
	OnlyDownload Flag = "only-download" // download and don't install
)

// knownFlags are all of PackageKit's (pk-enum.c, 1.2).
var knownFlags = set("none only-trusted simulate only-download allow-reinstall just-reinstall allow-downgrade")

// Flags are the flags of one transaction.
type Flags map[Flag]bool

func parseFlags(word string) (Flags, error) {
	f := Flags{}
	for s := range strings.SplitSeq(word, ";") {
		if s == "" {
			continue
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
