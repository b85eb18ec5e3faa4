// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"archive/tar"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Component is a program of AppStream's catalogue.
type Component struct {
	tree.Component // but for Name and Icon
	Packages       []string
	PNG            []byte // its icon; nil: there is none

	icon string // the name of its file
}

type appIcon struct {
	Type  string `xml:"type,attr"`
	Width string `xml:"width,attr"`
	Name  string `xml:",chardata"`
}

// Bounds on AppStream's archives of icons. Fedora's has 2,600 files, 20 MiB unpacked.
const (
	maxIcons     = 4 * tree.MaxComponents
	maxIconFiles = 100_000
)

// isIcons tells whether a file of a repository, by its type in repomd.xml, has the icons of AppStream's
// catalogue: appstream-icons, and openSUSE's appdata-icons.
func isIcons(kind string) bool {
	return strings.HasPrefix(kind, "appstream-icons") || strings.HasPrefix(kind, "appdata-icons")
}

// addComponent keeps a program; of two with an id the first counts. What isn't one that people start,
// and what no reader would take, is left out.
func (t *texts) addComponent(c described) {
	x := Component{Packages: c.Packages[:min(len(c.Packages), maxComponents)]}
	x.ID = strings.TrimSpace(c.ID)
	switch c.Type {
	case "desktop", tree.DesktopApplication:
		x.Type = tree.DesktopApplication
	case tree.ConsoleApplication:
		x.Type = c.Type
	}
	if i := slices.IndexFunc(c.Titles, func(l localised) bool { return cmp.Or(l.Language, "C") == "C" }); i >= 0 {
		x.Title = line(plain(c.Titles[i].Text), tree.MaxSummary)
	}
	if _, known := t.components[x.ID]; known || x.Type == "" || x.Title == "" || len(x.Packages) == 0 || len(t.components) == maxIcons || tree.CheckName(x.ID) != nil {
		return
	}
	x.Categories = categoriesOf(c.Categories)
	for _, launch := range append(c.Launch, x.ID) {
		if launch = strings.TrimSpace(launch); x.Launch == "" && x.Type == tree.DesktopApplication && strings.HasSuffix(launch, ".desktop") && tree.CheckName(launch) == nil {
			x.Launch = launch
		}
	}
	for _, i := range c.Icons {
		if i.Type == "cached" && (i.Width == "" || i.Width == fmt.Sprint(tree.IconSize)) {
			x.icon = path.Base(strings.TrimSpace(i.Name))
			break
		}
	}
	if t.components == nil {
		t.components, t.icons = make(map[string]Component), make(map[string][]byte)
	}
	t.components[x.ID] = x
	if _, known := t.icons[x.icon]; x.icon != "" && !known {
		t.icons[x.icon] = nil // wanted
	}
}

// categoriesOf writes categories as desktop files do.
func categoriesOf(all []string) string {
	const most = 16
	var left []string
	for _, c := range all {
		if c = strings.TrimSpace(c); len(c) < 64 && tree.CheckName(c) == nil && len(left) < most {
			left = append(left, c)
		}
	}
	return strings.Join(left, ";")
}

// readIcons takes what components want of an archive of icons, compressed as its name says, of at
// most max bytes unpacked.
func (t *texts) readIcons(ctx context.Context, path string, max int64) (int64, error) {
	return unpacked(ctx, path, max, t.parseIcons)
}

func (t *texts) parseIcons(r io.Reader, max int64) (int64, error) {
	limited := &bounded{r: r, max: max, left: max, element: max}
	files := tar.NewReader(limited)
	for range maxIconFiles {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return limited.read(), nil
		}
		if err != nil {
			return limited.read(), fmt.Errorf("it is no archive of icons: %w", cmp.Or(limited.err, err))
		}
		name := path.Base(h.Name)
		had, wanted := t.icons[name]
		if !wanted || had != nil || h.Typeflag != tar.TypeReg || h.Size > tree.MaxIcon {
			continue
		}
		png, err := io.ReadAll(files)
		if err != nil {
			return limited.read(), fmt.Errorf("it is no archive of icons: %w", cmp.Or(limited.err, err))
		}
		if tree.CheckIcon(png) == nil { // it may be of another size
			t.icons[name] = png
		}
	}
	return limited.read(), fmt.Errorf("it has more than %d icons", maxIconFiles)
}

// Components are the programs that the repositories' AppStream catalogues have, sorted by id.
func (p *Platform) Components() []Component {
	var all []Component
	for _, c := range p.texts.components {
		c.PNG = p.texts.icons[c.icon]
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Component) int { return cmp.Compare(a.ID, b.ID) })
	return all
}
