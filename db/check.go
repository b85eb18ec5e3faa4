// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Check tells whether the record is whole: the problems that SQLite finds with its file, and what
// has a digest or a checksum and is not what was kept. There are none in a good one. Where there
// are some Rebuild helps.
func (r *Record) Check(ctx context.Context) (problems []string, err error) {
	for _, look := range []func(context.Context) ([]string, error){r.checkFile, r.checkPublished, r.checkRemotes, r.checkShards} {
		found, err := look(ctx)
		problems = append(problems, found...)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return problems, err
		}
	}
	r.suspect = r.suspect || len(problems) > 0
	return problems, nil
}

// checkFile is SQLite's own check.
func (r *Record) checkFile(ctx context.Context) (problems []string, err error) {
	// Not by prepared statements: they would stay around, and this one is slow and rare.
	rows, err := r.db.QueryContext(ctx, "PRAGMA integrity_check(10)")
	if err != nil {
		return nil, r.failed("checking", err)
	}
	defer rows.Close()
	for rows.Next() {
		var problem string
		if err := rows.Scan(&problem); err != nil {
			return nil, r.failed("checking", err)
		}
		if problem != "ok" {
			problems = append(problems, strings.ReplaceAll(problem, "\n", "; "))
		}
	}
	return problems, r.failed("checking", rows.Err())
}

func (r *Record) checkPublished(ctx context.Context) (problems []string, err error) {
	type kept struct {
		sha256 string
		body   []byte
	}
	err = each(r, "SELECT sha256, body FROM published", nil, func(s scan) (k kept, err error) {
		err = s(&k.sha256, &k.body)
		return k, err
	}, func(k kept) error {
		if digestOf(k.body) != k.sha256 {
			problems = append(problems, fmt.Sprintf("the file %.12s is not what was kept", k.sha256))
		}
		return ctx.Err()
	})
	return problems, err
}

func (r *Record) checkRemotes(ctx context.Context) (problems []string, err error) {
	urls, err := column[string](r, "SELECT url FROM remote")
	for _, url := range urls {
		_, _, damage := r.Remote(url, nil)
		if errors.Is(damage, ErrDamaged) {
			problems = append(problems, damage.Error())
		} else if damage != nil {
			return problems, damage
		}
	}
	return problems, err
}

func (r *Record) checkShards(ctx context.Context) (problems []string, err error) {
	err = each(r, "SELECT "+shardColumns+" FROM shard", nil, scanShard, func(k *keptShard) error {
		if err := k.check(); err != nil {
			problems = append(problems, fmt.Sprintf("%s is not what was kept: %v", k.key(), err))
		}
		return ctx.Err()
	})
	return problems, err
}

// Forget makes the next UpdateInstalled compare every package with the RPM database, whatever its
// state, and removes all trees, file lists and other files that are named by their content but these
// digests. It tells how many those were.
func (r *Record) Forget(ctx context.Context, but []string) (n int64, err error) {
	err = r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		for _, s := range []string{"DELETE FROM meta WHERE key = 'rpm-state'", "INSERT INTO installed_text (installed_text) VALUES ('rebuild')"} {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM member WHERE tree_sha256 NOT IN (SELECT value FROM json_each(?))", list(but)); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, "DELETE FROM "+unused, list(but))
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	}))
	return n, err
}

// Unused tells how many Forget would remove.
func (r *Record) Unused(ctx context.Context, but []string) (n int64, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT count(*) FROM "+unused, list(but)).Scan(&n)
	return n, r.failed("reading", err)
}

const unused = "published WHERE sha256 NOT IN (SELECT value FROM json_each(?))"
