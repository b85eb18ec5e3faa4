// SPDX-License-Identifier: GPL-2.0-or-later

package search

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// files answers search-file: the packages that have one of these files. A value that begins with
// "/" is a whole path, another one is a file's name, or the end of its path, in any folder; upper
// and lower case differ (PackageKit's SearchFiles).
//
// Of what is offered all packages in trees are found by the files that are in the sources' indexes,
// and top-level packages by all their files, where the platform publishes file lists.
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
	var o offering
	var unready error
	if r.Filters.Pass(wire.Installed, false) {
		names := make([]string, len(r.Values))
		for i, v := range r.Values {
			names[i] = path.Join("/", v)
		}
		indexed, err := o.asked(ctx, s, w, names, func(name string) bool { return isFile(name, r.Values) })
		if offers.Ends(err) {
			return err
		}
		unready = errors.Join(err, withFiles(ctx, s, w, &o, r.Values, err == nil && indexed))
		w.Status(wire.StatusQuery)
		found.Available = o.tops
	}
	if _, _, err := s.List(ctx, w, r.Filters, db.Query{Among: found}); err != nil {
		return err
	}
	if err := s.ListMembers(ctx, w, r.Filters, o.members); err != nil {
		return err
	}
	return unready
}

// withFiles finds top-level packages by their file lists. They are not asked for where the indexes
// were, and these have all such files.
func withFiles(ctx context.Context, s *ops.System, w *wire.Writer, o *offering, values []string, asked bool) (err error) {
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return asked && tree.IsCommand(v) })
	if len(values) == 0 {
		return nil
	}
	unready := s.Ready(ctx, w, nil)
	if unready == nil {
		unready = s.Offers.LoadPaths(ctx, ops.Progress(w))
	}
	ids, err := s.Record.WithFile(values)
	o.tops = append(o.tops, ids...)
	if err != nil {
		return err
	}
	return unready
}

func hasFile(h *rpm.Header, values []string) bool {
	return slices.ContainsFunc(h.Files(), func(path string) bool { return isFile(path, values) })
}

// isFile tells whether a path is one of the values, or ends with it.
func isFile(path string, values []string) bool {
	for _, v := range values {
		if path == v || path != "" && path[0] == '/' && !strings.HasPrefix(v, "/") && strings.HasSuffix(path, v) && strings.HasSuffix(path[:len(path)-len(v)], "/") {
			return true
		}
	}
	return false
}
