// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Listing is what a source offers now: the shards of its catalogue, by their number.
type Listing struct {
	Source string // id
	Shards []string
	// Files are the small files that it comes from, by URL.
	Files map[string]Remote
}

// SetListing replaces what a source offers. Entries of shards that no source lists any more are
// removed.
func (r *Record) SetListing(ctx context.Context, l Listing) error {
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM listed WHERE source = ?", l.Source); err != nil {
			return err
		}
		for i, sha := range l.Shards {
			if _, err := tx.Exec("INSERT INTO listed (source, number, sha256) VALUES (?, ?, ?)", l.Source, i, sha); err != nil {
				return err
			}
		}
		for url, f := range l.Files {
			if err := ctx.Err(); err != nil {
				return err
			}
			checked := f.Checked.Unix()
			if _, err := tx.Exec("INSERT OR REPLACE INTO remote (url, validator, body, checked, sum) VALUES (?, ?, ?, ?, ?)",
				url, f.Validator, f.Body, checked, remoteSum(url, f.Validator, f.Body, checked)); err != nil {
				return err
			}
		}
		return prune(ctx, tx)
	}))
}

// KeepSources brings the record in line with the configuration: what the sources offered that are
// in neither list is forgotten, and that of disabled ones is kept but not offered any more. Where
// nothing changes the record is only read.
func (r *Record) KeepSources(ctx context.Context, enabled, disabled []string) (changed bool, err error) {
	on, off := list(enabled), list(disabled)
	var changes int
	if err := r.row("SELECT count(*) FROM listed WHERE source NOT IN (SELECT value FROM json_each(?)) AND (enabled OR source NOT IN (SELECT value FROM json_each(?))) OR NOT enabled AND source IN (SELECT value FROM json_each(?))",
		on, off, on).Scan(&changes); err != nil || changes == 0 {
		return false, r.failed("reading", err)
	}
	return true, r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec("UPDATE listed SET enabled = source IN (SELECT value FROM json_each(?))", on); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM listed WHERE NOT enabled AND source NOT IN (SELECT value FROM json_each(?))", off); err != nil {
			return err
		}
		for _, s := range []string{
			"DELETE FROM localised WHERE source NOT IN (SELECT value FROM json_each(?) UNION SELECT value FROM json_each(?))",
			"DELETE FROM capability WHERE source NOT IN (SELECT value FROM json_each(?) UNION SELECT value FROM json_each(?))",
			"DELETE FROM texts WHERE source NOT IN (SELECT value FROM json_each(?) UNION SELECT value FROM json_each(?))",
		} {
			if _, err := tx.ExecContext(ctx, s, on, off); err != nil {
				return err
			}
		}
		return prune(ctx, tx)
	}))
}

// list is a list for SQLite's json_each.
func list[T string | int64](all []T) string {
	text, err := json.Marshal(append([]T{}, all...)) // nil would be null, which nothing is or isn't among
	if err != nil {
		panic(err) // there is no string or number that can't be encoded
	}
	return string(text)
}

// prune removes the entries that no source lists any more, and their paths.
func prune(ctx context.Context, tx *sql.Tx) error {
	for _, s := range []string{
		"DELETE FROM entry WHERE shard IN (SELECT id FROM shard WHERE sha256 NOT IN (SELECT sha256 FROM listed))",
		"DELETE FROM shard WHERE sha256 NOT IN (SELECT sha256 FROM listed)",
		"DELETE FROM top_paths WHERE sha256 NOT IN (SELECT files_sha256 FROM entry)",
	} {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Shards are the digests of the shards that are loaded.
func (r *Record) Shards() (map[string]bool, error) {
	loaded, err := column[string](r, "SELECT sha256 FROM shard")
	if err != nil {
		return nil, err
	}
	all := make(map[string]bool)
	for _, sha := range loaded {
		all[sha] = true
	}
	return all, nil
}

// Listed are the digests of the shards that a source offers, by their number.
func (r *Record) Listed(source string) ([]string, error) {
	return column[string](r, "SELECT sha256 FROM listed WHERE source = ? ORDER BY number", source)
}

// AddShard loads a shard: entries gives its entries to the function that it is called with. If it
// fails, none is loaded. A shard that is loaded already stays as it is.
func (r *Record) AddShard(ctx context.Context, sha256 string, entries func(add func(*tree.Entry) error) error) error {
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		return addShard(ctx, tx, sha256, func(add func(row []any) error) error {
			err := entries(func(e *tree.Entry) error {
				return r.classified(add([]any{e.Name, e.EVR(), e.Arch, e.Summary, e.Description, e.License, e.Group, e.URL, e.Size, e.Download, strings.Join(e.Provides, "\n"),
					e.Tree.Path, e.Tree.SHA256, e.Tree.Size, e.Files.Path, e.Files.SHA256, e.Files.Size, strings.Join(e.Obsoletes, "\n")}))
			})
			if err != nil {
				return callerError{err}
			}
			return nil
		})
	}))
}

// entryColumns are the columns of an entry that come from its shard.
const entryColumns = "name, evr, arch, summary, description, license, grp, url, size, download, provides, tree_path, tree_sha256, tree_size, files_path, files_sha256, files_size, obsoletes"

// addShard loads a shard from the rows of its entries.
func addShard(ctx context.Context, tx *sql.Tx, sha256 string, rows func(add func(row []any) error) error) error {
	shard, err := tx.Exec("INSERT OR IGNORE INTO shard (sha256) VALUES (?)", sha256)
	if err != nil {
		return err
	}
	if n, err := shard.RowsAffected(); err != nil || n == 0 {
		return err
	}
	id, err := shard.LastInsertId()
	if err != nil {
		return err
	}
	insert, err := tx.Prepare("INSERT INTO entry (shard, " + entryColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer insert.Close()
	provided, err := tx.Prepare("INSERT OR IGNORE INTO provided (entry, name) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer provided.Close()
	obsoleted, err := tx.Prepare("INSERT OR IGNORE INTO obsoleted (entry, name) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer obsoleted.Close()
	so := uint64(0)
	err = rows(func(row []any) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		so = sum(so, row)
		added, err := insert.Exec(append([]any{id}, row...)...)
		names, _ := row[10].(string)
		obsolete, _ := row[17].(string)
		if err != nil || names == "" && obsolete == "" {
			return err
		}
		entry, err := added.LastInsertId()
		if err != nil {
			return err
		}
		for _, name := range lines(names) {
			if _, err := provided.Exec(entry, name); err != nil {
				return err
			}
		}
		for _, dependency := range lines(obsolete) {
			name, _, _ := strings.Cut(dependency, " ")
			if _, err := obsoleted.Exec(entry, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = tx.Exec("UPDATE shard SET sum = ? WHERE id = ?", int64(so), id)
	return err
}

// Size is how many bytes the record has, without its log.
func (r *Record) Size() (int64, error) {
	var n int64
	err := r.row("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&n)
	return n, r.failed("asking", err)
}

// lines is the reverse of joining texts with newlines: no text is none.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// Settle makes searches fast after many shards were loaded: it merges the parts that loading them
// has left of the index of texts. It reads and writes the whole index.
func (r *Record) Settle(ctx context.Context) error {
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO entry_text (entry_text) VALUES ('optimize')")
		return err
	}))
}

// Renewed are the programs whose kept trees have another version of a package that this backend
// installed for them. The version may be an older one.
func (r *Record) Renewed(name string) ([]string, error) {
	return column[string](r, `SELECT DISTINCT n.by FROM own o JOIN needed n ON n.name = o.name JOIN own b ON b.name = n.by AND b.asked JOIN offered p ON p.name = n.by
		JOIN member m ON m.name = o.name AND m.tree_sha256 = p.tree_sha256 AND m.evr <> o.evr WHERE o.name = ? ORDER BY n.by`, name)
}

// An OfferedEntry is a line in the catalogue of a source.
type OfferedEntry struct {
	Source string // id
	Entry  *tree.Entry
}

// MissingPaths are the packages in the loaded catalogues that aren't installed, whose file lists
// are published, and whose paths are not in the record yet. Of each Entry only the NEVRA and Files
// are set. A file list that two sources publish comes once.
func (r *Record) MissingPaths() ([]OfferedEntry, error) {
	return rows(r, `SELECT name, evr, arch, min(source), files_path, files_sha256, files_size FROM offered p
		WHERE files_sha256 <> '' AND files_sha256 NOT IN (SELECT sha256 FROM top_paths) AND `+notInstalled+`
		GROUP BY files_sha256 ORDER BY name`, func(s scan) (o OfferedEntry, err error) {
		var name, evr, arch string
		o.Entry = new(tree.Entry)
		err = s(&name, &evr, &arch, &o.Source, &o.Entry.Files.Path, &o.Entry.Files.SHA256, &o.Entry.Files.Size)
		o.Entry.NEVRA = nevra(name, evr, arch)
		return o, err
	})
}

// KeepPaths keeps the paths of top-level packages, by the digests of the file lists that they come
// from.
func (r *Record) KeepPaths(ctx context.Context, paths map[string][]string) error {
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		for sha, all := range paths {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT OR REPLACE INTO top_paths (sha256, paths) VALUES (?, ?)", sha, "\n"+strings.Join(all, "\n")+"\n"); err != nil {
				return err
			}
		}
		return nil
	}))
}
