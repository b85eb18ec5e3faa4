// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// encode adds a tree, or finds that the last build did so. What a tree is made of is its packages as
// they are published, what they require of each other and of the base, its notices, and the
// dictionary.
func (p *presolve) encode(t *tree.Tree, r solve.Result, notices []byte) (*madeTree, error) {
	m := &madeTree{Name: t.Name, Arch: t.Top().Arch}
	if p.Asked != "" {
		from := sha256.New()
		for i, pkg := range r.Packages {
			digest, err := p.digest(pkg, t.Packages[i])
			if err != nil {
				return nil, err
			}
			from.Write(digest)
			fmt.Fprintln(from, r.Requires[i])
		}
		fmt.Fprintf(from, "%q %q %q", t.Needs, notices, p.dictionary.SHA256)
		copy(m.From[:], from.Sum(nil))
		if was := p.wasMade[m.is()]; was != nil && was.From == m.From && p.isThere(was.Tree) {
			p.folder.holds(was.Tree.Path)
			p.take(was, true)
			return was, nil
		}
	}
	encoded, err := p.packer.Tree(t)
	if err != nil {
		return nil, refused{err}
	}
	m.Tree = tree.NewRef("trees/"+t.Name+"@", encoded, ".json.zst")
	p.take(m, false)
	return m, p.folder.add(m.Tree.Path, encoded)
}

// digest is that of a package as trees have it, once.
func (p *presolve) digest(pkg *solve.Package, entry tree.Package) ([]byte, error) {
	once, _ := p.digests.LoadOrStore(pkg, sync.OnceValues(func() ([]byte, error) {
		entry.Requires = nil // each tree's own
		h := sha256.New()
		if err := json.NewEncoder(h).Encode(&entry); err != nil {
			return nil, fmt.Errorf("comparing %s with what was published: %w", pkg.NEVRA, err)
		}
		return h.Sum(nil), nil
	}))
	return once.(func() ([]byte, error))()
}

func (p *presolve) isThere(ref tree.Ref) bool {
	info, err := os.Stat(p.folder.path(ref.Path))
	return err == nil && info.Size() == ref.Size
}

// take notes a tree for the next build.
func (b *builder) take(m *madeTree, over bool) {
	b.reportMu.Lock()
	defer b.reportMu.Unlock()
	if over {
		b.report.Totals.TakenOver++
	}
	b.made = append(b.made, *m)
}
