// SPDX-License-Identifier: GPL-2.0-or-later

// Command bench measures this project side by side with its peers in one run, and prints a table:
// each figure, the budget of the design, the peer's figure, the ratio, and whether the budget is
// kept.
//
//	go run ./bench [-only helper,install,link,dbus,presolve] [-runs N] …
//
// Every section makes what it needs in a temporary folder, which is removed: a platform of 63,440
// packages, presolved from ../shared/corpus where that is there, else from a made-up repository of
// that size; a school with RPMs, its server, laptops. Peers get the same files from the same
// server, in turns with our own runs, and what is compared is medians. The machine counts: quote
// ratios, and those of one run. A disk that others use makes installs differ by half: with
// TMPDIR=/dev/shm only the programs are compared.
//
// The section link has a table of its own: what came over the wire, and how long it took, until a
// program was installed over links that drop, are down for a while, or far away; for the helper,
// for dnf, which is run again where it gives up, and for curl and rpm. It takes about four minutes
// with -runs 1.
//
// A peer that isn't installed is left out, and so is a section that can't be measured here; what is
// missing is said below the table. Nothing is asserted.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/testbed"
)

// sections are the parts of the table, in the order in which they are measured.
var sections = []struct {
	name    string
	measure func(*bench) error
}{
	{"helper", (*bench).helper},
	{"catalogue", (*bench).catalogue},
	{"install", (*bench).install},
	{"link", (*bench).link},
	{"dbus", (*bench).dbus},
	{"presolve", (*bench).presolve},
}

type options struct {
	only      []string
	runs      int
	queries   int
	starts    int
	sample    int
	rate      int
	published string
	corpus    string
}

// A bench is one run.
type bench struct {
	options
	context.Context
	dir   string
	tools testbed.Tools
	key   *pgp.Signer // who signs what is published
	// connections are how many each program has at most.
	connections int
	table       table
	big         *platform // once it was needed
}

func (b *bench) keyFile() string { return filepath.Join(b.dir, "presolver.key") }

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var names []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	b := &bench{connections: connections}
	only := flag.String("only", strings.Join(names, ","), "the sections to measure")
	flag.IntVar(&b.runs, "runs", 5, "installs with each program; the median counts")
	flag.IntVar(&b.queries, "queries", 2000, "commands of each kind that are sent to the helper; a tenth as many over D-Bus")
	flag.IntVar(&b.starts, "starts", 20, "cold starts")
	flag.IntVar(&b.sample, "sample", 40, "names that dnf solves")
	flag.IntVar(&b.rate, "rate", 2_000_000, "bytes a second for each connection of the slow link")
	flag.StringVar(&b.published, "published", "", "a folder that \"presolver build\" made of the big platform, to save making it; presolve makes its own all the same")
	flag.StringVar(&b.corpus, "corpus", "../shared/corpus", "the real packages; made-up ones where they aren't there")
	flag.Parse()
	b.only = strings.Split(*only, ",")
	for _, name := range b.only {
		if !slices.Contains(names, name) || flag.NArg() > 0 {
			return fmt.Errorf("usage: bench [-only %s] [-runs N] …; see bench -help", strings.Join(names, ","))
		}
	}
	if min(b.runs, b.queries, b.starts, b.sample, b.rate) < 1 {
		return errors.New("-runs, -queries, -starts, -sample and -rate are at least 1")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b.Context = ctx
	var err error
	if b.corpus, err = filepath.Abs(b.corpus); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.corpus, "distribution")); err != nil {
		b.table.note("The corpus is not at %s: packages are made up.", b.corpus)
		b.corpus = ""
	}
	if b.dir, err = os.MkdirTemp("", "presolve-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.say("building the programs")
	if b.tools, err = testbed.Build(b.dir); err != nil {
		return err
	}
	if b.key, err = testbed.NewKey(b.keyFile()); err != nil {
		return err
	}
	b.table.machine = machine()
	for _, s := range sections {
		if !slices.Contains(b.only, s.name) {
			continue
		}
		err := s.measure(b)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if err != nil {
			b.table.note("The section %s ended early: %v", s.name, err)
		}
	}
	return b.table.print(os.Stdout)
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

// folder makes a folder in the temporary one.
func (b *bench) folder(name string) string {
	dir, err := os.MkdirTemp(b.dir, name+"-")
	if err != nil {
		panic(err) // it was made a moment ago
	}
	os.Chmod(dir, 0o755)
	return dir
}

// machine says what the figures were measured on.
func machine() string {
	cpu := runtime.GOARCH
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	minute, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%s; %d × %s; load %s at the start; %s", time.Now().Format(time.DateOnly), runtime.NumCPU(), cpu, minute, runtime.Version())
}
