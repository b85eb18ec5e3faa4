// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"slices"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// What somebody has signed may be at several places: at each source that has the same keys, and on
// sticks. The first of these sources, the owner, stands for all of them: it offers what the place says
// that has the highest serial, so a copy that isn't kept up hides nothing, wherever it is in the order
// of preference. Files that are named by digests come from whichever place has them.

// owner is the source that stands for a place.
func (o *Offers) owner(place Source) Source {
	if i := slices.IndexFunc(o.Sources, func(s Source) bool { return s.ID == place.ID || s.samePublisher(place) }); i >= 0 {
		return o.Sources[i]
	}
	return place
}

// samePublisher tells whether what two sources publish is signed by the same.
func (s Source) samePublisher(other Source) bool {
	return s.Signed && other.Signed && s.Keys != "" && s.Keys == other.Keys
}

// places are all that can be asked what they offer: the enabled sources, in order of preference, and
// then, for what each owner offers, the sticks that are there.
func (o *Offers) places() []Source {
	all := slices.Clone(o.Sources)
	if o.sticks == nil {
		return all
	}
	found := *o.sticks.found.Load()
	for _, stick := range found[:min(len(found), mostAsked)] {
		for _, s := range o.Sources {
			if s.Signed && s.Keys != "" && o.owner(s) == s && s.URL != stick.url() {
				all = append(all, Source{ID: s.ID, URL: stick.url(), Layout: s.Layout, Signed: true, Keys: s.Keys, Stick: stick.id})
			}
		}
	}
	return all
}

// A listing is what a place says that it offers.
type listing struct {
	files    map[string]db.Remote // by URL, that kept makes this platform of
	platform *tree.Platform
	accepted *trust.Accepted // nil: nobody has signed it
}

// kept is what the record has of a place, nil where it has nothing that is believed. A stick counts
// once it was asked: another one may have been there.
func (o *Offers) kept(place Source) (*tree.Platform, error) {
	if place.Stick != "" && o.asked[place.URL] != place.Stick {
		return nil, nil
	}
	return o.layout(place).kept(place)
}

// newest is what a source offers: of what its places say, all of which are in known, that with the
// highest serial, of the first that has it. nil: nothing is known.
func (o *Offers) newest(owner Source, known map[Source]*tree.Platform) *tree.Platform {
	var newest *tree.Platform
	for _, place := range o.places() {
		if p := known[place]; p != nil && o.owner(place) == owner && (newest == nil || p.Serial > newest.Serial) {
			newest = p
		}
	}
	return newest
}

// Expired is when what a source offers, and is in use still, has expired; false where it hasn't, or
// nothing is here.
func (o *Offers) Expired(ctx context.Context, s Source) (at time.Time, expired bool, err error) {
	if err := o.readView(ctx); err != nil || s.Disabled || !s.Signed {
		return at, false, err
	}
	p := o.view.platforms[o.owner(s).ID]
	if p == nil {
		return at, false, nil
	}
	return p.Expires, o.Trust.Expired(p), nil
}
