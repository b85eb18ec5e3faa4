// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Published is what a platform's folder has of one serial, for those who want to know what they
// publish.
type Published struct {
	*tree.Platform
	Dir string
	// Report is that of the last build; empty where that is of another serial, or isn't there.
	Report Report

	dictionary []byte // as it is published
}

// OpenPublished reads what is published in a platform's folder, of a serial; 0: of the last one.
func OpenPublished(dir string, serial int64) (*Published, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	p := &Published{Dir: dir}
	data, err := os.ReadFile(filepath.Join(dir, "platform.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no platform.json in %s: name the folder of a platform, which is in the output that presolver builds to", dir)
	}
	if err == nil {
		p.Platform, err = tree.ParsePlatform(data, filepath.Base(dir))
	}
	if err == nil && serial > 0 && p.Serial != serial {
		kept := heads(dir)
		if p.Platform = kept[serial]; p.Platform == nil {
			return nil, fmt.Errorf("the serial %d isn't kept in %s any more, or never was there: there are %v", serial, dir, slices.Sorted(maps.Keys(kept)))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading what is published in %s: %w", dir, err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "report.json")); err == nil {
		p.Report.decode(data)
	}
	if p.Report.Serial != p.Serial {
		p.Report = Report{}
	}
	if p.Dictionary.Path != "" {
		if p.dictionary, err = p.read(p.Dictionary); err != nil {
			return nil, fmt.Errorf("reading what is published in %s: %w", dir, err)
		}
	}
	return p, nil
}

// heads are the platforms that have been published in a folder, and are kept until they expire, by
// their serials.
func heads(dir string) map[int64]*tree.Platform {
	all := make(map[int64]*tree.Platform)
	entries, _ := os.ReadDir(dir) // where it isn't there, none
	for _, e := range entries {
		if !isHead(e.Name()) || filepath.Ext(e.Name()) != ".json" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil || tree.HeadName(data) != e.Name() {
			continue
		}
		if p, err := tree.ParsePlatform(data, filepath.Base(dir)); err == nil {
			all[p.Serial] = p
		}
	}
	return all
}

func (p *Published) read(ref tree.Ref) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(p.Dir, filepath.FromSlash(ref.Path)))
	if err != nil {
		return nil, err
	}
	if err := ref.Check(data); err != nil {
		return nil, fmt.Errorf("%s: %w: build again", ref.Path, err)
	}
	return data, nil
}

// References gives each top-level package to yield, until that fails; those with By too.
func (p *Published) References(yield func(*tree.Reference) error) error {
	for n := range p.Platform.References.Shards {
		name := p.Platform.References.Path("references", n)
		data, err := os.ReadFile(filepath.Join(p.Dir, filepath.FromSlash(name)))
		if err == nil {
			err = p.Platform.References.Check(n, data)
		}
		if err == nil {
			err = p.Platform.References.Lines(n, data, func(line []byte) error {
				r, err := p.Platform.References.ParseReference(n, line)
				if err != nil {
					return err
				}
				return yield(r)
			})
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return nil
}

// Tree reads the tree of a top-level package.
func (p *Published) Tree(r *tree.Reference) (*tree.Tree, error) {
	data, err := p.read(r.Tree)
	if err != nil {
		return nil, fmt.Errorf("reading the tree of %s: %w", r.Name, err)
	}
	t, err := tree.ParseTree(data, p.dictionary, p.Platform.Platform, r.Name)
	if err != nil {
		return nil, fmt.Errorf("reading the tree of %s: %w", r.Name, err)
	}
	return t, nil
}

// Size is how many bytes the files in the folder have.
func (p *Published) Size() (bytes int64) {
	filepath.WalkDir(p.Dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
