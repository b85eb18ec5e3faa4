// SPDX-License-Identifier: GPL-2.0-or-later

// Package appstream puts what sources offer where software centres look for it: an AppStream catalogue
// in XML, and icons, for each source. It writes both itself, of texts and files that were checked, so
// that nothing from outside chooses a path, and looks at nothing outside of the system's root.
//
// It knows nothing of sources or PackageKit.
package appstream

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Program is what is shown of one: a component, and what it is for, in English and in Language, where
// that isn't empty.
type Program struct {
	tree.Component
	Summary, Description, URL string
	Language                  string // as a locale has it
	Translated                tree.Text
}

// prefix is what the names of catalogues begin with that are this package's own.
const prefix = "presolve-"

// A place is where AppStream looks, by its version: all folders are below the system's root.
type place struct {
	reader         string // a folder of whoever reads it
	catalogues     string
	icons, pixels  string // icons/ORIGIN/pixels
	makes, version string
}

// places are what AppStream from 0.16 on reads, and what it read before.
var places = []place{
	{"usr/share/swcatalog", "var/cache/swcatalog/xml", "var/cache/swcatalog/icons", "64x64", "var/cache/swcatalog", "0.16"},
	{"usr/share/app-info", "var/cache/app-info/xmls", "var/cache/app-info/icons", "64x64", "var/cache/app-info", "0.8"},
}

// A Folder is where the software centre of a system looks.
type Folder struct {
	root *os.Root
	place
}

// Open opens the folder of the system below a root; nil where there is no software centre: neither is
// there the folder that it has its own catalogues in, nor the one that others are put in.
func Open(root string) (*Folder, error) {
	r, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	for _, p := range places {
		for _, dir := range []string{p.reader, p.makes} {
			if info, err := r.Stat(dir); err == nil && info.IsDir() {
				return &Folder{r, p}, nil
			}
		}
	}
	return nil, r.Close()
}

// Close closes it.
func (f *Folder) Close() error { return f.root.Close() }

// Write makes the programs of a source those that are shown, if they aren't. icons gives those that
// aren't here, by digest; what it can't give is not shown. The icons are there before the catalogue
// that names them, which is replaced at once, and those that it no longer names go last.
func (f *Folder) Write(source string, programs []Program, icons func(digests []string) (map[string][]byte, error)) error {
	origin := prefix + source
	dir := path.Join(f.icons, origin, f.pixels)
	if err := f.mkdir(dir); err != nil {
		return err
	}
	if err := f.mkdir(f.catalogues); err != nil {
		return err
	}
	here, lacking := make(map[string]bool), []string(nil)
	for _, p := range programs {
		if p.Icon == "" || here[p.Icon] {
			continue
		}
		if here[p.Icon] = f.hasIcon(path.Join(dir, p.Icon+".png"), p.Icon); !here[p.Icon] {
			lacking = append(lacking, p.Icon)
		}
	}
	if len(lacking) > 0 {
		got, err := icons(lacking)
		if err != nil {
			return err
		}
		for _, digest := range lacking {
			png := got[digest]
			if png == nil || tree.IconDigest(png) != digest {
				continue
			}
			if err := f.write(path.Join(dir, digest+".png"), png, false); err != nil {
				return err
			}
			here[digest] = true
		}
	}
	content, err := catalogue(origin, f.version, programs, here)
	if err != nil {
		return err
	}
	name := path.Join(f.catalogues, origin+".xml")
	if is, err := f.read(name, int64(len(content))); err != nil || !bytes.Equal(is, content) {
		if err := f.write(name, content, true); err != nil {
			return err
		}
	}
	return f.clean(dir, func(name string) bool { return here[strings.TrimSuffix(name, ".png")] })
}

// Keep removes what is shown of sources other than these.
func (f *Folder) Keep(sources []string) error {
	keep := func(suffix string) func(string) bool {
		return func(name string) bool {
			ours := strings.HasPrefix(strings.TrimPrefix(name, "."), prefix)
			return !ours || slices.ContainsFunc(sources, func(s string) bool { return name == prefix+s+suffix })
		}
	}
	return errors.Join(f.clean(f.catalogues, keep(".xml")), f.clean(f.icons, keep(""))) // first what names the icons
}

// clean removes what doesn't stay of a folder, if there is one.
func (f *Folder) clean(dir string, stays func(name string) bool) error {
	d, err := f.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	all, err := d.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range all {
		if !stays(e.Name()) {
			if err := f.root.RemoveAll(path.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasIcon tells whether a file is the icon that it is called: after a loss of power it may not be.
func (f *Folder) hasIcon(name, digest string) bool {
	png, err := f.read(name, tree.MaxIcon)
	return err == nil && tree.IconDigest(png) == digest
}

// read reads a regular file of at most so many bytes.
func (f *Folder) read(name string, most int64) ([]byte, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > most {
		return nil, fs.ErrInvalid
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most+1))
}

// write writes a file aside, synced or not, and gives it its name. Everybody may read it.
func (f *Folder) write(name string, content []byte, sync bool) error {
	aside := path.Join(path.Dir(name), "."+path.Base(name)+".new")
	if err := f.root.RemoveAll(aside); err != nil {
		return err
	}
	file, err := f.root.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Chmod(0o644) // whatever the umask is
	}
	if err == nil && sync {
		err = file.Sync()
	}
	if wrong := file.Close(); err == nil {
		err = wrong
	}
	if err == nil {
		err = f.root.Rename(aside, name)
	}
	return err
}

// mkdir makes a folder that everybody may read, and those around it.
func (f *Folder) mkdir(dir string) error {
	if info, err := f.root.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := path.Dir(dir); parent != "." {
		if err := f.mkdir(parent); err != nil {
			return err
		}
	}
	if err := f.root.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return f.root.Chmod(dir, 0o755)
}

// What AppStream's catalogues have, as far as it is written.
type (
	components struct {
		XMLName    xml.Name    `xml:"components"`
		Version    string      `xml:"version,attr"`
		Origin     string      `xml:"origin,attr"`
		Components []component `xml:"component"`
	}
	component struct {
		Type         string        `xml:"type,attr"`
		ID           string        `xml:"id"`
		Package      string        `xml:"pkgname"`
		Title        string        `xml:"name"`
		Summaries    []localised   `xml:"summary"`
		Descriptions []description `xml:"description"`
		URL          *typed        `xml:"url"`
		Categories   *categories   `xml:"categories"`
		Icon         *typed        `xml:"icon"`
		Launch       *typed        `xml:"launchable"`
	}
	categories struct {
		All []string `xml:"category"`
	}
	localised struct {
		Language string `xml:"xml:lang,attr,omitempty"`
		Text     string `xml:",chardata"`
	}
	description struct {
		Language   string   `xml:"xml:lang,attr,omitempty"`
		Paragraphs []string `xml:"p"`
	}
	typed struct {
		Type   string `xml:"type,attr"`
		Width  int    `xml:"width,attr,omitempty"`
		Height int    `xml:"height,attr,omitempty"`
		Text   string `xml:",chardata"`
	}
)

// catalogue is AppStream's of programs; icons are those that are there.
func catalogue(origin, version string, programs []Program, icons map[string]bool) ([]byte, error) {
	all := components{Version: version, Origin: origin}
	for _, p := range programs {
		c := component{Type: p.Type, ID: p.ID, Package: p.Name, Title: p.Title}
		c.Summaries = []localised{{"", p.Summary}}
		if p.Summary == "" { // without one a program isn't shown
			c.Summaries[0].Text = p.Title
		}
		c.add("", p.Description)
		if p.Language != "" {
			if p.Translated.Summary != "" {
				c.Summaries = append(c.Summaries, localised{p.Language, p.Translated.Summary})
			}
			c.add(p.Language, p.Translated.Description)
		}
		if strings.HasPrefix(p.URL, "http://") || strings.HasPrefix(p.URL, "https://") {
			c.URL = &typed{Type: "homepage", Text: p.URL}
		}
		if p.Categories != "" {
			c.Categories = &categories{strings.Split(p.Categories, ";")}
		}
		if icons[p.Icon] {
			c.Icon = &typed{Type: "cached", Width: tree.IconSize, Height: tree.IconSize, Text: p.Icon + ".png"}
		}
		if p.Launch != "" {
			c.Launch = &typed{Type: "desktop-id", Text: p.Launch}
		}
		all.Components = append(all.Components, c)
	}
	body, err := xml.MarshalIndent(all, "", " ")
	if err != nil {
		return nil, fmt.Errorf("writing AppStream's catalogue: %w", err)
	}
	return slices.Concat([]byte(xml.Header), body, []byte("\n")), nil
}

// add adds a description, of which a line is a paragraph.
func (c *component) add(language, text string) {
	d := description{Language: language}
	for p := range strings.SplitSeq(text, "\n") {
		if p = strings.TrimSpace(p); p != "" {
			d.Paragraphs = append(d.Paragraphs, p)
		}
	}
	if d.Paragraphs != nil {
		c.Descriptions = append(c.Descriptions, d)
	}
}
