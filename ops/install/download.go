package install

import (
	"context"
	"path/filepath"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/transaction"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// download answers download-packages: the RPMs of these very packages, without what they need, into a folder, or
// into the cache for a later install.
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
		f.Path = filepath.Join(r.Folder, transaction.FileName(o.Package().NEVRA))
		if r.Folder == "" {
			f.Path = transaction.CachePath(s, o.Source, o.Package())
		}
		f.Public = r.Folder != "" // whoever asked is not root
		found, files = append(found, o), append(files, f)
	}
	if err := transaction.Room(s, files, 0); err != nil {
		return err
	}
	w.Status(wire.StatusDownload)
	for _, o := range found {
		w.Package(wire.InfoDownloading, ops.OfferID(o), o.Package().Summary)
	}
	err := s.Net.Fetch(ctx, files, func(p transport.Progress) {
		if p.Waiting {
			w.Status(wire.StatusWait)
			return
		}
		w.Status(wire.StatusDownload)
		w.Speed(p.Speed)
		if p.Total > 0 {
			w.Percentage(int(100 * p.Done / p.Total))
			w.Remaining(p.Total - p.Done)
		}
		if size := files[p.File].Size; size > 0 {
			w.ItemProgress(ops.OfferID(found[p.File]), wire.StatusDownload, int(100*p.FileDone/size))
		}
	})
	if err != nil {
		return err
	}
	for i, o := range found {
		w.Files(ops.OfferID(o), []string{files[i].Path})
	}
	w.Percentage(100)
	return nil
}
