// SPDX-License-Identifier: GPL-2.0-or-later

package testbed

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
)

// A School is a published platform with its server and laptops.
type School struct {
	Tools
	Dir     string
	Server  *Server
	Key     *pgp.Signer // who signs what it publishes
	laptops atomic.Int64
}

// Base are the packages that every laptop of the school has.
var Base = []RPM{
	{Name: "basesystem", Summary: "The standard installation", Files: map[string]string{"/etc/school-release": "School 1\n"}},
	{Name: "libschool", Version: "2.0", Arch: "x86_64", Summary: "The school's library", Files: map[string]string{"/usr/lib64/libschool.so.2": "ELF\n"}},
}

// Programs are the other packages in the school's repository.
var Programs = []RPM{
	{Name: "hello", Version: "1.0", Summary: "Says hello", Requires: []string{"libgreet >= 1.2", "basesystem"}, Files: map[string]string{"/usr/bin/hello": "#!/bin/sh\n", "/usr/share/doc/hello/README": "hello\n"}},
	{Name: "libgreet", Version: "1.2", Release: "3", Arch: "x86_64", Summary: "Greetings in many languages", Requires: []string{"libtext", "libschool >= 2"}, Files: map[string]string{"/usr/lib64/libgreet.so.1": "ELF\n"}},
	{Name: "libtext", Version: "0.9", Epoch: 2, Arch: "x86_64", Summary: "Text for everybody", Files: map[string]string{"/usr/lib64/libtext.so.0": "ELF\n"}},
	{Name: "paint", Version: "3.1", Arch: "x86_64", Summary: "Draws and paints", Requires: []string{"libtext >= 2:0.9", "paint-data = 3.1-1"}, Files: map[string]string{"/usr/bin/paint": "ELF\n"}},
	{Name: "paint-data", Version: "3.1", Summary: "Brushes and colours", Requires: []string{"paint = 3.1-1"}, Files: map[string]string{"/usr/share/paint/brushes": strings.Repeat("brush ", 200000)}},
	{Name: "rival", Version: "1.0", Summary: "Has a file of hello's", Files: map[string]string{"/usr/bin/hello": "#!/bin/bash\n"}},
	{Name: "stubborn", Version: "1.0", Summary: "Can't be installed", Pre: `error("no, I won't")`, Files: map[string]string{"/usr/bin/stubborn": "no\n"}},
	{Name: "orphan", Version: "1.0", Summary: "Needs what nobody has", Requires: []string{"parents"}},
}

// TopLevel are the names that the school offers.
var TopLevel = []string{"hello", "paint", "rival", "stubborn", "orphan"}

// Patient is a program whose installation waits until its Gate, a pipe in the laptop's root, was
// opened for writing and closed.
var Patient = RPM{Name: "patient", Summary: "Waits before it is installed", Requires: []string{"libtext"},
	Pre: `io.open("` + Gate + `"):read("a")`, Files: map[string]string{"/usr/bin/patient": "ELF\n"}}

// Gate is Patient's pipe, which the test makes.
const Gate = "/gate"

// NewSchool makes a repository of Base and Programs, and of more programs that the school offers
// beside TopLevel, presolves it, and serves it.
func NewSchool(dir string, tools Tools, more ...RPM) (*School, error) {
	s := &School{Tools: tools, Dir: dir}
	var err error
	if s.Key, err = NewKey(s.keyFile()); err != nil {
		return nil, err
	}
	if err := Repository(filepath.Join(dir, "repository"), slices.Concat(Base, Programs, more)...); err != nil {
		return nil, err
	}
	offered := slices.Clone(TopLevel)
	for _, r := range more {
		offered = append(offered, r.Name)
	}
	config := fmt.Sprintf("platform = %q\narch = \"x86_64\"\noutput = %q\nrpms = \"copy\"\nlayouts = [\"presolve\", \"sugar-network\"]\n\n"+
		"[[repository]]\nid = \"main\"\nurl = %q\n\n[base]\npackages = [\"basesystem\", \"libschool\"]\n\n[toplevel]\npackages = [\"%s\"]\n\n[signing]\nkey = %q\n",
		Platform, s.Published(), "file://"+(&url.URL{Path: filepath.Join(dir, "repository")}).EscapedPath(), strings.Join(offered, `", "`), s.keyFile())
	if err := os.WriteFile(filepath.Join(dir, "presolver.toml"), []byte(config), 0o644); err != nil {
		return nil, err
	}
	if _, err := s.Build(filepath.Join(dir, "presolver.toml")); err != nil {
		return nil, err
	}
	s.Server, err = s.Serve(s.Published())
	return s, err
}

// NewKey makes a key that signs platforms, and writes the secret one to a file in a folder that is
// made.
func NewKey(file string) (*pgp.Signer, error) {
	k, err := pgp.Generate("School <school@example.org>", 0, time.Now())
	if err != nil {
		return nil, err
	}
	secret, err := k.Secret(nil)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	return k, os.WriteFile(file, secret, 0o600)
}

func (s *School) keyFile() string { return filepath.Join(s.Dir, "presolver.key") }

// Published is the folder that the school's server serves.
func (s *School) Published() string { return filepath.Join(s.Dir, "published") }

// Close stops the server.
func (s *School) Close() error { return s.Server.Stop() }

// A Laptop is a root with the base, and the configuration of its helper.
type Laptop struct {
	Dir    string
	Root   string
	Config string // file
	State  string
	Cache  string
}

// Laptop makes a laptop whose source has a URL; empty: the school's server. It believes what the school
// has signed; in the layout of Sugar Network nothing is signed, and the server is believed. more is
// added to its configuration, before the source. It looks for sticks only where more has a table
// [mounts].
func (s *School) Laptop(sourceURL, layout, more string) (*Laptop, error) {
	if layout == "sugar-network" {
		return s.Trusting(sourceURL, layout, more)
	}
	return s.laptop(sourceURL, layout, s.Key.Fingerprint, more)
}

// Trusting is Laptop for one that believes its source whatever that says.
func (s *School) Trusting(sourceURL, layout, more string) (*Laptop, error) {
	return s.laptop(sourceURL, layout, "", more)
}

func (s *School) laptop(sourceURL, layout, key, more string) (*Laptop, error) {
	var base []string
	for _, r := range Base {
		arch := r.Arch
		if arch == "" {
			arch = "noarch"
		}
		version := r.Version
		if version == "" {
			version = "1.0"
		}
		base = append(base, filepath.Join(s.Dir, "repository", r.Name+"-"+version+"-1."+arch+".rpm"))
	}
	if sourceURL == "" {
		sourceURL = s.Server.URL
	}
	return NewLaptop(filepath.Join(s.Dir, fmt.Sprintf("laptop%d", s.laptops.Add(1))), Platform, sourceURL, layout, key, more, base...)
}

// NewLaptop makes a laptop with a base of RPM files in a new folder. key is the fingerprint of who signs
// what the source publishes; empty: the source is believed.
func NewLaptop(dir, platform, sourceURL, layout, key, more string, base ...string) (*Laptop, error) {
	l := &Laptop{Dir: dir, Root: filepath.Join(dir, "root"), Config: filepath.Join(dir, "presolve.toml"), State: filepath.Join(dir, "state"), Cache: filepath.Join(dir, "cache")}
	if err := Root(l.Root, base...); err != nil {
		return nil, err
	}
	if !strings.Contains(more, "[mounts]") { // sticks in the computer that the tests run on are nobody's
		more += "\n[mounts]\nfolders = []\n"
	}
	if !strings.Contains(more, "idle_timeout") { // a slow computer lets a helper wait for what a test does
		more = "idle_timeout = \"10m\"\n" + more
	}
	config := fmt.Sprintf("platform = %q\nroot = %q\nrpmdb = %q\nstate = %q\ncache = %q\n%s\n[[source]]\nid = \"school\"\nname = \"School server\"\nurl = %q\nlayout = %q\n%s\n",
		platform, l.Root, DBPath, l.State, l.Cache, more, sourceURL, layout, Believing(key))
	return l, os.WriteFile(l.Config, []byte(config), 0o644)
}

// Believing is what a source's configuration says of signatures, where this is the fingerprint of who
// signs; empty: nobody does.
func Believing(key string) string {
	if key == "" {
		return `signatures = "none"`
	}
	return fmt.Sprintf("keys = [%q]", key)
}
