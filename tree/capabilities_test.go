// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func lineOf(t testing.TB, c *Capability) []byte {
	t.Helper()
	line, err := c.Line()
	if err != nil || line == nil {
		t.Fatalf("%s: %q, %v", c.Name, line, err)
	}
	return line
}

func greet() *Capability {
	return &Capability{
		Name:     "libgreet.so.1()(64bit)",
		Provides: []Member{{NEVRA: NEVRA{Name: "libgreet", Epoch: 2, Version: "1.2", Release: "3", Arch: "x86_64"}, Summary: "Greetings", In: "hello"}},
		Requires: []Member{{NEVRA: NEVRA{Name: "hello", Version: "1", Release: "1", Arch: "noarch"}}},
	}
}

func TestCapabilities(t *testing.T) {
	const n = 4
	shards := make([][][]byte, n)
	names := []string{greet().Name, "zlib", "/usr/bin/hello", "hello", "gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)", "modalias(usb:v1p*)"}
	for _, name := range names {
		c := greet()
		c.Name = name
		i := CapabilityShard(name, n)
		shards[i] = append(shards[i], lineOf(t, c))
	}
	var refs []ShardRef
	contents := make([][]byte, n)
	for i, lines := range shards {
		content, ref, err := EncodeCapabilityShard(lines)
		if err != nil {
			t.Fatal(err)
		}
		contents[i], refs = content, append(refs, ref)
	}
	list, ref, err := EncodeCapabilities(refs)
	if err != nil {
		t.Fatal(err)
	}
	index, err := ParseCapabilities(list, ref)
	if err != nil || !slices.Equal(index, refs) {
		t.Fatal(index, err)
	}
	var got []string
	for i, content := range contents {
		if err := ParseCapabilityShard(content, index[i], i, n, func(c *Capability) error {
			got = append(got, c.Name)
			if c.Provides[0].Program() != "hello" || c.Requires[0].Program() != "hello" || c.Provides[0].Epoch != 2 {
				t.Errorf("%+v", c)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := ParseCapabilityShard(content, index[i], (i+1)%n, n, func(*Capability) error { return nil }); err == nil && len(shards[i]) > 0 {
			t.Error("a line in a shard that nobody would look into is taken")
		}
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("%q, want %q", got, names)
	}
	if _, err := ParseCapabilities(list, ShardRef{ref.Ref, 3, ref.Unpacked}); err == nil {
		t.Error("a list of more shards than it says is taken")
	}
	three, ref, err := EncodeCapabilities(refs[:3])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseCapabilities(three, ref); err == nil || !strings.Contains(err.Error(), "no power of two") {
		t.Error(err)
	}
}

// What is asked for in part leads to the shard that has the whole.
func TestCapabilityShard(t *testing.T) {
	const n = 2048
	for whole, part := range map[string]string{
		"/usr/bin/gawk": "/gawk",
		"gstreamer1(decoder-audio/mpeg)(mpegversion=4)()(64bit)": "gstreamer1(decoder-audio/mpeg)",
		"modalias(usb:v04A9p*d*)":                                "modalias(usb:v04A9p2213d0302)",
	} {
		if CapabilityShard(whole, n) != CapabilityShard(part, n) {
			t.Errorf("%s isn't where %s is looked for", whole, part)
		}
	}
	if CapabilityShard("font(:lang=de)", n) == CapabilityShard("font(:lang=fr)", n) {
		t.Error("all fonts are in one shard")
	}
}

func TestCapabilityIsChecked(t *testing.T) {
	for what, spoil := range map[string]func(*Capability){
		"no name":           func(c *Capability) { c.Name = "" },
		"a long name":       func(c *Capability) { c.Name = strings.Repeat("a", MaxProvided+1) },
		"a control":         func(c *Capability) { c.Name = "a\x1b[2J" },
		"no NEVRA":          func(c *Capability) { c.Provides[0].NEVRA = NEVRA{} },
		"an odd program":    func(c *Capability) { c.Provides[0].In = "../x" },
		"a long summary":    func(c *Capability) { c.Requires[0].Summary = strings.Repeat("a", MaxPackageSummary+1) },
		"too many packages": func(c *Capability) { c.Provides = slices.Repeat(c.Provides, MaxMembers+1) },
	} {
		c := greet()
		spoil(c)
		if line, err := c.Line(); line != nil || err != nil {
			t.Errorf("%s: %q, %v", what, line, err)
		}
		encoded, err := encode(c)
		if err != nil {
			t.Fatal(err)
		}
		content, ref, err := EncodeCapabilityShard([][]byte{encoded})
		if err != nil {
			t.Fatal(err)
		}
		if err := ParseCapabilityShard(content, ref, 0, 1, func(*Capability) error { return nil }); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

func TestCapabilityShards(t *testing.T) {
	for unpacked, want := range map[int]int{0: 1, 128 << 10: 1, 128<<10 + 1: 2, 60 << 20: 512, 1 << 30: MaxShards} {
		if got := CapabilityShards(unpacked); got != want {
			t.Errorf("%d bytes are in %d shards, want %d", unpacked, got, want)
		}
	}
}

func FuzzParseCapabilityShard(f *testing.F) {
	f.Add(lineOf(f, greet()))
	f.Add([]byte(`{"name":"a","provides":[{},{}]}`))
	f.Add([]byte(`{"path":"capabilities/` + strings.Repeat("0", 16) + `.jsonl.zst","sha256":"` + strings.Repeat("0", 64) + `","size":1}`))
	f.Add([]byte(fmt.Sprintf(`{"name":%q}`, strings.Repeat("é", 300))))
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		content := z.EncodeAll(text, nil)
		ref := ShardRef{NewRef("capabilities/", content, ".jsonl.zst"), 1 + bytes.Count(text, []byte("\n")), int64(len(text))}
		_ = ParseCapabilityShard(content, ref, 0, 1, func(c *Capability) error {
			if line, err := c.Line(); line == nil || err != nil {
				t.Errorf("%q was read and can't be written: %v", text, err)
			}
			return nil
		})
		_, _ = ParseCapabilities(content, ref)
	})
}
