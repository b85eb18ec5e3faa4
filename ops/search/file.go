// SPDX-License-Identifier: GPL-2.0-or-later

package search

import (
	"context"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// files answers search-file: the packages that have one of these files. A value that begins with
// "/" is a whole path, another one is a file's name, or the end of its path, in any folder; upper
// and lower case differ (PackageKit's SearchFiles).
//
// Of what is offered the top-level packages are found, by their own files: what else is in their
// trees isn't offered.
func files(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) error {
	w.Status(wire.StatusQuery)
	if err := checkCount(r.Values); err != nil {
		return err
	}
	found := &db.Set{}
	var err error
	if r.Filters.Pass(wire.Installed, true) {
		found.Installed, err = s.InstalledWith(ctx, func(h *rpm.Header) bool { return hasFile(h, r.Values) })
		if err != nil {
			return err
		}
	}
	unready := ready(ctx, s, w, r.Filters)
	if r.Filters.Pass(wire.Installed, false) {
		if unready == nil {
			unready = s.Offers.LoadPaths(ctx, ops.Progress(w))
			w.Status(wire.StatusQuery)
		}
		if found.Available, err = s.Record.WithFile(r.Values); err != nil {
			return err
		}
	}
	if _, _, err := s.List(ctx, w, r.Filters, db.Query{Among: found}); err != nil {
		return err
	}
	return unready
}

func hasFile(h *rpm.Header, values []string) bool {
	for _, path := range h.Files() {
		for _, v := range values {
			if path == v || !strings.HasPrefix(v, "/") && strings.HasSuffix(path, v) && strings.HasSuffix(path[:len(path)-len(v)], "/") {
				return true
			}
		}
	}
	return false
}
