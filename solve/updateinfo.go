// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// notices are what repositories say of why versions came, by the name of the package. A notice is
// there once for each of its packages, with all of them.
type notices struct {
	byName map[string][]*tree.Notice
	known  sync.Map // *Package: func() []told
}

// read adds those of an updateinfo.xml, compressed as its name says, of at most max bytes unpacked.
func (n *notices) read(ctx context.Context, path string, max int64) (int64, error) {
	return unpacked(ctx, path, max, n.parse)
}

// parse adds those of an updateinfo.xml of at most max bytes.
func (n *notices) parse(r io.Reader, max int64) (int64, error) {
	return elements(r, max, "updateinfo.xml", func(d *xml.Decoder, start xml.StartElement) (bool, error) {
		switch start.Name.Local {
		case "updates":
			return false, nil
		case "update":
			var u update
			if err := d.DecodeElement(&u, &start); err != nil {
				return true, err
			}
			notice, err := u.notice()
			n.add(notice)
			return true, err
		}
		return true, d.Skip()
	})
}

// An update is one element of updateinfo.xml.
type update struct {
	Status      string `xml:"status,attr"`
	Type        string `xml:"type,attr"`
	ID          string `xml:"id"`
	Title       string `xml:"title"`
	Severity    string `xml:"severity"`
	Description string `xml:"description"`
	Issued      struct {
		Date string `xml:"date,attr"`
	} `xml:"issued"`
	Updated struct {
		Date string `xml:"date,attr"`
	} `xml:"updated"`
	References []struct {
		Href string `xml:"href,attr"`
		Type string `xml:"type,attr"`
	} `xml:"references>reference"`
	Packages []struct {
		Name    string    `xml:"name,attr"`
		Epoch   string    `xml:"epoch,attr"`
		Version string    `xml:"version,attr"`
		Release string    `xml:"release,attr"`
		Arch    string    `xml:"arch,attr"`
		Reboot  suggested `xml:"reboot_suggested"`
		Relogin suggested `xml:"relogin_suggested"`
		Restart suggested `xml:"restart_suggested"`
	} `xml:"pkglist>collection>package"`
	Reboot suggested `xml:"reboot_suggested"` // Fedora's older ones say it of the whole update
}

// suggested is an element that suggests something by being there, unless it says that it doesn't.
type suggested bool

func (s *suggested) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var text string
	if err := d.DecodeElement(&text, &start); err != nil {
		return err
	}
	text = strings.ToLower(strings.TrimSpace(text))
	*s = text != "0" && text != "false" && text != "no"
	return nil
}

// notice is what laptops are told of an update. Packages that can't be are left out; the error, a
// skip, is of the first thing that is wrong.
func (u *update) notice() (*tree.Notice, error) {
	n := &tree.Notice{
		ID: line(u.ID, 200), Type: strings.ToLower(line(u.Type, 40)), Severity: strings.ToLower(line(u.Severity, 40)), Title: line(u.Title, 400),
		Text: cut(strings.TrimSpace(u.Description), tree.MaxNoticeText), State: line(u.Status, 40), Issued: date(u.Issued.Date), Updated: date(u.Updated.Date),
	}
	var wrong error
	reboot, relogin, restart := u.Reboot, suggested(false), suggested(false)
	for _, p := range u.Packages {
		reboot, relogin, restart = reboot || p.Reboot, relogin || p.Relogin, restart || p.Restart
		is := tree.NEVRA{Name: p.Name, Version: p.Version, Release: p.Release, Arch: p.Arch}
		var err error
		if is.Epoch, err = epoch(p.Epoch); err != nil {
			wrong = cmp.Or(wrong, fmt.Errorf("the update %.80q: %w", u.ID, err))
		}
		if is.Epoch < 0 {
			continue
		}
		if err := is.Check(); err != nil {
			wrong = cmp.Or(wrong, fmt.Errorf("the update %.80q: a package of it is left out: %w", u.ID, err))
			continue
		}
		n.Packages = append(n.Packages, is)
	}
	switch {
	case bool(reboot):
		n.Restart = "system"
	case bool(relogin):
		n.Restart = "session"
	case bool(restart):
		n.Restart = "application"
	}
	for _, r := range u.References {
		kind := map[string]string{"bugzilla": "bugzilla", "cve": "cve"}[r.Type]
		if kind == "" {
			kind = "vendor"
		}
		if (strings.HasPrefix(r.Href, "http://") || strings.HasPrefix(r.Href, "https://")) && len(r.Href) < 400 && len(n.References) < tree.MaxReferences && withoutUser(r.Href) == r.Href {
			n.References = append(n.References, tree.Link{Kind: kind, URL: r.Href})
		}
	}
	if wrong != nil {
		return n, skip{wrong}
	}
	return n, nil
}

// epoch reads one; it is negative where there is none to be read. What tools in Python and rpm
// itself write where there is no epoch isn't right, and means 0.
func epoch(s string) (int, error) {
	switch s = strings.TrimSpace(s); s {
	case "":
		return 0, nil
	case "None", "(none)":
		return 0, fmt.Errorf("the epoch of a package is %q, which is taken for 0", s)
	}
	e, err := strconv.ParseInt(s, 10, 32)
	if err != nil || e < 0 {
		return -1, fmt.Errorf("a package of it is left out: its epoch is %.40q", s)
	}
	return int(e), nil
}

// line is a text in one line of at most max bytes.
func line(s string, max int) string { return cut(strings.Join(strings.Fields(s), " "), max) }

func cut(s string, max int) string {
	if len(s) > max {
		s = s[:max-len("…")]
		for len(s) > 0 && s[len(s)-1]&0xc0 == 0x80 { // not in the middle of a character
			s = s[:len(s)-1]
		}
		if len(s) > 0 && s[len(s)-1] >= 0xc0 {
			s = s[:len(s)-1]
		}
		s += "…"
	}
	return s
}

// date reads what distributions write: "2013-02-01 04:05:06", "2013-02-01", or seconds since 1970.
func date(s string) time.Time {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.DateTime, time.RFC3339, time.DateOnly, "2006-01-02 15:04:05 MST"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	var seconds int64
	if _, err := fmt.Sscanf(s, "%d", &seconds); err == nil && seconds > 1e8 && seconds < 1e11 {
		return time.Unix(seconds, 0).UTC()
	}
	return time.Time{}
}

func (n *notices) add(notice *tree.Notice) {
	if notice.ID == "" {
		return
	}
	if n.byName == nil {
		n.byName = make(map[string][]*tree.Notice)
	}
	seen := make(map[string]bool)
	for _, p := range notice.Packages {
		if !seen[p.Name] {
			seen[p.Name] = true
			n.byName[p.Name] = append(n.byName[p.Name], notice)
		}
	}
}

// sort puts the newest first: after the last repository.
func (n *notices) sort() {
	for _, all := range n.byName {
		slices.SortStableFunc(all, func(a, b *tree.Notice) int {
			if c := when(b).Compare(when(a)); c != 0 {
				return c
			}
			return strings.Compare(b.ID, a.ID)
		})
	}
}

func when(n *tree.Notice) time.Time {
	if n.Updated.After(n.Issued) {
		return n.Updated
	}
	return n.Issued
}

// about are the notices of packages in their versions or in older ones.
func (n *notices) about(packages []*Package) []tree.Notice {
	var all []*tree.Notice
	of := make(map[*tree.Notice][]tree.NEVRA)
	for _, pkg := range packages {
		once, _ := n.known.LoadOrStore(pkg, sync.OnceValue(func() []told { return n.tell(pkg) }))
		for _, t := range once.(func() []told)() {
			if of[t.notice] == nil {
				all = append(all, t.notice)
			}
			of[t.notice] = append(of[t.notice], t.version)
		}
	}
	slices.SortStableFunc(all, func(a, b *tree.Notice) int { return when(b).Compare(when(a)) })
	var copies []tree.Notice
	for _, notice := range all {
		c := *notice
		seen := make(map[tree.NEVRA]bool)
		c.Packages = nil
		for _, p := range of[notice] {
			if !seen[p] {
				seen[p] = true
				c.Packages = append(c.Packages, p)
			}
		}
		copies = append(copies, c)
	}
	return copies
}

// told is a notice of a package in a version.
type told struct {
	notice  *tree.Notice
	version tree.NEVRA
}

// tell finds the first tree.MaxNotices of one package.
func (n *notices) tell(pkg *Package) []told {
	var all []told
	seen := make(map[told]bool)
	for _, notice := range n.byName[pkg.Name] {
		for _, p := range notice.Packages {
			t := told{notice, p}
			if p.Name != pkg.Name || p.Arch != pkg.Arch || p.Compare(pkg.NEVRA) > 0 || seen[t] {
				continue
			}
			if len(all) == tree.MaxNotices {
				return all
			}
			seen[t] = true
			all = append(all, t)
		}
	}
	return all
}
