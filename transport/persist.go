package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	firstPause = 200 * time.Millisecond
	mostPause  = 30 * time.Second
	// A try that gained less than this waits before the next, or a link that gives a byte per connection would have
	// us hammer the server.
	goodGain = 16 << 10
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

// persist calls try with one source after the other until it succeeds, the disk fails, every source is out, or
// nothing was gained for as long as quiet. A source that drops is asked again at once as long as it gives bytes;
// one that gives none waits, longer each time, while the others are asked. One that can't help is out; if its
// content was wrong it gets a second chance when all are out.
//
// try returns how many bytes it gained for good, and nil, a *trouble or an error of the local disk. persist
// returns nil, an *Error or one that is ctx.Err().
func (c *Client) persist(ctx context.Context, label string, urls []string, quiet time.Duration, try func(ctx context.Context, url string) (int64, error)) error {
	sources := c.hosts.order(urls, c.now())
	current, gainedAt, secondChance := 0, c.now(), true // current: where the search for the next begins
	asked := ""
	for {
		s := next(sources, current, c.now())
		if s == nil && secondChance {
			secondChance = false
			for _, s := range sources {
				s.out = s.out && s.last.kind != Corrupt
			}
			continue
		}
		if s == nil || s.ready.After(gainedAt.Add(quiet)) {
			return c.givenUp(label, sources, asked)
		}
		if wait := s.ready.Sub(c.now()); wait > 0 {
			c.Log.Debug("waiting before the next try", "file", label, "url", redacted(s.url), "wait", wait)
			_ = c.sleep(ctx, wait) // ended early only by ctx
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s: %w", label, err)
		}
		current = slices.Index(sources, s)

		s.tries++
		asked = s.url
		gained, err := try(ctx, s.url)
		if err == nil {
			c.hosts.reached(s.url)
			return nil
		}
		if ctxErr := ctx.Err(); ctxErr != nil {
			return fmt.Errorf("%s: %w", label, ctxErr)
		}
		if !errors.As(err, &s.last) {
			return localError(label, err)
		}
		c.Log.Debug("a try failed", "file", label, "url", redacted(s.url), "gained", gained, "error", err)
		if s.last.kind == NoNetwork {
			c.hosts.missed(s.url, c.now())
		} else {
			c.hosts.reached(s.url)
		}
		if gained > 0 {
			gainedAt = c.now()
		}
		switch {
		case s.last.final:
			return c.givenUp(label, sources, asked)
		case !s.last.passing():
			s.out = true
		case gained >= goodGain:
			s.fails = 0
		default:
			s.ready = c.now().Add(max(pause(s.fails), s.last.wait))
			s.fails++
			current++
		}
	}
}

// next is the source to ask: the first from current on that is ready, or the one that will be first; nil if all
// are out.
func next(sources []*source, current int, now time.Time) *source {
	var soonest *source
	for i := range sources {
		s := sources[(current+i)%len(sources)]
		switch {
		case s.out:
		case !s.ready.After(now):
			return s
		case soonest == nil || s.ready.Before(soonest.ready):
			soonest = s
		}
	}
	return soonest
}

// pause is how long to wait after so many failures: doubling, with jitter so that a classroom of laptops does not
// come back at once.
func pause(fails int) time.Duration {
	d := min(firstPause<<min(fails, 16), mostPause)
	return d/2 + rand.N(d/2)
}

// givenUp sums up what the sources said.
func (c *Client) givenUp(label string, sources []*source, last string) *Error {
	e := &Error{Label: label, URL: redacted(last)}
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
	// Where a source may do better in a while, that is what the person should know: try again. Else what the
	// sources that have something said, before that others have nothing.
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

// hosts remembers which hosts could not be reached, so that a dead first source costs its timeout once and not
// once a file.
type hosts struct {
	mu    sync.Mutex
	until map[string]time.Time
}

const avoidFor = time.Minute

// order makes sources of URLs: as given, but those on hosts that were not reached lately come last.
func (h *hosts) order(urls []string, now time.Time) []*source {
	h.mu.Lock()
	defer h.mu.Unlock()
	var near, far []*source
	for _, u := range urls {
		if now.Before(h.until[host(u)]) {
			far = append(far, &source{url: u})
		} else {
			near = append(near, &source{url: u})
		}
	}
	return append(near, far...)
}

func (h *hosts) missed(url string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until == nil {
		h.until = make(map[string]time.Time)
	}
	h.until[host(url)] = now.Add(avoidFor)
}

func (h *hosts) reached(url string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.until, host(url))
}

func host(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return ""
	}
	return u.Host
}
