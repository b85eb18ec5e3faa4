// Package search has the ops that look for packages: by what a person types (search-name, search-details, get-packages), by group
// (search-group, get-categories), by file (search-file), and by what they provide (what-provides).
package search

import (
	"context"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's ops into m.
func Register(m ops.Mux, s *ops.System) {
	m["search-name"] = search(s, func(_ context.Context, r *wire.Request) (db.Query, error) { return db.Query{In: words(r.Values)}, nil })
	m["search-details"] = search(s, func(_ context.Context, r *wire.Request) (db.Query, error) {
		return db.Query{Text: words(r.Values)}, nil
	})
	m["get-packages"] = search(s, func(context.Context, *wire.Request) (db.Query, error) { return db.Query{}, nil })
	m["search-group"] = search(s, func(ctx context.Context, r *wire.Request) (db.Query, error) { return inGroups(ctx, s, r.Values) })
	m["get-categories"] = ops.Func(func(ctx context.Context, w *wire.Writer, _ *wire.Request) error { return categories(ctx, s, w) })
	m["search-file"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return files(ctx, s, w, r) })
	m["what-provides"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return provides(ctx, s, w, r) })
}

// search lists the packages that a query is for. Each word must be found: PackageKit's SearchDetails says that the
// operator is AND.
func search(s *ops.System, query func(context.Context, *wire.Request) (db.Query, error)) ops.Op {
	return ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		w.Status(wire.StatusQuery)
		q, err := query(ctx, r)
		if err != nil {
			return err
		}
		unready := ready(ctx, s, w, r.Filters)
		if _, _, err := s.List(ctx, w, r.Filters, q); err != nil {
			return err
		}
		return unready
	})
}

// ready makes the catalogue ready for a search of all of it. What is installed is known without any source: the error is for
// the end.
func ready(ctx context.Context, s *ops.System, w *wire.Writer, f wire.Filters) (unready error) {
	if f.Pass(wire.Installed, false) {
		unready = s.Ready(ctx, w, nil)
	}
	w.Status(wire.StatusQuery)
	return unready
}

// words splits the values at spaces.
func words(values []string) []string {
	var all []string
	for _, v := range values {
		all = append(all, strings.Fields(v)...)
	}
	return all
}
