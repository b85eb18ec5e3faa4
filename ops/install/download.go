// SPDX-License-Identifier: GPL-2.0-or-later

package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/caller"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// download answers download-packages: the RPMs of these very packages, without what they need, into
// a folder, or into the cache for a later install. Either way they are downloaded into the cache;
// what is for a folder is put there when it is whole.
func download(ctx context.Context, s *ops.System, w *wire.Writer, r *wire.Request) error {
	w.Percentage(0)
	var found []*offers.Offer
	var files []transport.File
	for _, id := range r.IDs {
		o, err := s.Find(ctx, w, id)
		if err != nil {
			return err
		}
		f := s.Offers.Download(o.Source, o.Package())
		f.Path = transaction.CachePath(s, o.Source, o.Package())
		if r.Folder != "" {
			f.Path = transaction.PassingPath(f.Path)
		}
		found, files = append(found, o), append(files, f)
	}
	if r.Folder == "" {
		if err := transaction.Room(s, files, 0, 0); err != nil {
			return err
		}
		if err := fetch(ctx, s, w, found, files); err != nil {
			return err
		}
		for i, o := range found {
			w.Files(ops.OfferID(o), []string{files[i].Path})
		}
		w.Percentage(100)
		return nil
	}
	folder, err := openFolder(ctx, s, r.Folder)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := roomIn(ctx, s, folder, r.Folder, files); err != nil {
		return err
	}
	if err := fetch(ctx, s, w, found, files); err != nil {
		return err
	}
	for i, o := range found {
		name := transaction.FileName(o.Package().NEVRA)
		if err := moveTo(ctx, folder, files[i].Path, name); err != nil {
			return putError(ctx, r.Folder, err)
		}
		w.Files(ops.OfferID(o), []string{filepath.Join(r.Folder, name)})
	}
	w.Percentage(100)
	return nil
}

// fetch downloads RPMs and tells how far it is.
func fetch(ctx context.Context, s *ops.System, w *wire.Writer, found []*offers.Offer, files []transport.File) error {
	w.Status(wire.StatusDownload)
	for _, o := range found {
		w.Package(wire.InfoDownloading, ops.OfferID(o), o.Package().Summary)
	}
	return s.Net.Fetch(ctx, files, func(p transport.Progress) {
		ops.Downloading(w, p, 1)
		if size := files[p.File].Size; size > 0 && !p.Waiting {
			w.ItemProgress(ops.OfferID(found[p.File]), wire.StatusDownload, int(100*p.FileDone/size))
		}
	})
}

// daemonFolder is where packagekitd has what its clients then copy for themselves, in a folder for
// each transaction (PackageKit, src/pk-transaction.c; seen with 1.2.6:
// /var/cache/PackageKit/downloads/3_dddcadab).
const daemonFolder = "/var/cache/PackageKit/"

// openFolder opens the folder that downloads are for, with the rights of the person who names it.
// The one exception is packagekitd's own, which only root can write to.
func openFolder(ctx context.Context, s *ops.System, path string) (*caller.Folder, error) {
	if clean := filepath.Clean(path); strings.HasPrefix(clean, daemonFolder) {
		folder, err := s.Caller.OpenOwnFolder(clean)
		if err == nil {
			return folder, nil
		}
		s.Log.Info("the folder is not packagekitd's own", "folder", path, "error", err)
	}
	folder, err := s.Caller.OpenFolder(ctx, path)
	if err != nil {
		return nil, putError(ctx, path, err)
	}
	return folder, nil
}

// putError is an error of opening the folder of downloads, or of writing to it.
func putError(ctx context.Context, folder string, err error) error {
	var of *fs.PathError
	errors.As(err, &of)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, fs.ErrPermission):
		return wire.Errorf(wire.TransactionError, "you may not write to the folder %q", folder)
	case errors.Is(err, caller.ErrLink):
		return wire.Errorf(wire.TransactionError, "the folder %q is a symbolic link: name the folder that it leads to", folder)
	case of != nil:
		return fmt.Errorf("writing to the folder %q: %w", folder, of.Err)
	}
	return fmt.Errorf("writing to the folder %q: %w", folder, err)
}

// roomIn makes the room that RPMs need in the cache, and looks whether the folder that they are for
// has room for them, too.
func roomIn(ctx context.Context, s *ops.System, folder *caller.Folder, path string, files []transport.File) error {
	var all int64
	for _, f := range files {
		all += f.Size
	}
	free, disk, err := folder.Free(ctx)
	if err != nil {
		return putError(ctx, path, err)
	}
	beside := int64(0)
	if transaction.OnDisk(s.Cache, disk) {
		beside = all
	}
	if err := transaction.Room(s, files, 0, beside); err != nil {
		return err
	}
	if beside == 0 && all > free {
		return wire.Errorf(wire.NoSpaceOnDevice, "%q has %d KiB free and this needs %d KiB: remove something first", path, free>>10, all>>10)
	}
	return nil
}

// moveTo copies an RPM from the cache into a folder, and removes it from the cache.
func moveTo(ctx context.Context, folder *caller.Folder, path, name string) error {
	from, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading what was downloaded: %w", err)
	}
	info, err := from.Stat()
	if err != nil {
		from.Close()
		return fmt.Errorf("reading what was downloaded: %w", err)
	}
	if err := folder.Put(ctx, name, from, info.Size()); err != nil {
		return err
	}
	os.Remove(path)
	return nil
}
