// SPDX-License-Identifier: GPL-2.0-or-later

// Package pages makes pages for people of what is published: which programs there are, what each pulls
// in, what couldn't be solved, and how a laptop is pointed at it.
//
// They are static HTML beside what laptops read, made from that alone, so that they can be made of a
// copy as well. Nobody installs by them, and no digest vouches for them. They are right without
// JavaScript, need nothing from outside, and are light: what would be long is cut or divided. All text
// in them is somebody else's, and is text.
//
// A page that would come out the same isn't written again: what it is made of is kept in a file whose
// name begins with a dot.
package pages

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/gob"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

const (
	inList   = 160 // programs in a page that lists them
	inTree   = 120 // packages of a tree that are drawn
	mostNew  = 40  // programs that are told as new
	mostNeed = 60  // packages of the base that are told for a program
	longest  = 4 << 10
	folder   = "pages" // in a platform's folder
	made     = ".pages"
)

//go:embed template.html style.css search.js
var files embed.FS

var templates = template.Must(template.New("").Funcs(template.FuncMap{"size": size, "href": href, "count": count, "icon": icon}).ParseFS(files, "template.html"))

// A Made counts what Make did.
type Made struct {
	Files, Written int
	Bytes          int64 // of what was written
}

// A program is what the lists say of a top-level package.
type program struct {
	Name, Summary, Group string
	Version              string
	Download, Installed  int64
	Trees                []string // their digests, by architecture
	Title, Icon          string   // as software centres show them; of the icon the digest
}

// A memory is what the pages of a platform were made of.
type memory struct {
	Templates [sha256.Size]byte
	Programs  map[string]*program
	News      []news
	Serial    int64
}

type news struct{ Name, Version, Was string }

// Make makes the pages of platforms, whose folders are in output, and the one above them.
func Make(ctx context.Context, output string, platforms []string) (Made, error) {
	var m Made
	for _, name := range platforms {
		p, err := publish.OpenPublished(filepath.Join(output, name), 0)
		if err == nil {
			err = (&maker{Made: &m, p: p, dir: filepath.Join(output, name)}).platform(ctx)
		}
		if err != nil {
			return m, fmt.Errorf("making pages of %s: %w", name, err)
		}
	}
	return m, top(output, &m)
}

type maker struct {
	*Made
	p        *publish.Published
	dir      string
	was, is  memory
	programs []*program
	news     []news
	shown    *tree.Appstream // what software centres show of them; nil: nothing is known
}

func (m *maker) platform(ctx context.Context) error {
	m.recall()
	refs := make(map[string][]*tree.Reference)
	err := m.p.References(func(r *tree.Reference) error {
		if len(r.By) == 0 {
			refs[r.Name] = append(refs[r.Name], r)
		}
		return context.Cause(ctx)
	})
	if err != nil {
		return err
	}
	same := len(refs) == len(m.was.Programs) // links lead where they led
	for name := range refs {
		same = same && m.was.Programs[name] != nil
	}
	titles, err := m.titles()
	if err != nil {
		return err
	}
	m.is.Programs = make(map[string]*program, len(refs))
	for name, of := range refs {
		slices.SortFunc(of, func(a, b *tree.Reference) int { return strings.Compare(a.Arch, b.Arch) })
		p := &program{Name: name, Summary: of[0].Summary, Version: of[0].EVR(), Download: of[0].Download}
		for _, r := range of {
			p.Trees = append(p.Trees, r.Tree.SHA256)
		}
		if c := titles[name]; c != nil {
			p.Title, p.Icon = c.Title, c.Icon
		}
		m.is.Programs[name] = p
		m.programs = append(m.programs, p)
	}
	slices.SortFunc(m.programs, func(a, b *program) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Name, b.Name))
	})
	for _, p := range m.programs {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		was := m.was.Programs[p.Name]
		if was != nil && was.Version != p.Version || was == nil && len(m.was.Programs) > 0 {
			n := news{Name: p.Name, Version: p.Version}
			if was != nil {
				n.Was = was.Version
			}
			m.news = append(m.news, n)
		}
		if same && slices.Equal(was.Trees, p.Trees) && was.Summary == p.Summary && was.Title == p.Title && was.Icon == p.Icon {
			p.Group, p.Installed = was.Group, was.Installed
			m.Files++
			continue
		}
		if err := m.program(p, refs[p.Name]); err != nil {
			return err
		}
	}
	m.is.News, m.is.Serial = m.news, m.p.Serial
	if m.was.Serial == m.p.Serial || len(m.news) == 0 { // what the last build brought stays told
		m.is.News = m.was.News
	}
	if err := m.lists(); err != nil {
		return err
	}
	if err := m.sweep(); err != nil {
		return err
	}
	return m.remember()
}

// A page is what the templates need of one.
type page struct {
	Title, Up, Root, Platform string // Up leads to the platform's own page, Root to where style.css is
	Body                      any
	Kind                      string
}

// A shown is the page of a program.
type shown struct {
	*program
	Trees []shownTree
}

type shownTree struct {
	tree.Package
	Link            string // its home page, where that is a web address
	Text            string // its description
	Root            *node
	Count, Left     int // packages, and those that aren't drawn
	Download, Disk  int64
	Needs           []string // of the base
	MoreNeeds       int
	Arch            string
	SeveralArches   bool
	DescriptionsCut bool
}

// A node is a package in the drawing of a tree.
type node struct {
	Name, EVR string
	Offered   bool // it has a page of its own
	Size      int64
	Seen      bool // what it needs is drawn above
	Needs     []*node
}

func (m *maker) program(p *program, refs []*tree.Reference) error {
	s := shown{program: p}
	for _, r := range refs {
		t, err := m.p.Tree(r)
		if errors.Is(err, fs.ErrNotExist) { // a copy of some programs
			continue
		}
		if err != nil {
			return err
		}
		top := t.Top()
		p.Group, p.Installed = top.Group, top.Installed
		show := shownTree{Package: *top, Text: top.Description, Count: len(t.Packages), Arch: r.Arch, SeveralArches: len(refs) > 1}
		if u, err := url.Parse(top.URL); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
			show.Link = u.String()
		}
		if len(show.Text) > longest {
			show.Text = strings.ToValidUTF8(show.Text[:longest], "") + "…"
		}
		for _, pkg := range t.Packages {
			show.Download += pkg.Size
			show.Disk += pkg.Installed
		}
		for _, n := range t.Needs {
			show.Needs = append(show.Needs, n.Name)
		}
		slices.Sort(show.Needs)
		show.Needs = slices.Compact(show.Needs)
		if n := len(show.Needs) - mostNeed; n > 0 {
			show.Needs, show.MoreNeeds = show.Needs[:mostNeed], n
		}
		show.Root, show.Left = m.draw(t)
		s.Trees = append(s.Trees, show)
	}
	return m.write("p/"+p.Name+".html", "program", p.Name, "../../", s)
}

// titles are the components of the programs that software centres show, by the names of the packages; and
// their icons are written.
func (m *maker) titles() (map[string]*tree.Component, error) {
	if m.p.Appstream.IsZero() {
		return nil, nil
	}
	read := func(ref tree.Ref) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(m.dir, filepath.FromSlash(ref.Path)))
		if err == nil {
			err = ref.Check(data)
		}
		return data, err
	}
	data, err := read(m.p.Appstream)
	if err != nil {
		return nil, err
	}
	if m.shown, err = tree.ParseAppstream(data, m.p.Platform.Platform); err != nil {
		return nil, err
	}
	all := make(map[string]*tree.Component)
	wanted := make(map[string]bool)
	for i := range m.shown.Components {
		c := &m.shown.Components[i]
		if all[c.Name] == nil || all[c.Name].Icon == "" {
			all[c.Name] = c
		}
		wanted[c.Icon] = true
	}
	for _, ref := range m.shown.Packs {
		if data, err = read(ref); err != nil {
			return nil, err
		}
		pack, err := tree.ParseIcons(data, m.p.Platform.Platform)
		if err != nil {
			return nil, err
		}
		for _, png := range pack.Icons {
			if name := tree.IconDigest(png); wanted[name] {
				if err := m.put(filepath.Join(m.dir, folder, "icons", name[:16]+".png"), png); err != nil {
					return nil, err
				}
			}
		}
	}
	return all, nil
}

// draw draws a tree from its top: each package once, the first time that it is needed. left is how many
// aren't drawn.
func (m *maker) draw(t *tree.Tree) (root *node, left int) {
	drawn := make([]bool, len(t.Packages))
	n := 0
	queue := []int{len(t.Packages) - 1}
	nodes := make(map[int]*node)
	needs := make(map[int][]int) // what is drawn below what
	drawn[len(t.Packages)-1] = true
	for len(queue) > 0 { // those that are needed directly come first
		i := queue[0]
		queue = queue[1:]
		pkg := &t.Packages[i]
		n++
		_, offered := m.is.Programs[pkg.Name]
		nodes[i] = &node{Name: pkg.Name, EVR: pkg.EVR(), Size: pkg.Size, Offered: offered && i != len(t.Packages)-1}
		for _, r := range pkg.Requires {
			if !drawn[r] && n+len(queue) < inTree {
				drawn[r] = true
				queue = append(queue, r)
				needs[i] = append(needs[i], r)
			}
		}
	}
	// What nothing requires came by a recommendation, or because of something beside it.
	for i := range t.Packages {
		if !drawn[i] && n < inTree && !slices.ContainsFunc(t.Packages, func(p tree.Package) bool { return slices.Contains(p.Requires, i) }) {
			drawn[i] = true
			n++
			nodes[i] = &node{Name: t.Packages[i].Name, EVR: t.Packages[i].EVR(), Size: t.Packages[i].Size, Offered: m.is.Programs[t.Packages[i].Name] != nil}
			needs[len(t.Packages)-1] = append(needs[len(t.Packages)-1], i)
		}
	}
	var link func(i int) *node
	link = func(i int) *node {
		for _, r := range needs[i] {
			nodes[i].Needs = append(nodes[i].Needs, link(r))
		}
		return nodes[i]
	}
	return link(len(t.Packages) - 1), len(t.Packages) - n
}

// A list is a page that lists programs.
type list struct {
	Programs       []*program
	First, Last    string
	Next, Previous string
	Name           string
}

// A index is a platform's own page.
type index struct {
	*tree.Platform
	Programs int
	Lists    []list
	Groups   []group
	News     []news
	MoreNews int
	Unsolved int
	InBase   int
	Expires  string
	Created  string
}

type group struct {
	Name  string
	Count int
}

func (m *maker) lists() error {
	x := index{Platform: m.p.Platform, Programs: len(m.programs), Unsolved: len(m.p.Report.Unsolved), InBase: len(m.p.Report.InBase),
		Created: m.p.Created.UTC().Format("2006-01-02"), Expires: m.p.Expires.UTC().Format("2006-01-02")}
	lists, err := m.list("names", "", m.programs)
	if err != nil {
		return err
	}
	x.Lists = lists
	groups := make(map[string][]*program)
	for _, p := range m.programs {
		groups[p.Group] = append(groups[p.Group], p)
	}
	for name, all := range groups {
		if name == "" || tree.CheckName(name) != nil {
			continue
		}
		if _, err := m.list("group-"+name, name, all); err != nil {
			return err
		}
		x.Groups = append(x.Groups, group{name, len(all)})
	}
	slices.SortFunc(x.Groups, func(a, b group) int { return strings.Compare(a.Name, b.Name) })
	x.News = m.is.News
	if n := len(x.News) - mostNew; n > 0 {
		x.News, x.MoreNews = x.News[:mostNew], n
	}
	if err := m.unsolved(); err != nil {
		return err
	}
	for _, name := range []string{"style.css", "search.js"} {
		data, err := files.ReadFile(name)
		if err == nil {
			err = m.put(filepath.Join(m.dir, folder, name), data)
		}
		if err != nil {
			return err
		}
	}
	return m.write("../index.html", "platform", m.p.Platform.Platform, "", x)
}

// list writes the pages that list programs.
func (m *maker) list(name, of string, all []*program) (lists []list, err error) {
	chunks := slices.Collect(slices.Chunk(all, inList))
	for i, chunk := range chunks {
		l := list{Programs: chunk, First: chunk[0].Name, Last: chunk[len(chunk)-1].Name, Name: of}
		if i > 0 {
			l.Previous = fmt.Sprintf("%s-%d.html", name, i-1)
		}
		if i < len(chunks)-1 {
			l.Next = fmt.Sprintf("%s-%d.html", name, i+1)
		}
		title := fmt.Sprintf("%s to %s", l.First, l.Last)
		if of != "" {
			title = of
		}
		if err := m.write(fmt.Sprintf("%s-%d.html", name, i), "list", title, "../", l); err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	return lists, nil
}

// unsolved writes the page that tells what couldn't be solved.
func (m *maker) unsolved() error {
	const most = 100
	all := slices.Clone(m.p.Report.Unsolved)
	more := max(0, len(all)-most)
	all = all[:min(len(all), most)]
	for i := range all {
		if len(all[i].Reason) > 200 {
			all[i].Reason = strings.ToValidUTF8(all[i].Reason[:200], "") + "…"
		}
	}
	return m.write("unsolved.html", "unsolved", "What isn't offered", "../", map[string]any{"Unsolved": all, "More": more})
}

// top writes the page above all platforms.
func top(output string, made *Made) error {
	m := &maker{Made: made, dir: output}
	data, err := os.ReadFile(filepath.Join(output, "platforms.json"))
	if err != nil {
		return err
	}
	all, err := tree.ParsePlatforms(data)
	if err != nil {
		return err
	}
	type entry struct {
		tree.PlatformEntry
		Keys  []string
		Pages bool
	}
	var entries []entry
	for _, p := range all.Platforms {
		dir := filepath.Join(output, p.Platform)
		_, err := os.Stat(filepath.Join(dir, "index.html"))
		entries = append(entries, entry{p, anchors(dir), err == nil})
	}
	root := ""
	for _, e := range entries {
		if e.Pages {
			root = e.Platform + "/"
		}
	}
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "page", page{Title: "Programs for laptops", Kind: "top", Root: root, Body: entries}); err != nil {
		return err
	}
	return m.put(filepath.Join(output, "index.html"), b.Bytes())
}

// anchors are the fingerprints that laptops have to know of who signs a platform: of offline keys, where
// there are such, else of who signed. It is shown and not believed.
func anchors(dir string) (prints []string) {
	if all, err := signing.ReadKeys(dir); err == nil && len(all) > 0 {
		for _, k := range all[len(all)-1].Offline {
			prints = append(prints, k.Fingerprint)
		}
		return prints
	}
	head, err := os.ReadFile(filepath.Join(dir, "platform.json"))
	if err != nil {
		return nil
	}
	signatures, err := os.ReadFile(filepath.Join(dir, tree.SignatureName(tree.HeadName(head))))
	if err != nil {
		return nil
	}
	issuers, _ := pgp.Issuers(signatures) // what can't be read isn't shown
	for _, print := range issuers {
		if full, err := pgp.ParseFingerprint(print); err == nil {
			prints = append(prints, full)
		}
	}
	return prints
}

// write writes a page in the platform's folder of pages.
func (m *maker) write(name, kind, title, root string, body any) error {
	var b bytes.Buffer
	p := page{Title: title, Kind: kind, Root: root, Body: body, Platform: m.p.Platform.Platform}
	if err := templates.ExecuteTemplate(&b, "page", p); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return m.put(filepath.Join(m.dir, folder, filepath.FromSlash(name)), b.Bytes())
}

// put writes a file, unless it is there like that.
func (m *maker) put(path string, data []byte) error {
	m.Files++
	if was, err := os.ReadFile(path); err == nil && bytes.Equal(was, data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	aside := filepath.Join(filepath.Dir(path), ".new-"+filepath.Base(path))
	err := os.WriteFile(aside, data, 0o644)
	if err == nil {
		err = os.Rename(aside, path)
	}
	if err != nil {
		os.Remove(aside)
		return err
	}
	m.Written++
	m.Bytes += int64(len(data))
	return nil
}

// sweep removes the pages of programs that are gone, and of lists that are too long.
func (m *maker) sweep() error {
	for name := range m.was.Programs {
		if m.is.Programs[name] == nil {
			if err := os.Remove(filepath.Join(m.dir, folder, "p", name+".html")); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	lists, err := filepath.Glob(filepath.Join(m.dir, folder, "*-*.html"))
	if err != nil {
		return err
	}
	counts := map[string]int{"names": len(m.programs)}
	for _, p := range m.programs {
		counts["group-"+p.Group]++
	}
	for _, path := range lists {
		base := strings.TrimSuffix(filepath.Base(path), ".html")
		i := strings.LastIndexByte(base, '-')
		var n int
		if _, err := fmt.Sscanf(base[i+1:], "%d", &n); err == nil && n*inList >= counts[base[:i]] {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// recall reads what the pages were made of. Where that is damaged, or they were made otherwise, all are
// made anew.
func (m *maker) recall() {
	m.is.Templates = looks()
	data, err := os.ReadFile(filepath.Join(m.dir, folder, made))
	if err != nil || len(data) < sha256.Size {
		return
	}
	if sum := sha256.Sum256(data[sha256.Size:]); !bytes.Equal(sum[:], data[:sha256.Size]) {
		return
	}
	var was memory
	if gob.NewDecoder(bytes.NewReader(data[sha256.Size:])).Decode(&was) == nil && was.Templates == m.is.Templates {
		m.was = was
	}
}

func (m *maker) remember() error {
	var b bytes.Buffer
	b.Write(make([]byte, sha256.Size))
	if err := gob.NewEncoder(&b).Encode(m.is); err != nil {
		return err
	}
	sum := sha256.Sum256(b.Bytes()[sha256.Size:])
	copy(b.Bytes(), sum[:])
	written := *m.Made // it is no page
	err := m.put(filepath.Join(m.dir, folder, made), b.Bytes())
	*m.Made = written
	return err
}

// looks is the digest of what the pages look like.
func looks() [sha256.Size]byte {
	h := sha256.New()
	for _, name := range []string{"template.html", "style.css", "search.js"} {
		data, _ := files.ReadFile(name) // it is in the program
		h.Write(data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// href is the address of a program's page in its folder.
func href(name string) string { return tree.EscapePath(name) + ".html" }

// icon is the address of an icon in the folder of pages.
func icon(digest string) string { return "icons/" + digest[:16] + ".png" }

func size(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", (n+1<<19)>>20)
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d kB", (n+1023)>>10)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
