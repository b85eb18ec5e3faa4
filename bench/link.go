// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A trouble is what a link has.
type trouble struct {
	name    string
	weather testbed.Weather
	hangsUp bool
	// connections are how many everybody has here; 0: as elsewhere.
	connections int
}

// A program that gives up is run again a while later, as its user would, until everything is
// installed, at most so many times.
const (
	most  = 5
	while = 5 * time.Second
)

// A traveller is a program that installs over links.
type traveller struct {
	name   string
	server string // URL
	run    func(root, url string) (visit, error)
	ready  func(root, url string) error // before it is timed; nil: nothing
}

// A journey is what an install has taken.
type journey struct {
	wire bytes
	wall took
	runs int
	err  error // why it isn't installed
}

// link measures an install over links that fail.
func (b *bench) link() error {
	s, err := b.shop()
	if err != nil {
		return err
	}
	defer s.Close()
	travels := func(root, url string) (visit, error) { return b.byHelper(s, root, url, "", false) }
	travellers := []traveller{
		{"presolve", s.published.URL, travels, nil},
		{"presolve, refreshed before", s.published.URL, travels, func(root, url string) error { return b.refreshed(s, root, url) }},
	}
	if b.installed("dnf") {
		travellers = append(travellers, traveller{"dnf", s.packages.URL, func(root, url string) (visit, error) { return b.byDNF(s, root, url, "") }, nil})
	}
	if b.installed("curl") {
		travellers = append(travellers, traveller{"curl + rpm", s.published.URL, func(root, url string) (visit, error) { return b.byHand(s, root, url, true) }, nil})
	}
	b.table.links = [][]string{{"the link", "program", "on the wire", "× the RPMs", "wall", "× presolve's", "ended"}}
	for _, t := range []trouble{
		{name: "is fair"},
		{name: "drops every 256 KiB", weather: testbed.Weather{Every: 256 << 10}},
		{name: "drops 1 % of requests", hangsUp: true},
		{name: "is down for 1 s in every 3", weather: testbed.Weather{Period: 3 * time.Second, Down: time.Second}},
		{name: "has 300 ms latency and 10 MB/s, 8 connections", weather: testbed.Weather{Latency: 300 * time.Millisecond, Rate: 10_000_000}, connections: 8},
		{name: "has 300 ms latency and 10 MB/s, 16 connections", weather: testbed.Weather{Latency: 300 * time.Millisecond, Rate: 10_000_000}, connections: 16},
		{name: "has 2 s latency", weather: testbed.Weather{Latency: 2 * time.Second}},
		{name: "is down for 10 s in the middle", weather: testbed.Weather{After: s.size / 2, For: 10 * time.Second}},
	} {
		t.weather.Rate = cmp.Or(t.weather.Rate, b.rate)
		b.connections = cmp.Or(t.connections, connections)
		first, whole := make([][]journey, len(travellers)), make([][]journey, len(travellers))
		for n := range b.runs {
			b.say("installing %s over a link that %s, %d of %d", s.program, t.name, n+1, b.runs)
			for i := range travellers {
				i = (i + n) % len(travellers)
				one, all, err := b.travel(s, t, travellers[i])
				if err != nil {
					return err
				}
				first[i], whole[i] = append(first[i], one), append(whole[i], all)
			}
		}
		for i, who := range travellers {
			b.journeys(s, t.name, who.name, first[i], first[0])
			if runs := slices.Max(each(whole[i], func(j journey) int { return j.runs })); runs > 1 {
				b.journeys(s, t.name, fmt.Sprintf("%s, up to %d runs", who.name, runs), whole[i], first[0])
			}
		}
	}
	b.table.note("link: %s and what it needs, %d RPMs of %v, at %.3g MB/s a connection, %d connections, where nothing else is said. Everybody begins with no metadata, but who has refreshed before; all that comes is counted, headers too. dnf's repository has few packages: a distribution's metadata would come on top.", s.program, len(s.rpms), bytes(s.size), float64(b.rate)/1e6, connections)
	b.table.note("link: dnf has its defaults, retries=10, timeout=30, minrate=1000, and one baseurl, without mirrors. curl + rpm has a loop for each connection of \"curl --continue-at -\", a second between two. Who gives up is run again, %v later, at most %d times in all.", while, most)
	return nil
}

// travel installs with one program over one link, again and again until everything is there. one is
// the first run, all are all.
func (b *bench) travel(s *shop, t trouble, who traveller) (one, all journey, err error) {
	root := filepath.Join(b.folder("link"), "root")
	if err := os.CopyFS(root, os.DirFS(s.root)); err != nil {
		return one, all, err
	}
	syscall.Sync()
	server := who.server
	if t.hangsUp {
		front, err := hangingUp(server)
		if err != nil {
			return one, all, err
		}
		defer front.Close()
		server = front.URL
	}
	l, err := testbed.NewLink(server, t.weather)
	if err != nil {
		return one, all, err
	}
	defer l.Close()
	if who.ready != nil {
		if err := who.ready(root, l.URL); err != nil {
			return one, all, err
		}
	}
	start, before := time.Now(), l.Received.Load()
	for {
		_, all.err = who.run(root, l.URL)
		all.wall, all.wire = took(time.Since(start)), bytes(l.Received.Load()-before)
		if all.err == nil {
			all.err = s.check(root)
		}
		if all.runs++; all.runs == 1 {
			one = all
		}
		if b.Err() != nil || all.err == nil || all.runs == most {
			return one, all, b.Err()
		}
		select {
		case <-time.After(while):
		case <-b.Done():
		}
	}
}

// journeys adds a row: medians, and ours beside them.
func (b *bench) journeys(s *shop, link, who string, js, ours []journey) {
	wire := func(j journey) bytes { return j.wire }
	wall := func(j journey) took { return j.wall }
	installed := 0
	for _, j := range js {
		if j.err == nil {
			installed++
			continue
		}
		text := j.err.Error()
		if i := strings.LastIndex(text, "\nError: "); i >= 0 { // dnf's last word
			text = text[i:]
		}
		b.table.note("link: %s gave up where it %s, after %v: %s", who, link, j.wire, strings.Join(strings.Fields(text), " "))
	}
	came, lasted := median(each(js, wire)), median(each(js, wall))
	cells := []string{link, who, came.String(), fmt.Sprintf("%.3f", ratio(came, bytes(s.size))), lasted.String(), "", "gave up"}
	if installed > 0 {
		cells[5], cells[6] = fmt.Sprintf("%.2f", ratio(lasted, median(each(ours, wall)))), "installed"
	}
	if installed > 0 && installed < len(js) {
		cells[6] = fmt.Sprintf("installed, %d of %d", installed, len(js))
	}
	b.table.links = append(b.table.links, cells)
}

func each[T, V any](all []T, f func(T) V) (values []V) {
	for _, one := range all {
		values = append(values, f(one))
	}
	return values
}

// hangingUp is a server before another one that hangs up on every 100th request. The first is the
// 20th, since an install takes about forty.
func hangingUp(serverURL string) (*httptest.Server, error) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return nil, err
	}
	good := httputil.NewSingleHostReverseProxy(u)
	good.ErrorLog = log.New(io.Discard, "", 0)
	var requests atomic.Int64
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1)%100 == 20 {
			panic(http.ErrAbortHandler)
		}
		good.ServeHTTP(w, r)
	})), nil
}
