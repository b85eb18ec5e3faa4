// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Lacking are the packages that a program needs and that aren't installed in any version, where rpm
// says that it can't do without: a tree may have what is only recommended, or what something else
// has taken the place of. The trees say what may be lacking, so that rpm is only asked where
// something is. needs are what was meant to be installed with the program, and itself.
func Lacking(ctx context.Context, s *ops.System, needs []tree.NEVRA) ([]tree.NEVRA, error) {
	var lacking []tree.NEVRA
	var present []db.Package
	for _, n := range needs {
		installed, err := s.Record.InstalledByName(n.Name)
		if err != nil {
			return nil, err
		}
		installed = slices.DeleteFunc(installed, func(q db.Package) bool { return !replaceable(q.NEVRA, n) })
		if len(installed) == 0 {
			lacking = append(lacking, n)
		}
		present = append(present, installed...)
	}
	if len(lacking) == 0 {
		return nil, nil
	}
	met, err := s.RPM.Met(ctx, Labels(present))
	if err != nil || met {
		return nil, err
	}
	return lacking, nil
}

// replaceable tells whether one package would stand in the place of another: of the same name, for
// the same architecture, or for any.
func replaceable(p, q tree.NEVRA) bool {
	return p.Name == q.Name && (p.Arch == q.Arch || p.Arch == "noarch" || q.Arch == "noarch")
}

// Needs are a package on offer and all that its tree has for it.
func Needs(o *offers.Offer) []tree.NEVRA {
	var all []tree.NEVRA
	for _, i := range o.Tree.Closure(o.Index) {
		all = append(all, o.Tree.Packages[i].NEVRA)
	}
	return all
}

// meant is what was meant to be installed with an installed program, and itself: by its tree, if
// that is still kept, or else by the journal. No source is asked.
func meant(s *ops.System, program tree.NEVRA) ([]tree.NEVRA, error) {
	digests, err := s.Record.TreesWith(program.Name, program.EVR(), program.Arch)
	if err != nil {
		return nil, err
	}
	for _, digest := range digests {
		t, err := s.Record.Tree(digest)
		if err != nil {
			return nil, err
		}
		if t != nil && t.Top().NEVRA == program {
			return Needs(&offers.Offer{Tree: t, Index: len(t.Packages) - 1}), nil
		}
	}
	planned, err := s.Record.Meant(program)
	if err != nil {
		return nil, err
	}
	all := []tree.NEVRA{program}
	for _, p := range planned {
		if slices.Contains(p.By, program.Name) {
			all = append(all, p.NEVRA)
		}
	}
	return all, nil
}

// An Incomplete is an installed program that lacks what it needs.
type Incomplete struct {
	Program db.Package
	Lacks   []tree.NEVRA
}

// FindIncomplete are the programs of this backend that lack what they need, as those do whose
// library rpm could not install. No source is asked.
func FindIncomplete(ctx context.Context, s *ops.System) ([]Incomplete, error) {
	owned, err := s.Record.OwnPackages()
	if err != nil {
		return nil, err
	}
	var all []Incomplete
	for _, p := range owned {
		if !p.Asked {
			continue
		}
		i, err := lookAt(ctx, s, p.Package)
		if err != nil {
			return nil, err
		}
		if len(i.Lacks) > 0 {
			all = append(all, *i)
		}
	}
	return all, nil
}

func lookAt(ctx context.Context, s *ops.System, program db.Package) (*Incomplete, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	needs, err := meant(s, program.NEVRA)
	if err != nil {
		return nil, err
	}
	lacks, err := Lacking(ctx, s, needs)
	return &Incomplete{program, lacks}, err
}

// Left are the packages that were to be removed with what they were brought in for, and that rpm
// could not remove: nothing needs them, nobody asked for them.
func Left(ctx context.Context, s *ops.System) ([]db.Package, error) {
	meant, err := s.Record.NotRemoved()
	if err != nil || len(meant) == 0 {
		return nil, err
	}
	owned, err := s.Record.OwnPackages()
	if err != nil {
		return nil, err
	}
	var all []db.Package
	for _, p := range owned {
		if !p.Asked && len(p.By) == 0 && slices.Contains(meant, p.NEVRA) {
			all = append(all, p.Package)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	unmet, err := s.RPM.UnmetByErasing(ctx, Labels(all))
	if err != nil || len(unmet) > 0 { // something else has come to depend on them
		return nil, err
	}
	return all, nil
}

// AddMissing adds to the plan what an installed program of this backend's lacks, from whichever
// source has its tree: in the version that is installed, or else the newest. added tells whether it
// lacks anything. The error says why what it lacks can't be had.
func (p *Plan) AddMissing(ctx context.Context, s *ops.System, w *wire.Writer, program db.Package, why Why) (added bool, err error) {
	o, err := s.Find(ctx, w, wire.PackageID{Name: program.Name, Version: program.EVR(), Arch: program.Arch})
	if err == nil {
		return p.addTree(ctx, s, o, why)
	}
	if offers.Ends(err) {
		return false, err
	}
	// Nobody has this version any more, or none can be asked: what is known here tells.
	i, failed := lookAt(ctx, s, program)
	if failed != nil || len(i.Lacks) == 0 {
		return false, failed
	}
	if !errors.Is(err, offers.ErrNotOffered) {
		return false, err
	}
	o, err = s.Find(ctx, w, wire.PackageID{Name: program.Name})
	if err == nil && o.Package().Compare(program.NEVRA) > 0 {
		return true, p.Add(s, o, why)
	}
	for _, lacking := range i.Lacks { // a person's own RPM has no tree
		o, err := s.Find(ctx, w, wire.PackageID{Name: lacking.Name, Version: lacking.EVR(), Arch: lacking.Arch})
		if errors.Is(err, offers.ErrNotOffered) {
			o, err = s.Find(ctx, w, wire.PackageID{Name: lacking.Name})
		}
		if offers.Ends(err) {
			return false, err
		}
		if err != nil {
			return false, wire.Errorf(wire.DepResolutionFailed, "%s is installed without %s, which it needs, and that can't be had: %w: remove it, or find a source that has it", program.NEVRA, lacking, err)
		}
		if err := p.Add(s, o, Why{By: program.Name}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// addTree adds what an installed program lacks of its tree, or has older.
func (p *Plan) addTree(ctx context.Context, s *ops.System, o *offers.Offer, why Why) (added bool, err error) {
	before := len(p.Items)
	err = p.Add(s, o, why)
	if len(p.Items) > before {
		return true, err
	}
	if err == nil {
		return false, nil
	}
	lacks, failed := Lacking(ctx, s, Needs(o))
	if failed != nil || len(lacks) > 0 {
		return true, errors.Join(failed, err)
	}
	return false, nil // it lacks nothing, or nothing can be done about it
}

// Within has a plan made and carries it out, inside Repair.
func Within(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request, lock *os.File, plan func() (*Plan, error)) error {
	return upToDate(ctx, s, w, r, func() error { return run(ctx, s, w, r, lock, plan) })
}
