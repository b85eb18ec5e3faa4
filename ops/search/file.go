// SPDX-License-Identifier: GPL-2.0-or-later

package search

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// files answers search-file: the packages that have one of these files. A value that begins with
// "/" is a whole path, another one is a file's name, or the end of its path, in any folder; upper
// and lower case differ (PackageKit's SearchFiles).
//
// Of what is offered the files are found that the sources' indexes have: all of the packages in all
// trees, where the repositories have file lists, else their commands. Of a name of a file that many
// packages have, some are found by it, and each by its whole path.
func files(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) error {
	w.Status(wire.StatusQuery)
	if err := checkCount(r.Values); err != nil {
		return err
	}
	var installed []string
	var err error
	if r.Filters.Pass(wire.Installed, true) {
		installed, err = s.InstalledWith(ctx, func(h *rpm.Header) bool { return hasFile(h, r.Values) })
		if err != nil {
			return err
		}
	}
	var o offering
	var unready error
	if r.Filters.Pass(wire.Installed, false) {
		names := make([]string, len(r.Values))
		for i, v := range r.Values {
			if names[i] = v; !strings.HasPrefix(v, "/") { // a name without folders finds what ends with it
				names[i] = path.Base(v)
			}
		}
		unready = o.asked(ctx, s, w, names, func(name string) bool { return isFile(name, r.Values) })
		if offers.Ends(unready) {
			return unready
		}
		w.Status(wire.StatusQuery)
	}
	if _, _, err := s.List(ctx, w, r.Filters, o.query(installed)); err != nil {
		return err
	}
	if err := s.ListMembers(ctx, w, r.Filters, o.members); err != nil {
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
