// SPDX-License-Identifier: GPL-2.0-or-later

package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/solve/repotest"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Each file of each package is found by its path, and by its name; of a name that many files have
// there are some.
func TestEveryPathIsFound(t *testing.T) {
	packages := []repotest.Package{{NEVRA: "base-1-1.noarch"}, {NEVRA: "lib-1-1.x86_64", Files: []string{"/usr/lib/lib.so", "/usr/share/doc/lib/copyright"}}}
	want := map[string]string{"/usr/lib/lib.so": "lib app0", "/usr/share/doc/lib/copyright": "lib app0", "/opt": "app1 "}
	for i := range tree.MaxAlike + 5 {
		files := []string{fmt.Sprintf("/usr/share/doc/app%d/copyright", i), "/usr/share/apps"}
		if i == 1 {
			files = append(files, "/opt", "/usr/share/Ü \"b\"/c")
			want["/usr/share/Ü \"b\"/c"] = "app1 "
		}
		packages = append(packages, repotest.Package{NEVRA: fmt.Sprintf("app%d-1-1.noarch", i), Requires: []string{"lib"}, Files: files})
		want[files[0]] = fmt.Sprintf("app%d ", i)
	}
	var names []string
	for _, pkg := range packages[2:] {
		n, err := tree.ParseNEVRA(pkg.NEVRA)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, n.Name)
	}
	o := options(t)
	if _, err := Build(t.Context(), open(t, repotest.URL(repotest.New(t, packages...))), names, o); err != nil {
		t.Fatal(err)
	}
	x := mustFollow(t, o).platform.Capabilities
	found := func(by []int, match func(string) bool) map[string]string {
		all := make(map[string]string)
		for _, number := range by {
			data, err := os.ReadFile(filepath.Join(o.Output, o.Platform, x.Path("capabilities", number)))
			if err != nil {
				t.Fatal(err)
			}
			if err := x.Lines(number, data, func(line []byte) error {
				c, err := x.ParseCapability(number, line)
				if err == nil && match(c.Name) {
					all[c.Name] = c.Provides[0].Name + " " + c.Provides[0].In
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		return all
	}
	for name, who := range want {
		if got := found(x.CapabilityShards(name), func(s string) bool { return s == name }); len(got) != 1 || got[name] != who {
			t.Errorf("%s is in %q and not in %q", name, got, who)
		}
	}
	if got := found(x.CapabilityShards("copyright"), func(s string) bool { return filepath.Base(s) == "copyright" }); len(got) < tree.MaxAlike {
		t.Errorf("%d files are called copyright", len(got))
	}
	shared := found(x.CapabilityShards("/usr/share/apps"), func(s string) bool { return s == "/usr/share/apps" })
	if len(shared) != 1 {
		t.Errorf("what all have is in %q", shared)
	}
}

// Paths are held in parts, and go to where a reader looks for them.
func TestPaths(t *testing.T) {
	all := &allPaths{}
	long := "/" + string(slices.Repeat([]byte("x"), tree.MaxProvided))
	for i := range 2 * tree.MaxAlike {
		all.add(tree.Member{NEVRA: tree.NEVRA{Name: fmt.Sprintf("p%d", i), Version: "1", Release: "1", Arch: "noarch"}}, []string{fmt.Sprintf("/d%d/same", i), fmt.Sprintf("/d/own%d", i), long, "/d\n"})
	}
	all.spread()
	x := tree.Index{Shards: tree.MaxShards}
	bySame := 0
	for number := range x.Shards {
		lines, err := all.lines(number, number+1)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			c, err := x.ParseCapability(number, line)
			if err != nil {
				t.Error(err)
			} else if number == tree.CapabilityShard("same", x.Shards) && filepath.Base(c.Name) == "same" {
				bySame++
			}
		}
	}
	for i := range 2 * tree.MaxAlike {
		for _, name := range []string{fmt.Sprintf("/d%d/same", i), fmt.Sprintf("/d/own%d", i)} {
			n := 0
			for _, number := range x.CapabilityShards(name) {
				lines, err := all.lines(number, number+1)
				if err != nil {
					t.Fatal(err)
				}
				for _, line := range lines {
					if c, err := x.ParseCapability(number, line); err == nil && c.Name == name {
						n++
					}
				}
			}
			if n == 0 {
				t.Errorf("%s isn't found", name)
			}
		}
	}
	if bySame < tree.MaxAlike || bySame > tree.MaxAlike+2 {
		t.Errorf("%d are found by their name", bySame)
	}
}
