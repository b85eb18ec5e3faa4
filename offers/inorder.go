// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"context"
	"iter"
)

// lookahead is how many downloads go on while the result of an earlier one is worked on.
const lookahead = 3

// A fetched is the result of one download.
type fetched[T any] struct {
	value T
	err   error
}

// inOrder downloads item 0 to n-1, a few lookahead of where the reader is, and gives the results in
// order, until the reader has enough. get is called from several goroutines.
func inOrder[T any](ctx context.Context, n int, get func(ctx context.Context, i int) (T, error)) iter.Seq2[int, fetched[T]] {
	return func(yield func(int, fetched[T]) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		downloads := make([]chan fetched[T], n)
		begin := func(i int) {
			downloads[i] = make(chan fetched[T], 1)
			go func() {
				value, err := get(ctx, i)
				downloads[i] <- fetched[T]{value, err}
			}()
		}
		for i := range min(lookahead, n) {
			begin(i)
		}
		for i := range n {
			f := <-downloads[i]
			downloads[i] = nil
			if i+lookahead < n && ctx.Err() == nil {
				begin(i + lookahead)
			} else if i+lookahead < n {
				downloads[i+lookahead] = make(chan fetched[T], 1)
				downloads[i+lookahead] <- fetched[T]{err: ctx.Err()}
			}
			if !yield(i, f) {
				return
			}
		}
	}
}
