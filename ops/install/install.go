// SPDX-License-Identifier: GPL-2.0-or-later

package install

import (
	"context"
	"errors"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's ops into m.
func Register(m ops.Mux, s *ops.System) {
	m["install-packages"] = planned(s, packages)
	m["install-files"] = planned(s, files)
	m["download-packages"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return download(ctx, s, w, r) })
}

// planned is an op whose plan is carried out.
func planned(s *ops.System, plan func(context.Context, *ops.System, *wire.Writer, *wire.Request) (*transaction.Plan, error)) ops.Op {
	return ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		return transaction.Run(ctx, s, w, r, func() (*transaction.Plan, error) { return plan(ctx, s, w, r) })
	})
}

// packages plans install-packages. Every reason for which the install would fail that can be known
// now is found now.
func packages(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) (*transaction.Plan, error) {
	w.Status(wire.StatusDepResolve)
	if err := s.SyncInstalled(ctx); err != nil {
		return nil, err
	}
	p := transaction.New(r)
	var present []string
	for _, id := range r.IDs {
		there, err := add(ctx, s, w, r, p, id)
		if err != nil {
			return nil, err
		}
		if there != "" {
			present = append(present, there)
		}
	}
	if err := allPresent(present, len(r.IDs)); err != nil {
		return nil, err
	}
	return p, p.Complete(ctx, s, w)
}

// allPresent is the error where all that was asked for is installed already.
func allPresent(present []string, asked int) error {
	switch {
	case len(present) < asked:
		return nil
	case asked == 1:
		return wire.Errorf(wire.PackageAlreadyInstalled, "%s or a newer one is installed already", present[0])
	}
	return wire.Errorf(wire.AllPackagesAlreadyInstalled, "all of them are installed already: %s", strings.Join(present, ", "))
}

// add adds one package to a plan; there names it where it, or a newer one, is installed and stays.
func add(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request, p *transaction.Plan, id wire.PackageID) (there string, err error) {
	installed, err := s.FindInstalled(ctx, id)
	if err != nil {
		return "", err
	}
	switch {
	case installed != nil && p.Reinstall:
		return "", reinstall(ctx, s, w, p, installed)
	case installed != nil:
		return lacking(ctx, s, w, p, installed)
	case id.Installed():
		return "", wire.Errorf(wire.PackageNotFound, "%s is not installed any more", id.Text())
	case r.Flags[wire.JustReinstall]:
		return "", wire.Errorf(wire.PackageNotInstalled, "%s is not installed, so it can't be installed again", id.Text())
	}
	o, err := s.Find(ctx, w, id)
	if err != nil {
		return "", err
	}
	over, err := transaction.Compare(s, o.Package())
	if err != nil {
		return "", err
	}
	if over.Same != nil || over.Newer != nil && !p.Downgrade {
		return o.Package().NEVRA.String(), nil
	}
	return "", p.Add(s, o, transaction.Why{Asked: true})
}

// lacking adds what a program of ours that is installed lacks: rpm goes on with a program whose
// library it could not install. there names the program where it lacks nothing.
func lacking(ctx context.Context, s *ops.System, w *wire.Writer, p *transaction.Plan, installed *db.Package) (there string, err error) {
	if installed.Source == "" {
		return installed.NEVRA.String(), nil
	}
	added, err := p.AddMissing(ctx, s, w, *installed, transaction.Why{Asked: true})
	if added || err != nil {
		return "", err
	}
	return installed.NEVRA.String(), nil
}

// reinstall adds a package that is installed, in the same version.
func reinstall(ctx context.Context, s *ops.System, w *wire.Writer, p *transaction.Plan, installed *db.Package) error {
	if installed.Source == "" {
		return wire.Errorf(wire.PackageConflicts, "%s belongs to the standard installation, which stays as it is: it can't be installed again", installed.NEVRA)
	}
	o, err := s.Find(ctx, w, wire.PackageID{Name: installed.Name, Version: installed.EVR(), Arch: installed.Arch})
	if errors.Is(err, offers.ErrNotOffered) {
		return wire.Errorf(wire.PackageNotFound, "no source has %s any more, so it can't be installed again: an update may be there", installed.NEVRA)
	}
	if err != nil {
		return err
	}
	_, asked, _, err := s.Record.Why(installed.NEVRA)
	if err != nil {
		return err
	}
	return p.Add(s, o, transaction.Why{Asked: asked})
}
