// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// isComps tells whether a file of a repository, by its type in repomd.xml, has comps: the groups,
// categories and environments of Fedora and what comes from it.
func isComps(kind string) bool {
	switch kind {
	case "group", "group_gz", "group_bz2", "group_xz", "group_zst":
		return true
	}
	return false
}

// betterComps tells whether a repository's comps are rather read from m than from old: from one that
// can be read, and from a compressed one.
func betterComps(m, old *metadata) bool {
	return old == nil || m.fault == nil && (old.fault != nil || old.is == "group")
}

// Bounds on comps, of all repositories together. Fedora's have 200 groups in 30 environments, with
// 8,000 packages, and are translated into 90 languages.
const (
	maxGrouped    = 500_000 // packages in groups, and groups in others
	maxGroupTexts = 500_000 // names and descriptions in other languages
)

// A Category is a menu of packages, on offer or not: a group of comps, a category or an environment
// that has groups, or a pattern of openSUSE's.
type Category struct {
	tree.Category
	// Texts are its name and its summary by language, as tree.Categories.Texts has them.
	Texts map[string]tree.Text

	shown bool // else its packages are shown with what lists it
	order int  // lower comes first
}

// categories are those of all repositories. What two repositories have by the same id is one, with
// the texts of the first.
type categories struct {
	byID  map[string]*Category
	ids   []string       // in the order of the repositories
	ranks map[string]int // by the name of a package: the lowest of those of the groups of comps that list it
	n     int            // in all lists
	texts int
}

// read adds those of a comps.xml, compressed as its name says, of at most max bytes unpacked.
func (c *categories) read(ctx context.Context, path string, max int64) (int64, error) {
	return unpacked(ctx, path, max, c.parse)
}

// parse adds those of a comps.xml of at most max bytes.
func (c *categories) parse(r io.Reader, max int64) (int64, error) {
	return elements(r, max, "comps.xml", func(d *xml.Decoder, start xml.StartElement) (bool, error) {
		switch start.Name.Local {
		case "comps":
			return false, nil
		case "group", "category", "environment":
			var e compsElement
			if err := d.DecodeElement(&e, &start); err != nil {
				return true, err
			}
			return true, c.addComps(&e, start.Name.Local)
		}
		return true, d.Skip()
	})
}

// A compsElement is a group, with packages, or a category or an environment, with groups.
type compsElement struct {
	ID           string      `xml:"id"`
	Names        []localised `xml:"name"`
	Descriptions []localised `xml:"description"`
	Order        string      `xml:"display_order"`
	Visible      string      `xml:"uservisible"`
	Packages     []struct {
		Type string `xml:"type,attr"`
		Name string `xml:",chardata"`
	} `xml:"packagelist>packagereq"`
	Groups  []string `xml:"grouplist>groupid"`
	Options []string `xml:"optionlist>groupid"`
}

func (c *categories) addComps(e *compsElement, kind string) error {
	id := strings.TrimSpace(e.ID)
	if err := tree.CheckCategory(id); err != nil {
		return skip{fmt.Errorf("a %s is left out: %w", kind, err)}
	}
	x := c.at(id)
	if x == nil {
		return fmt.Errorf("with it the repositories have more than %d groups and categories", tree.MaxCategories)
	}
	x.shown = x.shown || kind != "group" || !strings.EqualFold(strings.TrimSpace(e.Visible), "false")
	if order, err := strconv.Atoi(strings.TrimSpace(e.Order)); err == nil && x.order == 0 {
		x.order = order
	}
	for _, t := range []struct {
		all []localised
		put func(s string) func(*tree.Text)
		own *string
	}{
		{e.Names, func(s string) func(*tree.Text) { return func(t *tree.Text) { t.Summary = cmp.Or(t.Summary, s) } }, &x.Name},
		{e.Descriptions, func(s string) func(*tree.Text) {
			return func(t *tree.Text) { t.Description = cmp.Or(t.Description, s) }
		}, &x.Summary},
	} {
		for _, l := range t.all {
			text := line(plain(l.Text), tree.MaxSummary)
			if l.Language == "" {
				*t.own = cmp.Or(*t.own, text)
				continue
			}
			if err := c.translate(x, strings.ReplaceAll(l.Language, "-", "_"), t.put(text)); err != nil {
				return err
			}
		}
	}
	x.Name = cmp.Or(x.Name, x.ID)
	rank := compsRank(id)
	for _, p := range e.Packages {
		name := strings.TrimSpace(p.Name)
		if p.Type == "conditional" || tree.CheckName(name) != nil { // one is for those who have another
			continue
		}
		name = strings.Clone(name)
		x.Names = append(x.Names, name)
		if old, ok := c.ranks[name]; !ok || rank < old {
			c.ranks[name] = rank
		}
		c.n++
	}
	for _, g := range slices.Concat(e.Groups, e.Options) {
		if g = strings.TrimSpace(g); tree.CheckCategory(g) == nil && g != id {
			x.Groups = append(x.Groups, g)
			c.n++
		}
	}
	if c.n > maxGrouped {
		return fmt.Errorf("with it the repositories' groups list more than %d packages and groups", maxGrouped)
	}
	return nil
}

// translate changes a category's text in a language, where that is one.
func (c *categories) translate(x *Category, language string, change func(*tree.Text)) error {
	if tree.CheckLanguage(language) != nil {
		return nil
	}
	t, ok := x.Texts[language]
	if !ok {
		if c.texts++; c.texts > maxGroupTexts {
			return fmt.Errorf("with it the repositories' groups have more than %d texts in other languages", maxGroupTexts)
		}
		t.Name = x.ID
		language = strings.Clone(language)
	}
	change(&t)
	x.Texts[language] = t
	return nil
}

// at is the category with an id; nil where there are too many.
func (c *categories) at(id string) *Category {
	if c.byID == nil {
		c.byID, c.ranks = make(map[string]*Category), make(map[string]int)
	}
	x := c.byID[id]
	if x == nil && len(c.ids) < tree.MaxCategories {
		id = strings.Clone(id)
		x = &Category{Category: tree.Category{ID: id}, Texts: make(map[string]tree.Text)}
		c.byID[id], c.ids = x, append(c.ids, id)
	}
	return x
}

// sorted are those that are shown, those of which a repository says so first. The packages of what
// isn't shown are those of what lists it, and so are those of what has groups itself: there are two
// levels. What that would make more than maxGrouped is left out.
func (c *categories) sorted() []Category {
	var all []Category
	added := 0
	for _, id := range c.ids {
		x := *c.byID[id]
		if !x.shown {
			continue
		}
		var below []string
		x.Names = slices.Clone(x.Names)
		for _, g := range unique(x.Groups) {
			switch y := c.byID[g]; {
			case y == nil:
			case y.shown && len(y.Groups) == 0:
				below = append(below, g)
			case added+len(y.Names) <= maxGrouped:
				x.Names = append(x.Names, y.Names...)
				added += len(y.Names)
			}
		}
		x.Groups = below
		slices.Sort(x.Names)
		x.Names = slices.Compact(x.Names)
		all = append(all, x)
	}
	slices.SortStableFunc(all, func(a, b Category) int { return cmp.Compare(a.order, b.order) })
	return all
}

// unique takes each text once, in their order.
func unique(all []string) (once []string) {
	seen := make(map[string]bool)
	for _, s := range all {
		if !seen[s] {
			seen[s] = true
			once = append(once, s)
		}
	}
	return once
}

// addPattern adds a package as a category where it is a pattern that openSUSE shows: a package
// that provides pattern(), and requires or recommends those that are in it.
func (c *categories) addPattern(p *pool, pkg *Package, of map[string]map[string]*tree.Text) {
	if !strings.HasPrefix(pkg.Name, "patterns-") {
		return
	}
	has := make(map[string]string) // what it provides: its version
	for _, s := range p.provides(pkg.id) {
		name, value, _ := strings.Cut(s, " = ")
		if value, err := url.PathUnescape(value); err == nil {
			has[name] = value
		}
	}
	_, pattern := has["pattern()"]
	_, visible := has["pattern-visible()"]
	if !pattern || !visible || tree.CheckCategory(pkg.Name) != nil {
		return
	}
	x := c.at(pkg.Name)
	if x == nil {
		return
	}
	x.shown = true
	x.Name = cmp.Or(x.Name, line(pkg.Summary, tree.MaxSummary), x.ID)
	x.Summary = cmp.Or(x.Summary, line(firstLine(pkg.Description), tree.MaxSummary))
	if icon := has["pattern-icon()"]; tree.CheckName(icon) == nil {
		x.Icon = icon
	}
	if order, err := strconv.Atoi(has["pattern-order()"]); err == nil && x.order == 0 {
		x.order = order
	}
	for language, texts := range of {
		if t := texts[pkg.Name]; t != nil {
			c.translate(x, language, func(to *tree.Text) {
				to.Summary, to.Description = t.Summary, line(firstLine(t.Description), tree.MaxSummary)
			})
		}
	}
	for _, s := range slices.Concat(p.required(pkg.id), p.recommends(pkg.id)) {
		if name := withoutVersion(s); tree.CheckName(name) == nil && c.n < maxGrouped {
			x.Names = append(x.Names, name)
			c.n++
		}
	}
	// What it is a part of is a text in English; its id is made of it.
	name := line(has["pattern-category()"], tree.MaxSummary)
	id := "patterns-in-" + strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9') {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if name == "" || tree.CheckCategory(id) != nil {
		return
	}
	if above := c.at(id); above != nil {
		above.shown, above.Name = true, cmp.Or(above.Name, name)
		above.Groups = append(above.Groups, x.ID)
		if above.order == 0 || x.order > 0 && x.order < above.order {
			above.order = x.order
		}
	}
}

func firstLine(s string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return first
}

// group is PackageKit's group for a package whose RPM tells none: by what comps lists it, else by
// its name.
func (c *categories) group(name string) string {
	if rank, ok := c.ranks[name]; ok && rank < len(compsGroups) {
		return compsGroups[rank].group
	}
	for _, g := range namedGroups {
		if matches(g.pattern, name) {
			return g.group
		}
	}
	return "unknown"
}

// compsRank is the index in compsGroups of the first line that is about a group of comps.
func compsRank(id string) int {
	for i, g := range compsGroups {
		if matches(g.pattern, id) {
			return i
		}
	}
	return len(compsGroups)
}

func matches(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return ok && err == nil
}

// compsGroups maps the ids of comps' groups, Fedora's and EL's, to the groups of PackageKit. Many a
// package is in several: the first line that is about one of them counts, so what a package is for
// comes before where it belongs.
var compsGroups = []struct{ pattern, group string }{
	{"fonts", "fonts"},
	{"legacy-fonts", "fonts"},
	{"hardware-support", "system"},
	{"legacy-software-support", "legacy"},
	{"compat-libraries", "legacy"},
	{"legacy-unix", "legacy"},
	{"legacy-x", "legacy"},
	{"*-support", "localization"}, // german-support
	{"input-methods", "localization"},
	{"games", "games"},
	{"*-games", "games"},
	{"education", "education"},
	{"*-education", "education"},
	{"sugar-apps", "education"},
	{"python-classroom", "education"},
	{"office", "office"},
	{"office-suite", "office"},
	{"libreoffice", "office"},
	{"*-office", "office"},
	{"*-pim", "office"},
	{"authoring-and-publishing", "publishing"},
	{"technical-writing", "publishing"},
	{"tex", "publishing"},
	{"books", "documentation"},
	{"electronic-lab", "electronics"},
	{"engineering-and-scientific", "science"},
	{"scientific", "science"},
	{"*-science", "science"},
	{"medical", "science"},
	{"neuron-*", "science"},
	{"robotics-suite", "science"},
	{"3d-printing", "graphics"},
	{"design-suite", "graphics"},
	{"font-design", "graphics"},
	{"graphics", "graphics"},
	{"audio", "multimedia"},
	{"multimedia", "multimedia"},
	{"sound-and-video", "multimedia"},
	{"*-media", "multimedia"},
	{"firefox", "internet"},
	{"*-internet", "internet"},
	{"internet-*", "internet"},
	{"kde-telepathy", "communication"},
	{"remote-desktop-clients", "internet"},
	{"editors", "accessories"},
	{"emacs", "accessories"},
	{"vim", "accessories"},
	{"security-*", "security"},
	{"smart-card", "security"},
	{"*virtualization*", "virtualization"},
	{"guest-*", "virtualization"},
	{"platform-kvm", "virtualization"},
	{"container-management", "virtualization"},
	{"cloud-*", "virtualization"},
	{"vagrant*", "virtualization"},
	{"directory-client", "network"},
	{"network-file-system-client", "network"},
	{"*-server", "servers"},
	{"ha", "servers"},
	{"haproxy", "servers"},
	{"load-balancer", "servers"},
	{"mongodb", "servers"},
	{"mysql*", "servers"},
	{"mariadb*", "servers"},
	{"postgresql*", "servers"},
	{"print*-client", "system"},
	{"printing", "system"},
	{"*-web", "servers"},
	{"web-*", "servers"},
	{"resilient-storage", "servers"},
	{"tomcat", "servers"},
	{"javaenterprise", "servers"},
	{"*development*", "programming"},
	{"*-devel", "programming"},
	{"*debugging", "programming"},
	{"fedora-packager", "programming"},
	{"buildsys-build", "programming"},
	{"dotnet", "programming"},
	{"eclipse", "programming"},
	{"java*", "programming"},
	{"ocaml", "programming"},
	{"perl", "programming"},
	{"*-runtime", "programming"},
	{"php", "programming"},
	{"ruby*", "programming"},
	{"dial-up", "network"},
	{"network*", "network"},
	{"domain-client", "network"},
	{"infiniband", "network"},
	{"gnome-*", "desktop-gnome"},
	{"kde-*", "desktop-kde"},
	{"xfce-*", "desktop-xfce"},
	{"*-desktop", "desktop-other"},
	{"desktop-platform", "desktop-other"},
	{"mate-*", "desktop-other"},
	{"x11", "desktop-other"},
	{"window-managers", "desktop-other"},
	{"xmonad*", "desktop-other"},
	{"admin-tools", "admin-tools"},
	{"*-admin-tools", "admin-tools"},
	{"anaconda-tools", "admin-tools"},
	{"ansible-node", "admin-tools"},
	{"backup-*", "admin-tools"},
	{"*-management", "admin-tools"},
	{"hardware-monitoring", "admin-tools"},
	{"performance", "admin-tools"},
	{"large-systems", "admin-tools"},
	{"system-*", "admin-tools"},
	{"base", "system"},
	{"base-x", "system"},
	{"core", "system"},
	{"critical-path*", "system"},
	{"minimal*", "system"},
	{"standard", "system"},
	{"uefi", "system"},
	{"*-platform", "system"},
	{"*-product", "system"},
	{"mainframe-access", "system"},
	{"scalable-file-systems", "system"},
	{"storage-client-*", "system"},
}

// namedGroups maps the names of packages to the groups of PackageKit, where nothing else tells it:
// the first line counts.
var namedGroups = []struct{ pattern, group string }{
	{"*-fonts", "fonts"},
	{"*-fonts-*", "fonts"},
	{"*-langpack-*", "localization"},
	{"langpacks-*", "localization"},
	{"hunspell-*", "localization"},
	{"hyphen-*", "localization"},
	{"mythes-*", "localization"},
	{"*-devel", "programming"},
	{"*-static", "programming"},
	{"*-doc", "documentation"},
	{"*-docs", "documentation"},
	{"*-javadoc", "documentation"},
	{"man-pages*", "documentation"},
	{"kernel", "system"},
	{"kernel-*", "system"},
	{"perl-*", "programming"},
	{"php-*", "programming"},
	{"python3-*", "programming"},
	{"python3.*", "programming"},
	{"rubygem-*", "programming"},
	{"golang-*", "programming"},
	{"nodejs*", "programming"},
	{"java-*-openjdk*", "programming"},
	{"libreoffice*", "office"},
	{"gnome-*", "desktop-gnome"},
	{"plasma-*", "desktop-kde"},
	{"xfce4-*", "desktop-xfce"},
	{"lib*", "system"},
	{"*-libs", "system"},
}
