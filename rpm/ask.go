package rpm

import (
	"errors"
	"io"
	"regexp"
	"strings"
)

// Unmet is a dependency that nothing would meet.
type Unmet struct {
	Capability string // as rpm writes it: "libtext >= 2:0.9", "/usr/bin/perl", "(a or b)"
	By         string // who has it: "name-[epoch:]version-release.arch", with an epoch of 0 where it has one
	Installed  bool   // By is installed and stays
}

// UnmetByInstalling are the dependencies that would be unmet if these RPM files were installed, as Upgrade does it. Only rpm
// knows, since it knows all kinds of dependencies of all its versions. Nothing is changed.
func (d Database) UnmetByInstalling(files []string) ([]Unmet, error) {
	// Whether an older version may be installed, and whether the files are good, is not asked here.
	return d.unmet(append([]string{"-U", "--test", "--replacepkgs", "--oldpackage", "--nosignature", "--nodigest", "--noglob", "--nomanifest", "--"}, files...))
}

// UnmetByErasing are the dependencies that would be unmet without these installed packages, each "name-version-release.arch".
// Nothing is changed.
func (d Database) UnmetByErasing(packages []string) ([]Unmet, error) {
	return d.unmet(append([]string{"-e", "--test", "--"}, packages...))
}

// neededBy is a line of rpm's list of failed dependencies (lib/rpmprob.c).
var neededBy = regexp.MustCompile(`^\t(.+) is needed by (\(installed\) )?(\S+)$`)

func (d Database) unmet(args []string) ([]Unmet, error) {
	err := d.run(nil, args, func(stdout io.Reader) { io.Copy(io.Discard, stdout) })
	var failed *Error
	if !errors.As(err, &failed) {
		return nil, err
	}
	var all []Unmet
	for line := range strings.Lines(failed.Output) {
		if m := neededBy.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			all = append(all, Unmet{Capability: m[1], By: m[3], Installed: m[2] != ""})
		}
	}
	if len(all) == 0 {
		return nil, err
	}
	return all, nil
}
