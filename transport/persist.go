// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	firstPause = 200 * time.Millisecond
	shortPause = 2 * time.Second // pauses grow up to this however short the link was down
	mostPause  = 30 * time.Second
	// A try that gained less than this waits before the next, or a link that gives a byte per
	// connection would make us connect without a pause.
	goodGain = 16 << 10
	// So long a source that refuses, where it is the only one, may take to be started anew.
	refusedFor = 1500 * time.Millisecond
	// That no byte has come for less than this is not told to anybody.
	noticed = time.Second
)

// A source is one URL of one file.
type source struct {
	url   string
	tries int
	fails int       // in a row, without a good gain
	ready time.Time // not to be asked before
	out   bool      // not to be asked again
	last  *trouble
}

// A retrieval is a file that one of its sources is to give, with what it takes to try one.
type retrieval struct {
	label string
	urls  []string
	quiet time.Duration // it is given up after so long without a byte
	// try asks one source. It returns how many bytes it gained for good, and nil, a *trouble or an
	// error of the local disk. patient tells that no other source promises to do better than a slow
	// one.
	try func(ctx context.Context, url string, patient bool) (int64, error)
	// known tells that the content has a digest, so that any copy will do; size is its size, 0
	// where unknown.
	known bool
	size  int64
	// limited tells that a try takes one of its host's connections.
	limited bool
	// hurried: who asks can do without (Hurried), and isn't kept by a source that refuses.
	hurried bool
	// waiting, if not nil, is called before a wait that a person may notice.
	waiting func()
}

// persist tries one source after the other until one succeeds, the disk fails, every source is out,
// or nothing was gained for as long as quiet. A source that drops is asked again at once as long as
// it gives bytes; one that gives none waits, longer each time, while the others are asked. One that
// can't help is out; if its content was wrong it gets a second chance when all are out. A copy on
// this computer is asked before any other, and what goes on or waits over the network goes on from
// one as soon as CopiesAppeared says that there may be one.
//
// While no host was reached for as long as quiet there may be no network at all, and nobody is kept
// waiting for it: it ends at once where the first tries say that there is no way to any source, within
// refusedFor where those that there is a way to refuse, and after SmallRetryFor where one doesn't answer.
//
// persist returns nil, an *Error or one that is ctx.Err().
func (c *Client) persist(ctx context.Context, r retrieval) error {
	var sources []*source
	var more chan struct{}
	current, secondChance := 0, true     // current: where the search for the next begins
	gainedAt, wellAt := c.now(), c.now() // when the last byte came; when many came at once
	asked := ""
	for {
		if more == nil || isClosed(more) {
			more = *c.moreCopies.Load() // before the copies are looked for, so that none is missed
			sources, current = c.copiesFirst(r, sources), 0
		}
		s := c.next(r, sources, current)
		if s == nil && secondChance {
			secondChance = false
			for _, s := range sources {
				s.out = s.out && s.last.kind != Corrupt
			}
			continue
		}
		if s == nil || s.ready.After(gainedAt.Add(c.patience(r, sources))) {
			return c.givenUp(r.label, sources, asked)
		}
		if wait := s.ready.Sub(c.now()); wait > 0 {
			c.Log.Debug("waiting before the next try", "file", r.label, "url", Redacted(s.url), "wait", wait)
			if c.now().Add(wait).Sub(gainedAt) >= noticed && r.waiting != nil {
				r.waiting()
			}
			c.sleepUnless(ctx, more, wait)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s: %w", r.label, err)
		}
		if isClosed(more) {
			continue
		}
		current = slices.Index(sources, s)

		if !IsLocal(s.url) {
			waited, err := c.opened(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", r.label, err)
			}
			gainedAt, wellAt = gainedAt.Add(waited), wellAt.Add(waited)
		}
		s.tries++
		asked = s.url
		gained, waited, err := c.try(ctx, r, s, sources, more)
		gainedAt = gainedAt.Add(waited)
		if err == nil {
			c.hosts.reached(s.url, c.now())
			return nil
		}
		if ctxErr := ctx.Err(); ctxErr != nil {
			return fmt.Errorf("%s: %w", r.label, ctxErr)
		}
		if gained > 0 {
			gainedAt = c.now()
		}
		if errors.Is(err, errCopyHere) {
			c.Log.Debug("a copy is nearer", "file", r.label, "url", Redacted(s.url), "gained", gained)
			continue
		}
		if !errors.As(err, &s.last) {
			return localError(r.label, err)
		}
		c.Log.Debug("a try failed", "file", r.label, "url", Redacted(s.url), "gained", gained, "error", err)
		if c.Failed != nil {
			c.Failed(s.url, s.last.kind)
		}
		if s.last.kind == NoNetwork {
			c.hosts.missed(s.url, c.now())
		} else {
			c.hosts.reached(s.url, c.now())
		}
		if s.last.crowded && r.limited {
			c.hosts.crowded(s.url, c.now())
		}
		switch {
		case s.last.final, c.offline(r, sources):
			return c.givenUp(r.label, sources, asked)
		case !s.last.temporary():
			s.out = true
		case errors.Is(s.last, errStalled):
			c.hosts.slow(s.url, c.now())
			current++
		case gained >= goodGain:
			s.fails, wellAt = 0, c.now()
			continue
		default:
			current++
		}
		if s.last.temporary() && gained < goodGain {
			s.ready = c.now().Add(max(pause(s.fails, c.now().Sub(wellAt)), s.last.wait))
			s.fails++
		}
	}
}

// copiesFirst are the sources of a retrieval, sources those that there were so far. Where any copy
// will do, those on this computer come first, for they cost nothing, and begin anew: what was not
// there may be there now.
func (c *Client) copiesFirst(r retrieval, sources []*source) []*source {
	now := c.now()
	if sources == nil {
		sources = c.hosts.order(r.urls, now)
	}
	near := c.hosts.order(c.copies(r), now)
	if len(near) == 0 {
		return sources
	}
	far := slices.DeleteFunc(sources, func(s *source) bool { return IsLocal(s.url) })
	if !c.hosts.good(near[0].url, now) {
		return append(far, near...)
	}
	return append(near, far...)
}

// copies are where a retrieval's content may be on this computer; none where there is no digest to
// tell.
func (c *Client) copies(r retrieval) []string {
	if !r.known {
		return nil
	}
	var all []string
	for _, u := range r.urls {
		if IsLocal(u) {
			all = append(all, u)
		}
	}
	if c.Copies == nil {
		return all
	}
	for _, u := range r.urls {
		for _, copy := range c.Copies(u) {
			if !slices.Contains(all, copy) {
				all = append(all, copy)
			}
		}
	}
	return all
}

// try asks a source, when its host has a connection left. waited is how long it had none. It ends
// with errCopyHere where a copy appears on this computer.
func (c *Client) try(ctx context.Context, r retrieval, s *source, sources []*source, more <-chan struct{}) (gained int64, waited time.Duration, err error) {
	if r.known && !IsLocal(s.url) {
		nearer, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		go c.cancelForCopy(nearer, r, more, cancel)
		ctx = nearer
		defer func() {
			if err != nil && context.Cause(nearer) == errCopyHere {
				err = errCopyHere
			}
		}()
	}
	if r.limited {
		began := c.now()
		release, failed := c.hosts.acquire(ctx, s.url, r.size, c.now)
		if failed != nil {
			return 0, 0, failed
		}
		defer release()
		waited = c.now().Sub(began)
	}
	patient := !slices.ContainsFunc(sources, func(o *source) bool {
		return o != s && !o.out && !o.ready.After(c.now()) && c.hosts.good(o.url, c.now())
	})
	gained, err = r.try(ctx, s.url, patient)
	return gained, waited, err
}

// errCopyHere ends a try over the network, for the file is on this computer now.
var errCopyHere = errors.New("there is a copy on this computer")

// cancelForCopy cancels ctx with errCopyHere when a copy has appeared on this computer.
func (c *Client) cancelForCopy(ctx context.Context, r retrieval, more <-chan struct{}, cancel context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-more:
		}
		more = *c.moreCopies.Load()
		for _, u := range c.copies(r) {
			if size := c.localSize(u); size >= 0 && (r.size == 0 || size == r.size) {
				cancel(errCopyHere)
				return
			}
		}
	}
}

// sleepUnless sleeps, but not longer than until there may be more copies.
func (c *Client) sleepUnless(ctx context.Context, more <-chan struct{}, d time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-more:
			cancel()
		case <-ctx.Done():
		}
	}()
	_ = c.sleep(ctx, d) // ended early only by ctx
}

func isClosed(more <-chan struct{}) bool {
	select {
	case <-more:
		return true
	default:
		return false
	}
}

// patience is how long to go on without a byte.
func (c *Client) patience(r retrieval, sources []*source) time.Duration {
	switch {
	case c.hosts.online(c.now().Add(-r.quiet)):
		return r.quiet
	case !allLeft(sources, func(t *trouble) bool { return t.noRoute || t.refused }):
		return min(r.quiet, c.SmallRetryFor)
	case r.hurried:
		return 0
	}
	return min(r.quiet, refusedFor)
}

// offline tells whether there is no network, and was none before: each source that is left was
// tried, and there is no way to it.
func (c *Client) offline(r retrieval, sources []*source) bool {
	return !c.hosts.online(c.now().Add(-r.quiet)) && allLeft(sources, func(t *trouble) bool { return t.noRoute })
}

// allLeft tells whether each source that may be asked again was asked, with such an end.
func allLeft(sources []*source, is func(*trouble) bool) bool {
	return !slices.ContainsFunc(sources, func(s *source) bool { return !s.out && (s.last == nil || !is(s.last)) })
}

// next is the source to ask: the first from current on that is ready, and of those one with a
// connection left; or the one that will be ready first; nil if all are out.
func (c *Client) next(r retrieval, sources []*source, current int) *source {
	now := c.now()
	var ready, soonest *source
	for i := range sources {
		s := sources[(current+i)%len(sources)]
		switch {
		case s.out:
		case !s.ready.After(now):
			if !r.limited || !c.hosts.full(s.url, now) {
				return s
			}
			if ready == nil {
				ready = s
			}
		case soonest == nil || s.ready.Before(soonest.ready):
			soonest = s
		}
	}
	if ready != nil {
		return ready
	}
	return soonest
}

// pause is how long to wait after so many failures in a row, the link having done badly for so
// long: doubling, with jitter so that a classroom of laptops does not come back at once. A long one
// stays below a quarter of that time: so little is lost when the link comes back.
func pause(fails int, down time.Duration) time.Duration {
	d := min(firstPause<<min(fails, 16), max(shortPause, down/4), mostPause)
	return d/2 + rand.N(d/2)
}

// givenUp sums up what the sources said.
func (c *Client) givenUp(label string, sources []*source, last string) *Error {
	e := &Error{Label: label, URL: Redacted(last)}
	var all answers
	said := map[Kind]bool{}
	for _, s := range sources {
		if s.last == nil {
			continue
		}
		all = append(all, s)
		said[s.last.kind] = true
	}
	e.Err = all
	// Where a source may do better in a while, that is what the person should know: try again. Else
	// what the sources that have something said, before that others have nothing.
	e.Kind = NotFound
	for _, k := range []Kind{Interrupted, NoNetwork, Corrupt, Refused} {
		if said[k] {
			e.Kind = k
			break
		}
	}
	c.Log.Debug("a file is given up", "file", label, "error", e)
	return e
}
