package install

import (
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// progress turns downloads and rpm's steps into what PackageKit is told.
type progress struct {
	w     *wire.Writer
	plan  *plan
	index map[string]int // by what rpm calls an item; made when rpm begins
	share float64        // of all the work that the downloads are, 0 to 1
	items int            // that rpm has begun
	last  int            // the item that rpm is at; -1: none
}

func newProgress(w *wire.Writer, p *plan, onlyDownload bool) *progress {
	g := &progress{w: w, plan: p, share: 0.8, last: -1}
	if onlyDownload {
		g.share = 1
	}
	return g
}

// downloaded is told by the transport.
func (g *progress) downloaded(p transport.Progress) {
	it := g.plan.items[p.File]
	switch size := it.pkg.Size; {
	case p.Finished:
		g.w.ItemProgress(it.id(), wire.StatusDownload, 100)
	case size > 0:
		g.w.ItemProgress(it.id(), wire.StatusDownload, int(100*p.FileDone/size))
	}
	g.w.Speed(p.Speed)
	if p.Total > 0 {
		g.w.Percentage(int(100 * g.share * float64(p.Done) / float64(p.Total)))
		g.w.Remaining(p.Total - p.Done)
	}
}

// at is the item that rpm names.
func (g *progress) at(name string) (int, bool) {
	if g.index == nil {
		g.index = make(map[string]int)
		for i, it := range g.plan.items {
			// rpm leaves out an epoch that a package doesn't have, and prints one of 0 that it has.
			g.index[it.Name+"-"+it.EVR()] = i
			g.index[it.Name+"-0:"+it.EVR()] = i
		}
	}
	i, ok := g.index[name]
	return i, ok
}

// installed is told by rpm.
func (g *progress) installed(step rpm.Step) {
	left := 100 * (1 - g.share)
	switch step.Stage {
	case rpm.Verifying:
		g.w.Status(wire.StatusSigCheck)
		g.w.Percentage(int(100*g.share + left*0.1*step.Percent/100))
	case rpm.Preparing:
		g.w.Status(wire.StatusTestCommit)
		g.w.Percentage(int(100*g.share + left*0.1 + left*0.1*step.Percent/100))
	case rpm.Installing:
		i, ok := g.at(step.Package)
		if !ok {
			return
		}
		g.w.Status(wire.StatusInstall)
		it := g.plan.items[i]
		if g.last != i {
			g.last = i
			g.items++
			g.w.Package(wire.InfoInstalling, it.id(), it.summary)
		}
		g.w.ItemProgress(it.id(), wire.StatusInstall, int(step.Percent))
		done := (float64(g.items-1) + step.Percent/100) / float64(len(g.plan.items))
		g.w.Percentage(int(100*g.share + left*0.2 + left*0.8*done))
	}
}
