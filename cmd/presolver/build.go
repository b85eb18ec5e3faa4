// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sugarlabs/packagekit-backend-presolve/bucket"
	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/publish"
	"github.com/sugarlabs/packagekit-backend-presolve/signing"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
)

type buildCmd struct {
	Config []string `short:"c" required:"" sep:"none" placeholder:"FILE" help:"The platform's configuration; say it for each platform, or name a folder of them."`
	Shard  string   `placeholder:"I/N" help:"Of the configurations, build each Nth alone, from the Ith on, which is counted from 0: for N computers that share the work."`
	Check  bool     `help:"Say what the configuration means, or what is wrong with it, and build nothing."`
	Strict bool     `help:"Publish nothing when a name can't be solved."`
	Quiet  bool     `short:"q" help:"Say nothing but what went wrong: for cron."`
}

// Run builds and publishes each platform that falls to this computer. One that fails keeps no other from
// being built.
func (c *buildCmd) Run(ctx context.Context, std streams) error {
	files, err := configurations(c.Config)
	if err == nil {
		files, err = shard(files, c.Shard)
	}
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if len(files) == 1 {
		return c.platform(ctx, std, files[0])
	}
	var failed []string
	code := 0
	for _, file := range files {
		err := c.platform(ctx, std, file)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			fmt.Fprintf(std.err, "presolver: %s: %s\n", file, solve.Visible(err.Error()))
			failed = append(failed, file)
			var exit *exitError
			switch {
			case !errors.As(err, &exit):
				code = exitFailed
			case code == 0:
				code = exit.code
			}
		}
	}
	if len(failed) > 0 {
		return &exitError{code, fmt.Errorf("of %s %d failed: %s", count(len(files), "platform"), len(failed), strings.Join(failed, ", "))}
	}
	if len(files) == 0 && !c.Quiet {
		fmt.Fprintf(std.out, "nothing falls to the shard %s\n", c.Shard)
	}
	return nil
}

// platform builds and publishes one.
func (c *buildCmd) platform(ctx context.Context, std streams, name string) error {
	start := time.Now()
	conf, file, err := readConfig(name)
	if err == nil && c.Check {
		err = conf.lookAtRepositories(file)
	}
	var signed *signing.Signing
	if err == nil {
		signed, err = conf.signing(ctx, file, start)
	}
	if err != nil {
		return &exitError{exitUsage, err}
	}
	if c.Check {
		conf.describe(std.out, name, signed)
		for _, w := range conf.warnings() {
			fmt.Fprintln(std.err, "warning: "+w)
		}
		return nil
	}
	options := conf.publish()
	if conf.Bucket != "" { // found out before hours of work, too
		serial, err := bucket.Serial(ctx, conf.Bucket, conf.Platform)
		if err == nil {
			err = publish.GoOn(options.Output, conf.Platform, serial)
		}
		if err != nil {
			return err
		}
	}
	if err := c.build(ctx, std, conf, signed, start); err != nil || conf.Bucket == "" {
		return err
	}
	return toBucket(ctx, std, conf.Bucket, options.Output, []string{conf.Platform}, c.Quiet)
}

// build solves and publishes.
func (c *buildCmd) build(ctx context.Context, std streams, conf *settings, signed *signing.Signing, start time.Time) error {
	progress := newProgress(std.err, c.Quiet)
	defer progress.close()
	if signed == nil && slices.Contains(conf.layouts(), publish.Presolve) {
		progress.note(fmt.Sprintf(`nobody signs this platform: laptops will refuse it unless their source says signatures = "none"; see [signing] in presolver(1) and %s`, conf.name))
	} else if signed != nil {
		for _, w := range signed.Soon(start, soon) {
			progress.note("warning: " + w)
		}
	}
	for _, w := range conf.warnings() {
		progress.note("warning: " + w)
	}
	repositories := conf.solve(progress.note)
	named := publish.Mirrors(string(conf.Output), conf.Platform)
	for i := range repositories.Repositories {
		r := &repositories.Repositories[i]
		r.Prefer = named[r.ID]
	}
	asked, err := conf.asked()
	if err != nil {
		return err
	}
	options := conf.publish()
	options.Strict, options.Now, options.Progress, options.Signing = c.Strict, start, progress.step, signed
	if err := publish.Ready(options); err != nil {
		return err
	}
	downloads := conf.downloads()
	downloads.Progress = progress.downloaded
	if h := downloads.Hours; h != nil {
		h.Waiting = func(until time.Time) {
			progress.note(fmt.Sprintf("nothing is downloaded but at %s: waiting until %s", conf.Transport.At, until.Format("2006-01-02 15:04")))
		}
	}
	if repositories.Downloads, err = solve.NewDownloader(downloads); err != nil {
		return err
	}
	defer repositories.Downloads.Close()
	options.Asked = fmt.Sprintf("%v %q", conf.Toplevel.All, asked)
	progress.note("looking whether anything has changed")
	input, err := solve.Look(ctx, repositories)
	if err != nil {
		return err
	}
	if report, err := publish.Unchanged(ctx, input, options); err != nil {
		return err
	} else if report != nil {
		for _, w := range report.Warnings {
			repositories.Warn(w)
		}
		repositories.Downloads.Keep()
		return c.published(ctx, std, conf, report, asked, start, progress)
	}
	if signed != nil {
		if err := signed.Try(ctx, start); err != nil {
			return err
		}
	}
	platform, err := solve.Open(ctx, repositories)
	if err != nil {
		return err
	}
	defer platform.Close()
	names := asked
	if conf.Toplevel.All {
		names = append(names, platform.Names()...)
		slices.Sort(names)
		names = slices.Compact(names)
	}
	has := platform.Names()
	options.Nearest = func(name string) string {
		if _, there := slices.BinarySearch(has, name); there {
			return ""
		}
		return config.Nearest(name, has)
	}
	progress.note(fmt.Sprintf("solving %s against a base of %s", count(len(names), "name"), count(len(platform.Base()), "package")))
	report, err := publish.Build(ctx, platform, names, options)
	progress.close()
	var unsolved *publish.UnsolvedError
	if errors.As(err, &unsolved) {
		for _, u := range unsolved.Unsolved {
			fmt.Fprintf(std.err, "%s: %s\n", solve.Visible(u.Name), solve.Visible(u.Reason))
		}
		return &exitError{exitUnsolved, err}
	}
	if err != nil {
		return err
	}
	if err := repositories.Downloads.Clean(); err != nil {
		progress.note("warning: " + err.Error()) // what is too much can go another time
	}
	return c.published(ctx, std, conf, report, asked, start, progress)
}

// published does what is left when a platform is published.
func (c *buildCmd) published(ctx context.Context, std streams, conf *settings, report *publish.Report, asked []string, start time.Time, progress *progress) error {
	progress.close()
	var err error
	if conf.Pages {
		err = makePages(ctx, std, string(conf.Output), []string{conf.Platform}, true)
	}
	c.tell(std, report, asked, start)
	return err
}

// maxTold is how many names that can't be solved are told: with all of a distribution there may be
// thousands.
const maxTold = 20

// tell tells what came of a build.
func (c *buildCmd) tell(std streams, report *publish.Report, asked []string, start time.Time) {
	if c.Quiet {
		return
	}
	var told []publish.Unsolved // those first that somebody has written down
	for _, u := range report.Unsolved {
		if slices.Contains(asked, u.Name) {
			told = append(told, u)
		}
	}
	for _, u := range report.Unsolved {
		if !slices.Contains(asked, u.Name) {
			told = append(told, u)
		}
	}
	tellUnsolved(std.err, told)
	fmt.Fprintln(std.out, summary(report, time.Since(start)))
}

// tellUnsolved tells names that can't be solved, of each the first reason.
func tellUnsolved(w io.Writer, all []publish.Unsolved) {
	for _, u := range all[:min(len(all), maxTold)] {
		reason, more, _ := strings.Cut(u.Reason, "; ")
		if more != "" {
			reason += "; …"
		}
		fmt.Fprintf(w, "not solved: %s: %s\n", solve.Visible(u.Name), solve.Visible(reason))
	}
	if n := len(all) - maxTold; n > 0 {
		fmt.Fprintf(w, "not solved: %d more, which report.json lists\n", n)
	}
}

// summary is the last line of a build.
func summary(r *publish.Report, took time.Duration) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: serial %d", r.Platform, r.Serial)
	if !r.Changed {
		s.WriteString(", nothing has changed")
	}
	fmt.Fprintf(&s, ": %s", count(r.Totals.Solved, "tree"))
	if n := r.Totals.TakenOver; n > 0 && r.Changed {
		fmt.Fprintf(&s, ", %d of them as they were", n)
	}
	if r.Totals.InBase > 0 {
		fmt.Fprintf(&s, ", %d in the base already", r.Totals.InBase)
	}
	if r.Totals.Replaced > 0 {
		fmt.Fprintf(&s, ", %d replaced by other packages", r.Totals.Replaced)
	}
	if r.Totals.Unsolved > 0 {
		fmt.Fprintf(&s, ", %d not solved (report.json says why)", r.Totals.Unsolved)
	}
	if n := len(r.LeftOut); n > 0 {
		fmt.Fprintf(&s, ", %s left out that rpm wouldn't take (report.json lists them)", count(n, "name"))
	}
	fmt.Fprintf(&s, ", in %s", took.Round(100*time.Millisecond))
	return s.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// asked are the names that the configuration asks for one by one.
func (c *settings) asked() ([]string, error) {
	names := slices.Clone(c.Toplevel.Packages)
	if c.Toplevel.File != "" {
		listed, err := readNames(string(c.Toplevel.File))
		if err != nil {
			return nil, err
		}
		names = append(names, listed...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// readNames reads a file of names, one a line. From # on a line is a comment; editors of other systems
// put a byte order mark before the first.
func readNames(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading toplevel.file: %w", err)
	}
	defer f.Close()
	var names []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line, _, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "\ufeff"), "#")
		if name := strings.TrimSpace(line); name != "" {
			names = append(names, name)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading toplevel.file %s: %w", name, err)
	}
	return names, nil
}
