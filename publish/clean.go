// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// waiting is the file in a layout's folder that tells until when files are kept that the last build
// doesn't have. A damaged one counts as none: then they wait anew.
const waiting = ".waiting.json"

// clean removes what no reader can ask for any more. A reader may go on with what was published
// until that expires, so a file that is no longer published waits until then: it is kept until the
// time until, which is not before the expiry of what was published last, counted from the first
// build that doesn't have it.
func (f *folder) clean(ctx context.Context, now, until time.Time, of func(name string) fate) error {
	was, next := Waiting(f.dir), make(map[string]time.Time)
	err := f.each(func(name string) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if f.has[name] {
			return nil
		}
		switch of(name) {
		case goes:
			return f.remove(name)
		case waits:
			end, ok := was[name]
			switch {
			case !ok:
				end = until.UTC()
			case now.After(end):
				return f.remove(name)
			}
			next[name] = end
		}
		return nil
	})
	if err != nil || maps.EqualFunc(was, next, time.Time.Equal) {
		return err
	}
	content, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", waiting, err)
	}
	if err := f.write(waiting, content); err != nil {
		return err
	}
	return f.appear(waiting)
}

// Waiting tells until when the files in a layout's folder are kept that the last build doesn't have, by
// their names; of an index by its folder's.
func Waiting(dir string) map[string]time.Time {
	was := make(map[string]time.Time)
	if data, err := os.ReadFile(filepath.Join(dir, waiting)); err == nil && json.Unmarshal(data, &was) != nil {
		clear(was)
	}
	return was
}
