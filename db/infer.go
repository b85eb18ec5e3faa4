// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// infer tells which packages this backend installed, and why, where some of that was lost. First by
// the journal, which has the plans of the last transactions. Then by the kept trees, or by the one
// that has come just now: they end where the standard installation begins, so what is installed of
// the tree of an installed program came with it; the program counts as asked for.
func infer(ctx context.Context, tx *sql.Tx, sha256 string) error {
	var lost string
	if ok, err := found(tx.QueryRow("SELECT value FROM meta WHERE key = 'own-lost'").Scan(&lost)); !ok {
		return err
	}
	if lost == "perhaps" {
		odd := 0 // what isn't installed was never this backend's, or its row has changed
		if err := tx.QueryRow("SELECT count(*) FROM own WHERE (name, evr, arch) NOT IN (SELECT name, evr, arch FROM installed)").Scan(&odd); err != nil {
			return err
		}
		if odd == 0 {
			_, err := tx.Exec("DELETE FROM meta WHERE key = 'own-lost'")
			return err
		}
	}
	if lost != "before" {
		if err := replay(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE meta SET value = 'before' WHERE key = 'own-lost'"); err != nil {
			return err
		}
	}
	const kept = `WITH kept (name, tree) AS (SELECT name, tree_sha256 FROM member WHERE top AND (?1 = '' OR tree_sha256 = ?1)) `
	for _, s := range []string{
		kept + `INSERT OR IGNORE INTO own (name, evr, arch, source, asked)
			SELECT i.name, i.evr, i.arch, coalesce((SELECT min(source) FROM own), (SELECT min(source) FROM shard), 'unknown'), max(i.name = k.name)
			FROM kept k JOIN member m ON m.tree_sha256 = k.tree JOIN installed i ON i.name = m.name AND i.evr = m.evr AND i.arch = m.arch
			WHERE k.name IN (SELECT name FROM installed) GROUP BY i.name, i.evr, i.arch`,
		kept + `INSERT OR IGNORE INTO needed (name, by)
			SELECT m.name, k.name FROM kept k JOIN member m ON m.tree_sha256 = k.tree JOIN own o ON o.name = m.name AND o.evr = m.evr AND o.arch = m.arch
			WHERE k.name IN (SELECT name FROM own WHERE asked)`,
	} {
		if _, err := tx.ExecContext(ctx, s, sha256); err != nil {
			return err
		}
	}
	return nil
}

// replay concludes the transactions in the journal once more.
func replay(ctx context.Context, tx *sql.Tx) error {
	plans, err := inTx(tx, "SELECT plan FROM journal WHERE state IN (?, ?) ORDER BY id", only[[]byte], Done, Failed)
	if err != nil {
		return err
	}
	for _, text := range plans {
		if err := ctx.Err(); err != nil {
			return err
		}
		var plan []Planned
		if err := json.Unmarshal(text, &plan); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if err := conclude(tx, plan); err != nil {
			return err
		}
	}
	return nil
}
