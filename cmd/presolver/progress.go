// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
)

// progress shows how far a command is: as a bar on a terminal, as a plain line now and then
// elsewhere, not at all where it is to be quiet. Its methods may be called by several goroutines.
type progress struct {
	w        *os.File
	terminal bool
	quiet    bool
	stop     chan struct{} // closed by close

	mu       sync.Mutex // guards what is below
	bar      *progressbar.ProgressBar
	of       string // what bar is of: a file, or the names
	noted    string
	done     int // names,
	all      int // of so many; 0: none yet
	download solve.Progress
	closed   bool
}

// every is how often a plain line comes.
const every = 30 * time.Second

func newProgress(w *os.File, quiet bool) *progress {
	p := &progress{w: w, terminal: term.IsTerminal(int(w.Fd())), quiet: quiet, stop: make(chan struct{})}
	if !p.terminal && !quiet {
		go p.run()
	}
	return p
}

func (p *progress) run() {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.tick()
		case <-p.stop:
			return
		}
	}
}

// tick writes a line of how far it is.
func (p *progress) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var parts []string
	if p.all > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s", p.done, count(p.all, "name")))
	}
	if p.download.Bytes > 0 || p.download.Waiting {
		parts = append(parts, "downloaded "+downloaded(p.download))
	}
	// The same again says that it lives, and that nothing else does.
	if len(parts) > 0 && !p.closed {
		fmt.Fprintln(p.w, strings.Join(parts, "; "))
	}
}

// downloaded tells how far downloads are.
func downloaded(d solve.Progress) string {
	s := fmt.Sprintf("%s, %s", count(d.Files, "file"), size(d.Bytes))
	switch {
	case d.Waiting:
		s += ", and waiting: the link or the server is down, and is tried again"
	case d.Speed > 0:
		s += fmt.Sprintf(", at %s a second", size(d.Speed))
	}
	return s
}

// size is a number of bytes for people.
func size(n int64) string {
	for _, unit := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(unit.bytes), unit.name)
		}
	}
	return count(int(n), "byte")
}

// note says what begins. The same in a row is said once: several may wait for one thing.
func (p *progress) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet || what == p.noted {
		return
	}
	p.noted = what
	p.clear()
	fmt.Fprintln(p.w, solve.Visible(what))
}

// step says that done of so many names are done.
func (p *progress) step(done, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.all = max(p.done, done), of
	if bar := p.names(); bar != nil {
		bar.Set(p.done)
	}
}

// downloaded says how far downloads are.
func (p *progress) downloaded(d solve.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.download = d
	if p.all > 0 {
		if bar := p.names(); bar != nil {
			bar.Describe(downloaded(d))
		}
		return
	}
	if bar := p.show(d.File, max(d.FileSize, 1), progressbar.OptionShowBytes(true)); bar != nil {
		bar.Describe(solve.Visible(d.File))
		bar.Set64(min(d.FileDone, max(d.FileSize, 1)))
	}
}

// names is the bar of the names. mu is held.
func (p *progress) names() *progressbar.ProgressBar {
	return p.show("", int64(p.all), progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("trees"))
}

// show is the bar of something, on a terminal. mu is held.
func (p *progress) show(of string, most int64, options ...progressbar.Option) *progressbar.ProgressBar {
	if !p.terminal || p.quiet || p.closed {
		return nil
	}
	if p.bar == nil || p.of != of {
		p.clear()
		p.of = of
		p.bar = progressbar.NewOptions64(most, append(options, progressbar.OptionSetWriter(p.w), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))...)
	}
	return p.bar
}

// clear takes the bar away. mu is held.
func (p *progress) clear() {
	if p.bar != nil {
		p.bar.Clear()
		p.bar = nil
	}
}

// close ends it.
func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if !p.closed {
		p.closed = true
		close(p.stop)
	}
}
