// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"slices"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// progress turns downloads and rpm's steps into what PackageKit is told.
type progress struct {
	w     *wire.Writer
	plan  *Plan
	works map[string]*work // by what rpm calls a package; made when rpm begins
	count int              // of works, a package's two names counted once
	share float64          // of all that is to be done that the downloads are, 0 to 1
	begun []*work          // by rpm, in its order
	said  []string         // what rpm complained of though all went well
}

// A work is one package that rpm installs or removes.
type work struct {
	id      wire.PackageID
	summary string
	info    wire.Info
	status  wire.Status
	begun   bool
}

func newProgress(w *wire.Writer, p *Plan, onlyDownload bool) *progress {
	g := &progress{w: w, plan: p, share: 0.8}
	switch {
	case onlyDownload:
		g.share = 1
	case len(p.Erase) > 0:
		g.share = 0
	}
	return g
}

// downloaded is told by the transport.
func (g *progress) downloaded(it *Item, p transport.Progress) {
	ops.Downloading(g.w, p, g.share)
	switch size := it.pkg.Size; {
	case p.Finished:
		g.w.ItemProgress(it.ID(), wire.StatusDownload, 100)
	case size > 0 && !p.Waiting:
		g.w.ItemProgress(it.ID(), wire.StatusDownload, int(100*p.FileDone/size))
	}
}

// list lists what rpm will do. What is installed comes first, so that of a package that is
// reinstalled its installation counts.
func (g *progress) list() {
	g.works = make(map[string]*work)
	add := func(p tree.NEVRA, k work) {
		if g.works[p.String()] != nil {
			return
		}
		g.count++
		// rpm leaves out an epoch that a package doesn't have, and prints one of 0 that it has.
		g.works[p.String()] = &k
		g.works[p.Name+"-0:"+p.EVR()+"."+p.Arch] = &k
	}
	for _, it := range g.plan.Items {
		k := work{id: it.ID(), summary: it.Summary, info: it.Action, status: wire.StatusInstall}
		if it.Action == wire.InfoUpdating {
			k.status = wire.StatusUpdate
		}
		add(it.NEVRA, k)
	}
	for _, it := range g.plan.Items {
		for _, old := range it.Old {
			add(old.NEVRA, work{id: ops.ID(&old), summary: old.Summary, info: wire.InfoCleanup, status: wire.StatusCleanup})
		}
		for _, old := range it.Obsoleted {
			add(old.NEVRA, work{id: ops.ID(&old), summary: old.Summary, info: wire.InfoObsoleting, status: wire.StatusCleanup})
		}
	}
	for _, old := range slices.Concat(g.plan.Erase, g.plan.Twice, g.plan.Retired) {
		add(old.NEVRA, work{id: ops.ID(&old), summary: old.Summary, info: wire.InfoRemoving, status: wire.StatusRemove})
	}
}

// changed is told by rpm.
func (g *progress) changed(step rpm.Step) {
	if g.works == nil {
		g.list()
	}
	if step.Stage == rpm.Ended {
		g.said = append(g.said, step.Said)
		return
	}
	if step.Stage != rpm.Installing && len(g.begun) > 0 {
		return // another run of rpm: what comes after the first is told as its going on
	}
	left := 100 * (1 - g.share)
	switch step.Stage {
	case rpm.Verifying:
		if len(g.plan.Erase) > 0 {
			return
		}
		g.w.Status(wire.StatusSigCheck)
		g.w.Percentage(int(100*g.share + left*0.1*step.Percent/100))
	case rpm.Preparing:
		g.w.Status(wire.StatusTestCommit)
		g.w.Percentage(int(100*g.share + left*0.1 + left*0.1*step.Percent/100))
	case rpm.Installing:
		k := g.works[step.Package+"."+step.Arch]
		if k == nil {
			return
		}
		g.w.Status(k.status)
		if !k.begun {
			k.begun = true
			g.begun = append(g.begun, k)
			g.w.Package(k.info, k.id, k.summary)
		}
		g.w.ItemProgress(k.id, k.status, int(step.Percent))
		done := (float64(len(g.begun)-1) + step.Percent/100) / float64(g.count)
		g.w.Percentage(int(100*g.share + left*0.2 + left*0.8*done))
	}
}

// finished tells what was changed: the RPM database says that all of it was.
func (g *progress) finished() {
	for _, k := range g.begun {
		if k.info != wire.InfoCleanup && k.info != wire.InfoObsoleting {
			g.w.Changed(k.id, k.summary)
		}
	}
}
