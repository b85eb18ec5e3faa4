// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// memory is a process's, from /proc/PID/status; 0 where it isn't there any more. (The kernel's
// rusage would count this program's own memory too, since the child begins as a copy of it.)
func memory(pid int, field string) bytes {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), field+":"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return bytes(n << 10)
		}
	}
	return 0
}

// cpu is what a process has used, without its children, from /proc/PID/task/*/schedstat. What
// threads have used that ended isn't counted.
func cpu(pid int) (all took) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, path := range paths {
		data, _ := os.ReadFile(path)
		first, _, _ := strings.Cut(string(data), " ")
		n, _ := strconv.ParseInt(first, 10, 64)
		all += took(n)
	}
	return all
}

// children are a process's: those of its threads.
func children(pid int) (all []int) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, path := range paths {
		data, _ := os.ReadFile(path)
		for _, field := range strings.Fields(string(data)) {
			if n, err := strconv.Atoi(field); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}

// A cost is what a program took.
type cost struct {
	wall took
	peak bytes // of the process, without its children
	used took  // of the processors, with its children
}

// cost runs a program to its end.
func (b *bench) cost(cmd *exec.Cmd) (cost, string, error) {
	var c cost
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return c, "", err
	}
	stop := context.AfterFunc(b, func() { cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() { // the peak only grows, so that the last look is the right one
		defer close(watched)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			c.peak = max(c.peak, memory(cmd.Process.Pid, "VmHWM"))
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
	}()
	err := cmd.Wait()
	c.wall = took(time.Since(start))
	close(ended)
	<-watched
	c.used = took(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())
	if err != nil {
		text := out.String()
		return c, text, fmt.Errorf("%s: %w: %s", cmd.Path, err, text[max(0, len(text)-1000):])
	}
	return c, out.String(), nil
}

// start starts a laptop's helper, which is killed where this program is interrupted.
func (b *bench) start(l *testbed.Laptop, args ...string) (*testbed.Helper, error) {
	h, err := b.tools.Start(l.Config, nil, args...)
	if err == nil {
		context.AfterFunc(b, func() { h.Process.Kill() })
	}
	return h, err
}

// do sends a command; an error line is an error.
func do(h *testbed.Helper, words ...string) ([]string, took, error) {
	start := time.Now()
	lines, err := h.Do(words...)
	t := took(time.Since(start))
	return lines, t, failed(lines, err)
}

func failed(lines []string, err error) error {
	for _, l := range lines {
		if text, ok := strings.CutPrefix(l, "error\t"); ok {
			return fmt.Errorf("the helper says %s", strings.ReplaceAll(text, "\t", ": "))
		}
	}
	return err
}

// installed tells whether there is a program, and notes where there is none.
func (b *bench) installed(program string) bool {
	if _, err := exec.LookPath(program); err != nil {
		b.table.note("%s is not installed: not compared.", program)
		return false
	}
	return true
}
