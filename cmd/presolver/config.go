// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/bucket"
	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// settings are what the file of presolver build -c says.
type settings struct {
	name             string          // of the file
	Platform         string          `toml:"platform"`
	Arch             string          `toml:"arch"`
	ReleaseVer       string          `toml:"releasever"`
	Output           config.Path     `toml:"output"`
	Bucket           string          `toml:"bucket"` // where Output is brought to
	Cache            config.Path     `toml:"cache"`
	RPMs             string          `toml:"rpms"`
	Layouts          []string        `toml:"layouts"`
	WeakDependencies bool            `toml:"weak_dependencies"`
	Pages            bool            `toml:"pages"`
	ValidFor         config.Duration `toml:"valid_for" unit:"h"`
	PlatformID       string          `toml:"platform_id"`
	Repository       []repository    `toml:"repository"`
	Module           []module        `toml:"module"`
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
	Transport struct {
		Parallel int             `toml:"parallel"`
		RetryFor config.Duration `toml:"retry_for"`
		Rate     config.Size     `toml:"rate"` // a second
		At       string          `toml:"at"`
	} `toml:"transport"`
	Signing struct {
		Key            config.Path `toml:"key"`
		PassphraseFile config.Path `toml:"passphrase_file"`
		Command        []string    `toml:"command"`
		Public         config.Path `toml:"public"` // of Command's key
		Keys           config.Path `toml:"keys"`   // a folder
	} `toml:"signing"`
}

type repository struct {
	ID             string   `toml:"id"`
	URL            string   `toml:"url"`
	URLs           []string `toml:"urls"`
	MirrorList     string   `toml:"mirrorlist"`
	Metalink       string   `toml:"metalink"`
	ModuleHotfixes bool     `toml:"module_hotfixes"`
}

// A module is one whose stream is enabled.
type module struct {
	Name   string `toml:"name"`
	Stream string `toml:"stream"`
}

// An address is one of a repository, and its key.
type address struct {
	key string // as File has it
	url *string
}

// places are those that hold repodata/, lists those of lists of such. What is left out isn't there.
func (r *repository) places(i int) (all []address) {
	if r.URL != "" {
		all = append(all, address{fmt.Sprintf("repository.%d.url", i), &r.URL})
	}
	for j := range r.URLs {
		all = append(all, address{fmt.Sprintf("repository.%d.urls.%d", i, j), &r.URLs[j]})
	}
	return all
}

func (r *repository) lists(i int) (all []address) {
	if r.MirrorList != "" {
		all = append(all, address{fmt.Sprintf("repository.%d.mirrorlist", i), &r.MirrorList})
	}
	if r.Metalink != "" {
		all = append(all, address{fmt.Sprintf("repository.%d.metalink", i), &r.Metalink})
	}
	return all
}

func defaults() settings {
	c := settings{RPMs: "upstream", Layouts: []string{publish.Presolve.Name}, ValidFor: config.Duration(720 * time.Hour)}
	c.Transport.Parallel, c.Transport.RetryFor = 16, config.Duration(10*time.Minute)
	return c
}

// readConfig reads and checks a configuration file, and looks whether the files that it names are
// there. Its errors name the file, the line where they can, and what would be right.
func readConfig(name string) (*settings, *config.File, error) {
	c := defaults()
	c.name = name
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
	case c.Bucket != "" && bucket.Check(c.Bucket) != nil:
		return bad("bucket", "bucket = %s: %v", config.Shown(c.Bucket), bucket.Check(c.Bucket))
	case c.Bucket != "" && slices.Contains(c.Layouts, publish.SugarNetwork.Name):
		return bad("bucket", "readers of the layout %q list its folder, which a bucket doesn't answer: leave out the bucket, or publish that layout by another configuration", publish.SugarNetwork.Name)
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
	}
	if err := c.checkSigning(file); err != nil {
		return err
	}
	if release, _, wrong := config.PlatformArch(c.Platform); wrong {
		return bad("platform", "platform = %q should end with what rpm calls the architecture: write platform = %q", c.Platform, release+"-"+c.Arch)
	}
	switch {
	case c.Transport.Parallel < 1 || c.Transport.Parallel > 16:
		return bad("transport.parallel", "parallel = %d should be a number from 1 to 16", c.Transport.Parallel)
	case c.Transport.Rate != 0 && c.Transport.Rate < minRate:
		return bad("transport.rate", `rate = "%s" is too little, a second, to download anything: give "%s" or more`, c.Transport.Rate, minRate)
	case c.Transport.At != "" && c.hours() == nil:
		return bad("transport.at", `at = %s should be two times of the day, e.g. at = "22:00-06:00"`, config.Shown(c.Transport.At))
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
	return c.checkModules(file)
}

func (c *settings) checkSigning(file *config.File) error {
	s := &c.Signing
	switch {
	case s.Key != "" && isBelow(string(s.Key), string(c.Output)):
		return file.Errorf("signing.key", "signing.key = %s is in the output, where everybody can download it: put it elsewhere", config.Shown(string(s.Key)))
	case s.Key != "" && len(s.Command) > 0:
		return file.Errorf("signing.command", "signing.key and signing.command are both set: choose one")
	case len(s.Command) > 0 && s.Command[0] == "":
		return file.Errorf("signing.command", "signing.command names no program")
	case len(s.Command) > 0 && s.Public == "":
		return file.Errorf("signing.command", `signing.command needs the public key that it signs with: export it to a file, and name that: public = "key.asc"`)
	case s.Public != "" && len(s.Command) == 0:
		return file.Errorf("signing.public", "signing.public belongs to signing.command: leave it out")
	case s.PassphraseFile != "" && s.Key == "":
		return file.Errorf("signing.passphrase_file", "signing.passphrase_file belongs to signing.key: leave it out")
	case s.Keys != "" && s.Key == "" && len(s.Command) == 0:
		return file.Errorf("signing.keys", "signing.keys says who may sign, and nobody does: set signing.key or signing.command")
	}
	return nil
}

// isBelow tells whether a path is in a folder, by their names.
func isBelow(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}

func (c *settings) checkModules(file *config.File) error {
	if c.PlatformID != "" {
		if _, err := solve.ParsePlatformID(c.PlatformID); err != nil {
			return file.Errorf("platform_id", "%v", err)
		}
	}
	for i, m := range c.Module {
		key := fmt.Sprintf("module.%d.", i)
		switch {
		case m.Name == "":
			return file.Errorf(key+"name", "the module has no name: name it")
		case m.Stream == "":
			return file.Errorf(key+"stream", `the module %s has no stream: say which one is enabled, in quotes, e.g. stream = "12"`, config.Shown(m.Name))
		case solve.Module(m).Check() != nil:
			return file.Errorf(key+"name", "%v", solve.Module(m).Check())
		case slices.ContainsFunc(c.Module[:i], func(o module) bool { return o.Name == m.Name }):
			return file.Errorf(key+"name", "the module %s is there twice: one of its streams can be enabled", m.Name)
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
	}
	places, lists := c.Repository[i].places(i), c.Repository[i].lists(i)
	if len(places)+len(lists) == 0 {
		return file.Errorf(key+"url", "the repository %s has no url: name what holds repodata/, or the list of its mirrors in mirrorlist or metalink", r.ID)
	}
	for _, a := range slices.Concat(places, lists) {
		if strings.Contains(*a.url, "$releasever") && c.ReleaseVer == "" {
			return file.Errorf(a.key, `%s has $releasever: give the release too, before the tables, e.g. releasever = "40"`, config.Shown(*a.url))
		}
		*a.url = c.variables().Replace(*a.url)
	}
	for _, a := range places {
		switch {
		case !isRepositoryURL(*a.url):
			return file.Errorf(a.key, "%s is not a repository's address: give an http, https or file URL of what holds repodata/, e.g. http://mirror/fedora or file:///srv/fedora", config.Shown(*a.url))
		case c.RPMs == "upstream" && strings.Contains(authority(*a.url), "@"):
			return file.Errorf(a.key, `the url %s has a user or password, which rpms = "upstream" would publish: set rpms = "copy", or take it out of the url`, config.Shown(*a.url))
		}
	}
	for _, a := range lists {
		switch {
		case !isRepositoryURL(*a.url):
			return file.Errorf(a.key, "%s is not the address of a list: give an http, https or file URL", config.Shown(*a.url))
		case strings.Contains(authority(*a.url), "@"):
			return file.Errorf(a.key, "%s has a user or password: only a repository's url and urls may", config.Shown(*a.url))
		}
	}
	return nil
}

// variables are what dnf replaces in the URLs of repositories.
func (c *settings) variables() *strings.Replacer {
	base := cmp.Or(baseArch[c.Arch], c.Arch)
	return strings.NewReplacer("$basearch", base, "${basearch}", base, "$arch", c.Arch, "${arch}", c.Arch, "$releasever", c.ReleaseVer, "${releasever}", c.ReleaseVer)
}

// baseArch is what dnf calls the family of an architecture where that isn't its own name (dnf's
// rpm/__init__.py, _BASEARCH_MAP).
var baseArch = map[string]string{
	"i486": "i386", "i586": "i386", "i686": "i386", "athlon": "i386", "geode": "i386",
	"armv7hl": "armhfp", "armv7hnl": "armhfp", "armv8hl": "armhfp", "armv5tel": "arm", "armv6l": "arm", "armv7l": "arm",
}

// authority is who and where in a URL that isRepositoryURL takes: user:password@host:port.
func authority(text string) string {
	_, rest, _ := strings.Cut(text, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest
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

// warnings are what can be meant, and most often isn't.
func (c *settings) warnings() (all []string) {
	for i := range c.Repository {
		r := &c.Repository[i]
		places := r.places(i)
		if c.RPMs != "upstream" || len(places) == 0 || r.MirrorList != "" || r.Metalink != "" || slices.ContainsFunc(places, func(a address) bool { return !strings.HasPrefix(*a.url, "file:") }) {
			continue
		}
		all = append(all, fmt.Sprintf(`the repository %s is in a folder of this computer, %s, where laptops would look for RPMs in a folder of theirs: set rpms = "copy", or give the http url that laptops have`, r.ID, *places[0].url))
	}
	return all
}

// lookAtRepositories tells whether those in folders are there. A build finds it out by itself, and
// it can be that one is just being made.
func (c *settings) lookAtRepositories(file *config.File) error {
	for i := range c.Repository {
		for _, a := range c.Repository[i].places(i) {
			u, err := url.Parse(*a.url)
			if err != nil || u.Scheme != "file" {
				continue
			}
			if _, err := os.Stat(filepath.Join(u.Path, "repodata/repomd.xml")); err != nil {
				return file.Errorf(a.key, "there is no repository in %s: correct the url, or run createrepo_c", u.Path)
			}
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

// minRate is what servers that are slower are taken for dead.
const minRate config.Size = 8 << 10

var hours = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):([0-5][0-9]) ?- ?([01]?[0-9]|2[0-3]):([0-5][0-9])$`)

// hours are those of transport.at; nil where there are none, or it makes no sense.
func (c *settings) hours() *transport.Hours { return parseHours(c.Transport.At) }

// parseHours are the hours that a text names; nil where it names none.
func parseHours(text string) *transport.Hours {
	m := hours.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	at := func(hour, minute string) transport.Clock {
		h, _ := strconv.Atoi(hour)
		m, _ := strconv.Atoi(minute)
		return transport.Clock(60*h + m)
	}
	h := &transport.Hours{From: at(m[1], m[2]), To: at(m[3], m[4])}
	if h.From == h.To {
		return nil
	}
	return h
}

// cache is where downloads are kept: where serve shows nothing of them, and the disk is the one that
// RPMs are published on.
func (c *settings) cache() string {
	return cmp.Or(string(c.Cache), filepath.Join(string(c.Output), ".cache"))
}

// downloads is the part of the configuration that downloading needs.
func (c *settings) downloads() solve.Downloads {
	return solve.Downloads{
		Cache: c.cache(), For: c.Platform, Parallel: c.Transport.Parallel, RetryFor: time.Duration(c.Transport.RetryFor),
		Rate: int64(c.Transport.Rate), Hours: c.hours(),
	}
}

// solve is the part of the configuration that solving needs.
func (c *settings) solve(note func(string)) solve.Config {
	s := solve.Config{
		Arch:             c.Arch,
		WeakDependencies: c.WeakDependencies,
		FileLists:        slices.ContainsFunc(c.layouts(), func(l *publish.Layout) bool { return l.FileLists }),
		Base:             c.base(),
		PlatformID:       c.PlatformID,
		Note:             note,
		Warn:             func(w solve.Warning) { note("warning: " + w.String()) },
	}
	for _, r := range c.Repository {
		s.Repositories = append(s.Repositories, solve.Repository{ID: r.ID, URL: r.URL, URLs: r.URLs, MirrorList: r.MirrorList, Metalink: r.Metalink, ModuleHotfixes: r.ModuleHotfixes})
	}
	for _, m := range c.Module {
		s.Modules = append(s.Modules, solve.Module(m))
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
