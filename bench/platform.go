// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	repository string   // folder with repodata; no RPMs are behind it
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
		return b.madeUp()
	}
	base, err := filepath.Glob(filepath.Join(b.corpus, "base", "*.rpm"))
	return &platform{name: corpusPlatform, repository: filepath.Join(b.corpus, "distribution"), base: base}, err
}

// build presolves all names and publishes them.
func (b *bench) build(p *platform) error {
	base := "sugar-session"
	if b.corpus == "" {
		base = "basesystem"
	}
	p.published = b.folder("published")
	config := filepath.Join(p.published, ".presolver.toml")
	text := fmt.Sprintf("platform = %q\narch = \"x86_64\"\noutput = %q\n\n[[repository]]\nid = \"main\"\nurl = \"file://%s\"\n\n[base]\npackages = [%q]\n\n[toplevel]\nall = true\n",
		p.name, p.published, p.repository, base)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	b.say("presolving %d packages: a minute or two", packages)
	var err error
	p.build, _, err = b.cost(exec.Command(b.tools.Presolver, "build", "-c", config))
	return err
}

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

// madeUp is a repository of as many packages, with names, summaries and dependencies that are made
// up.
func (b *bench) madeUp() (*platform, error) {
	dir := b.folder("repository")
	base := testbed.RPM{Name: "basesystem", Summary: "The standard installation"}
	file, err := base.Write(dir)
	if err != nil {
		return nil, err
	}
	syllables := []string{"ba", "cor", "di", "fen", "gu", "hal", "ki", "lo", "mir", "nu", "pa", "qui", "ro", "sel", "tu", "ver"}
	word := func(i int) string {
		return syllables[i%16] + syllables[i/16%16] + syllables[i*7%16] + syllables[i/256%16]
	}
	name := func(i int) string { return fmt.Sprintf("%s-%s%d", word(i%997), word(i), i) }
	var x strings.Builder
	fmt.Fprintf(&x, `<?xml version="1.0" encoding="UTF-8"?><metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="%d">`, packages)
	add := func(i int, name string, requires ...string) {
		digest := sha256.Sum256([]byte(name))
		fmt.Fprintf(&x, `<package type="rpm"><name>%s</name><arch>noarch</arch><version epoch="0" ver="1.%d" rel="1"/><checksum type="sha256" pkgid="YES">%x</checksum>`, name, i%50, digest)
		fmt.Fprintf(&x, `<summary>%s %s for %s</summary><description>It has %s, %s and %s.</description><packager/><url>http://example.org/%s</url><time file="1" build="1"/><size package="%d" installed="%d" archive="1"/><location href="%s.rpm"/>`,
			word(i*3), word(i*5), word(i*11), word(i*13), word(i*17), word(i*19), name, 10000+i, 30000+i, name)
		fmt.Fprintf(&x, `<format><rpm:license>GPLv2+</rpm:license><rpm:group>Unspecified</rpm:group><rpm:provides><rpm:entry name="%s" flags="EQ" epoch="0" ver="1.%d" rel="1"/></rpm:provides><rpm:requires>`, name, i%50)
		for _, r := range requires {
			fmt.Fprintf(&x, `<rpm:entry name="%s"/>`, r)
		}
		x.WriteString(`</rpm:requires></format></package>`)
	}
	add(0, "basesystem")
	for i := 1; i < packages; i++ {
		add(i, name(i), "basesystem", name(max(1, i/2)), name(max(1, i/3)), name(max(1, i%1000)))
	}
	x.WriteString(`</metadata>`)
	return &platform{name: testbed.Platform, repository: dir, base: []string{file}}, writeRepodata(dir, x.String())
}

// writeRepodata writes a repository's metadata.
func writeRepodata(dir, primary string) error {
	dir = filepath.Join(dir, "repodata")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "primary.xml.gz"))
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	z := gzip.NewWriter(io.MultiWriter(f, sum))
	if _, err := io.WriteString(z, primary); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	plain := sha256.Sum256([]byte(primary))
	return os.WriteFile(filepath.Join(dir, "repomd.xml"), fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?><repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision><data type="primary"><checksum type="sha256">%s</checksum><open-checksum type="sha256">%x</open-checksum><location href="repodata/primary.xml.gz"/><timestamp>1</timestamp></data></repomd>`,
		hex.EncodeToString(sum.Sum(nil)), plain), 0o644)
}
