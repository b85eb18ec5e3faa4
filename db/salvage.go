// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
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
	text := fmt.Sprintf("%d packages that this backend installed, %d transactions, %d trees and lists and %d parts of indexes were carried over", s.Own, s.Transactions, s.Trees, s.Shards)
	if len(s.Lost) == 0 {
		return text
	}
	return text + ", not all could be read of: " + strings.Join(s.Lost, ", ")
}

// salvage makes path's new record, building, of what can be read in the file from. What has the keys
// unreadable is left out, and all but meta, own, needed and the journal where that file is of an older
// version. Where it fails nothing is left.
func salvage(ctx context.Context, path, from string, unreadable map[string]bool) (s *Salvage, err error) {
	for _, name := range []string{patched, building} {
		if err := remove(path + name); err != nil {
			return nil, err
		}
	}
	defer func() {
		remove(path + patched)
		if err != nil {
			remove(path + building)
		}
	}()
	if err := create(path + building); err != nil {
		return nil, err
	}
	db, err := connect(path+building, "&_pragma=journal_mode(OFF)&_pragma=synchronous(OFF)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	c := &carrier{ctx: ctx, unreadable: unreadable}
	// Where it fails all begins anew: without a journal nothing can be rolled back.
	carry := func(f func(*sql.Tx) error) error {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := f(tx); err != nil || ctx.Err() != nil {
			return cmp.Or(ctx.Err(), err)
		}
		return tx.Commit()
	}
	if err := carry(func(tx *sql.Tx) error { return makeSchema(ctx, tx) }); err != nil {
		return nil, err
	}
	if c.old, err = legible(ctx, path, from, db); err != nil {
		return nil, err
	}
	defer c.old.Close()
	var version int
	if err := c.stopped(c.old.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)); err != nil {
		return nil, err
	}
	c.older = 0 < version && version < schemaVersion
	tables := []func(*sql.Tx) error{c.meta, c.own, c.needed, c.journal}
	if !c.older {
		tables = append(tables, c.published, c.members, c.remote, c.shards)
	}
	for _, table := range append(tables, c.mark) {
		if err := carry(table); err != nil {
			return nil, err
		}
	}
	slices.Sort(c.Lost)
	c.Lost = slices.Compact(c.Lost)
	return &c.Salvage, db.Close()
}

// legible opens a file for reading. Where SQLite can't make out what tables it has, as after every
// damage to its first page, it opens a copy in which the pages that tell are those of the new record:
// a record of this version has always the same ones, and an older one as far as own and needed.
func legible(ctx context.Context, path, from string, new *sql.DB) (*sql.DB, error) {
	const reading = "&mode=ro&_pragma=" + busyTimeout + "&_pragma=writable_schema(ON)" // which makes SQLite bear some damage
	old, err := connect(from, reading)
	if err != nil {
		return nil, err
	}
	var n int
	// Whoever has it locked is waited for: what can't be read for that would count as lost.
	err = patiently(ctx, func() error {
		err := old.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name IN ('meta', 'own', 'needed', 'journal', 'published')").Scan(&n)
		return lockedOr(err)
	})
	if err == nil && n == 5 {
		return old, nil
	}
	old.Close()
	if errors.Is(err, ErrLocked) || ctx.Err() != nil {
		return nil, cmp.Or(ctx.Err(), err)
	}
	if err := patch(path+patched, from, new); err != nil {
		return nil, err
	}
	return connect(path+patched, reading)
}

// patch copies a file, but for the pages that tell what tables there are.
func patch(to, from string, new *sql.DB) error {
	for _, part := range []string{"", "-wal"} {
		if err := copyFile(to+part, from+part); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(to, os.O_RDWR, 0)
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

// A carrier carries rows from a damaged or older record over to a new one.
type carrier struct {
	ctx        context.Context
	old        *sql.DB
	unreadable map[string]bool // keys of what is not carried over
	older      bool            // the record is of an older version
	Salvage
}

// letters are what keys that are names begin with.
func letters() (all []string) {
	for c := '!'; c <= '~'; c++ {
		all = append(all, string(c))
	}
	return all
}

// digits are what keys that are digests begin with.
func digits() (all []string) {
	for i := range 256 {
		all = append(all, fmt.Sprintf("%02x", i))
	}
	return all
}

// each calls row for each row of a table that can be read, for some more than once. Where a page is
// damaged the rows behind it are reached from the end, and those between two by what their keys
// begin with. What row says is not right is lost too: false.
func (c *carrier) each(table, columns, key string, beginnings []string, row func(scan func(...any) error) (bool, error)) error {
	pass := func(rest string, ranges ...string) (whole bool, err error) {
		query, err := c.old.Prepare("SELECT " + columns + " FROM " + table + " " + rest)
		if err != nil {
			return false, c.stopped(err)
		}
		defer query.Close()
		whole = true
		once := func(args ...any) error {
			rows, err := query.QueryContext(c.ctx, args...)
			if err != nil {
				whole = false
				return c.stopped(err)
			}
			defer rows.Close()
			for rows.Next() {
				right, err := row(rows.Scan)
				if err != nil {
					return err
				}
				whole = whole && right
				if c.ctx.Err() != nil {
					return c.ctx.Err()
				}
			}
			whole = whole && rows.Err() == nil
			return c.stopped(rows.Err())
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

// stopped is what of an error isn't damage: ctx's, and that of a lock.
func (c *carrier) stopped(err error) error {
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	if err = lockedOr(err); errors.Is(err, ErrLocked) {
		return err
	}
	return nil
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
	return c.each("meta", "key, value", "key", letters(), func(scan func(...any) error) (bool, error) {
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
	return c.each("own", "name, evr, arch, source, asked", "name", letters(), func(scan func(...any) error) (bool, error) {
		var name, evr, arch, source string
		var asked bool
		if scan(&name, &evr, &arch, &source, &asked) != nil || !plain(name, evr, arch, source) {
			return false, nil
		}
		return true, count(&c.Own, tx, "INSERT OR IGNORE INTO own (name, evr, arch, source, asked) VALUES (?, ?, ?, ?, ?)", name, evr, arch, source, asked)
	})
}

func (c *carrier) needed(tx *sql.Tx) error {
	return c.each("needed", "name, by", "name", letters(), func(scan func(...any) error) (bool, error) {
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
			!state.known() || json.Unmarshal(text, &plan) != nil ||
			slices.ContainsFunc(plan, func(p Planned) bool {
				return !p.Removed && !plain(append(p.By, p.Name, p.Version, p.Arch, p.Source)...)
			}) {
			return false, nil
		}
		return true, count(&c.Transactions, tx, "INSERT OR IGNORE INTO journal (id, began, command, state, plan) VALUES (?, ?, ?, ?, ?)", id, began, command, state, text)
	})
}

func (c *carrier) published(tx *sql.Tx) error {
	return c.each("published", "sha256, body", "sha256", digits(), func(scan func(...any) error) (bool, error) {
		var digest string
		var body []byte
		if scan(&digest, &body) != nil {
			return false, nil
		}
		if digestOf(body) != digest || c.unreadable[digest] {
			return false, nil
		}
		return true, count(&c.Trees, tx, "INSERT OR IGNORE INTO published (sha256, body) VALUES (?, ?)", digest, body)
	})
}

// members tells anew which packages the trees have that were carried over. A tree whose dictionary
// wasn't goes.
func (c *carrier) members(tx *sql.Tx) error {
	all, err := inTx(tx, "SELECT sha256 FROM published", only[string])
	if err != nil {
		return err
	}
	for _, digest := range all {
		var body, dictionary []byte
		if err := tx.QueryRow("SELECT body FROM published WHERE sha256 = ?", digest).Scan(&body); err != nil {
			return err
		}
		if of := tree.DictionaryOf(body); of != "" {
			ok, err := found(tx.QueryRow("SELECT body FROM published WHERE sha256 >= ? AND sha256 < ?", of, of+"g").Scan(&dictionary))
			if err == nil && !ok {
				_, err = tx.Exec("DELETE FROM published WHERE sha256 = ?", digest)
				c.Trees--
			}
			if err != nil {
				return err
			}
		}
		if err := keepMembers(c.ctx, tx, digest, treeOf(body, dictionary).Packages); err != nil {
			return err
		}
	}
	return nil
}

// treeOf reads a tree; it is empty where the file is another.
func treeOf(body, dictionary []byte) *tree.Tree {
	t, err := tree.KeptTree(body, dictionary)
	if err != nil || t.Top().Name != t.Name || t.Top().Location == "" && t.Top().URLs == nil {
		return new(tree.Tree)
	}
	return t
}

func (c *carrier) remote(tx *sql.Tx) error {
	return c.each("remote", "url, validator, body, checked, sum", "url", letters(), func(scan func(...any) error) (bool, error) {
		var url, validator string
		var body []byte
		var checked, so int64
		if scan(&url, &validator, &body, &checked, &so) != nil || remoteSum(url, validator, body, checked) != so || c.unreadable[url] {
			return false, nil
		}
		_, err := tx.Exec("INSERT OR IGNORE INTO remote (url, validator, body, checked, sum) VALUES (?, ?, ?, ?, ?)", url, validator, body, checked, so)
		return true, err
	})
}

func (c *carrier) shards(tx *sql.Tx) error {
	return c.each("shard", shardColumns, "source", letters(), func(scan func(...any) error) (bool, error) {
		k, err := scanShard(scan)
		if err != nil || !plain(k.source, k.folder) || k.check() != nil || c.unreadable[k.key()] {
			return false, nil
		}
		return true, count(&c.Shards, tx, "INSERT OR IGNORE INTO shard ("+shardColumns+") VALUES (?, ?, ?, ?, ?, ?)", k.values()...)
	})
}

// mark notes whether something was lost of which packages this backend installed and why: "now", or
// "perhaps". It stays: see infer. Of an older record, where all can be read, nothing was lost.
func (c *carrier) mark(tx *sql.Tx) error {
	lost := "perhaps"
	for _, table := range []string{"own", "needed", "journal"} {
		var result string // a page in the wrong place can be read, and rows are missing
		if err := c.old.QueryRowContext(c.ctx, "SELECT integrity_check FROM pragma_integrity_check(?)", table).Scan(&result); err != nil || result != "ok" {
			c.Lost = append(c.Lost, table)
		}
		if slices.Contains(c.Lost, table) {
			lost = "now"
		}
	}
	if c.older && lost == "perhaps" {
		return nil
	}
	// What is lost now outdoes what was lost before.
	_, err := tx.Exec("INSERT INTO meta (key, value) VALUES ('own-lost', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE excluded.value = 'now'", lost)
	return err
}
