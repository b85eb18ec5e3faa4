// SPDX-License-Identifier: GPL-2.0-or-later

package repotest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A World is the repositories of a platform that is made up, and changes: packages of few names, so
// that they depend on each other in every way.
type World struct {
	Base   []string
	Weak   bool   // whether what is recommended comes
	Stream string // of the module m that is enabled; "": none, or there are no modules

	*rand.Rand
	names    int
	packages [2][]*made // by repository
	modules  bool       // the second has streams of a module
	plain    bool       // as most distributions: one architecture, no conditions, a base that needs something
}

func (w *World) name() string { return fmt.Sprintf("p%02d", w.IntN(w.names)) }

func (w *World) version() string { return fmt.Sprint(1+w.IntN(4)) + strings.Repeat(".0", w.IntN(2)) }

// thing is what can be depended on: a package, something that packages of several names provide, a
// file, each with or without a version.
func (w *World) thing() string {
	switch w.IntN(8) {
	case 0, 2:
		return fmt.Sprintf("virtual%d", w.IntN(4))
	case 1:
		return fmt.Sprintf("/usr/bin/f%d", w.IntN(4))
	}
	return w.name()
}

func (w *World) dep(k int) string {
	if k > 0 && k != 3 && w.IntN(6) == 0 {
		operator := []string{"or", "and", "if", "unless", "with", "without"}[w.IntN(6)]
		if w.plain {
			operator = "or"
		}
		if k == 1 && operator == "unless" || k == 2 && operator == "if" {
			operator = "or" // rpm refuses them there
		}
		return fmt.Sprintf(`name="(%s %s %s)"`, w.thing(), operator, w.thing())
	}
	thing := w.thing()
	if strings.HasPrefix(thing, "/") {
		return fmt.Sprintf("name=%q", thing)
	}
	d := fmt.Sprintf("name=%q", thing)
	if w.IntN(2) == 0 {
		flags := []string{"EQ", "GE", "LE", "LT", "GT"}[w.IntN(5)]
		if k == 0 {
			flags = "EQ"
		}
		d += fmt.Sprintf(` flags="%s" epoch="0" ver="%s"`, flags, w.version())
		if w.IntN(2) == 0 {
			d += ` rel="1"`
		}
	}
	if k == 1 && w.IntN(8) == 0 {
		d += ` pre="1"`
	}
	return d
}

func (w *World) make() *made {
	m := &made{name: w.name(), version: w.version(), arch: []string{"x86_64", "x86_64", "noarch", "i686"}[w.IntN(4)]}
	if w.plain {
		m.arch = []string{"x86_64", "noarch"}[w.IntN(2)]
	}
	if w.IntN(30) == 0 {
		m.name = "kernel"
	}
	for k := range madeKinds {
		few := []int{1, 3, 1, 1, 1, 1, 1, 1}[k]
		if k > 1 && w.IntN(3) > 0 || w.plain && w.IntN(3) > 0 {
			few = 0
		}
		for range w.IntN(few + 1) {
			m.deps[k] = append(m.deps[k], w.dep(k))
		}
	}
	for range w.IntN(2) * w.IntN(2) {
		m.files = append(m.files, fmt.Sprintf("/usr/bin/f%d", w.IntN(4)))
	}
	return m
}

// NewWorld has a base that can be solved.
func NewWorld(seed uint64) *World {
	w := &World{Rand: rand.New(rand.NewPCG(seed, 1)), Base: []string{"base"}}
	w.names = 10 + w.IntN(40)
	if w.plain = w.IntN(2) == 0; w.plain {
		w.names += 40
		w.Base = append(w.Base, w.name(), w.name())
	} else {
		w.Weak, w.modules = w.IntN(3) == 0, w.IntN(3) == 0
	}
	for range w.names + w.IntN(w.names) {
		r := w.IntN(2)
		w.packages[r] = append(w.packages[r], w.make())
	}
	for range w.IntN(w.names) { // parts of one program that are built together
		a, b := w.any(), w.any()
		if a != nil && b != nil {
			a.deps[1] = append(a.deps[1], exactly(b.name, b.version))
		}
	}
	w.packages[0] = append(w.packages[0], &made{name: "base", version: "1", arch: "noarch"})
	return w
}

// any is some package; nil: there is none.
func (w *World) any() *made {
	if r := w.packages[w.IntN(2)]; len(r) > 0 {
		return r[w.IntN(len(r))]
	}
	return nil
}

func exactly(name, version string) string {
	return fmt.Sprintf(`name=%q flags="EQ" epoch="0" ver="%s"`, name, version)
}

// rebuild gives a package a new version, and all that have to be of the same build.
func (w *World) rebuild(name, version string) {
	next := version + ".1"
	var others []*made
	for r := range w.packages {
		for i, m := range w.packages[r] {
			switch {
			case m.name == name && m.version == version:
				changed := *m
				changed.version = next
				w.packages[r][i] = &changed
			case slices.Contains(m.deps[1], exactly(name, version)):
				others = append(others, m)
			}
		}
	}
	w.follow(name, version, next)
	for _, m := range others {
		if len(m.version) < 12 {
			w.rebuild(m.name, m.version)
		}
	}
}

// Change is what a night brings: mostly new builds of what there is.
func (w *World) Change() {
	few := 4
	if w.plain {
		few = 2
	}
	for range 1 + w.IntN(few) {
		r := &w.packages[w.IntN(2)]
		if len(*r) == 0 {
			continue
		}
		i := w.IntN(len(*r))
		m := *(*r)[i]
		switch w.IntN(24) {
		case 20, 21, 22, 23:
			if m.name != "base" && len(m.version) < 12 {
				w.rebuild(m.name, m.version)
			}
		case 0:
			*r = slices.Insert(*r, i, w.make())
		case 1:
			if m.name != "base" {
				*r = slices.Delete(*r, i, i+1)
			}
			continue
		case 2, 10, 11:
			k := w.IntN(len(madeKinds))
			m.deps[k] = append(slices.Clone(m.deps[k]), w.dep(k))
			(*r)[i] = &m
		case 3, 12, 13:
			k := w.IntN(len(madeKinds))
			if n := len(m.deps[k]); n > 0 {
				m.deps[k] = slices.Delete(slices.Clone(m.deps[k]), n-1, n)
			}
			(*r)[i] = &m
		case 4:
			m.files = append(slices.Clone(m.files), fmt.Sprintf("/usr/bin/f%d", w.IntN(4)))
			(*r)[i] = &m
		case 5: // the order in the file
			j := w.IntN(len(*r))
			(*r)[i], (*r)[j] = (*r)[j], (*r)[i]
		case 6:
			w.Base = []string{"base"}
			if w.plain || w.IntN(2) == 0 {
				w.Base = append(w.Base, w.name())
			}
		case 7:
			if w.modules {
				w.Stream = []string{"", "a", "b"}[w.IntN(3)]
			}
		case 8:
			m.arch = "noarch"
			(*r)[i] = &m
		case 9: // what it provides has another version
			m.deps[0] = slices.Clone(m.deps[0])
			for j, d := range m.deps[0] {
				if before, _, ok := strings.Cut(d, " ver="); ok {
					m.deps[0][j] = fmt.Sprintf(`%s ver="%s"`, before, w.version())
				}
			}
			(*r)[i] = &m
		default: // built anew: a version up, or down, and who wants exactly that one follows or doesn't
			was := m.version
			if v, err := strconv.Atoi(m.version[:1]); err == nil && w.IntN(4) > 0 {
				m.version = fmt.Sprint(v+1) + m.version[1:]
			} else {
				m.version = w.version()
			}
			(*r)[i] = &m
			if w.IntN(2) == 0 {
				w.follow(m.name, was, m.version)
			}
		}
	}
}

// follow has all that depends on exactly a version depend on another one.
func (w *World) follow(name, was, is string) {
	for r := range w.packages {
		for i, m := range w.packages[r] {
			changed := *m
			for k := range changed.deps {
				changed.deps[k] = slices.Clone(changed.deps[k])
				for j, d := range changed.deps[k] {
					changed.deps[k][j] = strings.Replace(d, exactly(name, was), exactly(name, is), 1)
				}
			}
			w.packages[r][i] = &changed
		}
	}
}

// Write writes the repositories into folders, without RPMs.
func (w *World) Write(t testing.TB, dirs [2]string) {
	t.Helper()
	for r, dir := range dirs {
		var b strings.Builder
		b.WriteString(`<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm">` + "\n")
		for _, m := range w.packages[r] {
			m.write(&b)
		}
		b.WriteString("</metadata>\n")
		files := map[string]string{"primary": b.String()}
		if r == 1 && w.modules {
			files["modules"] = w.streams()
		}
		check(t, os.RemoveAll(dir))
		WriteMetadata(t, dir, files)
	}
}

// Names are all names that could be asked for.
func (w *World) Names() []string {
	names := []string{"base", "kernel", "virtual1"}
	for i := range w.names {
		name := fmt.Sprintf("p%02d", i)
		names = append(names, name, name+".i686", name+".x86_64")
	}
	return names
}

// streams has each package of the second repository in one of two.
func (w *World) streams() string {
	var b strings.Builder
	for _, s := range []string{"a", "b"} {
		fmt.Fprintf(&b, "---\ndocument: modulemd\nversion: 2\ndata:\n  name: m\n  stream: %q\n  version: 1\n  context: c%s\n  arch: x86_64\n  summary: m\n  description: m\n  license:\n    module: [MIT]\n  artifacts:\n    rpms:\n", s, s)
		fmt.Fprintf(&b, "    - none-0:1-1.noarch\n")
		for i, m := range w.packages[1] {
			if m.name != "base" && (i%3 == 0 && s == "a" || i%3 == 1 && s == "b") {
				fmt.Fprintf(&b, "    - %s-0:%s-1.%s\n", m.name, m.version, m.arch)
			}
		}
		b.WriteString("...\n")
	}
	return b.String()
}

// A made is a package of a repository that is made up, without an RPM behind it.
type made struct {
	name, version, arch string
	deps                [len(madeKinds)][]string // by kind, as primary.xml has their attributes
	files               []string
}

var madeKinds = [...]string{"provides", "requires", "conflicts", "obsoletes", "recommends", "suggests", "supplements", "enhances"}

// write is the package as primary.xml has it.
func (m *made) write(b *strings.Builder) {
	sum := sha256.Sum256([]byte(fmt.Sprint(*m)))
	nevra := m.name + "-" + m.version + "-1." + m.arch
	fmt.Fprintf(b, `<package type="rpm"><name>%s</name><arch>%s</arch><version epoch="0" ver="%s" rel="1"/><checksum type="sha256" pkgid="YES">%s</checksum>`+
		`<summary>%s</summary><size package="100" installed="100"/><location href="%s.rpm"/><format>`, m.name, m.arch, m.version, hex.EncodeToString(sum[:]), nevra, nevra)
	for k, deps := range m.deps {
		fmt.Fprintf(b, "<rpm:%s>", madeKinds[k])
		if k == 0 {
			fmt.Fprintf(b, `<rpm:entry name="%s" flags="EQ" epoch="0" ver="%s" rel="1"/>`, m.name, m.version)
		}
		for _, d := range deps {
			fmt.Fprintf(b, "<rpm:entry %s/>", d)
		}
		fmt.Fprintf(b, "</rpm:%s>", madeKinds[k])
	}
	for _, f := range m.files {
		fmt.Fprintf(b, "<file>%s</file>", f)
	}
	b.WriteString("</format></package>\n")
}
