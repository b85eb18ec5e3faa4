// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/catalogue"
	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// Config is what Offers are made from. The caller closes Record and Net after the Offers.
type Config struct {
	Platform string   // e.g. "fedora-18-i686"
	Sources  []Source // in order of preference, the disabled ones too
	// Configuration is where the sources were read from; nil: they never change.
	Configuration *Configuration
	Mounts        []string // folders in which sticks appear; none: nobody looks
	Trust         *trust.Store
	Record        *db.Record
	State         string            // folder of the record; empty: its disk isn't asked
	Net           *transport.Client // its Copies and Folders are set by the Offers
	// CacheAge is how old what sources offer may be before it is asked for again; negative: any age
	// will do.
	CacheAge time.Duration
	Log      hclog.Logger
}

// Offers are what the sources offer. They are used by one goroutine at a time.
type Offers struct {
	Config // Sources: the enabled ones
	view   view
	open   map[string]*catalogue.File // search files, by their content

	configured []Source // all sources, the disabled ones too
	follower   *follower
	sticks     *sticks           // nil: nobody has looked yet, or nobody may
	asked      map[string]string // which stick, by URL, was asked what it offers
	failed     map[attempt]failure
	caughtUp   map[string]time.Time     // by source id: see CatchUp
	folders    atomic.Pointer[[]string] // of the enabled file sources of the configuration
	mounted    atomic.Pointer[sticks]   // sticks, for other goroutines
	languages  []string                 // that summaries and descriptions are wanted in, the best first
}

// New makes Offers, and tells the record which sources there are. The caller closes them.
func New(ctx context.Context, c Config) (*Offers, error) {
	o := &Offers{Config: c, open: make(map[string]*catalogue.File), asked: make(map[string]string), failed: make(map[attempt]failure), caughtUp: make(map[string]time.Time)}
	c.Net.Folders = o.readable
	if err := o.use(ctx, c.Sources); err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

// Close closes what is open, and stops watching the configuration and the sticks.
func (o *Offers) Close() {
	for _, f := range o.open {
		f.Close()
	}
	if o.follower != nil {
		o.follower.stop()
	}
	if o.sticks != nil {
		o.sticks.stop()
	}
}

// readable are the folders that file URLs may be of: the file sources' and the sticks'. It is
// called from many goroutines.
func (o *Offers) readable() []string {
	var all []string
	if folders := o.folders.Load(); folders != nil {
		all = append(all, *folders...)
	}
	if k := o.mounted.Load(); k != nil {
		for _, s := range *k.found.Load() {
			all = append(all, s.folder)
		}
	}
	return all
}

// Forget forgets what is held in memory of the record, which is another one now.
func (o *Offers) Forget() { o.outdated() }

// Arch is the architecture of the platform: what the sources say, else what the platform's name
// ends with.
func (o *Offers) Arch() string {
	for _, p := range o.view.platforms {
		return p.Arch
	}
	return o.Platform[strings.LastIndex(o.Platform, "-")+1:]
}

// An Activity is what goes on while somebody waits.
type Activity int

// The activities.
const (
	Asking           Activity = iota // a source is asked what it offers
	LoadingCatalogue                 // parts of a catalogue are downloaded
	LoadingTree                      // a tree is read, and downloaded where it isn't here
)

// Progress is told what goes on while somebody waits.
type Progress interface {
	Doing(Activity)
	Done(part, of int) // of the activity
}
