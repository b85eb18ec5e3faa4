// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Who has rpm's lock is told by name.
func TestHolder(t *testing.T) {
	d := Database{Root: t.TempDir(), Path: "/db"}
	if got, err := Holder("/proc", d.LockFile()); got != "" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nobody: %q, %v", got, err)
	}
	if err := os.MkdirAll(d.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(d.LockFile())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := Holder("/proc", d.LockFile()); got != "" || err != nil {
		t.Errorf("nobody: %q, %v", got, err)
	}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	got, err := Holder("/proc", d.LockFile())
	if want := fmt.Sprintf(", process %d", os.Getpid()); err != nil || !strings.HasSuffix(got, want) || strings.HasPrefix(got, ",") {
		t.Errorf("%q, %v, want …%q", got, err, want)
	}
}

func TestHolderInLocks(t *testing.T) {
	const locks = "1: FLOCK  ADVISORY  WRITE 812 fe:00:42 0 EOF\n1: -> FLOCK  ADVISORY  WRITE 99 fe:00:43 0 EOF\n" +
		"2: POSIX  ADVISORY  READ 7 fe:00:44 0 EOF\n3: OFDLCK ADVISORY  WRITE -1 00:2b:45 0 EOF\nbroken\n4: FLOCK ADVISORY WRITE x y 0 EOF\n"
	for _, tt := range []struct {
		inode  uint64
		major  uint32
		pid    int
		locked bool
	}{{42, 0xfe, 812, true}, {42, 8, 0, false}, {43, 0xfe, 0, false}, {44, 0xfe, 0, false}, {45, 0, -1, true}, {46, 0, 0, false}} {
		if pid, locked := holder([]byte(locks), tt.inode, tt.major); pid != tt.pid || locked != tt.locked {
			t.Errorf("%d: %d, %t", tt.inode, pid, locked)
		}
	}
}
