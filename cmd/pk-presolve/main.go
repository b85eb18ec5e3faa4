// Command pk-presolve is the helper that PackageKit starts: it carries out a command, then those that come on stdin.
//
//	pk-presolve [--config FILE] [--dialect D] [--one-shot] [COMMAND [ARG…]]
//
// This file and config.go are flags, configuration and wiring, nothing else.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sugarlabs/packagekit-backend-presolve/db"
	"github.com/sugarlabs/packagekit-backend-presolve/dispatcher"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/describe"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/install"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/refresh"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/resolve"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/search"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	net "github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

const usage = `pk-presolve [--config FILE] [--dialect D] [--one-shot] [COMMAND [ARG…]]

Carries out COMMAND, then the commands that come on stdin, one a line, the words
separated by tabs, until "exit" or a while without any. PackageKit starts it; by
hand it is good for trying things:

    pk-presolve --one-shot resolve none sugar-write-activity

`

func main() { os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// The machines are small: little garbage is worth more than little work.
	debug.SetGCPercent(50)
	flags := flag.NewFlagSet("pk-presolve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	path := flags.String("config", "/etc/PackageKit/presolve.toml", "the configuration")
	dialect := flags.String("dialect", "", "the generation of the protocol, e.g. 1.2 (default: the configuration's)")
	oneShot := flags.Bool("one-shot", false, "stop after COMMAND")
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return dispatcher.Success
	} else if err != nil {
		return 2
	}
	// SIGQUIT would make Go dump its goroutines: it is how PackageKit up to 1.2 cancels.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT)
	signal.Ignore(syscall.SIGPIPE) // a reader that is gone is an error of Write, and no reason to leave rpm alone

	c, err := readConfig(*path)
	if err == nil && *dialect != "" {
		c.Dialect = *dialect
		_, err = wire.ParseDialect(c.Dialect)
	}
	if err != nil {
		return giveUp(stdout, wire.Errorf(wire.FailedConfigParsing, "%w", err))
	}
	logTo := stderr
	if c.LogFile != "" {
		f, err := os.OpenFile(c.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return giveUp(stdout, wire.Errorf(wire.FailedInitialization, "opening the log: %w", err))
		}
		defer f.Close()
		logTo = f
	}
	log := hclog.New(&hclog.LoggerOptions{Name: "pk-presolve", Level: hclog.LevelFromString(c.LogLevel), Output: logTo})

	record, err := db.Open(filepath.Join(c.State, "record.sqlite"))
	if err != nil {
		return giveUp(stdout, wire.Errorf(wire.FailedInitialization, "%w", err))
	}
	defer record.Close()
	client := net.New(net.Options{Parallel: c.Transport.Parallel, RetryFor: time.Duration(c.Transport.RetryFor), Log: log.Named("transport")})
	defer client.Close()
	system, err := ops.NewSystem(ops.Config{
		Platform: c.Platform, Sources: c.sources(), Record: record, Net: client, RPM: rpm.FindDatabase(c.Root, c.RPMDB),
		Cache: c.Cache, State: c.State, CacheAge: cacheAge(os.Getenv("CACHE_AGE")), Log: log,
	})
	if err != nil {
		return giveUp(stdout, wire.Errorf(wire.FailedInitialization, "%w", err))
	}
	defer system.Close()
	mux := make(ops.Mux)
	for _, register := range []func(ops.Mux, *ops.System){search.Register, resolve.Register, describe.Register, refresh.Register, install.Register} {
		register(mux, system)
	}
	d := dispatcher.Dispatcher{
		Mux: mux, In: stdin, Out: stdout, Signals: signals, Idle: time.Duration(c.IdleTimeout), OneShot: *oneShot,
		Dialect: wire.Dialect(c.Dialect), Log: log,
	}
	return d.Run(flags.Args())
}

// giveUp tells PackageKit why there will be no helper.
func giveUp(stdout io.Writer, err *wire.Error) int {
	w := wire.NewWriter(stdout, wire.V1_2, nil)
	w.Begin()
	w.Finish(err)
	return dispatcher.GaveUp
}

// cacheAge reads CACHE_AGE, seconds; absent or negative: any age will do.
func cacheAge(s string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 31)
	if err != nil {
		return -1
	}
	return time.Duration(n) * time.Second
}
