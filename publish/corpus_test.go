// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
)

// The corpus's real RPMs, against a base in an RPM database, come out as a Sugar Network node has
// them.
func TestCorpusAsSugarNetworkHasIt(t *testing.T) {
	corpus, err := filepath.Abs("../../shared/corpus")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(corpus, "base", "*.rpm"))
	if err != nil || len(files) == 0 {
		t.Skip("THE CORPUS IS NOT HERE (../shared/corpus beside the repository): real RPMs are not published")
	}
	root := t.TempDir()
	args := append([]string{"--root", root, "--dbpath", "/var/lib/rpm", "-i", "--justdb", "--nodeps", "--noscripts", "--force-debian"}, files...)
	if out, err := exec.Command("rpm", args...).CombinedOutput(); err != nil {
		t.Fatalf("rpm: %v\n%s", err, out)
	}
	p, err := solve.Open(context.Background(), solve.Config{
		Arch: "x86_64", Repositories: []solve.Repository{{ID: "rpms", URL: "file://" + corpus + "/rpms"}}, Base: solve.Base{Root: root}, FileLists: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	o := Options{Platform: "debian-12-x86_64", Arch: "x86_64", Output: t.TempDir(), Layouts: Layouts, Copy: true, ValidFor: time.Hour, Now: time.Now()}
	if r := mustBuild(t, p, o); r.Totals.Solved != 115 {
		t.Errorf("%d of 115 are solved: %v", r.Totals.Solved, r.Unsolved)
	}
	mustFollow(t, o)
	nodes := followNodes(t, o)
	wanted, err := filepath.Glob(filepath.Join(corpus, "sugar-network/packages/presolve/*/*"))
	if err != nil || len(wanted) == 0 {
		t.Fatal(wanted, err)
	}
	for _, name := range wanted {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var want map[string][]nodeRPM
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		got := nodes[filepath.Base(name)]
		for _, n := range []map[string][]nodeRPM{got, want} {
			for _, list := range n {
				slices.SortFunc(list, func(a, b nodeRPM) int { return cmp.Compare(a.Path, b.Path) })
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %v\nwant %v", filepath.Base(name), got, want)
		}
	}
}
