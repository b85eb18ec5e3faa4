// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// schemaVersion is the version of the schema below. A record says in its user_version which one it
// has. What an older one has to keep is carried over to a new file: see carryOver.
const schemaVersion = 8

const schema = `
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

-- Trees, their dictionaries, file lists, notices and categories, named by their content, and which packages the trees have. top: the tree
-- is this package's.
CREATE TABLE published (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE member (name TEXT NOT NULL, evr TEXT NOT NULL, arch TEXT NOT NULL, tree_sha256 TEXT NOT NULL, top INTEGER NOT NULL,
	PRIMARY KEY (name, evr, arch, tree_sha256)) WITHOUT ROWID;

-- The journal: one line a transaction; plan is JSON.
CREATE TABLE journal (id INTEGER PRIMARY KEY, began INTEGER NOT NULL, command TEXT NOT NULL, state TEXT NOT NULL, plan TEXT NOT NULL);

-- Small files that change in place, as they were last seen. sum is a checksum of the other columns.
CREATE TABLE remote (
	url TEXT PRIMARY KEY, validator TEXT NOT NULL, body BLOB NOT NULL, checked INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;

-- What was asked for of the sources' indexes: a shard by its number, as it came. root and shards are the index's: an older one stays until what
-- took its place is listed.
CREATE TABLE shard (
	source TEXT NOT NULL, folder TEXT NOT NULL, number INTEGER NOT NULL, root TEXT NOT NULL, shards INTEGER NOT NULL, body BLOB NOT NULL,
	PRIMARY KEY (source, folder, number, root)) WITHOUT ROWID;

-- Trigrams, so that any part of a word is found. The texts themselves are in the table.
CREATE VIRTUAL TABLE installed_text USING fts5 (name, summary, description, license, grp, content='installed', content_rowid='id', tokenize='trigram');
CREATE TRIGGER installed_added AFTER INSERT ON installed BEGIN
	INSERT INTO installed_text (rowid, name, summary, description, license, grp) VALUES (new.id, new.name, new.summary, new.description, new.license, new.grp);
END;
CREATE TRIGGER installed_removed AFTER DELETE ON installed BEGIN
	INSERT INTO installed_text (installed_text, rowid, name, summary, description, license, grp)
	VALUES ('delete', old.id, old.name, old.summary, old.description, old.license, old.grp);
END;
`

// errOlder tells that a record has an older schema.
var errOlder = errors.New("the record is of an older version")

// prepareSchema makes the schema in a new file. The error is errOlder where there is an older one.
func (r *Record) prepareSchema(ctx context.Context) error {
	var version int
	if err := r.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch {
	case version == schemaVersion:
		return nil
	case version < 0 || version > 1000: // nobody has written that
		return fmt.Errorf("%w: its version is %d", ErrDamaged, version)
	case version > schemaVersion:
		return fmt.Errorf("it has version %d and this program knows up to %d: update packagekit-backend-presolve, or move the file away to start anew", version, schemaVersion)
	case version > 0:
		return errOlder
	}
	return r.write(ctx, func(tx *sql.Tx) error {
		// Another process may have been faster.
		if err := tx.QueryRow("PRAGMA user_version").Scan(&version); err != nil || version > 0 {
			return err
		}
		return makeSchema(ctx, tx)
	})
}

func makeSchema(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, fmt.Sprintf("%s; PRAGMA user_version = %d", schema, schemaVersion)) // which can't be bound
	return err
}
