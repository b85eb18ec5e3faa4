// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A Plan is what a transaction will do: install Items, or remove Erase.
type Plan struct {
	Items []*Item // in install order
	// Kept are packages of the trees that are installed already: only who needs them is recorded.
	Kept  []db.Planned
	Erase []db.Package
	// Twice are installed packages of which a newer version stays: they go after Items have come.
	Twice []db.Package
	// Retired are older versions of install-only packages that go when the new ones are installed.
	Retired []db.Package
	// Reinstall and Downgrade let what is asked for take the place of the same version, or of a
	// newer one.
	Reinstall, Downgrade bool

	tops   map[string]bool // the packages whose trees are in the plan
	copies []*localCopy
	// demands is the level of rpm's policy that demands signatures; "" before askRPM, and where none
	// does.
	demands string
	tried   *attempts // to complete it: conditions.go
}

// An Item is a package to be installed.
type Item struct {
	db.Planned
	Summary string
	Action  wire.Info // installing, updating, reinstalling or downgrading
	// Old are the installed versions that it takes the place of, Obsoleted the installed packages
	// of other names. All of them are this backend's own.
	Old, Obsoleted []db.Package
	Restart        string // what has to be started anew afterwards; empty: nothing

	tree     int          // which of the plan's trees has it first
	requires []tree.NEVRA // what it requires of its tree
	pkg      *tree.Package
	file     transport.File
	// local: the file is a copy of a person's own (localCopy), and isn't downloaded.
	local  bool
	header *rpm.Header // of the copy; nil: it isn't one
}

// ID is the package's id before it is installed.
func (i *Item) ID() wire.PackageID {
	return wire.PackageID{Name: i.Name, Version: i.EVR(), Arch: i.Arch, Data: i.Source}
}

// New is an empty plan for a request.
func New(r *wire.Request) *Plan {
	return &Plan{Reinstall: r.Flags[wire.AllowReinstall] || r.Flags[wire.JustReinstall], Downgrade: r.Flags[wire.AllowDowngrade], tops: make(map[string]bool)}
}

// Why says why a package is added to a plan.
type Why struct {
	Asked bool   // a user asked for it
	By    string // it is needed by this package; empty: by none
}

// Add adds an offered package with what it needs. If it fails the plan is what it was.
func (p *Plan) Add(s *ops.System, o *offers.Offer, why Why) error {
	next := p.clone()
	if err := next.add(s, o, why); err != nil {
		return err
	}
	*p = *next
	return nil
}

func (p *Plan) clone() *Plan {
	c := *p
	c.Items, c.Kept, c.tops = nil, slices.Clip(p.Kept), make(map[string]bool)
	for _, it := range p.Items {
		copied := *it
		c.Items = append(c.Items, &copied)
	}
	for name := range p.tops {
		c.tops[name] = true
	}
	return &c
}

func (p *Plan) add(s *ops.System, o *offers.Offer, why Why) error {
	if err := needsMet(s, o); err != nil {
		return err
	}
	top := o.Package()
	which := len(p.tops)
	p.tops[top.Name] = true
	over, err := Compare(s, top)
	if err != nil {
		return err
	}
	// An older program may need older packages; without one there is no reason for them.
	older := p.Downgrade && over.Newer != nil
	for _, i := range o.Tree.Closure(o.Index) {
		pkg := &o.Tree.Packages[i]
		it := &Item{Planned: db.Planned{NEVRA: pkg.NEVRA, Source: o.Source, InstallOnly: pkg.InstallOnly}, Summary: pkg.Summary, tree: which, pkg: pkg, file: s.Offers.Download(o.Source, pkg)}
		for _, r := range pkg.Requires {
			it.requires = append(it.requires, o.Tree.Packages[r].NEVRA)
		}
		if i == o.Index {
			it.Asked = why.Asked
		} else {
			it.By = []string{top.Name}
		}
		if why.By != "" {
			it.By = []string{why.By}
		}
		if err := p.put(s, it, again{same: p.Reinstall && i == o.Index, older: older}); err != nil {
			return err
		}
	}
	return nil
}

// Local is the source of packages that come from a user's own files.
const Local = "local"

// addFile adds an RPM file that no source offers, by its header; there tells that it, or a newer
// one, is installed already and stays.
func (p *Plan) addFile(s *ops.System, h *rpm.Header, size int64, path string) (there bool, err error) {
	pkg := &tree.Package{
		NEVRA: ops.NEVRA(h), Size: size, Installed: h.Size, Obsoletes: h.Obsoletes(), Conditions: conditionsOf(h), Provided: h.Provided(all), InstallOnly: h.InstallOnly(),
	}
	before := len(p.Kept)
	err = p.put(s, &Item{
		Planned: db.Planned{NEVRA: pkg.NEVRA, Source: Local, Asked: true, InstallOnly: pkg.InstallOnly}, Summary: h.Summary, pkg: pkg, file: transport.File{Path: path}, local: true, header: h,
	}, again{same: p.Reinstall, older: p.Downgrade})
	p.tops[pkg.Name] = true
	return len(p.Kept) > before, err
}

// again says what an item may take the place of beside an older version.
type again struct{ same, older bool }

// put adds an item, unless it or a newer one is installed already.
func (p *Plan) put(s *ops.System, it *Item, again again) error {
	over, err := Compare(s, it.pkg)
	if err != nil {
		return err
	}
	beside := beside(it.pkg, over)
	switch {
	case over.Same != nil && again.same:
		it.Action, it.Old = wire.InfoReinstalling, []db.Package{*over.Same}
	case over.Same == nil && it.pkg.InstallOnly:
		it.Action = wire.InfoInstalling
	case over.Newer != nil && again.older:
		it.Action, it.Old = wire.InfoDowngrading, []db.Package{*over.Newer}
	case over.Same != nil || over.Newer != nil:
		it.Kept = true
		p.Kept = append(p.Kept, it.Planned)
		return nil
	case len(over.Older) > 0:
		it.Action, it.Old = wire.InfoUpdating, over.Older
	default:
		it.Action = wire.InfoInstalling
	}
	for _, old := range it.Old {
		if old.Source == "" {
			return wire.Errorf(wire.PackageConflicts, "%s belongs to the standard installation, which stays as it is, and is in the way of %s: put the image right, or remove it with rpm first", old.NEVRA, it.NEVRA)
		}
		if err := it.inherit(s, old); err != nil {
			return err
		}
	}
	if beside != nil {
		if err := it.inherit(s, *beside); err != nil {
			return err
		}
	}
	j := slices.IndexFunc(p.Items, func(other *Item) bool {
		return other.Name == it.Name && other.Arch == it.Arch && (other.NEVRA == it.NEVRA || !other.InstallOnly || !it.InstallOnly)
	})
	if j < 0 {
		p.Items = append(p.Items, it)
		return nil
	}
	// Two trees have it. As with what is installed, the newer one will do; rpm has the last word.
	other := p.Items[j]
	if it.Compare(other.NEVRA) > 0 {
		p.Items[j] = it
		it, other = other, it
	}
	other.Asked, other.tree = other.Asked || it.Asked, min(other.tree, it.tree)
	other.requires = append(slices.Clip(other.requires), it.requires...)
	for _, by := range it.By {
		other.addBy(by)
	}
	return nil
}

func (i *Item) addBy(name string) {
	if !slices.Contains(i.By, name) {
		i.By = append(slices.Clip(i.By), name)
	}
}

// inherit records of an item what was recorded of a package that it takes the place of.
func (i *Item) inherit(s *ops.System, old db.Package) error {
	_, asked, by, err := s.Record.Why(old.NEVRA)
	if err != nil {
		return err
	}
	i.Asked = i.Asked || asked
	for _, name := range by {
		i.addBy(name)
	}
	return nil
}

// Versions are the installed versions of a package, against the one that it is compared with.
type Versions struct {
	Same, Newer *db.Package
	Older       []db.Package // only where there is neither of the others
}

// Compare tells what is installed in the place of a package.
func Compare(s *ops.System, p *tree.Package) (Versions, error) {
	installed, err := s.Record.InstalledByName(p.Name)
	if err != nil {
		return Versions{}, err
	}
	var over Versions
	for i, q := range installed {
		if q.Arch != p.Arch && q.Arch != "noarch" && p.Arch != "noarch" {
			continue
		}
		want := p.NEVRA
		if p.RPMDigest() == "" && p.Size == 0 { // a source without digests doesn't tell epochs either
			want.Epoch = q.Epoch
		}
		switch c := q.Compare(want); {
		case c == 0:
			over.Same = &installed[i]
		case c > 0:
			over.Newer = &installed[i]
		default:
			over.Older = append(over.Older, q)
		}
	}
	if over.Same != nil || over.Newer != nil {
		over.Older = nil
	}
	return over, nil
}

// needsMet tells whether the laptop has the packages of the base that a tree was solved with. Newer
// ones will do: rpm has the last word.
func needsMet(s *ops.System, o *offers.Offer) error {
	var lacking []string
	for _, need := range o.Tree.Needs {
		installed, err := s.Record.InstalledByName(need.Name)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(installed, func(p db.Package) bool { return !p.Beside(need) && p.Compare(need) >= 0 }) {
			lacking = append(lacking, need.String())
		}
	}
	if len(lacking) > 0 {
		return wire.Errorf(wire.DepResolutionFailed, "%s needs packages of the standard installation that this computer lacks or has older: %s", o.Package().NEVRA, strings.Join(lacking, ", "))
	}
	return nil
}

// replaces tells whether anything that is installed will go for something else.
func (p *Plan) replaces() bool {
	return slices.ContainsFunc(p.Items, func(it *Item) bool { return len(it.Old)+len(it.Obsoleted) > 0 })
}

// acts tells whether any item is of an action.
func (p *Plan) acts(action wire.Info) bool {
	return slices.ContainsFunc(p.Items, func(it *Item) bool { return it.Action == action })
}

// planned is the plan as the journal has it.
func (p *Plan) planned() []db.Planned {
	all := append([]db.Planned(nil), p.Kept...)
	for _, it := range p.Items {
		all = append(all, it.Planned)
		for _, old := range append(slices.Clip(it.Old), it.Obsoleted...) {
			all = append(all, db.Planned{NEVRA: old.NEVRA, Source: old.Source, Removed: true})
		}
	}
	for _, old := range slices.Concat(p.Erase, p.Twice, p.Retired) {
		all = append(all, db.Planned{NEVRA: old.NEVRA, Source: old.Source, Removed: true})
	}
	return all
}

// Tell says what the plan would do, as a simulation does.
func (p *Plan) Tell(w *wire.Writer) {
	for _, old := range slices.Concat(p.Erase, p.Twice, p.Retired) {
		w.Package(wire.InfoRemoving, ops.ID(&old), old.Summary)
	}
	for _, it := range p.Items {
		w.Package(it.Action, it.ID(), it.Summary)
	}
	for _, it := range p.Items {
		for _, old := range it.Obsoleted {
			w.Package(wire.InfoObsoleting, ops.ID(&old), old.Summary)
		}
	}
}
