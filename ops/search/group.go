// SPDX-License-Identifier: GPL-2.0-or-later

package search

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// groups are PackageKit's (pk-enum.c, PK_GROUP_ENUM_*), with how a menu shows them: the icons have
// the names of the freedesktop.org naming specification.
var groups = []struct{ id, name, icon string }{
	{"accessibility", "Accessibility", "preferences-desktop-accessibility"},
	{"accessories", "Accessories", "applications-accessories"},
	{"admin-tools", "Administration", "applications-system"},
	{"collections", "Collections", "package-x-generic"},
	{"communication", "Communication", "applications-internet"},
	{"desktop-gnome", "GNOME", "user-desktop"},
	{"desktop-kde", "KDE", "user-desktop"},
	{"desktop-other", "Other desktops", "user-desktop"},
	{"desktop-xfce", "Xfce", "user-desktop"},
	{"documentation", "Documentation", "help-browser"},
	{"education", "Education", "applications-science"},
	{"electronics", "Electronics", "applications-engineering"},
	{"fonts", "Fonts", "preferences-desktop-font"},
	{"games", "Games", "applications-games"},
	{"graphics", "Graphics", "applications-graphics"},
	{"internet", "Internet", "applications-internet"},
	{"legacy", "Legacy", "package-x-generic"},
	{"localization", "Localization", "preferences-desktop-locale"},
	{"maps", "Maps", "applications-other"},
	{"multimedia", "Multimedia", "applications-multimedia"},
	{"network", "Network", "network-workgroup"},
	{"newest", "Newest", "package-x-generic"},
	{"office", "Office", "applications-office"},
	{"other", "Other", "applications-other"},
	{"power-management", "Power management", "preferences-system"},
	{"programming", "Programming", "applications-development"},
	{"publishing", "Publishing", "applications-office"},
	{"repos", "Sources", "network-server"},
	{"science", "Science", "applications-science"},
	{"security", "Security", "security-high"},
	{"servers", "Servers", "network-server"},
	{"system", "System", "applications-system"},
	{"vendor", "Vendor", "package-x-generic"},
	{"virtualization", "Virtualization", "computer"},
	{"unknown", "Unsorted", "package-x-generic"},
}

// groupPrefix is what the id of a group's category begins with. Apper searches only for what begins with
// "@" or "repo:", and crashes where a person chooses another one; no category of a source has a colon.
const groupPrefix = "@group:"

// inGroups is the query of search-group: the values are PackageKit's groups or, as get-categories
// and PackageKit's document name them, "@group:GROUP", "category:GROUP", "repo:SOURCE" and
// "@CATEGORY". A package that one of them is for is found.
func inGroups(ctx context.Context, s *ops.System, w *wire.Writer, values []string) (ops.Query, error) {
	var q ops.Query
	if err := checkCount(values); err != nil {
		return q, err
	}
	var menu []string
	for _, v := range values {
		if id, ok := strings.CutPrefix(v, "@"); ok && !strings.HasPrefix(v, groupPrefix) {
			menu = append(menu, id)
			continue
		}
		if id, ok := strings.CutPrefix(v, "repo:"); ok {
			all, err := s.Offers.Configured(ctx)
			if err != nil {
				return q, err
			}
			if !slices.ContainsFunc(all, func(c offers.Source) bool { return c.ID == id }) {
				return q, wire.Errorf(wire.RepoNotFound, "no source has the id %.80q: the list of sources tells which there are", id)
			}
			q.Source = append(q.Source, id)
			continue
		}
		group := strings.TrimPrefix(strings.TrimPrefix(v, groupPrefix), "category:")
		i := slices.IndexFunc(groups, func(known struct{ id, name, icon string }) bool { return known.id == group })
		if i < 0 {
			return q, noGroup(v)
		}
		q.Group = append(q.Group, group)
		if group == "unknown" {
			q.Group = append(q.Group, "") // what sources that tell no groups offer
		}
	}
	if len(menu) == 0 {
		return q, nil
	}
	var err error
	q.Names, err = inCategories(ctx, s, w, menu)
	return q, err
}

func noGroup(id string) error {
	return wire.Errorf(wire.GroupNotFound, "there is no group %.80q: the list of categories tells which there are", id)
}

// inCategories are the names of the packages in the sources' categories of these ids, and in those
// below them.
func inCategories(ctx context.Context, s *ops.System, w *wire.Writer, ids []string) ([]string, error) {
	if err := s.Ready(ctx, w, []string{}); err != nil {
		return nil, err
	}
	found := make(map[string]bool)
	all := make(map[string]bool)
	add := func(names []string) {
		for _, n := range names {
			all[n] = true
		}
	}
	unready := s.Offers.Categories(ctx, ops.Progress(w), func(c *tree.Categories, _ map[string]tree.Text) {
		byID := make(map[string]*tree.Category)
		for i := range c.Categories {
			byID[c.Categories[i].ID] = &c.Categories[i]
		}
		for _, id := range ids {
			x := byID[id]
			if x == nil {
				continue
			}
			found[id] = true
			add(x.Names)
			for _, g := range x.Groups {
				add(byID[g].Names)
			}
		}
	})
	for _, id := range ids {
		if !found[id] {
			return nil, cmp.Or(unready, noGroup("@"+id))
		}
	}
	if offers.Ends(unready) {
		return nil, unready
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// categories answers get-categories: the groups that packages on offer are in, the sources, and the
// sources' categories. search-group takes each id.
func categories(ctx context.Context, s *ops.System, w *wire.Writer) error {
	w.Status(wire.StatusQuery)
	unready := ready(ctx, s, w, nil)
	used, err := s.FilledGroups(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if slices.Contains(used, g.id) {
			w.Category(wire.Category{ID: groupPrefix + g.id, Name: g.name, Summary: "Programs in the group " + g.id, Icon: g.icon})
		}
	}
	for _, source := range s.Offers.Sources {
		name := source.Name
		if name == "" {
			name = source.ID
		}
		w.Category(wire.Category{ID: "repo:" + source.ID, Name: name, Summary: "Programs from the source " + source.ID, Icon: "network-server"})
	}
	told := make(map[[2]string]bool) // what is where: of two sources the first one's counts
	failed := s.Offers.Categories(ctx, ops.Progress(w), func(c *tree.Categories, texts map[string]tree.Text) { menu(w, c, texts, told) })
	if offers.Ends(failed) {
		return failed
	}
	return unready // all else works without those: Offers have told the log
}

// menu tells a source's categories: what is at the top, each with what is below it.
func menu(w *wire.Writer, c *tree.Categories, texts map[string]tree.Text, told map[[2]string]bool) {
	byID := make(map[string]*tree.Category)
	below := make(map[string]bool)
	for i := range c.Categories {
		x := &c.Categories[i]
		byID[x.ID] = x
		for _, g := range x.Groups {
			below[g] = true
		}
	}
	tell := func(parent string, x *tree.Category) {
		if told[[2]string{parent, x.ID}] {
			return
		}
		told[[2]string{parent, x.ID}] = true
		line := wire.Category{ID: "@" + x.ID, Name: x.Name, Summary: x.Summary, Icon: x.Icon}
		if parent != "" {
			line.Parent = "@" + parent
		}
		if t, ok := texts[x.ID]; ok {
			line.Name, line.Summary = cmp.Or(t.Summary, line.Name), cmp.Or(t.Description, line.Summary)
		}
		line.Summary = cmp.Or(line.Summary, line.Name)
		w.Category(line)
	}
	for i := range c.Categories {
		x := &c.Categories[i]
		if below[x.ID] {
			continue
		}
		tell("", x)
		for _, g := range x.Groups {
			tell(x.ID, byID[g])
		}
	}
}
