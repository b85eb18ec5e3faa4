// SPDX-License-Identifier: GPL-2.0-or-later

// Command presolver is the server's tool: it solves the dependency trees of a platform's top-level
// packages and publishes them for laptops to download (build), serves a published folder (serve),
// brings it to other places over a network, by a stick or in an object store (mirror, export, import,
// upload, merge), makes pages for people of it (pages), makes, uses and checks the keys that it is
// signed with (keygen, sign, keys, verify), tells what is published (why, diff, status), and publishes
// that again (resign, rollback).
//
// This package reads flags and the configuration, shows progress and serves files; solving is
// solve's, signatures are signing's, copies are mirror's, pages are pages', and the published folder is publish's.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

func main() { os.Exit(run()) }

// Exit codes.
const (
	exitFailed   = 1 // the command failed; what was published before is as it was
	exitUsage    = 2 // the command line or the configuration is wrong
	exitUnsolved = 3 // build --strict: names can't be solved
	exitNotThere = 4 // why: the package isn't published
)

// An exitError is an error with an exit code of its own.
type exitError struct {
	code int
	error
}

func (e *exitError) Unwrap() error { return e.error }

type cli struct {
	Build buildCmd `cmd:"" help:"Solve the trees of a platform and publish them. Exits with 0 when they are published, 1 when it failed, 2 when the command line or the configuration is wrong, 3 when --strict kept them from being published."`
	Serve serveCmd `cmd:"" help:"Serve a published folder over HTTP."`

	Mirror mirrorCmd `cmd:"" help:"Copy what is published elsewhere, or some programs of it, to a folder that is served here. Exits with 0 when the copy is whole, 1 when it failed, 2 when the command line is wrong."`
	Export exportCmd `cmd:"" help:"Copy programs, with all that they need, to a stick."`
	Import importCmd `cmd:"" help:"Copy what is on a stick to a folder that is served here."`
	Pages  pagesCmd  `cmd:"" help:"Make pages for people of what is published in a folder, or bring them up to date."`
	Upload uploadCmd `cmd:"" help:"Bring a published folder to a bucket of an object store."`
	Merge  mergeCmd  `cmd:"" help:"Make platforms.json of what several computers have published in one place."`

	Keygen keygenCmd `cmd:"" help:"Make a key to sign with."`
	Sign   signCmd   `cmd:"" help:"Add a signature to what is published, or to a keys file."`
	Keys   keysCmd   `cmd:"" help:"Make and check keys files, which say who may sign."`
	Verify verifyCmd `cmd:"" help:"Say what is wrong with a published folder. Exits with 0 when nothing is, else with 1."`
	Why    whyCmd    `cmd:"" help:"Tell why a package is published, and what pulls it in, or why it isn't. Exits with 4 where it isn't."`
	Diff   diffCmd   `cmd:"" help:"Tell what differs between two published platforms, or two serials of one."`
	Status statusCmd `cmd:"" help:"Tell what is published in a folder."`

	Resign   resignCmd   `cmd:"" help:"Have what is published be valid for longer, without a build, where less than half of --valid-for is left."`
	Rollback rollbackCmd `cmd:"" help:"Publish again what an earlier serial had, under a new serial."`

	Version kong.VersionFlag `help:"Print the version."`
}

// streams are where a command writes to.
type streams struct {
	out io.Writer // results
	err *os.File  // progress and errors
}

const interrupted = "presolver: interrupted; what is published is whole"

// stopTime is how long a command may take to end after a signal. What is C, libsolv's solver above
// all, can't be interrupted; since all that is published appears at once, the program can be ended
// anywhere.
const stopTime = 5 * time.Second

// untilSignal is a context that SIGINT or SIGTERM ends. A second signal, or the end of the time
// that a command may take to heed the first, ends the program. stop takes that back.
func untilSignal(stderr io.Writer) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
		case <-ctx.Done():
			return
		}
		cancel()
		select {
		case <-signals:
		case <-time.After(stopTime):
		}
		fmt.Fprintln(stderr, interrupted)
		os.Exit(exitFailed)
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

// run carries out the command line and gives the exit code.
func run() int {
	std := streams{os.Stdout, os.Stderr}
	ctx, stop := untilSignal(std.err)
	defer stop()
	code := -1
	parser, err := kong.New(new(cli),
		kong.Name("presolver"),
		kong.Description("Solves the dependency trees of packages once, on a server, for computers that are too small for a package manager."),
		kong.Vars{"version": fmt.Sprintf("presolver %s, format %d", programVersion(), tree.Format)},
		kong.UsageOnError(),
		kong.Exit(func(c int) { code = c }),
	)
	if err != nil {
		panic(err) // the cli type is wrong
	}
	command, err := parser.Parse(os.Args[1:])
	if code >= 0 { // --help, --version
		return code
	}
	if err != nil {
		fmt.Fprintf(std.err, "presolver: %v; see presolver --help\n", err)
		return exitUsage
	}
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.Run(std)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(std.err, interrupted)
		return exitFailed
	}
	fmt.Fprintf(std.err, "presolver: %s\n", solve.Visible(err.Error()))
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return exitFailed
}
