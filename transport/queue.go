// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A File is what Fetch is asked to bring.
type File struct {
	// URLs are tried in this order.
	URLs []string
	// Path is where the whole file ends up. On its way it is Path + ".part", which belongs to
	// Fetch, as does what begins with that name.
	Path string
	// Size in bytes; 0: unknown, what the source says counts.
	Size int64
	// Digest that the whole file has; "": unknown, a file of the right length passes.
	Digest tree.Digest
	// Label is what people call the file; empty: the last part of Path.
	Label string
}

// PartSuffix is what the name of a partial file has after that of the whole.
const PartSuffix = ".part"

func (f *File) label() string {
	if f.Label != "" {
		return f.Label
	}
	return filepath.Base(f.Path)
}

// Fetch downloads files, in order, Parallel at once, and blocks until each is whole at its Path,
// one fails for good, or ctx ends. In the latter two cases all stop and keep their partial files,
// from which the next Fetch goes on. A file that is at its Path already is read once and counts as
// done if it is right. Folders are made. They and the files are their owner's alone. A Path given
// twice is fetched once. Where another Fetch, of this process or another, is bringing the same
// file, this one waits for it and takes what it brought.
//
// report, if not nil, is called by one goroutine at a time and must not block for long: downloads
// wait for it. Fetch returns an *Error, or one that is ctx.Err().
func (c *Client) Fetch(ctx context.Context, files []File, report func(Progress)) error {
	jobs, err := plan(files)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("downloading: %w", err)
	}
	q := &queue{c: c, jobs: jobs, meters: newMeters(jobs, c.now, report), folders: map[string]bool{}}
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	q.stop = stop

	// Syncing is for a goroutine of its own: a connection must not idle while the disk works.
	whole := make(chan *job, unsettled)
	var settlers sync.WaitGroup
	for range min(settling, len(jobs)) {
		settlers.Go(func() { q.settle(running, whole) })
	}
	var workers sync.WaitGroup
	for range min(c.Parallel, len(jobs)) {
		workers.Go(func() { q.work(running, whole) })
	}
	workers.Wait()
	close(whole)
	settlers.Wait()

	err = q.syncFolders()
	switch {
	case q.finished == len(jobs):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("downloading: %w", ctx.Err())
	}
	return context.Cause(running)
}

// A job is one Path, and the indexes of the files that have it.
type job struct {
	file    *File
	indexes []int
	meter   *meter
	lock    *os.File // of the partial file, while it is ours
}

func (j *job) unlock() {
	if j.lock != nil {
		unlock(j.lock)
		j.lock = nil
	}
}

const (
	unsettled = 16 // whole files may wait for a slow disk
	settling  = 4  // are synced at once: a disk does several in little more time than one
)

// plan checks files and makes one job of those with the same Path.
func plan(files []File) ([]*job, error) {
	var jobs []*job
	byPath := make(map[string]*job, len(files))
	for i := range files {
		f := &files[i]
		path := filepath.Clean(f.Path)
		first := byPath[path]
		switch {
		case f.Path == "" || f.Size < 0:
			return nil, &Error{Kind: Denied, Label: f.label(), Err: fmt.Errorf("a file of %d bytes at %q can't be fetched", f.Size, f.Path)}
		case first == nil:
			first = &job{file: f}
			byPath[path] = first
			jobs = append(jobs, first)
		case first.file.Size != f.Size || !strings.EqualFold(string(first.file.Digest), string(f.Digest)):
			return nil, &Error{Kind: Denied, Label: f.label(), Err: fmt.Errorf("two different files are to be put at %s", path)}
		}
		first.indexes = append(first.indexes, i)
	}
	return jobs, nil
}

type queue struct {
	c       *Client
	meters  *meters
	stop    context.CancelCauseFunc
	mu      sync.Mutex
	jobs    []*job          // not yet begun
	folders map[string]bool // made, and with new names in them
	// finished counts the jobs whose file is at its Path.
	finished int
}

func (q *queue) finish(j *job) {
	q.mu.Lock()
	q.finished++
	q.mu.Unlock()
	j.meter.finish()
}

func (q *queue) next() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) == 0 {
		return nil
	}
	j := q.jobs[0]
	q.jobs = q.jobs[1:]
	return j
}

func (q *queue) work(ctx context.Context, whole chan<- *job) {
	for ctx.Err() == nil {
		j := q.next()
		if j == nil {
			return
		}
		if err := q.folder(j.file); err != nil {
			q.stop(localError(j.file.label(), err))
			return
		}
		j.meter.begin()
		present, err := q.c.fetch(ctx, j)
		j.meter.end()
		switch {
		case err != nil:
			q.stop(err)
			return
		case present:
			q.finish(j)
		default:
			whole <- j
		}
	}
}

// folder makes the folder of a file.
func (q *queue) folder(f *File) error {
	dir := filepath.Dir(f.Path)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.folders[dir] {
		return nil
	}
	q.folders[dir] = true
	return os.MkdirAll(dir, 0o700)
}

// settle gives whole files their names. When the queue stops they stay whole partial files: the
// next Fetch needs no network for them.
func (q *queue) settle(ctx context.Context, whole <-chan *job) {
	for j := range whole {
		if ctx.Err() != nil {
			j.unlock()
			continue
		}
		err := q.c.settle(j.file)
		j.unlock()
		if err != nil {
			q.stop(localError(j.file.label(), err))
			continue
		}
		q.finish(j)
	}
}

// syncFolders brings the names to the disk, once for all: after a power cut before that the files
// are whole at one name or the other.
func (q *queue) syncFolders() error {
	for dir := range q.folders {
		if err := q.c.sync(dir); err != nil && !errors.Is(err, syscall.EINVAL) { // some file systems can't
			return localError(dir, err)
		}
	}
	return nil
}
