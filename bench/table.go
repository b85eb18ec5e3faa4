// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A row is one figure. What isn't set is not shown.
type row struct {
	what   string
	figure quantity
	budget quantity // at most this; of a rate, at least
	peer   string
	other  quantity // the peer's figure
	times  float64  // the budget is this many times the peer's
}

// A quantity knows how it is written. It is less than another where it is better.
type quantity interface {
	fmt.Stringer
	number() float64
	more() bool // is better
}

type (
	took  time.Duration
	bytes int64
	rate  float64 // a second
)

func (t took) number() float64  { return float64(t) }
func (n bytes) number() float64 { return float64(n) }
func (r rate) number() float64  { return float64(r) }
func (took) more() bool         { return false }
func (bytes) more() bool        { return false }
func (rate) more() bool         { return true }
func (r rate) String() string   { return fmt.Sprintf("%.3g/s", float64(r)) }

func (t took) String() string {
	switch d := time.Duration(t); {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	default:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
}

func (n bytes) String() string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// ratio is the figure by the peer's, or the other way round for rates: less is better.
func ratio(a, b quantity) float64 {
	if a.more() {
		a, b = b, a
	}
	return a.number() / b.number()
}

// cells are the row as it is shown.
func (r row) cells() []string {
	c := []string{r.what, r.figure.String(), "", "", "", ""}
	use := 0.0 // of the budget
	switch {
	case r.budget != nil:
		c[2] = r.budget.String()
		use = ratio(r.figure, r.budget)
	case r.times > 0 && r.other != nil:
		c[2] = fmt.Sprintf("%.4g × %s", r.times, r.peer)
		use = ratio(r.figure, r.other) / r.times
	}
	if r.other != nil {
		c[3] = r.other.String() + " " + r.peer
		if rel := r.figure.number() / r.other.number(); rel < 0.1 {
			c[4] = fmt.Sprintf("%.1g", rel)
		} else {
			c[4] = fmt.Sprintf("%.2f", rel)
		}
	}
	switch {
	case use == 0:
	case use <= 1:
		c[5] = "pass"
	default:
		c[5] = fmt.Sprintf("over: %.2f × the budget", use)
	}
	return c
}

type table struct {
	machine string
	rows    []row
	links   [][]string // of the section link, with what it is above each column
	notes   []string
}

func (t *table) add(r row) { t.rows = append(t.rows, r) }

func (t *table) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(t.notes, n) {
		t.notes = append(t.notes, n)
	}
}

// print writes the table so that it is good as text and in Markdown.
func (t *table) print(w io.Writer) error {
	lines := [][]string{{"what", "figure", "budget", "peer", "ratio", "budget kept?"}}
	for _, r := range t.rows {
		lines = append(lines, r.cells())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", t.machine)
	for _, lines := range [][][]string{lines, t.links} {
		if len(lines) > 1 {
			b.WriteByte('\n')
			printLines(&b, lines)
		}
	}
	for i, n := range t.notes {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "- %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printLines writes cells under each other; the first line is what is above the columns.
func printLines(b *strings.Builder, lines [][]string) {
	widths := make([]int, len(lines[0]))
	for _, cells := range lines {
		for i, c := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for n, cells := range lines {
		for i, c := range cells {
			fmt.Fprintf(b, "| %s%s ", c, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, width := range widths {
				b.WriteString("| " + strings.Repeat("-", width) + " ")
			}
			b.WriteString("|\n")
		}
	}
}

// quantile is the q-th part of the sorted values: 0.5 is the median.
func quantile[T cmp.Ordered](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func median[T cmp.Ordered](values []T) T { return quantile(values, 0.5) }
