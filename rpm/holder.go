// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockFile is what rpm locks while it changes the system (rpmlock.c), in the database's folder.
const lockFile = ".rpm.lock"

// Holder is who has rpm's lock, for people: "dnf, process 1234"; "" where nobody has, or it can't be
// told.
func (d Database) Holder() string {
	info, err := os.Stat(filepath.Join(d.Dir(), lockFile))
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return ""
	}
	defer f.Close()
	return Process(holder(bufio.NewScanner(f), stat.Ino))
}

// holder finds who has a lock on a file in /proc/locks (proc(5)); 0: nobody. Overlays and subvolumes
// have other devices there than stat tells, so the inode alone counts.
func holder(lines *bufio.Scanner, inode uint64) (pid int) {
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 || f[1] == "->" { // who waits
			continue
		}
		at := strings.Split(f[5], ":")
		if n, err := strconv.ParseUint(at[len(at)-1], 10, 64); err == nil && n == inode {
			pid, _ = strconv.Atoi(f[4])
			return pid
		}
	}
	return 0
}

// Process is a process for people: "dnf, process 1234"; "" where there is none.
func Process(pid int) string {
	if pid <= 0 {
		return ""
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	// A process may call itself what it likes.
	shown := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, strings.TrimSpace(string(name)))
	return fmt.Sprintf("%s, process %d", shown, pid)
}
