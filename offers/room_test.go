// SPDX-License-Identifier: GPL-2.0-or-later

package offers

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// words make texts as packages have them: few of many words, and those often.
func words(r *rand.Rand, n int) string {
	var b strings.Builder
	for b.Len() < n {
		i := int(4000 * r.Float64() * r.Float64() * r.Float64())
		fmt.Fprintf(&b, "%s%s%s ", syllables[i%17], syllables[i/17%17], syllables[i/289])
	}
	return b.String()
}

var syllables = []string{"the", "lib", "ra", "ry", "for", "con", "fig", "ing", "sys", "tem", "de", "vel", "op", "er", "ment", "da", "ta"}

// noise makes texts of which no part comes twice.
func noise(n int, character func() rune) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteRune(character())
	}
	return b.String()
}

// What was asked of the disk is enough: for each shard, whatever is in it, and for the whole
// catalogue where it is like a distribution's.
func TestRecordShare(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ascii := func() rune { return rune('!' + r.IntN(94)) }
	unicode := func() rune { return rune(0x4e00 + r.IntN(20000)) }
	const small, large = 64 << 10, 512 << 10 // bytes of a shard, about
	for _, kind := range []struct {
		name        string
		shards, per int
		ordinary    bool
		fill        func(e *tree.Entry)
	}{
		{"a distribution", 32, small, true, func(e *tree.Entry) {
			e.Summary, e.Description, e.License, e.URL = words(r, 50), words(r, 250), "GPL-2.0-or-later", "https://example.org/"+e.Name
			e.Tree, e.Files = tree.NewRef("trees/"+e.Name+"@", []byte(e.Name), ".json"), tree.NewRef("files/"+e.Name+"@", []byte(e.Name), ".json")
			e.Provides = []string{"font(" + words(r, 6) + ")"}
		}},
		{"empty packages", 4, small, false, func(e *tree.Entry) {}},
		{"noise in ASCII, small shards", 16, small, false, func(e *tree.Entry) { e.Description = noise(tree.MaxPackageDescription-100, ascii) }},
		{"noise in ASCII", 2, large, false, func(e *tree.Entry) { e.Description = noise(tree.MaxPackageDescription-100, ascii) }},
		{"short noise in ASCII", 1, large, false, func(e *tree.Entry) { e.Summary = noise(200, ascii) }},
		{"noise in Unicode", 1, large, false, func(e *tree.Entry) { e.Description = noise(tree.MaxPackageDescription-100, unicode) }},
		{"much is provided", 2, large, false, func(e *tree.Entry) {
			for n := range tree.MaxProvides {
				e.Provides = append(e.Provides, fmt.Sprintf("%c%c", 'a'+n/64, '0'+n%64))
			}
		}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			dir := t.TempDir()
			record, err := db.Open(t.Context(), filepath.Join(dir, "record.sqlite"))
			must(t, err)
			defer record.Close()
			size := func(name string) int64 {
				info, err := os.Stat(filepath.Join(dir, name))
				must(t, err)
				return info.Size()
			}
			empty := size("record.sqlite")
			all, made, before := int64(0), 0, empty
			for shard := range kind.shards {
				var entries []*tree.Entry
				unpacked := int64(0)
				for unpacked < int64(kind.per) {
					e := &tree.Entry{NEVRA: tree.NEVRA{Name: fmt.Sprintf("package-%d", made), Version: "1", Release: "1", Arch: "noarch"}}
					made++
					kind.fill(e)
					line, err := json.Marshal(e)
					must(t, err)
					unpacked += int64(len(line))
					entries = append(entries, e)
				}
				must(t, record.AddShard(t.Context(), fmt.Sprint(shard), func(add func(*tree.Entry) error) error {
					for _, e := range entries {
						if err := add(e); err != nil {
							return err
						}
					}
					return nil
				}))
				all += unpacked
				after := size("record.sqlite")
				if got := after - before + size("record.sqlite-wal"); got > shardRoom(unpacked) {
					t.Errorf("shard %d of %d bytes took %d, and %d were asked for", shard, unpacked, got, shardRoom(unpacked))
				}
				before = after
			}
			got, log := before-empty, size("record.sqlite-wal")
			t.Logf("%d packages of %d bytes took %.1f times that, and %d in the log", made, all, float64(got)/float64(all), log)
			if kind.ordinary && (got > catalogueRoom(all, 0)-logRoom || log > logRoom) {
				t.Errorf("%d bytes took %d and %d in the log, and %d in all were asked for", all, got, log, catalogueRoom(all, 0))
			}
			whole, err := record.Size()
			must(t, err)
			must(t, record.Settle(t.Context()))
			if after, err := record.Size(); err != nil || after-whole+size("record.sqlite-wal") > whole+logRoom {
				t.Errorf("settling made %d bytes %d, with a log of %d, %v", whole, after, size("record.sqlite-wal"), err)
			}
		})
	}
}

// claim publishes a catalogue in a folder whose shards have one package each, and say that they
// have so many bytes.
func claim(t *testing.T, folder string, shards int, unpacked int64) (files []string) {
	t.Helper()
	at := filepath.Join(folder, stickPlatform)
	must(t, os.MkdirAll(filepath.Join(at, "catalogue"), 0o755))
	p := &tree.Platform{Format: tree.Format, Platform: stickPlatform, Arch: "x86_64", Serial: 1, Created: time.Now()}
	for i := range shards {
		name := ""
		for n := 0; name == "" || tree.Shard(name, shards) != i; n++ {
			name = fmt.Sprint("package-", filepath.Base(folder), "-", n)
		}
		body, ref, err := tree.EncodeShard([]*tree.Entry{{NEVRA: tree.NEVRA{Name: name, Version: "1", Release: "1", Arch: "noarch"}, Tree: tree.NewRef("trees/x@", []byte(name), ".json")}})
		must(t, err)
		ref.Unpacked = max(ref.Unpacked, unpacked)
		file := filepath.Join(at, ref.Path)
		must(t, os.WriteFile(file, body, 0o644))
		p.Catalogue, files = append(p.Catalogue, ref), append(files, file)
	}
	body, err := p.Encode()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(at, "platform.json"), body, 0o644))
	return files
}

// Where the disk is too small, nothing is downloaded, and the record is as it was.
func TestRoom(t *testing.T) {
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("NOT TESTED, this needs root: %v, %s", err, out)
	}
	t.Cleanup(func() { exec.Command("umount", "--lazy", disk).Run() })
	folder := t.TempDir()
	o := newOffers(t, Mounts{}, Source{ID: "school", URL: "file://" + folder, Layout: Presolve})
	o.State = disk
	for _, c := range []struct {
		name     string
		shards   int
		unpacked int64
	}{{"many shards", 64, 100 << 10}, {"one of them alone", 1, 1 << 20}} {
		for _, file := range claim(t, folder, c.shards, c.unpacked) {
			must(t, os.Remove(file)) // what is asked for would be not found
		}
		err := o.Refresh(t.Context(), nobody{}, true)
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), disk) {
			t.Errorf("%s: %v", c.name, err)
		}
		if loaded, err := o.Record.Shards(); len(loaded) != 0 || err != nil {
			t.Errorf("%s: the record has %v, %v", c.name, loaded, err)
		}
		if listed, err := o.Record.Listed("school"); len(listed) != 0 || err != nil {
			t.Errorf("%s: the record lists %v, %v", c.name, listed, err)
		}
	}
	claim(t, folder, 64, 1)
	if err := o.Refresh(t.Context(), nobody{}, true); err != nil {
		t.Errorf("what there is room for: %v", err)
	}
	if listed, err := o.Record.Listed("school"); len(listed) != 64 || err != nil {
		t.Errorf("the record lists %v, %v", listed, err)
	}
	// It has become full since.
	must(t, os.WriteFile(filepath.Join(disk, "full"), make([]byte, 20<<20), 0o644))
	if _, err := o.download(t.Context(), "school", tree.Ref{Path: "trees/none", Size: tree.MaxTreeFile}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a tree: %v", err)
	}
}

// All catalogues together are bounded, however many sticks there are.
func TestSticksAreBounded(t *testing.T) {
	dir := t.TempDir()
	const shards = tree.MaxUnpacked / tree.MaxShard
	for _, name := range []string{"a", "b", "c"} {
		claim(t, filepath.Join(dir, name), shards, tree.MaxShard)
	}
	claim(t, filepath.Join(dir, "d"), 1, 1)
	o := newOffers(t, Mounts{Folders: []string{dir}, Sources: true})
	if err := o.Refresh(t.Context(), nobody{}, false); err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]int{"stick-a": shards, "stick-b": shards, "stick-c": 0, "stick-d": 0} {
		if listed, err := o.Record.Listed(source); len(listed) != want || err != nil {
			t.Errorf("%s lists %d shards, %v, want %d", source, len(listed), err, want)
		}
	}
	if loaded, err := o.Record.Shards(); len(loaded) != maxLoaded/tree.MaxShard || err != nil {
		t.Errorf("%d shards are loaded, %v", len(loaded), err)
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
