// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// CachePath is where an RPM is kept in the cache. The digest is in its name, so that two sources'
// files of one name don't meet: 16 digits of it, after its algorithm where that isn't SHA-256, e.g.
// "0123456789abcdef-" or "sha512@0123456789abcdef-". No source's id has an @.
func CachePath(s *ops.System, source string, p *tree.Package) string {
	unique := source
	if d := p.RPMDigest(); d != "" {
		unique = d.Hex()[:min(16, len(d.Hex()))]
		if d.Algorithm() != "sha256" {
			unique = d.Algorithm() + "@" + unique
		}
	}
	return filepath.Join(s.CacheFolder(), unique+"-"+FileName(p.NEVRA))
}

// PassingPath is where an RPM whose CachePath is given is on its way into somebody's folder: it
// isn't what an install finds, since it goes at any moment.
func PassingPath(cachePath string) string {
	return filepath.Join(filepath.Dir(cachePath), "passing-"+filepath.Base(cachePath))
}

// FileName is the name that an RPM's file has by custom.
func FileName(p tree.NEVRA) string {
	return p.Name + "-" + p.Version + "-" + p.Release + "." + p.Arch + ".rpm"
}

// WholePath is the path of the RPM that a file of the cache is, or is a part of.
func WholePath(path string) string {
	whole, _, _ := strings.Cut(path, ".rpm"+transport.PartSuffix)
	return strings.TrimSuffix(whole, ".rpm") + ".rpm"
}

// A kept is what the cache has of one RPM.
type kept struct {
	whole string // path of the RPM
	files []string
	size  int64
	used  time.Time // when the latest was written
}

// listCache is what the cache has, and how many bytes.
func listCache(s *ops.System) (all []*kept, used int64, err error) {
	entries, err := os.ReadDir(s.CacheFolder())
	if err != nil {
		return nil, 0, fmt.Errorf("looking into the cache: %w", err)
	}
	byWhole := make(map[string]*kept)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		path := filepath.Join(s.CacheFolder(), e.Name())
		k := byWhole[WholePath(path)]
		if k == nil {
			k = &kept{whole: WholePath(path)}
			byWhole[k.whole] = k
			all = append(all, k)
		}
		k.files = append(k.files, path)
		k.size += info.Size()
		used += info.Size()
		if info.ModTime().After(k.used) {
			k.used = info.ModTime()
		}
	}
	return all, used, nil
}

// makeRoom removes RPMs until the cache can take so many bytes more within its limit, and until so
// many are free that its disk is short of; it says so where the limit is too low. First goes what
// nothing needs, whole and partial, the oldest first; then whole RPMs of what failed. What these
// downloads are stays, what another process is at, and what is there in part of what was begun.
func makeRoom(s *ops.System, downloads []transport.File, more, short int64) error {
	all, used, err := listCache(s)
	if err != nil {
		return err
	}
	if s.CacheLimit > 0 && more > 0 {
		short = max(short, used+more-s.CacheLimit)
	}
	if short <= 0 {
		return nil
	}
	begun, err := s.Record.Begun()
	if err != nil {
		return err
	}
	var unneeded, failed, held []*kept
	for _, k := range all {
		i := slices.IndexFunc(begun, func(b db.Begun) bool { return strings.HasSuffix(k.whole, "-"+FileName(b.NEVRA)) })
		switch {
		case slices.ContainsFunc(downloads, func(f transport.File) bool { return f.Path == k.whole }):
		case slices.ContainsFunc(k.files, inUse):
			held = append(held, k)
		case i < 0 && !transport.Busy(k.whole):
			unneeded = append(unneeded, k)
		case i >= 0 && !begun[i].Now && slices.Equal(k.files, []string{k.whole}):
			failed = append(failed, k)
		default:
			held = append(held, k)
		}
	}
	oldest := func(a, b *kept) int { return a.used.Compare(b.used) }
	slices.SortFunc(unneeded, oldest)
	slices.SortFunc(failed, oldest)
	for _, k := range append(unneeded, failed...) {
		if short <= 0 {
			break
		}
		for _, file := range k.files {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("making room in the cache: %w", err)
			}
		}
		s.Log.Info("removed from the cache, which needs the room", "file", k.whole, "bytes", k.size)
		used -= k.size
		short -= k.size
	}
	if s.CacheLimit > 0 && more > 0 && used+more > s.CacheLimit {
		return wire.Errorf(wire.NoSpaceOnDevice, "the cache %s may have %s, and this needs %s more than the %s that it has%s: raise cache_limit",
			s.Cache, offers.Size(s.CacheLimit), offers.Size(more), offers.Size(used), inTheWay(held))
	}
	return nil
}

// inTheWay names what was begun and not finished.
func inTheWay(held []*kept) string {
	if len(held) == 0 {
		return ""
	}
	name := strings.TrimSuffix(filepath.Base(held[0].whole), ".rpm")
	_, name, _ = strings.Cut(name, "-")
	if len(held) == 1 {
		return fmt.Sprintf(", %s in part: finish that", name)
	}
	return fmt.Sprintf(", %s and %d others in part: finish those", name, len(held)-1)
}
