// Command presolver is the server's tool: it solves the dependency trees of a platform's top-level packages and
// publishes them for laptops to download (build), and serves a published folder (serve).
//
// This package reads flags and the configuration, shows progress and serves files; solving is solve's, and the published
// folder is publish's.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sugarlabs/packagekit-backend-presolve/tree"
)

func main() { os.Exit(run()) }

// Exit codes.
const (
	exitFailed   = 1 // the command failed; what was published before is as it was
	exitUsage    = 2 // the command line or the configuration is wrong
	exitUnsolved = 3 // build --strict: names can't be solved
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

	Version kong.VersionFlag `help:"Print the version."`
}

// streams are where a command writes to.
type streams struct {
	out io.Writer // results
	err *os.File  // progress and errors
}

// run carries out the command line and gives the exit code.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	std := streams{os.Stdout, os.Stderr}
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
		fmt.Fprintln(std.err, "presolver: interrupted; what was published before is as it was")
		return exitFailed
	}
	fmt.Fprintf(std.err, "presolver: %v\n", err)
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	return exitFailed
}
