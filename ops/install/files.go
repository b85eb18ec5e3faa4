// SPDX-License-Identifier: GPL-2.0-or-later

package install

import (
	"context"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// files plans install-files. What the files need and neither they nor this computer have comes from
// the platform's trees, in the same transaction.
func files(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) (*transaction.Plan, error) {
	w.Status(wire.StatusQuery)
	if err := s.SyncInstalled(ctx); err != nil {
		return nil, err
	}
	p := transaction.New(r)
	if err := addFiles(ctx, s, w, p, r.Files); err != nil {
		p.Drop()
		return nil, err
	}
	return p, nil
}

// addFiles adds people's own RPMs to a plan, with what they need.
func addFiles(ctx context.Context, s *ops.System, w *wire.Writer, p *transaction.Plan, paths []string) error {
	var present, copies []string
	for _, path := range paths {
		file, err := local(ctx, s, path)
		if err != nil {
			return err
		}
		copied, there, err := p.AddLocal(ctx, s, file)
		file.Close()
		if err != nil {
			return err
		}
		if there {
			present = append(present, ops.NEVRA(file.Header).String())
			continue
		}
		copies = append(copies, copied)
	}
	if err := allPresent(present, len(paths)); err != nil {
		return err
	}
	w.Status(wire.StatusDepResolve)
	unmet, err := s.RPM.UnmetByInstalling(ctx, copies)
	if err != nil {
		return err
	}
	if err := meet(ctx, s, w, p, unmet); err != nil {
		return err
	}
	return p.Complete(ctx, s, w)
}

// local opens a person's own RPM file that this computer could install.
func local(ctx context.Context, s *ops.System, path string) (*ops.LocalFile, error) {
	f, err := s.OpenLocal(ctx, path)
	if err != nil {
		return nil, err
	}
	if f.IsSource() {
		f.Close()
		return nil, wire.Errorf(wire.InvalidPackageFile, "%q is a source package: it has what a program is made from, and can't be installed", path)
	}
	if fit := tree.Compatible(s.Offers.Arch()); !slices.Contains(fit, f.Arch) {
		f.Close()
		return nil, wire.Errorf(wire.IncompatibleArchitecture, "%q is for %s and this computer needs %s", path, f.Arch, strings.Join(fit, " or "))
	}
	return f, nil
}

// meet adds to a plan what meets dependencies, or says which of them nothing meets.
func meet(ctx context.Context, s *ops.System, w *wire.Writer, p *transaction.Plan, unmet []rpm.Unmet) error {
	var lacking, open []string
	for _, u := range unmet {
		by, err := tree.ParseNEVRA(u.By)
		if err != nil {
			return wire.Errorf(wire.DepResolutionFailed, "rpm names %q, which is no package: %w", u.By, err)
		}
		if strings.HasPrefix(u.Capability, "(") { // Complete sees to that, when all that comes is known
			open = append(open, by.String()+" needs "+u.Capability)
			continue
		}
		if u.Installed {
			return wire.Errorf(wire.PackageConflicts, "the installed %s needs %s, which would go: remove it first", by, u.Capability)
		}
		name, _, versioned := strings.Cut(u.Capability, " ")
		o, err := s.Provider(ctx, w, name, func(pkg *tree.Package) bool { return !versioned || pkg.Name != name || pkg.Meets(u.Capability) }) // rpm itself has the last word
		if err != nil {
			return err
		}
		if o == nil {
			lacking = append(lacking, by.String()+" needs "+u.Capability)
			continue
		}
		if err := p.Add(s, o, transaction.Why{By: by.Name}); err != nil {
			return err
		}
	}
	if len(lacking) > 0 {
		return wire.Errorf(wire.DepResolutionFailed, "neither this computer nor a source has all that is needed: %s", strings.Join(append(lacking, open...), ", "))
	}
	return nil
}
