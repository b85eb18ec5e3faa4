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
	"time"

	"github.com/klauspost/compress/zstd"
)

func entry(name string) *Entry {
	return &Entry{NEVRA: NEVRA{Name: name, Version: "1", Release: "1", Arch: "noarch"}, Summary: "Summary of " + name, Provides: []string{"mime(text/x)"},
		Tree: NewRef("trees/"+name+"@", []byte("tree of "+name), ".json"), Files: NewRef("files/"+name+"@", []byte("files"), ".json")}
}

func platform() *Platform {
	now := time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)
	return &Platform{Format: 1, Platform: "p", Arch: "i686", Serial: 3, Created: now, Expires: now.AddDate(0, 1, 0), Base: Base{digest, 7},
		Catalogue: []ShardRef{{NewRef("catalogue/", []byte("a"), ".jsonl.zst"), 1, 100}, {NewRef("catalogue/", []byte("b"), ".jsonl.zst"), 2, 999}}}
}

func TestPlatformRoundTrip(t *testing.T) {
	want := platform()
	got, err := ParsePlatform(mustEncode(t, want), "p")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestPlatformRefused(t *testing.T) {
	ref := func(change func(*Ref)) func(*Platform) { return func(p *Platform) { change(&p.Catalogue[1].Ref) } }
	tests := []struct {
		name   string
		change func(*Platform)
		says   string
	}{
		{"another platform", func(p *Platform) { p.Platform = "q" }, `platform "q" and not "p"`},
		{"no architecture", func(p *Platform) { p.Arch = "" }, "no architecture"},
		{"bad architecture", func(p *Platform) { p.Arch = "a;b" }, "no architecture"},
		{"no serial", func(p *Platform) { p.Serial = 0 }, "serial 0"},
		{"negative serial", func(p *Platform) { p.Serial = -1 }, "serial -1"},
		{"no shards", func(p *Platform) { p.Catalogue = nil }, "no power of two"},
		{"three shards", func(p *Platform) { p.Catalogue = append(p.Catalogue, p.Catalogue[0]) }, "no power of two"},
		{"path up", ref(func(r *Ref) { r.Path = "../" + r.Path }), "plain relative path"},
		{"absolute path", ref(func(r *Ref) { r.Path = "/" + r.Path }), "plain relative path"},
		{"path in another folder", ref(func(r *Ref) { r.Path = "trees/" + r.SHA256[:16] }), "should be in catalogue/"},
		{"path in a folder below", ref(func(r *Ref) { r.Path = "catalogue/x/" + r.SHA256[:16] }), "should be in catalogue/"},
		{"path without the digest", ref(func(r *Ref) { r.Path = "catalogue/x" }), "have the digest"},
		{"no digest", ref(func(r *Ref) { r.SHA256 = "" }), "not a SHA-256"},
		{"short digest", ref(func(r *Ref) { r.SHA256 = r.SHA256[:16] }), "not a SHA-256"},
		{"no size", ref(func(r *Ref) { r.Size = 0 }), "not between"},
		{"negative size", ref(func(r *Ref) { r.Size = -5 }), "not between"},
		{"huge size", ref(func(r *Ref) { r.Size = MaxShardFile + 1 }), "not between"},
		{"larger than any", func(p *Platform) { p.Keys = []string{strings.Repeat("x", MaxPlatform)} }, "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := platform()
			tt.change(p)
			if _, err := ParsePlatform(mustEncode(t, p), "p"); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("ParsePlatform: %v, want %q", err, tt.says)
			}
		})
	}
}

func TestRefCheck(t *testing.T) {
	r := NewRef("trees/x@", []byte("content"), ".json")
	if r.Path != fmt.Sprintf("trees/x@%.8x.json", sha256.Sum256([]byte("content"))) || r.IsZero() || !(Ref{}).IsZero() {
		t.Errorf("NewRef = %+v", r)
	}
	if err := r.Check([]byte("content")); err != nil {
		t.Error(err)
	}
	for _, content := range []string{"", "conten", "contents", "CONTENT"} {
		if r.Check([]byte(content)) == nil {
			t.Errorf("%q passes for \"content\"", content)
		}
	}
}

func TestShardRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 3, 500} {
		var want, got []*Entry
		for i := range n {
			want = append(want, entry(fmt.Sprint("name-", i)))
		}
		data, at, err := EncodeShard(want)
		if err != nil {
			t.Fatal(err)
		}
		if again, _, _ := EncodeShard(want); !bytes.Equal(data, again) {
			t.Error("the same entries give other bytes")
		}
		// A platform without packages has a shard too, and its Ref must pass.
		if err := at.check("catalogue"); err != nil {
			t.Errorf("%d entries: %v", n, err)
		}
		if err := ParseShard(data, at, 0, 1, func(e *Entry) error { got = append(got, e); return nil }); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d entries: got %d, %v", n, len(got), err)
		}
	}
}

// large is a shard as large as may be.
var large = ShardRef{Entries: MaxShard / minEntry, Unpacked: MaxShard}

func compress(t testing.TB, text string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll([]byte(text), nil)
}

func TestShardRefused(t *testing.T) {
	change := func(f func(*Entry)) []byte {
		e := entry("a")
		f(e)
		data, _, err := EncodeShard([]*Entry{entry("b"), e})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	whole := change(func(*Entry) {})
	var noise strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&noise, "%x\n", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	tests := []struct {
		name string
		data []byte
	}{
		{"not zstd", []byte("<html>please log in</html>")},
		{"truncated", whole[:len(whole)-5]},
		{"truncated header", whole[:3]},
		{"flipped bit", func() []byte { b := bytes.Clone(whole); b[len(b)/2] ^= 1; return b }()},
		{"not JSON", compress(t, "hello\n")},
		{"not an object", compress(t, "[]\n")},
		{"null", compress(t, "null\n")},
		{"two objects a line", compress(t, "{}{}\n")},
		{"truncated line", compress(t, `{"name":"a","ver`)},
		{"name with ../", change(func(e *Entry) { e.Name = "../a" })},
		{"negative size", change(func(e *Entry) { e.Size = -1 })},
		{"negative download", change(func(e *Entry) { e.Download = -1 })},
		{"no tree", change(func(e *Entry) { e.Tree = Ref{} })},
		{"tree elsewhere", change(func(e *Entry) { e.Tree = NewRef("files/a@", nil, ".json") })},
		{"files elsewhere", change(func(e *Entry) { e.Files.Path = "../" + e.Files.Path })},
		{"a size that lies", change(func(e *Entry) { e.Tree.Size = 1 << 40 })},
		{"provides two in one", change(func(e *Entry) { e.Provides = []string{"a\nb"} })},
		{"obsoletes two in one", change(func(e *Entry) { e.Obsoletes = []string{"a\nb"} })},
		{"obsoletes nothing", change(func(e *Entry) { e.Obsoletes = []string{""} })},
		{"obsoletes at length", change(func(e *Entry) { e.Obsoletes = []string{strings.Repeat("a", maxPath+1)} })},
		{"obsoletes in all too much", change(func(e *Entry) { e.Obsoletes = slices.Repeat([]string{strings.Repeat("a", 500)}, 300) })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := ParseShard(tt.data, large, 0, 1, func(*Entry) error { return nil }); err == nil {
				t.Error("no error")
			}
		})
	}
	if err := ParseShard(compress(t, noise.String()), large, 0, 1, func(*Entry) error { return nil }); err == nil {
		t.Error("noise: no error")
	}
	stop := errors.New("stop")
	calls := 0
	if err := ParseShard(whole, large, 0, 1, func(*Entry) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("%v after %d entries, want yield's own error after the first", err, calls)
	}
}

func TestShardInTheWrongPlace(t *testing.T) {
	e := entry("gbrainy")
	data, at, err := EncodeShard([]*Entry{e})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		err := ParseShard(data, at, i, 8, func(*Entry) error { return nil })
		if right := Shard("gbrainy", 8) == i; right != (err == nil) {
			t.Errorf("as shard %d of 8: %v; it belongs into %d", i, err, Shard("gbrainy", 8))
		}
	}
}

// 256 MB of line that are a few KB compressed: refused, and without room being made for them.
func TestShardBomb(t *testing.T) {
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	piece := bytes.Repeat([]byte(" "), 1<<20)
	for range 256 {
		z.Write(piece)
	}
	z.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err = ParseShard(packed.Bytes(), large, 0, 1, func(*Entry) error { return nil })
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("ParseShard of %d bytes: %v", packed.Len(), err)
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
	p := &Platform{Catalogue: make([]ShardRef, 256)}
	var counts [256]int
	for i := range 63440 {
		counts[p.Shard(fmt.Sprint("package-", i))]++
	}
	for i, c := range counts {
		if c < 150 || c > 350 { // about 248
			t.Errorf("shard %d has %d names", i, c)
		}
	}
	for entries, want := range map[int]int{0: 1, 1: 1, 384: 1, 385: 2, 1000: 4, 63440: 256} {
		if got := Shards(entries); got != want || bits.OnesCount(uint(got)) != 1 {
			t.Errorf("Shards(%d) = %d, want %d", entries, got, want)
		}
	}
}

func FuzzParsePlatform(f *testing.F) {
	f.Add(mustEncode(f, platform()))
	f.Add([]byte(`{"format":1,"platform":"p","arch":"x","serial":1,"catalogue":[{"path":"../x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParsePlatform(data, "p")
		if err != nil {
			return
		}
		if s := p.Shard("abc"); s < 0 || s >= len(p.Catalogue) {
			t.Errorf("shard %d of %d", s, len(p.Catalogue))
		}
		for _, r := range p.Catalogue {
			if !strings.HasPrefix(r.Path, "catalogue/") || strings.Contains(r.Path, "/../") {
				t.Errorf("the path %q", r.Path)
			}
		}
	})
}

func FuzzParseShard(f *testing.F) {
	data, _, _ := EncodeShard([]*Entry{entry("a"), entry("b")})
	f.Add(data)
	f.Add(compress(f, `{"name":"a","version":"1","release":"1","arch":"x"}`))
	f.Add(data[:len(data)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, raw := range [][]byte{data, compress(t, string(data))} { // the second: what is in the shard
			ParseShard(raw, large, 0, 1, func(e *Entry) error { checkFuzzed(t, e.NEVRA); return nil })
		}
	})
}
