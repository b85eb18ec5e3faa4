package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/pelletier/go-toml/v2"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	net "github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// config is the configuration file. What it leaves out has the value of defaults.
type config struct {
	Platform    string    `toml:"platform"`
	Root        string    `toml:"root"`
	RPMDB       string    `toml:"rpmdb"`
	State       string    `toml:"state"`
	Cache       string    `toml:"cache"`
	CacheLimit  byteSize  `toml:"cache_limit"`
	Dialect     string    `toml:"dialect"`
	IdleTimeout duration  `toml:"idle_timeout"`
	LogLevel    string    `toml:"log_level"`
	LogFile     string    `toml:"log_file"`
	Source      []source  `toml:"source"`
	Mounts      mounts    `toml:"mounts"`
	Transport   transport `toml:"transport"`
	Trust       trust     `toml:"trust"`
}

type source struct {
	ID         string `toml:"id"`
	Name       string `toml:"name"`
	URL        string `toml:"url"`
	Layout     string `toml:"layout"`
	Enabled    *bool  `toml:"enabled"`
	Signatures string `toml:"signatures"`
}

type mounts struct {
	Folders    []string `toml:"folders"`
	Signatures string   `toml:"signatures"`
}

type transport struct {
	Parallel int      `toml:"parallel"`
	RetryFor duration `toml:"retry_for"`
}

type trust struct {
	Keyring       string `toml:"keyring"`
	RPMSignatures string `toml:"rpm_signatures"`
}

func defaults() config {
	return config{
		Root:        "/",
		State:       "/var/lib/pk-presolve",
		Cache:       "/var/cache/pk-presolve",
		IdleTimeout: duration(5 * time.Second),
		LogLevel:    "warn",
		Mounts:      mounts{Folders: []string{"/run/media", "/media", "/mnt"}, Signatures: "required"},
		Transport:   transport{Parallel: 3, RetryFor: duration(10 * time.Minute)},
		Trust:       trust{Keyring: "/etc/PackageKit/presolve-keys", RPMSignatures: "optional"},
	}
}

// duration is a time.Duration that TOML has as a string, e.g. "5s".
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v <= 0 {
		return fmt.Errorf(`%q is not a time like "5s" or "10m"`, text)
	}
	*d = duration(v)
	return nil
}

// byteSize is a number of bytes that TOML has as a string, e.g. "200 MiB"; empty: 0.
type byteSize int64

var byteSizes = regexp.MustCompile(`^([1-9][0-9]{0,8}) ?(KiB|MiB|GiB)$|^$`)

func (b *byteSize) UnmarshalText(text []byte) error {
	m := byteSizes.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf(`%q is not a size like "200 MiB" or "2 GiB"`, text)
	}
	n, _ := strconv.Atoi(string(m[1])) // 0 where it is empty
	*b = byteSize(int64(n) << map[string]int{"KiB": 10, "MiB": 20, "GiB": 30}[string(m[2])])
	return nil
}

// readConfig reads and checks the configuration. An error names the file, the line where it can, and what would be right.
func readConfig(path string) (*config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return c, nil
}

func parseConfig(data []byte) (*config, error) {
	c := defaults()
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&c)
	var strict *toml.StrictMissingError
	var wrong *toml.DecodeError
	switch {
	case errors.As(err, &strict) && len(strict.Errors) > 0:
		row, _ := strict.Errors[0].Position()
		return nil, fmt.Errorf("%d: there is no key %q", row, strings.Join(strict.Errors[0].Key(), "."))
	case errors.As(err, &wrong):
		row, _ := wrong.Position()
		return nil, fmt.Errorf("%d: %s", row, strings.TrimPrefix(wrong.Error(), "toml: "))
	case err != nil:
		return nil, fmt.Errorf(" %w", err)
	}
	if key, problem := c.check(); problem != "" {
		return nil, fmt.Errorf("%s %s: %s", lineOf(data, key), key, problem)
	}
	return &c, nil
}

// check finds the first key whose value can't be, and says what would be right.
func (c *config) check() (key, problem string) {
	abs := func(p string) bool { return filepath.IsAbs(p) }
	switch {
	case c.Platform == "":
		return "platform", `a platform is needed, e.g. platform = "fedora-18-i686"`
	case strings.ContainsAny(c.Platform, "/ \t\n;&") || strings.HasPrefix(c.Platform, "."):
		return "platform", "a platform's name has no slashes, spaces and semicolons"
	case !abs(c.Root):
		return "root", "an absolute path is needed"
	case c.RPMDB != "" && !abs(c.RPMDB):
		return "rpmdb", "an absolute path within root is needed"
	case !abs(c.State):
		return "state", "an absolute path is needed"
	case !abs(c.Cache):
		return "cache", "an absolute path is needed"
	case hclog.LevelFromString(c.LogLevel) == hclog.NoLevel:
		return "log_level", "one of trace, debug, info, warn, error and off is needed"
	case slices.ContainsFunc(c.Mounts.Folders, func(p string) bool { return !abs(p) || filepath.Clean(p) == "/" }):
		return "mounts", "folders should be absolute paths, of folders in which sticks appear"
	case c.Mounts.Signatures != "required" && c.Mounts.Signatures != "none":
		return "mounts", fmt.Sprintf(`signatures = %q should be "required" or "none"`, c.Mounts.Signatures)
	case c.Transport.Parallel < 1 || c.Transport.Parallel > 16:
		return "parallel", "a number from 1 to 16 is needed"
	case !abs(c.Trust.Keyring):
		return "keyring", "an absolute path is needed"
	case c.Trust.RPMSignatures != "optional" && c.Trust.RPMSignatures != "required":
		return "rpm_signatures", `"optional" or "required" is needed`
	case len(c.Source) == 0:
		return "source", "at least one [[source]] is needed"
	}
	if c.Dialect != "" {
		if _, err := wire.ParseDialect(c.Dialect); err != nil {
			return "dialect", err.Error()
		}
	}
	var ids []string
	for _, s := range c.Source {
		if problem := s.check(); problem != "" {
			return "source", fmt.Sprintf("%q: %s", s.ID, problem)
		}
		if slices.Contains(ids, s.ID) {
			return "source", fmt.Sprintf("%q is the id of two", s.ID)
		}
		ids = append(ids, s.ID)
	}
	return "", ""
}

var sourceID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func (s *source) check() (problem string) {
	u, err := url.Parse(s.URL)
	switch {
	case !sourceID.MatchString(s.ID) || s.ID == "installed":
		return "an id of letters, digits and ._- is needed"
	case err != nil || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file":
		return fmt.Sprintf("the url %q should begin with http://, https:// or file://", net.Redacted(s.URL))
	case u.Scheme == "file" && !filepath.IsAbs(u.Path), u.Scheme != "file" && u.Host == "":
		return fmt.Sprintf("the url %q names no place", net.Redacted(s.URL))
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Sprintf("the url %q has a ? or a #, and is to be a folder: in a password write %%3F and %%23", net.Redacted(s.URL))
	case s.Layout != "" && s.Layout != string(offers.Presolve) && s.Layout != string(offers.SugarNetwork):
		return fmt.Sprintf("the layout %q should be presolve or sugar-network", s.Layout)
	case s.Signatures == "" || s.Signatures == "required":
		return `this version can't check signatures: the source can be used with signatures = "none"`
	case s.Signatures != "none":
		return fmt.Sprintf(`signatures = %q should be "required" or "none"`, s.Signatures)
	}
	return ""
}

// sources are all of them.
func (c *config) sources() []offers.Source {
	var all []offers.Source
	for _, s := range c.Source {
		layout := offers.Layout(s.Layout)
		if layout == "" {
			layout = offers.Presolve
		}
		disabled := s.Enabled != nil && !*s.Enabled
		all = append(all, offers.Source{ID: s.ID, Name: s.Name, URL: strings.TrimRight(s.URL, "/"), Layout: layout, Disabled: disabled})
	}
	return all
}

// lineOf is "N:" for the first line that sets a key or begins a table of that name, "" where none does.
func lineOf(data []byte, key string) string {
	re := regexp.MustCompile(`^\s*(\[\[?` + regexp.QuoteMeta(key) + `\]|` + regexp.QuoteMeta(key) + `\s*=)`)
	for i, l := range bytes.Split(data, []byte("\n")) {
		if re.Match(l) {
			return fmt.Sprintf("%d:", i+1)
		}
	}
	return ""
}
