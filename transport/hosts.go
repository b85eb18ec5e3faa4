// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"net/url"
	"sync"
	"time"
)

// hosts remembers how the hosts of sources did lately, so that a dead or slow first source costs
// its time once and not once a file.
type hosts struct {
	mu      sync.Mutex
	known   map[string]*hostState
	most    int       // downloads at once from one host
	network time.Time // when a host was last reached over the network
}

// A hostState is what is known of one host.
type hostState struct {
	missed    time.Time // it could not be reached; it counts as unreachable until then
	slow      time.Time // it was cut for being slow; it counts as slow until then
	downloads downloads
}

// avoidFor is how long a host that did badly is asked after the others.
const avoidFor = time.Minute

// of is the state of a URL's host. mu is held.
func (h *hosts) of(rawURL string) *hostState {
	s := h.known[host(rawURL)]
	if s == nil {
		s = &hostState{downloads: downloads{most: h.most, pace: newPace()}}
		h.known[host(rawURL)] = s
	}
	return s
}

// order makes sources of URLs: as given, but those on hosts that were slow lately come later, and
// those that were not reached last.
func (h *hosts) order(urls []string, now time.Time) []*source {
	h.mu.Lock()
	defer h.mu.Unlock()
	var good, slow, missed []*source
	for _, u := range urls {
		switch s := h.of(u); {
		case now.Before(s.missed):
			missed = append(missed, &source{url: u})
		case now.Before(s.slow):
			slow = append(slow, &source{url: u})
		default:
			good = append(good, &source{url: u})
		}
	}
	return append(append(good, slow...), missed...)
}

// good tells whether nothing bad is known of a URL's host.
func (h *hosts) good(url string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.of(url)
	return !now.Before(s.missed) && !now.Before(s.slow)
}

func (h *hosts) missed(url string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(url).missed = now.Add(avoidFor)
}

func (h *hosts) slow(url string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(url).slow = now.Add(avoidFor)
}

// forget forgets what a URL's host did.
func (h *hosts) forget(url string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.of(url)
	s.missed, s.slow = time.Time{}, time.Time{}
}

func (h *hosts) reached(url string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of(url).missed = time.Time{}
	if host(url) != "" {
		h.network = now
	}
}

// online tells whether there was a network at some time since then.
func (h *hosts) online(since time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.network.After(since)
}

// host is empty for a file URL.
func host(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme == "file" {
		return ""
	}
	return u.Host
}
