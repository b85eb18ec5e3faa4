// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"fmt"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

// movedOn tells whether an error says that a source hasn't a file, or has another one, that its
// platform.json, or what hangs on that, names by a digest: what was seen of the source is older
// than what it has.
func movedOn(err error) bool {
	kind := transport.KindOf(err)
	return kind == transport.NotFound || kind == transport.Corrupt
}

// CatchUp asks a source once what it offers now, where err says that it hasn't what it named
// before, and loads what it offers under these names. It gives nil where the source offers
// something else now, so that what failed is worth another try, and otherwise err.
func (o *Offers) CatchUp(ctx context.Context, p Progress, source string, names []string, err error) error {
	s := o.source(source)
	if !movedOn(err) || s.URL == "" || time.Since(o.caughtUp[source]) < leftAlone {
		return err
	}
	o.caughtUp[source] = time.Now()
	o.Log.Info("a source hasn't what it named: it is asked what it offers now", "source", source, "error", err)
	before := o.view.platforms[source]
	renewed := false
	for _, place := range o.places() {
		if o.owner(place) != s {
			continue
		}
		if again := o.renew(ctx, p, place, names, false, nil); Ends(again) {
			return again
		} else if again != nil {
			o.Log.Warn("a source can't be refreshed", "source", source, "error", again)
			continue
		}
		renewed = true
	}
	if !renewed {
		return err
	}
	if now := o.view.platforms[source]; before != nil && now != nil && before.Serial == now.Serial && before.References == now.References {
		return fmt.Errorf("%w: what it publishes is incomplete, or is just being changed: try again later, or ask whoever runs it", err)
	}
	return nil
}

// Superseded is the newer version that the source of a package offers in its place; nil where it
// still offers the package itself, or nothing of the name. The catalogue must be Ready for the
// name.
func (o *Offers) Superseded(w Wanted) (*Line, error) {
	if w.EVR == "" {
		return nil, nil
	}
	l, err := o.Line(w)
	if l != nil || err != nil {
		return nil, err
	}
	w.EVR = ""
	return o.Line(w)
}
