// SPDX-License-Identifier: GPL-2.0-or-later

package ops

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/catalogue"
	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// OpenRecord opens the record in a file, and rebuilds it where it is damaged. Another process may
// be at either: that is waited for until ctx ends.
func OpenRecord(ctx context.Context, path string, log hclog.Logger) (*db.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := db.Open(ctx, path)
	if !errors.Is(err, db.ErrDamaged) {
		return r, err
	}
	log.Warn("the record is damaged", "error", err)
	r, kept, err := db.Rebuild(ctx, path)
	if err != nil {
		return nil, err
	}
	if kept != nil { // else another helper was faster
		log.Warn("the record was rebuilt", "result", kept)
	}
	return r, nil
}

// RebuildingRecord runs f, and once more with a record that was rebuilt where f finds that the
// record is damaged. f must bear being run twice.
func (s *System) RebuildingRecord(ctx context.Context, f func() error) error {
	err := f()
	if errors.Is(err, catalogue.ErrDamaged) {
		if _, failed := s.Offers.DropDamaged(ctx); failed != nil {
			return errors.Join(err, failed)
		}
		return f()
	}
	if !errors.Is(err, db.ErrDamaged) {
		return err
	}
	s.Log.Warn("the record is damaged", "error", err)
	if _, failed := s.Rebuild(ctx); failed != nil {
		return errors.Join(err, failed)
	}
	return f()
}

// Rebuild rebuilds the record if damage was seen, or opens the one that another helper has rebuilt.
func (s *System) Rebuild(ctx context.Context) (*db.Salvage, error) {
	kept, err := s.Record.Rebuild(ctx)
	if kept != nil {
		s.Log.Warn("the record was rebuilt", "result", kept)
	}
	s.stale.Store(true)
	if s.Offers != nil {
		s.Offers.Forget()
	}
	return kept, err
}

// Guard makes the ops of m answer though the record is damaged: it is rebuilt, and the op runs once
// more. What an op did before that harms nobody the second time: what rpm has done is concluded in
// package transaction. And PackageKit is told of the key that an op lacks (SourceKey).
func (s *System) Guard(m Mux) {
	for name, op := range m {
		m[name] = Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
			if s.Record.Replaced() {
				if _, err := s.Rebuild(ctx); err != nil {
					return err
				}
			}
			err := s.RebuildingRecord(ctx, func() error { return op.Do(ctx, w, r) })
			tellKey(w, err)
			return err
		})
	}
}
