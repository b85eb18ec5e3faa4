// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// helper measures the helper alone, on the big platform.
func (b *bench) helper() error {
	p, err := b.platform()
	if err != nil {
		return err
	}
	server, err := b.tools.Serve(p.published)
	if err != nil {
		return err
	}
	defer server.Stop()
	if err := b.metadata(p, server.URL); err != nil {
		return err
	}
	l, err := testbed.NewLaptop(b.folder("laptop"), p.name, server.URL, "presolve", b.key.Fingerprint, "idle_timeout = \"10m\"\n", p.base...)
	if err != nil {
		return err
	}
	h, err := b.start(l)
	if err != nil {
		return err
	}
	defer h.Kill()
	b.say("refreshing the whole catalogue")
	_, refresh, err := do(h, "refresh-cache", "false")
	if err != nil {
		return err
	}
	b.say("asking the helper")
	random := rand.New(rand.NewPCG(1, 2))
	names, words := some(random, p.names, b.queries), some(random, p.words(), b.queries)
	resolve := func(t string) []string { return []string{"resolve", "none", t} }
	// What two processes take to talk at all: an unknown command, which is answered with two lines.
	floor, _, err := warm(h, names, func(t string) []string { return []string{"nothing", t} })
	if err != nil {
		return err
	}
	for _, q := range []struct {
		what   string
		terms  []string
		budget quantity
		words  func(term string) []string
	}{
		{"resolve", names, median(floor) + took(25*time.Microsecond), resolve},
		{"search-name", words, took(400 * time.Microsecond), func(t string) []string { return []string{"search-name", "none", t} }},
		{"search-details", words, took(500 * time.Microsecond), func(t string) []string { return []string{"search-details", "none", t} }},
		{"get-details", names, nil, func(t string) []string { return []string{"get-details", t + ";;;"} }},
	} {
		times, lines, err := warm(h, q.terms, q.words)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("helper: warm %s, %d different, %.1f lines each", q.what, len(q.terms), lines)
		r, tail := row{what: what + ": median", figure: median(times), budget: q.budget}, row{what: what + ": p99", figure: quantile(times, 0.99)}
		if q.what == "resolve" {
			r.peer, r.other = "an unknown command", median(floor)
			tail.peer, tail.other = "an unknown command", quantile(floor, 0.99)
		}
		b.table.add(r)
		b.table.add(tail)
	}
	b.table.add(row{what: "helper: peak memory after these, the whole catalogue loaded", figure: memory(h.Process.Pid, "VmHWM")})
	b.table.add(row{what: fmt.Sprintf("helper: refresh-cache of all %d entries, one time", len(p.names)), figure: refresh})
	if err := h.Stop(); err != nil {
		return err
	}
	if times, err := b.onOneProcessor(l, names, resolve); err != nil {
		b.table.note("helper: not measured on one processor: %v", err)
	} else {
		b.table.add(row{what: "helper: warm resolve, where the helper has one processor: median", figure: median(times)})
	}
	if info, err := os.Stat(filepath.Join(l.State, "record.sqlite")); err == nil {
		b.table.add(row{what: "helper: the record on disk, the whole catalogue loaded", figure: bytes(info.Size())})
	}
	var starts []took
	for _, name := range some(random, p.names, b.starts) {
		t, err := b.coldStart(l, name)
		if err != nil {
			return err
		}
		starts = append(starts, t)
	}
	b.table.add(row{what: fmt.Sprintf("helper: cold start to the end of a resolve, median of %d", len(starts)), figure: median(starts), budget: took(8 * time.Millisecond)})
	return nil
}

// warm asks for each term twice, and measures the second time. lines are those of an answer, on
// average.
func warm(h *testbed.Helper, terms []string, words func(string) []string) (times []took, lines float64, err error) {
	for range 2 {
		times, lines = nil, 0
		for _, term := range terms {
			start := time.Now()
			answer, err := h.Do(words(term)...)
			times = append(times, took(time.Since(start)))
			if err := failed(answer, err); err != nil && words(term)[0] != "nothing" {
				return nil, 0, fmt.Errorf("%q: %w", words(term), err)
			}
			lines += float64(len(answer)) / float64(len(terms))
		}
	}
	return times, lines, nil
}

// onOneProcessor is warm with a helper that has only one of the processors, as on the small
// machines.
func (b *bench) onOneProcessor(l *testbed.Laptop, terms []string, words func(string) []string) ([]took, error) {
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		return nil, err
	}
	pinned := filepath.Join(b.folder("pinned"), "pk-presolve")
	if err := os.WriteFile(pinned, fmt.Appendf(nil, "#!/bin/sh\nexec %s -c 0 %s \"$@\"\n", taskset, b.tools.Helper), 0o755); err != nil {
		return nil, err
	}
	h, err := testbed.Tools{Helper: pinned}.Start(l.Config, nil)
	if err != nil {
		return nil, err
	}
	defer h.Kill()
	times, _, err := warm(h, terms, words)
	if err != nil {
		return nil, err
	}
	return times, h.Stop()
}

// coldStart is how long a new process takes for a first answer.
func (b *bench) coldStart(l *testbed.Laptop, name string) (took, error) {
	start := time.Now()
	h, err := b.start(l, "resolve", "none", name)
	if err != nil {
		return 0, err
	}
	defer h.Kill()
	lines, err := h.Reply(nil)
	t := took(time.Since(start))
	if err := failed(lines, err); err != nil {
		return 0, err
	}
	return t, h.Stop()
}

// metadata measures how much a laptop that knows nothing downloads to be ready to install one
// program, without a refresh.
func (b *bench) metadata(p *platform, serverURL string) error {
	link, err := testbed.NewLink(serverURL, testbed.Weather{})
	if err != nil {
		return err
	}
	defer link.Close()
	l, err := testbed.NewLaptop(b.folder("laptop"), p.name, link.URL, "presolve", b.key.Fingerprint, "", p.base...)
	if err != nil {
		return err
	}
	h, err := b.start(l)
	if err != nil {
		return err
	}
	defer h.Kill()
	id, first, err := resolve(h, p.wanted())
	if err != nil {
		return err
	}
	lines, _, err := do(h, "install-packages", "simulate", id)
	if err != nil {
		return err
	}
	n := 0
	for _, line := range lines {
		if strings.HasPrefix(line, "package\t") {
			n++
		}
	}
	b.table.add(row{what: fmt.Sprintf("helper: metadata on the wire for one install (%s, %d packages), headers and all", p.wanted(), n), figure: bytes(link.Received.Load()), budget: bytes(20 << 10)})
	b.table.add(row{what: "helper: the first resolve ever, without a refresh, loopback", figure: first})
	return h.Stop()
}

// resolve is the package id of a name that is offered.
func resolve(h *testbed.Helper, name string) (id string, t took, err error) {
	lines, t, err := do(h, "resolve", "none", name)
	if err != nil {
		return "", t, err
	}
	for _, l := range lines {
		if f := strings.Split(l, "\t"); f[0] == "package" && f[1] == "available" {
			return f[2], t, nil
		}
	}
	return "", t, fmt.Errorf("%s is not offered: %q", name, lines)
}

// some are n of the values, in an order that is the same in each run.
func some(random *rand.Rand, values []string, n int) []string {
	values = append([]string(nil), values...)
	random.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
	return values[:min(n, len(values))]
}
