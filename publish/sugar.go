// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Project is the folder below packages/ that the Sugar Network layout is written to.
const Project = "presolve"

// A node is one top-level package as a Sugar Network node serves it: for each architecture the RPMs
// of its tree.
type node struct {
	name string
	rpms map[string][]nodeRPM
}

type nodeRPM struct {
	Name string `json:"name"`
	Path string `json:"path"` // an RPM in the same folder
}

func newNode(t *tree.Tree) node {
	n := node{name: t.Name, rpms: make(map[string][]nodeRPM)}
	for _, pkg := range t.Packages {
		n.rpms[pkg.Arch] = append(n.rpms[pkg.Arch], nodeRPM{pkg.Name, path.Base(pkg.Location)})
	}
	return n
}

// writeNodes writes the files of the layout that are new or different.
func (b *builder) writeNodes(keep *keep) error {
	slices.SortStableFunc(b.nodes, func(x, y node) int { return cmp.Compare(x.name, y.name) })
	// One package of a name is all that the layout has a place for: the platform's own architecture's.
	b.nodes = slices.CompactFunc(b.nodes, func(x, y node) bool { return x.name == y.name })
	for _, n := range b.nodes {
		keep.nodes[n.name] = true
		for _, rpms := range n.rpms {
			for _, r := range rpms {
				keep.nodes[r.Path] = true
			}
		}
		content, err := json.Marshal(n.rpms)
		if err != nil {
			return fmt.Errorf("encoding the node of %s: %w", n.name, err)
		}
		if was, err := os.ReadFile(b.sugar.path(n.name)); err == nil && bytes.Equal(was, content) {
			continue
		}
		if err := b.sugar.replace(n.name, content); err != nil {
			return err
		}
	}
	return nil
}

// readNodes lists the RPMs that the layout's files refer to.
func readNodes(f *folder) ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was published before: %w", err)
	}
	var paths []string
	for _, e := range entries {
		if !isNode(e.Name()) {
			continue
		}
		data, err := os.ReadFile(f.path(e.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading what was published before: %w", err)
		}
		var rpms map[string][]nodeRPM
		if json.Unmarshal(data, &rpms) != nil {
			continue // not ours, or damaged: it needs no keeping
		}
		for _, list := range rpms {
			for _, r := range list {
				paths = append(paths, r.Path)
			}
		}
	}
	return paths, nil
}

// isNode tells whether a file of the layout is a top-level package's.
func isNode(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".rpm")
}
