// SPDX-License-Identifier: GPL-2.0-or-later

package trust

import (
	"context"
	"sync"
)

// A file is one that Get may be asked for.
type file struct {
	name string
	most int64
}

// mostAhead files are asked for ahead, the last ones: others are asked for one by one.
const mostAhead = 4

// ahead begins to bring some files at once, rather than one after the other, each of which costs a round
// trip. The claim's Get waits for these; done lets go of those that nobody waited for, and has to be
// called.
func (c Claim) ahead(ctx context.Context, files []file) (_ Claim, done func()) {
	type answer struct {
		data []byte
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	answers := make(map[file]chan answer)
	var asking sync.WaitGroup
	get := c.Get
	for _, f := range files[max(0, len(files)-mostAhead):] {
		came := make(chan answer, 1)
		answers[f] = came
		asking.Go(func() {
			data, err := get(ctx, f.name, f.most)
			came <- answer{data, err}
		})
	}
	c.Get = func(ctx context.Context, name string, most int64) ([]byte, error) {
		came := answers[file{name, most}]
		if came == nil {
			return get(ctx, name, most)
		}
		a := <-came
		came <- a // for who asks again
		return a.data, a.err
	}
	return c, func() {
		cancel()
		asking.Wait()
	}
}
