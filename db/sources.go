// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
)

// SetListing keeps the small files that say what a source offers now, by their URLs, and forgets
// what is kept of its earlier indexes: all shards but those of these roots (tree.Index).
func (r *Record) SetListing(ctx context.Context, source string, files map[string]Remote, roots []string) error {
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		for url, f := range files {
			if err := ctx.Err(); err != nil {
				return err
			}
			checked := f.Checked.Unix()
			if _, err := tx.Exec("INSERT OR REPLACE INTO remote (url, validator, body, checked, sum) VALUES (?, ?, ?, ?, ?)",
				url, f.Validator, f.Body, checked, remoteSum(url, f.Validator, f.Body, checked)); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM shard WHERE source = ? AND root NOT IN (SELECT value FROM json_each(?))", source, list(roots))
		return err
	}))
}

// KeepSources brings the record in line with the configuration: what is kept of the indexes of other
// sources is forgotten. Where something changed, if only which sources are enabled, other processes
// see another Version, and read the configuration again; else the record is only read.
func (r *Record) KeepSources(ctx context.Context, enabled, disabled []string) error {
	all := list(slices.Concat(enabled, disabled))
	is := list(enabled) + all
	var was string
	if _, err := found(r.row("SELECT value FROM meta WHERE key = 'sources'").Scan(&was)); err != nil || was == is {
		return r.failed("reading", err)
	}
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM shard WHERE source NOT IN (SELECT value FROM json_each(?))", all); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT OR REPLACE INTO meta (key, value) VALUES ('sources', ?)", is)
		return err
	}))
}

// list is a list for SQLite's json_each.
func list(all []string) string {
	text, err := json.Marshal(append([]string{}, all...)) // nil would be null, which nothing is or isn't among
	if err != nil {
		panic(err) // there is no string that can't be encoded
	}
	return string(text)
}

// Size is how many bytes the record has, without its log.
func (r *Record) Size() (int64, error) {
	var n int64
	err := r.row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&n)
	return n, r.failed("asking", err)
}

// Programs are the programs that a user asked for and in whose trees a package came that this
// backend installed, sorted.
func (r *Record) Programs(name string) ([]string, error) {
	return column[string](r, "SELECT DISTINCT n.by FROM own o JOIN needed n ON n.name = o.name JOIN own b ON b.name = n.by AND b.asked WHERE o.name = ? ORDER BY n.by", name)
}
