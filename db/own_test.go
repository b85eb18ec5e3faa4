// SPDX-License-Identifier: GPL-2.0-or-later

package db

import (
	"fmt"
	"slices"
	"strings"
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
	all := make(map[string]string) // digests
	for _, text := range []string{"tree", "notices", "old tree", "old list"} {
		all[text] = digest([]byte(text))
		var members []tree.Package
		if strings.HasSuffix(text, "tree") {
			members = []tree.Package{{NEVRA: pkg("of the "+text, "1-1").NEVRA}}
		}
		must(t, r.KeepPublished(ctx, all[text], []byte(text), members))
	}
	if problems, err := r.Check(ctx); problems != nil || err != nil {
		t.Errorf("%q, %v", problems, err)
	}
	but := []string{all["notices"], "of another", all["tree"]}
	for _, want := range []int64{2, 0} {
		before, err := r.Unused(ctx, but)
		must(t, err)
		unused, err := r.Forget(ctx, but)
		if unused != want || before != want || err != nil {
			t.Errorf("%d were unused, %d before, %v, want %d", unused, before, err, want)
		}
	}
	for text, want := range map[string]bool{"tree": true, "notices": true, "old tree": false, "old list": false} {
		if _, ok := body(t, r, all[text]); ok != want {
			t.Errorf("the %s is there: %v", text, ok)
		}
	}
	if trees, err := r.Trees(); !slices.Equal(trees, []string{all["tree"]}) || err != nil {
		t.Errorf("trees: %q, %v", trees, err)
	}
	if trees, err := r.TreesWith("of the old tree", "1-1", "noarch"); trees != nil || err != nil {
		t.Errorf("trees with what is gone: %q, %v", trees, err)
	}
	if s, err := r.RPMState(); s != "" || err != nil {
		t.Errorf("the state is %q, %v", s, err)
	}
	update(t, r, "s1", "a")
	if got := names(t, r, Query{Text: []string{"summary of a"}}); got != "a" {
		t.Errorf("found %q", got)
	}
	if n, err := r.Forget(ctx, nil); n != 2 || err != nil {
		t.Errorf("of the rest %d went, %v", n, err)
	}
}
