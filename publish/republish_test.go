// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
)

// What is resigned is valid for longer when that is due, is believed, and costs the next build nothing.
func TestResign(t *testing.T) {
	for _, versions := range []int{0, 2} {
		a := newAgain(t, t.TempDir(), first)
		keys := newKeys(t, versions)
		a.options.Signing = signedBy(t, keys, versions)
		signer := a.options.Signing.Signer
		a.options.Now = a.options.Now.Add(time.Minute)
		a.build(t)
		resign := func(after time.Duration) (time.Time, bool) {
			t.Helper()
			until, renewed, err := Resign(context.Background(), a.options.home(), signer, a.options.ValidFor, a.options.Now.Add(after))
			if err != nil {
				t.Fatal(err)
			}
			if p := mustFollow(t, a.options).platform; p.Serial != 1 || !p.Expires.Equal(until) || p.Keys != int64(versions) {
				t.Errorf("what is published is %+v and should be valid until %v", p, until)
			}
			keys.believed(t, a.options)
			return until, renewed
		}
		before := mustFollow(t, a.options).platform.Expires
		if until, renewed := resign(time.Hour); renewed || !until.Equal(before) {
			t.Errorf("it was renewed early, until %v", until)
		}
		if until, renewed := resign(6 * time.Hour); !renewed || !until.Equal(before.Add(6*time.Hour)) {
			t.Errorf("it is valid until %v and was until %v", until, before)
		}
		a.options.Now = a.options.Now.Add(7 * time.Hour)
		if a.unchanged(t) == nil {
			t.Error("the next build makes everything anew")
		}
		if _, _, err := Resign(context.Background(), a.options.home(), nil, a.options.ValidFor, a.options.Now.Add(9*time.Hour)); !errors.Is(err, ErrUnsigned) {
			t.Errorf("without a key: %v", err)
		}
		keys.believed(t, a.options)
	}
}

// What an earlier serial had is published under a new one, which laptops take that had the last one; it
// stays until that expires, whatever was waiting to go, and builds go on from it.
func TestRollback(t *testing.T) {
	dir := t.TempDir()
	a := newAgain(t, dir, first)
	keys := newKeys(t, 1)
	a.options.Signing = signedBy(t, keys, 1)
	signer := a.options.Signing.Signer
	laptop := newBeliever(t, keys.anchors)
	sees := func(serial int64, write string) *published {
		t.Helper()
		p := mustFollow(t, a.options)
		if got := p.trees["write"].Top().EVR(); p.platform.Serial != serial || got != write {
			t.Errorf("serial %d has write %s; it should be %d and %s", p.platform.Serial, got, serial, write)
		}
		if _, err := laptop.check(a.options); err != nil {
			t.Errorf("a laptop doesn't take serial %d: %v", serial, err)
		}
		return p
	}
	rollback := func(serial int64) error {
		_, err := Rollback(context.Background(), a.options.home(), serial, signer, a.options.ValidFor, a.options.Now)
		return err
	}
	a.build(t)
	old := sees(1, "1-1")
	repotest.Write(t, dir, second...)
	a.options.Now = a.options.Now.Add(9 * time.Hour)
	a.build(t)
	sees(2, "2-1")
	if err := rollback(1); err != nil {
		t.Fatal(err)
	}
	back := sees(3, "1-1")
	if back.platform.References.Root != old.platform.References.Root || !back.platform.Created.Equal(a.options.Now.UTC().Truncate(time.Second)) {
		t.Errorf("what is published is %+v and was %+v", back.platform, old.platform)
	}
	var report Report
	data, err := os.ReadFile(filepath.Join(a.options.home(), "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	if report.decode(data); report.Serial != 3 || report.RolledBackTo != 1 || report.Totals.Solved != 3 {
		t.Errorf("the report is %s", data)
	}

	// The next build publishes what the repositories have, of what it made for the second serial.
	a.options.Now = a.options.Now.Add(time.Hour)
	if a.unchanged(t) != nil {
		t.Error("what the repositories have is taken for what is published")
	}
	if r := a.build(t); r.Totals.TakenOver != r.Totals.Solved {
		t.Errorf("of %d trees %d were as they were", r.Totals.Solved, r.Totals.TakenOver)
	}
	sees(4, "2-1")
	// Serial 1 had expired long before, serial 3 hasn't.
	a.options.Now = a.options.Now.Add(8 * time.Hour)
	a.build(t)
	if name := filepath.Join(a.options.home(), back.references["write"].Tree.Path); !exists(name) {
		t.Error("a tree that the serial 3 names is gone before that expires")
	}
	if err := rollback(3); err != nil {
		t.Fatal(err)
	}
	sees(5, "1-1")
	a.options.Now = a.options.Now.Add(30 * time.Hour)
	a.build(t)
	a.options.Now = a.options.Now.Add(30 * time.Hour)
	a.build(t)
	if left := heads(a.options.home()); len(left) != 1 {
		t.Errorf("what has expired is there for ever: %v", left)
	}
}

// What can't be gone back to is refused, and all stays as it was.
func TestRollbackRefuses(t *testing.T) {
	dir := t.TempDir()
	a := newAgain(t, dir, first)
	a.build(t)
	old := mustFollow(t, a.options).references["write"].Tree.Path
	repotest.Write(t, dir, second...)
	a.build(t)
	if err := os.WriteFile(filepath.Join(a.options.home(), old), []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	is, err := os.ReadFile(filepath.Join(a.options.home(), "platform.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.options.home(), "platform@0123456789abcdef.json"), []byte(strings.Replace(string(is), `"serial":2`, `"serial":9`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, a.options.Output)
	for serial, want := range map[int64]string{
		1: old, // damaged
		2: "the serial 2 is what",
		3: "there are [1 2]",
		9: "there are [1 2]", // not what its name says
	} {
		_, err := Rollback(context.Background(), a.options.home(), serial, nil, a.options.ValidFor, a.options.Now)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("serial %d: %v", serial, err)
		}
	}
	after := snapshot(t, a.options.Output)
	for name, was := range before {
		if after[name] != was {
			t.Errorf("%s changed", name)
		}
	}
}
