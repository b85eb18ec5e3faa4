// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"database/sql"
	"errors"
)

// A scan reads the columns of a row, as sql.Rows.Scan does.
type scan func(dest ...any) error

// each reads the rows of a query with one, and gives what it makes of them to yield until that
// fails. The error is yield's own, or one of reading.
func each[T any](r *Record, query string, args []any, one func(scan) (T, error), yield func(T) error) error {
	s, err := r.prepare(query)
	if err != nil {
		return r.failed("reading", err)
	}
	rows, err := s.Query(args...)
	if err != nil {
		return r.failed("reading", err)
	}
	defer rows.Close()
	for rows.Next() {
		v, err := one(rows.Scan)
		if err != nil {
			return r.failed("reading", err)
		}
		if err := yield(v); err != nil {
			return err
		}
	}
	return r.failed("reading", rows.Err())
}

// rows are all rows of a query.
func rows[T any](r *Record, query string, one func(scan) (T, error), args ...any) ([]T, error) {
	var all []T
	err := each(r, query, args, one, func(v T) error {
		all = append(all, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// column is the first column of all rows of a query.
func column[T any](r *Record, query string, args ...any) ([]T, error) {
	return rows(r, query, only[T], args...)
}

// only reads a row of one column.
func only[T any](s scan) (v T, err error) {
	err = s(&v)
	return v, err
}

// inTx is rows for a query in a transaction; its errors say nothing of the record yet.
func inTx[T any](tx *sql.Tx, query string, one func(scan) (T, error), args ...any) ([]T, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := one(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// A scanner is a row that may not be there.
type scanner interface{ Scan(dest ...any) error }

type failedRow struct{ err error }

func (f failedRow) Scan(...any) error { return f.err }

func (r *Record) row(query string, args ...any) scanner {
	s, err := r.prepare(query)
	if err != nil {
		return failedRow{err}
	}
	return s.QueryRow(args...)
}

// found turns "no rows" into false.
func found(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// prepare gives the statement of a text, which stays prepared.
func (r *Record) prepare(query string) (*sql.Stmt, error) {
	if s := r.stmt[query]; s != nil {
		return s, nil
	}
	s, err := r.db.Prepare(query)
	if err != nil {
		return nil, err
	}
	r.stmt[query] = s
	return s, nil
}

// repeated are statements that a transaction executes many times, each prepared once.
type repeated struct {
	tx   *sql.Tx
	stmt map[string]*sql.Stmt
}

func inLoop(tx *sql.Tx) *repeated { return &repeated{tx, make(map[string]*sql.Stmt)} }

// prepare gives the statement of a text, which the transaction's end closes.
func (r *repeated) prepare(query string) (s *sql.Stmt, err error) {
	if s = r.stmt[query]; s == nil {
		if s, err = r.tx.Prepare(query); err == nil {
			r.stmt[query] = s
		}
	}
	return s, err
}

func (r *repeated) exec(query string, args ...any) error {
	s, err := r.prepare(query)
	if err == nil {
		_, err = s.Exec(args...)
	}
	return err
}

func (r *repeated) row(query string, args ...any) scanner {
	s, err := r.prepare(query)
	if err != nil {
		return failedRow{err}
	}
	return s.QueryRow(args...)
}
