// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A platform is the big one: all packages of a distribution, presolved.
type platform struct {
	name       string
	repository string   // folder of its own with repodata; no RPMs are behind it
	published  string   // folder
	base       []string // RPM files of a laptop's standard installation
	names      []string // of all top-level packages
	build      cost     // of presolving and publishing
}

const (
	corpusPlatform = "debian-12-x86_64"
	packages       = 63440
)

// platform is the big platform, made at the first call, or as -published has it.
func (b *bench) platform() (*platform, error) {
	if b.big != nil {
		return b.big, nil
	}
	p, err := b.repository()
	if err != nil {
		return nil, err
	}
	if b.published != "" {
		p.published, err = filepath.Abs(b.published)
	} else {
		err = b.build(p)
	}
	if err == nil {
		err = b.tools.Sign(p.published, b.keyFile())
	}
	if err == nil {
		err = p.readNames()
	}
	if err != nil {
		return nil, fmt.Errorf("the platform of %d packages: %w", packages, err)
	}
	b.big = p
	return p, nil
}

// repository is the platform without anything published.
func (b *bench) repository() (*platform, error) {
	if b.corpus == "" {
		dir := b.folder("repository")
		base, err := testbed.Multitude(dir, packages, 0)
		return &platform{name: testbed.Platform, repository: dir, base: []string{base}}, err
	}
	base, err := filepath.Glob(filepath.Join(b.corpus, "base", "*.rpm"))
	if err != nil {
		return nil, err
	}
	p := &platform{name: corpusPlatform, repository: filepath.Join(b.folder("repository"), "distribution"), base: base}
	return p, os.CopyFS(p.repository, os.DirFS(filepath.Join(b.corpus, "distribution")))
}

// build presolves all names and publishes them.
func (b *bench) build(p *platform) error {
	base := "sugar-session"
	if b.corpus == "" {
		base = "basesystem"
	}
	p.published = b.folder("published")
	text := fmt.Sprintf("platform = %q\narch = \"x86_64\"\noutput = %q\n\n[[repository]]\nid = \"main\"\nurl = \"file://%s\"\n\n[base]\npackages = [%q]\n\n[toplevel]\nall = true\n",
		p.name, p.published, p.repository, base)
	if err := os.WriteFile(p.config(), []byte(text), 0o644); err != nil {
		return err
	}
	b.say("presolving %d packages: a minute or two", packages)
	var err error
	p.build, err = b.buildAgain(p)
	return err
}

// buildAgain is what a platform's next build takes.
func (b *bench) buildAgain(p *platform) (cost, error) {
	c, _, err := b.cost(exec.Command(b.tools.Presolver, "build", "-c", p.config()))
	return c, err
}

func (p *platform) config() string { return filepath.Join(p.published, ".presolver.toml") }

// readNames reads from report.json what was solved.
func (p *platform) readNames() error {
	data, err := os.ReadFile(filepath.Join(p.published, p.name, "report.json"))
	if err != nil {
		return err
	}
	var report struct{ Solved []struct{ Name string } }
	if err := json.Unmarshal(data, &report); err != nil {
		return err
	}
	p.names = nil
	for _, s := range report.Solved {
		p.names = append(p.names, s.Name)
	}
	if len(p.names) == 0 {
		return errors.New("it has no trees")
	}
	return nil
}

// words are what people may search for: the parts of the names, each once, of three letters and
// more.
func (p *platform) words() []string {
	seen := make(map[string]bool)
	for _, name := range p.names {
		for _, w := range strings.Split(name, "-") {
			if len(w) >= 3 {
				seen[w] = true
			}
		}
	}
	var all []string
	for w := range seen {
		all = append(all, w)
	}
	slices.Sort(all)
	return all
}

// wanted is a program that people want.
func (p *platform) wanted() string {
	if slices.Contains(p.names, "sugar-write-activity") {
		return "sugar-write-activity"
	}
	return p.names[len(p.names)-1]
}
