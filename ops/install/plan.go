package install

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A plan is what an install will do.
type plan struct {
	items []*item // in install order
	// kept are packages of the trees that are installed already: only who needs them is recorded.
	kept []db.Planned
}

// An item is a package that is missing.
type item struct {
	db.Planned
	pkg     *tree.Package
	summary string
	file    transport.File
}

func (i *item) id() wire.PackageID {
	return wire.PackageID{Name: i.Name, Version: i.EVR(), Arch: i.Arch, Data: i.Source}
}

// makePlan turns ids into a plan. Every reason for which the install would fail that can be known now is found now.
func makePlan(ctx context.Context, s *ops.System, w *wire.Writer, ids []wire.PackageID) (*plan, error) {
	w.Status(wire.StatusDepResolve)
	if err := s.SyncInstalled(); err != nil {
		return nil, err
	}
	p := &plan{}
	var present []string
	for _, id := range ids {
		installed, err := s.FindInstalled(id)
		if err != nil {
			return nil, err
		}
		if installed != nil {
			present = append(present, installed.NEVRA.String())
			continue
		}
		if id.Installed() {
			return nil, wire.Errorf(wire.PackageNotFound, "%s is not installed any more", id)
		}
		o, err := s.Find(ctx, w, id)
		if err != nil {
			return nil, err
		}
		newer, err := inTheWay(s, o.Package())
		if err != nil {
			return nil, err
		}
		if newer {
			present = append(present, o.Package().NEVRA.String())
			continue
		}
		if err := p.add(s, o); err != nil {
			return nil, err
		}
	}
	switch {
	case len(present) == len(ids) && len(ids) == 1:
		return nil, wire.Errorf(wire.PackageAlreadyInstalled, "%s or a newer one is installed already", present[0])
	case len(present) == len(ids):
		return nil, wire.Errorf(wire.AllPackagesAlreadyInstalled, "all of them are installed already: %s", strings.Join(present, ", "))
	}
	return p, nil
}

// add adds an offered package with what it needs.
func (p *plan) add(s *ops.System, o *ops.Offer) error {
	if err := needsMet(s, o); err != nil {
		return err
	}
	top := o.Package()
	for _, i := range o.Tree.Closure(o.Index) {
		pkg := &o.Tree.Packages[i]
		planned := db.Planned{NEVRA: pkg.NEVRA, Source: o.Source, Asked: i == o.Index}
		if i != o.Index {
			planned.By = []string{top.Name}
		}
		present, err := inTheWay(s, pkg)
		if err != nil {
			return err
		}
		if present {
			planned.Kept = true
			p.kept = append(p.kept, planned)
			continue
		}
		j := slices.IndexFunc(p.items, func(it *item) bool { return it.Name == pkg.Name && it.Arch == pkg.Arch })
		if j < 0 {
			p.items = append(p.items, &item{Planned: planned, pkg: pkg, summary: pkg.Summary, file: s.Download(o.Source, pkg)})
			continue
		}
		other := p.items[j]
		if other.NEVRA != pkg.NEVRA {
			return wire.Errorf(wire.DepResolutionFailed, "%s needs %s and another of the packages needs %s: they can't be installed together", top.Name, pkg.NEVRA, other.NEVRA)
		}
		other.By = append(other.By, planned.By...)
		other.Asked = other.Asked || planned.Asked
	}
	return nil
}

// needsMet tells whether the laptop has the packages of the base that a tree was solved with. Newer ones will do: rpm has
// the last word.
func needsMet(s *ops.System, o *ops.Offer) error {
	var lacking []string
	for _, need := range o.Tree.Needs {
		installed, err := s.Record.InstalledByName(need.Name)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(installed, func(p db.Package) bool { return p.Compare(need) >= 0 }) {
			lacking = append(lacking, need.String())
		}
	}
	if len(lacking) > 0 {
		return wire.Errorf(wire.DepResolutionFailed, "%s needs packages of the standard installation that this computer lacks or has older: %s", o.Package().NEVRA, strings.Join(lacking, ", "))
	}
	return nil
}

// inTheWay tells whether a package of a tree is installed already, in its version or a newer one. An older one is in the
// way: rpm -i would put the new one beside it.
func inTheWay(s *ops.System, p *tree.Package) (present bool, err error) {
	installed, err := s.Record.InstalledByName(p.Name)
	if err != nil {
		return false, err
	}
	for _, q := range installed {
		if q.Arch != p.Arch && q.Arch != "noarch" && p.Arch != "noarch" {
			continue
		}
		if q.Compare(p.NEVRA) >= 0 {
			return true, nil
		}
		return false, wire.Errorf(wire.PackageConflicts, "the older %s is in the way of %s: it has to be updated or removed first", q.NEVRA, p.NEVRA)
	}
	return false, nil
}

// bytes are the sizes of what the plan downloads and of what it leaves on disk.
func (p *plan) bytes() (download, installed int64) {
	for _, it := range p.items {
		download += it.pkg.Size
		installed += it.pkg.Installed
	}
	return download, installed
}

// checkSpace tells whether the disks have the space that a plan needs; install is false where it only downloads. What is in
// the cache already counts for it.
func (p *plan) checkSpace(s *ops.System, install bool) error {
	download, installed := p.bytes()
	for _, it := range p.items {
		download -= min(present(it.file.Path), it.pkg.Size)
	}
	if !install {
		installed = 0
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

// cachePath is where an RPM is kept in the cache. The digest is in its name, so that two sources' files of one name don't
// meet.
func cachePath(s *ops.System, source string, p *tree.Package) string {
	unique := source
	if p.SHA256 != "" {
		unique = p.SHA256[:16]
	}
	return path.Join(s.Cache, "rpms", unique+"-"+fileName(p))
}

// fileName is the name that an RPM's file has by custom.
func fileName(p *tree.Package) string {
	return p.Name + "-" + p.Version + "-" + p.Release + "." + p.Arch + ".rpm"
}
