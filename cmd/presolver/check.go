// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// version is set by those who build packages: -ldflags "-X main.version=1.2".
var version string

// programVersion is the version of the program, else of the sources that it was built from.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		return info.Main.Version
	}
	return version
}

// describe is --check: it says what the configuration, which readConfig has taken, means, and who signs.
func (c *settings) describe(out io.Writer, name string, signed *signing.Signing) {
	fmt.Fprintf(out, "%s is right. What it means:\n", name)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	say := func(what, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", what, fmt.Sprintf(format, args...)) }
	say("platform", "%s, %s", c.Platform, c.Arch)
	say("output", "%s, %s", c.Output, strings.Join(c.Layouts, " and "))
	if c.Bucket != "" {
		say("bucket", "%s", c.Bucket)
	}
	if c.RPMs == "copy" {
		say("rpms", "in the output too")
	} else {
		say("rpms", "from the repositories")
	}
	for i := range c.Repository {
		r := &c.Repository[i]
		for _, a := range r.places(i) {
			say("repository", "%s, %s", r.ID, config.Redacted(*a.url))
		}
		for _, a := range r.lists(i) {
			say("repository", "%s, the mirrors of %s", r.ID, *a.url)
		}
	}
	for _, m := range c.Module {
		say("module", "%s, the stream %s", m.Name, m.Stream)
	}
	if db, err := c.base().Database(); len(c.Base.Packages) == 0 && err == nil {
		say("base", "what the RPM database %s has", db)
	} else {
		say("base", "%s and what they need", strings.Join(c.Base.Packages, ", "))
	}
	if c.Toplevel.All {
		say("toplevel", "every package of the repositories")
	} else {
		if len(c.Toplevel.Packages) > 0 {
			say("toplevel", "%s", strings.Join(c.Toplevel.Packages, ", "))
		}
		if c.Toplevel.File != "" {
			names, _ := readNames(string(c.Toplevel.File))
			say("toplevel", "%s in %s", count(len(names), "name"), c.Toplevel.File)
		}
	}
	switch {
	case !slices.Contains(c.layouts(), publish.Presolve): // others have nothing to sign
	case signed == nil:
		say("signing", "nobody: laptops will refuse it unless their source says signatures = \"none\"")
	case len(signed.Keys) == 0:
		say("signing", "%s", nameOf(signed.Signer.Key))
	default:
		say("signing", "%s, one of the online keys of %s", nameOf(signed.Signer.Key), tree.KeysName(signed.Version()))
	}
	w.Flush()
}
