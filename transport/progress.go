// SPDX-License-Identifier: GPL-2.0-or-later

package transport

import (
	"os"
	"sync"
	"time"
)

// Progress tells how far a Fetch is.
type Progress struct {
	// File is the index of the file that this is about, FileDone the bytes of it that are there.
	File     int
	FileDone int64
	// Done is the bytes of all files that are there, those from before included; it goes back where
	// bytes turn out wrong. Total is the bytes of all files, 0 while the size of one is unknown.
	Done, Total int64
	// Speed is in bytes a second over all connections, smoothed over some seconds.
	Speed int64
	// Finished tells that this file is whole at its Path. It comes once for each file.
	Finished bool
	// Waiting tells that nothing comes at all, and that all downloads wait before they try again:
	// the link is down, or the servers are. The first report without it says that bytes come again.
	Waiting bool
}

const (
	reportEvery = 100 * time.Millisecond // a file
	smoothing   = 3 * time.Second
)

// meters add up the files of one Fetch. Its lock is held while report runs.
type meters struct {
	mu     sync.Mutex
	now    func() time.Time
	report func(Progress)

	done    int64
	total   int64
	unknown int // files of unknown size
	came    int64
	since   time.Time // came counts from here
	speed   float64

	running     int  // files that are being brought
	waiting     int  // of them
	toldWaiting bool // the last report said so
}

// A meter is one file's.
type meter struct {
	*meters
	indexes    []int
	done, size int64 // size 0: unknown
	reported   time.Time
	waits      bool
}

func newMeters(jobs []*job, now func() time.Time, report func(Progress)) *meters {
	if report == nil {
		report = func(Progress) {}
	}
	m := &meters{now: now, report: report, since: now()}
	for _, j := range jobs {
		j.meter = &meter{meters: m, indexes: j.indexes, size: j.file.Size, done: j.file.onDisk()}
		m.done += j.meter.done
		m.total += j.meter.size
		if j.meter.size == 0 {
			m.unknown++
		}
	}
	return m
}

// onDisk is how many bytes seem to be there from before, so that the first report is not far off.
func (f *File) onDisk() int64 {
	for _, path := range []string{f.Path, f.Path + PartSuffix} {
		if fi, err := os.Lstat(path); err == nil && (f.Size == 0 || fi.Size() <= f.Size) {
			return fi.Size()
		}
	}
	return 0
}

// set says how many bytes of how many are there.
func (m *meter) set(done, size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.update(done, size)
}

func (m *meter) update(done, size int64) {
	m.meters.done += done - m.done
	m.total += size - m.size
	if m.size == 0 && size > 0 {
		m.unknown--
	} else if m.size > 0 && size == 0 {
		m.unknown++
	}
	m.done, m.size = done, size
}

// gain says that n bytes came over the network, and reports if it is time.
func (m *meter) gain(n, done, size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.update(done, size)
	m.came += n
	now := m.now()
	if d := now.Sub(m.since); d >= reportEvery {
		// An exponential average whose weight needs no math.Exp, which is slow without a floating
		// point unit.
		s, w := d.Seconds(), smoothing.Seconds()
		speed := float64(m.came) / s
		if m.speed == 0 {
			m.speed = speed
		}
		m.speed += (speed - m.speed) * s / (s + w)
		m.came, m.since = 0, now
	}
	m.waiting -= m.endWait()
	if now.Sub(m.reported) >= reportEvery || m.toldWaiting {
		m.reported = now
		m.tell(false)
	}
}

// finish says that the file is whole at its Path.
func (m *meter) finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell(true)
}

// begin says that the file is being brought, end that it isn't any more.
func (m *meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running++
}

func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running--
	m.waiting -= m.endWait()
	// The others may have waited for a while, and not said so because this one did well.
	if m.running > 0 && m.waiting == m.running && !m.toldWaiting {
		m.tellWaiting()
	}
}

// wait says that the file waits, until a byte of it comes.
func (m *meter) wait() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.waits {
		m.waits = true
		m.waiting++
	}
	if m.waiting == m.running && !m.toldWaiting {
		m.tellWaiting()
	}
}

// endWait ends the file's waiting and returns how many that makes fewer.
func (m *meter) endWait() int {
	if !m.waits {
		return 0
	}
	m.waits = false
	return 1
}

func (m *meter) tellWaiting() {
	m.toldWaiting, m.speed = true, 0
	m.tell(false)
}

func (m *meter) tell(finished bool) {
	p := Progress{FileDone: m.done, Done: m.meters.done, Total: m.total, Speed: int64(m.speed), Finished: finished}
	p.Waiting = m.toldWaiting && m.waiting == m.running && !finished
	m.toldWaiting = p.Waiting
	if m.unknown > 0 {
		p.Total = 0
	}
	for _, i := range m.indexes {
		p.File = i
		m.report(p)
	}
}
