// Package search has the ops that look for packages by what a person types: search-name, search-details and
// get-packages.
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
	m["search-name"] = search(s, func(r *wire.Request) db.Query { return db.Query{In: words(r.Values)} })
	m["search-details"] = search(s, func(r *wire.Request) db.Query { return db.Query{Text: words(r.Values)} })
	m["get-packages"] = search(s, func(*wire.Request) db.Query { return db.Query{} })
}

// search lists the packages that a query is for. Each word must be found: PackageKit's SearchDetails says that the
// operator is AND.
func search(s *ops.System, query func(*wire.Request) db.Query) ops.Op {
	return ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		w.Status(wire.StatusQuery)
		// What is installed is known without any source.
		var unready error
		if r.Filters.Pass(wire.Installed, false) {
			unready = s.Ready(ctx, w, nil)
		}
		w.Status(wire.StatusQuery)
		if _, err := s.List(ctx, w, r.Filters, query(r)); err != nil {
			return err
		}
		return unready
	})
}

// words splits the values at spaces.
func words(values []string) []string {
	var all []string
	for _, v := range values {
		all = append(all, strings.Fields(v)...)
	}
	return all
}
