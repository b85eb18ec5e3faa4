// SPDX-License-Identifier: GPL-2.0-or-later

package catalogue

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

var linesFile = flag.String("lines", "", "a `file` with the sorted lines of a search file, to measure with; a large one is made up without")

// large is a catalogue to measure with: that of -lines, or a made up one of 60,000 packages.
func large(b *testing.B) (m model, lines []byte) {
	b.Helper()
	if *linesFile == "" {
		r := rand.New(rand.NewPCG(1, 1))
		var words []string
		for range 4000 {
			words = append(words, strings.ToLower(word(r))+word(r)[:1])
		}
		some := func(n int, between string) string {
			var all []string
			for range n {
				all = append(all, words[int(r.ExpFloat64()*300)%len(words)])
			}
			return strings.Join(all, between)
		}
		for range 60000 {
			m = append(m, &tree.Entry{
				NEVRA:   tree.NEVRA{Name: "a" + some(1+r.IntN(3), "-"), Version: fmt.Sprint("1.", r.IntN(30)), Release: "1", Arch: "noarch"},
				Summary: some(4+r.IntN(6), " "), Group: fmt.Sprint("group", r.IntN(50)), License: "GPL-2.0-or-later", URL: "https://" + some(3, "."), Size: r.Int64N(1 << 24),
			})
		}
		m = m.sorted()
		return m, m.lines()
	}
	lines, err := os.ReadFile(*linesFile)
	must(b, err)
	for line := range bytes.Lines(lines) {
		e, err := tree.ParseEntry(bytes.TrimSuffix(line, []byte("\n")))
		must(b, err)
		m = append(m, e)
	}
	return m, lines
}

// words are the parts of names, each once, as bench/ searches for them.
func (m model) words() (all []string) {
	for _, e := range m {
		for w := range strings.SplitSeq(e.Name, "-") {
			if len(w) >= 3 {
				all = append(all, w)
			}
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

func written(b *testing.B) (n int64) {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return int64(u.Oublock) * 512
}

func cpu(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}

// measured runs what is measured and tells its CPU, and how large its file is beside the lines.
func measured(b *testing.B, path string, lines int, do func()) {
	b.Helper()
	b.ReportAllocs()
	before, bytesBefore := cpu(b), written(b)
	for b.Loop() {
		do()
	}
	b.ReportMetric((cpu(b)-before)/float64(b.N), "CPU-ms/op")
	b.ReportMetric(float64(written(b)-bytesBefore)/float64(b.N), "written-B/op")
	info, err := os.Stat(path)
	must(b, err)
	b.ReportMetric(float64(info.Size()), "file-B")
	b.ReportMetric(float64(info.Size())/float64(lines), "file/lines")
}

func BenchmarkWrite(b *testing.B) {
	m, lines := large(b)
	s, whole := m.search(), packedLines(lines)
	path := filepath.Join(b.TempDir(), "c")
	measured(b, path, len(lines), func() { must(b, Write(ctx, path, s, bytes.NewReader(whole))) })
}

// A day on which one of a hundred packages is built again.
func BenchmarkMerge(b *testing.B) {
	m, lines := large(b)
	f := m.write(b, filepath.Join(b.TempDir(), "old"))
	var changed, difference model
	for i, e := range m {
		if i%100 == 50 {
			again := *e
			again.Release += ".1"
			e = &again
			difference = append(difference, e)
		}
		changed = append(changed, e)
	}
	changed = changed.sorted()
	s, packed := changed.search(), packedLines(difference.sorted().lines())
	path := filepath.Join(b.TempDir(), "c")
	measured(b, path, len(lines), func() { must(b, Merge(ctx, path, s, f, bytes.NewReader(packed))) })
	b.ReportMetric(float64(len(packed)), "difference-B")
}

func BenchmarkOpen(b *testing.B) {
	m, _ := large(b)
	path := filepath.Join(b.TempDir(), "c")
	m.write(b, path)
	b.ReportAllocs()
	for b.Loop() {
		f, err := Open(path)
		must(b, err)
		must(b, f.Close())
	}
}

func BenchmarkFind(b *testing.B) {
	m, _ := large(b)
	f := m.write(b, filepath.Join(b.TempDir(), "c"))
	r := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		if found, err := f.Find(m[r.IntN(len(m))].Name); err != nil || len(found) == 0 {
			b.Fatal(found, err)
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	m, _ := large(b)
	f := m.write(b, filepath.Join(b.TempDir(), "c"))
	words := m.words()
	for name, query := range map[string]func(word string) Query{
		"In":   func(w string) Query { return Query{In: []string{w}} },
		"Text": func(w string) Query { return Query{Text: []string{w}} },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var times []float64
			found, used := 0, cpu(b)
			for i := 0; b.Loop(); i++ {
				before := b.Elapsed()
				must(b, f.Search(query(words[i%len(words)]), func(*tree.Entry) error {
					found++
					return nil
				}))
				times = append(times, float64((b.Elapsed()-before).Nanoseconds())/1000)
			}
			b.ReportMetric((cpu(b)-used)*1000/float64(b.N), "CPU-µs/op")
			slices.Sort(times)
			b.ReportMetric(times[len(times)/2], "median-µs")
			b.ReportMetric(times[len(times)*99/100], "p99-µs")
			b.ReportMetric(float64(found)/float64(b.N), "found/op")
		})
	}
}
