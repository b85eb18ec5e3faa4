// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Bounds on modules.yaml. EL 8's has 911 documents, 10 MiB in all.
const (
	maxModules  = 128 << 20 // unpacked bytes of all of a platform's
	maxDocument = 4 << 20   // bytes
	// maxMarks is how many characters of a document may separate values. There are at most three
	// values for each, and a value takes 200 bytes of memory.
	maxMarks = 400_000
	maxKeys  = 10_000 // of one mapping; the library compares each with each
	// Each build of a module conflicts with each other one: so many rules the solver makes.
	maxStreams = 20_000
	maxBuilds  = 500 // of one module
)

// modules are what the modules.yaml of all repositories say. The format's specification is
// libmodulemd's, in its yaml_specs.
type modules struct {
	streams   []*stream
	defaults  map[string]*defaultStream // by module
	obsoletes map[Module]*obsolete
}

// A stream is one build of a module's stream.
type stream struct {
	Module
	version       uint64
	context, arch string
	static        bool // the context is one that people chose
	requires      []requiredModule
	artifacts     []tree.NEVRA // its packages
	demodularized []string     // names of packages that the module has given up

	repository int
	solvable   string // streams of the same are active together
	active     bool
}

// A requiredModule is a module that has to be active, in one of these streams, or any where there are none, and
// in none of those that are excluded.
type requiredModule struct {
	name          string
	any, excluded []string
}

// A defaultStream is what is active where nobody enables another one. Where repositories disagree
// there is none.
type defaultStream struct {
	stream   string
	modified uint64
	disputed bool
}

// An obsolete says that a stream is no longer cared for.
type obsolete struct {
	modified  string // e.g. 2018-05-23T14:25Z
	reset     bool   // it is, after all
	from      string
	message   string
	successor Module
}

// read adds what a modules.yaml, compressed as its name says, of at most max bytes unpacked,
// has for a repository. An error is a *fault.
func (m *modules) read(ctx context.Context, path string, max int64, repository int) (int64, error) {
	return unpacked(ctx, path, max, func(r io.Reader, max int64) (int64, error) { return m.parse(r, max, repository) })
}

func (m *modules) parse(r io.Reader, max int64, repository int) (int64, error) {
	var one modules // of this repository
	n, err := yamlDocuments(r, max, func(text []byte) error { return one.add(text) })
	if err != nil {
		return n, err
	}
	// libdnf adds them in this order, which decides between streams that are as good.
	slices.SortStableFunc(one.streams, func(a, b *stream) int { return strings.Compare(a.Name, b.Name) })
	for _, s := range one.streams {
		s.repository = repository
	}
	all := slices.Concat(m.streams, one.streams)
	builds := make(map[string]int)
	for _, s := range all {
		if builds[s.Name]++; builds[s.Name] > maxBuilds || len(all) > maxStreams {
			return n, fmt.Errorf("with it the repositories have more than %d builds of modules, or more than %d of the module %s", maxStreams, maxBuilds, s.Name)
		}
	}
	m.streams = all
	m.merge(&one)
	return n, nil
}

// merge adds another repository's default streams and what is obsolete, as libmodulemd does: the
// one that was modified last counts.
func (m *modules) merge(one *modules) {
	if m.defaults == nil {
		m.defaults, m.obsoletes = make(map[string]*defaultStream), make(map[Module]*obsolete)
	}
	for name, d := range one.defaults {
		into := m.defaults[name]
		switch {
		case into == nil:
			m.defaults[name] = d
			continue
		case d.stream == "" || into.disputed || d.stream == into.stream:
		case into.stream == "" || d.modified > into.modified:
			into.stream = d.stream
		case d.modified == into.modified:
			into.stream, into.disputed = "", true
		}
		into.modified = max(into.modified, d.modified)
	}
	for of, o := range one.obsoletes {
		if old := m.obsoletes[of]; old == nil || o.modified >= old.modified {
			m.obsoletes[of] = o
		}
	}
}

// yamlDocuments gives each document of a YAML stream of at most max bytes to take, and how many
// bytes it has read. An error is a *fault with the line that the document begins in.
func yamlDocuments(r io.Reader, max int64, take func(text []byte) error) (int64, error) {
	limited := &bounded{r: r, max: max, left: max, element: math.MaxInt64}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxDocument)
	var text []byte
	first, line, marks := 1, 0, 0
	end := func() error {
		if err := take(text); err != nil {
			return &fault{first, err}
		}
		text, first, marks = text[:0], line, 0
		return nil
	}
	for lines.Scan() {
		line++
		l := lines.Bytes()
		// No value may have such a line in it.
		if isMarker(l, "---") || isMarker(l, "...") {
			if err := end(); err != nil {
				return limited.read(), err
			}
		}
		if isMarker(l, "...") || len(l) > 0 && l[0] == '%' || bytes.HasPrefix(bytes.TrimLeft(l, " \t"), []byte("#")) {
			continue // directives and comments: none matters, and the library is slow with many
		}
		marks++
		for _, c := range l {
			switch c {
			case ',', ':', '[', '{', '-', '?':
				marks++
			}
		}
		text = append(append(text, l...), '\n')
		if len(text) > maxDocument || marks > maxMarks {
			return limited.read(), &fault{first, errors.New("the document is larger than that of any module")}
		}
	}
	if err := lines.Err(); err != nil {
		return limited.read(), &fault{line + 1, err}
	}
	return limited.read(), end()
}

func isMarker(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

// add reads one document.
func (m *modules) add(text []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return fmt.Errorf("it is no modules.yaml: %w", err)
	}
	if root.Kind == 0 || len(root.Content) == 1 && root.Content[0].Tag == "!!null" {
		return nil
	}
	if err := checkNode(&root); err != nil {
		return err
	}
	var d struct {
		Document string    `yaml:"document"`
		Version  int       `yaml:"version"`
		Data     yaml.Node `yaml:"data"`
	}
	if err := root.Decode(&d); err != nil {
		return fmt.Errorf("it is no document about modules: %w", err)
	}
	var err error
	switch d.Document {
	case "modulemd":
		if d.Version != 1 && d.Version != 2 {
			return fmt.Errorf("it is a modulemd of version %d: this program reads 1 and 2", d.Version)
		}
		err = m.addStream(&d.Data)
	case "modulemd-defaults":
		if d.Version != 1 {
			return fmt.Errorf("it is a modulemd-defaults of version %d: this program reads 1", d.Version)
		}
		err = m.addDefault(&d.Data)
	case "modulemd-obsoletes":
		if d.Version == 1 {
			err = m.addObsolete(&d.Data)
		}
	case "":
		return errors.New("the document doesn't say what it is")
	}
	if err != nil {
		return fmt.Errorf("reading a %s: %w", d.Document, err)
	}
	return nil
}

func checkNode(n *yaml.Node) error {
	switch {
	case n.Kind == yaml.AliasNode:
		return errors.New("it has aliases, which no module needs and this program doesn't read")
	case n.Kind == yaml.MappingNode && len(n.Content) > 2*maxKeys:
		return fmt.Errorf("one of its mappings has more than %d keys", maxKeys)
	}
	for _, c := range n.Content {
		if err := checkNode(c); err != nil {
			return err
		}
	}
	return nil
}

// streamNames are those in a list, or one alone, as modulemd 1 has it.
type streamNames []string

func (s *streamNames) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*s = streamNames{n.Value}
		return nil
	}
	return n.Decode((*[]string)(s))
}

// required are the modules that a stream requires: modulemd 1 has them in a mapping, 2 in a list of
// such.
type required []map[string]streamNames

func (r *required) UnmarshalYAML(n *yaml.Node) error {
	type one struct {
		Requires map[string]streamNames `yaml:"requires"`
	}
	var all []one
	if n.Kind == yaml.MappingNode {
		all = make([]one, 1)
		if err := n.Decode(&all[0]); err != nil {
			return err
		}
	} else if err := n.Decode(&all); err != nil {
		return err
	}
	for _, o := range all {
		*r = append(*r, o.Requires)
	}
	return nil
}

func (m *modules) addStream(data *yaml.Node) error {
	type packages struct {
		RPMs []string `yaml:"rpms"`
	}
	var d struct {
		Name          string   `yaml:"name"`
		Stream        string   `yaml:"stream"`
		Version       uint64   `yaml:"version"`
		Context       string   `yaml:"context"`
		StaticContext bool     `yaml:"static_context"`
		Arch          string   `yaml:"arch"`
		Dependencies  required `yaml:"dependencies"`
		Artifacts     packages `yaml:"artifacts"`
		Demodularized packages `yaml:"demodularized"`
	}
	if err := data.Decode(&d); err != nil {
		return err
	}
	s := &stream{Module: Module{d.Name, d.Stream}, version: d.Version, context: d.Context, static: d.StaticContext, arch: d.Arch, demodularized: d.Demodularized.RPMs}
	if err := s.Check(); err != nil {
		return err
	}
	if s.arch == "" {
		s.arch = "noarch"
	}
	for _, of := range d.Dependencies {
		for _, name := range slices.Sorted(maps.Keys(of)) {
			r := requiredModule{name: name}
			for _, text := range of[name] {
				if text != "" && text[0] == '-' {
					r.excluded = append(r.excluded, text[1:])
				} else {
					r.any = append(r.any, text)
				}
			}
			s.requires = append(s.requires, r)
		}
	}
	for _, text := range d.Artifacts.RPMs {
		if n, err := tree.ParseNEVRA(text); err == nil && n.Arch != "src" && n.Arch != "nosrc" {
			s.artifacts = append(s.artifacts, n)
		}
	}
	m.streams = append(m.streams, s)
	return nil
}

func (m *modules) addDefault(data *yaml.Node) error {
	var d struct {
		Module   string `yaml:"module"`
		Stream   string `yaml:"stream"`
		Modified uint64 `yaml:"modified"`
	}
	if err := data.Decode(&d); err != nil {
		return err
	}
	if d.Module == "" {
		return errors.New("it names no module")
	}
	if m.defaults == nil {
		m.defaults = make(map[string]*defaultStream)
	}
	m.defaults[d.Module] = &defaultStream{stream: d.Stream, modified: d.Modified} // the last one of a repository counts
	return nil
}

func (m *modules) addObsolete(data *yaml.Node) error {
	var d struct {
		Modified    yaml.Node `yaml:"modified"`
		Reset       bool      `yaml:"reset"`
		Module      string    `yaml:"module"`
		Stream      string    `yaml:"stream"`
		EOL         yaml.Node `yaml:"eol_date"`
		Message     string    `yaml:"message"`
		ObsoletedBy struct {
			Module string `yaml:"module"`
			Stream string `yaml:"stream"`
		} `yaml:"obsoleted_by"`
	}
	if err := data.Decode(&d); err != nil {
		return err
	}
	o := &obsolete{d.Modified.Value, d.Reset, d.EOL.Value, d.Message, Module{d.ObsoletedBy.Module, d.ObsoletedBy.Stream}}
	if m.obsoletes == nil {
		m.obsoletes = make(map[Module]*obsolete)
	}
	of := Module{d.Module, d.Stream}
	if old := m.obsoletes[of]; old == nil || o.modified >= old.modified {
		m.obsoletes[of] = o
	}
	return nil
}
