package ops

import (
	"context"
	"os"

	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// Repair is Change for repair-system: first comes before what was cut off is ended, since that needs an RPM database that can be
// read.
func (s *System) Repair(ctx context.Context, w *wire.Writer, first, then func(lock *os.File) error) error {
	file, err := s.takeLock(ctx, w)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := first(file); err != nil {
		return err
	}
	if err := s.recover(w, file); err != nil {
		return err
	}
	return then(file)
}
