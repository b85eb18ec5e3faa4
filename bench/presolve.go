// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// presolve measures the server: all names of the big platform, published too, beside dnf.
func (b *bench) presolve() error {
	p, err := b.platform()
	if err != nil {
		return err
	}
	if b.published != "" {
		fresh := *p
		if err := b.build(&fresh); err != nil {
			return err
		}
		p = &fresh
	}
	if err := b.besideDNF(p); err != nil {
		return err
	}
	return b.buildsAgain(p)
}

// besideDNF is how fast the build of all was, and how fast dnf is.
func (b *bench) besideDNF(p *platform) error {
	trees := rate(float64(len(p.names)) / time.Duration(p.build.wall).Seconds())
	b.table.add(row{what: fmt.Sprintf("presolve: build of all %d trees, reading and publishing too", len(p.names)), figure: p.build.wall})
	b.table.add(row{what: "presolve: peak memory", figure: p.build.peak})
	r := row{what: "presolve: trees a second", figure: trees, budget: rate(300)}
	if !b.installed("dnf") {
		b.table.add(r)
		return nil
	}
	root := filepath.Join(b.folder("solve"), "root")
	if err := testbed.Root(root, p.base...); err != nil {
		return err
	}
	one, all, err := b.dnfSolves(p, root)
	if err != nil {
		b.table.add(r)
		return err
	}
	r.peer, r.other = "dnf's library, one process", all
	b.table.add(r)
	b.table.add(row{what: "presolve: the same", figure: trees, peer: "dnf --assumeno for each", other: one})
	return nil
}

// buildsAgain measures the builds that come after, of the same and of a hundredth that was built
// anew. What they publish takes the place of what the other sections had.
func (b *bench) buildsAgain(p *platform) error {
	const all = "the build of all"
	b.say("presolving what hasn't changed")
	unchanged, err := b.buildAgain(p)
	if err != nil {
		return err
	}
	b.table.add(row{what: "presolve: build, nothing changed: CPU", figure: unchanged.used, budget: took(2 * time.Second), peer: all, other: p.build.used})
	known, anew, err := rebuild(p.repository)
	if err != nil {
		return err
	}
	b.say("presolving after %d of %d packages were built anew", anew, known)
	changed, err := b.buildAgain(p)
	if err != nil {
		return err
	}
	b.table.add(row{what: fmt.Sprintf("presolve: build, %d of %d packages built anew: CPU", anew, known), figure: changed.used, times: 0.2, peer: all, other: p.build.used})
	b.table.add(row{what: "presolve: the same: peak memory", figure: changed.peak, peer: all, other: p.build.peak})
	before := len(p.names)
	if err := p.readNames(); err != nil {
		return err
	}
	if len(p.names) != before {
		b.table.note("presolve: %d names were solved before packages were built anew, and %d after.", before, len(p.names))
	}
	return nil
}

// solver is dnf's library at its best: everything is loaded once.
const solver = `
import dnf, json, sys, time
names = json.load(open(sys.argv[2]))
base = dnf.Base()
base.conf.read(sys.argv[1])
base.conf.installroot = sys.argv[3]
base.conf.substitutions["releasever"] = "1"
for folder in "cachedir", "persistdir", "logdir":
    base.conf.prepend_installroot(folder)
base.read_all_repos()
base.fill_sack()
start, solved = time.monotonic(), 0
for name in names:
    base.reset(goal=True)
    try:
        base.install(name)
        base.resolve()
        solved += 1
    except dnf.exceptions.Error as e:
        print(name, e, file=sys.stderr)
print(json.dumps([solved, time.monotonic() - start]))
`

// dnfSolves is how many of a sample of names dnf solves a second, one process for each and one for
// all.
func (b *bench) dnfSolves(p *platform, root string) (one, all rate, err error) {
	sample := some(rand.New(rand.NewPCG(3, 4)), p.names, b.sample)
	cmd, err := b.dnf(root, "file://"+p.repository)
	if err != nil {
		return 0, 0, err
	}
	b.say("solving %d names with dnf", len(sample))
	if _, _, err := b.cost(again(cmd, "makecache")); err != nil {
		return 0, 0, err
	}
	start := time.Now()
	for _, name := range sample {
		// It ends with 1, "Operation aborted.", where it would install something.
		if _, out, err := b.cost(again(cmd, "--assumeno", "--cacheonly", "install", name)); !strings.Contains(out, "Operation aborted") {
			return 0, 0, fmt.Errorf("dnf install %s: %w", name, err)
		}
	}
	one = rate(float64(len(sample)) / time.Since(start).Seconds())
	data, err := json.Marshal(sample)
	if err != nil {
		return one, 0, err
	}
	list := filepath.Join(filepath.Dir(root), "names.json")
	if err := os.WriteFile(list, data, 0o644); err != nil {
		return one, 0, err
	}
	python := exec.Command("/usr/bin/python3", "-c", solver, cmd.Args[2], list, root)
	python.Env = cmd.Env
	_, out, err := b.cost(python)
	if err != nil {
		return one, 0, err
	}
	var answer [2]float64
	if err := json.Unmarshal([]byte(out[strings.LastIndexByte(out, '['):]), &answer); err != nil || answer[0] == 0 {
		return one, 0, fmt.Errorf("dnf's library solved %v: %s", answer, out)
	}
	return one, rate(answer[0] / answer[1]), nil
}

// again is a command with other arguments at its end.
func again(cmd *exec.Cmd, args ...string) *exec.Cmd {
	c := exec.Command(cmd.Args[0], append(append([]string(nil), cmd.Args[1:]...), args...)...)
	c.Env = cmd.Env
	return c
}
