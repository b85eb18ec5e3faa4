// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

// An attempt is to ask a source for what it offers, or to load some of it.
type attempt struct {
	source Source
	load   bool
}

// A failure is that of an attempt, for as long as the helper runs.
type failure struct {
	at  time.Time
	err error
}

// leftAlone is how long a source that failed isn't asked again where what is here will do.
const leftAlone = time.Minute

// failedLately is the error of an attempt that failed a short while ago; nil where it didn't.
func (o *Offers) failedLately(a attempt) error {
	if f, ok := o.failed[a]; ok && time.Since(f.at) < leftAlone {
		return f.err
	}
	return nil
}

// try makes an attempt. Where what is here will do nobody waits long for it, and not again soon
// after the source has failed.
func (o *Offers) try(ctx context.Context, a attempt, willDo bool, run func(context.Context) error) error {
	if willDo {
		if err := o.failedLately(a); err != nil {
			return err
		}
		ctx = transport.Hurried(ctx)
	}
	err := run(ctx)
	delete(o.failed, a)
	if err == nil || Ends(err) {
		return err
	}
	o.Log.Warn("a source can't be used", "source", a.source.ID, "error", err)
	// What costs nothing may be there any time; a stick that is refused stays so while it is there.
	if transport.KindOf(err) != 0 && !a.source.local() || a.source.Stick != "" {
		o.failed[a] = failure{time.Now(), err}
	}
	return err
}

// local tells whether the source is a folder of this computer: it costs nothing to ask, and may
// come and go.
func (s *Source) local() bool { return transport.IsLocal(s.URL) }

// place is the source's URL as it may be told.
func (s *Source) place() string { return transport.Redacted(s.URL) }
