// SPDX-License-Identifier: GPL-2.0-or-later

package catalogue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A model is a catalogue in the simplest form: its lines, sorted.
type model []*tree.Entry

// sorted is a model with each line once.
func (m model) sorted() model {
	slices.SortFunc(m, func(a, b *tree.Entry) int { return bytes.Compare(a.Line(), b.Line()) })
	return slices.CompactFunc(m, func(a, b *tree.Entry) bool { return bytes.Equal(a.Line(), b.Line()) })
}

func (m model) lines() []byte {
	var all []byte
	for _, e := range m {
		all = append(append(all, e.Line()...), '\n')
	}
	return all
}

// search is what is published of it.
func (m model) search() tree.Search {
	all := m.lines()
	sum := sha256.Sum256(all)
	return tree.Search{Content: hex.EncodeToString(sum[:]), Unpacked: int64(len(all)), Lines: len(m)}
}

func (m model) find(name string) (found model) {
	for _, e := range m {
		if e.Name == name {
			found = append(found, e)
		}
	}
	return found
}

func (m model) query(q Query) (found model) {
	for _, e := range m {
		if e.Version == "" && len(e.By) > 0 {
			continue
		}
		has := func(term string, texts ...string) bool {
			return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(term)) })
		}
		if len(q.Group) > 0 && !slices.Contains(q.Group, e.Group) ||
			slices.ContainsFunc(q.In, func(term string) bool { return !has(term, e.Name) }) ||
			slices.ContainsFunc(q.Text, func(term string) bool { return !has(term, e.Name, e.Summary, e.Description, e.License, e.Group) }) {
			continue
		}
		found = append(found, e)
	}
	return found
}

func (m model) groups() []string {
	seen := []string{}
	for _, e := range m {
		if e.Group != "" && (e.Version != "" || len(e.By) == 0) && !slices.Contains(seen, e.Group) {
			seen = append(seen, e.Group)
		}
	}
	slices.Sort(seen)
	return seen
}

// packedLines are lines as they are published.
func packedLines(lines []byte) []byte {
	z, err := zstd.NewWriter(nil, zstd.WithWindowSize(1<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	defer z.Close()
	return z.EncodeAll(lines, nil)
}

func (m model) write(t testing.TB, path string) *File {
	t.Helper()
	must(t, Write(ctx, path, m.search(), bytes.NewReader(packedLines(m.lines()))))
	f, err := Open(path)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func show(all []*tree.Entry) string {
	var s strings.Builder
	for _, e := range all {
		fmt.Fprintf(&s, "%s\n", e.Line())
	}
	return s.String()
}

func (f *File) all(t testing.TB, q Query) (found model) {
	t.Helper()
	must(t, f.Search(q, func(e *tree.Entry) error {
		found = append(found, e)
		return nil
	}))
	return found
}

// mustBe compares a file with a model, by some queries too.
func (m model) mustBe(t *testing.T, f *File, r *rand.Rand) {
	t.Helper()
	must(t, f.Check(ctx))
	if s := m.search(); f.Content() != s.Content || f.Size() != s.Unpacked || f.Lines() != s.Lines {
		t.Fatalf("%s, %d bytes, %d lines; want %+v", f.Content(), f.Size(), f.Lines(), s)
	}
	groups, err := f.Groups()
	must(t, err)
	if want := m.groups(); !slices.Equal(groups, want) {
		t.Fatalf("the groups are %q, want %q", groups, want)
	}
	for range 20 {
		name := word(r)
		if len(m) > 0 && r.IntN(3) > 0 {
			name = m[r.IntN(len(m))].Name
		}
		found, err := f.Find(name)
		must(t, err)
		if got, want := show(found), show(m.find(name)); got != want {
			t.Fatalf("of %q there is\n%s\nand should be\n%s", name, got, want)
		}
	}
	for i := range 4 << 20 / (100<<10 + f.Size()) { // the model takes its time
		q := Query{}
		if i > 0 {
			q = m.someQuery(r)
		}
		if got, want := show(f.all(t, q)), show(m.query(q)); got != want {
			t.Fatalf("for %q there is\n%s\nand should be\n%s", q, got, want)
		}
	}
}

func (m model) someQuery(r *rand.Rand) (q Query) {
	part := func(s string) string {
		runes := []rune(s)
		if len(runes) == 0 {
			return s
		}
		i := r.IntN(len(runes))
		s = string(runes[i:min(len(runes), i+1+r.IntN(7))])
		switch r.IntN(3) {
		case 0:
			s = strings.ToUpper(s)
		case 1:
			s = strings.ToLower(s)
		}
		return s
	}
	some := func() (terms []string) {
		e := &tree.Entry{NEVRA: tree.NEVRA{Name: word(r)}, Summary: text(r)}
		if len(m) > 0 && r.IntN(4) > 0 {
			e = m[r.IntN(len(m))]
		}
		for range 1 + r.IntN(2) {
			terms = append(terms, part([]string{e.Name, e.Name, e.Summary, e.Description, e.License, e.Group}[r.IntN(6)]))
		}
		return terms
	}
	if r.IntN(2) == 0 {
		q.In = some()
	}
	if r.IntN(2) == 0 {
		q.Text = some()
	}
	if r.IntN(3) == 0 {
		q.Group = []string{"", "games", "office"}[r.IntN(3):]
		if groups := m.groups(); len(groups) > 0 {
			q.Group = append(q.Group, groups[r.IntN(len(groups))])
		}
	}
	return q
}

func word(r *rand.Rand) string {
	const letters = "abcdeABC019-._+"
	b := []byte{letters[r.IntN(8)]}
	for range r.IntN(9) {
		b = append(b, letters[r.IntN(len(letters))])
	}
	return string(b)
}

func text(r *rand.Rand) string {
	words := []string{"the", "Game", "of", "Éclair", "straße", "\\", "\n", "\t", "a,b", "\\n", "ÇA", "K", "İstanbul", "学习", "programs", "to", "Learn", "x", "\\,"}
	var s []string
	for range r.IntN(12) {
		s = append(s, words[r.IntN(len(words))])
	}
	return strings.Join(s, []string{" ", ""}[r.IntN(2)])
}

// entry makes one up. Of groups there are as many.
func entry(r *rand.Rand, groups int) *tree.Entry {
	e := &tree.Entry{NEVRA: tree.NEVRA{Name: word(r)}}
	switch r.IntN(12) {
	case 0:
		e.By = []string{word(r), word(r)}
		return e
	case 1: // in another language
	default:
		e.Version, e.Release, e.Arch = fmt.Sprint(r.IntN(9)), "1", "noarch"
		e.Size, e.Epoch = r.Int64N(3), r.IntN(2)
		e.License, e.URL = text(r), "https://a.example/"+word(r)
		if n := r.IntN(groups + 1); n > 0 {
			e.Group = fmt.Sprint("group ", n)
		}
		if r.IntN(5) == 0 {
			e.Obsoletes = []string{word(r) + " < 2,3"}
		}
	}
	e.Summary, e.Description = "s"+text(r), text(r)
	if r.IntN(400) == 0 {
		e.Description = strings.Repeat(text(r)+"y", 50)
	}
	return e
}

func made(r *rand.Rand, n, groups int) model {
	var m model
	for range n {
		m = append(m, entry(r, groups))
	}
	for range n / 50 { // many lines of one name
		e := entry(r, groups)
		for range r.IntN(60) {
			if len(e.By) > 0 {
				break
			}
			other := *e
			other.Summary = text(r) + "."
			m = append(m, &other)
		}
	}
	return m.sorted()
}

// difference changes a model, and gives what the change is published as.
func (m model) difference(r *rand.Rand, changes, groups int) (changed model, lines []byte) {
	names := make(map[string]model)
	for range changes {
		name := word(r)
		if len(m) > 0 && r.IntN(4) > 0 {
			name = m[r.IntN(len(m))].Name
		}
		names[name] = nil
		for range r.IntN(3) {
			e := entry(r, groups)
			e.Name = name
			names[name] = append(names[name], e)
		}
	}
	for _, e := range m {
		if _, ok := names[e.Name]; !ok {
			changed = append(changed, e)
		}
	}
	var all [][]byte
	for name, entries := range names {
		entries = entries.sorted()
		changed = append(changed, entries...)
		line := []byte(name + "\n")
		if len(entries) > 0 {
			line = entries.lines()
		}
		all = append(all, line)
	}
	slices.SortFunc(all, func(a, b []byte) int {
		return bytes.Compare(tree.NameOf(bytes.TrimSuffix(a, []byte("\n"))), tree.NameOf(bytes.TrimSuffix(b, []byte("\n"))))
	})
	return changed.sorted(), slices.Concat(all...)
}

// What is written, found, searched and merged is what it is in a model, whatever is in it.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			groups := []int{3, 400}[seed/5%2]
			m := made(r, []int{0, 1, 20, 300, 1000}[seed%5], groups)
			folder := t.TempDir()
			var f *File
			if len(m) == 0 {
				s, err := WriteEntries(ctx, filepath.Join(folder, "0"), m)
				must(t, err)
				if s.Content != m.search().Content {
					t.Fatal(s)
				}
				f, err = Open(filepath.Join(folder, "0"))
				must(t, err)
				defer f.Close()
			} else {
				f = m.write(t, filepath.Join(folder, "0"))
			}
			m.mustBe(t, f, r)
			for day := range 3 {
				changed, lines := m.difference(r, 1+r.IntN(len(m)/50+2), groups)
				path := filepath.Join(folder, fmt.Sprint(day%2)) // the place of the old one at times
				must(t, Merge(ctx, path, changed.search(), f, bytes.NewReader(packedLines(lines))))
				next, err := Open(path)
				must(t, err)
				defer next.Close()
				m.mustBe(t, f, r) // as it was
				m, f = changed, next
				m.mustBe(t, f, r)
			}
		})
	}
}
