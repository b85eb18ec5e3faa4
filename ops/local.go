package ops

import (
	"errors"
	"io/fs"
	"os"

	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
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
