// SPDX-License-Identifier: GPL-2.0-or-later

package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
)

// slack is how far a clock may be off.
const slack = 24 * time.Hour

// soon is how long before something expires it is told.
const soon = 7 * 24 * time.Hour

// sources asks each source. That one of several can't be asked is a warning: the others do.
func (e *examination) sources(ctx context.Context) {
	var failed []Finding
	good := false
	for _, s := range e.Offers.Sources {
		about := "source " + s.ID
		where := fmt.Sprintf("%s (%s)", transport.Redacted(s.URL), s.Layout)
		if s.Disabled {
			e.ok(about, "%s, switched off", where)
			continue
		}
		look, err := offers.LookAt(transport.Hurried(ctx), e.Offers, s)
		if ctx.Err() != nil {
			return
		}
		if !look.Clock.IsZero() && e.timed == "" {
			e.offset, e.timed = time.Since(look.Clock), s.ID
		}
		if err != nil {
			why := err
			if of := (*offers.SourceError)(nil); errors.As(err, &of) {
				why = of.Err
			}
			if !e.Root && errors.Is(err, fs.ErrPermission) {
				e.warn(about, why.Error(), "run this as root")
				good = true
				continue
			}
			f := Finding{Wrong, about, why.Error(), e.next(ctx, s, err)}
			if key := (*offers.KeyError)(nil); errors.As(err, &key) {
				e.warn(about, fmt.Sprintf("%s, signed with the key %s of %q, which nobody has accepted yet", where, key.Key.Fingerprint, key.Key.UserID), f.Next)
				good = true
				continue
			}
			failed = append(failed, f)
			continue
		}
		good = true
		e.published(about, where, look)
	}
	for _, f := range failed {
		if good {
			f.Verdict = Warning
		}
		e.tell(f)
	}
	if !good && len(failed) == 0 {
		e.wrong("sources", "all sources are switched off", "switch one on: pkcon repo-enable, or enabled = true in the configuration")
	}
}

// published says what a source publishes, and until when.
func (e *examination) published(about, where string, look offers.Look) {
	p := look.Platform
	if p == nil {
		e.ok(about, "%s, not signed", where)
		return
	}
	text := fmt.Sprintf("%s, built %s, not signed", where, day(p.Created))
	if look.Accepted != nil {
		text = fmt.Sprintf("%s, built %s, signed by %s, good until %s", where, day(p.Created), strings.Join(look.Accepted.Signers, " and "), day(p.Expires))
	}
	var until time.Time
	if look.Accepted != nil {
		until = look.Accepted.Until
	}
	now := time.Now()
	switch {
	case look.Accepted != nil && p.Expires.Before(now.Add(soon)):
		e.warn(about, text, "whoever runs the source has to build, or sign, before that")
	case !until.IsZero() && until.Before(now.Add(soon)):
		e.warn(about, fmt.Sprintf("%s; its keys until %s", text, day(until)), "whoever runs the source needs new keys before that (presolver keys new)")
	default:
		e.ok(about, "%s", text)
	}
}

// next says what to do about a source that can't be used.
func (e *examination) next(ctx context.Context, s offers.Source, err error) string {
	const ask = "tell whoever runs the source"
	var key *offers.KeyError
	var refused *trust.Error
	var status *transport.StatusError
	kind := transport.KindOf(err)
	switch {
	case errors.As(err, &key):
		return "compare the fingerprint with that which whoever runs the source tells you, then accept it: pkcon refresh asks"
	case errors.As(err, &refused):
		switch refused.Kind {
		case trust.Expired, trust.Future:
			if e.timed != "" && e.offset.Abs() > slack {
				return "set the clock: date says " + day(time.Now())
			}
			return ask + ": it has to build or sign again"
		case trust.Unsigned:
			return ask + `: it has to sign (presolver sign); or believe it as it is: signatures = "none"`
		case trust.UnknownKey:
			return "compare keys in the configuration with the fingerprints that whoever runs the source tells you"
		}
		return ask
	case errors.Is(err, offers.ErrWebPage), errors.As(err, &status) && status.Code == http.StatusNetworkAuthenticationRequired:
		return "if the network has a login page, open a browser and sign in; else correct the url in the configuration"
	case errors.Is(err, transport.ErrCertificate):
		return "set the clock if it is wrong; sign in where the network has a login page; else " + ask
	case errors.Is(err, transport.ErrNoRoute):
		return "connect to a network, or put in a stick; where there is one, the name in the url may be wrong"
	case errors.Is(err, transport.ErrNoServer):
		return "the computer is there and its server isn't: look at the port in the url, and whether the server runs (systemctl status presolver)"
	case kind == transport.NoNetwork:
		return "it doesn't answer: look at the network, and at the name in the url"
	case errors.As(err, &status) && (status.Code == http.StatusUnauthorized || status.Code == http.StatusForbidden):
		return "the source wants a password, or another one: http://NAME:PASSWORD@… in the url"
	case kind == transport.NotFound:
		return e.elsewhere(ctx, s)
	case kind == transport.Denied:
		return "look whether the folder is there and can be read"
	case kind == transport.Interrupted:
		return "try again when the link is better; else " + ask
	}
	return ask
}

// elsewhere says what would be right where a source has nothing for the platform.
func (e *examination) elsewhere(ctx context.Context, s offers.Source) string {
	at, found := offers.PlatformsAt(ctx, e.Offers.Net, s)
	if at == "" {
		return "correct the url: nothing is published there, or in a folder above it"
	}
	var names []string
	for _, p := range found {
		names = append(names, p.Platform)
	}
	if at != s.URL {
		url := fmt.Sprintf("write url = %q", transport.Redacted(at))
		if slices.Contains(names, e.Offers.Platform) {
			return url
		}
		return fmt.Sprintf("%s, and platform = one of %s", url, strings.Join(names, ", "))
	}
	for _, p := range found { // what this system is by its own name
		if e.os.id != "" && p.Platform == e.os.id+"-"+e.os.version+"-"+p.Arch && e.arches[p.Arch] > 0 {
			return fmt.Sprintf("write platform = %q", p.Platform)
		}
	}
	if len(names) == 0 {
		return "tell whoever runs the source: it publishes nothing yet"
	}
	return "write platform = one of what it publishes: " + strings.Join(names, ", ")
}

// clock compares the clock with a source's, and with when this program was built.
func (e *examination) clock(context.Context) {
	const about = "clock"
	now := time.Now()
	switch {
	case e.timed != "" && e.offset > slack:
		e.wrong(about, fmt.Sprintf("it is %s here, and %s by the source %s", day(now), day(now.Add(-e.offset)), e.timed), "set it (date -s …): by a clock that is ahead all sources have expired")
	case e.timed != "" && e.offset < -slack:
		e.warn(about, fmt.Sprintf("it is %s here, and %s by the source %s", day(now), day(now.Add(-e.offset)), e.timed), "set it (date -s …): by a clock that is behind no certificate of https is valid")
	case now.Before(e.Built.Add(-slack)):
		e.warn(about, fmt.Sprintf("it is %s here, before this program was built", day(now)), "set it (date -s …)")
	case e.timed == "":
		e.ok(about, "%s; no source told its own", day(now))
	default:
		e.ok(about, "%s, as the source %s says", day(now), e.timed)
	}
}

// keyring looks at the folder of keys that a person has accepted.
func (e *examination) keyring(context.Context) {
	const about = "keys"
	entries, err := os.ReadDir(e.Keyring)
	if errors.Is(err, os.ErrNotExist) {
		e.ok(about, "%s isn't there: nobody has put keys there, and no source needs it", e.Keyring)
		return
	}
	if err != nil {
		e.warn(about, err.Error(), "let root read it")
		return
	}
	named := ""
	for _, s := range e.Offers.Sources {
		named += " " + s.Keys
	}
	good := 0
	for _, entry := range entries {
		path := filepath.Join(e.Keyring, entry.Name())
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > pgp.MaxKey {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			e.warn(about, err.Error(), "let root read it")
			continue
		}
		key, err := pgp.ReadKey(text)
		if err == nil && strings.Contains(named, key.Fingerprint) {
			err = key.Usable(time.Now())
		}
		if err != nil {
			e.warn(about, fmt.Sprintf("%s: %v", path, err), "take it away, or put a newer one in its place")
			continue
		}
		good++
	}
	e.ok(about, "%s has %d", e.Keyring, good)
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
