// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A dictionary is the packages that most trees have, as these have them. It is downloaded once, as
// 4 KiB, and saves a fifth of each tree. What is in it is found by solving some of the names first.
const (
	maxDictionary  = 16 << 10 // bytes, unpacked
	dictionaryFrom = 500      // how many names are solved for it
	// Where there are less names than this there is no dictionary: a laptop would download more for
	// it than it saves.
	leastForDictionary = 256
)

// begin finds the dictionary for the trees. Another one would change all trees, so the one that is
// published stays as long as it serves.
func (p *presolve) begin(ctx context.Context, names []string) error {
	var file []byte
	if len(names) >= leastForDictionary {
		if p.was != nil && !p.was.Dictionary.IsZero() {
			if was, err := p.published(p.was.Dictionary); err == nil && p.serves(was) {
				file = was
			}
		}
		if file == nil {
			content, err := p.common(ctx, names)
			if err != nil {
				return err
			}
			if file, err = tree.EncodeDictionary(content); err != nil {
				return err
			}
		}
	}
	if file != nil {
		p.dictionary = tree.NewRef("dictionary/", file, ".zst")
		if err := p.folder.add(p.dictionary.Path, file); err != nil {
			return err
		}
	}
	var err error
	p.packer, err = tree.NewPacker(file)
	return err
}

// serves tells whether the repositories still have half of the packages of a dictionary.
func (p *presolve) serves(dictionary []byte) bool {
	content, err := tree.ParseDictionary(dictionary)
	if err != nil {
		return false
	}
	var packages []tree.NEVRA
	if err := json.Unmarshal(slices.Concat([]byte("["), content, []byte("]")), &packages); err != nil {
		return false
	}
	return p.solved.Has(packages) >= (len(packages)+1)/2
}

// common are the packages that most trees have, those in the most of them last.
func (p *presolve) common(ctx context.Context, names []string) ([]byte, error) {
	var some []string
	for i := range min(len(names), dictionaryFrom) {
		some = append(some, names[i*len(names)/min(len(names), dictionaryFrom)])
	}
	var mu sync.Mutex
	in := make(map[*solve.Package]int)
	err := p.solved.Solve(ctx, some, func(r solve.Result) error {
		mu.Lock()
		defer mu.Unlock()
		for i, pkg := range r.Packages {
			if i < len(r.Packages)-1 { // the top-level package is in its own tree
				in[pkg]++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []*solve.Package
	for pkg, n := range in {
		if n > 1 {
			all = append(all, pkg)
		}
	}
	slices.SortFunc(all, func(x, y *solve.Package) int {
		return cmp.Or(cmp.Compare(in[y], in[x]), cmp.Compare(x.NEVRA.String(), y.NEVRA.String()))
	})
	var records [][]byte
	size := 0
	for _, pkg := range all {
		entry, err := p.entry(ctx, pkg)
		var lacks lacksRPM
		var refused refused
		if errors.As(err, &lacks) || errors.As(err, &refused) {
			continue
		}
		if err == nil {
			entry.Files, err = p.files(pkg)
		}
		if err != nil {
			return nil, err
		}
		record, err := json.Marshal(entry)
		if err != nil {
			return nil, err
		}
		if size += len(record) + 1; size > maxDictionary {
			break
		}
		records = append(records, record)
	}
	slices.Reverse(records)
	return bytes.Join(records, []byte(",")), nil
}
