// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"os"
	"sync"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
)

// progress shows how far a command is: as a bar on a terminal, as a few plain lines elsewhere. Its
// methods may be called by several goroutines.
type progress struct {
	w        *os.File
	terminal bool

	mu   sync.Mutex
	bar  *progressbar.ProgressBar
	said int // tenths, of those on plain lines
}

func newProgress(w *os.File) *progress {
	return &progress{w: w, terminal: term.IsTerminal(int(w.Fd()))}
}

// note says what begins.
func (p *progress) note(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, solve.Visible(what))
}

// step says that done of so many are done.
func (p *progress) step(done, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		if p.bar == nil {
			p.bar = progressbar.NewOptions(of, progressbar.OptionSetWriter(p.w), progressbar.OptionShowCount(),
				progressbar.OptionShowIts(), progressbar.OptionSetItsString("trees"), progressbar.OptionClearOnFinish(),
				progressbar.OptionThrottle(100_000_000))
		}
		if int64(done) > p.bar.State().CurrentNum {
			p.bar.Set(done)
		}
		return
	}
	if tenths := done * 10 / of; of >= 1000 && tenths > p.said {
		p.said = tenths
		fmt.Fprintf(p.w, "%d of %d\n", done, of)
	}
}

// close takes the bar away.
func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.Clear()
		p.bar = nil
	}
}
