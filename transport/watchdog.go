// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

var errStalled = errors.New("stalled")

// A watchdog cuts a connection that is too slow: each floor bytes must come within limit. It runs
// only while we wait for the network: a slow disk is no reason to cut.
type watchdog struct {
	ctx   context.Context
	limit time.Duration
	floor int64
	timer *time.Timer
	stop  context.CancelFunc

	came  int64         // of floor
	left  time.Duration // of limit
	armed time.Time
}

// newWatchdog derives the context of one try. The caller calls stop.
func newWatchdog(ctx context.Context, limit time.Duration, floor int64) *watchdog {
	ctx, cancel := context.WithCancelCause(ctx)
	slow := fmt.Errorf("no byte for %v: %w", limit, errStalled)
	if floor > 1 {
		slow = fmt.Errorf("less than %d bytes in %v: %w", floor, limit, errStalled)
	}
	timer := time.AfterFunc(limit, func() { cancel(slow) })
	timer.Stop()
	return &watchdog{ctx: ctx, limit: limit, floor: max(floor, 1), left: limit, timer: timer, stop: func() { timer.Stop(); cancel(nil) }}
}

func (w *watchdog) arm() {
	w.armed = time.Now()
	w.timer.Reset(max(w.left, 1))
}

// disarm says that so many bytes came.
func (w *watchdog) disarm(n int64) {
	w.timer.Stop()
	w.came += n
	w.left -= time.Since(w.armed)
	if w.came >= w.floor {
		w.came, w.left = 0, w.limit
	}
}

// cause says that it was the watchdog where err only says that the context ended.
func (w *watchdog) cause(err error) error {
	if cause := context.Cause(w.ctx); errors.Is(cause, errStalled) {
		return cause
	}
	return err
}

type watchedBody struct {
	io.ReadCloser
	w          *watchdog
	came, told int64
	tell       func(came int64) // called at the end, and before that whenever twice as many are there; nil: nobody asks
	// pace is called with the number of bytes that came, and returns when more may come, or says why
	// none may. nil: at once.
	pace func(context.Context, int) error
}

// soon is how many bytes a body tells of first.
const soon = 64 << 10

func (b *watchedBody) Read(p []byte) (int, error) {
	b.w.arm()
	n, err := b.ReadCloser.Read(p)
	b.w.disarm(int64(n))
	b.came += int64(n)
	if b.came >= max(soon, 2*b.told) {
		b.say()
	}
	if err != nil && err != io.EOF {
		err = &trouble{kind: Interrupted, err: b.w.cause(err)}
	}
	if n > 0 && b.pace != nil {
		if wrong := b.pace(b.w.ctx, n); wrong != nil && err == nil {
			err = &trouble{kind: Interrupted, err: wrong}
		}
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.say()
	return b.ReadCloser.Close()
}

func (b *watchedBody) say() {
	if b.tell != nil && b.came > b.told {
		b.tell(b.came)
		b.told = b.came
	}
}
