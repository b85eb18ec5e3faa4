package install

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// files plans install-files. What the files need and neither they nor this computer have comes from the platform's trees, in
// the same transaction.
func files(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) (*transaction.Plan, error) {
	w.Status(wire.StatusQuery)
	if err := s.SyncInstalled(ctx); err != nil {
		return nil, err
	}
	p := transaction.New(r)
	var present, paths []string
	for _, path := range r.Files {
		pkg, summary, err := local(s, path)
		if err != nil {
			return nil, err
		}
		there, err := p.AddFile(s, pkg, summary, path)
		if err != nil {
			return nil, err
		}
		if there {
			present = append(present, pkg.NEVRA.String())
			continue
		}
		paths = append(paths, path)
	}
	if err := allPresent(present, len(r.Files)); err != nil {
		return nil, err
	}
	w.Status(wire.StatusDepResolve)
	unmet, err := s.RPM.UnmetByInstalling(paths)
	if err != nil {
		return nil, err
	}
	if err := meet(ctx, s, w, p, unmet); err != nil {
		return nil, err
	}
	return p, p.Complete(ctx, s, w)
}

// local describes a user's RPM file as if it were a package of a tree.
func local(s *ops.System, path string) (pkg *tree.Package, summary string, err error) {
	h, err := ops.ReadLocal(path)
	if err != nil {
		return nil, "", err
	}
	if h.IsSource() {
		return nil, "", wire.Errorf(wire.InvalidPackageFile, "%s is a source package: it has what a program is made from, and can't be installed", path)
	}
	if fit := tree.Compatible(s.Offers.Arch()); !slices.Contains(fit, h.Arch) {
		return nil, "", wire.Errorf(wire.IncompatibleArchitecture, "%s is for %s and this computer needs %s", path, h.Arch, strings.Join(fit, " or "))
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", wire.Errorf(wire.FileNotFound, "looking at the file: %w", err)
	}
	return &tree.Package{
		NEVRA: ops.NEVRA(h),
		Size:  info.Size(), Installed: h.Size, Obsoletes: h.Obsoletes(),
	}, h.Summary, nil
}

// meet adds to a plan what meets dependencies, or says which of them nothing meets.
func meet(ctx context.Context, s *ops.System, w *wire.Writer, p *transaction.Plan, unmet []rpm.Unmet) error {
	var lacking []string
	find := providers{s: s, w: w}
	for _, u := range unmet {
		by, err := tree.ParseNEVRA(u.By)
		if err != nil {
			return wire.Errorf(wire.DepResolutionFailed, "rpm names %q, which is no package: %w", u.By, err)
		}
		if u.Installed {
			return wire.Errorf(wire.PackageConflicts, "the installed %s needs %s, which would go: remove it first", by, u.Capability)
		}
		o, err := find.provider(ctx, u.Capability)
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
		return wire.Errorf(wire.DepResolutionFailed, "neither this computer nor a source has all that is needed: %s", strings.Join(lacking, ", "))
	}
	return nil
}
