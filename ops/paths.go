package ops

import (
	"context"
	"errors"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// InstalledWith are the digests of the installed packages whose headers have what is looked for. All headers are read, one
// at a time.
func (s *System) InstalledWith(ctx context.Context, has func(*rpm.Header) bool) ([]string, error) {
	var digests []string
	nothing := func(string) bool { return false }
	err := s.RPM.Read(nothing, func(digest string, h *rpm.Header) error {
		if has(h) {
			digests = append(digests, digest)
		}
		return ctx.Err()
	})
	return digests, err
}

// Bounds on what LoadPaths does.
const (
	maxLoadPaths = 32 << 20 // bytes of file lists that one command downloads
	pathsAtOnce  = 32       // file lists whose paths are written to the record in one go
)

// LoadPaths loads the file lists that are published and whose paths are not in the record yet. What came until an error is kept. Where
// all of them are more than a laptop should download, none is loaded, and the error says so.
func (s *System) LoadPaths(ctx context.Context, w *wire.Writer) error {
	missing, err := s.Record.Listless()
	if err != nil || len(missing) == 0 {
		return err
	}
	size := int64(0)
	for _, m := range missing {
		size += m.Entry.Files.Size
	}
	if size > maxLoadPaths {
		return wire.Errorf(wire.CannotGetFilelist, "the files of %d packages on offer are not known here, and their lists have %d MiB, more than one search downloads: only the others were looked at", len(missing), size>>20)
	}
	w.Status(wire.StatusDownloadFilelist)
	got := make(map[string][]string)
	for i, g := range inOrder(ctx, len(missing), func(ctx context.Context, i int) ([]string, error) { return s.paths(ctx, missing[i]) }) {
		if g.err != nil {
			err = g.err
			break
		}
		got[missing[i].Entry.Files.SHA256] = g.value
		if len(got) == pathsAtOnce {
			if err := s.Record.KeepPaths(got); err != nil {
				return err
			}
			clear(got)
		}
		w.Percentage(100 * (i + 1) / len(missing))
	}
	return errors.Join(err, s.Record.KeepPaths(got))
}

// paths are the paths of a top-level package. It is called from several goroutines.
func (s *System) paths(ctx context.Context, m db.Listless) ([]string, error) {
	body, err := s.published(ctx, m.Source, m.Entry.Files)
	if err != nil {
		return nil, err
	}
	f, err := tree.ParseFileLists(body, s.Platform, m.Entry.Name)
	if err != nil {
		return nil, wire.Errorf(wire.RepoNotAvailable, "the source %s: %w", m.Source, err)
	}
	i := slices.IndexFunc(f.Packages, func(l tree.FileList) bool { return l.NEVRA == m.Entry.NEVRA })
	if i < 0 {
		return nil, nil // it has none
	}
	return f.Packages[i].Files, nil
}
