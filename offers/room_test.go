// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// Where the disk is too small, nothing is downloaded, and the record is as it was.
func TestRoom(t *testing.T) {
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED, this needs root: %v, %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "--lazy", disk).Run() })
	folder := t.TempDir()
	o := newOffers(t, nil, Source{ID: "school", URL: "file://" + folder, Layout: Presolve})
	o.State = disk
	sha := strings.Repeat("0", 64)
	small := publication{Serial: 1, Packages: map[string][]string{"paint-1-1.noarch": nil}}
	large := small
	large.Change = func(p *tree.Platform) {
		p.Search.Unpacked, p.Search.Path, p.Search.SHA256 = 32<<20, "search/"+sha[:16]+".zst", sha
	}
	large.write(t, folder) // what is asked for would be not found
	err := o.Refresh(t.Context(), nobody{}, true)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), disk) {
		t.Error(err)
	}
	if p, err := o.layout(o.Sources[0]).kept(o.Sources[0]); p != nil || err != nil {
		t.Errorf("the record has %v, %v", p, err)
	}
	small.write(t, folder)
	if err := o.Refresh(t.Context(), nobody{}, true); err != nil {
		t.Errorf("what there is room for: %v", err)
	}
	if l, err := o.Line(Wanted{Name: "paint"}); l == nil || err != nil {
		t.Errorf("%v, %v", l, err)
	}
	// It has become full since.
	must(t, os.WriteFile(filepath.Join(disk, "full"), make([]byte, 20<<20), 0o644))
	if _, err := o.download(t.Context(), "school", tree.Ref{Path: "trees/none", Size: tree.MaxTreeFile}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a tree: %v", err)
	}
}

// All catalogues together are bounded.
func TestCataloguesAreBounded(t *testing.T) {
	dir := t.TempDir()
	publication{Serial: 1, Packages: map[string][]string{"paint-1-1.noarch": nil}}.write(t, filepath.Join(dir, "d"))
	o := newOffers(t, nil, Source{ID: "d", URL: "file://" + filepath.Join(dir, "d"), Layout: Presolve})
	must(t, o.Refresh(t.Context(), nobody{}, false))
	for _, f := range o.view.files { // as much as all of them may have
		for _, more := range []int64{maxLoaded - f.Size(), maxLoaded - f.Size() + 1} {
			if err := o.fits(Source{ID: "another"}, more); (err != nil) != (more+f.Size() > maxLoaded) {
				t.Errorf("%d bytes beside %d: %v", more, f.Size(), err)
			}
		}
		if err := o.fits(Source{ID: "d"}, maxLoaded); err != nil { // in the place of what it has
			t.Error(err)
		}
	}
}

// nobody waits.
type nobody struct{}

func (nobody) Doing(Activity) {}
func (nobody) Done(int, int)  {}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
