// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Project is the folder below packages/ that the Sugar Network layout is written to.
const Project = "presolve"

// SugarNetwork is what a Sugar Network node serves: a file for each top-level package, and the RPMs
// beside them. Readers list the folder to find them.
var SugarNetwork = &Layout{
	Name: "sugar-network", NeedsRPMs: true,
	dir:  func(o *Options) string { return filepath.Join(o.Output, "packages", Project, o.Platform) },
	subs: []string{""},
	open: func(b *builder, f *folder) (writer, error) {
		return &sugarNetwork{folder: f, arch: b.Arch, nodes: make(map[string]node)}, nil
	},
}

type sugarNetwork struct {
	folder *folder
	arch   string // the platform's

	mu    sync.Mutex
	nodes map[string]node
}

// A node is one top-level package: for each architecture the RPMs of its tree.
type node map[string][]nodeRPM

type nodeRPM struct {
	Name string `json:"name"`
	Path string `json:"path"` // an RPM in the same folder
}

func (s *sugarNetwork) begin(context.Context, []string) error { return nil }

func (s *sugarNetwork) add(t *tree.Tree, _ solve.Result) error {
	n := make(node)
	for _, pkg := range t.Packages {
		if err := pkg.NEVRA.Check(); err != nil {
			return refused{err}
		}
		n[pkg.Arch] = append(n[pkg.Arch], nodeRPM{pkg.Name, path.Base(pkg.Location)})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nodes[t.Name] != nil && t.Top().Arch != s.arch { // the layout has a place for one of a name
		return nil
	}
	s.nodes[t.Name] = n
	return nil
}

func (s *sugarNetwork) stay() {}

func (s *sugarNetwork) index(ctx context.Context) (changed bool, err error) {
	for _, name := range slices.Sorted(maps.Keys(s.nodes)) {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		content, err := json.Marshal(s.nodes[name])
		if err != nil {
			return false, fmt.Errorf("encoding the node of %s: %w", name, err)
		}
		if err := s.folder.replace(name, content); err != nil {
			return false, err
		}
	}
	changed = len(s.folder.last) > 0
	err = s.folder.each(func(name string) error {
		changed = changed || !s.folder.has[name] && s.fate(name) == goes
		return nil
	})
	return changed, err
}

func (s *sugarNetwork) head(context.Context, int64) error { return nil } // a node has no serial

func (s *sugarNetwork) fate(name string) fate {
	switch {
	case strings.HasPrefix(name, "."):
		return stays
	case strings.HasSuffix(name, ".rpm"):
		return waits
	}
	return goes
}
