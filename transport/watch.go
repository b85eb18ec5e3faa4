package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

var errStalled = errors.New("stalled")

// A watch cuts a connection on which nothing arrives. It runs only while we wait for the network: a slow disk is
// no reason to cut.
type watch struct {
	ctx   context.Context
	limit time.Duration
	timer *time.Timer
	stop  context.CancelFunc
}

// newWatch derives the context of one try. The caller calls stop.
func newWatch(ctx context.Context, limit time.Duration) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(fmt.Errorf("no byte for %v: %w", limit, errStalled)) })
	timer.Stop()
	return &watch{ctx: ctx, limit: limit, timer: timer, stop: func() { timer.Stop(); cancel(nil) }}
}

func (w *watch) arm()    { w.timer.Reset(w.limit) }
func (w *watch) disarm() { w.timer.Stop() }

// cause says that it was the watch where err only says that the context ended.
func (w *watch) cause(err error) error {
	if cause := context.Cause(w.ctx); errors.Is(cause, errStalled) {
		return cause
	}
	return err
}

type watchedBody struct {
	io.ReadCloser
	w *watch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.w.arm()
	n, err := b.ReadCloser.Read(p)
	b.w.disarm()
	if err != nil && err != io.EOF {
		err = &trouble{kind: Interrupted, err: b.w.cause(err)}
	}
	return n, err
}
