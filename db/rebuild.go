package db

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A Salvage is what Rebuild has carried over from a damaged record.
type Salvage struct {
	Own, Transactions, Trees, Shards int
	Lost                             []string // the tables that could not be read to their end
}

func (s *Salvage) String() string {
	text := fmt.Sprintf("%d packages that this backend installed, %d transactions, %d trees and lists and %d parts of catalogues were carried over", s.Own, s.Transactions, s.Trees, s.Shards)
	if len(s.Lost) == 0 {
		return text
	}
	return text + ", not all could be read of: " + strings.Join(s.Lost, ", ")
}

// Rebuild is Open for a record that is damaged: see Record.Rebuild.
func Rebuild(path string) (*Record, *Salvage, error) {
	r := &Record{path: path}
	s, err := r.Rebuild()
	return r, s, err
}

// Rebuild makes the record anew from what can be read of it and can be told to be right: what this backend installed and why, the
// journal, and of what the sources have that which has its checksum. All else is to be had again. The installed packages are read
// from the RPM database by the next UpdateInstalled, which also infers what was lost of which of them this backend installed. The damaged
// file is kept as FILE.damaged until the next time.
//
// Where no damage was seen, or another process has been faster, the Salvage is nil; then the record is opened anew if it was
// replaced. After a power cut in the middle the next Open finds the damaged file, or finishes. If Rebuild fails the record can't be used
// before it has succeeded.
func (r *Record) Rebuild() (s *Salvage, err error) {
	err = oneAtATime(filepath.Dir(r.path), func() error {
		replaced := r.Replaced()
		if !replaced && !r.suspect {
			return nil
		}
		if r.db != nil {
			r.db.Close()
		}
		if replaced {
			if err := r.open(); err == nil || !damaged(err) {
				return err
			}
		}
		r.file = nil
		if s, err = rebuild(r.path); err != nil {
			return err
		}
		return r.open()
	})
	return s, r.failed("rebuilding", err)
}

// What belongs to a record's file, and what it is called while it is rebuilt.
var parts = []string{"", "-wal", "-shm", "-journal"}

const (
	aside    = ".damaged"  // links to the damaged file and its parts
	patched  = ".patched"  // a copy that SQLite can read
	building = ".building" // the new one, not whole yet
	rebuilt  = ".rebuilt"  // the new one, whole: it has to take its place
)

func rebuild(path string) (*Salvage, error) {
	for _, part := range parts {
		for _, name := range []string{aside, patched, building} {
			if err := os.Remove(path + name + part); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, err
			}
		}
		err := os.Link(path+part, path+aside+part)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a file system without links
			err = copyFile(path+aside+part, path+part)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	defer func() {
		for _, part := range parts {
			os.Remove(path + patched + part)
			os.Remove(path + building + part)
		}
	}()
	s, err := salvage(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path + building)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if err := os.Rename(path+building, path+rebuilt); err != nil {
		return nil, err
	}
	return s, finish(path)
}

// finish gives a new record that is whole the place of the damaged one. What has not been written to the damaged one yet must not be
// written to the new one: its log goes first.
func finish(path string) error {
	if _, err := os.Lstat(path + rebuilt); err != nil {
		return nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return err
	}
	for _, part := range parts[1:] {
		if err := os.Remove(path + part); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if err := dir.Sync(); err != nil {
		return err
	}
	if err := os.Rename(path+rebuilt, path); err != nil {
		return err
	}
	return dir.Sync()
}

// salvage makes the new record.
func salvage(path string) (*Salvage, error) {
	db, err := connect(path+building, "&_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if err := (&Record{db: db}).migrate(); err != nil {
		return nil, err
	}
	c := &carrier{new: db}
	if c.old, err = legible(path, db); err != nil {
		return nil, err
	}
	defer c.old.Close()
	for _, carry := range []func(*sql.Tx) error{c.meta, c.own, c.needed, c.journal, c.published, c.remote, c.shards, c.listed, c.mark} {
		tx, err := db.Begin()
		if err != nil {
			return nil, err
		}
		if err := carry(tx); err != nil {
			tx.Rollback()
			return nil, err
		}
		if err := tx.Commit(); err != nil {
			return nil, err
		}
	}
	slices.Sort(c.Lost)
	c.Lost = slices.Compact(c.Lost)
	return &c.Salvage, db.Close()
}

// legible opens the damaged file for reading. Where SQLite can't make out what tables it has, as after every damage to its first page, it
// opens a copy in which the pages that tell are those of the new record: a record has always the same ones.
func legible(path string, new *sql.DB) (*sql.DB, error) {
	const reading = "&mode=ro&_pragma=busy_timeout(5000)&_pragma=writable_schema(ON)" // which makes SQLite bear some damage
	old, err := connect(path+aside, reading)
	if err != nil {
		return nil, err
	}
	var n int
	err = old.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'own', 'needed', 'journal', 'published')").Scan(&n)
	if err == nil && n == 5 {
		return old, nil
	}
	old.Close()
	if err := patch(path, new); err != nil {
		return nil, err
	}
	return connect(path+patched, reading)
}

func patch(path string, new *sql.DB) error {
	for _, part := range []string{"", "-wal"} {
		if err := copyFile(path+patched+part, path+aside+part); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(path+patched, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := new.Query("SELECT pgno, data FROM sqlite_dbpage WHERE pgno NOT IN (SELECT rootpage FROM sqlite_schema)")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var number int64
		var page []byte
		if err := rows.Scan(&number, &page); err != nil {
			return err
		}
		if number == 1 {
			page[18], page[19] = 2, 2                         // there is a log
			binary.BigEndian.PutUint32(page[92:], ^uint32(0)) // the number of pages is that of the file
		}
		if _, err := f.WriteAt(page, (number-1)*int64(len(page))); err != nil {
			return err
		}
	}
	return rows.Err()
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, in)
	return err
}

// A carrier carries rows from a damaged record over to a new one.
type carrier struct {
	old, new *sql.DB
	Salvage
}

// What keys begin with: letters where they are names, two digits where they are digests.
var (
	letters = func() (all []string) {
		for c := '!'; c <= '~'; c++ {
			all = append(all, string(c))
		}
		return all
	}()
	digits = func() (all []string) {
		for i := range 256 {
			all = append(all, fmt.Sprintf("%02x", i))
		}
		return all
	}()
)

// each calls row for each row of a table that can be read, for some more than once. Where a page is damaged the rows behind it are
// reached from the end, and those between two by what their keys begin with. What row says is not right is lost too: false.
func (c *carrier) each(table, columns, key string, beginnings []string, row func(scan func(...any) error) (bool, error)) error {
	pass := func(rest string, ranges ...string) (whole bool, err error) {
		query, err := c.old.Prepare("SELECT " + columns + " FROM " + table + " " + rest)
		if err != nil {
			return false, nil
		}
		defer query.Close()
		whole = true
		once := func(args ...any) error {
			rows, err := query.Query(args...)
			if err != nil {
				whole = false
				return nil
			}
			defer rows.Close()
			for rows.Next() {
				right, err := row(rows.Scan)
				if err != nil {
					return err
				}
				whole = whole && right
			}
			whole = whole && rows.Err() == nil
			return nil
		}
		if ranges == nil {
			err := once()
			return whole, err
		}
		for _, b := range ranges {
			if err := once(b, b+"\U0010FFFF"); err != nil {
				return false, err
			}
		}
		return whole, nil
	}
	whole, err := pass("ORDER BY " + key)
	if whole || err != nil {
		return err
	}
	c.Lost = append(c.Lost, table)
	_, err = pass("ORDER BY " + key + " DESC")
	for _, order := range []string{"", " DESC"} {
		if err == nil && beginnings != nil {
			_, err = pass("WHERE "+key+" >= ? AND "+key+" < ? ORDER BY "+key+order, beginnings...)
		}
	}
	return err
}

// plain tells whether all texts may be names and the like.
func plain(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(s string) bool {
		return s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) })
	})
}

// count executes a statement and counts the rows that it added.
func count(n *int, tx *sql.Tx, query string, args ...any) error {
	res, err := tx.Exec(query, args...)
	if err != nil {
		return err
	}
	added, err := res.RowsAffected()
	*n += int(added)
	return err
}

func (c *carrier) meta(tx *sql.Tx) error {
	return c.each("meta", "key, value", "key", letters, func(scan func(...any) error) (bool, error) {
		var key, value string
		if scan(&key, &value) != nil || !plain(key) {
			return false, nil
		}
		if key == "rpm-state" {
			return true, nil
		}
		_, err := tx.Exec("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)", key, value)
		return true, err
	})
}

func (c *carrier) own(tx *sql.Tx) error {
	return c.each("own", "name, evr, arch, source, asked", "name", letters, func(scan func(...any) error) (bool, error) {
		var name, evr, arch, source string
		var asked bool
		if scan(&name, &evr, &arch, &source, &asked) != nil || !plain(name, evr, arch, source) {
			return false, nil
		}
		return true, count(&c.Own, tx, "INSERT OR IGNORE INTO own (name, evr, arch, source, asked) VALUES (?, ?, ?, ?, ?)", name, evr, arch, source, asked)
	})
}

func (c *carrier) needed(tx *sql.Tx) error {
	return c.each("needed", "name, by", "name", letters, func(scan func(...any) error) (bool, error) {
		var name, by string
		if scan(&name, &by) != nil || !plain(name, by) {
			return false, nil
		}
		_, err := tx.Exec("INSERT OR IGNORE INTO needed (name, by) VALUES (?, ?)", name, by)
		return true, err
	})
}

func (c *carrier) journal(tx *sql.Tx) error {
	return c.each("journal", "id, began, command, state, plan", "id", nil, func(scan func(...any) error) (bool, error) {
		var id, began int64
		var command string
		var state State
		var text []byte
		var plan []Planned
		if scan(&id, &began, &command, &state, &text) != nil || !plain(command) ||
			!slices.Contains([]State{Downloading, Installing, Done, Failed}, state) || json.Unmarshal(text, &plan) != nil ||
			slices.ContainsFunc(plan, func(p Planned) bool {
				return !p.Removed && !plain(append(p.By, p.Name, p.Version, p.Arch, p.Source)...)
			}) {
			return false, nil
		}
		return true, count(&c.Transactions, tx, "INSERT OR IGNORE INTO journal (id, began, command, state, plan) VALUES (?, ?, ?, ?, ?)", id, began, command, state, text)
	})
}

func (c *carrier) published(tx *sql.Tx) error {
	return c.each("published", "sha256, body", "sha256", digits, func(scan func(...any) error) (bool, error) {
		var digest string
		var body []byte
		if scan(&digest, &body) != nil {
			return false, nil
		}
		if is := sha256.Sum256(body); hex.EncodeToString(is[:]) != digest {
			return false, nil
		}
		if err := count(&c.Trees, tx, "INSERT OR IGNORE INTO published (sha256, body) VALUES (?, ?)", digest, body); err != nil {
			return false, err
		}
		return true, keepMembers(tx, digest, treeOf(body).Packages)
	})
}

// treeOf reads a tree; it is empty where the file is another.
func treeOf(body []byte) *tree.Tree {
	t := new(tree.Tree)
	if err := json.Unmarshal(body, t); err != nil || len(t.Packages) == 0 || t.Top().Name != t.Name || t.Top().Location == "" && t.Top().URLs == nil {
		return new(tree.Tree)
	}
	return t
}

func (c *carrier) remote(tx *sql.Tx) error {
	return c.each("remote", "url, validator, body, checked, sum", "url", letters, func(scan func(...any) error) (bool, error) {
		var url, validator string
		var body []byte
		var checked, so int64
		if scan(&url, &validator, &body, &checked, &so) != nil || int64(sum(0, []any{url, validator, body, checked})) != so {
			return false, nil
		}
		_, err := tx.Exec("INSERT OR IGNORE INTO remote (url, validator, body, checked, sum) VALUES (?, ?, ?, ?, ?)", url, validator, body, checked, so)
		return true, err
	})
}

func (c *carrier) shards(tx *sql.Tx) error {
	type shard struct {
		id, sum int64
		sha256  string
	}
	all := make(map[shard]bool)
	err := c.each("shard", "id, sha256, sum", "id", nil, func(scan func(...any) error) (bool, error) {
		var s shard
		err := scan(&s.id, &s.sha256, &s.sum)
		if err == nil {
			all[s] = true
		}
		return err == nil, nil
	})
	// The index of texts is made in one go: row by row all would take three times as long.
	var trigger string
	if err := tx.QueryRow("SELECT sql FROM sqlite_schema WHERE name = 'entry_added'").Scan(&trigger); err != nil {
		return err
	}
	if _, err := tx.Exec("DROP TRIGGER entry_added"); err != nil {
		return err
	}
	for s := range all {
		is := uint64(0)
		wrong := c.entries(s.id, func(row []any) error { is = sum(is, row); return nil })
		if wrong != nil || int64(is) != s.sum {
			c.Lost = append(c.Lost, "entry")
			continue
		}
		if err == nil {
			err = addShard(tx, s.sha256, func(add func(row []any) error) error { return c.entries(s.id, add) })
			c.Shards++
		}
	}
	if err == nil {
		_, err = tx.Exec(trigger + "; INSERT INTO entry_text (entry_text) VALUES ('rebuild')")
	}
	return err
}

func (c *carrier) entries(shard int64, yield func(row []any) error) error {
	rows, err := c.old.Query("SELECT "+entryColumns+" FROM entry WHERE shard = ? ORDER BY id", shard)
	if err != nil {
		return err
	}
	defer rows.Close()
	row := make([]any, strings.Count(entryColumns, ",")+1)
	to := make([]any, len(row))
	for i := range row {
		to[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// listed carries over what a source lists if all of it leads to something: a shard that is kept, or a file that names it.
func (c *carrier) listed(tx *sql.Tx) error {
	type row struct {
		number  int
		sha256  string
		enabled bool
	}
	all := make(map[string][]row)
	lost := len(c.Lost)
	err := c.each("listed", "source, number, sha256, enabled", "source", nil, func(scan func(...any) error) (bool, error) {
		var source string
		var r row
		if scan(&source, &r.number, &r.sha256, &r.enabled) != nil || !plain(source) {
			return false, nil
		}
		all[source] = append(all[source], r)
		return true, nil
	})
	if err != nil || len(c.Lost) > lost {
		return err
	}
	for source, rows := range all {
		leads := true
		for i, r := range rows {
			var known bool
			err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM shard WHERE sha256 = ?1) OR EXISTS (SELECT 1 FROM remote WHERE instr(body, CAST(?1 AS BLOB)))", r.sha256).Scan(&known)
			if err != nil {
				return err
			}
			leads = leads && known && r.number == i
		}
		if !leads {
			c.Lost = append(c.Lost, "listed")
			continue
		}
		for _, r := range rows {
			if _, err := tx.Exec("INSERT INTO listed (source, number, sha256, enabled) VALUES (?, ?, ?, ?)", source, r.number, r.sha256, r.enabled); err != nil {
				return err
			}
		}
	}
	return nil
}

// mark notes whether something was lost of which packages this backend installed and why: "now", or "perhaps". It stays: see infer.
func (c *carrier) mark(tx *sql.Tx) error {
	lost, or := "perhaps", "IGNORE"
	for _, table := range []string{"own", "needed", "journal"} {
		var result string // a page in the wrong place can be read, and rows are missing
		if err := c.old.QueryRow("PRAGMA integrity_check('" + table + "')").Scan(&result); err != nil || result != "ok" {
			c.Lost = append(c.Lost, table)
		}
		if slices.Contains(c.Lost, table) {
			lost, or = "now", "REPLACE"
		}
	}
	_, err := tx.Exec("INSERT OR "+or+" INTO meta (key, value) VALUES ('own-lost', ?)", lost)
	return err
}

// infer tells which packages this backend installed, and why, where some of that was lost. First by the journal, which has the plans
// of the last transactions. Then by the kept trees, or by the one that has come just now: they end where the standard installation begins,
// so what is installed of the tree of an installed program came with it; the program counts as asked for.
func infer(tx *sql.Tx, sha256 string) error {
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
		if err := replay(tx); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE meta SET value = 'before' WHERE key = 'own-lost'"); err != nil {
			return err
		}
	}
	const kept = `WITH kept (name, tree) AS (SELECT json_extract(CAST(body AS TEXT), '$.name'), sha256 FROM published
		WHERE sha256 IN (SELECT tree_sha256 FROM member) AND (?1 = '' OR sha256 = ?1)) `
	for _, s := range []string{
		kept + `INSERT OR IGNORE INTO own (name, evr, arch, source, asked)
			SELECT i.name, i.evr, i.arch, coalesce(
				(SELECT min(l.source) FROM entry e JOIN shard s ON s.id = e.shard JOIN listed l ON l.sha256 = s.sha256 WHERE e.tree_sha256 = m.tree_sha256),
				(SELECT min(source) FROM own), (SELECT min(source) FROM listed), 'unknown'), max(i.name = k.name)
			FROM kept k JOIN member m ON m.tree_sha256 = k.tree JOIN installed i ON i.name = m.name AND i.evr = m.evr AND i.arch = m.arch
			WHERE k.name IN (SELECT name FROM installed) GROUP BY i.name, i.evr, i.arch`,
		kept + `INSERT OR IGNORE INTO needed (name, by)
			SELECT m.name, k.name FROM kept k JOIN member m ON m.tree_sha256 = k.tree JOIN own o ON o.name = m.name AND o.evr = m.evr AND o.arch = m.arch
			WHERE k.name IN (SELECT name FROM own WHERE asked)`,
	} {
		if _, err := tx.Exec(s, sha256); err != nil {
			return err
		}
	}
	return nil
}

// replay concludes the transactions in the journal once more.
func replay(tx *sql.Tx) error {
	rows, err := tx.Query("SELECT plan FROM journal WHERE state IN (?, ?) ORDER BY id", Done, Failed)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text []byte
		var plan []Planned
		if err := rows.Scan(&text); err != nil {
			return err
		}
		if err := json.Unmarshal(text, &plan); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if err := conclude(tx, plan); err != nil {
			return err
		}
	}
	return rows.Err()
}
