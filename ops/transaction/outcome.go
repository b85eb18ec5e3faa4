// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// An outcome is what the RPM database says, after rpm ran, of what was meant.
type outcome struct {
	came    []tree.NEVRA // were to be installed, and are
	missing []*Item      // were to be installed, and aren't
	stayed  []tree.NEVRA // were to go, and are still there
}

// compare looks at what became of the plan. The record must be in step with the RPM database.
func (p *Plan) compare(s *ops.System) (o outcome, err error) {
	there := func(q tree.NEVRA) bool {
		installed, failed := s.Record.InstalledByName(q.Name)
		if failed != nil {
			err = failed
		}
		return slices.ContainsFunc(installed, func(is db.Package) bool { return is.NEVRA == q })
	}
	leaves := slices.Concat(p.Erase, p.Twice)
	for _, it := range p.Items {
		if !there(it.NEVRA) {
			o.missing = append(o.missing, it)
			continue // and what it was to take the place of stays
		}
		o.came = append(o.came, it.NEVRA)
		leaves = slices.Concat(leaves, it.Old, it.Obsoleted)
	}
	for _, old := range leaves {
		again := slices.ContainsFunc(p.Items, func(it *Item) bool { return it.NEVRA == old.NEVRA })
		if !again && there(old.NEVRA) {
			o.stayed = append(o.stayed, old.NEVRA)
		}
	}
	return o, err
}

// half tells whether rpm did a part of what was meant. rpm goes on with a program whose library it
// could not install, and takes away a library whose program it could not remove.
func (o *outcome) half(p *Plan) bool {
	some := len(o.came) > 0 || len(p.Items) == 0 && len(o.stayed) < len(p.Erase)+len(p.Twice)
	return some && len(o.missing)+len(o.stayed) > 0
}

// judge gives the error of a change that rpm has carried out: what rpm said, and what the database
// says of it. failed is rpm's, or nil.
func (c *change) judge(ctx context.Context, failed error) error {
	var end *rpm.Error
	if errors.As(failed, &end) && end.Kind == rpm.Killed {
		return failed
	}
	o, err := c.compare(c.s)
	if err != nil {
		return errors.Join(failed, err)
	}
	switch {
	case failed == nil && len(o.missing)+len(o.stayed) == 0:
		return nil
	case failed == nil:
		failed = wire.Errorf(wire.PackageFailedToInstall, "rpm says that all is well, and its database doesn't: %s", cmpOr(c.progress.said, "there is nothing more to know"))
	case !o.half(c.Plan):
		return c.blame(ctx, failed)
	}
	c.halfDone = true
	known := ops.AsError(c.blame(ctx, failed))
	return &wire.Error{Code: known.Code, Text: c.tell(ctx, &o) + ": " + known.Text, Err: failed}
}

func cmpOr(texts []string, otherwise string) string {
	if len(texts) == 0 {
		return otherwise
	}
	return strings.Join(texts, "\n")
}

// tell says what is half-done, and what to do.
func (c *change) tell(ctx context.Context, o *outcome) string {
	var parts []string
	programs := make(map[string]bool)
	if len(o.missing) > 0 {
		var all []tree.NEVRA
		for _, it := range o.missing {
			all = append(all, it.NEVRA)
			for _, by := range it.By {
				if slices.ContainsFunc(o.came, func(p tree.NEVRA) bool { return p.Name == by }) || slices.ContainsFunc(c.Kept, func(p db.Planned) bool { return p.Name == by }) {
					programs[by] = true
				}
			}
		}
		parts = append(parts, list(all)+" could not be installed")
	}
	if len(o.stayed) > 0 {
		parts = append(parts, list(o.stayed)+" could not be removed")
		if met, err := c.s.RPM.Met(ctx, labels(o.stayed)); err == nil && !met {
			parts = append(parts, "what it needs is gone")
		}
	}
	text := strings.Join(parts, ", ")
	var names []string
	for name := range programs {
		names = append(names, name)
	}
	slices.Sort(names)
	switch {
	case len(names) > 0:
		text += ", and " + strings.Join(names, ", ") + " is installed without that, not complete; put right what rpm names, then install it once more, or repair the system"
	default:
		text += "; put right what rpm names, then try again, or repair the system"
	}
	return text
}

// list names packages: the first few of them.
func list(all []tree.NEVRA) string {
	var names []string
	for i, p := range all {
		if i == 5 {
			names = append(names, "…")
			break
		}
		names = append(names, p.String())
	}
	return strings.Join(names, ", ")
}

// blame finds out whether an rpm that couldn't verify or unpack an RPM failed for that RPM, which is
// in the error's code then, or for this computer: a folder in the place of a file, a disk that can't
// be read. What rpm wrote doesn't tell: the RPMs are verified once more.
func (c *change) blame(ctx context.Context, failed error) error {
	var end *rpm.Error
	if !errors.As(failed, &end) || end.Kind != rpm.Corrupt {
		return failed
	}
	for _, it := range c.Items {
		if !c.s.RPM.Damaged(ctx, it.file.Path) {
			continue
		}
		if !it.local && it.file.Digest != "" && !vouched(it) { // it was right when it was downloaded
			os.Remove(it.file.Path)
			return wire.Errorf(wire.TransactionError, "what was downloaded of %s isn't any more what it was on the disk %s, which may be failing: try again, and look into the computer's log: %w", it.NEVRA, c.s.CacheFolder(), failed)
		}
		return failed
	}
	return wire.Errorf(wire.TransactionError, "%w: the packages are as they should be, so the reason is in this computer: put right what rpm names (e.g. a folder in the place of a file, a file that can't be changed, a disk that can't be read or written), then try again", failed)
}

// vouched tells whether an item's RPM has the digest that its source gives it.
func vouched(it *Item) bool {
	f, err := os.Open(it.file.Path)
	if err != nil {
		return false
	}
	defer f.Close()
	sum := it.file.Digest.Hash()
	_, err = io.Copy(sum, f)
	return err == nil && it.file.Digest.Is(sum)
}

// passOn tells the log and the user what rpm complained of though it carried out all of it, as of a
// scriptlet that failed once its package was there, or of a configuration file that the user has
// changed and rpm didn't replace. What it is about, only rpm's words tell, and those are for people.
func (c *change) passOn() {
	for _, said := range c.progress.said {
		c.s.Log.Warn("rpm has done all that it was to do, and says", "words", said)
		c.w.Message(wire.MessageBackendError, "rpm has done all that it was to do, and says: "+said)
	}
	c.progress.said = nil
}
