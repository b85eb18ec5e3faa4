// SPDX-License-Identifier: GPL-2.0-or-later

package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
)

// A Verdict is how something is.
type Verdict int

// The verdicts, the best first. They are exit statuses too.
const (
	OK      Verdict = iota
	Warning         // something works worse than it should, or soon won't work
	Wrong           // something doesn't work before it is put right
)

func (v Verdict) String() string { return [...]string{"ok", "warning", "wrong"}[v] }

// A Finding is what is to be said of one thing.
type Finding struct {
	Verdict Verdict
	About   string // "clock", "source school"
	Text    string // one line
	Next    string // what to do; empty where nothing is to be done
}

// A Computer is what is looked at.
type Computer struct {
	// System is where the files of the running system are: "/".
	System string
	RPM    rpm.Database
	State  string
	Cache  string
	// Keyring is the folder of keys that a person trusts.
	Keyring string
	// Offers has the Platform, the Sources, the Net and the Trust. The Net should lose patience soon, and
	// the Trust keep nothing.
	Offers offers.Config
	Built  time.Time // when the program was; zero where that isn't known
	Root   bool      // this process may look at everything
}

// Examine looks at everything, in the order in which it has to be put right, and tells each finding as
// soon as it is known. An end of ctx ends it.
func (c *Computer) Examine(ctx context.Context, tell func(Finding)) {
	e := &examination{Computer: c, tell: tell}
	for _, look := range []func(context.Context){e.database, e.platform, e.folders, e.locks, e.sources, e.clock, e.keyring, e.packagekit} {
		if ctx.Err() != nil {
			return
		}
		look(ctx)
	}
}

// An examination is one Examine, and what one look leaves for the next.
type examination struct {
	*Computer
	tell   func(Finding)
	arches map[string]int // of the installed packages, and how many there are
	os     osRelease
	offset time.Duration // of the clock, by a source's: positive where this computer's is ahead
	timed  string        // the source that told; empty: none did
}

func (e *examination) ok(about, format string, args ...any) {
	e.tell(Finding{OK, about, fmt.Sprintf(format, args...), ""})
}

func (e *examination) warn(about, text, next string) { e.tell(Finding{Warning, about, text, next}) }

func (e *examination) wrong(about, text, next string) { e.tell(Finding{Wrong, about, text, next}) }
