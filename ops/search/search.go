// SPDX-License-Identifier: GPL-2.0-or-later

// Package search has the ops that look for packages: by what a person types (search-name,
// search-details, get-packages), by group (search-group, get-categories), by file (search-file),
// and by what they provide (what-provides).
package search

import (
	"context"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Register puts the family's ops into m.
func Register(m ops.Mux, s *ops.System) {
	m["search-name"] = search(s, func(_ context.Context, _ *wire.Writer, r *wire.Request) (ops.Query, error) {
		all, err := words(r.Values)
		return ops.Query{Query: offers.Query{In: all}}, err
	})
	m["search-details"] = search(s, func(_ context.Context, _ *wire.Writer, r *wire.Request) (ops.Query, error) {
		all, err := words(r.Values)
		return ops.Query{Query: offers.Query{Text: all}}, err
	})
	m["get-packages"] = search(s, func(context.Context, *wire.Writer, *wire.Request) (ops.Query, error) { return ops.Query{}, nil })
	m["search-group"] = search(s, func(ctx context.Context, w *wire.Writer, r *wire.Request) (ops.Query, error) {
		return inGroups(ctx, s, w, r.Values)
	})
	m["get-categories"] = ops.Func(func(ctx context.Context, w *wire.Writer, _ *wire.Request) error { return categories(ctx, s, w) })
	m["search-file"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return files(ctx, s, w, r) })
	m["what-provides"] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error { return provides(ctx, s, w, r) })
}

// search lists the packages that a query is for. Each word must be found: PackageKit's
// SearchDetails says that the operator is AND.
func search(s *ops.System, query func(context.Context, *wire.Writer, *wire.Request) (ops.Query, error)) ops.Op {
	return ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		w.Status(wire.StatusQuery)
		q, err := query(ctx, w, r)
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

// ready makes the catalogue ready for a search of all of it. What is installed is known without any
// source: the error is for the end.
func ready(ctx context.Context, s *ops.System, w *wire.Writer, f wire.Filters) (unready error) {
	if f.Pass(wire.Installed, false) {
		unready = s.Ready(ctx, w, nil)
	}
	w.Status(wire.StatusQuery)
	return unready
}

// words splits the values at spaces.
func words(values []string) ([]string, error) {
	var all []string
	for _, v := range values {
		all = append(all, strings.Fields(v)...)
	}
	return all, checkCount(all)
}

// Bounds on what one search looks for. Each term costs a look at all that is installed and on
// offer; people type a few.
const (
	maxTerms     = 64
	maxTermBytes = 4096 // of all terms
)

// checkCount refuses a search for more than anybody types.
func checkCount(terms []string) error {
	bytes := 0
	for _, t := range terms {
		bytes += len(t)
	}
	if len(terms) > maxTerms || bytes > maxTermBytes {
		return wire.Errorf(wire.NotSupported, "a search for %d terms in %d bytes is more than the %d in %d that are looked for at once: search for fewer", len(terms), bytes, maxTerms, maxTermBytes)
	}
	return nil
}
