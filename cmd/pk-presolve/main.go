// SPDX-License-Identifier: GPL-2.0-or-later

// Command pk-presolve is the helper that PackageKit starts: it carries out a command, then those
// that come on stdin.
//
//	pk-presolve [--config FILE] [--dialect D] [--one-shot | --stay] [COMMAND [ARG…]]
//	pk-presolve [--config FILE] doctor
//	pk-presolve --version
//
// Called by the name of a command of an older PackageKit ("search-name.py", "presolve-search-name":
// links to the same file), it carries out that command alone, in the dialect that the name belongs
// to unless the configuration has one.
//
// This file and config.go are flags, configuration and wiring, nothing else.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/term"

	"github.com/sugarlabs/packagekit-backend-presolve/caller"
	"github.com/sugarlabs/packagekit-backend-presolve/dispatcher"
	"github.com/sugarlabs/packagekit-backend-presolve/offers"
	"github.com/sugarlabs/packagekit-backend-presolve/ops"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/describe"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/install"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/locale"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/platform"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/refresh"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/remove"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/repair"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/resolve"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/search"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/signature"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/sources"
	"github.com/sugarlabs/packagekit-backend-presolve/ops/update"
	"github.com/sugarlabs/packagekit-backend-presolve/rpm"
	net "github.com/sugarlabs/packagekit-backend-presolve/transport"
	"github.com/sugarlabs/packagekit-backend-presolve/tree"
	"github.com/sugarlabs/packagekit-backend-presolve/trust"
	"github.com/sugarlabs/packagekit-backend-presolve/wire"
)

const usage = `pk-presolve [--config FILE] [--dialect D] [--one-shot | --stay] [COMMAND [ARG…]]
pk-presolve [--config FILE] doctor
pk-presolve --version

Carries out COMMAND, then the commands that come on stdin, one a line, the words
separated by tabs, until "exit" or a while without any. PackageKit starts it; by
hand it is good for trying things:

    pk-presolve --one-shot resolve none sugar-write-activity

doctor looks at all that has to be right for that: the configuration, the RPM
database, disks, sources, keys, the clock, PackageKit. It says what to do where
something is wrong, and changes nothing.

PackageKits before 0.3.2 have a program for each command. Links to this one that
are called search-name.py, presolve-search-name and so on are those programs.

`

func main() { os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin *os.File, stdout, stderr io.Writer) int {
	if len(args) > 1 && args[1] == net.ChildArgument {
		return net.RunChild(args[2:])
	}
	// The machines are small: little garbage is worth more than little work.
	debug.SetGCPercent(25)
	runtime.MemProfileRate = 0 // its table and stacks take 150 KiB, and nobody asks for it
	// A question is answered by one goroutine: to hand it to another processor takes longer.
	runtime.GOMAXPROCS(1)
	// SIGQUIT would make Go dump its goroutines: it is how PackageKit up to 1.2 cancels.
	signals := make(chan os.Signal, 2) // one may be given back by starting
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGINT)
	signal.Ignore(syscall.SIGPIPE) // a reader that is gone is an error of Write, and no reason to leave rpm alone

	a, err := parseArguments(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return dispatcher.Success
	} else if err != nil {
		return 2
	}
	switch {
	case a.version:
		fmt.Fprintf(stdout, "pk-presolve %s, format %d, dialects %s\n", programVersion(), tree.Format, strings.Join(wire.Dialects(), ", "))
		return dispatcher.Success
	case !a.oneShot && slices.Equal(a.command, []string{"doctor"}):
		ctx, started := starting(signals)
		defer started()
		return examine(ctx, a, stdout)
	}
	c, dialect, err := a.configuration()
	if err == nil {
		var status int
		if status, err = serve(c, a, dialect, signals, stdin, stdout, stderr); err == nil {
			return status
		}
	}
	// PackageKit is told why there will be no helper.
	known := ops.AsError(err)
	if known.Code == wire.InternalError || known.Code == wire.TransactionError {
		known = wire.Errorf(wire.FailedInitialization, "%w", err)
	}
	w := wire.NewSplitWriter(stdout, stderr, dialect, nil)
	w.Begin()
	w.Finish(ops.Told(known, offers.Languages(os.Getenv("LANG"))))
	return dispatcher.GaveUp
}

// arguments are the command line.
type arguments struct {
	config  string
	dialect string // of --dialect
	oneShot bool
	stays   bool
	version bool
	command []string
	named   wire.Dialect // what belongs to the program's name
}

func parseArguments(args []string, stderr io.Writer) (*arguments, error) {
	a := &arguments{named: wire.V1_2}
	flags := flag.NewFlagSet("pk-presolve", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&a.config, "config", "/etc/PackageKit/presolve.toml", "the configuration")
	flags.StringVar(&a.dialect, "dialect", "", "the generation of the protocol, or the PackageKit release that speaks it, e.g. 1.2.8 (default: the\nconfiguration's, else what belongs to the name of the program, else 1.2)")
	flags.BoolVar(&a.oneShot, "one-shot", false, "stop after COMMAND")
	flags.BoolVar(&a.stays, "stay", false, "go on after a command that a signal has cancelled; PackageKit's own code that starts helpers\nkills one that does")
	flags.BoolVar(&a.version, "version", false, "print the version")
	if err := flags.Parse(args[1:]); err != nil {
		return nil, err
	}
	a.command = flags.Args()
	if name, dialect := wire.ParseProgram(args[0]); name != "" {
		a.oneShot, a.named, a.command = true, dialect, append([]string{name}, a.command...)
	}
	return a, nil
}

// configuration reads the configuration, and finds the dialect: the command line's, else the
// configuration's, else what belongs to the program's name. The dialect is there even where the
// error isn't nil: it has to be told in one.
func (a *arguments) configuration() (*settings, wire.Dialect, error) {
	c, file, err := readConfig(a.config)
	if err == nil {
		_, err = c.database(file)
	}
	name := a.dialect
	if name == "" && err == nil {
		name = c.Dialect
	}
	if name == "" {
		name = string(a.named)
	}
	dialect, wrong := wire.ParseDialect(name)
	if wrong != nil {
		dialect = a.named
		err = wrong
	}
	if err != nil {
		return nil, dialect, wire.Errorf(wire.FailedConfigParsing, "%w", err)
	}
	return c, dialect, nil
}

// serve puts the parts together and runs the dispatcher. The error says why that can't be.
func serve(c *settings, a *arguments, dialect wire.Dialect, signals chan os.Signal, stdin *os.File, stdout, stderr io.Writer) (status int, err error) {
	log, closeLog, err := openLog(c, dialect, stderr)
	if err != nil {
		return 0, err
	}
	defer closeLog()
	ctx, started := starting(signals)
	defer started()
	if err := ops.PrivateFolders([]string{string(c.State), string(c.Cache)}, "rpms", offers.Folder); err != nil {
		return 0, wire.Errorf(wire.FailedInitialization, "%w", err)
	}
	record, err := ops.OpenRecord(ctx, filepath.Join(string(c.State), "record.sqlite"), log)
	if err != nil {
		return 0, err
	}
	defer record.Close()
	useProxies(log)
	user, err := c.Transport.downloader()
	if err != nil && c.Transport.User != "" {
		log.Warn("what speaks with the network has all rights of this program", "because", err)
	}
	client := net.New(net.Options{
		Parallel: c.Transport.Parallel, RetryFor: time.Duration(c.Transport.RetryFor), SmallRetryFor: patience(os.Getenv("NETWORK")),
		Background: os.Getenv("BACKGROUND") == "TRUE", User: user, Log: log.Named("transport"),
	})
	defer client.Close()
	system, err := ops.NewSystem(ctx, ops.Config{
		Record: record, Net: client, RPM: rpm.FindDatabase(string(c.Root), c.RPMDB), Cache: string(c.Cache), CacheLimit: int64(c.CacheLimit), InstallOnlyLimit: c.InstallOnlyLimit, State: string(c.State),
		Keyring: string(c.Trust.Keyring), SignedRPMs: c.Trust.RPMSignatures == "required", Caller: caller.New(os.Getenv("UID")), Log: log,
	}, offers.Config{
		Platform: c.Platform, Sources: c.sources(), Configuration: sourcesIn(a.config), CacheAge: cacheAge(os.Getenv("CACHE_AGE")),
		Mounts: c.mountFolders(), Trust: trust.Open(string(c.State), string(c.Trust.Keyring), built(), func(problem error) { log.Warn("trust", "error", problem) }),
	})
	if err != nil {
		return 0, err
	}
	defer system.Close()
	system.Offers.SetLocale(os.Getenv("LANG"))
	mux := newMux(system)
	system.Guard(mux)
	forDownloads(mux)
	d := dispatcher.Dispatcher{
		Mux: mux, In: polled(stdin), Out: stdout, Err: stderr, Signals: signals, Idle: time.Duration(c.IdleTimeout), OneShot: a.oneShot, Stays: a.stays,
		Dialect: dialect, Languages: system.Offers.Spoken, Log: log,
	}
	started()
	return d.Run(a.command), nil
}

// newMux has the ops of all families.
func newMux(system *ops.System) ops.Mux {
	mux := make(ops.Mux)
	for _, register := range []func(ops.Mux, *ops.System){
		search.Register, resolve.Register, describe.Register, refresh.Register, install.Register, remove.Register, update.Register,
		repair.Register, signature.Register, sources.Register, platform.Register, locale.Register,
	} {
		register(mux, system)
	}
	return mux
}

// forDownloads gives ops that download RPMs, or all of a catalogue, a second processor where there is
// one: else all connections wait while a file is synced. Where there is none, two threads would take
// more from each other, by a tenth of an install, than Go's hand-over from one that is synced costs.
func forDownloads(mux ops.Mux) {
	for _, name := range []string{"download-packages", "install-files", "install-packages", "refresh-cache", "repair-system", "update-packages"} {
		op := mux[name]
		mux[name] = ops.Func(func(ctx context.Context, w *wire.Writer, r *wire.Request) error {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(min(2, runtime.NumCPU())))
			defer func() { go debug.FreeOSMemory() }() // the helper stays, and others need it more
			return op.Do(ctx, w, r)
		})
	}
}

// starting gives what happens before the dispatcher runs a context that a signal ends. Calling
// started, once or more, gives the signals to the dispatcher, one that has come meanwhile too: the
// first command is the one that it is for.
func starting(signals chan os.Signal) (ctx context.Context, started func()) {
	ctx, cancel := context.WithCancel(context.Background())
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case s := <-signals:
			cancel()
			<-stop
			select {
			case signals <- s:
			default: // others are there
			}
		case <-stop:
		}
	}()
	return ctx, sync.OnceFunc(func() {
		close(stop)
		<-stopped
		cancel()
	})
}

// openLog opens the log that the configuration names: a file, or stderr where the dialect has no
// replies there.
func openLog(c *settings, dialect wire.Dialect, stderr io.Writer) (hclog.Logger, func(), error) {
	to, done := leveled(stderr), func() {}
	if dialect.RepliesOnStderr() {
		to = io.Discard
	}
	if c.LogFile != "" {
		f, err := os.OpenFile(string(c.LogFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return nil, nil, fmt.Errorf("opening the log: %w", err)
		}
		to, done = f, func() { f.Close() }
	}
	return hclog.New(&hclog.LoggerOptions{Name: "pk-presolve", Level: hclog.LevelFromString(c.LogLevel), Output: to}), done, nil
}

// leveled is stderr as the backend stub and systemd's journal read it: each line begins with its
// level, "<4>" for a warning (sd-daemon(3)). A person at a terminal gets the lines alone.
func leveled(stderr io.Writer) io.Writer {
	if f, ok := stderr.(*os.File); !ok || term.IsTerminal(int(f.Fd())) {
		return stderr
	}
	writers := make(map[hclog.Level]io.Writer)
	for level, prefix := range map[hclog.Level]string{
		hclog.Error: "<3>", hclog.Warn: "<4>", hclog.Info: "<6>", hclog.Debug: "<7>", hclog.Trace: "<7>",
	} {
		writers[level] = prefixed{stderr, prefix}
	}
	return hclog.NewLeveledWriter(stderr, writers)
}

// prefixed writes each line with a prefix.
type prefixed struct {
	io.Writer
	prefix string
}

func (p prefixed) Write(b []byte) (int, error) {
	var lines []byte
	for line := range bytes.Lines(b) {
		lines = append(append(lines, p.prefix...), line...)
	}
	if _, err := p.Writer.Write(lines); err != nil {
		return 0, err
	}
	return len(b), nil
}

// useProxies makes net/http use a SOCKS proxy where there is no other: it doesn't read all_proxy.
// PackageKit writes socks:// without a version (pk_backend_convert_uri_socks), which means 5 to
// curl and GNOME.
func useProxies(log hclog.Logger) {
	if all := os.Getenv("all_proxy"); all != "" {
		if host, ok := strings.CutPrefix(all, "socks://"); ok {
			all = "socks5://" + host
		}
		for _, name := range []string{"http_proxy", "https_proxy"} {
			if os.Getenv(name) == "" && os.Getenv(strings.ToUpper(name)) == "" {
				os.Setenv(name, all)
			}
		}
	}
	if pac := os.Getenv("pac"); pac != "" {
		log.Warn("a proxy's configuration script is not understood: name the proxy itself", "script", net.Redacted(pac))
	}
}

// polled is stdin, read without blocking where it is a pipe: a thread that blocks in a read keeps
// the only processor of a small computer from Go until Go's monitor takes it back, which makes a
// command of 50 µs one of 200.
func polled(stdin *os.File) io.Reader {
	info, err := stdin.Stat()
	fd := stdin.Fd()
	if err != nil || info.Mode()&os.ModeNamedPipe == 0 || syscall.SetNonblock(int(fd), true) != nil {
		return stdin
	}
	return os.NewFile(fd, stdin.Name())
}

// patience is how long a person waits for a small file, 0 being the default. Where PackageKit knows
// of no network there is little hope, but a school's server may be reached all the same.
func patience(network string) time.Duration {
	if network == "FALSE" {
		return time.Second
	}
	return 0
}

// cacheAge reads CACHE_AGE, seconds; absent or negative: any age will do.
func cacheAge(s string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 31)
	if err != nil {
		return -1
	}
	return time.Duration(n) * time.Second
}
