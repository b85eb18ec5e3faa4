// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// names is a layout of one file, with the names of the trees, and the RPMs below it.
type names struct {
	folder *folder
	mu     sync.Mutex
	all    []string
}

func (n *names) begin(context.Context, []string) error { return nil }

func (n *names) add(t *tree.Tree, _ solve.Result) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, t.Name)
	return nil
}

func (n *names) index(context.Context) (bool, error) {
	slices.Sort(n.all)
	err := n.folder.replace("names.txt", []byte(strings.Join(n.all, " ")))
	return len(n.folder.last) > 0, err
}

func (n *names) stay() {}

func (n *names) head(context.Context, int64) error { return nil }

func (n *names) fate(name string) fate {
	if filepath.Ext(name) == ".rpm" {
		return waits
	}
	return stays
}

// A further layout is a Layout and a writer, and nothing else: it has the RPMs, appears with the
// others, makes a build a change, and is tidied.
func TestAThirdLayout(t *testing.T) {
	third := &Layout{
		Name: "names", NeedsRPMs: true, subs: []string{"", "all"}, rpms: "all/",
		dir:  func(o *Options) string { return filepath.Join(o.Output, "names", o.Platform) },
		open: func(_ *builder, f *folder) (writer, error) { return &names{folder: f}, nil },
	}
	was := Layouts
	Layouts = append(slices.Clone(Layouts), third)
	t.Cleanup(func() { Layouts = was })
	if LayoutNamed("names") != third || !slices.Equal(LayoutNames(), []string{"presolve", "sugar-network", "names"}) {
		t.Errorf("the layouts are %v", LayoutNames())
	}
	p1, p2 := openRepo(t, first), openRepo(t, second)
	for _, layouts := range [][]*Layout{{third}, {third, Presolve}, Layouts} {
		o := options(t)
		o.Layouts = layouts
		if _, err := Build(context.Background(), p1, p1.Names(), o); err == nil || !strings.HasSuffix(err.Error(), " needs copies of the RPMs") {
			t.Errorf("without RPMs: %v", err)
		}
		o.Copy = true
		dir := third.dir(&o)
		for i, p := range []*solve.Platform{p1, p1, p2, p2} {
			if i == 3 {
				o.Now = o.Now.Add(o.ValidFor + time.Minute)
			}
			r := mustBuild(t, p, o)
			if r.Changed != (i == 0 || i == 2 && len(layouts) > 1) {
				t.Errorf("build %d: %+v", i, r)
			}
			list, err := os.ReadFile(filepath.Join(dir, "names.txt"))
			old, new := filepath.Join(dir, "all/lib-1-1.x86_64.rpm"), filepath.Join(dir, "all/lib-2-1.x86_64.rpm")
			if err != nil || string(list) != "lib same write" || exists(old) != (i < 3) || exists(new) != (i > 1) {
				t.Errorf("build %d: %v, %s, the old RPM is there: %v, the new one: %v", i, err, list, exists(old), exists(new))
			}
		}
	}
}
