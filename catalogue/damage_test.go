// SPDX-License-Identifier: GPL-2.0-or-later

package catalogue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

func TestOpen(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "c")
	must(t, made(rand.New(rand.NewPCG(1, 1)), 300, 3).write(t, path).Close())
	whole, err := os.ReadFile(path)
	must(t, err)
	must(t, syscall.Mkfifo(filepath.Join(folder, "fifo"), 0o600))
	for name, content := range map[string][]byte{
		"empty": nil, "short": whole[:20], "zeros": make([]byte, len(whole)), "cut": whole[:len(whole)-1], "longer": append(slices.Clone(whole), 0),
		"of another version": append([]byte(kind+"0\n"), whole[len(magic):]...),
	} {
		must(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
	}
	for name, want := range map[string]error{
		"c": nil, "none": os.ErrNotExist, ".": ErrDamaged, "fifo": ErrDamaged, "empty": ErrDamaged, "short": ErrDamaged, "zeros": ErrDamaged, "cut": ErrDamaged, "longer": ErrDamaged,
	} {
		f, err := Open(filepath.Join(folder, name))
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if f != nil {
			f.Close()
		}
	}
	if _, err := Open(filepath.Join(folder, "of another version")); err == nil || errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

// mustBeOrDamaged compares a file that may be damaged with a model. Every error is ErrDamaged.
func (m model) mustBeOrDamaged(t *testing.T, f *File, r *rand.Rand) (damaged bool) {
	t.Helper()
	is := func(err error) bool {
		t.Helper()
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		damaged = damaged || err != nil
		return err == nil
	}
	for i := range 10 {
		name := m[r.IntN(len(m))].Name
		if found, err := f.Find(name); is(err) && show(found) != show(m.find(name)) {
			t.Fatalf("of %q there is\n%s", name, show(found))
		}
		q := Query{}
		if i > 0 {
			q = m.someQuery(r)
		}
		var found model
		if is(f.Search(q, func(e *tree.Entry) error {
			found = append(found, e)
			return nil
		})) && show(found) != show(m.query(q)) {
			t.Fatalf("for %q there is\n%s", q, show(found))
		}
	}
	if groups, err := f.Groups(); is(err) && !slices.Equal(groups, m.groups()) {
		t.Fatalf("the groups are %q", groups)
	}
	return damaged
}

// Wherever a byte is another one, the answers are right, or the error is ErrDamaged.
func TestDamaged(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "c")
	r := rand.New(rand.NewPCG(1, 1))
	m := made(r, 100, 3)
	f := m.write(t, path)
	changed, lines := m.difference(r, 10, 3)
	difference := packedLines(lines)
	whole, err := os.ReadFile(path)
	must(t, err)
	s := &f.segments[0]
	places := []uint32{0, s.at, s.index, s.index + uint32(s.blocks*tableEntry), s.names, s.signature, s.end, uint32(len(whole) - footer), uint32(len(whole))}
	for i, from := range places[:len(places)-1] {
		for range 40 {
			damaged := slices.Clone(whole)
			at := from + r.Uint32N(places[i+1]-from)
			damaged[at] ^= 1 << r.IntN(8)
			bad := filepath.Join(folder, "bad")
			must(t, os.WriteFile(bad, damaged, 0o600))
			f, err := Open(bad)
			if err != nil {
				if !errors.Is(err, ErrDamaged) && !strings.Contains(err.Error(), "of another version") {
					t.Fatal(err)
				}
				continue
			}
			m.mustBeOrDamaged(t, f, r)
			if !errors.Is(f.Check(ctx), ErrDamaged) {
				t.Fatalf("byte %d is another one and nobody sees it", at)
			}
			merged := filepath.Join(folder, "merged")
			if err := Merge(ctx, merged, changed.search(), f, bytes.NewReader(difference)); err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Fatal(err)
				}
			} else if err := os.Remove(merged); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
	}
	mustHaveOnly(t, folder, "bad", "c")
}

// A file that is cut off while it is in use, so that its pages can't be read, ends no process.
func TestCutOff(t *testing.T) {
	folder := t.TempDir()
	m := before()
	changed, lines := m.difference(rand.New(rand.NewPCG(1, 1)), 10, 3)
	for _, size := range []int64{0, 4096, 60 << 10, 100 << 10, 150 << 10} {
		path := filepath.Join(folder, fmt.Sprint(size))
		f := m.write(t, path)
		must(t, os.Truncate(path, size))
		if !m.mustBeOrDamaged(t, f, rand.New(rand.NewPCG(1, 1))) {
			t.Errorf("with %d bytes it is as good as ever", size)
		}
		if err := Merge(ctx, path+" merged", changed.search(), f, bytes.NewReader(packedLines(lines))); !errors.Is(err, ErrDamaged) {
			t.Errorf("merging: %v", err)
		}
		if f, err := Open(path); !errors.Is(err, ErrDamaged) {
			t.Errorf("opened: %v, %v", f, err)
		}
	}
}

// What is wrong in who gets the answers isn't taken for a damage.
func TestPanic(t *testing.T) {
	f := made(rand.New(rand.NewPCG(1, 1)), 10, 3).write(t, filepath.Join(t.TempDir(), "c"))
	defer func() {
		if recover() == nil {
			t.Error("the panic is gone")
		}
	}()
	f.Search(Query{}, func(*tree.Entry) error { panic("mine") })
}

func TestManyReaders(t *testing.T) {
	folder := t.TempDir()
	r := rand.New(rand.NewPCG(1, 1))
	m := made(r, 500, 3)
	f := m.write(t, filepath.Join(folder, "c"))
	changed, lines := m.difference(r, 10, 3)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() { m.mustBe(t, f, rand.New(rand.NewPCG(uint64(i), 1))) })
		all.Go(func() {
			if err := Merge(ctx, filepath.Join(folder, fmt.Sprint(i)), changed.search(), f, bytes.NewReader(packedLines(lines))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for range 4 {
		all.Go(func() {
			for {
				if _, err := f.Find(m[0].Name); err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	must(t, f.Close())
	all.Wait()
	must(t, f.Close())
	if err := f.Search(Query{}, nil); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// FuzzOpen spoils a file, with the checksums made right: nothing that is in it may do more than
// end in an error.
func FuzzOpen(f *testing.F) {
	for _, n := range []int{1, 30, 400} {
		path := filepath.Join(f.TempDir(), "c")
		made(rand.New(rand.NewPCG(1, 1)), n, 300).write(f, path)
		whole, err := os.ReadFile(path)
		must(f, err)
		f.Add(whole)
		f.Add(whole[:len(whole)/2])
	}
	m := made(rand.New(rand.NewPCG(1, 1)), 30, 3)
	_, lines := m.difference(rand.New(rand.NewPCG(1, 1)), 10, 3)
	difference := packedLines(lines)
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := len(data) - footer; n >= len(magic) {
			copy(data, magic)
			if size := binary.LittleEndian.Uint32(data[n:]); int64(size) <= int64(n-len(magic)) {
				binary.LittleEndian.PutUint32(data[n+4:], sumOf(data[n-int(size):n]))
			}
		}
		path := filepath.Join(t.TempDir(), "c")
		must(t, os.WriteFile(path, data, 0o600))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f, err := Open(path)
		if err != nil {
			return
		}
		defer f.Close()
		use := func(err error) {
			for i := range f.segments { // whatever is in the parts
				s := &f.segments[i]
				s.indexGood.Store(true)
				s.namesGood.Store(true)
				s.signGood.Store(true)
				s.good.Store(s.all())
			}
			if err != nil && !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
		}
		use(nil)
		found := 0
		count := func(*tree.Entry) error { found++; return nil }
		for _, q := range []Query{{}, {In: []string{"a", "c"}}, {Text: []string{"game", "a"}}, {In: []string{"ab"}, Text: []string{"\\n"}, Group: []string{"group 1", ""}}} {
			use(f.Search(q, count))
		}
		if found > 4*len(data) {
			t.Errorf("%d lines are found in %d bytes", found, len(data))
		}
		for _, name := range []string{"a", "c", "a9", "", "zzz"} {
			_, err := f.Find(name)
			use(err)
		}
		_, err = f.Groups()
		use(err)
		Merge(ctx, path+"2", m.search(), f, bytes.NewReader(difference))
		use(f.Check(ctx))
		runtime.ReadMemStats(&after)
		if most := uint64(32<<20 + 100*len(data)); after.TotalAlloc-before.TotalAlloc > most {
			t.Errorf("reading %d bytes took %d bytes of memory, more than %d", len(data), after.TotalAlloc-before.TotalAlloc, most)
		}
	})
}

// FuzzMerge merges whatever lines: what comes out is what the difference means, or an error where
// it has a line that none may have.
func FuzzMerge(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	m := made(r, 300, 3)
	for range 4 {
		_, lines := m.difference(r, 5, 3)
		f.Add(lines)
	}
	f.Add([]byte("a\na\t\t1-1\tnoarch\nb\t\t\t\t\t\t\t\t\t\ta,b\n"))
	old := m.write(f, filepath.Join(f.TempDir(), "c"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		file := packedLines(lines)
		replaced := make(map[string][]byte)
		bad := tree.SearchLines(bytes.NewReader(file), tree.MaxUnpacked, func(line []byte) error {
			e, err := tree.ParseEntry(line)
			if err == nil && len(e.Name) < len(line) {
				replaced[e.Name] = append(append(replaced[e.Name], line...), '\n')
			} else if err == nil {
				replaced[e.Name] = append(replaced[e.Name], ""...)
			}
			return err
		})
		var all [][]byte
		for _, e := range m {
			if _, ok := replaced[e.Name]; !ok {
				all = append(all, e.Line())
			}
		}
		for _, lines := range replaced {
			for line := range bytes.Lines(lines) {
				all = append(all, bytes.TrimSuffix(line, []byte("\n")))
			}
		}
		all = tree.SortLines(all)
		s := tree.Search{Content: tree.ContentOf(all), Lines: len(all)}
		for _, line := range all {
			s.Unpacked += int64(len(line)) + 1
		}
		folder := t.TempDir()
		path := filepath.Join(folder, "c")
		err := Merge(ctx, path, s, old, bytes.NewReader(file))
		if (bad == nil) != (err == nil) {
			t.Fatalf("%v, want %v", err, bad)
		}
		if err != nil {
			mustHaveOnly(t, folder)
			return
		}
		f, err := Open(path)
		must(t, err)
		defer f.Close()
		must(t, f.Check(ctx))
		n := 0
		must(t, f.Search(Query{}, func(*tree.Entry) error { n++; return nil }))
		for i := range f.segments {
			part := f.data[f.segments[i].index:f.segments[i].names]
			n += bytes.Count(part[f.segments[i].blocks*tableEntry:], []byte{successorsOnly})
		}
		if n != len(all) {
			t.Fatalf("%d lines, want %d", n, len(all))
		}
	})
}

func FuzzLower(f *testing.F) {
	for _, s := range []string{"", "ABCdefGHIjk[@`{z", "ÉCLAIR und Straße", "İK\xff\xc3", "学习 ABC"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := string(appendLower(nil, []byte(s))); got != strings.ToLower(s) {
			t.Errorf("%q is %q in lower case, want %q", s, got, strings.ToLower(s))
		}
	})
}
