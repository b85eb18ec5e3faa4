// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// catalogue measures what it costs to know all that the big platform offers, for the first time and
// a day later, beside dnf's makecache.
func (b *bench) catalogue() error {
	p, err := b.platform()
	if err != nil {
		return err
	}
	dir := b.folder("day")
	var root atomic.Value
	root.Store(p.published)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.FileServer(http.Dir(root.Load().(string))).ServeHTTP(w, r)
	}))
	defer server.Close()
	link, err := testbed.NewLink(server.URL, testbed.Weather{})
	if err != nil {
		return err
	}
	defer link.Close()
	l, err := testbed.NewLaptop(b.folder("laptop"), p.name, link.URL, "presolve", b.key.Fingerprint, "", p.base...)
	if err != nil {
		return err
	}
	h, err := b.start(l)
	if err != nil {
		return err
	}
	defer h.Kill()
	if _, _, err := do(h, "get-packages", "installed"); err != nil { // the RPM database is read
		return err
	}
	pid := h.Process.Pid
	refresh := func() (used, bytes, bytes, error) {
		wire, written, cpu := link.Received.Load(), written(pid), usedBy(pid)
		_, t, err := do(h, "refresh-cache", "false")
		now := usedBy(pid)
		return used{t, now - cpu}, bytes(link.Received.Load() - wire), written.since(pid), err
	}
	b.say("refreshing the whole catalogue")
	first, wire, wrote, err := refresh()
	if err != nil {
		return err
	}
	onDisk, err := sizeBelow(l.State)
	if err != nil {
		return err
	}
	anonymous := memory(pid, "RssAnon")
	if err := nextDay(filepath.Join(p.published, p.name), filepath.Join(dir, p.name)); err != nil {
		return err
	}
	if err := b.tools.Sign(dir, b.keyFile()); err != nil {
		return err
	}
	root.Store(dir)
	day, dayWire, dayWrote, err := refresh()
	if err != nil {
		return err
	}
	if err := h.Stop(); err != nil {
		return err
	}
	what := fmt.Sprintf("catalogue: %d programs, the first time: ", len(p.names))
	cpuRow, wireRow := row{what: what + "CPU", figure: first.cpu}, row{what: what + "on the wire", figure: wire, budget: bytes(2 << 20)}
	dayRow := row{what: "catalogue: a day later, 1 % changed: on the wire", figure: dayWire, budget: bytes(64 << 10)}
	if b.installed("dnf") {
		b.say("dnf makecache")
		cpu, wire, err := b.makecache(p)
		if err != nil {
			return err
		}
		cpuRow.peer, cpuRow.other, cpuRow.times = "dnf makecache", cpu, 0.1
		wireRow.peer, wireRow.other = "dnf makecache", wire
		dayRow.peer, dayRow.other = "dnf makecache", wire
	}
	b.table.add(cpuRow)
	b.table.add(row{what: what + "wall", figure: first.wall})
	b.table.add(wireRow)
	b.table.add(row{what: what + "written", figure: wrote, budget: bytes(20 << 20)})
	b.table.add(row{what: what + "on disk, with the record", figure: onDisk, budget: bytes(16 << 20)})
	b.table.add(row{what: what + "anonymous memory after it", figure: anonymous})
	b.table.add(dayRow)
	b.table.add(row{what: "catalogue: a day later, 1 % changed: CPU", figure: day.cpu})
	b.table.add(row{what: "catalogue: a day later, 1 % changed: written", figure: dayWrote})
	return nil
}

// used is what something took.
type used struct{ wall, cpu took }

// usedBy is the processor time of a process with all its threads, from /proc/PID/stat, in 10 ms.
func usedBy(pid int) took {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(data), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return took((user + system) * 10_000_000)
}

// written is how many bytes a process has written, from /proc/PID/io.
func written(pid int) bytes {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "wchar: "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return bytes(n)
		}
	}
	return 0
}

func (n bytes) since(pid int) bytes { return written(pid) - n }

// sizeBelow is how many bytes the files below a folder have.
func sizeBelow(folder string) (all bytes, err error) {
	err = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all += bytes(info.Size())
		}
		return err
	})
	return all, err
}

// nextDay publishes in a folder what a platform offers after a night in which each hundredth of its
// packages was built anew. Only what a refresh asks for is there.
func nextDay(was, folder string) error {
	data, err := os.ReadFile(filepath.Join(was, "platform.json"))
	if err != nil {
		return err
	}
	p, err := tree.ParsePlatform(data, filepath.Base(was))
	if err != nil {
		return err
	}
	file, err := os.Open(filepath.Join(was, p.Search.Path))
	if err != nil {
		return err
	}
	defer file.Close()
	var lines [][]byte
	var changed []string
	err = tree.SearchLines(file, p.Search.Unpacked, func(line []byte) error {
		e, err := tree.ParseEntry(line)
		if err == nil && e.Version != "" && len(lines)%100 == 50 {
			e.Release += ".1"
			changed = append(changed, e.Name)
		}
		lines = append(lines, e.Line())
		return err
	})
	if err != nil {
		return err
	}
	lines = tree.SortLines(lines)
	before := p.Search.Content
	var whole []byte
	if p.Search, whole, err = tree.EncodeSearch("search/", lines); err != nil {
		return err
	}
	d, difference, err := tree.EncodeDifference("search", before, changed, lines)
	if err != nil {
		return err
	}
	p.Search.Differences = []tree.Difference{d}
	p.Serial++
	if err := os.MkdirAll(filepath.Join(folder, "search"), 0o755); err != nil {
		return err
	}
	head, err := p.Encode()
	for name, content := range map[string][]byte{p.Search.Path: whole, d.Path: difference, "platform.json": head} {
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), content, 0o644)
		}
	}
	return err
}

// makecache is what dnf takes to know the same repository.
func (b *bench) makecache(p *platform) (cpu took, wire bytes, err error) {
	server := httptest.NewServer(http.FileServer(http.Dir(p.repository)))
	defer server.Close()
	link, err := testbed.NewLink(server.URL, testbed.Weather{})
	if err != nil {
		return 0, 0, err
	}
	defer link.Close()
	root := filepath.Join(b.folder("makecache"), "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return 0, 0, err
	}
	cmd, err := b.dnf(root, link.URL)
	if err != nil {
		return 0, 0, err
	}
	cmd.Args = append(cmd.Args, "makecache")
	if _, _, err := b.cost(cmd); err != nil {
		return 0, 0, err
	}
	return took(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()), bytes(link.Received.Load()), nil
}
