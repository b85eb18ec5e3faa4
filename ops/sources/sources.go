// SPDX-License-Identifier: GPL-2.0-or-later

// Package sources has the ops that show and change where software comes from: get-repo-list,
// repo-enable and repo-set-data. What they change is the configuration file; it counts at once, in
// a helper that runs beside this one too.
package sources

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's ops into m.
func Register(m ops.Mux, s *ops.System) {
	m["get-repo-list"] = list(s)
	m["repo-enable"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		w.Status(wire.StatusSetup)
		if err := s.Offers.SetSource(ctx, r.Name, "enabled", strconv.FormatBool(r.Enabled)); err != nil {
			return err
		}
		if err := s.Offers.HidePrograms(s.RPM.Root); err != nil { // the next refresh tries again
			s.Log.Warn("what a source offered is still shown in software centres", "error", err)
		}
		return nil
	})
	m["repo-set-data"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		w.Status(wire.StatusSetup)
		return s.Offers.SetSource(ctx, r.Name, r.Parameter, r.Value)
	})
}

// list answers get-repo-list. PackageKit's filters have no meaning for sources: none is for
// development or for source code.
func list(s *ops.System) ops.Op {
	return ops.Func(func(ctx context.Context, w *wire.Writer, _ *wire.Request) error {
		w.Status(wire.StatusQuery)
		all, err := s.Offers.Configured(ctx)
		if err != nil {
			return err
		}
		for _, source := range all {
			name := source.Name
			if name == "" {
				name = source.ID
			}
			expired, is, err := s.Offers.Expired(ctx, source)
			if err != nil {
				return err
			}
			if is { // it is in use still
				name += fmt.Sprintf(" (old: what is here of it has expired on %s)", expired.UTC().Format(time.DateOnly))
			}
			w.RepoDetail(source.ID, name, !source.Disabled)
		}
		return nil
	})
}
