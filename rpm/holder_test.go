// SPDX-License-Identifier: GPL-2.0-or-later

package rpm

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Who has rpm's lock is told by name.
func TestHolder(t *testing.T) {
	d := Database{Root: t.TempDir(), Path: "/db"}
	if got := d.Holder(); got != "" {
		t.Errorf("nobody: %q", got)
	}
	if err := os.MkdirAll(d.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(d.Dir(), lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := d.Holder(); got != "" {
		t.Errorf("nobody: %q", got)
	}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	if got, want := d.Holder(), fmt.Sprintf(", process %d", os.Getpid()); !strings.HasSuffix(got, want) || strings.HasPrefix(got, ",") {
		t.Errorf("%q, want …%q", got, want)
	}
}

func TestHolderInLocks(t *testing.T) {
	const locks = `1: FLOCK  ADVISORY  WRITE 10 fd:01:77 0 EOF
2: POSIX  ADVISORY  WRITE 20 00:1b:99 0 EOF
2: -> POSIX  ADVISORY  WRITE 30 00:1b:99 0 EOF
3: POSIX  ADVISORY  READ
`
	for inode, want := range map[uint64]int{77: 10, 99: 20, 5: 0} {
		if got := holder(bufio.NewScanner(strings.NewReader(locks)), inode); got != want {
			t.Errorf("%d: %d, want %d", inode, got, want)
		}
	}
}
