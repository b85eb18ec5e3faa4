// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"bytes"
	"cmp"
	"image/png"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// iconsInPack is how many bytes of icons a pack has, about: an icon that is new costs a laptop one.
const iconsInPack = 128 << 10

// appstream adds what software centres show of the packages on offer, and the icons: what the
// repositories' AppStream catalogues say, and of others what their desktop files are called. It is
// zero where there is none. Laptops make components of all other packages themselves, of the search
// file.
func (p *presolve) appstream() (tree.Ref, error) {
	offered := p.offered()
	a := &tree.Appstream{Format: tree.Format, Platform: p.Platform}
	has := make(map[string]bool) // names of packages
	icons := make(map[string][]byte)
	for _, c := range p.solved.Components() {
		i := slices.IndexFunc(c.Packages, func(name string) bool { return offered[name] })
		if i < 0 || len(a.Components) == tree.MaxComponents {
			continue
		}
		c.Name, c.Title = c.Packages[i], text(c.Title, tree.MaxSummary)
		if _, err := png.Decode(bytes.NewReader(c.PNG)); err == nil {
			c.Icon = tree.IconDigest(c.PNG)
			icons[c.Icon] = c.PNG
		}
		has[c.Name] = true
		a.Components = append(a.Components, c.Component)
	}
	ids := make(map[string]bool)
	for _, c := range a.Components {
		ids[c.ID] = true
	}
	for _, name := range slices.Sorted(maps.Keys(p.desktops)) {
		if id := p.desktops[name]; offered[name] && !has[name] && !ids[id] && len(a.Components) < tree.MaxComponents {
			ids[id] = true
			a.Components = append(a.Components, tree.Component{ID: id, Name: name, Type: tree.DesktopApplication, Title: name, Launch: id})
		}
	}
	if len(a.Components) == 0 {
		return tree.Ref{}, nil
	}
	slices.SortFunc(a.Components, func(x, y tree.Component) int { return cmp.Compare(x.ID, y.ID) })
	if err := p.addIcons(a, icons); err != nil {
		return tree.Ref{}, err
	}
	content, err := a.Encode()
	if err != nil { // more than laptops take
		return tree.Ref{}, nil
	}
	ref := tree.NewRef("appstream/", content, ".zst")
	return ref, p.folder.add(ref.Path, content)
}

// addIcons adds packs of icons, by digest.
func (p *presolve) addIcons(a *tree.Appstream, icons map[string][]byte) error {
	bytes := 0
	for _, icon := range icons {
		bytes += len(icon)
	}
	if bytes == 0 {
		return nil
	}
	n := 1
	for n < tree.MaxIconPacks && bytes > n*iconsInPack {
		n *= 2
	}
	packs := make([]tree.Icons, n)
	for i := range packs {
		packs[i] = tree.Icons{Format: tree.Format, Platform: p.Platform, Icons: [][]byte{}}
	}
	for _, digest := range slices.Sorted(maps.Keys(icons)) {
		pack := &packs[tree.Shard(digest, n)]
		pack.Icons = append(pack.Icons, icons[digest])
	}
	for i := range packs {
		content, err := packs[i].Encode()
		if err != nil { // so many that no laptop would take them: none
			a.Packs = nil
			for i := range a.Components {
				a.Components[i].Icon = ""
			}
			return nil
		}
		ref := tree.NewRef("icons/", content, ".zst")
		a.Packs = append(a.Packs, ref)
		if err := p.folder.add(ref.Path, content); err != nil {
			return err
		}
	}
	return nil
}

// desktop notes the desktop file of a top-level package, which its file list has, or what it
// provides: of several that which is called as the package, else the first.
func (p *presolve) desktop(pkg *solve.Package, files []string) {
	const in = "/usr/share/applications/"
	var all []string
	for _, provided := range pkg.Provides {
		if s, ok := strings.CutPrefix(provided, "application("); ok {
			all = append(all, strings.TrimSuffix(s, ")"))
		}
	}
	for _, file := range files {
		if path.Dir(file)+"/" == in {
			all = append(all, path.Base(file))
		}
	}
	all = slices.DeleteFunc(all, func(id string) bool { return !strings.HasSuffix(id, ".desktop") || tree.CheckName(id) != nil })
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	id := all[0]
	if slices.Contains(all, pkg.Name+".desktop") {
		id = pkg.Name + ".desktop"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if had, ok := p.desktops[pkg.Name]; !ok || id < had { // another version's, or architecture's
		p.desktops[pkg.Name] = id
	}
}
