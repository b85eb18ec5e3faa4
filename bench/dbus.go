// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/backend/pktest"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// A stage is what pktest runs on outside a test: what would fail the test panics with a stageError.
type stage struct {
	testing.TB
	dir      string
	cleanups []func()
	failed   error
}

type stageError struct{ error }

func (s *stage) Helper()                   {}
func (s *stage) Logf(string, ...any)       {}
func (s *stage) Failed() bool              { return s.failed != nil }
func (s *stage) Cleanup(f func())          { s.cleanups = append(s.cleanups, f) }
func (s *stage) Errorf(f string, a ...any) { s.failed = errors.Join(s.failed, fmt.Errorf(f, a...)) }
func (s *stage) Fatalf(f string, a ...any) { s.Errorf(f, a...); panic(stageError{s.failed}) }
func (s *stage) Skipf(f string, a ...any)  { s.Fatalf(f, a...) }
func (s *stage) Fatal(a ...any)            { s.Fatalf("%s", fmt.Sprint(a...)) }

func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp(s.dir, "")
	if err != nil {
		s.Fatal(err)
	}
	os.Chmod(dir, 0o755)
	return dir
}

// onStage runs f, and cleans up after it.
func onStage(dir string, f func(*stage) error) (err error) {
	s := &stage{dir: dir}
	defer func() {
		if p := recover(); p != nil {
			failure, ok := p.(stageError)
			if !ok {
				panic(p)
			}
			err = failure
		} else if err == nil {
			err = s.failed
		}
	}()
	defer func() {
		for i := len(s.cleanups) - 1; i >= 0; i-- {
			s.cleanups[i]()
		}
	}()
	return f(s)
}

// backends is the folder that packagekitd loads backends from.
func backends() string {
	libdir, _ := exec.Command("pkg-config", "--variable=libdir", "packagekit-glib2").Output()
	return filepath.Join(strings.TrimSpace(string(libdir)), "packagekit-backend")
}

const filterNone = uint64(1 << 1)

// dbus measures what PackageKit's clients see: real packagekitds with this backend, the dummy,
// which does nothing, and apt.
func (b *bench) dbus() error {
	p, err := b.platform()
	if err != nil {
		return err
	}
	s, err := b.shop()
	if err != nil {
		return err
	}
	defer s.Close()
	slow, err := testbed.NewLink(s.published.URL, testbed.Weather{Rate: 50_000})
	if err != nil {
		return err
	}
	defer slow.Close()
	server, err := b.tools.Serve(p.published)
	if err != nil {
		return err
	}
	defer server.Stop()
	base := p.base
	if s.platform == p.name && b.corpus == "" {
		base = append(base[:len(base):len(base)], s.base...)
	}
	l, err := testbed.NewLaptop(b.folder("laptop"), p.name, server.URL, "presolve", b.key.Fingerprint, "idle_timeout = \"10m\"\n", base...)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(l.Config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	fmt.Fprintf(f, "\n[[source]]\nid = \"shop\"\nurl = %q\nsignatures = \"none\"\n", slow.URL)
	f.Close()
	h, err := b.start(l)
	if err != nil {
		return err
	}
	b.say("refreshing the whole catalogue")
	_, _, err = do(h, "refresh-cache", "false")
	if err := errors.Join(err, h.Stop()); err != nil {
		return err
	}
	return onStage(b.dir, func(t *stage) error { return b.transactions(t, p, s, l) })
}

// transactions measures on a stage.
func (b *bench) transactions(t *stage, p *platform, s *shop, l *testbed.Laptop) error {
	b.say("starting packagekitds")
	helper := pktest.Wrap(t, b.tools.Helper, "--config", l.Config)
	presolve := pktest.StartWith(t, pktest.Options{Helper: helper, Quiet: true})
	dummy := pktest.StartWith(t, pktest.Options{Backend: "dummy", Quiet: true})
	var apt *pktest.Daemon
	if _, err := os.Stat(filepath.Join(backends(), "libpk_backend_apt.so")); err == nil {
		apt = pktest.StartWith(t, pktest.Options{Backend: "apt", Quiet: true})
	} else {
		b.table.note("PackageKit's apt backend is not installed: not compared.")
	}
	random := rand.New(rand.NewPCG(5, 6))
	n := max(b.queries/10, 10)
	names, words := some(random, p.names, n), some(random, p.words(), n)
	asked := make(map[*pktest.Daemon]int)
	ask := func(d *pktest.Daemon, method, term string) (took, error) {
		// packagekitd keeps a transaction for five seconds after its end, and refuses to have more
		// than 500.
		if asked[d]++; asked[d]%400 == 0 {
			select {
			case <-time.After(6 * time.Second):
			case <-b.Done():
			}
		}
		if b.Err() != nil {
			return 0, b.Err()
		}
		start := time.Now()
		r := d.Run(method, filterNone, []string{term})
		if code, text := r.Error(); code != 0 {
			return 0, fmt.Errorf("%s %s through %s: error %d: %s", method, term, d.Backend(), code, text)
		}
		return took(time.Since(start)), nil
	}
	measure := func(when string) error {
		resolve, search, floor, aptResolve, aptSearch := []took{}, []took{}, []took{}, []took{}, []took{}
		for i := range n {
			type question struct {
				d      *pktest.Daemon
				method string
				term   string
				times  *[]took
			}
			questions := []question{
				{presolve, "Resolve", names[i%len(names)], &resolve},
				{dummy, "Resolve", names[i%len(names)], &floor},
				{presolve, "SearchNames", words[i%len(words)], &search},
			}
			if apt != nil && i < 10 && when == "" { // half a second each
				questions = append(questions, question{apt, "Resolve", names[i%len(names)], &aptResolve}, question{apt, "SearchNames", words[i%len(words)], &aptSearch})
			}
			for _, q := range questions {
				t, err := ask(q.d, q.method, q.term)
				if err != nil {
					return err
				}
				*q.times = append(*q.times, t)
			}
		}
		b.table.add(row{what: "dbus: Resolve" + when + ", median", figure: median(resolve), peer: "dummy", other: median(floor), times: 1.15})
		b.table.add(row{what: "dbus: Resolve" + when + ", p99", figure: quantile(resolve, 0.99), peer: "dummy", other: quantile(floor, 0.99)})
		b.table.add(row{what: "dbus: SearchNames" + when + ", median", figure: median(search)})
		b.table.add(row{what: "dbus: SearchNames" + when + ", p99", figure: quantile(search, 0.99)})
		if len(aptResolve) > 0 {
			b.table.add(row{what: "dbus: Resolve, median", figure: median(resolve), peer: "apt", other: median(aptResolve)})
			b.table.add(row{what: "dbus: SearchNames, median", figure: median(search), peer: "apt", other: median(aptSearch)})
		}
		return nil
	}
	for _, d := range []*pktest.Daemon{presolve, dummy, apt} { // the first starts helpers and opens caches
		if d == nil {
			continue
		}
		if _, err := ask(d, "Resolve", names[0]); err != nil {
			return err
		}
	}
	if _, err := ask(presolve, "SearchNames", words[0]); err != nil {
		return err
	}
	b.say("asking packagekitds")
	if err := measure(""); err != nil {
		return err
	}
	r := row{what: "dbus: peak memory of packagekitd, without the helpers", figure: memory(presolve.Pid(), "VmHWM")}
	if apt != nil {
		r.peer, r.other = "apt", memory(apt.Pid(), "VmHWM")
	}
	b.table.add(r)

	id := ""
	for _, body := range presolve.Run("Resolve", filterNone, []string{s.program}).All("Package") {
		if text, _ := body[1].(string); strings.HasPrefix(text, s.program+";") {
			id = text[:strings.LastIndexByte(text, ';')] + ";shop"
		}
	}
	b.say("asking packagekitds while %s is downloaded", s.program)
	x := presolve.Begin()
	if err := x.Call("InstallPackages", uint64(0), []string{id}); err != nil {
		return err
	}
	x.Until("Package")
	if err := measure(" while an install downloads"); err != nil {
		return err
	}
	x.Call("Cancel")
	if exit := x.Wait().Exit(); exit != 3 {
		return fmt.Errorf("the install had ended (%d) before what was measured beside it", exit)
	}
	return nil
}
