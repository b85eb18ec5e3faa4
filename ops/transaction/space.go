package transaction

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// prepare gives each file its place in the cache, and looks whether there is space. install is false where the plan only
// downloads.
func (p *Plan) prepare(s *ops.System, install bool) error {
	if len(p.Items) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(s.Cache, "rpms"), 0o755); err != nil {
		return fmt.Errorf("making the cache: %w", err)
	}
	for _, it := range p.Items {
		if !it.local {
			it.file.Path = CachePath(s, it.Source, it.pkg)
		}
	}
	return p.checkSpace(s, install)
}

// checkSpace tells whether the disks have the space that a plan needs. What is in the cache already counts for it; what goes
// for something newer doesn't, since rpm removes it last.
func (p *Plan) checkSpace(s *ops.System, install bool) error {
	var download, installed int64
	for _, it := range p.Items {
		if !it.local {
			download += it.pkg.Size - min(present(it.file.Path), it.pkg.Size)
		}
		if install {
			installed += it.pkg.Installed
		}
	}
	cache, err := disk(s.Cache)
	if err != nil {
		return err
	}
	root, err := disk(s.RPM.Root)
	if err != nil {
		return err
	}
	if cache.id == root.id {
		download, installed = 0, download+installed
	}
	if installed > root.free {
		return wire.Errorf(wire.NoSpaceOnDevice, "%s has %s free and this needs %s: remove something first", s.RPM.Root, size(root.free), size(installed))
	}
	if download > cache.free {
		return wire.Errorf(wire.NoSpaceOnDevice, "%s has %s free and this needs %s: remove something first", s.Cache, size(cache.free), size(download))
	}
	return nil
}

type diskSpace struct {
	id   uint64
	free int64 // bytes
}

func disk(folder string) (diskSpace, error) {
	var fs syscall.Statfs_t
	var st syscall.Stat_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		return diskSpace{}, fmt.Errorf("asking how much space %s has: %w", folder, err)
	}
	if err := syscall.Stat(folder, &st); err != nil {
		return diskSpace{}, fmt.Errorf("asking which disk has %s: %w", folder, err)
	}
	return diskSpace{uint64(st.Dev), int64(fs.Bavail) * int64(fs.Bsize)}, nil
}

func size(bytes int64) string {
	if bytes < 10<<20 {
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

// present is how many bytes of a file are there, whole or partial.
func present(path string) int64 {
	for _, p := range []string{path, path + ".part"} {
		if info, err := os.Stat(p); err == nil {
			return info.Size()
		}
	}
	return 0
}

// CachePath is where an RPM is kept in the cache. The digest is in its name, so that two sources' files of one name don't
// meet.
func CachePath(s *ops.System, source string, p *tree.Package) string {
	unique := source
	if p.SHA256 != "" {
		unique = p.SHA256[:16]
	}
	return path.Join(s.Cache, "rpms", unique+"-"+FileName(p))
}

// FileName is the name that an RPM's file has by custom.
func FileName(p *tree.Package) string {
	return p.Name + "-" + p.Version + "-" + p.Release + "." + p.Arch + ".rpm"
}
