// SPDX-License-Identifier: GPL-2.0-or-later

package catalogue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

// TestMain is also the process that TestKilled kills.
func TestMain(m *testing.M) {
	if steps, err := strconv.Atoi(os.Getenv("CATALOGUE_STEPS")); err == nil {
		if err := killed(os.Args[1], os.Args[2], steps); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A countdown is a context that kills the process when it was asked so many times whether it has
// ended: before something is written, and before the rename.
type countdown struct {
	context.Context
	left *int
}

func (c countdown) Err() error {
	if *c.left == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	*c.left--
	return nil
}

func killed(how, path string, steps int) error {
	dying := countdown{ctx, &steps}
	if how == "write" {
		return Write(dying, path, after().search(), bytes.NewReader(packedLines(after().lines())))
	}
	old, err := Open(path)
	if err != nil {
		return err
	}
	m, lines := before().difference(rand.New(rand.NewPCG(7, 7)), 30, 3)
	return Merge(dying, path, m.search(), old, bytes.NewReader(packedLines(lines)))
}

func before() model { return long(5) }
func after() model  { return long(6) }

// long is a model with few lines and some segments.
func long(seed uint64) model {
	m := made(rand.New(rand.NewPCG(seed, seed)), 150, 3)
	for _, e := range m {
		if e.Version != "" {
			e.Description = strings.Repeat(e.Summary+" and ", 2000/len(e.Summary+" and "))
		}
	}
	return m.sorted()
}

// A writer that is killed anywhere leaves the old file or the new one, and what it leaves beside is
// gone after the next.
func TestKilled(t *testing.T) {
	m := before()
	merged, _ := m.difference(rand.New(rand.NewPCG(7, 7)), 30, 3)
	for how, to := range map[string]model{"write": after(), "merge": merged} {
		t.Run(how, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c")
			r := rand.New(rand.NewPCG(1, 1))
			f := m.write(t, path)
			must(t, f.Close())
			for steps := 0; ; steps++ {
				cmd := exec.Command(os.Args[0], how, path)
				cmd.Env = append(os.Environ(), "CATALOGUE_STEPS="+strconv.Itoa(steps))
				out, err := cmd.CombinedOutput()
				f, openErr := Open(path)
				must(t, openErr)
				if err == nil {
					if steps < 4 {
						t.Errorf("there are %d steps only", steps)
					}
					to.mustBe(t, f, r)
					must(t, f.Close())
					mustHaveOnly(t, filepath.Dir(path), "c")
					return
				}
				if !strings.Contains(err.Error(), "killed") {
					t.Fatalf("%v: %s", err, out)
				}
				must(t, f.Check(ctx))
				if f.Content() != m.search().Content {
					t.Fatalf("after %d steps it is neither", steps)
				}
				must(t, f.Close())
				if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 2 {
					t.Errorf("after %d steps there is %v, %v", steps, left, err)
				}
			}
		})
	}
}

func mustHaveOnly(t *testing.T, folder string, names ...string) {
	t.Helper()
	all, err := os.ReadDir(folder)
	must(t, err)
	var have []string
	for _, e := range all {
		have = append(have, e.Name())
	}
	if !slices.Equal(have, names) {
		t.Errorf("in the folder there is %q, and should be %q", have, names)
	}
}

// What isn't as its source promised is refused, and what was there stays.
func TestRefused(t *testing.T) {
	m := before()
	folder := t.TempDir()
	path := filepath.Join(folder, "c")
	f := after().write(t, path)
	s, lines := m.search(), string(m.lines())
	first, rest, _ := strings.Cut(lines, "\n")
	with := func(change func(s *tree.Search)) tree.Search {
		changed := s
		change(&changed)
		return changed
	}
	long := "z\t\t1-1\tnoarch\t\t\t\t" + strings.Repeat("a", 2000)
	for what, c := range map[string]struct {
		s     tree.Search
		whole []byte
	}{
		"another digest":    {with(func(s *tree.Search) { s.Content = after().search().Content }), packedLines([]byte(lines))},
		"a line more":       {with(func(s *tree.Search) { s.Lines++ }), packedLines([]byte(lines))},
		"a byte more":       {with(func(s *tree.Search) { s.Unpacked++ }), packedLines([]byte(lines))},
		"a byte less":       {with(func(s *tree.Search) { s.Unpacked-- }), packedLines([]byte(lines))},
		"not compressed":    {s, []byte(lines)},
		"cut off":           {s, packedLines([]byte(lines))[:5000]},
		"a line is missing": {s, packedLines([]byte(rest))},
		"not sorted":        {s, packedLines([]byte(rest + first + "\n"))},
		"a bad line":        {s, packedLines([]byte("!\n"))},
		"only a name":       {s, packedLines([]byte("a\n"))},
		"a text too long":   {s, packedLines([]byte(long + "\n"))},
		"nothing":           {s, nil},
	} {
		if err := Write(ctx, path, c.s, bytes.NewReader(c.whole)); err == nil || errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
		if err := Merge(ctx, path, c.s, f, bytes.NewReader(c.whole)); err == nil || errors.Is(err, ErrDamaged) {
			t.Errorf("%s, merged: %v", what, err)
		}
	}
	if _, err := WriteEntries(ctx, path, model{{NEVRA: tree.NEVRA{Name: "../a"}, Summary: "b"}}); err == nil {
		t.Error("what has no proper name is written")
	}
	mustHaveOnly(t, folder, "c")
	f, err := Open(path)
	must(t, err)
	defer f.Close()
	after().mustBe(t, f, rand.New(rand.NewPCG(1, 1)))
}

// ending reads until it ends a context.
type ending struct {
	io.Reader
	end context.CancelFunc
}

func (e ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p[:min(len(p), 4096)])
	if err == io.EOF {
		e.end()
	}
	return n, err
}

func TestCancelled(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "c")
	m := before()
	f := m.write(t, path)
	whole := packedLines(m.lines())
	changed, lines := m.difference(rand.New(rand.NewPCG(1, 1)), 10, 3)
	for range 2 {
		ctx, cancel := context.WithCancel(ctx)
		if err := Write(ctx, path, m.search(), ending{bytes.NewReader(whole), cancel}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := Merge(ctx, path, changed.search(), f, bytes.NewReader(packedLines(lines))); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	mustHaveOnly(t, folder, "c")
}

func TestDiskFull(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("NOT TESTED, a file system can't be mounted: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(folder, syscall.MNT_DETACH) })
	path := filepath.Join(folder, "c")
	m := before()
	f := m.write(t, path)
	must(t, os.WriteFile(filepath.Join(folder, "other"), make([]byte, 600<<10), 0o600))
	changed, lines := m.difference(rand.New(rand.NewPCG(1, 1)), 10, 3)
	for what, err := range map[string]error{
		"writing": Write(ctx, path, after().search(), bytes.NewReader(packedLines(after().lines()))),
		"merging": Merge(ctx, path, changed.search(), f, bytes.NewReader(packedLines(lines))),
	} {
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", what, err)
		}
	}
	mustHaveOnly(t, folder, "c", "other")
	must(t, os.Remove(filepath.Join(folder, "other")))
	m.mustBe(t, f, rand.New(rand.NewPCG(1, 1)))
}

// Writers that write into one folder at a time don't take each other's files for leftovers.
func TestWritersAtOnce(t *testing.T) {
	folder := t.TempDir()
	m := made(rand.New(rand.NewPCG(1, 1)), 300, 3)
	whole := packedLines(m.lines())
	must(t, os.WriteFile(filepath.Join(folder, aside+"left"), nil, 0o600))
	errs := make(chan error)
	const writers = 8
	for i := range writers {
		go func() {
			errs <- func() error {
				for range 10 {
					if err := Write(ctx, filepath.Join(folder, strconv.Itoa(i/2)), m.search(), bytes.NewReader(whole)); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range writers {
		must(t, <-errs)
	}
	mustHaveOnly(t, folder, "0", "1", "2", "3")
	info, err := os.Stat(filepath.Join(folder, "0"))
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
}
