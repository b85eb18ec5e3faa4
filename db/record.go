package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
)

// A Record is an open record. It is used by one goroutine at a time, and no method may be called from the yield
// function of another: there is one connection.
type Record struct {
	path    string
	file    os.FileInfo // that is open; nil: none is
	suspect bool        // damage was seen
	db      *sql.DB
	stmt    map[string]*sql.Stmt // by their text

	language string // that texts are given in; empty: as the catalogue has them
}

// schemas bring a record from the version that is their index to the next one.
var schemas = []string{schema1, schemaOffers, schemaTexts, schemaSums}

const schema1 = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- The packages in the RPM database; digest is of the header.
CREATE TABLE installed (
	id INTEGER PRIMARY KEY, name TEXT NOT NULL, evr TEXT NOT NULL, arch TEXT NOT NULL, summary TEXT NOT NULL,
	description TEXT NOT NULL, license TEXT NOT NULL, grp TEXT NOT NULL, url TEXT NOT NULL, size INTEGER NOT NULL, digest TEXT NOT NULL);
CREATE INDEX installed_name ON installed (name);

-- Those of them that this backend installed, from which source, and whether a user asked for them.
CREATE TABLE own (
	name TEXT NOT NULL, evr TEXT NOT NULL, arch TEXT NOT NULL, source TEXT NOT NULL, asked INTEGER NOT NULL,
	PRIMARY KEY (name, evr, arch)) WITHOUT ROWID;

-- Which packages are in the trees of the top-level packages that were asked for.
CREATE TABLE needed (name TEXT NOT NULL, by TEXT NOT NULL, PRIMARY KEY (name, by)) WITHOUT ROWID;

-- Small files that change in place, as they were last seen.
CREATE TABLE remote (url TEXT PRIMARY KEY, validator TEXT NOT NULL, body BLOB NOT NULL, checked INTEGER NOT NULL) WITHOUT ROWID;

-- Which shards each source lists, and those that are here.
CREATE TABLE listed (source TEXT NOT NULL, number INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (source, number)) WITHOUT ROWID;
CREATE INDEX listed_sha256 ON listed (sha256);
CREATE TABLE shard (id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE);
CREATE TABLE entry (
	id INTEGER PRIMARY KEY, shard INTEGER NOT NULL REFERENCES shard (id), name TEXT NOT NULL, evr TEXT NOT NULL, arch TEXT NOT NULL,
	summary TEXT NOT NULL, description TEXT NOT NULL, license TEXT NOT NULL, grp TEXT NOT NULL, url TEXT NOT NULL,
	size INTEGER NOT NULL, download INTEGER NOT NULL, provides TEXT NOT NULL,
	tree_path TEXT NOT NULL, tree_sha256 TEXT NOT NULL, tree_size INTEGER NOT NULL,
	files_path TEXT NOT NULL, files_sha256 TEXT NOT NULL, files_size INTEGER NOT NULL);
CREATE INDEX entry_name ON entry (name);
CREATE INDEX entry_shard ON entry (shard);

-- Trigrams, so that any part of a word is found. The texts themselves are in the tables.
CREATE VIRTUAL TABLE entry_text USING fts5 (name, summary, description, license, grp, content='entry', content_rowid='id', tokenize='trigram');
CREATE VIRTUAL TABLE installed_text USING fts5 (name, summary, description, license, grp, content='installed', content_rowid='id', tokenize='trigram');
CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN
	INSERT INTO entry_text (rowid, name, summary, description, license, grp) VALUES (new.id, new.name, new.summary, new.description, new.license, new.grp);
END;
CREATE TRIGGER entry_removed AFTER DELETE ON entry BEGIN
	INSERT INTO entry_text (entry_text, rowid, name, summary, description, license, grp)
	VALUES ('delete', old.id, old.name, old.summary, old.description, old.license, old.grp);
END;
CREATE TRIGGER installed_added AFTER INSERT ON installed BEGIN
	INSERT INTO installed_text (rowid, name, summary, description, license, grp) VALUES (new.id, new.name, new.summary, new.description, new.license, new.grp);
END;
CREATE TRIGGER installed_removed AFTER DELETE ON installed BEGIN
	INSERT INTO installed_text (installed_text, rowid, name, summary, description, license, grp)
	VALUES ('delete', old.id, old.name, old.summary, old.description, old.license, old.grp);
END;

-- Trees and file lists, named by their content, and which packages the trees have.
CREATE TABLE published (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE member (name TEXT NOT NULL, evr TEXT NOT NULL, arch TEXT NOT NULL, tree_sha256 TEXT NOT NULL,
	PRIMARY KEY (name, evr, arch, tree_sha256)) WITHOUT ROWID;

-- The journal: one line a transaction; plan is JSON.
CREATE TABLE journal (id INTEGER PRIMARY KEY, began INTEGER NOT NULL, command TEXT NOT NULL, state TEXT NOT NULL, plan TEXT NOT NULL);
`

// Open opens the record in a file, and makes the file and its folder where they are not there.
func Open(path string) (*Record, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of the record: %w", err)
	}
	r := &Record{path: path}
	if err := oneAtATime(filepath.Dir(path), r.open); err != nil {
		return nil, r.failed("opening", err)
	}
	return r, nil
}

// connect connects to a file. The page cache is small: the machines are, and the record is in the kernel's cache anyway.
func connect(path, options string) (*sql.DB, error) {
	pool, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=cache_size(-256)"+options)
	if err == nil {
		pool.SetMaxOpenConns(1)
	}
	return pool, err
}

// open opens the file while no other process does.
func (r *Record) open() error {
	err := r.openOnce()
	if r.spared(err) {
		err = r.openOnce()
	}
	if err == nil {
		r.keepReserve()
	}
	return err
}

func (r *Record) openOnce() error {
	r.file = nil
	if err := finish(r.path); err != nil {
		return err
	}
	// SQLite takes an empty file for a new one.
	if info, err := os.Stat(r.path); err == nil && info.Mode().IsRegular() && info.Size() == 0 {
		return fmt.Errorf("%w: its file is empty", ErrDamaged)
	}
	pool, err := connect(r.path, "&_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=wal_autocheckpoint(256)&_txlock=immediate")
	if err != nil {
		return err
	}
	r.db, r.stmt, r.suspect = pool, make(map[string]*sql.Stmt), false
	var info os.FileInfo
	if err = r.migrate(); err == nil {
		info, err = os.Stat(r.path)
	}
	if err != nil {
		pool.Close()
		return err
	}
	r.file = info
	return nil
}

// oneAtATime runs f, which connects for the first time, while no other process does: PackageKit may start two helpers at once, and
// where SQLite makes a new database one with a write-ahead log it doesn't wait for a lock, whatever busy_timeout says.
func oneAtATime(folder string, f func() error) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking %s: %w", folder, err)
	}
	return f()
}

// migrate brings the schema up to date.
func (r *Record) migrate() error {
	var version int
	if err := r.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version == len(schemas) {
		return nil
	}
	if version < 0 || version > 1000 { // nobody has written that
		return fmt.Errorf("%w: its version is %d", ErrDamaged, version)
	}
	if version > len(schemas) {
		return fmt.Errorf("it has version %d and this program knows up to %d: update packagekit-backend-presolve, or move the file away to start anew", version, len(schemas))
	}
	return r.write(func(tx *sql.Tx) error {
		// Another process may have been faster.
		if err := tx.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		for ; version < len(schemas); version++ {
			if _, err := tx.Exec(schemas[version]); err != nil {
				return err
			}
		}
		_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", version))
		return err
	})
}

// Close closes the record.
func (r *Record) Close() error {
	if err := r.db.Close(); err != nil {
		return fmt.Errorf("closing the record: %w", err)
	}
	return nil
}

// Version changes when another process has changed the record since the last call.
func (r *Record) Version() (int64, error) {
	var v int64
	err := r.row("PRAGMA data_version").Scan(&v)
	return v, r.failed("asking", err)
}

// write runs f in a transaction, which is committed if f succeeds; once more where the disk was full and there was a reserve.
func (r *Record) write(f func(tx *sql.Tx) error) error {
	err := r.writeOnce(f)
	if r.spared(err) {
		err = r.writeOnce(f)
	}
	return err
}

func (r *Record) writeOnce(f func(tx *sql.Tx) error) error {
	tx, err := r.db.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// note is write for the journal and what it leads to, which nobody else knows: it waits while another process rebuilds the record,
// and doesn't write to a file that was set aside.
func (r *Record) note(f func(tx *sql.Tx) error) error {
	return oneAtATime(filepath.Dir(r.path), func() error {
		if err := finish(r.path); err != nil {
			return err
		}
		if r.Replaced() {
			return fmt.Errorf("%w: another process has rebuilt it", ErrDamaged)
		}
		return r.write(f)
	})
}

// failed says what the record was doing when it failed; nil stays nil.
func (r *Record) failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s the record %s: %w", doing, r.path, r.seen(err))
}

func (r *Record) prepare(query string) (*sql.Stmt, error) {
	if s := r.stmt[query]; s != nil {
		return s, nil
	}
	s, err := r.db.Prepare(query)
	if err != nil {
		return nil, err
	}
	r.stmt[query] = s
	return s, nil
}

func (r *Record) query(query string, args ...any) (*sql.Rows, error) {
	s, err := r.prepare(query)
	if err != nil {
		return nil, err
	}
	return s.Query(args...)
}

// strings are the texts in the first column of a query's rows.
func (r *Record) strings(query string, args ...any) ([]string, error) {
	rows, err := r.query(query, args...)
	if err != nil {
		return nil, r.failed("reading", err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, r.failed("reading", err)
		}
		all = append(all, s)
	}
	return all, r.failed("reading", rows.Err())
}

// A scanner is a row that may not be there.
type scanner interface{ Scan(dest ...any) error }

type failedRow struct{ err error }

func (f failedRow) Scan(...any) error { return f.err }

func (r *Record) row(query string, args ...any) scanner {
	s, err := r.prepare(query)
	if err != nil {
		return failedRow{err}
	}
	return s.QueryRow(args...)
}

// found turns "no rows" into false.
func found(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
