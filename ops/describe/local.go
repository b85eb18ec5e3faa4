// SPDX-License-Identifier: GPL-2.0-or-later

package describe

import (
	"context"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// eachFile answers for each RPM file of a request.
func eachFile(s *ops.System, answer func(*wire.Writer, wire.PackageID, *rpm.Header)) ops.Op {
	return ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
		w.Status(wire.StatusQuery)
		for _, path := range r.Files {
			f, err := s.OpenLocal(ctx, path)
			if err != nil {
				return err
			}
			h := f.Header
			answer(w, wire.PackageID{Name: h.Name, Version: ops.NEVRA(h).EVR(), Arch: h.Arch, Data: "local"}, h)
			f.Close()
		}
		return nil
	})
}

func localDetails(w *wire.Writer, id wire.PackageID, h *rpm.Header) {
	w.Details(wire.Details{ID: id, Summary: h.Summary, License: h.License, Description: text(h.Description, h.Summary), URL: h.URL, Size: h.Size})
}

func localFiles(w *wire.Writer, id wire.PackageID, h *rpm.Header) { w.Files(id, h.Files()) }
