// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"encoding/json"
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

// KeepSources forgets what is kept of the indexes of all sources but these. Where nothing changes the
// record is only read.
func (r *Record) KeepSources(ctx context.Context, sources []string) error {
	var other int
	if err := r.row("SELECT EXISTS (SELECT 1 FROM shard WHERE source NOT IN (SELECT value FROM json_each(?)))", list(sources)).Scan(&other); err != nil || other == 0 {
		return r.failed("reading", err)
	}
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM shard WHERE source NOT IN (SELECT value FROM json_each(?))", list(sources))
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
