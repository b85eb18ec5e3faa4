// SPDX-License-Identifier: GPL-2.0-or-later

package rich

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"libtext", "libtext"},
		{"libtext >= 2:0.9", "libtext >= 2:0.9"},
		{"libz.so.1()(64bit)", "libz.so.1()(64bit)"},
		{"(a)", "a"},
		{"((a))", "a"},
		{"( a  or\tb )", "(a or b)"},
		{"(a,or b)", "(a or b)"},
		{"(a or b or c)", "(a or (b or c))"},
		{"(a with b with c)", "(a with (b with c))"},
		{"(a if b)", "(a if b)"},
		{"(a if b else c)", "(a if b else c)"},
		{"((a and b) unless (c or d) else e)", "((a and b) unless (c or d) else e)"},
		{"(a = 1 without b => 2)", "(a = 1 without b >= 2)"},
		{"(python3dist(x) >= 1 if python(abi) = 3.11)", "(python3dist(x) >= 1 if python(abi) = 3.11)"},
		{"(font(:lang=de) or /usr/share/fonts)", "(font(:lang=de) or /usr/share/fonts)"},
	} {
		e, err := Parse(c.in)
		if err != nil || e.String() != c.out {
			t.Errorf("Parse(%q) = %v, %v, want %s", c.in, e, err, c.out)
		}
	}
	for _, in := range []string{
		"", " ", "a b", "a >= ", "a ? 1", "(", "()", "(a", "(a b)", "(a or)", "(or a)", "(a or b", "(a or b))", "(a or b) c", "(a or b and c)", "(a if b if c)",
		"(a without b without c)", "(a else b)", "(a if b else c else d)", "(a if b else c and d)", "(a and b else c)", "(a with (b and c))", "(a without (b if c))", "(a >= )",
		"(a and" + strings.Repeat(" ", MaxLength) + "b)", strings.Repeat("(", MaxDepth+1) + "a" + strings.Repeat(")", MaxDepth+1),
	} {
		if e, err := Parse(in); err == nil {
			t.Errorf("Parse(%.60q) = %s", in, e)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		dep, provided string
		want          bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a", "a = 1-1", true}, {"a = 1", "a", true},
		{"a = 1", "a = 1-7", true}, {"a = 1-7", "a = 1", true}, {"a = 1-7", "a = 1-8", false}, {"a > 1", "a = 1-7", false}, {"a > 1-7", "a = 1", true},
		{"a < 1", "a = 1-7", false}, {"a <= 1", "a = 1-7", true}, {"a >= 1", "a = 1~rc1-1", false}, {"a >= 1", "a = 1^git-1", true},
		{"a >= 2", "a = 1:1-1", true}, {"a >= 1:1", "a = 2-1", false}, {"a = 0:1", "a = 1-1", true}, {"a = 1", "a = 0:1-1", true}, {"a > 99999999999:1", "a = 1:1", false},
		{"a < 2", "a > 1", true}, {"a < 1", "a > 1", false}, {"a <= 1", "a >= 1", true}, {"a < 1", "a < 1", true}, {"a = 01.0", "a = 1.00", true},
	} {
		d, err := ParseDep(c.dep)
		p, err2 := ParseDep(c.provided)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if got := d.Overlaps(p); got != c.want {
			t.Errorf("%s overlaps %s: %v", c.dep, c.provided, got)
		}
	}
}

// A world is what each of its packages provides.
type world [][]Dep

func (w world) Providers(d Dep) (all []int) {
	for n, provides := range w {
		if slices.ContainsFunc(provides, d.Overlaps) {
			all = append(all, n)
		}
	}
	return all
}

func TestCompletions(t *testing.T) {
	w := world{{{"editor", Equal, "2-1"}}, {{Name: "x"}, {Name: "y"}}}
	for _, c := range []struct{ dep, want string }{
		{"(plugin if editor)", "plugin"},
		{"(plugin if nothing)", "met"},
		{"(plugin if nothing else other)", "other"},
		{"(editor and plugin >= 2 and more)", "plugin >= 2+more"},
		{"(a or b)", "a|b"},
		{"((a or b) and (c or d))", "a+c|a+d|b+c|b+d"},
		{"(plugin unless editor)", ""},
		{"(plugin unless editor else z)", "z"},
		{"(x with plugin)", "x|plugin"},
		{"(x with y)", "met"},
		{"(x without y)", "x"},
		{"(plugin if editor > 2)", "met"},
	} {
		e, err := Parse(c.dep)
		if err != nil {
			t.Fatal(err)
		}
		var ways []string
		for _, way := range e.Completions(w) {
			var deps []string
			for _, d := range way {
				deps = append(deps, d.String())
			}
			ways = append(ways, strings.Join(deps, "+"))
		}
		got := strings.Join(ways, "|")
		if e.Met(w) {
			got = "met"
		}
		if got != c.want {
			t.Errorf("%s is completed by %s, want %s", c.dep, got, c.want)
		}
	}
}

func TestLeaves(t *testing.T) {
	e, err := Parse("((a if b) and (c unless d else e))")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	e.Leaves(func(d Dep, needed, forbidden bool) bool {
		got = append(got, fmt.Sprint(d, " ", needed, " ", forbidden))
		return true
	})
	want := []string{"a true false", "b false true", "c true false", "d true true", "e true false"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzParse: what is read can be written and read again, is the same then, and can be asked about.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a", "a >= 1", "(a if b else c)", "((a with b) or (c without d))", "(a unless (b and c))", "(a(b) = 1:2-3 or /c)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(e.String())
		if err != nil && len(e.String()) <= MaxLength && strings.Count(e.String(), "(") < MaxDepth {
			t.Fatalf("%q is written as %q: %v", s, e, err)
		}
		if err == nil && again.String() != e.String() {
			t.Fatalf("%q is written as %q and then as %q", s, e, again)
		}
		w := world{{{Name: "a"}}, {{Name: "b"}, {"c", Equal, "1"}}}
		if ways := e.Completions(w); e.Met(w) && len(ways) != 1 || len(ways) > maxWays {
			t.Fatalf("%q: %d ways", s, len(ways))
		}
	})
}
