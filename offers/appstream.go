// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/appstream"
	"github.com/sugarlabs/packagekit-backend-presolve/catalogue"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// maxShown is how many packages a source may offer so that each is shown as a program, whether anybody
// has told that it is one. A source with more is a distribution, and most of them are libraries.
const maxShown = 4096

// ShowPrograms puts what the enabled sources offer where the software centre of the system below root
// looks, and takes away what others offered. Where there is no software centre it costs nothing. A
// source whose programs can't be loaded keeps those that are shown.
func (o *Offers) ShowPrograms(ctx context.Context, root string) error {
	folder, err := appstream.Open(root)
	if folder == nil || err != nil {
		return err
	}
	defer folder.Close()
	if err := o.readView(ctx); err != nil {
		return err
	}
	shown := make(map[string]bool) // by id: the first source's counts
	var enabled []string
	for _, s := range o.Sources {
		enabled = append(enabled, s.ID)
		platform := o.view.platforms[s.ID]
		if platform == nil || o.view.files[s.ID] == nil {
			continue
		}
		if err := o.showPrograms(ctx, folder, s, platform, shown); Ends(err) {
			return err
		} else if err != nil {
			o.Log.Warn("what a source offers can't be shown in software centres", "source", s.ID, "error", err)
		}
	}
	return folder.Keep(enabled)
}

// HidePrograms takes away what is shown of sources that aren't enabled.
func (o *Offers) HidePrograms(root string) error {
	folder, err := appstream.Open(root)
	if folder == nil || err != nil {
		return err
	}
	defer folder.Close()
	var enabled []string
	for _, s := range o.Sources {
		enabled = append(enabled, s.ID)
	}
	return folder.Keep(enabled)
}

func (o *Offers) showPrograms(ctx context.Context, folder *appstream.Folder, s Source, platform *tree.Platform, shown map[string]bool) error {
	a, err := kept(ctx, o, s.ID, platform.Appstream, func(body []byte) (*tree.Appstream, error) { return tree.ParseAppstream(body, o.Platform) })
	if err != nil {
		return err
	}
	if a == nil {
		a = new(tree.Appstream)
	}
	components := make(map[string][]tree.Component) // by package
	for _, c := range a.Components {
		components[c.Name] = append(components[c.Name], c)
	}
	var all []appstream.Program
	add := func(e *tree.Entry) error {
		if e.Version == "" {
			return nil
		}
		of := components[e.Name]
		if of == nil { // GNOME Software 43 shows no others, console applications neither
			of = []tree.Component{{ID: e.Name, Name: e.Name, Type: tree.DesktopApplication, Title: e.Name, Categories: categoryOf[e.Group]}}
		}
		for _, c := range of {
			if shown[c.ID] { // another architecture's, or source's
				continue
			}
			shown[c.ID] = true
			p := appstream.Program{Component: c, Summary: e.Summary, Description: e.Description, URL: e.URL}
			if err := o.translateProgram(s, &p); err != nil {
				return err
			}
			all = append(all, p)
		}
		return ctx.Err()
	}
	if f := o.view.files[s.ID]; f.Lines() <= maxShown {
		err = f.Search(catalogue.Query{}, add)
	} else {
		for name := range components {
			lines, wrong := f.Find(name)
			for _, e := range lines {
				if wrong == nil {
					wrong = add(e)
				}
			}
			if err = wrong; err != nil {
				break
			}
		}
	}
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b appstream.Program) int { return cmp.Compare(a.ID, b.ID) })
	return folder.Write(s.ID, all, func(digests []string) (map[string][]byte, error) { return o.icons(ctx, s, a, digests) })
}

// translateProgram adds the texts in the user's language.
func (o *Offers) translateProgram(s Source, p *appstream.Program) error {
	f := o.view.texts[s.ID]
	if f == nil {
		return nil
	}
	lines, err := f.Find(p.Name)
	if err != nil || len(lines) == 0 {
		return err
	}
	p.Language = o.view.languages[s.ID]
	p.Translated = tree.Text{Summary: lines[0].Summary, Description: lines[0].Description}
	return nil
}

// icons brings icons, in their packs. Programs are shown without those that can't be had.
func (o *Offers) icons(ctx context.Context, s Source, a *tree.Appstream, digests []string) (map[string][]byte, error) {
	wanted := make(map[int]bool)
	for _, d := range digests {
		wanted[a.Pack(d)] = true
	}
	all := make(map[string][]byte)
	for i, ref := range a.Packs {
		if !wanted[i] {
			continue
		}
		body, err := o.download(ctx, s.ID, ref)
		var pack *tree.Icons
		if err == nil {
			pack, err = tree.ParseIcons(body, o.Platform)
		}
		if Ends(err) {
			return nil, err
		}
		if err != nil {
			o.Log.Warn("icons of a source's programs can't be loaded", "source", s.ID, "error", fmt.Errorf("%s: %w", ref.Path, err))
			continue
		}
		for _, png := range pack.Icons {
			all[tree.IconDigest(png)] = png
		}
	}
	return all, nil
}

// categoryOf is AppStream's category of a group of PackageKit's.
var categoryOf = map[string]string{
	"accessibility": "Utility", "accessories": "Utility", "communication": "Network", "education": "Education", "games": "Game", "graphics": "Graphics",
	"internet": "Network", "multimedia": "AudioVideo", "office": "Office", "programming": "Development", "publishing": "Office", "science": "Science",
	"system": "System",
}
