// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// settings are what the configuration file says. What it leaves out has the value of defaults.
type settings struct {
	Platform   string      `toml:"platform"`
	Root       config.Path `toml:"root"`
	RPMDB      string      `toml:"rpmdb"` // within Root
	State      config.Path `toml:"state"`
	Cache      config.Path `toml:"cache"`
	CacheLimit config.Size `toml:"cache_limit"`
	// InstallOnlyLimit is how many versions of a kernel, and of the like, are kept; 0: all.
	InstallOnlyLimit int             `toml:"installonly_limit"`
	Dialect          string          `toml:"dialect"`
	IdleTimeout      config.Duration `toml:"idle_timeout"`
	LogLevel         string          `toml:"log_level"`
	LogFile          config.Path     `toml:"log_file"`
	Source           []source        `toml:"source"`
	Mounts           mounts          `toml:"mounts"`
	Transport        transport       `toml:"transport"`
	Trust            trustTable      `toml:"trust"`
}

type source struct {
	ID         string   `toml:"id"`
	Name       string   `toml:"name"`
	URL        string   `toml:"url"`
	Layout     string   `toml:"layout"`
	Enabled    *bool    `toml:"enabled"`
	Signatures string   `toml:"signatures"`
	Keys       []string `toml:"keys"` // fingerprints
}

type mounts struct {
	Folders    []config.Path `toml:"folders"`
	Signatures string        `toml:"signatures"` // of earlier versions
}

type transport struct {
	Parallel int             `toml:"parallel"`
	RetryFor config.Duration `toml:"retry_for"`
	User     string          `toml:"user"` // whose process downloads; empty: the helper does
}

type trustTable struct {
	Keyring       config.Path `toml:"keyring"`
	RPMSignatures string      `toml:"rpm_signatures"`
}

func defaults() settings {
	return settings{
		Root:             "/",
		State:            "/var/lib/pk-presolve",
		Cache:            "/var/cache/pk-presolve",
		InstallOnlyLimit: 3,
		IdleTimeout:      config.Duration(5 * time.Second),
		LogLevel:         "warn",
		Mounts:           mounts{Folders: []config.Path{"/run/media", "/media", "/mnt"}},
		Transport:        transport{Parallel: 16, RetryFor: config.Duration(10 * time.Minute), User: "_pk-presolve"},
		Trust:            trustTable{Keyring: "/etc/PackageKit/presolve-keys", RPMSignatures: "optional"},
	}
}

// readConfig reads and checks the configuration. An error names the file, the line where it can,
// and what would be right.
func readConfig(path string) (*settings, *config.File, error) {
	c := defaults()
	file, err := config.Read(path, &c)
	if err == nil {
		err = c.check(file)
	}
	return &c, file, err
}

// parseConfig does the same with what the file of that name has.
func parseConfig(path string, data []byte) (*settings, *config.File, error) {
	c := defaults()
	file, err := config.Parse(path, data, &c)
	if err == nil {
		err = c.check(file)
	}
	return &c, file, err
}

// check finds the first key whose value can't be, and says what would be right. It looks at nothing
// but the configuration: see database for the rest.
func (c *settings) check(file *config.File) error {
	switch {
	case c.Platform == "":
		return file.Errorf("platform", `platform is missing: write it as the sources do, e.g. platform = "fedora-18-i686"`)
	case strings.ContainsAny(c.Platform, "/ \t\n;&") || strings.HasPrefix(c.Platform, "."):
		return file.Errorf("platform", "platform = %s can't be: the name has no slashes, spaces and semicolons, and no dot at its start", config.Shown(c.Platform))
	case c.wrongArch() != "":
		return file.Errorf("platform", "platform = %q should end with what rpm calls the architecture: write platform = %q", c.Platform, c.wrongArch())
	case c.RPMDB != "" && !filepath.IsAbs(c.RPMDB):
		return file.Errorf("rpmdb", "rpmdb = %s should be the folder as root has it: write rpmdb = %s", config.Shown(c.RPMDB), config.Shown("/"+c.RPMDB))
	case hclog.LevelFromString(c.LogLevel) == hclog.NoLevel:
		return file.OneOf("log_level", c.LogLevel, "trace", "debug", "info", "warn", "error", "off")
	case c.Transport.Parallel < 1 || c.Transport.Parallel > 16:
		return file.Errorf("transport.parallel", "parallel = %d should be a number from 1 to 16", c.Transport.Parallel)
	case c.InstallOnlyLimit < 0 || c.InstallOnlyLimit == 1:
		return file.Errorf("installonly_limit", "installonly_limit = %d should be 2 or more, since the kernel that runs stays beside a new one, or 0 for no limit", c.InstallOnlyLimit)
	case len(c.Source) == 0:
		return file.Errorf("source", "there is no source: add a table [[source]] with id, url and signatures")
	}
	for _, f := range []struct {
		key, name string
		folder    config.Path
	}{{"root", "root", c.Root}, {"state", "state", c.State}, {"cache", "cache", c.Cache}, {"trust.keyring", "keyring", c.Trust.Keyring}} {
		if f.folder == "" {
			return file.Errorf(f.key, `%s = "" names no folder: leave it out for the usual one`, f.name)
		}
	}
	for i, folder := range c.Mounts.Folders {
		if folder == "" || filepath.Clean(string(folder)) == "/" {
			return file.Errorf(fmt.Sprintf("mounts.folders.%d", i), "folders has %q, which should be a folder in which sticks appear, such as /media", folder)
		}
	}
	if c.Dialect != "" {
		if _, err := wire.ParseDialect(c.Dialect); err != nil {
			return file.Errorf("dialect", "%v", err)
		}
	}
	if c.Mounts.Signatures != "" {
		return file.Errorf("mounts.signatures", "mounts.signatures is no more: a stick is believed for what a source's keys have signed; take it out")
	}
	if err := file.OneOf("trust.rpm_signatures", c.Trust.RPMSignatures, "optional", "required"); err != nil {
		return err
	}
	for i := range c.Source {
		if err := c.checkSource(file, i); err != nil {
			return err
		}
	}
	return nil
}

var sourceID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func (c *settings) checkSource(file *config.File, i int) error {
	s := &c.Source[i]
	key := func(name string) string { return fmt.Sprintf("source.%d.%s", i, name) }
	switch {
	case s.ID == "":
		return file.Errorf(key("id"), `the source has no id: name it, e.g. id = "school"`)
	case !sourceID.MatchString(s.ID) || s.ID == "installed":
		return file.Errorf(key("id"), `id = %s can't be: an id has letters, digits and ._- and isn't "installed"`, config.Shown(s.ID))
	case slices.ContainsFunc(c.Source[:i], func(o source) bool { return o.ID == s.ID }):
		return file.Errorf(key("id"), "two sources have the id %q: rename one", s.ID)
	case s.URL == "":
		return file.Errorf(key("url"), "the source %q has no url: name a server or a folder, with http://, https:// or file://", s.ID)
	}
	if problem := checkURL(s.URL); problem != "" {
		return file.Errorf(key("url"), "%s", problem)
	}
	if s.Layout != "" {
		if err := file.OneOf(key("layout"), s.Layout, offers.Layouts()...); err != nil {
			return err
		}
	}
	if err := file.OneOf(key("signatures"), cmp.Or(s.Signatures, "required"), "required", "none"); err != nil {
		return err
	}
	switch signed := s.Signatures != "none"; {
	case signed && s.Layout == string(offers.SugarNetwork) && c.Trust.RPMSignatures != "required":
		return file.Errorf(key("signatures"), `nothing that the source %q publishes can be signed but RPMs: set rpm_signatures = "required" in [trust], or signatures = "none" here, which believes the server and whoever is between`, s.ID)
	case len(s.Keys) > 0 && (!signed || s.Layout == string(offers.SugarNetwork)):
		return file.Errorf(key("keys"), "the source %q has keys, and what it publishes isn't checked by any: take keys out, or signatures", s.ID)
	}
	for n, text := range s.Keys {
		print, err := pgp.ParseFingerprint(text)
		if err != nil {
			return file.Errorf(fmt.Sprintf("%s.%d", key("keys"), n), "keys: %v", err)
		}
		s.Keys[n] = print
	}
	return nil
}

// wrongArch is what the platform's name should be where it ends with an architecture as rpm doesn't
// call it; "" where it is right. What presolver publishes is named so; a node of Sugar Network may
// have names of its own.
func (c *settings) wrongArch() string {
	release, arch, wrong := config.PlatformArch(c.Platform)
	if !wrong || !slices.ContainsFunc(c.sources(), func(s offers.Source) bool { return s.Layout == offers.Presolve }) {
		return ""
	}
	return release + "-" + arch
}

// checkURL says what is wrong with the URL of a source, if anything.
func checkURL(text string) (problem string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file":
		return fmt.Sprintf("the url %s should begin with http://, https:// or file://", config.Shown(text))
	case u.Scheme == "file" && u.Host != "" && u.Host != "localhost":
		return fmt.Sprintf("the url %s names a computer: a folder of this one has three slashes, %s", config.Shown(text), config.Shown("file:///"+u.Host+u.Path))
	case u.Scheme == "file" && !filepath.IsAbs(u.Path), u.Scheme != "file" && u.Host == "":
		return fmt.Sprintf("the url %s names no place", config.Shown(text))
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Sprintf("the url %s has a ? or a #, and is to be a folder: in a password write %%3F and %%23", config.Shown(text))
	}
	return ""
}

// sources are all of them.
func (c *settings) sources() []offers.Source {
	var all []offers.Source
	for _, s := range c.Source {
		layout := offers.Layout(s.Layout)
		if layout == "" {
			layout = offers.Presolve
		}
		disabled := s.Enabled != nil && !*s.Enabled
		keys := slices.Compact(slices.Sorted(slices.Values(s.Keys)))
		all = append(all, offers.Source{
			ID: s.ID, Name: s.Name, URL: strings.TrimRight(s.URL, "/"), Layout: layout, Disabled: disabled,
			Signed: s.Signatures != "none" && layout == offers.Presolve, Keys: strings.Join(keys, " "),
		})
	}
	return all
}

// database finds the RPM database of the root. That there is none is an error of the configuration:
// a system without packages would look as if it lacked its standard installation. A few stats.
func (c *settings) database(file *config.File) (rpm.Database, error) {
	root := string(c.Root)
	d := rpm.FindDatabase(root, c.RPMDB)
	state, err := d.State()
	if err == nil && state != "" {
		return d, nil
	}
	key, correct := "root", "correct root, or set rpmdb where rpm has it elsewhere"
	if c.RPMDB != "" {
		key, correct = "rpmdb", "correct rpmdb"
		if usual := rpm.FindDatabase(root, ""); err == nil {
			if state, err := usual.State(); err == nil && state != "" {
				return d, file.Errorf(key, "rpmdb = %s has no RPM database: did you mean %q?", config.Shown(c.RPMDB), usual.Path)
			}
		}
	}
	switch info, wrong := os.Stat(root); {
	case wrong != nil || !info.IsDir():
		return d, file.Errorf("root", "there is no folder %s: correct root", root)
	case err != nil:
		return d, file.Errorf(key, "%v: %s", err, correct)
	}
	return d, file.Errorf(key, "there is no RPM database in %s: %s; \"rpm --root %s --dbpath %s --initdb\" makes an empty one", d.Dir(), correct, root, d.Path)
}

var errNotRoot = errors.New("it isn't root")

// downloader is the user whose process downloads; nil, and why, where the helper does it. A user who
// is in none of the system's files is none: /etc/passwd is read.
func (t *transport) downloader() (*syscall.Credential, error) {
	if t.User == "" {
		return nil, errors.New("the configuration says so")
	}
	u, err := user.Lookup(t.User)
	if err != nil {
		return nil, fmt.Errorf("there is no user %s: systemd-sysusers makes it", t.User)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if uid == 0 || gid == 0 {
		return nil, fmt.Errorf("%s is root, or of its group", t.User)
	}
	if os.Geteuid() != 0 {
		return nil, errNotRoot
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// mountFolders are the folders in which sticks appear.
func (c *settings) mountFolders() (all []string) {
	for _, f := range c.Mounts.Folders {
		all = append(all, string(f))
	}
	return all
}
