package db

import (
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

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
			if _, err := tx.Exec("INSERT OR REPLACE INTO remote (url, validator, body, checked) VALUES (?, ?, ?, ?)", url, f.Validator, f.Body, f.Checked.Unix()); err != nil {
				return err
			}
		}
		return prune(tx)
	}))
}

// KeepSources forgets what sources offered whose ids are not among these.
func (r *Record) KeepSources(ids []string) error {
	keep, err := json.Marshal(append([]string{}, ids...)) // nil would be null, which nothing is or isn't among
	if err != nil {
		return err
	}
	var gone int
	if err := r.row("SELECT count(*) FROM listed WHERE source NOT IN (SELECT value FROM json_each(?))", string(keep)).Scan(&gone); err != nil || gone == 0 {
		return r.failed("reading", err)
	}
	return r.failed("updating", r.write(func(tx *sql.Tx) error {
		if _, err := tx.Exec("DELETE FROM listed WHERE source NOT IN (SELECT value FROM json_each(?))", string(keep)); err != nil {
			return err
		}
		return prune(tx)
	}))
}

func prune(tx *sql.Tx) error {
	for _, s := range []string{
		"DELETE FROM entry WHERE shard IN (SELECT id FROM shard WHERE sha256 NOT IN (SELECT sha256 FROM listed))",
		"DELETE FROM shard WHERE sha256 NOT IN (SELECT sha256 FROM listed)",
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
	rows, err := r.query("SELECT sha256 FROM listed WHERE source = ? ORDER BY number", source)
	if err != nil {
		return nil, r.failed("reading", err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var sha string
		if err := rows.Scan(&sha); err != nil {
			return nil, r.failed("reading", err)
		}
		all = append(all, sha)
	}
	return all, r.failed("reading", rows.Err())
}

// AddShard loads a shard: entries gives its entries to the function that it is called with. If it fails, none is
// loaded. A shard that is loaded already stays as it is.
func (r *Record) AddShard(sha256 string, entries func(add func(*tree.Entry) error) error) error {
	return r.failed("updating", r.write(func(tx *sql.Tx) error {
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
		insert, err := tx.Prepare(`INSERT INTO entry (shard, name, evr, arch, summary, description, license, grp, url, size, download, provides,
			tree_path, tree_sha256, tree_size, files_path, files_sha256, files_size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
		if err != nil {
			return err
		}
		defer insert.Close()
		return entries(func(e *tree.Entry) error {
			_, err := insert.Exec(id, e.Name, e.EVR(), e.Arch, e.Summary, e.Description, e.License, e.Group, e.URL, e.Size, e.Download, strings.Join(e.Provides, "\n"),
				e.Tree.Path, e.Tree.SHA256, e.Tree.Size, e.Files.Path, e.Files.SHA256, e.Files.Size)
			return err
		})
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
		for _, p := range members {
			if _, err := tx.Exec("INSERT OR IGNORE INTO member (name, evr, arch, tree_sha256) VALUES (?, ?, ?, ?)", p.Name, p.EVR(), p.Arch, sha256); err != nil {
				return err
			}
		}
		return nil
	}))
}

// TreesWith are the digests of the kept trees that have a package.
func (r *Record) TreesWith(name, evr, arch string) ([]string, error) {
	rows, err := r.query("SELECT tree_sha256 FROM member WHERE name = ? AND evr = ? AND arch = ?", name, evr, arch)
	if err != nil {
		return nil, r.failed("reading", err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var sha string
		if err := rows.Scan(&sha); err != nil {
			return nil, r.failed("reading", err)
		}
		all = append(all, sha)
	}
	return all, r.failed("reading", rows.Err())
}
