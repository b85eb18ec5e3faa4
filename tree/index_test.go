// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func compress(t testing.TB, text string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, zstd.WithWindowSize(maxWindow))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll([]byte(text), nil)
}

func reference(name string) *Reference {
	return &Reference{NEVRA: NEVRA{Name: name, Epoch: 2, Version: "1", Release: "1", Arch: "noarch"}, Summary: "Summary of " + name, Download: 77,
		Obsoletes: []string{"old" + name + " < 3"}, Tree: NewRef("trees/"+name+"@", []byte("tree of "+name), ".json")}
}

// references is an index of so many references in n shards.
func references(t testing.TB, all []*Reference, n int) (Index, [][]byte) {
	t.Helper()
	shards := make([][][]byte, n)
	for _, r := range all {
		line, err := r.Line()
		if err != nil {
			t.Fatal(err)
		}
		i := Shard(r.Name, n)
		shards[i] = append(shards[i], line)
	}
	x, files, err := EncodeIndex(shards)
	if err != nil {
		t.Fatal(err)
	}
	return x, files
}

func TestIndexRoundTrip(t *testing.T) {
	for _, n := range []int{1, 2, 8, 64} {
		want := make(map[string]*Reference)
		all := []*Reference{{NEVRA: NEVRA{Name: "gone"}, By: []string{"a", "b"}}}
		for i := range 3 * n {
			all = append(all, reference(fmt.Sprint("name-", i)))
		}
		for _, r := range all {
			want[r.Name] = r
		}
		x, files := references(t, all, n)
		if again, same := references(t, all, n); again != x || !slices.EqualFunc(files, same, bytes.Equal) {
			t.Error("the same lines give other bytes")
		}
		if err := x.check(); err != nil || len(files) != n || x.IsZero() || !(Index{}).IsZero() {
			t.Errorf("%+v: %v", x, err)
		}
		got := make(map[string]*Reference)
		for i, file := range files {
			if err := x.Lines(i, file, func(line []byte) error {
				r, err := x.ParseReference(i, line)
				if err == nil {
					got[r.Name] = r
				}
				return err
			}); err != nil {
				t.Errorf("shard %d of %d: %v", i, n, err)
			}
			if x.Check(i, file) != nil {
				t.Errorf("shard %d of %d isn't the one", i, n)
			}
			for j := range files {
				if j != i && (x.Check(j, file) == nil) {
					t.Errorf("shard %d of %d passes for %d", i, n, j)
				}
			}
			if name := fmt.Sprint("name-", i); x.Path("references", x.Shard(name)) != fmt.Sprintf("references/%s/%d", x.Root[:16], Shard(name, n)) {
				t.Error(x.Path("references", x.Shard(name)))
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %d references, want %d", len(got), len(want))
		}
	}
	if _, _, err := EncodeIndex(make([][][]byte, 3)); err == nil {
		t.Error("an index of three shards")
	}
	if _, _, err := EncodeIndex([][][]byte{{bytes.Repeat([]byte("a"), MaxShard+1)}}); !errors.Is(err, ErrLargeShard) {
		t.Error(err)
	}
}

// The tree over the shards is that of RFC 6962: the hash of two leaves, each of which begins with a
// zero byte, begins with a one.
func TestIndexRoot(t *testing.T) {
	x, files := references(t, []*Reference{reference("a")}, 2)
	h := func(prefix byte, parts ...[]byte) []byte {
		sum := sha256.Sum256(append([]byte{prefix}, bytes.Join(parts, nil)...))
		return sum[:]
	}
	if root := fmt.Sprintf("%x", h(1, h(0, files[0][32:]), h(0, files[1][32:]))); x.Root != root {
		t.Errorf("the root is %s, want %s", x.Root, root)
	}
}

func TestIndexRefused(t *testing.T) {
	x, files := references(t, []*Reference{reference("a"), reference("b"), reference("c")}, 4)
	number := Shard("a", 4)
	whole := files[number]
	change := func(f func(b []byte) []byte) []byte { return f(bytes.Clone(whole)) }
	for name, file := range map[string][]byte{
		"empty":             {},
		"hashes only":       whole[:64],
		"hashes cut off":    whole[:63],
		"truncated":         whole[:len(whole)-1],
		"longer":            change(func(b []byte) []byte { return append(b, 0) }),
		"a page of a login": []byte("<html>please log in</html>" + strings.Repeat(" ", 64)),
		"flipped in a hash": change(func(b []byte) []byte { b[5] ^= 1; return b }),
		"hashes swapped":    change(func(b []byte) []byte { return slices.Concat(b[32:64], b[:32], b[64:]) }),
		"flipped in lines":  change(func(b []byte) []byte { b[len(b)-3] ^= 1; return b }),
		"too large":         change(func(b []byte) []byte { return append(b, make([]byte, MaxShardFile)...) }),
	} {
		if x.Check(number, file) == nil {
			t.Errorf("%s: Check takes it", name)
		}
		if x.Lines(number, file, func([]byte) error { return nil }) == nil {
			t.Errorf("%s: Lines takes it", name)
		}
	}
	stop := errors.New("stop")
	calls := 0
	if err := x.Lines(number, whole, func([]byte) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("%v after %d lines, want yield's own error after the first", err, calls)
	}
}

func TestReferenceRefused(t *testing.T) {
	for name, change := range map[string]func(*Reference){
		"name with ../":            func(r *Reference) { r.Name = "../a" },
		"negative download":        func(r *Reference) { r.Download = -1 },
		"no tree":                  func(r *Reference) { r.Tree = Ref{} },
		"tree elsewhere":           func(r *Reference) { r.Tree = NewRef("files/a@", nil, ".json") },
		"a size that lies":         func(r *Reference) { r.Tree.Size = 1 << 40 },
		"obsoletes two in one":     func(r *Reference) { r.Obsoletes = []string{"a\nb"} },
		"obsoletes nothing":        func(r *Reference) { r.Obsoletes = []string{""} },
		"obsoletes at length":      func(r *Reference) { r.Obsoletes = []string{strings.Repeat("a", maxPath+1)} },
		"obsoletes in all much":    func(r *Reference) { r.Obsoletes = slices.Repeat([]string{strings.Repeat("a", 500)}, 300) },
		"a long summary":           func(r *Reference) { r.Summary = strings.Repeat("a", MaxPackageSummary+1) },
		"obsoleted by what is odd": func(r *Reference) { r.By = []string{"a b"} },
		"obsoleted by many":        func(r *Reference) { r.By = slices.Repeat([]string{"b"}, MaxBy+1) },
		"an odd name, obsoleted":   func(r *Reference) { r.Name, r.By = "-a", []string{"b"} },
	} {
		r := reference("a")
		change(r)
		line, err := r.Line()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := (Index{Shards: 1}).ParseReference(0, line); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, line := range []string{"", "hello", "[]", "null", "{}{}", `{"name":"a","ver`, `{"name":"a"}`, `{"obsoletes":[` + strings.Repeat(`"",`, MaxObsoletes+1000) + `""]}`} {
		if got, err := (Index{Shards: 1}).ParseReference(0, []byte(line)); err == nil {
			t.Errorf("%.40s: %+v", line, got)
		}
	}
	line, err := reference("gbrainy").Line()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		_, err := Index{Shards: 8}.ParseReference(i, line)
		if right := Shard("gbrainy", 8) == i; right != (err == nil) {
			t.Errorf("in shard %d of 8: %v; it belongs into %d", i, err, Shard("gbrainy", 8))
		}
	}
}

// 64 MB of line that are a few KB compressed: refused, and without room being made for them.
func TestShardBomb(t *testing.T) {
	bomb := compress(t, strings.Repeat(" ", 64<<20))
	x := Index{fmt.Sprintf("%x", leaf(bomb)), 1}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := x.Lines(0, bomb, func([]byte) error { return nil })
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a shard of %d bytes: %v", len(bomb), err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*MaxShard {
		t.Errorf("%d bytes were allocated on the way", used)
	}
}

func TestShard(t *testing.T) {
	// SHA-256 of "abc" begins with ba78: 1011 1010 0111 1000.
	for n, want := range map[int]int{1: 0, 2: 1, 4: 2, 8: 5, 16: 11, 256: 0xba, 1 << 16: 0xba78} {
		if got := Shard("abc", n); got != want {
			t.Errorf("Shard(abc, %d) = %d, want %d", n, got, want)
		}
	}
	x := Index{Shards: 256}
	var counts [256]int
	for i := range 63440 {
		counts[x.Shard(fmt.Sprint("package-", i))]++
	}
	for i, c := range counts {
		if c < 150 || c > 350 { // about 248
			t.Errorf("shard %d has %d names", i, c)
		}
	}
	for n, want := range map[int]int{0: 1, 1: 1, 48: 1, 49: 2, 1000: 32, 63440: 2048, 1 << 30: MaxShards} {
		if got := ReferenceShards(n); got != want || bits.OnesCount(uint(got)) != 1 {
			t.Errorf("ReferenceShards(%d) = %d, want %d", n, got, want)
		}
	}
}

// FuzzIndex gives a shard of an index that has anything: its hashes are right, and what is in it
// isn't.
func FuzzIndex(f *testing.F) {
	_, files := references(f, []*Reference{reference("a"), {NEVRA: NEVRA{Name: "b"}, By: []string{"a"}}}, 1)
	f.Add(files[0])
	f.Add(files[0][:len(files[0])/2])
	line, _ := reference("a").Line()
	f.Add(line)
	f.Add([]byte("{}\n\n{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if (Index{digest, 1}).Check(0, data) == nil || (Index{digest, 2}).Check(1, data) == nil {
			t.Error("an index of another root takes it")
		}
		for _, content := range [][]byte{data, compress(t, string(data))} { // the second: what is in the shard
			x := Index{fmt.Sprintf("%x", leaf(content)), 1}
			x.Lines(0, content, func(line []byte) error {
				if len(line) == 0 || bytes.ContainsRune(line, '\n') {
					t.Errorf("the line %q", line)
				}
				return nil
			})
		}
	})
}

func FuzzParseReference(f *testing.F) {
	line, _ := reference("a").Line()
	f.Add(line)
	f.Add([]byte(`{"name":"a","by":["b","c"]}`))
	f.Add([]byte(`{"name":"a","version":"1","release":"1","arch":"x","tree":{"path":"trees/../x"}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		x := Index{Shards: 1}
		r, err := x.ParseReference(0, line)
		if err != nil {
			return
		}
		if len(r.By) == 0 {
			checkFuzzed(t, r.NEVRA)
		} else if CheckName(r.Name) != nil {
			t.Errorf("the name %q", r.Name)
		}
		again, err := r.Line()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.ParseReference(0, again); err != nil {
			t.Errorf("what was read can't be read again: %v", err)
		}
	})
}
