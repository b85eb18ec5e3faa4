// SPDX-License-Identifier: GPL-2.0-or-later

package transaction

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

// onWrite calls itself with what is written.
type onWrite func(string)

func (f onWrite) Write(p []byte) (int, error) {
	f(string(p))
	return len(p), nil
}

// Who has the lock is told, and waiting for it ends with the command.
func TestTheLockIsTaken(t *testing.T) {
	state := t.TempDir()
	record, err := db.Open(t.Context(), filepath.Join(state, "record.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	net := transport.New(transport.Options{})
	defer net.Close()
	s, err := ops.NewSystem(t.Context(), ops.Config{Record: record, Net: net, RPM: rpm.Database{Root: t.TempDir(), Path: "/"}, State: state, Log: hclog.NewNullLogger()}, offers.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(state, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ holder, want string }{
		{fmt.Sprint(os.Getpid()), fmt.Sprintf(", process %d is changing", os.Getpid())},
		{"", "another process is changing"},
		{"0", "another process is changing"},
		{"-1", "another process is changing"},
		{"99999999999999999999", "another process is changing"},
		{fmt.Sprint(ended.Process.Pid), ""}, // its rpm is waited for
	} {
		if err := os.WriteFile(lock.Name(), []byte(test.holder+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w := wire.NewWriter(onWrite(func(line string) {
			if strings.Contains(line, "waiting-for-lock") {
				cancel()
			}
		}), wire.V1_2, nil)
		w.Begin()
		err := Change(ctx, s, w, func(*os.File) error { return errors.New("the lock was taken twice") })
		cancel()
		var known *wire.Error
		switch {
		case test.want == "":
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%q: %v", test.holder, err)
			}
		case !errors.As(err, &known) || known.Code != wire.CannotGetLock || !strings.Contains(known.Text, test.want):
			t.Errorf("%q: %v", test.holder, err)
		}
	}
}
