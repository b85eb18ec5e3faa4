// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"fmt"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// A removal that failed leaves what was recorded; one that went through takes it away.
func TestRemovalsInTheJournal(t *testing.T) {
	r := fresh(t)
	update(t, r, "s1", "a", "b", "c")
	n := func(name string) tree.NEVRA { return pkg(name, "1-1").NEVRA }
	tx := &Transaction{Began: time.Unix(1, 0), Command: "install-packages", Plan: []Planned{
		{NEVRA: n("a"), Source: "school", Asked: true}, {NEVRA: n("b"), Source: "stick", By: []string{"a"}}}}
	must(t, r.Begin(ctx, tx))
	must(t, r.Conclude(tx, Done))
	owned := func() (s string) {
		all, err := r.OwnPackages()
		must(t, err)
		for _, p := range all {
			s += fmt.Sprint(p.Name, " ", p.Source, " ", p.Asked, " ", p.By, "; ")
		}
		return s
	}
	if got := owned(); got != "a school true []; b stick false [a]; " {
		t.Errorf("owned: %s", got)
	}
	tx = &Transaction{Began: time.Unix(1, 0), Command: "remove-packages", Plan: []Planned{{NEVRA: n("a"), Source: "school", Removed: true}, {NEVRA: n("b"), Removed: true}}}
	must(t, r.Begin(ctx, tx))
	all, err := r.Unfinished()
	must(t, err)
	if len(all) != 1 || !all[0].Plan[0].Removed {
		t.Errorf("unfinished: %+v", all)
	}
	must(t, r.Conclude(all[0], Failed)) // nothing went
	if got := owned(); got != "a school true []; b stick false [a]; " {
		t.Errorf("owned after a removal that failed: %s", got)
	}
	must(t, r.Begin(ctx, tx))
	update(t, r, "s2", "b", "c")
	must(t, r.Conclude(tx, Done))
	if got := owned(); got != "b stick false []; " {
		t.Errorf("owned after a removal: %s", got)
	}
}

func TestCheckAndForget(t *testing.T) {
	r := fresh(t)
	update(t, r, "s1", "a")
	why, old := digest([]byte("{}")), digest([]byte("{ }"))
	tellsWhy := fmt.Appendf(nil, `{"notices": {"sha256": %q}}`, why)
	hello := entry("hello", "1-1")
	hello.Tree = tree.NewRef("trees/hello@", tellsWhy, ".json")
	load(t, r, "school", "shard", hello)
	offers, err := r.Offers("hello")
	must(t, err)
	kept := offers[0].Entry.Tree.SHA256
	must(t, r.KeepPublished(ctx, kept, tellsWhy, nil))
	must(t, r.KeepPublished(ctx, why, []byte("{}"), nil))
	must(t, r.KeepPublished(ctx, old, []byte("{ }"), []tree.Package{{NEVRA: pkg("gone", "1-1").NEVRA}}))
	if problems, err := r.Check(ctx); problems != nil || err != nil {
		t.Errorf("%q, %v", problems, err)
	}
	before, err := r.Unused(ctx)
	must(t, err)
	unused, err := r.Forget(ctx)
	if unused != 1 || before != unused || err != nil {
		t.Errorf("%d were unused, %d before, %v", unused, before, err)
	}
	for sha, want := range map[string]bool{kept: true, why: true, old: false} {
		if _, ok := body(t, r, sha); ok != want {
			t.Errorf("%s is there: %v", sha, ok)
		}
	}
	if trees, err := r.TreesWith("gone", "1-1", "noarch"); trees != nil || err != nil {
		t.Errorf("trees with gone: %q, %v", trees, err)
	}
	if s, err := r.RPMState(); s != "" || err != nil {
		t.Errorf("the state is %q, %v", s, err)
	}
	update(t, r, "s1", "a")
	if got := names(t, r.Installed, Query{Text: []string{"summary of a"}}); got != "a" {
		t.Errorf("found %q", got)
	}
}
