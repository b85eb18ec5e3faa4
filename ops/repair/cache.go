// SPDX-License-Identifier: GPL-2.0-or-later

package repair

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// inName is the algorithm, where it isn't SHA-256, and the beginning of the digest in the name of
// an RPM in the cache (transaction.CachePath).
var inName = regexp.MustCompile(`^(?:(sha384|sha512)@)?([0-9a-f]{16})-`)

// cache removes from the cache what is damaged. All else is kept, though nobody may ask for it
// again: nothing is downloaded twice, and what nothing needs goes when the room is needed.
func (p *repair) cache(ctx context.Context) error {
	entries, err := os.ReadDir(p.s.CacheFolder())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking into the cache: %w", err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(p.s.CacheFolder(), e.Name())
		if path != transaction.WholePath(path) { // what is there in part is looked at when it goes on
			continue
		}
		whole := false
		if m := inName.FindStringSubmatch(e.Name()); m != nil {
			whole = hasDigest(path, cmp.Or(m[1], "sha256"), m[2])
		} else {
			_, err := rpm.ReadFile(path)
			whole = err == nil
		}
		if !whole {
			p.remove(path)
		}
	}
	return nil
}

func (p *repair) remove(path string) {
	if !p.simulate {
		if err := os.Remove(path); err != nil {
			p.s.Log.Warn("a file in the cache can't be removed", "error", err)
			return
		}
	}
	_, label, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".rpm"), "-")
	id := otherID(filepath.Base(path), "1", "cache")
	if is, err := tree.ParseNEVRA(label); err == nil {
		id = packageID(is, "cache")
	}
	p.report(id, "It was damaged: %s is removed from the cache", filepath.Base(path))
}

// hasDigest tells whether a file's digest by an algorithm begins so.
func hasDigest(path, algorithm, digest string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	sum := tree.Digest(algorithm + ":").Hash()
	if _, err := io.Copy(sum, f); err != nil {
		return false
	}
	return strings.HasPrefix(hex.EncodeToString(sum.Sum(nil)), digest)
}
