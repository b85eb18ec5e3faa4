// SPDX-License-Identifier: GPL-2.0-or-later

// Command xo-guest runs in the virtual XO: it connects to an address and carries out the commands
// that come from there.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/e2e/xo/guest"
)

func main() {
	// Where memory is short, a program that is measured is to go, not who measures.
	os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0o644)
	conn, err := net.Dial("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "xo-guest:", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	out, in := json.NewEncoder(conn), json.NewDecoder(conn)
	reply := func(r guest.Reply) {
		mu.Lock()
		defer mu.Unlock()
		out.Encode(r)
	}
	for {
		var c guest.Command
		if in.Decode(&c) != nil {
			return
		}
		go func() {
			end := run(c.Args, func(line string) { reply(guest.Reply{ID: c.ID, Line: line}) })
			reply(guest.Reply{ID: c.ID, End: &end})
		}()
	}
}

// run carries out a command. each sees the lines that it prints.
func run(args []string, each func(string)) (end guest.End) {
	cmd := exec.Command("choom", append([]string{"-n", "0", "--"}, args...)...)
	r, w, err := os.Pipe()
	if err != nil {
		return guest.End{Status: err.Error()}
	}
	cmd.Stdout, cmd.Stderr = w, w
	start, busy, written := time.Now(), cpu(), sectors()
	err = cmd.Start()
	w.Close()
	if err != nil {
		return guest.End{Status: err.Error()}
	}
	lines := make(chan struct{})
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			each(s.Text())
		}
	}()
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			end.Memory = max(end.Memory, anonymous())
			if n%5 == 0 { // looking at all programs took a seventh of the computer's time
				end.Largest = max(end.Largest, largest())
			}
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
	}()
	// A daemon that it started may keep the pipe: its own end counts.
	if err := cmd.Wait(); err != nil {
		end.Status = err.Error()
	}
	end.Wall, end.CPU = time.Since(start), cpu()-busy
	close(ended)
	<-watched
	select {
	case <-lines:
	case <-time.After(time.Second):
	}
	r.Close()
	syscall.Sync()
	end.Written = sectors() - written
	return end
}

// field is a number from a file of lines such as "MemFree: 1234 kB", in bytes.
func field(path, name string) int64 {
	data, _ := os.ReadFile(path)
	_, rest, _ := strings.Cut(string(data), name+":")
	value, _, _ := strings.Cut(rest, "kB")
	n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	return n << 10
}

func anonymous() int64 { return field("/proc/meminfo", "AnonPages") + field("/proc/meminfo", "Shmem") }

// largest is the most that one of the programs that run has had in memory, but for this one.
func largest() (most int64) {
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range processes {
		if filepath.Base(p) != strconv.Itoa(os.Getpid()) {
			most = max(most, field(p+"/status", "VmHWM"))
		}
	}
	return most
}

// cpu is what the computer's core has worked so far.
func cpu() (busy time.Duration) {
	data, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(data), "\n")
	for i, f := range strings.Fields(line)[1:] {
		if n, _ := strconv.ParseInt(f, 10, 64); i != 3 && i != 4 && i < 8 { // idle, iowait; guests are in the others
			busy += time.Duration(n) * time.Second / 100
		}
	}
	return busy
}

// sectors are the bytes that were written to the disk so far.
func sectors() int64 {
	data, _ := os.ReadFile("/sys/block/vda/stat")
	if f := strings.Fields(string(data)); len(f) > 6 {
		n, _ := strconv.ParseInt(f[6], 10, 64)
		return n * 512
	}
	return 0
}
