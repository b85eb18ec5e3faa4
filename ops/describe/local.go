package describe

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
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
			h, err := ops.ReadLocal(path)
			if err != nil {
				return err
			}
			nevra := ops.NEVRA(h)
			answer(w, wire.PackageID{Name: h.Name, Version: nevra.EVR(), Arch: h.Arch, Data: "local"}, h)
		}
		return nil
	})
}

func localDetails(w *wire.Writer, id wire.PackageID, h *rpm.Header) {
	w.Details(wire.Details{ID: id, Summary: h.Summary, License: h.License, Description: text(h.Description, h.Summary), URL: h.URL, Size: h.Size})
}

func localFiles(w *wire.Writer, id wire.PackageID, h *rpm.Header) { w.Files(id, h.Files()) }
