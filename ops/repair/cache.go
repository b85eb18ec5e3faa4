package repair

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A wanted is an RPM that some tree may ask for.
type wanted struct {
	pkg    *tree.Package
	source string
}

// cache removes from the cache the RPMs, whole and partial, that no tree of today's catalogues has, and those that are
// not what their tree says. All others are kept: nothing is downloaded twice.
func (p *repair) cache(ctx context.Context) error {
	folder := transaction.CacheFolder(p.s)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking into the cache: %w", err)
	}
	if len(entries) == 0 {
		return nil
	}
	known, err := p.wanted()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(folder, e.Name())
		whole := transaction.WholePath(path)
		want, ok := known[whole]
		switch {
		case !ok:
			p.remove(path, "No source offers it any more", wanted{})
		case path == whole && want.pkg.SHA256 != "" && !is(path, want.pkg.SHA256):
			p.remove(path, "It was damaged", want)
		}
	}
	return nil
}

func (p *repair) remove(path, why string, what wanted) {
	id := cached(filepath.Base(path))
	if what.pkg != nil {
		id = named(what.pkg.NEVRA, what.source)
	}
	if !p.simulate {
		if err := os.Remove(path); err != nil {
			p.s.Log.Warn("a file in the cache can't be removed", "error", err)
			return
		}
	}
	p.told(id, "%s: %s is removed from the cache", why, filepath.Base(path))
}

// cached is the id of a file of the cache that no tree has: its name begins with what makes it unique (transaction.CachePath).
func cached(file string) wire.PackageID {
	_, label, _ := strings.Cut(strings.TrimSuffix(transaction.WholePath(file), ".rpm"), "-")
	p, err := tree.ParseNEVRA(label)
	if err != nil {
		return thing(file, "1", "cache")
	}
	return named(p, "cache")
}

// wanted are the RPMs of the trees in the record, by their place in the cache.
func (p *repair) wanted() (map[string]wanted, error) {
	all := make(map[string]wanted)
	err := p.s.Trees(func(t *tree.Tree) {
		for i := range t.Packages {
			for _, source := range p.s.Sources {
				all[transaction.CachePath(p.s, source.ID, &t.Packages[i])] = wanted{&t.Packages[i], source.ID}
			}
		}
	})
	return all, err
}

// is tells whether a file has a digest.
func is(path, digest string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return false
	}
	return hex.EncodeToString(sum.Sum(nil)) == digest
}
