// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// What a reader allocates is in proportion to the bytes that came: 80 times as many and 1 MiB at the
// most, whatever is in them. A shard is compressed: what it is unpacked counts, with the decoder.
func TestMemoryIsBounded(t *testing.T) {
	many := func(head, one, tail string, n int) []byte {
		return []byte(head + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + tail)
	}
	nested := []byte(strings.Repeat(`{"a":[`, 1<<17))
	numbers := many(`{"format":2,"keys":[`, "0", "]}", 1<<15)
	parse := map[string]func([]byte) error{
		"platform":   func(b []byte) error { _, err := ParsePlatform(b, "p"); return err },
		"platforms":  func(b []byte) error { _, err := ParsePlatforms(b); return err },
		"tree":       func(b []byte) error { _, err := ParseTree(compress(t, string(b)), nil, "p", "n"); return err },
		"file lists": func(b []byte) error { _, err := ParseFileList(compress(t, string(b)), "n"); return err },
		"notices":    func(b []byte) error { _, err := ParseNotices(b, "p", "n"); return err },
		"categories": func(b []byte) error { _, err := ParseCategories(b, "p"); return err },
		"texts":      func(b []byte) error { _, err := ParseTexts(b, "p", "de"); return err },
	}
	lists := map[string]string{"platform": "texts", "platforms": "platforms", "tree": "packages", "file lists": "packages", "notices": "notices", "texts": "texts", "categories": "categories"}
	for kind, parse := range parse {
		for what, b := range map[string][]byte{
			"empty objects":  many(fmt.Sprintf(`{"format":2,%q:[`, lists[kind]), "{}", "]}", 300_000),
			"spaced objects": many(fmt.Sprintf(`{"format":2,%q:[`, lists[kind]), `{"name":"a","summary":"b"}`, "]}", 20_000),
			"empty lists":    many(fmt.Sprintf(`{"format":2,%q:[`, lists[kind]), `[]`, "]}", 300_000),
			"nulls":          many(fmt.Sprintf(`{"format":2,%q:[`, lists[kind]), `null`, "]}", 180_000),
			"zeros":          many(fmt.Sprintf(`{"format":2,%q:[`, lists[kind]), `0`, "]}", 400_000),
			"capitals":       many(fmt.Sprintf(`{"format":2,%q:[`, strings.ToUpper(lists[kind])), `0`, "]}", 400_000),
			"empty texts":    many(fmt.Sprintf(`{"format":2,%q:[{"files":[`, lists[kind]), `""`, "]}]}", 300_000),
			"empty URLs":     many(fmt.Sprintf(`{"format":2,%q:[{"urls":[`, lists[kind]), `""`, "]}]}", 300_000),
			"empty names":    many(fmt.Sprintf(`{"format":2,%q:[{"names":[`, lists[kind]), `""`, "]}]}", 300_000),
			"numbers":        many(fmt.Sprintf(`{"format":2,%q:[{"requires":[`, lists[kind]), `0`, "]}]}", 300_000),
			"other fields":   many(`{"format":2,`, `"x":0`, "}", 100_000),
			"nested":         nested, "numbers for objects": numbers,
		} {
			if got, most := allocated(func() { parse(b) }), 1<<20+80*uint64(len(b)); got > most {
				t.Errorf("%s, %s: %d bytes were allocated for %d", kind, what, got, len(b))
			}
		}
	}
	for what, text := range map[string]string{
		"zeros":           strings.Repeat("\x00", MaxShard),
		"empty entries":   strings.Repeat("{}\n", MaxShard/3),
		"newlines":        strings.Repeat("\n", MaxShard),
		"tabs":            strings.Repeat(strings.Repeat("\t", 99)+"\n", MaxShard/100),
		"one line":        `{"name":"` + strings.Repeat("a", MaxShard-20) + `"}`,
		"short obsoletes": `{"obsoletes":[` + strings.Repeat(`"",`, maxEntry/4) + `""]}` + "\n",
		"empty lists":     `{"by":[` + strings.Repeat(`[],`, maxEntry/4) + `""]}` + "\n",
		"short lists":     "a" + strings.Repeat("\t", 9) + strings.Repeat(",", maxEntry/2) + "\n",
		"sorted names":    strings.Repeat("a", 99) + "\n",
	} {
		file := compress(t, text)
		most := 8*uint64(MaxShard) + 80*uint64(min(len(text), maxEntry))
		for kind, read := range map[string]func(){
			"an index": func() {
				x := Index{fmt.Sprintf("%x", leaf(file)), 1}
				x.Lines(0, file, func(line []byte) error {
					if _, err := x.ParseReference(0, line); err != nil {
						_, err = x.ParseCapability(0, line)
						return err
					}
					return nil
				})
			},
			"a search file": func() {
				SearchLines(bytes.NewReader(file), MaxUnpacked, func(line []byte) error {
					_, err := ParseEntry(line)
					return err
				})
			},
		} {
			if got := allocated(read); got > most {
				t.Errorf("%s, %s: %d bytes were allocated for %d that are %d unpacked", kind, what, got, len(file), len(text))
			}
		}
	}
}

// allocated are the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
