// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// What is published, for those who publish it: why, diff and status.

type whyCmd struct {
	Of   string `arg:"" name:"platform" help:"The platform's folder, or its configuration."`
	Name string `arg:"" help:"The name of a package."`
}

// maxPaths is how many top-level packages are told that have a package in their trees.
const maxPaths = 20

// Run tells why a package is published, or why not.
func (c *whyCmd) Run(ctx context.Context, std streams) error {
	p, err := openPlatform(c.Of)
	if err != nil {
		return err
	}
	var own []*tree.Tree
	var paths []string
	var base *tree.NEVRA // the package, where it is there already
	var names []string
	others := 0
	err = p.References(func(r *tree.Reference) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		names = append(names, r.Name)
		if len(r.By) > 0 {
			return nil
		}
		t, err := p.Tree(r)
		if err != nil {
			return err
		}
		if r.Name == c.Name {
			own = append(own, t)
			return nil
		}
		i := slices.IndexFunc(t.Packages, func(pkg tree.Package) bool { return pkg.Name == c.Name })
		need := slices.IndexFunc(t.Needs, func(n tree.NEVRA) bool { return n.Name == c.Name })
		if need >= 0 {
			base = &t.Needs[need]
		}
		if i < 0 && need < 0 {
			return nil
		}
		if others++; i >= 0 && len(paths) < maxPaths {
			paths = append(paths, pathTo(t, i))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range own {
		fmt.Fprintf(std.out, "%s is offered; its tree has %s:\n", t.Top().NEVRA, count(len(t.Packages), "package"))
		for i := range len(t.Packages) - 1 {
			fmt.Fprintf(std.out, "    %s, which %s %s\n", t.Packages[i].NEVRA, strings.Join(requirers(t, i), " and "), requires(t, i))
		}
	}
	if len(paths) > 0 {
		slices.Sort(paths)
		fmt.Fprintf(std.out, "%s is in the trees of %s:\n", c.Name, count(others, "program"))
		for _, path := range paths {
			fmt.Fprintln(std.out, "    "+path)
		}
		if n := others - len(paths); n > 0 {
			fmt.Fprintf(std.out, "    and %d more\n", n)
		}
	}
	said := len(own)+len(paths) > 0
	if base != nil && len(paths) == 0 {
		fmt.Fprintf(std.out, "%s is in the base, needed by %s\n", base, count(others, "program"))
		said = true
	}
	for _, r := range p.Report.Replaced {
		if r.Name == c.Name {
			fmt.Fprintf(std.out, "%s is replaced by %s, which obsoletes it\n", r.Name, r.By)
			said = true
		}
	}
	if base == nil && slices.Contains(p.Report.InBase, c.Name) {
		fmt.Fprintf(std.out, "%s is in the base: laptops have it\n", c.Name)
		said = true
	}
	if said {
		return nil
	}
	return &exitError{exitNotThere, notThere(p, c.Name, names)}
}

// notThere tells why a package is in no tree.
func notThere(p *publish.Published, name string, names []string) error {
	for _, u := range p.Report.Unsolved {
		if u.Name == name {
			return fmt.Errorf("%s can't be solved: %s", name, u.Reason)
		}
		names = append(names, u.Name)
	}
	did := ""
	if near := config.Nearest(name, append(names, p.Report.InBase...)); near != "" {
		did = ": did you mean " + near + "?"
	}
	if p.Report.Serial == 0 {
		did += " (there is no report.json of this serial, which would tell more)"
	}
	return fmt.Errorf("%s isn't offered, and no tree needs it: name it in toplevel.packages to have it solved%s", name, did)
}

// requirers are the packages of a tree that require one of it directly.
func requirers(t *tree.Tree, i int) (all []string) {
	for _, pkg := range t.Packages {
		if slices.Contains(pkg.Requires, i) {
			all = append(all, pkg.Name)
		}
	}
	if len(all) == 0 { // what is recommended, or a condition asks for
		return []string{t.Name}
	}
	return all
}

// requires is the verb of requirers.
func requires(t *tree.Tree, i int) string {
	required := slices.ContainsFunc(t.Packages, func(pkg tree.Package) bool { return slices.Contains(pkg.Requires, i) })
	switch n := len(requirers(t, i)); {
	case !required:
		return "recommends, or asks for beside others"
	case n == 1:
		return "requires"
	}
	return "require"
}

// pathTo tells by which packages a tree came to have one: the shortest way from its top.
func pathTo(t *tree.Tree, i int) string {
	from := make(map[int]int)
	queue := []int{len(t.Packages) - 1}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, r := range t.Packages[at].Requires {
			if _, seen := from[r]; !seen {
				from[r] = at
				queue = append(queue, r)
			}
		}
	}
	if _, ok := from[i]; !ok {
		return t.Name + " … " + t.Packages[i].Name
	}
	way := []string{t.Packages[i].Name}
	for i != len(t.Packages)-1 {
		i = from[i]
		way = append(way, t.Packages[i].Name)
	}
	slices.Reverse(way)
	return strings.Join(way, " → ")
}

type diffCmd struct {
	Old string `arg:"" help:"A platform's folder, or FOLDER@SERIAL for an earlier serial that is kept."`
	New string `arg:"" help:"The same, to compare with."`
}

// Run tells what differs between two published platforms.
func (c *diffCmd) Run(ctx context.Context, std streams) error {
	was, err := openPlatform(c.Old)
	if err != nil {
		return err
	}
	is, err := openPlatform(c.New)
	if err != nil {
		return err
	}
	before, err := offered(ctx, was)
	if err != nil {
		return err
	}
	after, err := offered(ctx, is)
	if err != nil {
		return err
	}
	var lines []string
	var added, removed, changed, below int
	for name, r := range after {
		o := before[name]
		switch {
		case o == nil:
			added++
			lines = append(lines, fmt.Sprintf("%s: new, %s", name, r.EVR()))
		case o.EVR() != r.EVR():
			changed++
			lines = append(lines, fmt.Sprintf("%s: %s, was %s", name, r.EVR(), o.EVR()))
		case o.Tree.SHA256 != r.Tree.SHA256:
			below++
			lines = append(lines, fmt.Sprintf("%s: %s as before, with other packages", name, r.EVR()))
		}
	}
	for name, o := range before {
		if after[name] == nil {
			removed++
			lines = append(lines, fmt.Sprintf("%s: gone, was %s", name, o.EVR()))
		}
	}
	slices.Sort(lines)
	for _, l := range lines {
		fmt.Fprintln(std.out, l)
	}
	if was.Base != is.Base {
		fmt.Fprintf(std.out, "the base is another: %s, was %d\n", count(is.Base.Packages, "package"), was.Base.Packages)
	}
	fmt.Fprintf(std.out, "serial %d and %d: %d new, %d gone, %d in another version, %d with other packages in their trees\n", was.Serial, is.Serial, added, removed, changed, below)
	return nil
}

// offered are the top-level packages of a platform, by name and architecture.
func offered(ctx context.Context, p *publish.Published) (map[string]*tree.Reference, error) {
	all := make(map[string]*tree.Reference)
	err := p.References(func(r *tree.Reference) error {
		if len(r.By) == 0 {
			all[r.Name+"."+r.Arch] = r
		}
		return context.Cause(ctx)
	})
	return all, err
}

type statusCmd struct {
	Dir string `arg:"" help:"The folder that build publishes in, or a platform's in it."`
}

// Run tells what is published in a folder.
func (c *statusCmd) Run(_ context.Context, std streams) error {
	dirs := []string{c.Dir}
	if _, err := os.Stat(filepath.Join(c.Dir, "platform.json")); err != nil {
		found, err := filepath.Glob(filepath.Join(c.Dir, "*", "platform.json"))
		if err != nil || len(found) == 0 {
			return fmt.Errorf("nothing is published in %s: name the output that presolver builds to", c.Dir)
		}
		dirs = nil
		for _, f := range found {
			dirs = append(dirs, filepath.Dir(f))
		}
	}
	var failed error
	for i, dir := range dirs {
		p, err := publish.OpenPublished(dir, 0)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if i > 0 {
			fmt.Fprintln(std.out)
		}
		describePublished(std, p, time.Now())
	}
	return failed
}

func describePublished(std streams, p *publish.Published, now time.Time) {
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	say := func(what, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", what, fmt.Sprintf(format, args...)) }
	const format = "2006-01-02 15:04 MST"
	say("platform", "%s, %s", p.Platform.Platform, p.Arch)
	say("serial", "%d", p.Serial)
	if was := p.Report.RolledBackTo; was > 0 {
		say("content", "that of the serial %d (presolver rollback)", was)
	}
	say("created", "%s", p.Created.Local().Format(format))
	left := p.Expires.Sub(now)
	if left < 0 {
		say("expires", "%s: it has, %d days ago: build again", p.Expires.Local().Format(format), int(-left.Hours()/24))
	} else {
		say("expires", "%s, in %d days", p.Expires.Local().Format(format), int(left.Hours()/24))
	}
	say("base", "%s", count(p.Base.Packages, "package"))
	if t := p.Report.Totals; p.Report.Serial > 0 {
		say("offered", "%s", count(t.Solved, "program"))
		say("in the base", "%s", count(t.InBase, "name"))
		say("replaced", "%s", count(t.Replaced, "name"))
		say("not solved", "%s", count(t.Unsolved, "name"))
	} else {
		say("offered", "%s; report.json is missing, or of another serial", count(p.Search.Lines, "line"))
	}
	say("size", "%s", size(p.Size()))
	w.Flush()
	tellUnsolved(std.out, p.Report.Unsolved)
}

// openPlatform opens what is published where a person says: a platform's folder, one of its serials,
// or the configuration that it is built by.
func openPlatform(of string) (*publish.Published, error) {
	info, err := os.Stat(of)
	if err != nil {
		if dir, serial, ok := cutSerial(of); ok {
			return publish.OpenPublished(dir, serial)
		}
		return nil, fmt.Errorf("%w: name the folder of a platform, or its configuration", err)
	}
	if info.IsDir() {
		return publish.OpenPublished(of, 0)
	}
	conf, _, err := readConfig(of)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	return publish.OpenPublished(filepath.Join(string(conf.Output), conf.Platform), 0)
}

func cutSerial(of string) (dir string, serial int64, ok bool) {
	i := strings.LastIndexByte(of, '@')
	if i < 0 {
		return "", 0, false
	}
	serial, err := strconv.ParseInt(of[i+1:], 10, 64)
	return of[:i], serial, err == nil && serial > 0
}
