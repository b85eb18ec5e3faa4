// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Hours are the part of each day, by the computer's clock on the wall, at which the network may be
// used: from From on, before To. Where To is the earlier one it is the next day's.
type Hours struct {
	From, To Clock
	// Waiting is called before it is waited for them. It may be called at once from many goroutines.
	Waiting func(until time.Time)
}

// A Clock is a time of the day, in minutes.
type Clock int

func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// at is when the clock shows it on a day.
func (c Clock) at(year int, month time.Month, day int, in *time.Location) time.Time {
	return time.Date(year, month, day, 0, int(c), 0, 0, in)
}

// Next is when they begin, seen from outside of them; false where they go on.
func (h *Hours) Next(now time.Time) (time.Time, bool) {
	year, month, day := now.Date()
	from, to := h.From.at(year, month, day, now.Location()), h.To.at(year, month, day, now.Location())
	switch {
	case h.From < h.To && !now.Before(from) && now.Before(to), h.From > h.To && (!now.Before(from) || now.Before(to)), h.From == h.To:
		return time.Time{}, false
	case now.Before(from):
		return from, true
	}
	return h.From.at(year, month, day+1, now.Location()), true
}

// errHours is what ends a try when they are over.
var errHours = errors.New("the hours at which it may be downloaded are over")

// opened waits until the network may be used, and tells how long that took.
func (c *Client) opened(ctx context.Context) (waited time.Duration, err error) {
	if c.Hours == nil {
		return 0, nil
	}
	began := c.now()
	for now := began; ; now = c.now() {
		next, closed := c.Hours.Next(now)
		if !closed {
			return now.Sub(began), nil
		}
		if c.Hours.Waiting != nil && now == began {
			c.Hours.Waiting(next)
		}
		// The clock may be set meanwhile, or the computer sleep.
		if err := c.sleep(ctx, min(next.Sub(now), time.Minute)); err != nil {
			return 0, err
		}
	}
}

// paced is called when n bytes have come over the network: it returns when more may.
func (c *Client) paced(ctx context.Context, n int) error {
	if c.Hours != nil {
		if _, closed := c.Hours.Next(c.now()); closed {
			return errHours
		}
	}
	if c.Rate <= 0 {
		return nil
	}
	return c.sleep(ctx, c.rate.take(n, c.Rate, c.now()))
}

// A rate spreads the bytes of all downloads over time.
type rate struct {
	mu   sync.Mutex
	free time.Time // when what has come would have come at the rate
}

// take counts n bytes, at so many a second, and tells how long to wait before more are read.
func (r *rate) take(n int, perSecond int64, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.free.Before(now) {
		r.free = now
	}
	r.free = r.free.Add(time.Duration(n) * time.Second / time.Duration(perSecond))
	return r.free.Sub(now)
}
