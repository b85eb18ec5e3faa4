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
