package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// config is what presolver build -c reads.
type config struct {
	Platform         string       `toml:"platform"`
	Arch             string       `toml:"arch"`
	Output           string       `toml:"output"`
	RPMs             string       `toml:"rpms"`
	Layouts          []string     `toml:"layouts"`
	WeakDependencies bool         `toml:"weak_dependencies"`
	ValidFor         string       `toml:"valid_for"`
	Repository       []repository `toml:"repository"`
	Base             struct {
		Packages []string `toml:"packages"`
		Root     string   `toml:"root"`
		RPMDB    string   `toml:"rpmdb"`
	} `toml:"base"`
	Toplevel struct {
		Packages []string `toml:"packages"`
		File     string   `toml:"file"`
		All      bool     `toml:"all"`
	} `toml:"toplevel"`
	Signing struct {
		Key string `toml:"key"`
	} `toml:"signing"`

	validFor time.Duration // ValidFor, read
}

type repository struct {
	ID  string `toml:"id"`
	URL string `toml:"url"`
}

// readConfig reads and checks a configuration file. Its errors name the file and, where there is one, the line.
func readConfig(name string) (*config, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	return c, nil
}

// parseConfig does so without the file. Its errors begin with "LINE: ", or " " where there is no line.
func parseConfig(data []byte) (*config, error) {
	c := &config{RPMs: "upstream", Layouts: []string{"presolve"}, ValidFor: "720h"}
	d := toml.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(c)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		e := unknown.Errors[0]
		line, _ := e.Position()
		return nil, fmt.Errorf("%d: there is no key %s: %s", line, strings.Join(e.Key(), "."), rightKeys(e.Key()))
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, _ := wrong.Position()
		return nil, fmt.Errorf("%d: %s", line, explain(wrong))
	}
	if err != nil {
		return nil, fmt.Errorf(" %w", err)
	}
	if err := c.check(); err != nil {
		if line := lineOf(data, err.key); line > 0 {
			return nil, fmt.Errorf("%d: %s", line, err.message)
		}
		return nil, fmt.Errorf(" %s", err.message)
	}
	return c, nil
}

// A badValue says what is wrong with the value of a key, e.g. "repository.0.url", and what would be right.
type badValue struct{ key, message string }

// check tells the first thing that is wrong or missing or doesn't go together, and reads what needs reading.
func (c *config) check() *badValue {
	bad := func(key, format string, args ...any) *badValue { return &badValue{key, fmt.Sprintf(format, args...)} }
	var err error
	c.validFor, err = time.ParseDuration(c.ValidFor)
	switch {
	case c.Platform == "":
		return bad("platform", `platform is missing: name the release and the architecture, e.g. platform = "fedora-18-i686"`)
	case tree.CheckName(c.Platform) != nil || strings.HasPrefix(c.Platform, ".") || c.Platform == "packages":
		return bad("platform", "%q can't be the name of a platform, which becomes a folder: use letters, digits, hyphens and dots, as in fedora-18-i686", c.Platform)
	case c.Arch == "":
		return bad("arch", `arch is missing: name the architecture as rpm does, e.g. arch = "i686"`)
	case c.Arch == "noarch" || c.Arch == "src" || strings.Trim(c.Arch, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
		return bad("arch", "%q is not an architecture: name it as rpm does, e.g. x86_64, i686, aarch64 or armv7hl", c.Arch)
	case c.Output == "":
		return bad("output", `output is missing: name the folder to publish in, e.g. output = "/srv/presolve"`)
	case c.RPMs != "upstream" && c.RPMs != "copy":
		return bad("rpms", `rpms is %q: choose "upstream" (trees point to the repositories) or "copy" (the RPMs are put into the folder)`, c.RPMs)
	case len(c.Layouts) == 0:
		return bad("layouts", `layouts is empty: give "presolve", "sugar-network" or both, or leave it out`)
	case err != nil || c.validFor < time.Minute:
		return bad("valid_for", `valid_for is %q, which is not a time of a minute or more: give hours and minutes, e.g. "720h" for thirty days`, c.ValidFor)
	case len(c.Repository) == 0:
		return bad("repository", "there is no repository: add a table [[repository]] with id and url")
	case len(c.Base.Packages) == 0 && c.Base.Root == "":
		return bad("base", "there is no base: set packages or root in the table [base]")
	case len(c.Base.Packages) > 0 && c.Base.Root+c.Base.RPMDB != "":
		return bad("base.packages", "base.packages and base.root are both set: choose one")
	case len(c.Toplevel.Packages) == 0 && c.Toplevel.File == "" && !c.Toplevel.All:
		return bad("toplevel", "there is no top-level package: set packages, file or all in the table [toplevel]")
	case c.Signing.Key != "":
		return bad("signing.key", "signing.key is set and this version can't sign: leave it out")
	}
	for _, l := range c.Layouts {
		if l != "presolve" && l != "sugar-network" {
			return bad("layouts", `layouts has %q, which is neither "presolve" nor "sugar-network"`, l)
		}
		if l == "sugar-network" && c.RPMs != "copy" {
			return bad("layouts", `the layout "sugar-network" holds the RPMs itself: set rpms = "copy"`)
		}
	}
	for key, names := range map[string][]string{"base.packages": c.Base.Packages, "toplevel.packages": c.Toplevel.Packages} {
		for _, name := range names {
			if err := tree.CheckName(name); err != nil {
				return bad(key, "%s: %s: give its name alone, without version and architecture", key, err)
			}
		}
	}
	for i, r := range c.Repository {
		key := fmt.Sprintf("repository.%d", i)
		switch {
		case r.ID == "":
			return bad(key, "the repository has no id: name it")
		case tree.CheckID(r.ID) != nil:
			return bad(key+".id", "%q can't be a repository's id: use letters, digits and hyphens", r.ID)
		case slices.ContainsFunc(c.Repository[:i], func(o repository) bool { return o.ID == r.ID }):
			return bad(key+".id", "two repositories have the id %s: rename one", r.ID)
		case r.URL == "":
			return bad(key, "the repository %s has no url: name what holds repodata/", r.ID)
		case !isRepositoryURL(r.URL):
			return bad(key+".url", "%q is not a repository's address: give an http, https or file URL of what holds repodata/, e.g. http://mirror/fedora or file:///srv/fedora", r.URL)
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

// solve is the part of the configuration that solving needs.
func (c *config) solve(note func(string)) solve.Config {
	s := solve.Config{
		Arch:             c.Arch,
		WeakDependencies: c.WeakDependencies,
		FileLists:        slices.Contains(c.Layouts, "presolve"),
		Base:             solve.Base{Packages: c.Base.Packages, Root: c.Base.Root, RPMDB: c.Base.RPMDB},
		Note:             note,
	}
	for _, r := range c.Repository {
		s.Repositories = append(s.Repositories, solve.Repository{ID: r.ID, URL: r.URL})
	}
	return s
}

// publish is the part of the configuration that publishing needs.
func (c *config) publish() publish.Options {
	return publish.Options{
		Platform:     c.Platform,
		Arch:         c.Arch,
		Output:       c.Output,
		Copy:         c.RPMs == "copy",
		Presolve:     slices.Contains(c.Layouts, "presolve"),
		SugarNetwork: slices.Contains(c.Layouts, "sugar-network"),
		ValidFor:     c.validFor,
	}
}

// rightKeys says which keys a table has.
func rightKeys(key []string) string {
	t := reflect.TypeFor[config]()
	table := "the file"
	for _, k := range key[:len(key)-1] {
		f, ok := field(t, k)
		if !ok {
			break
		}
		if t = f.Type; t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		table = "[" + k + "]"
		if t.Kind() != reflect.Struct {
			return table + " is no table"
		}
	}
	var keys []string
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("toml"); key != "" {
			keys = append(keys, key)
		}
	}
	return table + " has " + strings.Join(keys, ", ")
}

func field(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("toml") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// explain says in the configuration's words what the TOML library says in Go's.
func explain(e *toml.DecodeError) string {
	key, want := strings.Join(e.Key(), "."), ""
	t := reflect.TypeFor[config]()
	for _, k := range e.Key() {
		for t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			break
		}
		f, ok := field(t, k)
		if !ok {
			return strings.TrimPrefix(e.Error(), "toml: ")
		}
		t = f.Type
	}
	switch t.Kind() {
	case reflect.String:
		want = `must be a string in quotes`
	case reflect.Bool:
		want = "must be true or false"
	case reflect.Slice:
		want = `must be a list of strings, e.g. ["a", "b"]`
		if t.Elem().Kind() == reflect.Struct {
			want = "must be written as a table [[" + key + "]]"
		}
	case reflect.Struct:
		want = "must be written as a table [" + key + "]"
	}
	message := strings.TrimPrefix(e.Error(), "toml: ")
	if key != "" && want != "" && (strings.Contains(message, "cannot decode") || strings.Contains(message, "cannot store") || strings.Contains(message, "type mismatch")) {
		return key + " " + want
	}
	if key != "" {
		return key + ": " + message
	}
	return message
}

// lineOf is the line of a key, or of the table that lacks it; 0 where there is neither. Tables in a list are counted: the url of
// the first [[repository]] is repository.0.url.
func lineOf(data []byte, key string) int {
	var p unstable.Parser
	p.Reset(data)
	lines := make(map[string]int)
	seen := make(map[string]int) // lists of tables
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		var parts []string
		var at unstable.Range
		for it := e.Key(); it.Next(); {
			if len(parts) == 0 {
				at = it.Node().Raw
			}
			parts = append(parts, string(it.Node().Data))
		}
		if len(parts) == 0 {
			continue
		}
		name := strings.Join(parts, ".")
		switch e.Kind {
		case unstable.Table:
			table = name + "."
		case unstable.ArrayTable:
			name = fmt.Sprintf("%s.%d", name, seen[name])
			seen[strings.Join(parts, ".")]++
			table = name + "."
		case unstable.KeyValue:
			name = table + name
		}
		if _, ok := lines[name]; !ok {
			lines[name] = p.Shape(at).Start.Line
		}
	}
	for key != "" {
		if line, ok := lines[key]; ok {
			return line
		}
		key = key[:max(strings.LastIndexByte(key, '.'), 0)]
	}
	return 0
}
