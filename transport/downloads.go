// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"math/bits"
	"slices"
	"time"
)

// downloads are those from one host that are going on, and those that wait for their turn.
//
// Where the link's bytes are waited for, few connections fill it, and more would only take from
// others who use it. Where answers are waited for, as with small files over a long way, a
// connection is idle most of the time, and more of them fill the link. So each download counts by
// the share of its time for which it is expected to occupy the link; those that are going on count
// as few together.
type downloads struct {
	most    int // at once
	going   []*download
	waiting []*download // in the order in which they came
	pace    pace
	allowed int       // the host refused more,
	until   time.Time // which counts until then
}

// few is how many connections there are where each occupies the link all the time.
const few = 3

type download struct {
	size  int64 // in bytes; 0: unknown
	begun chan struct{}
}

// acquire waits until a download of so many bytes, 0 where unknown, may begin, which ends with
// release.
func (h *hosts) acquire(ctx context.Context, url string, size int64, now func() time.Time) (release func(), err error) {
	d := &download{size, make(chan struct{})}
	h.mu.Lock()
	all := &h.of(url).downloads
	all.waiting = append(all.waiting, d)
	all.begin(now())
	h.mu.Unlock()
	select {
	case <-d.begun:
	case <-ctx.Done():
		err = ctx.Err()
	}
	release = func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		all.end(d)
		all.begin(now())
	}
	if err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// begin begins what waits, as far as there is room.
func (a *downloads) begin(now time.Time) {
	for len(a.waiting) > 0 && a.room(a.waiting[0], now) {
		d := a.waiting[0]
		a.waiting = a.waiting[1:]
		a.going = append(a.going, d)
		close(d.begun)
	}
}

func (a *downloads) end(d *download) {
	is := func(o *download) bool { return o == d }
	a.going, a.waiting = slices.DeleteFunc(a.going, is), slices.DeleteFunc(a.waiting, is)
}

func (a *downloads) room(d *download, now time.Time) bool {
	switch n := len(a.going); {
	case n >= a.limit(now):
		return false
	case n < few:
		return true
	}
	sum := a.pace.share(d.size)
	for _, o := range a.going {
		sum += a.pace.share(o.size)
	}
	return sum <= few
}

// limit is how many downloads there may be at once.
func (a *downloads) limit(now time.Time) int {
	if now.Before(a.until) {
		return min(a.allowed, a.most)
	}
	return a.most
}

// full tells whether a URL's host has as many downloads as it may have.
func (h *hosts) full(url string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := &h.of(url).downloads
	return len(all.going) >= all.limit(now)
}

// crowded says that a host refused a download, which isn't going on any more: for a while it gets
// no more than go on without it.
func (h *hosts) crowded(url string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := &h.of(url).downloads
	all.allowed, all.until = max(1, min(all.limit(now), len(all.going))), now.Add(avoidFor)
}

// sharing is how many times as many downloads a host has as a link that is full should have: each
// of them may be so much slower.
func (h *hosts) sharing(url string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return int64(max(1, (len(h.of(url).downloads.going)+few-1)/few))
}

// answered says how long an answer of a host took to begin.
func (h *hosts) answered(url string, took time.Duration, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := &h.of(url).downloads
	all.pace.answered(took)
	all.begin(now)
}

// brought says how long an answer took, all in all, and how many bytes it had.
func (h *hosts) brought(url string, bytes int64, took time.Duration, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := &h.of(url).downloads
	all.pace.brought(bytes, took)
	all.begin(now)
}

// A pace is how fast a host's answers come.
type pace struct {
	latency time.Duration // the least that one has taken to begin; 0: unknown
	// bytes are those of the last answers, and beyond is for how many seconds latency is no excuse.
	bytes, beyond float64
}

// newPace believes in a slow link until more is known.
func newPace() pace { return pace{bytes: 32 << 10, beyond: 0.5} }

func (p *pace) answered(took time.Duration) {
	if p.latency == 0 || took < p.latency { // the least, for on a full link answers queue behind bytes
		p.latency = max(took, 1)
	}
}

func (p *pace) brought(bytes int64, took time.Duration) {
	const remembered = 7. / 8
	p.bytes = p.bytes*remembered + float64(bytes)
	p.beyond = p.beyond*remembered + max(0, (took-p.excuse(bytes)).Seconds())
}

// firstWindow is how many bytes a server sends before it hears of the laptop: ten packets (RFC
// 6928). With each round trip they are twice as many.
const firstWindow = 14600

// excuse is how long an answer may take on a link that is never full.
func (p *pace) excuse(bytes int64) time.Duration {
	return p.latency * time.Duration(bits.Len64(uint64(bytes)/firstWindow+1))
}

// share is for how much of its time a download is expected to occupy the link, from 0 to 1.
func (p *pace) share(size int64) float64 {
	if size == 0 || p.latency == 0 {
		return 1
	}
	occupied := float64(size) * p.beyond / p.bytes
	return occupied / (occupied + p.excuse(size).Seconds())
}
