// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// LockFile is what rpm locks while it changes the system (rpmlock.c).
func (d Database) LockFile() string { return filepath.Join(d.Dir(), ".rpm.lock") }

// Holder is who has locked a file for writing, for people: "dnf, process 1234"; "" where nobody has. proc
// is where /proc is. The error is fs.ErrNotExist where the file isn't there.
func Holder(proc, file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	locks, err := os.ReadFile(filepath.Join(proc, "locks"))
	if err != nil {
		return "", err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", nil
	}
	pid, locked := holder(locks, stat.Ino, unix.Major(stat.Dev))
	if !locked {
		return "", nil
	}
	return Process(proc, pid), nil
}

// holder finds in /proc/locks (proc(5)) who has locked a file for writing. Of its disk only the kind is
// compared: btrfs calls one disk by several minor numbers.
func holder(locks []byte, inode uint64, major uint32) (pid int, locked bool) {
	lines := bufio.NewScanner(bytes.NewReader(locks))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] == "->" || f[3] != "WRITE" { // "->": one that waits
			continue
		}
		disk := strings.Split(f[5], ":")
		if len(disk) != 3 || disk[2] != strconv.FormatUint(inode, 10) {
			continue
		}
		if m, err := strconv.ParseUint(disk[0], 16, 32); err == nil && uint32(m) == major {
			pid, _ = strconv.Atoi(f[4])
			return pid, true
		}
	}
	return 0, false
}

// Process is a process for people: "dnf, process 1234".
func Process(proc string, pid int) string {
	if pid <= 0 { // of another namespace
		return "another process"
	}
	name, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "comm"))
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
