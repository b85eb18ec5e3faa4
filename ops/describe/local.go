package describe

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// eachFile answers for each RPM file of a request.
func eachFile(answer func(*wire.Writer, wire.PackageID, *rpm.Header)) ops.Op {
	return ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		w.Status(wire.StatusQuery)
		for _, path := range r.Files {
			if err := ctx.Err(); err != nil {
				return err
			}
			h, err := readLocal(path)
			if err != nil {
				return err
			}
			nevra := tree.NEVRA{Name: h.Name, Epoch: h.Epoch, Version: h.Version, Release: h.Release, Arch: h.Arch}
			answer(w, wire.PackageID{Name: h.Name, Version: nevra.EVR(), Arch: h.Arch, Data: "local"}, h)
		}
		return nil
	})
}

// readLocal reads the header of an RPM file that a person names.
func readLocal(path string) (*rpm.Header, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, wire.Errorf(wire.FileNotFound, "there is no file %s", path)
	case err != nil:
		return nil, wire.Errorf(wire.FileNotFound, "looking at the file: %w", err)
	case !info.Mode().IsRegular(): // reading a pipe would wait for ever
		return nil, wire.Errorf(wire.InvalidPackageFile, "%s is no file", path)
	}
	h, err := rpm.ReadFile(path)
	if err != nil {
		return nil, wire.Errorf(wire.InvalidPackageFile, "%s is not an RPM, or damaged: %w", path, err)
	}
	return h, nil
}

func localDetails(w *wire.Writer, id wire.PackageID, h *rpm.Header) {
	w.Details(wire.Details{ID: id, Summary: h.Summary, License: h.License, Description: text(h.Description, h.Summary), URL: h.URL, Size: h.Size})
}

func localFiles(w *wire.Writer, id wire.PackageID, h *rpm.Header) { w.Files(id, h.Files()) }
