// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Coming is how many bytes must still be downloaded before a package of a source's tree is here, with
// deps before all that it requires is, too: not what is installed, nor what the cache has. It is
// negative where the source doesn't tell sizes.
func Coming(s *ops.System, source string, t *tree.Tree, index int, deps bool) (bytes int64, err error) {
	packages := []int{index}
	if deps {
		packages = t.Closure(index)
	}
	for _, i := range packages {
		p := &t.Packages[i]
		over, err := Compare(s, p)
		if err != nil {
			return 0, err
		}
		if over.Same != nil || over.Newer != nil && !p.InstallOnly {
			continue
		}
		if p.Size == 0 {
			return -1, nil
		}
		bytes += p.Size - min(present(CachePath(s, source, p)), p.Size)
	}
	return bytes, nil
}

// coming is how many bytes must still be downloaded before a plan can be carried out.
func (p *Plan) coming(s *ops.System) (bytes int64) {
	for _, it := range p.Items {
		if !it.local {
			bytes += it.pkg.Size - min(present(CachePath(s, it.Source, it.pkg)), it.pkg.Size)
		}
	}
	return bytes
}
