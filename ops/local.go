package ops

import (
	"errors"
	"io/fs"
	"os"

	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// ReadLocal reads the header of an RPM file that a person names.
func ReadLocal(path string) (*rpm.Header, error) {
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

// NEVRA is what a header says that its package is.
func NEVRA(h *rpm.Header) tree.NEVRA {
	return tree.NEVRA{Name: h.Name, Epoch: h.Epoch, Version: h.Version, Release: h.Release, Arch: h.Arch}
}
