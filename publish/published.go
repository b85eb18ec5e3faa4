// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// serials is the folder in a platform's that has the platform.json of earlier serials, as long as
// what they name is there.
const serials = ".serials"

// A Published is what a platform's folder has of one serial, for those who want to know what they
// publish.
type Published struct {
	*tree.Platform
	Dir string
	// Report is that of the last build; empty where that is of another serial, or isn't there.
	Report Report

	dictionary []byte
}

// OpenPublished reads what is published in a platform's folder, of a serial; 0: of the last one.
func OpenPublished(dir string, serial int64) (*Published, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	name := "platform.json"
	if serial > 0 {
		name = filepath.Join(serials, strconv.FormatInt(serial, 10)+".json")
	}
	p := &Published{Dir: dir}
	data, err := os.ReadFile(filepath.Join(dir, "platform.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no platform.json in %s: name the folder of a platform, which is in the output that presolver builds to", dir)
	}
	if err == nil && serial > 0 {
		var last *tree.Platform
		if last, err = tree.ParsePlatform(data, filepath.Base(dir)); err == nil && last.Serial != serial {
			if data, err = os.ReadFile(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("the serial %d isn't kept in %s any more, or never was there: there are %v", serial, dir, keptSerials(dir))
			}
		}
	}
	if err == nil {
		p.Platform, err = tree.ParsePlatform(data, filepath.Base(dir))
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
		data, err := p.read(p.Dictionary)
		if err == nil {
			p.dictionary, err = tree.ParseDictionary(data)
		}
		if err != nil {
			return nil, fmt.Errorf("reading what is published in %s: %w", dir, err)
		}
	}
	return p, nil
}

// keptSerials are the serials that OpenPublished reads beside the last one.
func keptSerials(dir string) (all []int64) {
	entries, _ := os.ReadDir(filepath.Join(dir, serials)) // where it isn't there, none
	for _, e := range entries {
		var n int64
		if _, err := fmt.Sscanf(e.Name(), "%d.json", &n); err == nil {
			all = append(all, n)
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

// keepSerial keeps the platform.json of a serial that has been replaced, and removes those that have
// expired: the files that they name are going.
func (b *builder) keepSerial(was []byte) error {
	dir := b.home.path(serials)
	var head struct {
		Serial  int64     `json:"serial"`
		Expires time.Time `json:"expires"`
	}
	if json.Unmarshal(was, &head) == nil && head.Serial > 0 && head.Serial < b.report.Serial {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("keeping the serial %d: %w", head.Serial, err)
		}
		if err := os.WriteFile(filepath.Join(dir, strconv.FormatInt(head.Serial, 10)+".json"), was, 0o644); err != nil {
			return fmt.Errorf("keeping the serial %d: %w", head.Serial, err)
		}
	}
	for _, n := range keptSerials(b.home.dir) {
		name := filepath.Join(dir, strconv.FormatInt(n, 10)+".json")
		data, err := os.ReadFile(name)
		if err == nil && json.Unmarshal(data, &head) == nil && !b.Now.After(head.Expires) {
			continue
		}
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("removing what is no longer needed: %w", err)
		}
	}
	return nil
}
