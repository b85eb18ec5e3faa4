// SPDX-License-Identifier: GPL-2.0-or-later

// Package dispatcher is the helper's life: it carries out the command that the program was started
// with, then those that come on stdin, one at a time, until "exit", the end of stdin, a signal
// while idle, or a while without commands.
//
// A command that doesn't heed the end of its context is waited for: to leave it alone while the
// next one runs would be worse, and rpm must not be ended in the middle. Ops end within a second
// but where they said AllowCancel(false). PackageKit doesn't wait for longer than 2.5 s (up to 1.2)
// or 5 s after its signal, and then kills the helper, whatever it does by then; so a signal that
// cancelled a command ends the helper (Stays), without a "finished", after which PackageKit could give
// the next command to a helper that ends; and every op bears to be killed at any time:
// the kernel gives back its locks, the journal tells the next helper what was begun, partial files
// are continued, and an rpm that runs goes on, with the lock, to its end.
//
// Stdin is read while a command runs. A signal cancels the command that runs. Whatever an op does,
// each other command is answered by exactly one "finished", the next one is answered too, and nothing
// but the protocol goes out.
package dispatcher

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// A Dispatcher routes commands to ops.
type Dispatcher struct {
	Mux     ops.Mux
	In      io.Reader        // commands, one a line, words separated by tabs
	Out     io.Writer        // replies
	Err     io.Writer        // those that a dialect has on stderr; nil: Out
	Signals <-chan os.Signal // each cancels what runs, or ends an idle dispatcher
	Idle    time.Duration    // how long it waits for the next command
	OneShot bool             // only the first command
	Stays   bool             // after a command that a signal cancelled too: whoever sent it doesn't kill
	Dialect wire.Dialect
	Log     hclog.Logger

	idle    chan os.Signal // signals while nothing runs
	mu      sync.Mutex
	running string             // the command that runs
	ends    bool               // a signal has cancelled a command, and Stays isn't set
	cancel  context.CancelFunc // ends it; nil: none runs
}

// Exit statuses that PackageKit knows (pk-spawn.h).
const (
	Success = 0
	GaveUp  = 254 // after an error line
)

// Run carries out the first command, if there is one, and then those of In. It returns the exit
// status of the program.
func (d *Dispatcher) Run(first []string) int {
	hangup, hungUp := context.WithCancel(context.Background())
	defer hungUp()
	stderr := d.Err
	if stderr == nil {
		stderr = d.Out
	}
	w := wire.NewSplitWriter(d.Out, stderr, d.Dialect, hungUp)
	d.idle = make(chan os.Signal, 1)
	go d.watch(hangup.Done())
	lines := make(chan line)
	onStdin := d.OneShot && d.Dialect.ArgumentsOnStdin(first)
	if !d.OneShot || onStdin {
		go d.read(lines, hangup.Done())
	}
	ok := true
	if onStdin {
		first = append(first[:1:1], d.arguments(lines)...)
	}
	if len(first) > 0 {
		ok = d.carryOut(hangup, w, first, nil)
	}
	if d.OneShot || d.isEnding() {
		if !ok || hangup.Err() != nil {
			return GaveUp
		}
		return Success
	}
	idle := time.NewTimer(d.Idle)
	defer idle.Stop()
	for hangup.Err() == nil { // else nobody reads the replies
		idle.Reset(d.Idle)
		select {
		case l, more := <-lines:
			if !more || l.text == "exit" {
				return Success
			}
			d.carryOut(hangup, w, strings.Split(l.text, "\t"), l.err)
			if d.isEnding() {
				return GaveUp
			}
		case <-d.idle:
			return Success
		case <-idle.C:
			d.Log.Debug("nothing to do", "for", d.Idle)
			return Success
		}
	}
	return GaveUp
}

// arguments waits for a line that has the arguments of the first command, separated by tabs or
// spaces. There are none where it doesn't come: the command says what it takes, or is cancelled.
func (d *Dispatcher) arguments(lines <-chan line) []string {
	idle := time.NewTimer(d.Idle)
	defer idle.Stop()
	select {
	case l := <-lines:
		return strings.Fields(l.text)
	case sig := <-d.idle:
		d.idle <- sig
	case <-idle.C:
	}
	return nil
}

// carryOut answers one command, or says what is wrong with the line that should have been one.
func (d *Dispatcher) carryOut(ctx context.Context, w *wire.Writer, words []string, bad error) (ok bool) {
	w.Begin()
	err := bad
	if err == nil {
		err = d.do(ctx, w, words)
	}
	known := ops.AsError(err)
	if known != nil {
		d.Log.Info("a command failed", "command", fmt.Sprintf("%.40q", words[0]), "error", err)
	}
	if d.isEnding() && !d.OneShot {
		w.GiveUp(known)
	} else {
		w.Finish(known)
	}
	return known == nil
}

// do runs the op of a command. A signal cancels it; a panic is an error like others, and the
// record's transactions see to it that nothing is half-done.
func (d *Dispatcher) do(ctx context.Context, w *wire.Writer, words []string) (err error) {
	w.Answer(words[0])
	r, err := d.Dialect.Parse(words)
	if err != nil {
		return err
	}
	op := d.Mux[r.Command]
	if op == nil {
		return wire.Errorf(wire.NotSupported, "the command %s is not supported", r.Command)
	}
	ctx, cancel := context.WithCancel(ctx)
	d.begins(r.Command, cancel)
	defer func() {
		d.ended()
		cancel()
		if p := recover(); p != nil {
			d.Log.Error("a command panicked", "command", r, "panic", p, "stack", string(debug.Stack()))
			err = wire.Errorf(wire.InternalError, "%s failed inside: %v. The log has more, please report it", r.Command, p)
		}
	}()
	d.Log.Debug("command", "is", r)
	return op.Do(ctx, w, r)
}

// begins says which command signals cancel from now on, one too that has come before it.
func (d *Dispatcher) begins(command string, cancel context.CancelFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running, d.cancel = command, cancel
	select {
	case sig := <-d.idle:
		d.cancelled(sig)
	default:
	}
}

// ended says that no command runs.
func (d *Dispatcher) ended() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running, d.cancel = "", nil
}

// isEnding tells whether the helper is to end after a command that a signal cancelled.
func (d *Dispatcher) isEnding() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ends
}

// cancelled cancels the command that runs; d.mu is held.
func (d *Dispatcher) cancelled(sig os.Signal) {
	d.cancel()
	d.ends = !d.Stays
	d.Log.Info("cancelled", "signal", sig, "command", d.running)
}

// watch gives each signal to the command that runs: a second one is for the same command, not for
// the next one. Where none runs it is Run's, or the next command's. It is one goroutine for all
// commands: to start one for each and wait for its end is a tenth of a short answer.
func (d *Dispatcher) watch(stop <-chan struct{}) {
	for {
		select {
		case sig := <-d.Signals:
			d.signalled(sig)
		case <-stop:
			return
		}
	}
}

func (d *Dispatcher) signalled(sig os.Signal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancelled(sig)
		return
	}
	select {
	case d.idle <- sig:
	default: // another one is there
	}
}

// A line is one line of In without its end, or what is wrong with it.
type line struct {
	text string
	err  error
}

// read gives the lines of In until it ends. A line that is too long is read to its end and answered
// with an error.
func (d *Dispatcher) read(lines chan<- line, stop <-chan struct{}) {
	defer close(lines)
	in := bufio.NewReader(d.In)
	for {
		l, err := readLine(in)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				d.Log.Warn("reading commands", "error", err)
			}
			return
		}
		select {
		case lines <- l:
		case <-stop:
			return
		}
	}
}

func readLine(in *bufio.Reader) (line, error) {
	var text []byte
	size := 0
	for {
		part, err := in.ReadSlice('\n')
		size += len(part)
		if size <= wire.MaxLine+len("\r\n") {
			text = append(text, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err != nil && size == 0:
			return line{}, err
		case err != nil && !errors.Is(err, io.EOF):
			return line{}, fmt.Errorf("in the middle of a line: %w", err)
		}
		s := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
		if size > wire.MaxLine+len("\r\n") || len(s) > wire.MaxLine {
			return line{err: wire.Errorf(wire.InternalError, "a command of %d bytes came: the longest that is read has %d", size, wire.MaxLine)}, nil
		}
		return line{text: s}, nil
	}
}
