// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// settings are what the file of presolver build -c says.
type settings struct {
	Platform         string          `toml:"platform"`
	Arch             string          `toml:"arch"`
	Output           config.Path     `toml:"output"`
	RPMs             string          `toml:"rpms"`
	Layouts          []string        `toml:"layouts"`
	WeakDependencies bool            `toml:"weak_dependencies"`
	ValidFor         config.Duration `toml:"valid_for" unit:"h"`
	Repository       []repository    `toml:"repository"`
	Base             struct {
		Packages []string    `toml:"packages"`
		Root     config.Path `toml:"root"`
		RPMDB    string      `toml:"rpmdb"` // within Root
	} `toml:"base"`
	Toplevel struct {
		Packages []string    `toml:"packages"`
		File     config.Path `toml:"file"`
		All      bool        `toml:"all"`
	} `toml:"toplevel"`
	Signing struct {
		Key string `toml:"key"`
	} `toml:"signing"`
}

type repository struct {
	ID  string `toml:"id"`
	URL string `toml:"url"`
}

func defaults() settings {
	return settings{RPMs: "upstream", Layouts: []string{publish.Presolve.Name}, ValidFor: config.Duration(720 * time.Hour)}
}

// readConfig reads and checks a configuration file, and looks whether the files that it names are
// there. Its errors name the file, the line where they can, and what would be right.
func readConfig(name string) (*settings, *config.File, error) {
	c := defaults()
	file, err := config.Read(name, &c)
	if err == nil {
		err = c.check(file)
	}
	if err == nil {
		err = c.look(file)
	}
	return &c, file, err
}

// parseConfig does so with what the file of that name has, and looks at no other file.
func parseConfig(name string, data []byte) (*settings, *config.File, error) {
	c := defaults()
	file, err := config.Parse(name, data, &c)
	if err == nil {
		err = c.check(file)
	}
	return &c, file, err
}

// check tells the first thing that is wrong or missing or doesn't go together.
func (c *settings) check(file *config.File) error {
	bad := file.Errorf
	switch {
	case c.Platform == "":
		return bad("platform", `platform is missing: name the release and the architecture, e.g. platform = "fedora-18-i686"`)
	case tree.CheckName(c.Platform) != nil || strings.HasPrefix(c.Platform, ".") || c.Platform == "packages":
		return bad("platform", "%s can't be the name of a platform, which becomes a folder: use letters, digits, hyphens and dots, as in fedora-18-i686", config.Shown(c.Platform))
	case c.Arch == "":
		return bad("arch", `arch is missing: name the architecture as rpm does, e.g. arch = "i686"`)
	case config.RPMArch(c.Arch) != "":
		return bad("arch", "arch = %q is not what rpm calls it: write arch = %q", c.Arch, config.RPMArch(c.Arch))
	case c.Arch == "noarch" || c.Arch == "src" || strings.Trim(c.Arch, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
		return bad("arch", "%s is not an architecture: name it as rpm does, e.g. x86_64, i686, aarch64 or armv7hl", config.Shown(c.Arch))
	case c.Output == "":
		return bad("output", `output is missing: name the folder to publish in, e.g. output = "/srv/presolve"`)
	case len(c.Layouts) == 0:
		return bad("layouts", "layouts is empty: give at least one, %s, or leave it out", config.Either(publish.LayoutNames()...))
	case time.Duration(c.ValidFor) < time.Minute:
		return bad("valid_for", `valid_for = "%s" is less than a minute: give hours and minutes, e.g. "720h" for thirty days`, c.ValidFor)
	case len(c.Repository) == 0:
		return bad("repository", "there is no repository: add a table [[repository]] with id and url")
	case len(c.Base.Packages) == 0 && c.Base.Root == "":
		return bad("base", "there is no base: set packages or root in the table [base]")
	case len(c.Base.Packages) > 0 && (c.Base.Root != "" || c.Base.RPMDB != ""):
		return bad("base.packages", "base.packages and base.root are both set: choose one")
	case c.Base.RPMDB != "" && !filepath.IsAbs(c.Base.RPMDB):
		return bad("base.rpmdb", "rpmdb = %s should be the folder as root has it: write rpmdb = %s", config.Shown(c.Base.RPMDB), config.Shown("/"+c.Base.RPMDB))
	case len(c.Toplevel.Packages) == 0 && c.Toplevel.File == "" && !c.Toplevel.All:
		return bad("toplevel", "there is no top-level package: set packages, file or all in the table [toplevel]")
	case c.Signing.Key != "":
		return bad("signing.key", "signing.key is set and this version can't sign: leave it out")
	}
	if release, _, wrong := config.PlatformArch(c.Platform); wrong {
		return bad("platform", "platform = %q should end with what rpm calls the architecture: write platform = %q", c.Platform, release+"-"+c.Arch)
	}
	if err := file.OneOf("rpms", c.RPMs, "upstream", "copy"); err != nil {
		return err
	}
	for i, l := range c.Layouts {
		key := fmt.Sprintf("layouts.%d", i)
		if err := file.OneOf(key, l, publish.LayoutNames()...); err != nil {
			return err
		}
		if publish.LayoutNamed(l).NeedsRPMs && c.RPMs != "copy" {
			return bad(key, `the layout %q holds the RPMs itself: set rpms = "copy"`, l)
		}
	}
	for _, list := range []struct {
		key   string
		names []string
	}{{"base.packages", c.Base.Packages}, {"toplevel.packages", c.Toplevel.Packages}} {
		for i, name := range list.names {
			if err := tree.CheckName(name); err != nil {
				return bad(fmt.Sprintf("%s.%d", list.key, i), "%s: %v: give its name alone, without version and architecture", list.key, err)
			}
		}
	}
	for i := range c.Repository {
		if err := c.checkRepository(file, i); err != nil {
			return err
		}
	}
	return nil
}

func (c *settings) checkRepository(file *config.File, i int) error {
	r := c.Repository[i]
	key := fmt.Sprintf("repository.%d.", i)
	switch {
	case r.ID == "":
		return file.Errorf(key+"id", "the repository has no id: name it")
	case tree.CheckID(r.ID) != nil:
		return file.Errorf(key+"id", "%s can't be a repository's id: use letters, digits and hyphens", config.Shown(r.ID))
	case slices.ContainsFunc(c.Repository[:i], func(o repository) bool { return o.ID == r.ID }):
		return file.Errorf(key+"id", "two repositories have the id %s: rename one", r.ID)
	case r.URL == "":
		return file.Errorf(key+"url", "the repository %s has no url: name what holds repodata/", r.ID)
	case !isRepositoryURL(r.URL):
		return file.Errorf(key+"url", "%s is not a repository's address: give an http, https or file URL of what holds repodata/, e.g. http://mirror/fedora or file:///srv/fedora", config.Shown(r.URL))
	case c.RPMs == "upstream" && hasUser(r.URL):
		return file.Errorf(key+"url", `the url %s has a user or password, which rpms = "upstream" would publish: set rpms = "copy", or take it out of the url`, config.Shown(r.URL))
	}
	return nil
}

// hasUser tells whether a URL that isRepositoryURL takes has a user name or a password.
func hasUser(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.User != nil
}

// look tells whether the files that the configuration names are there.
func (c *settings) look(file *config.File) error {
	if len(c.Base.Packages) == 0 {
		if _, err := c.base().Database(); err != nil {
			key := "base.root"
			if c.Base.RPMDB != "" {
				key = "base.rpmdb"
			}
			return file.Errorf(key, "%v", err)
		}
	}
	if c.Toplevel.File != "" {
		if _, err := readNames(string(c.Toplevel.File)); err != nil {
			return file.Errorf("toplevel.file", "%v: correct it", err)
		}
	}
	return nil
}

// lookAtRepositories tells whether those in folders are there. A build finds it out by itself, and
// it can be that one is just being made.
func (c *settings) lookAtRepositories(file *config.File) error {
	for i, r := range c.Repository {
		u, err := url.Parse(r.URL)
		if err != nil || u.Scheme != "file" {
			continue
		}
		if _, err := os.Stat(filepath.Join(u.Path, "repodata/repomd.xml")); err != nil {
			return file.Errorf(fmt.Sprintf("repository.%d.url", i), "there is no repository in %s: correct the url, or run createrepo_c", u.Path)
		}
	}
	return nil
}

func isRepositoryURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "http", "https":
		return u.Host != ""
	case "file":
		return u.Host == "" && filepath.IsAbs(u.Path)
	}
	return false
}

func (c *settings) base() solve.Base {
	return solve.Base{Packages: c.Base.Packages, Root: string(c.Base.Root), RPMDB: c.Base.RPMDB}
}

// solve is the part of the configuration that solving needs.
func (c *settings) solve(note func(string)) solve.Config {
	s := solve.Config{
		Arch:             c.Arch,
		WeakDependencies: c.WeakDependencies,
		FileLists:        slices.ContainsFunc(c.layouts(), func(l *publish.Layout) bool { return l.FileLists }),
		Base:             c.base(),
		Note:             note,
	}
	for _, r := range c.Repository {
		s.Repositories = append(s.Repositories, solve.Repository{ID: r.ID, URL: r.URL})
	}
	return s
}

// publish is the part of the configuration that publishing needs.
func (c *settings) publish() publish.Options {
	return publish.Options{
		Platform: c.Platform,
		Arch:     c.Arch,
		Output:   string(c.Output),
		Copy:     c.RPMs == "copy",
		Layouts:  c.layouts(),
		ValidFor: time.Duration(c.ValidFor),
	}
}

func (c *settings) layouts() (all []*publish.Layout) {
	for _, name := range c.Layouts {
		all = append(all, publish.LayoutNamed(name))
	}
	return all
}
