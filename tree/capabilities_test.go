// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"fmt"
	"slices"
	"strings"
	"testing"
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
	x, files, err := EncodeIndex(shards)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, file := range files {
		if err := x.Lines(i, file, func(line []byte) error {
			c, err := x.ParseCapability(i, line)
			if err != nil {
				return err
			}
			got = append(got, c.Name)
			if c.Provides[0].Program() != "hello" || c.Requires[0].Program() != "hello" || c.Provides[0].Epoch != 2 {
				t.Errorf("%+v", c)
			}
			if _, err := x.ParseCapability((i+1)%n, line); err == nil {
				t.Error("a line in a shard that nobody would look into is taken")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(got)
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("%q, want %q", got, names)
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
		if _, err := (Index{Shards: 1}).ParseCapability(0, encoded); err == nil {
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

func FuzzParseCapability(f *testing.F) {
	f.Add(lineOf(f, greet()))
	f.Add([]byte(`{"name":"a","provides":[{},{}]}`))
	f.Add([]byte(fmt.Sprintf(`{"name":%q}`, strings.Repeat("é", 300))))
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := Index{Shards: 1}.ParseCapability(0, line)
		if err != nil {
			return
		}
		if again, err := c.Line(); again == nil || err != nil {
			t.Errorf("%q was read and can't be written: %v", line, err)
		}
	})
}
