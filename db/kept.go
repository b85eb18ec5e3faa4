// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// What the sources publish is kept as it came. It is read by Kept, Tree, KeptShard and Remote,
// which see to it that it is what was kept: what isn't is ErrDamaged.

// Kept gives the file with this digest to parse; false where it is not kept. It is ErrDamaged where
// the file is not what was kept, or parse fails: it was checked before it was kept, so it was
// checked by another version of this program. Rebuild gets rid of it.
func (r *Record) Kept(sha256 string, parse func(body []byte) error) (bool, error) {
	var body []byte
	ok, err := found(r.row("SELECT body FROM published WHERE sha256 = ?", sha256).Scan(&body))
	if err != nil || !ok {
		return false, r.failed("reading", err)
	}
	if digestOf(body) != sha256 {
		return false, r.failed("reading", r.Damaged(fmt.Errorf("the file %.12s… is not what was kept", sha256)))
	}
	if err := r.parse(sha256, body, parse); err != nil {
		return false, err
	}
	return true, nil
}

// parse parses what is as it was kept by its key.
func (r *Record) parse(key string, body []byte, parse func([]byte) error) error {
	err := parse(body)
	if err == nil {
		return nil
	}
	if r.unreadable == nil {
		r.unreadable = make(map[string]bool)
	}
	r.unreadable[key] = true
	return r.failed("reading", r.Damaged(fmt.Errorf("parsing what was kept as %s: %w", key, err)))
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Tree is the tree with this digest; nil where it is not kept. The errors are those of Kept.
func (r *Record) Tree(sha256 string) (*tree.Tree, error) {
	var body []byte
	ok, err := r.Kept(sha256, func(b []byte) error { body = b; return nil })
	if err != nil || !ok {
		return nil, err
	}
	var dictionary []byte
	if of := tree.DictionaryOf(body); of != "" {
		if dictionary, err = r.Dictionary(of); err != nil {
			return nil, err
		}
	}
	var t *tree.Tree
	err = r.parse(sha256, body, func([]byte) (err error) {
		t, err = tree.KeptTree(body, dictionary)
		return err
	})
	return t, err
}

// Dictionary is the dictionary whose digest begins so (tree.DictionaryOf); nil where it is not kept.
// The errors are those of Kept.
func (r *Record) Dictionary(begins string) ([]byte, error) {
	sha256, err := r.dictionary(begins)
	if sha256 == "" || err != nil {
		return nil, err
	}
	var dictionary []byte
	_, err = r.Kept(sha256, func(body []byte) error { dictionary = body; return nil })
	return dictionary, err
}

func (r *Record) dictionary(begins string) (sha256 string, err error) {
	_, err = found(r.row("SELECT sha256 FROM published WHERE sha256 >= ? AND sha256 < ?", begins, begins+"g").Scan(&sha256))
	return sha256, r.failed("reading", err)
}

// DictionaryOf is the digest of the dictionary that a kept tree needs; empty where it needs none.
func (r *Record) DictionaryOf(tree256 string) (string, error) {
	var body []byte
	ok, err := found(r.row("SELECT body FROM published WHERE sha256 = ?", tree256).Scan(&body))
	of := tree.DictionaryOf(body)
	if err != nil || !ok || of == "" {
		return "", r.failed("reading", err)
	}
	return r.dictionary(of)
}

// Trees are the digests of the trees that are kept.
func (r *Record) Trees() ([]string, error) {
	type kept struct {
		sha256 string
		there  bool
	}
	var all []string
	err := each(r, "SELECT tree_sha256, tree_sha256 IN (SELECT sha256 FROM published) FROM (SELECT DISTINCT tree_sha256 FROM member)", nil, func(s scan) (k kept, err error) {
		err = s(&k.sha256, &k.there)
		return k, err
	}, func(k kept) error {
		if !k.there {
			return r.failed("reading", r.Damaged(fmt.Errorf("the tree %.12s… is gone and its packages are not", k.sha256)))
		}
		all = append(all, k.sha256)
		return nil
	})
	return all, err
}

// TreesWith are the digests of the kept trees that have a package.
func (r *Record) TreesWith(name, evr, arch string) ([]string, error) {
	return column[string](r, "SELECT tree_sha256 FROM member WHERE name = ? AND evr = ? AND arch = ?", name, evr, arch)
}

// KeepPublished keeps a file list, a dictionary, notices or categories, or a tree with the packages that
// it has, by its digest. The caller has parsed it.
func (r *Record) KeepPublished(ctx context.Context, sha256 string, body []byte, members []tree.Package) error {
	if digestOf(body) != sha256 {
		return fmt.Errorf("keeping %.12s…: the file has another digest", sha256)
	}
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec("INSERT OR REPLACE INTO published (sha256, body) VALUES (?, ?)", sha256, body); err != nil {
			return err
		}
		if err := keepMembers(ctx, tx, sha256, members); err != nil || len(members) == 0 {
			return err
		}
		return infer(ctx, tx, sha256)
	}))
}

func keepMembers(ctx context.Context, tx *sql.Tx, sha256 string, members []tree.Package) error {
	do := inLoop(tx)
	for i, p := range members {
		if err := do.exec("INSERT OR IGNORE INTO member (name, evr, arch, tree_sha256, top) VALUES (?, ?, ?, ?, ?)", p.Name, p.EVR(), p.Arch, sha256, i == len(members)-1); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// A Remote is a small file that changes in place, as it was last seen.
type Remote struct {
	Validator string // what the transport gave to ask with the next time
	Body      []byte
	Checked   time.Time // when a server last said that this is what it has
}

// Remote is the file at a URL as it was last seen; false where it was never seen. parse may be nil;
// the errors are those of Kept.
func (r *Record) Remote(url string, parse func(body []byte) error) (Remote, bool, error) {
	var f Remote
	var checked, so int64
	ok, err := found(r.row("SELECT validator, body, checked, sum FROM remote WHERE url = ?", url).Scan(&f.Validator, &f.Body, &checked, &so))
	if err != nil || !ok {
		return Remote{}, false, r.failed("reading", err)
	}
	if so != remoteSum(url, f.Validator, f.Body, checked) {
		return Remote{}, false, r.failed("reading", r.Damaged(fmt.Errorf("what was kept of %s is not what it was", url)))
	}
	f.Checked = time.Unix(checked, 0)
	if parse != nil {
		if err := r.parse(url, f.Body, parse); err != nil {
			return Remote{}, false, err
		}
	}
	return f, true, nil
}

func remoteSum(url, validator string, body []byte, checked int64) int64 {
	return int64(sum(0, []any{url, validator, body, checked}))
}

// A keptShard is a shard of the index of a source, as it came.
type keptShard struct {
	source, folder string
	number         int
	index          tree.Index
	body           []byte
}

const shardColumns = "source, folder, number, root, shards, body"

func (k *keptShard) values() []any {
	return []any{k.source, k.folder, k.number, k.index.Root, k.index.Shards, k.body}
}

func scanShard(s scan) (*keptShard, error) {
	k := new(keptShard)
	return k, s(&k.source, &k.folder, &k.number, &k.index.Root, &k.index.Shards, &k.body)
}

func (k *keptShard) key() string {
	return fmt.Sprintf("the shard %d of %s of %s", k.number, k.folder, k.source)
}

// check tells whether it is what was kept.
func (k *keptShard) check() error {
	if k.number < 0 || k.number >= k.index.Shards {
		return fmt.Errorf("there are %d", k.index.Shards)
	}
	return k.index.Check(k.number, k.body)
}

// KeptShard gives a shard of a source's index to parse, which checks it (tree.Index); false where it
// isn't kept. folder is that of the index. The errors are those of Kept.
func (r *Record) KeptShard(source, folder string, x tree.Index, number int, parse func(body []byte) error) (bool, error) {
	k := &keptShard{source: source, folder: folder, number: number}
	ok, err := found(r.row("SELECT body FROM shard WHERE source = ? AND folder = ? AND number = ? AND root = ?", source, folder, number, x.Root).Scan(&k.body))
	if err != nil || !ok {
		return false, r.failed("reading", err)
	}
	if err := r.parse(k.key(), k.body, parse); err != nil {
		return false, err
	}
	return true, nil
}

// KeepShard keeps a shard. The caller has parsed it.
func (r *Record) KeepShard(ctx context.Context, source, folder string, x tree.Index, number int, body []byte) error {
	k := &keptShard{source, folder, number, x, body}
	return r.failed("updating", r.write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO shard ("+shardColumns+") VALUES (?, ?, ?, ?, ?, ?)", k.values()...)
		return err
	}))
}
