// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rich"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A kind is what a condition is for its package. What has the least hope to be completed comes
// first.
type kind int

const (
	conflict kind = iota
	requirement
	recommendation
)

// A condition is something that a package asks of all others, beyond what its tree has.
type condition struct {
	kind kind
	expr *rich.Expr
	by   int // who asks: its place among the members of the world
}

// broken tells whether the world isn't as a condition asks.
func (c *condition) broken(w *world) bool {
	if c.kind != conflict {
		return !c.expr.Met(w)
	}
	if c.expr.Op == rich.Plain { // nobody is in conflict with himself
		return slices.ContainsFunc(w.Providers(c.expr.Dep), func(n int) bool { return n != c.by })
	}
	return c.expr.Met(w)
}

// key names a condition in each world that has it.
func (c *condition) key(w *world) string { return w.members[c.by].String() + " " + c.expr.String() }

// A member is a package that is there when the plan is carried out.
type member struct {
	tree.NEVRA
	item *Item // nil: it is installed and stays
}

// A world is what is installed when the plan is carried out: as much of it as conditions are about.
type world struct {
	members    []member
	provided   map[string][]provided // by name
	conditions []condition           // those that the plan may break
	left       []tree.NEVRA          // what goes
}

type provided struct {
	rich.Dep
	by int
}

// Providers are the members that a dependency is met by.
func (w *world) Providers(d rich.Dep) (all []int) {
	for _, p := range w.provided[d.Name] {
		if d.Overlaps(p.Dep) {
			all = append(all, p.by)
		}
	}
	return all
}

func (w *world) provide(by int, texts ...string) {
	for _, text := range texts {
		d := dep(text)
		w.provided[d.Name] = append(w.provided[d.Name], provided{d, by})
	}
}

// dep is something that is provided. What has no version that can be read has all.
func dep(text string) rich.Dep {
	d, err := rich.ParseDep(text)
	if err != nil {
		name, _, _ := strings.Cut(text, " ")
		return rich.Dep{Name: name}
	}
	return d
}

// names are those that an expression is about.
func names(e *rich.Expr, into map[string]bool) {
	e.Leaves(func(d rich.Dep, _, _ bool) bool {
		into[d.Name] = true
		return true
	})
}

// told tells whether a source says what its packages are: Sugar Network's doesn't tell epochs, nor
// conditions.
func (i *Item) told() bool { return i.local || i.pkg.Size > 0 || i.pkg.SHA256 != "" }

// provides is what is known before it is downloaded of what an item provides.
func (i *Item) provides() []string {
	if !i.told() {
		return []string{i.Name}
	}
	return append([]string{i.Name + " = " + i.EVR()}, i.pkg.Provided...)
}

// asked are the conditions of an item.
func (i *Item) asked(by int) (all []condition) {
	for _, list := range []struct {
		kind  kind
		texts []string
	}{{requirement, i.pkg.Conditions.Requires}, {conflict, i.pkg.Conditions.Conflicts}, {recommendation, i.pkg.Conditions.Recommends}} {
		if list.kind == recommendation && i.Action != wire.InfoInstalling {
			continue // who did without it goes on to
		}
		for _, text := range list.texts {
			// What can't be read is rpm's business.
			if e, err := rich.Parse(text); err == nil {
				all = append(all, condition{list.kind, e, by})
			}
		}
	}
	return all
}

// look finds out what the world will be. All headers of the RPM database are read: once, or twice
// where conditions of installed packages are about what comes or goes.
func (p *Plan) look(ctx context.Context, s *ops.System) (*world, error) {
	w := &world{provided: make(map[string][]provided)}
	come, leave, wanted := make(rich.Provided), make(rich.Provided), make(map[string]bool)
	heirs := make(map[tree.NEVRA]int) // which item takes the place of an installed package
	replaced := make(map[string]bool) // names of packages that go for another version
	for by, it := range p.Items {
		w.members = append(w.members, member{it.NEVRA, it})
		w.provide(by, it.provides()...)
		if it.told() {
			for _, text := range it.provides() {
				come.Add(dep(text))
			}
		}
		w.conditions = append(w.conditions, it.asked(by)...)
		for _, old := range it.Old {
			heirs[old.NEVRA], replaced[old.Name] = by, true
		}
		for _, old := range it.Obsoleted {
			heirs[old.NEVRA] = by
		}
	}
	// What conditions of trees are about is told of all that is in trees; of people's own RPMs' not.
	told, untold := make(map[string]bool), make(map[string]bool)
	for _, c := range w.conditions {
		names(c.expr, wanted)
		if !w.members[c.by].item.local {
			names(c.expr, told)
		}
	}
	for name := range wanted {
		if !told[name] {
			untold[name] = true
		}
	}
	p.ownFiles(w, wanted)
	var theirs []condition // of the installed packages
	stays := make(map[tree.NEVRA]int)
	inherited := make(map[string]bool) // names that an heir provides in its own version
	err := s.RPM.Read(ctx, none, func(_ string, h *rpm.Header) error {
		is := ops.NEVRA(h)
		if heir, goes := heirs[is]; goes {
			w.left = append(w.left, is)
			w.inherit(p.Items[heir], heir, is, h, leave, inherited, told)
			w.files(h, heir, untold)
			return ctx.Err()
		}
		by := len(w.members)
		stays[is] = by
		w.members = append(w.members, member{NEVRA: is})
		w.read(h, by, wanted)
		add := func(k kind, texts []string) {
			for _, text := range texts {
				if e, err := rich.Parse(text); err == nil {
					theirs = append(theirs, condition{k, e, by})
				}
			}
		}
		add(requirement, h.Rich(true))
		add(conflict, h.Conflicts())
		if len(replaced) > 0 {
			add(requirement, h.Required(func(name string) bool {
				base, _, _ := strings.Cut(name, "(")
				return replaced[base]
			}))
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	more := make(map[string]bool)
	for _, c := range theirs {
		if c.kind == requirement && c.expr.Op == rich.Plain && !inherited[c.expr.Dep.Name] {
			continue
		}
		if c.expr.Asks(c.kind == conflict, come, leave) {
			w.conditions = append(w.conditions, c)
			names(c.expr, more)
		}
	}
	for name := range wanted {
		delete(more, name)
	}
	if len(more) == 0 {
		return w, nil
	}
	p.ownFiles(w, more)
	return w, s.RPM.Read(ctx, none, func(_ string, h *rpm.Header) error {
		is := ops.NEVRA(h)
		if heir, goes := heirs[is]; goes {
			w.files(h, heir, more)
		} else if by, ok := stays[is]; ok {
			w.read(h, by, more)
		}
		return ctx.Err()
	})
}

// none is for reading all headers, all for taking all that they have.
func none(string) bool { return false }
func all(string) bool  { return true }

// conditionsOf are those of a person's own RPM: nobody has solved it, so all count that aren't
// plain.
func conditionsOf(h *rpm.Header) tree.Conditions {
	return tree.Conditions{Requires: h.Rich(false), Conflicts: h.Conflicts()}
}

// read notes what an installed package that stays provides under some names.
func (w *world) read(h *rpm.Header, by int, wanted map[string]bool) {
	if len(wanted) == 0 {
		return
	}
	w.provide(by, h.Provided(func(name string) bool { return wanted[name] })...)
	w.files(h, by, wanted)
}

// files notes those of a package's files that are wanted.
func (w *world) files(h *rpm.Header, by int, wanted map[string]bool) {
	for name := range wanted {
		if strings.HasPrefix(name, "/") {
			w.provide(by, h.FilesAmong(wanted)...)
			return
		}
	}
}

// ownFiles notes the files of people's own RPMs, which no tree tells of.
func (p *Plan) ownFiles(w *world, wanted map[string]bool) {
	for by, it := range p.Items {
		if it.header != nil {
			w.files(it.header, by, wanted)
		}
	}
}

// inherit notes what a package provided that goes for an item. The item is taken to provide the
// same, under the package's name in its own version, but for what its source says: only what some
// condition on the server is about is told, as the names in known are, and rpm has the last word.
func (w *world) inherit(it *Item, heir int, is tree.NEVRA, h *rpm.Header, leave rich.Provided, inherited, known map[string]bool) {
	told := make(map[string]bool)
	for _, text := range it.provides() {
		told[dep(text).Name] = true
	}
	for _, text := range h.Provided(all) {
		d := dep(text)
		leave.Add(d)
		own := it.Name == is.Name && it.told() && d.Sense == rich.Equal && d.EVR == is.EVR()
		if own {
			inherited[d.Name] = true
		}
		switch {
		case told[d.Name] || known[d.Name] && it.told():
		case own && strings.HasPrefix(d.Name, is.Name+"("):
			w.provide(heir, d.Name+" = "+it.EVR())
		default:
			w.provide(heir, text)
		}
	}
	if it.Name == is.Name && it.told() {
		inherited[is.Name] = true
	}
}

const (
	maxRounds   = 8  // how often what completes a plan may need to be completed itself
	maxAttempts = 64 // how many ways to complete one plan are tried
	maxWay      = 32 // how many packages one may ask for
)

// attempts are what was tried to complete a plan. All clones of a plan share them.
type attempts struct {
	rounds int
	ways   int
	given  map[string]bool // recommendations that can't be had
}

// meetConditions finds the conditions that what comes and what is installed would not meet, which
// rpm would refuse after the download, and adds what meets them, as far as a source offers it. A
// plan that can't be completed is an error.
func (p *Plan) meetConditions(ctx context.Context, s *ops.System, w *wire.Writer) error {
	if len(p.Items) == 0 {
		return nil
	}
	if p.tried == nil {
		p.tried = &attempts{given: make(map[string]bool)}
	}
	after, err := p.look(ctx, s)
	if err != nil {
		return err
	}
	var broken []condition
	for _, c := range after.conditions {
		if c.broken(after) && !(c.kind == recommendation && p.tried.given[c.key(after)]) {
			broken = append(broken, c)
		}
	}
	slices.SortStableFunc(broken, func(a, b condition) int { return int(a.kind) - int(b.kind) })
	for _, c := range broken {
		next, err := p.complete(ctx, s, w, after, c)
		switch {
		case next != nil:
			*p = *next
			return nil // and so all others are met
		case offers.Ends(err) || ctx.Err() != nil:
			return err
		case c.kind == recommendation:
			p.tried.given[c.key(after)] = true
			s.Log.Info("what a package recommends can't be had", "package", after.members[c.by], "recommends", c.expr, "error", err)
		default:
			return after.refuse(c, err)
		}
	}
	return nil
}

// complete is the plan with what meets a condition, and all that this brings with it; nil where
// there is no such plan. err is why the first way that there was leads nowhere.
func (p *Plan) complete(ctx context.Context, s *ops.System, w *wire.Writer, after *world, c condition) (next *Plan, err error) {
	if p.tried.rounds >= maxRounds {
		return nil, nil
	}
	p.tried.rounds++
	defer func() { p.tried.rounds-- }()
	ways, err := p.ways(ctx, s, w, after, c)
	if err != nil {
		return nil, err
	}
	for _, way := range ways {
		if p.tried.ways >= maxAttempts {
			break
		}
		p.tried.ways++
		next := p.clone()
		failed := next.take(ctx, s, w, after, c, way)
		if failed == nil {
			return next, nil
		}
		if offers.Ends(failed) || ctx.Err() != nil {
			return nil, failed
		}
		if err == nil && !errors.Is(failed, errNoHelp) {
			err = failed
		}
	}
	return nil, err
}

// errNoHelp is about a way to complete a plan that doesn't.
var errNoHelp = errors.New("that doesn't help")

// take adds a way to meet a condition.
func (p *Plan) take(ctx context.Context, s *ops.System, w *wire.Writer, after *world, c condition, way []*offers.Offer) error {
	by, err := needer(s, after.members[c.by])
	if err != nil {
		return err
	}
	for _, o := range way {
		why := Why{By: by}
		if there, err := s.Record.InstalledByName(o.Package().Name); err != nil {
			return err
		} else if len(there) > 0 {
			why = Why{} // it is only brought forward
		}
		if err := p.add(s, o, why); err != nil {
			return err
		}
	}
	if err := p.Obsolete(s); err != nil {
		return err
	}
	now, err := p.look(ctx, s)
	if err != nil {
		return err
	}
	for _, other := range now.conditions {
		if other.kind == c.kind && other.key(now) == c.key(after) && other.broken(now) {
			return errNoHelp
		}
	}
	return p.Complete(ctx, s, w)
}

// needer is the program for which something is brought that a package's condition asks for: the
// package itself, or the one whose tree has it.
func needer(s *ops.System, m member) (string, error) {
	asked, by := true, []string(nil)
	var err error
	if m.item != nil {
		asked, by = m.item.Asked, m.item.By
	} else {
		_, asked, by, err = s.Record.Why(m.NEVRA)
	}
	if asked || len(by) == 0 {
		return m.Name, err
	}
	return by[0], err
}

// ways are sets of packages on offer that may meet a condition.
func (p *Plan) ways(ctx context.Context, s *ops.System, w *wire.Writer, after *world, c condition) (all [][]*offers.Offer, err error) {
	if c.kind != conflict {
	ways:
		for _, deps := range c.expr.Completions(after) {
			if len(deps) > maxWay {
				continue
			}
			var way []*offers.Offer
			for _, d := range deps {
				o, err := offerOf(ctx, s, w, d)
				if err != nil {
					return nil, err
				}
				if o == nil {
					continue ways
				}
				way = append(way, o)
			}
			all = append(all, way)
		}
	}
	if c.kind == recommendation {
		return all, nil
	}
	// A newer version may ask for less, or not be in the way.
	newer := []int{c.by}
	newer = append(newer, after.involved(c)...)
	for _, n := range newer {
		m := after.members[n]
		if m.item != nil || len(all) >= maxAttempts {
			continue
		}
		installed, err := s.Record.InstalledByName(m.Name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(installed, func(q db.Package) bool { return q.NEVRA == m.NEVRA && q.Source != "" }) {
			continue
		}
		o, err := s.Find(ctx, w, wire.PackageID{Name: m.Name})
		if errors.Is(err, offers.ErrNotOffered) || err == nil && o.Package().Compare(m.NEVRA) <= 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, []*offers.Offer{o})
	}
	return all, nil
}

// involved are the members through which a condition isn't met.
func (w *world) involved(c condition) (all []int) {
	c.expr.Leaves(func(d rich.Dep, needed, forbidden bool) bool {
		if forbidden && c.kind != conflict || needed && c.kind == conflict {
			for _, n := range w.Providers(d) {
				if n != c.by && !slices.Contains(all, n) {
					all = append(all, n)
				}
			}
		}
		return true
	})
	return all
}

// refuse is the error of a plan that breaks a condition; why may say what stands in the way of
// completing it.
func (w *world) refuse(c condition, why error) error {
	who := w.members[c.by].NEVRA.String()
	if w.members[c.by].item == nil {
		who = "the installed " + who
	}
	var with []string
	for _, n := range w.involved(c) {
		with = append(with, w.members[n].NEVRA.String())
	}
	if c.kind == conflict {
		return wire.Errorf(wire.PackageConflicts, "%s conflicts with %s, which is %s: remove one of them first, or do without the other", who, c.expr, strings.Join(with, ", "))
	}
	text := fmt.Sprintf("%s needs %s", who, c.expr)
	switch {
	case len(with) > 0:
		text += ", which isn't met together with " + strings.Join(with, ", ")
	case len(w.left) > 0:
		var left []string
		for _, p := range w.left {
			left = append(left, p.String())
		}
		text += ", which isn't met any more without " + strings.Join(left, ", ")
	}
	if known := ops.AsError(why); known != nil {
		return &wire.Error{Code: wire.DepResolutionFailed, Text: text + ", and what would meet it can't come: " + known.Text, Err: why}
	}
	return wire.Errorf(wire.DepResolutionFailed, "%s, and no source offers what would meet it: remove the one first, or do without the other", text)
}

// offerOf is a package on offer that meets a dependency; nil where none is known.
func offerOf(ctx context.Context, s *ops.System, w *wire.Writer, d rich.Dep) (*offers.Offer, error) {
	return s.Provider(ctx, w, d.Name, func(pkg *tree.Package) bool { return meets(pkg, d) })
}

// meets tells whether a package of a tree provides what a dependency wants.
func meets(pkg *tree.Package, d rich.Dep) bool {
	return d.Overlaps(rich.Dep{Name: pkg.Name, Sense: rich.Equal, EVR: pkg.EVR()}) ||
		slices.ContainsFunc(pkg.Provided, func(text string) bool { return d.Overlaps(dep(text)) })
}
