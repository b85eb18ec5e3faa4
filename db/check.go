package db

import (
	"database/sql"
	"strings"
)

// Check tells whether the record's file is whole, as SQLite sees it: the problems that it finds, none in a good one. Where there are
// some Rebuild helps.
func (r *Record) Check() ([]string, error) {
	// Not by prepared statements: they would stay around, and this one is slow and rare.
	rows, err := r.db.Query("PRAGMA integrity_check(10)")
	if err != nil {
		return nil, r.failed("checking", err)
	}
	defer rows.Close()
	var problems []string
	for rows.Next() {
		var problem string
		if err := rows.Scan(&problem); err != nil {
			return nil, r.failed("checking", err)
		}
		if problem != "ok" {
			problems = append(problems, strings.ReplaceAll(problem, "\n", "; "))
		}
	}
	r.suspect = r.suspect || len(problems) > 0
	return problems, r.failed("checking", rows.Err())
}

// Forget makes the next UpdateInstalled compare every package with the RPM database, whatever its state, and removes trees, file
// lists and notices that no catalogue and no tree leads to any more. It tells how many those were.
func (r *Record) Forget() (n int64, err error) {
	err = r.failed("updating", r.write(func(tx *sql.Tx) error {
		for _, s := range []string{
			"DELETE FROM meta WHERE key = 'rpm-state'",
			"INSERT INTO entry_text (entry_text) VALUES ('rebuild')",
			"INSERT INTO installed_text (installed_text) VALUES ('rebuild')",
			"DELETE FROM member WHERE tree_sha256 NOT IN (SELECT tree_sha256 FROM entry)",
		} {
			if _, err := tx.Exec(s); err != nil {
				return err
			}
		}
		res, err := tx.Exec("DELETE FROM " + unused)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	}))
	return n, err
}

// Unused tells how many Forget would remove.
func (r *Record) Unused() (n int64, err error) {
	err = r.row("SELECT count(*) FROM " + unused).Scan(&n)
	return n, r.failed("reading", err)
}

// unused is what no catalogue and no tree of one leads to.
const unused = `published WHERE sha256 NOT IN (SELECT tree_sha256 FROM entry) AND sha256 NOT IN (SELECT files_sha256 FROM entry)
	AND sha256 NOT IN (SELECT coalesce(json_extract(CAST(p.body AS TEXT), '$.notices.sha256'), '') FROM published p WHERE p.sha256 IN (SELECT tree_sha256 FROM entry))`
