// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Unmet is a dependency that nothing would meet.
type Unmet struct {
	Capability string // as rpm writes it: "libtext >= 2:0.9", "/usr/bin/perl", "(a or b)"
	By         string // who has it: "name-[epoch:]version-release.arch", with an epoch of 0 where it has one
	Installed  bool   // By is installed and stays
}

// UnmetByInstalling are the dependencies that would be unmet if these RPM files were installed, as
// Upgrade does it. Only rpm knows, since it knows all kinds of dependencies of all its versions.
// Nothing is changed.
func (d Database) UnmetByInstalling(ctx context.Context, files []string) ([]Unmet, error) {
	// Whether an older version may be installed, and whether the files are good, is not asked here.
	return d.unmet(ctx, []string{"-U", "--test", "--replacepkgs", "--oldpackage", "--nosignature", "--nodigest", "--noglob", "--nomanifest", "--"}, files, true)
}

// UnmetByErasing are the dependencies that would be unmet without these installed packages, each
// "name-version-release.arch". Nothing is changed.
func (d Database) UnmetByErasing(ctx context.Context, packages []string) ([]Unmet, error) {
	return d.unmet(ctx, []string{"-e", "--test", "--"}, packages, false)
}

// Met tells whether these installed packages, each "name-version-release.arch", have all that they
// require, by rpm's exit status. They must be installed.
func (d Database) Met(ctx context.Context, packages []string) (bool, error) {
	if len(packages) == 0 {
		return true, nil
	}
	return d.holds(ctx, append([]string{"-V", "--nofiles", "--noscript", "--nodigest", "--nosignature", "--"}, packages...)...)
}

// unmet asks rpm, and finds in its answer what the headers of the packages require. A line of rpm's
// with anything else means nothing: there are names from outside in it.
func (d Database) unmet(ctx context.Context, args, what []string, files bool) ([]Unmet, error) {
	err := d.run(ctx, nil, append(args, what...), func(stdout io.Reader) { io.Copy(io.Discard, stdout) })
	var failed *Error
	if !errors.As(err, &failed) {
		return nil, err
	}
	said := readNeeds(failed.Output)
	if files {
		for _, file := range what {
			h, err := ReadFile(file)
			if err != nil {
				return nil, err
			}
			said.match(h, false)
		}
	}
	if said.open() {
		nothing := func(string) bool { return false }
		if err := d.Read(ctx, nothing, func(_ string, h *Header) error { said.match(h, true); return nil }); err != nil {
			return nil, err
		}
	}
	if all := said.unmet(); len(all) > 0 {
		return all, nil
	}
	return nil, err
}

// needs are lines of rpm's list of failed dependencies (lib/rpmprob.c), "\tlib >= 2 is needed by
// (installed) app-1-1.noarch", and what each of them means: nil until it is known.
type needs struct {
	lines []string
	means map[string]*Unmet
}

const neededBy, andInstalled = " is needed by ", "(installed) "

func readNeeds(output string) *needs {
	n := &needs{means: make(map[string]*Unmet)}
	for line := range strings.Lines(output) {
		line = strings.TrimSuffix(line, "\n")
		if _, seen := n.means[line]; !seen && strings.HasPrefix(line, "\t") && strings.Contains(line, neededBy) {
			n.lines = append(n.lines, line)
			n.means[line] = nil
		}
	}
	return n
}

// open tells whether there are lines about an installed package whose meaning is not known.
func (n *needs) open() bool {
	return slices.ContainsFunc(n.lines, func(line string) bool {
		return n.means[line] == nil && strings.Contains(line, neededBy+andInstalled)
	})
}

// match gives the lines a meaning that rpm writes of what a package requires.
func (n *needs) match(h *Header, installed bool) {
	version := h.Version + "-" + h.Release + "." + h.Arch
	if epoch, ok := h.header.number(tagEpoch); ok {
		version = strconv.FormatUint(epoch, 10) + ":" + version
	}
	by := h.Name + "-" + version
	who := neededBy
	if installed {
		who += andInstalled
	}
	if !slices.ContainsFunc(n.lines, func(line string) bool { return strings.HasSuffix(line, who+by) }) {
		return
	}
	for _, capability := range h.requirements() {
		line := "\t" + capability + who + by
		if means, ok := n.means[line]; ok && means == nil {
			n.means[line] = &Unmet{Capability: capability, By: by, Installed: installed}
		}
	}
}

// unmet are the lines that mean something, in rpm's order.
func (n *needs) unmet() []Unmet {
	var all []Unmet
	for _, line := range n.lines {
		if u := n.means[line]; u != nil {
			all = append(all, *u)
		}
	}
	return all
}
