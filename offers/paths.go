// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"errors"
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Bounds on what LoadPaths does.
const (
	maxLoadPaths = 32 << 20 // bytes of file lists that one command downloads
	pathsAtOnce  = 32       // file lists whose paths are written to the record in one go
)

// LoadPaths loads the file lists that are published and whose paths are not in the record yet. What
// came until a source failed is kept. Where all of them are more than a laptop should download,
// none is loaded, and the error says so.
func (o *Offers) LoadPaths(ctx context.Context, p Progress) error {
	missing, err := o.Record.MissingPaths()
	if err != nil || len(missing) == 0 {
		return err
	}
	size := int64(0)
	for _, m := range missing {
		size += m.Entry.Files.Size
	}
	if size > maxLoadPaths {
		return mark(ErrTooManyPaths, "the files of %d packages on offer are not known here, and their lists have %d MiB, more than one search downloads: only the others were looked at", len(missing), size>>20)
	}
	if err := o.room(o.source(missing[0].Source), fileRoom(size)); err != nil {
		return err
	}
	p.Doing(LoadingFileLists)
	got := make(map[string][]string)
	for i, g := range inOrder(ctx, len(missing), func(ctx context.Context, i int) ([]string, error) { return o.paths(ctx, missing[i]) }) {
		if g.err != nil {
			err = g.err
			break
		}
		got[missing[i].Entry.Files.SHA256] = g.value
		if len(got) == pathsAtOnce {
			if err := o.Record.KeepPaths(ctx, got); err != nil {
				return err
			}
			clear(got)
		}
		p.Done(i+1, len(missing))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(err, o.Record.KeepPaths(ctx, got))
}

// paths are the paths of a top-level package. It is called from several goroutines.
func (o *Offers) paths(ctx context.Context, m db.OfferedEntry) ([]string, error) {
	body, err := o.download(ctx, m.Source, m.Entry.Files)
	if err != nil {
		return nil, err
	}
	f, err := tree.ParseFileLists(body, o.Platform, m.Entry.Name)
	if err != nil {
		return nil, &SourceError{Source: m.Source, Err: err}
	}
	i := slices.IndexFunc(f.Packages, func(l tree.FileList) bool { return l.NEVRA == m.Entry.NEVRA })
	if i < 0 {
		return nil, nil // it has none
	}
	return f.Packages[i].Files, nil
}
