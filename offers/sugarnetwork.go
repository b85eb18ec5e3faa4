// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/catalogue"
	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Bounds on what a Sugar Network node may answer. A node of 600 programs has some 100 KB in all.
const (
	maxNodeList     = 1 << 20 // bytes of the list of names
	maxNodeNames    = 20000
	maxNodeTree     = 1 << 20  // bytes of one name's packages
	maxNodePackages = 2000     // of one name, of all architectures
	maxNode         = 16 << 20 // bytes of all of it
)

// nodePackage is one package in a node's file.
type nodePackage struct {
	Name string `json:"name"`
	Path string `json:"path"` // an RPM in the same folder
}

// sugarNetwork is the layout SugarNetwork: that of a node of Sugar Network, which tells neither
// digests nor sizes.
type sugarNetwork struct{ *Offers }

func (sugarNetwork) listURL(s Source) string            { return s.URL + "/" }
func (sugarNetwork) publishedURL(Source, string) string { return "" }
func (sugarNetwork) siteURL(Source, string) string      { return "" }
func (sugarNetwork) tellsEpochs() bool                  { return false }

// platformURL is what the platform.json is kept by that ask makes: nobody has a file there.
func (l sugarNetwork) platformURL(s Source) string { return l.listURL(s) + "#platform.json" }

func (l sugarNetwork) kept(s Source) (*tree.Platform, error) { return l.keptPlatform(l.platformURL(s)) }

// ask reads what a node offers: the list of names, and for each name the packages of its tree. It
// makes of them what a server with the layout Presolve publishes: versions come from the names of the
// RPM files; sizes, digests and summaries are not to be had.
func (l sugarNetwork) ask(ctx context.Context, source Source, _ bool) (*listing, error) {
	if err := l.room(source, logRoom); err != nil {
		return nil, err
	}
	at := l.listURL(source)
	list, err := l.revalidate(ctx, at, maxNodeList)
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(list.Body, []byte(",")); n >= maxNodeNames { // before each becomes a string of its own
		return nil, fmt.Errorf("%s has about %d names, more than %d", transport.Redacted(at), n+1, maxNodeNames)
	}
	var names []string
	if err := json.Unmarshal(list.Body, &names); err != nil {
		return nil, fmt.Errorf("%s is no list of names: %w", transport.Redacted(at), err)
	}
	total := len(list.Body)
	files := map[string]db.Remote{at: list}
	slices.Sort(names)
	names = slices.Compact(names)
	var search, refs [][]byte
	for _, name := range names {
		if err := tree.CheckName(name); err != nil {
			return nil, fmt.Errorf("%s: %w", transport.Redacted(at), err)
		}
		at := source.URL + "/" + tree.EscapePath(name)
		file, err := l.revalidate(ctx, at, maxNodeTree)
		if notFound(err) {
			continue // gone since the list was made, or no program: a node's list may name RPMs too
		}
		if err != nil {
			return nil, err
		}
		if total += len(file.Body); total > maxNode {
			return nil, fmt.Errorf("%s has more than %s in all of its names", transport.Redacted(source.URL), Size(maxNode))
		}
		t, err := nodeTree(l.Platform, l.Arch(), name, file.Body)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", transport.Redacted(at), err)
		}
		if t == nil {
			continue // not for this architecture
		}
		for i := range t.Packages {
			t.Packages[i].URLs = []string{source.URL + "/" + tree.EscapePath(t.Packages[i].Location)}
			t.Packages[i].Location = ""
		}
		files[at] = file
		body, err := t.Encode()
		if err == nil {
			err = l.room(source, fileRoom(int64(len(file.Body)+len(body))))
		}
		if err != nil {
			return nil, err
		}
		r := &tree.Reference{NEVRA: t.Top().NEVRA, Summary: name, Tree: tree.NewRef("trees/"+name+"@", body, ".json.zst")}
		if err := l.Record.KeepPublished(ctx, r.Tree.SHA256, body, t.Packages); err != nil {
			return nil, err
		}
		line, err := r.Line()
		if err != nil {
			return nil, err
		}
		e := &tree.Entry{NEVRA: r.NEVRA, Summary: name}
		search, refs = append(search, e.Line()), append(refs, line)
	}
	p, err := l.publish(ctx, source, search, refs)
	if err != nil {
		return nil, err
	}
	body, err := p.Encode()
	files[l.platformURL(source)] = db.Remote{Body: body, Checked: list.Checked}
	return &listing{files: files, platform: p}, err
}

// publish makes and keeps what hangs on a platform.json.
func (l sugarNetwork) publish(ctx context.Context, source Source, search, refs [][]byte) (*tree.Platform, error) {
	p := &tree.Platform{Format: tree.Format, Platform: l.Platform, Arch: l.Arch(), Serial: 1}
	s, whole, err := tree.EncodeSearch("search/", search)
	if err != nil {
		return nil, err
	}
	p.Search = s
	var shards [][]byte
	if p.References, shards, err = tree.EncodeIndex([][][]byte{refs}); err != nil {
		return nil, err
	}
	if err := l.room(source, searchRoom(s)+fileRoom(int64(len(shards[0])))); err != nil {
		return nil, err
	}
	if l.file(s) == nil {
		if err := os.MkdirAll(l.folder(), 0o700); err != nil {
			return nil, err
		}
		if err := catalogue.Write(ctx, l.path(s.Content), s, bytes.NewReader(whole)); err != nil {
			return nil, err
		}
	}
	return p, l.Record.KeepShard(ctx, source.ID, references, p.References, 0, shards[0])
}

// nodeTree reads one name's packages: the lists of the platform's architectures. It is nil where
// there is none for them.
func nodeTree(platform, arch, name string, body []byte) (*tree.Tree, error) {
	if n := bytes.Count(body, []byte("{")); n > maxNodePackages {
		return nil, fmt.Errorf("it has about %d packages, more than %d", n, maxNodePackages)
	}
	var lists map[string][]nodePackage
	if err := json.Unmarshal(body, &lists); err != nil {
		return nil, fmt.Errorf("this is no list of packages: %w", err)
	}
	t := &tree.Tree{Format: tree.Format, Platform: platform, Name: name}
	var top *tree.Package
	for _, a := range tree.Compatible(arch) {
		for _, p := range lists[a] {
			nevra, err := tree.ParseNEVRA(strings.TrimSuffix(p.Path, ".rpm"))
			if err == nil {
				err = nevra.Check() // so the path, which has the same characters, leads nowhere else
			}
			if err != nil {
				return nil, err
			}
			if nevra.Name != p.Name {
				return nil, fmt.Errorf("the package %q has the file %q", p.Name, p.Path)
			}
			made := tree.Package{NEVRA: nevra, Location: p.Path}
			if p.Name == name && top == nil {
				top = &made
				continue
			}
			t.Packages = append(t.Packages, made)
		}
	}
	if top == nil {
		return nil, nil
	}
	// What requires what is not told: the program requires all the others.
	for i := range t.Packages {
		top.Requires = append(top.Requires, i)
	}
	t.Packages = append(t.Packages, *top)
	return t, nil
}
