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
	err = each(r, "SELECT sha256, body FROM published UNION ALL SELECT sha256, body FROM capability", nil, func(s scan) (k kept, err error) {
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
	type shard struct {
		id, sum int64
		sha256  string
	}
	all, err := rows(r, "SELECT id, sum, sha256 FROM shard WHERE sum <> 0", func(s scan) (sh shard, err error) {
		err = s(&sh.id, &sh.sum, &sh.sha256)
		return sh, err
	})
	for _, s := range all {
		is := uint64(0)
		if err := entriesOf(ctx, r.db, s.id, func(row []any) error { is = sum(is, row); return nil }); err != nil {
			return problems, r.failed("checking", err)
		}
		if int64(is) != s.sum {
			problems = append(problems, fmt.Sprintf("the part %.12s of a catalogue is not what was loaded", s.sha256))
		}
	}
	return problems, err
}

// Forget makes the next UpdateInstalled compare every package with the RPM database, whatever its
// state, and removes trees, file lists, notices and categories that nothing leads to any more.
// It tells how many those were.
func (r *Record) Forget(ctx context.Context) (n int64, err error) {
	err = r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		for _, s := range []string{
			"DELETE FROM meta WHERE key = 'rpm-state'",
			"INSERT INTO entry_text (entry_text) VALUES ('rebuild')",
			"INSERT INTO installed_text (installed_text) VALUES ('rebuild')",
			"DELETE FROM member WHERE tree_sha256 NOT IN (SELECT tree_sha256 FROM entry)",
		} {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return err
			}
		}
		res, err := tx.ExecContext(ctx, "DELETE FROM "+unused)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	}))
	return n, err
}

// Unused tells how many Forget would remove.
func (r *Record) Unused(ctx context.Context) (n int64, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT count(*) FROM "+unused).Scan(&n)
	return n, r.failed("reading", err)
}

// unused is what no catalogue, no tree of one and no platform.json leads to. Other layouts keep small
// files of other kinds.
const unused = `published WHERE sha256 NOT IN (SELECT tree_sha256 FROM entry) AND sha256 NOT IN (SELECT files_sha256 FROM entry)
	AND sha256 NOT IN (SELECT coalesce(json_extract(CAST(p.body AS TEXT), '$.notices.sha256'), '') FROM published p WHERE p.sha256 IN (SELECT tree_sha256 FROM entry))
	AND sha256 NOT IN (` + menus + `)
	AND sha256 NOT IN (SELECT coalesce(json_extract(t.value, '$.sha256'), '') FROM published p, json_each(CAST(p.body AS TEXT), '$.texts') t WHERE p.sha256 IN (` + menus + `))`

// menus are the digests of the categories that platform.json name.
const menus = `SELECT CASE WHEN json_valid(CAST(body AS TEXT)) THEN coalesce(json_extract(CAST(body AS TEXT), '$.categories.sha256'), '') ELSE '' END FROM remote`
