// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"path"
	"strings"
)

// keep is what the cleaning leaves: what this build and the last refer to.
type keep struct {
	paths map[string]bool // in the platform's folder
	nodes map[string]bool // in the Sugar Network layout's
}

func newKeep() *keep { return &keep{make(map[string]bool), make(map[string]bool)} }

func (k *keep) add(path string) { k.paths[path] = true }

func (k *keep) addOld(o *old) {
	for _, p := range o.paths {
		k.paths[p] = true
	}
	for _, p := range o.sugar {
		k.nodes[p] = true
	}
}

// clean removes what only builds before the last referred to.
func (b *builder) clean(k *keep) error {
	if err := b.cleanPresolve(k); err != nil || b.sugar == nil {
		return err
	}
	return b.sugar.each(func(name string) error {
		if path.Dir(name) != "." || strings.HasPrefix(name, ".") || k.nodes[name] {
			return nil
		}
		return b.sugar.remove(name)
	})
}

func (b *builder) cleanPresolve(k *keep) error {
	if !b.Presolve {
		return nil // what another configuration published there is not this build's
	}
	return b.folder.each(func(name string) error {
		if path.Dir(name) == "." || strings.HasPrefix(path.Base(name), ".") || k.paths[name] {
			return nil
		}
		return b.folder.remove(name)
	})
}
