// SPDX-License-Identifier: GPL-2.0-or-later

package tree

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestNEVRA(t *testing.T) {
	tests := []struct {
		s    string
		want NEVRA // zero: an error
	}{
		{"bash-5.2-1.fc38.x86_64", NEVRA{"bash", 0, "5.2", "1.fc38", "x86_64"}},
		{"a-b-c-2:1~rc1-1^x.noarch", NEVRA{"a-b-c", 2, "1~rc1", "1^x", "noarch"}},
		{"", NEVRA{}},
		{"bash", NEVRA{}},
		{"bash-5.2.x86_64", NEVRA{}},
		{"-5.2-1.x86_64", NEVRA{}},
		{"bash--1.x86_64", NEVRA{}},
		{"bash-5.2-.x86_64", NEVRA{}},
		{"bash-5.2-1.", NEVRA{}},
		{"bash-x:5.2-1.x86_64", NEVRA{}},
		{"bash-+1:5.2-1.x86_64", NEVRA{}},
		{"bash-1:-1.x86_64", NEVRA{}},
		{"bash-1:2:3-1.x86_64", NEVRA{}},
		{"bash-99999999999:1-1.x86_64", NEVRA{}},
	}
	for _, tt := range tests {
		got, err := ParseNEVRA(tt.s)
		if got != tt.want || (err == nil) != (tt.want != NEVRA{}) {
			t.Errorf("ParseNEVRA(%q) = %+v, %v, want %+v", tt.s, got, err, tt.want)
		}
		if err == nil && got.String() != tt.s {
			t.Errorf("%+v is written %q, want %q", got, got, tt.s)
		}
	}
}

// vercmpCases are those of rpm's own tests (tests/rpmvercmp.at).
var vercmpCases = []struct {
	a, b string
	want int
}{
	{"1.0", "1.0", 0}, {"1.0", "2.0", -1}, {"2.0", "1.0", 1}, {"2.0.1", "2.0.1", 0}, {"2.0", "2.0.1", -1}, {"2.0.1", "2.0", 1},
	{"2.0.1a", "2.0.1a", 0}, {"2.0.1a", "2.0.1", 1}, {"2.0.1", "2.0.1a", -1}, {"5.5p1", "5.5p1", 0}, {"5.5p1", "5.5p2", -1},
	{"5.5p10", "5.5p1", 1}, {"10xyz", "10.1xyz", -1}, {"xyz10", "xyz10.1", -1}, {"xyz.4", "8", -1}, {"8", "xyz.4", 1}, {"xyz.4", "2", -1},
	{"5.5p2", "5.6p1", -1}, {"5.6p1", "6.5p1", -1}, {"6.0.rc1", "6.0", 1}, {"10b2", "10a1", 1}, {"1.0aa", "1.0a", 1},
	{"10.0001", "10.0001", 0}, {"10.0001", "10.1", 0}, {"10.0001", "10.0039", -1}, {"4.999.9", "5.0", -1}, {"20101121", "20101122", -1},
	{"2_0", "2.0", 0}, {"2_0", "2_0", 0}, {"a", "a+", 0}, {"a+", "a_", 0}, {"+a", "_a", 0}, {"+", "_", 0},
	{"1.0~rc1", "1.0", -1}, {"1.0", "1.0~rc1", 1}, {"1.0~rc1", "1.0~rc2", -1}, {"1.0~rc1~git123", "1.0~rc1", -1},
	{"1.0^", "1.0", 1}, {"1.0", "1.0^", -1}, {"1.0^git1", "1.0", 1}, {"1.0^git1", "1.0^git2", -1}, {"1.0^git1", "1.01", -1},
	{"1.0^20160101", "1.0.1", -1}, {"1.0^20160101^git1", "1.0^20160101", 1}, {"1.0~rc1^git1", "1.0~rc1", 1}, {"1.0^git1~pre", "1.0^git1", -1},
	{"1.0^git1", "1.0^git1~pre", 1}, {"1b.fc17", "1b.fc17", 0}, {"1b.fc17", "1.fc17", -1}, {"1g.fc17", "1.fc17", 1}, {"1.1.α", "1.1.β", 0},
}

func TestCompareAsRPMDocuments(t *testing.T) {
	for _, tt := range vercmpCases {
		if got := CompareEVR(tt.a, tt.b); got != tt.want {
			t.Errorf("CompareEVR(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	p := func(evr string) NEVRA {
		n, err := ParseNEVRA("x-" + evr + ".noarch")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"1:1-1", "2-1", 1}, {"1-1", "1-2", -1}, {"1:1-1", "1:1-1", 0}, {"10:1-1", "9:1-1", 1}, {"1-1~rc", "1-1", -1}} {
		if got := p(tt.a).Compare(p(tt.b)); got != tt.want {
			t.Errorf("%s against %s: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// The same cases and many random ones, asked of the real rpm.
func TestCompareAsRPMDoes(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("this test needs the program rpm")
		}
		t.Skip("NOT TESTED: there is no program rpm here")
	}
	var pairs [][2]string
	for _, c := range vercmpCases {
		if !strings.ContainsFunc(c.a, func(r rune) bool { return r > 127 }) {
			pairs = append(pairs, [2]string{c.a, c.b})
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	version := func() string {
		var b strings.Builder
		for range 1 + random.IntN(6) {
			b.WriteString([]string{"0", "1", "01", "10", "a", "b", "ab", "A", ".", "_", "+", "~", "^", "~~", "^^", "fc18"}[random.IntN(16)])
		}
		return b.String()
	}
	for range 2000 {
		pairs = append(pairs, [2]string{version(), version()})
	}
	// rpm has a bound on the length of a macro: some at a time.
	for some := range slices.Chunk(pairs, 100) {
		var script strings.Builder
		for _, p := range some {
			fmt.Fprintf(&script, "print(rpm.vercmp('%s', '%s'), '') ", p[0], p[1])
		}
		out, err := exec.Command("rpm", "--eval", "%{lua:"+script.String()+"}").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		answers := strings.Fields(string(out))
		if len(answers) != len(some) {
			t.Fatalf("rpm gave %d answers to %d questions: %.300s", len(answers), len(some), out)
		}
		for i, p := range some {
			if got := fmt.Sprint(CompareEVR(p[0], p[1])); got != answers[i] {
				t.Errorf("CompareEVR(%q, %q) = %s, rpm says %s", p[0], p[1], got, answers[i])
			}
		}
	}
}

func TestCompatible(t *testing.T) {
	for arch, want := range map[string]string{
		"i686": "i686 i586 i486 i386 noarch", "geode": "geode i686 i586 i486 i386 noarch", "x86_64": "x86_64 noarch",
		"armv7hl": "armv7hl armv6hl noarch", "noarch": "noarch", "riscv64": "riscv64 noarch",
	} {
		if got := strings.Join(Compatible(arch), " "); got != want {
			t.Errorf("Compatible(%s) = %s, want %s", arch, got, want)
		}
	}
}

func FuzzParseNEVRA(f *testing.F) {
	f.Add("a-b-2:1~rc1-1^x.noarch")
	f.Add("--..::")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseNEVRA(s)
		if err != nil {
			return
		}
		if again, err := ParseNEVRA(p.String()); err != nil || again != p {
			t.Errorf("%q is read as %+v, written %q and read as %+v, %v", s, p, p, again, err)
		}
		if p.Compare(p) != 0 {
			t.Errorf("%s is not the same as itself", p)
		}
	})
}

// What stands beside each other: rpm's colours, 1 for 32 bits and 2 for 64.
func TestBeside(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"x86_64", "i686", true}, {"i586", "x86_64", true}, {"s390x", "s390", true}, {"ppc64", "ppc", true}, {"aarch64", "armv7hl", true},
		{"x86_64", "x86_64", false}, {"x86_64", "x86_64_v2", false}, {"i586", "i686", false}, {"noarch", "x86_64", false}, {"i686", "noarch", false},
	} {
		if got := (NEVRA{Arch: tt.a}).Beside(NEVRA{Arch: tt.b}); got != tt.want {
			t.Errorf("%s beside %s: %v", tt.a, tt.b, got)
		}
	}
}
