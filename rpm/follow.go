// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A follower tells the steps of an rpm that works. A package is done when rpm begins with the next, or
// has ended well: what became of it, the database tells. How far rpm is between, the kernel tells, which
// knows where in which file it reads.
type follower struct {
	progress func(Step)
	reads    []os.FileInfo // of the files that rpm was given; nil: of one that isn't there
	last     *Step         // nil: there was none
}

func (f *follower) step(s Step) {
	if f.last != nil && (s.Stage != f.last.Stage || s.Package != f.last.Package || s.Arch != f.last.Arch) {
		f.done()
	}
	f.last = &s
	f.progress(s)
}

// done says that all of the last step is done.
func (f *follower) done() {
	if f.last != nil && f.last.Percent < 100 {
		f.last.Percent = 100
		f.progress(*f.last)
	}
}

// look tells how far the last step is, if that can be known and is further than before.
func (f *follower) look(pid int) {
	if f.last == nil {
		return // it reads the headers of all files
	}
	s := *f.last
	file, part := position(pid, f.reads)
	switch {
	case file < 0:
		return
	case s.Stage == Verifying: // one file after the other
		part = (float64(file) + part) / float64(len(f.reads))
	case s.Stage != Installing:
		return
	}
	if s.Percent = 100 * part; s.Percent > f.last.Percent {
		f.step(s)
	}
}

// stat are what tells files from others.
func stat(paths []string) (all []os.FileInfo) {
	for _, path := range paths {
		info, _ := os.Stat(path)
		all = append(all, info)
	}
	return all
}

// position tells which of some files a process reads, and how much of it it has read, 0 to 1. file is -1
// where it reads none of them, or /proc can't tell.
func position(pid int, files []os.FileInfo) (file int, part float64) {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	open, _ := os.ReadDir(filepath.Join(proc, "fd"))
	for _, fd := range open {
		is, err := os.Stat(filepath.Join(proc, "fd", fd.Name()))
		if err != nil || !is.Mode().IsRegular() {
			continue
		}
		for i, f := range files {
			if f == nil || f.Size() == 0 || !os.SameFile(f, is) {
				continue
			}
			info, _ := os.ReadFile(filepath.Join(proc, "fdinfo", fd.Name())) // proc_pid_fdinfo(5)
			_, rest, _ := strings.Cut(string(info), "pos:")
			var at int64
			if _, err := fmt.Sscan(rest, &at); err == nil && at >= 0 {
				return i, min(1, float64(at)/float64(f.Size()))
			}
		}
	}
	return -1, 0
}

// An output is what an rpm prints. It is read every now and then, not each line when it comes: rpm would
// be stopped for each of them, and a slow computer needs longer for that than for what they say.
type output struct {
	*os.File
	pid   int
	ended <-chan struct{} // rpm has: what is left is read at once
	idle  func()          // called every now and then while rpm prints nothing; nil: nobody is
	until time.Time       // nothing is read any more; zero: while rpm works
}

const (
	// pace is how long a step of rpm's may be unknown.
	pace = 100 * time.Millisecond
	// glance is how long nothing is known between two steps.
	glance = 500 * time.Millisecond
	// lingering is how long rpm's output is read on after its end: a daemon that a scriptlet started
	// may hold it open for ever.
	lingering = time.Second
)

func (o *output) Read(b []byte) (int, error) {
	for {
		deadline := time.Now().Add(glance)
		select {
		case <-o.ended:
			if o.until.IsZero() {
				o.until = time.Now().Add(lingering)
			}
			deadline = o.until
		default:
		}
		o.SetReadDeadline(deadline)
		n, err := o.File.Read(b)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && o.until.IsZero() {
			if o.idle != nil {
				o.idle()
			}
			continue
		}
		if err == nil && n < len(b) {
			select {
			case <-time.After(pace):
			case <-o.ended:
			}
		}
		return n, err
	}
}
