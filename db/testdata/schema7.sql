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

-- Small files that change in place, as they were last seen. sum is a checksum of the other columns; 0: none is known.
CREATE TABLE remote (
	url TEXT PRIMARY KEY, validator TEXT NOT NULL, body BLOB NOT NULL, checked INTEGER NOT NULL, sum INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;

-- Which shards each source lists. A source that is disabled keeps what it listed; nothing of that is offered.
CREATE TABLE listed (
	source TEXT NOT NULL, number INTEGER NOT NULL, sha256 TEXT NOT NULL, enabled INTEGER NOT NULL DEFAULT 1,
	PRIMARY KEY (source, number)) WITHOUT ROWID;
CREATE INDEX listed_sha256 ON listed (sha256, enabled);

-- The shards that are here, and their entries. sum is a checksum of the entries' columns in their order; 0: none is known.
CREATE TABLE shard (id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, sum INTEGER NOT NULL DEFAULT 0);
CREATE TABLE entry (
	id INTEGER PRIMARY KEY, shard INTEGER NOT NULL REFERENCES shard (id), name TEXT NOT NULL, evr TEXT NOT NULL, arch TEXT NOT NULL,
	summary TEXT NOT NULL, description TEXT NOT NULL, license TEXT NOT NULL, grp TEXT NOT NULL, url TEXT NOT NULL,
	size INTEGER NOT NULL, download INTEGER NOT NULL, provides TEXT NOT NULL,
	tree_path TEXT NOT NULL, tree_sha256 TEXT NOT NULL, tree_size INTEGER NOT NULL,
	files_path TEXT NOT NULL, files_sha256 TEXT NOT NULL, files_size INTEGER NOT NULL, obsoletes TEXT NOT NULL DEFAULT '');
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

-- Trees, file lists and notices, named by their content, and which packages the trees have.
CREATE TABLE published (sha256 TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE member (name TEXT NOT NULL, evr TEXT NOT NULL, arch TEXT NOT NULL, tree_sha256 TEXT NOT NULL,
	PRIMARY KEY (name, evr, arch, tree_sha256)) WITHOUT ROWID;

-- The journal: one line a transaction; plan is JSON.
CREATE TABLE journal (id INTEGER PRIMARY KEY, began INTEGER NOT NULL, command TEXT NOT NULL, state TEXT NOT NULL, plan TEXT NOT NULL);

CREATE INDEX entry_grp ON entry (grp);

-- What entries provide beside their names, one line a thing.
CREATE TABLE provided (entry INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (entry, name)) WITHOUT ROWID;
CREATE INDEX provided_name ON provided (name);
CREATE TRIGGER provided_removed AFTER DELETE ON entry BEGIN DELETE FROM provided WHERE entry = old.id; END;

-- The paths of top-level packages, without those of their trees, by the digest of the file lists that they come from; each path has
-- a newline before and after it.
CREATE TABLE top_paths (sha256 TEXT PRIMARY KEY, paths TEXT NOT NULL) WITHOUT ROWID;

-- Summaries and descriptions in the languages of those who asked, as a source has them; words are both in lower case, for searching.
CREATE TABLE localised (
	language TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL, summary TEXT NOT NULL, description TEXT NOT NULL, words TEXT NOT NULL,
	PRIMARY KEY (language, name, source)) WITHOUT ROWID;

-- The files that they come from.
CREATE TABLE texts (source TEXT NOT NULL, language TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (source, language)) WITHOUT ROWID;

-- The entries of the shards that enabled sources list, once for each source that does.
CREATE VIEW offered AS
	SELECT p.*, l.source FROM entry p JOIN shard s ON s.id = p.shard JOIN listed l ON l.sha256 = s.sha256 AND l.enabled;

-- What was asked for of the index of capabilities: a shard by its number, and the list of the shards as number -1.
CREATE TABLE capability (source TEXT NOT NULL, number INTEGER NOT NULL, sha256 TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (source, number)) WITHOUT ROWID;
-- The names of what entries obsolete, without versions.
CREATE TABLE obsoleted (entry INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (entry, name)) WITHOUT ROWID;
CREATE INDEX obsoleted_name ON obsoleted (name);
CREATE TRIGGER obsoleted_removed AFTER DELETE ON entry BEGIN DELETE FROM obsoleted WHERE entry = old.id; END;
