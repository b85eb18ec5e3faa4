package transaction

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// CacheFolder is where the cache has its RPMs, whole and partial.
func CacheFolder(s *ops.System) string { return path.Join(s.Cache, "rpms") }

// CachePath is where an RPM is kept in the cache. The digest is in its name, so that two sources' files of one name don't
// meet.
func CachePath(s *ops.System, source string, p *tree.Package) string {
	unique := source
	if p.SHA256 != "" {
		unique = p.SHA256[:16]
	}
	return path.Join(CacheFolder(s), unique+"-"+FileName(p.NEVRA))
}

// FileName is the name that an RPM's file has by custom.
func FileName(p tree.NEVRA) string {
	return p.Name + "-" + p.Version + "-" + p.Release + "." + p.Arch + ".rpm"
}

// WholePath is the path of the RPM that a file of the cache is, or is a part of.
func WholePath(path string) string {
	whole, _, _ := strings.Cut(path, ".rpm.part")
	return strings.TrimSuffix(whole, ".rpm") + ".rpm"
}

// A kept is what the cache has of one RPM.
type kept struct {
	files []string
	size  int64
	used  time.Time // when the latest was written
}

// makeRoom removes RPMs from the cache, whole and partial, the oldest first, until it can take so many bytes more within its limit,
// and until so many are free that its disk is short of. What this plan wants stays, and what was begun lately and not finished.
// It returns how many bytes the cache has then.
func (p *Plan) makeRoom(s *ops.System, more, short int64) (used int64, err error) {
	entries, err := os.ReadDir(CacheFolder(s))
	if err != nil {
		return 0, fmt.Errorf("looking into the cache: %w", err)
	}
	all := make(map[string]*kept)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		whole := WholePath(filepath.Join(CacheFolder(s), e.Name()))
		k := all[whole]
		if k == nil {
			k = new(kept)
			all[whole] = k
		}
		k.files = append(k.files, filepath.Join(CacheFolder(s), e.Name()))
		k.size += info.Size()
		used += info.Size()
		if info.ModTime().After(k.used) {
			k.used = info.ModTime()
		}
	}
	if s.CacheLimit > 0 {
		short = max(short, used+more-s.CacheLimit)
	}
	if short <= 0 {
		return used, nil
	}
	for _, it := range p.Items {
		delete(all, it.file.Path)
	}
	begun, err := s.Record.Begun()
	if err != nil {
		return 0, err
	}
	var unneeded []*kept
	for whole, k := range all {
		if !slices.ContainsFunc(begun, func(p tree.NEVRA) bool { return strings.HasSuffix(whole, "-"+FileName(p)) }) {
			unneeded = append(unneeded, k)
		}
	}
	slices.SortFunc(unneeded, func(a, b *kept) int { return a.used.Compare(b.used) })
	for _, k := range unneeded {
		if short <= 0 {
			break
		}
		for _, file := range k.files {
			if err := os.Remove(file); err != nil {
				return 0, fmt.Errorf("making room in the cache: %w", err)
			}
		}
		s.Log.Info("removed from the cache, which needs the room", "file", k.files[0], "bytes", k.size)
		used -= k.size
		short -= k.size
	}
	return used, nil
}
