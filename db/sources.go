package db

import (
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// schemaOffers is for the commands that look for packages by what they have, and for sources that are disabled.
const schemaOffers = `
-- A source that is disabled keeps what it listed; nothing of that is offered.
ALTER TABLE listed ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1;
DROP INDEX listed_sha256;
CREATE INDEX listed_sha256 ON listed (sha256, enabled);

CREATE INDEX entry_grp ON entry (grp);

-- What entries provide beside their names, one line a thing.
CREATE TABLE provided (entry INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (entry, name)) WITHOUT ROWID;
CREATE INDEX provided_name ON provided (name);
CREATE TRIGGER provided_removed AFTER DELETE ON entry BEGIN DELETE FROM provided WHERE entry = old.id; END;
INSERT OR IGNORE INTO provided (entry, name)
	WITH RECURSIVE split (entry, name, rest) AS (
		SELECT id, '', provides || char(10) FROM entry WHERE provides <> ''
		UNION ALL SELECT entry, substr(rest, 1, instr(rest, char(10)) - 1), substr(rest, instr(rest, char(10)) + 1) FROM split WHERE rest <> '')
	SELECT entry, name FROM split WHERE name <> '';

-- The paths of top-level packages, without those of their trees, by the digest of the file lists that they come from; each path has
-- a newline before and after it.
CREATE TABLE owned (sha256 TEXT PRIMARY KEY, paths TEXT NOT NULL) WITHOUT ROWID;
`

// A Remote is a small file that changes in place, as it was last seen.
type Remote struct {
	Validator string // what the transport gave to ask with the next time
	Body      []byte
	Checked   time.Time // when a server last said that this is what it has
}

// Remote is the file at a URL as it was last seen; false where it was never seen.
func (r *Record) Remote(url string) (Remote, bool, error) {
	var f Remote
	var checked int64
	ok, err := found(r.row("SELECT validator, body, checked FROM remote WHERE url = ?", url).Scan(&f.Validator, &f.Body, &checked))
	f.Checked = time.Unix(checked, 0)
	return f, ok, r.failed("reading", err)
}

// A Listing is what a source offers now: the shards of its catalogue, by their number.
type Listing struct {
	Source string // id
	Shards []string
	// Files are the small files that it comes from, by URL.
	Files map[string]Remote
}

// SetListing replaces what a source offers. Entries of shards that no source lists any more are removed.
func (r *Record) SetListing(l Listing) error {
	return r.failed("updating", r.write(func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM listed WHERE source = ?", l.Source); err != nil {
			return err
		}
		for i, sha := range l.Shards {
			if _, err := tx.Exec("INSERT INTO listed (source, number, sha256) VALUES (?, ?, ?)", l.Source, i, sha); err != nil {
				return err
			}
		}
		for url, f := range l.Files {
			if _, err := tx.Exec("INSERT OR REPLACE INTO remote (url, validator, body, checked, sum) VALUES (?, ?, ?, ?, ?)",
				url, f.Validator, f.Body, f.Checked.Unix(), int64(sum(0, []any{url, f.Validator, f.Body, f.Checked.Unix()}))); err != nil {
				return err
			}
		}
		return prune(tx)
	}))
}

// KeepSources brings the record in line with the configuration: what the sources offered that are in neither list is
// forgotten, and that of disabled ones is kept but not offered any more. Where nothing changes the record is only read.
func (r *Record) KeepSources(enabled, disabled []string) (changed bool, err error) {
	on, off := list(enabled), list(disabled)
	var changes int
	if err := r.row("SELECT count(*) FROM listed WHERE source NOT IN (SELECT value FROM json_each(?)) AND (enabled OR source NOT IN (SELECT value FROM json_each(?))) OR NOT enabled AND source IN (SELECT value FROM json_each(?))",
		on, off, on).Scan(&changes); err != nil || changes == 0 {
		return false, r.failed("reading", err)
	}
	return true, r.failed("updating", r.write(func(tx *sql.Tx) error {
		if _, err := tx.Exec("UPDATE listed SET enabled = source IN (SELECT value FROM json_each(?))", on); err != nil {
			return err
		}
		if _, err := tx.Exec("DELETE FROM listed WHERE NOT enabled AND source NOT IN (SELECT value FROM json_each(?))", off); err != nil {
			return err
		}
		for _, table := range []string{"localised", "texts"} {
			if _, err := tx.Exec("DELETE FROM "+table+" WHERE source NOT IN (SELECT value FROM json_each(?) UNION SELECT value FROM json_each(?))", on, off); err != nil {
				return err
			}
		}
		return prune(tx)
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

func prune(tx *sql.Tx) error {
	for _, s := range []string{
		"DELETE FROM entry WHERE shard IN (SELECT id FROM shard WHERE sha256 NOT IN (SELECT sha256 FROM listed))",
		"DELETE FROM shard WHERE sha256 NOT IN (SELECT sha256 FROM listed)",
		"DELETE FROM owned WHERE sha256 NOT IN (SELECT files_sha256 FROM entry)",
	} {
		if _, err := tx.Exec(s); err != nil {
			return err
		}
	}
	return nil
}

// Shards are the digests of the shards that are loaded.
func (r *Record) Shards() (map[string]bool, error) {
	rows, err := r.query("SELECT sha256 FROM shard")
	if err != nil {
		return nil, r.failed("reading", err)
	}
	defer rows.Close()
	all := make(map[string]bool)
	for rows.Next() {
		var sha string
		if err := rows.Scan(&sha); err != nil {
			return nil, r.failed("reading", err)
		}
		all[sha] = true
	}
	return all, r.failed("reading", rows.Err())
}

// Listed are the digests of the shards that a source offers, by their number.
func (r *Record) Listed(source string) ([]string, error) {
	return r.strings("SELECT sha256 FROM listed WHERE source = ? ORDER BY number", source)
}

// AddShard loads a shard: entries gives its entries to the function that it is called with. If it fails, none is
// loaded. A shard that is loaded already stays as it is.
func (r *Record) AddShard(sha256 string, entries func(add func(*tree.Entry) error) error) error {
	return r.failed("updating", r.write(func(tx *sql.Tx) error {
		return addShard(tx, sha256, func(add func(row []any) error) error {
			err := entries(func(e *tree.Entry) error {
				return r.seen(add([]any{e.Name, e.EVR(), e.Arch, e.Summary, e.Description, e.License, e.Group, e.URL, e.Size, e.Download, strings.Join(e.Provides, "\n"),
					e.Tree.Path, e.Tree.SHA256, e.Tree.Size, e.Files.Path, e.Files.SHA256, e.Files.Size}))
			})
			if err != nil {
				return outside{err}
			}
			return nil
		})
	}))
}

// entryColumns are the columns of an entry that come from its shard.
const entryColumns = "name, evr, arch, summary, description, license, grp, url, size, download, provides, tree_path, tree_sha256, tree_size, files_path, files_sha256, files_size"

// addShard loads a shard from the rows of its entries.
func addShard(tx *sql.Tx, sha256 string, rows func(add func(row []any) error) error) error {
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
	insert, err := tx.Prepare("INSERT INTO entry (shard, " + entryColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
	if err != nil {
		return err
	}
	defer insert.Close()
	provided, err := tx.Prepare("INSERT OR IGNORE INTO provided (entry, name) VALUES (?, ?)")
	if err != nil {
		return err
	}
	defer provided.Close()
	so := uint64(0)
	err = rows(func(row []any) error {
		so = sum(so, row)
		added, err := insert.Exec(append([]any{id}, row...)...)
		names, _ := row[10].(string)
		if err != nil || names == "" {
			return err
		}
		entry, err := added.LastInsertId()
		if err != nil {
			return err
		}
		for name := range strings.SplitSeq(names, "\n") {
			if _, err := provided.Exec(entry, name); err != nil {
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

// Settle makes searches fast after many shards were loaded: it merges the parts that loading them has left of the index of texts.
// It reads and writes the whole index.
func (r *Record) Settle() error {
	return r.failed("updating", r.write(func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO entry_text (entry_text) VALUES ('optimize')")
		return err
	}))
}

// Published is a tree or file list that was kept, by its digest; false where it was not.
func (r *Record) Published(sha256 string) ([]byte, bool, error) {
	var body []byte
	ok, err := found(r.row("SELECT body FROM published WHERE sha256 = ?", sha256).Scan(&body))
	return body, ok, r.failed("reading", err)
}

// KeepPublished keeps a file list, or a tree with the packages that it has.
func (r *Record) KeepPublished(sha256 string, body []byte, members []tree.Package) error {
	return r.failed("updating", r.write(func(tx *sql.Tx) error {
		if _, err := tx.Exec("INSERT OR REPLACE INTO published (sha256, body) VALUES (?, ?)", sha256, body); err != nil {
			return err
		}
		if err := keepMembers(tx, sha256, members); err != nil || len(members) == 0 {
			return err
		}
		return infer(tx, sha256)
	}))
}

func keepMembers(tx *sql.Tx, sha256 string, members []tree.Package) error {
	for _, p := range members {
		if _, err := tx.Exec("INSERT OR IGNORE INTO member (name, evr, arch, tree_sha256) VALUES (?, ?, ?, ?)", p.Name, p.EVR(), p.Arch, sha256); err != nil {
			return err
		}
	}
	return nil
}

// TreesWith are the digests of the kept trees that have a package.
func (r *Record) TreesWith(name, evr, arch string) ([]string, error) {
	return r.strings("SELECT tree_sha256 FROM member WHERE name = ? AND evr = ? AND arch = ?", name, evr, arch)
}

// Renewed are the programs whose kept trees have another version of a package that this backend installed for them. The
// version may be an older one.
func (r *Record) Renewed(name string) ([]string, error) {
	return r.strings(`SELECT DISTINCT n.by FROM own o JOIN needed n ON n.name = o.name JOIN own b ON b.name = n.by AND b.asked JOIN entry p ON p.name = n.by
		JOIN shard s ON s.id = p.shard JOIN listed l ON l.sha256 = s.sha256 AND l.enabled
		JOIN member m ON m.name = o.name AND m.tree_sha256 = p.tree_sha256 AND m.evr <> o.evr WHERE o.name = ? ORDER BY n.by`, name)
}

// A Listless is a top-level package whose paths are not in the record yet.
type Listless struct {
	Source string // id
	Entry  *tree.Entry
}

// Listless are the packages in the loaded catalogues that aren't installed, whose file lists are published, and whose
// paths are not in the record yet. Of each Entry only the NEVRA and Files are set. A file list that two sources publish comes once.
func (r *Record) Listless() ([]Listless, error) {
	rows, err := r.query(`SELECT p.name, p.evr, p.arch, min(l.source), p.files_path, p.files_sha256, p.files_size
		FROM entry p JOIN shard s ON s.id = p.shard JOIN listed l ON l.sha256 = s.sha256 AND l.enabled
		WHERE p.files_sha256 <> '' AND p.files_sha256 NOT IN (SELECT sha256 FROM owned) AND ` + notInstalled + `
		GROUP BY p.files_sha256 ORDER BY p.name`)
	if err != nil {
		return nil, r.failed("reading", err)
	}
	defer rows.Close()
	var all []Listless
	for rows.Next() {
		var name, evr, arch string
		l := Listless{Entry: new(tree.Entry)}
		if err := rows.Scan(&name, &evr, &arch, &l.Source, &l.Entry.Files.Path, &l.Entry.Files.SHA256, &l.Entry.Files.Size); err != nil {
			return nil, r.failed("reading", err)
		}
		l.Entry.NEVRA = nevra(name, evr, arch)
		all = append(all, l)
	}
	return all, r.failed("reading", rows.Err())
}

// KeepPaths keeps the paths of top-level packages, by the digests of the file lists that they come from.
func (r *Record) KeepPaths(paths map[string][]string) error {
	return r.failed("updating", r.write(func(tx *sql.Tx) error {
		for sha, all := range paths {
			if _, err := tx.Exec("INSERT OR REPLACE INTO owned (sha256, paths) VALUES (?, ?)", sha, "\n"+strings.Join(all, "\n")+"\n"); err != nil {
				return err
			}
		}
		return nil
	}))
}

// KeptTrees gives the trees that are kept and that an enabled source offers now, with the source, until yield fails. It
// holds one tree in memory.
func (r *Record) KeptTrees(yield func(source string, body []byte) error) error {
	rows, err := r.query(`SELECT DISTINCT p.tree_sha256, min(l.source) FROM entry p JOIN shard s ON s.id = p.shard JOIN listed l ON l.sha256 = s.sha256 AND l.enabled
		WHERE p.tree_sha256 IN (SELECT tree_sha256 FROM member) GROUP BY p.tree_sha256 ORDER BY p.name`)
	if err != nil {
		return r.failed("reading", err)
	}
	defer rows.Close()
	type kept struct{ sha256, source string }
	var all []kept
	for rows.Next() {
		var k kept
		if err := rows.Scan(&k.sha256, &k.source); err != nil {
			return r.failed("reading", err)
		}
		all = append(all, k)
	}
	if err := rows.Err(); err != nil {
		return r.failed("reading", err)
	}
	rows.Close() // there is one connection
	for _, k := range all {
		body, ok, err := r.Published(k.sha256)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := yield(k.source, body); err != nil {
			return err
		}
	}
	return nil
}
