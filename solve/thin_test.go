// SPDX-License-Identifier: GPL-2.0-or-later

package solve

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What the solver is spared must not change its answers: trees solved in the whole pool and in a
// clone are the same. PRESOLVE_EVERY=1 compares all 63,440, which takes ten minutes.
func TestThinPoolGivesTheSameAnswers(t *testing.T) {
	dir := corpus(t)
	p, err := Open(context.Background(), Config{
		Arch:         "x86_64",
		Repositories: []Repository{{ID: "distribution", URL: "file://" + dir + "/distribution"}},
		Base:         Base{Packages: []string{"sugar-session"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	every, from := 997, 0
	if long {
		every = 331
	}
	if s := os.Getenv("PRESOLVE_EVERY"); s != "" {
		if every, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	if s := os.Getenv("PRESOLVE_FROM"); s != "" {
		if from, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	clone := p.main.clone(false)
	defer clone.free()
	names := p.Names()
	for i := from; i < len(names); i += every {
		if p.baseName[names[i]] {
			continue
		}
		want, wantReason := p.main.solve(context.Background(), false, names[i])
		got, gotReason := clone.solve(context.Background(), false, names[i])
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) || (gotReason == "") != (wantReason == "") {
			t.Errorf("%s: thin %d packages %q, whole %d packages %q", names[i], len(got), gotReason, len(want), wantReason)
		}
	}
}

// The same with repositories that chance made: versions, alternatives, recommendations, conflicts,
// obsoletes.
func TestThinPoolGivesTheSameAnswersByChance(t *testing.T) {
	solved, unsolved := 0, 0
	seeds := uint64(100)
	if long {
		seeds = 300
	}
	for seed := range seeds {
		url := chance(t, rand.New(rand.NewPCG(seed, 1)))
		for _, weak := range []bool{false, true} {
			p, err := Open(context.Background(), Config{
				Arch: "x86_64", Repositories: []Repository{{ID: "repo", URL: url}}, Base: Base{Packages: []string{"base0", "base1", "base2"}}, WeakDependencies: weak,
			})
			if err != nil {
				t.Fatal(err)
			}
			clone := p.main.clone(weak)
			for _, name := range p.Names() {
				if p.baseName[name] {
					continue
				}
				want, wantReason := p.main.solve(context.Background(), weak, name)
				got, gotReason := clone.solve(context.Background(), weak, name)
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) || (gotReason == "") != (wantReason == "") {
					t.Errorf("seed %d, weak %v, %s: thin %v %q, whole %v %q", seed, weak, name, got, gotReason, want, wantReason)
				}
				if wantReason == "" {
					solved++
				} else {
					unsolved++
				}
			}
			clone.free()
			p.Close()
		}
	}
	t.Logf("%d solved, %d not", solved, unsolved)
}

// chance writes a repository of about fifty packages, of which some can't be installed.
func chance(t *testing.T, r *rand.Rand) string {
	t.Helper()
	var b strings.Builder
	dep := func() string { // one of the names, or of what several provide, perhaps of a version
		name := fmt.Sprintf("p%d", r.IntN(30))
		switch r.IntN(10) {
		case 0, 1:
			name = fmt.Sprintf("base%d", r.IntN(5))
		case 2, 3, 4:
			name = fmt.Sprintf("virtual%d", r.IntN(6))
		}
		switch r.IntN(8) {
		case 0:
			return fmt.Sprintf(`<rpm:entry name=%q flags="GE" epoch="0" ver="2"/>`, name)
		case 1:
			return fmt.Sprintf(`<rpm:entry name=%q flags="EQ" epoch="0" ver="1"/>`, name)
		case 2:
			return fmt.Sprintf(`<rpm:entry name="(%s or p%d)"/>`, name, r.IntN(30))
		}
		return fmt.Sprintf(`<rpm:entry name=%q/>`, name)
	}
	deps := func(kind string, most int, entry func() string) {
		fmt.Fprintf(&b, "<rpm:%s>", kind)
		for range r.IntN(most + 1) {
			b.WriteString(entry())
		}
		fmt.Fprintf(&b, "</rpm:%s>", kind)
	}
	pkg := func(name, version, arch string, base bool) {
		sum := sha256.Sum256([]byte(name + version + arch))
		fmt.Fprintf(&b, `<package type="rpm"><name>%s</name><arch>%s</arch><version epoch="0" ver=%q rel="1"/><checksum type="sha256" pkgid="YES">%x</checksum><summary>s</summary><size package="1" installed="1" archive="1"/><location href="%s-%s.rpm"/><format>`, name, arch, version, sum, name, version)
		b.WriteString("<rpm:provides>")
		fmt.Fprintf(&b, `<rpm:entry name=%q flags="EQ" epoch="0" ver=%q rel="1"/>`, name, version)
		for range r.IntN(3) {
			fmt.Fprintf(&b, `<rpm:entry name="virtual%d"/>`, r.IntN(6))
		}
		b.WriteString("</rpm:provides>")
		if !base {
			deps("requires", 3, dep)
			deps("recommends", 2, dep)
			deps("suggests", 2, dep)
			if r.IntN(6) == 0 {
				deps("conflicts", 1, dep)
			}
			if r.IntN(10) == 0 {
				deps("obsoletes", 1, func() string { return fmt.Sprintf(`<rpm:entry name="p%d"/>`, r.IntN(30)) })
			}
		} else {
			deps("recommends", 1, dep)
		}
		b.WriteString("</format></package>")
	}
	for i := range 5 {
		pkg(fmt.Sprintf("base%d", i), "1", "noarch", true)
	}
	if r.IntN(2) == 0 {
		pkg("base1", "2", "noarch", true)
	}
	for i := range 30 {
		name, arch := fmt.Sprintf("p%d", i), []string{"noarch", "x86_64"}[r.IntN(2)]
		pkg(name, "1", arch, false)
		if r.IntN(3) == 0 {
			pkg(name, "2", arch, false)
		}
		if r.IntN(8) == 0 {
			pkg(name, "1", "i686", false)
		}
	}
	primary := `<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm">` + b.String() + `</metadata>`
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "repodata"), 0o755); err != nil {
		t.Fatal(err)
	}
	repomd := fmt.Sprintf(`<repomd><data type="primary"><checksum type="sha256">%x</checksum><location href="repodata/primary.xml"/></data></repomd>`, sha256.Sum256([]byte(primary)))
	for name, content := range map[string]string{"repomd.xml": repomd, "primary.xml": primary} {
		if err := os.WriteFile(filepath.Join(dir, "repodata", name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + dir
}
