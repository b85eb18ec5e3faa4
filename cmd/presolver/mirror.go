// SPDX-License-Identifier: GPL-2.0-or-later

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sugarlabs/packagekit-backend-presolve/config"
	"github.com/sugarlabs/packagekit-backend-presolve/mirror"
	"github.com/sugarlabs/packagekit-backend-presolve/pgp"
	"github.com/sugarlabs/packagekit-backend-presolve/solve"
	"github.com/sugarlabs/packagekit-backend-presolve/transport"
)

// A copy of what is published: mirror, export and import.

// copyFlags are what all copies know.
type copyFlags struct {
	Platform     []string `placeholder:"PLATFORM" help:"A platform that is copied; say it for each. Without it all are."`
	Language     []string `placeholder:"LANG" help:"A language whose texts are copied, as es or pt_BR; say it for each. Without it all are."`
	Key          []string `placeholder:"FINGERPRINT" help:"Who has to have signed, as in keys of laptops' presolve.toml; say it for each."`
	KeysDir      string   `placeholder:"DIR" help:"A folder of public keys, beside those that are published."`
	NoSignatures bool     `help:"Believe the origin, whoever signed."`
	Again        bool     `help:"Read all that is there, and bring anew what is wrong."`
	Quiet        bool     `short:"q" help:"Say nothing but what went wrong: for cron."`
}

// networkFlags are what a copy over a network knows beside.
type networkFlags struct {
	Rate     string        `placeholder:"SIZE" help:"How much may come in a second, e.g. \"500 KiB\"."`
	At       string        `placeholder:"HOURS" help:"When something may be downloaded, e.g. 22:00-06:00."`
	RetryFor time.Duration `default:"10m" placeholder:"TIME" help:"How long it is tried without a byte (${default})."`
	Parallel int           `default:"16" placeholder:"N" help:"How many files come at once, at most (${default})."`
}

type mirrorCmd struct {
	From  string   `arg:"" name:"url" help:"Where it is published: the URL that laptops have as their source's, or a folder."`
	Dir   string   `arg:"" help:"The folder to copy to. It is made."`
	Name  []string `placeholder:"NAME" help:"A program that is copied, with all that it needs; say it for each. Without it all are."`
	Names string   `placeholder:"FILE" help:"A file of such names, one a line."`
	Pages bool     `help:"Make pages for people, too: see pages."`
	Limit string   `placeholder:"SIZE" help:"How much the RPMs of a platform may have, e.g. \"20 GiB\". The programs that need the least come first."`
	copyFlags
	networkFlags
}

type exportCmd struct {
	From string   `required:"" placeholder:"URL" help:"Where it is published: a folder, or a URL."`
	All  bool     `help:"Export all programs."`
	Args []string `arg:"" name:"names-and-stick" help:"The programs, and last the folder where the stick is."`
	copyFlags
	networkFlags
}

type importCmd struct {
	Stick string `arg:"" type:"existingdir" help:"The folder where the stick is, or the published one on it."`
	Dir   string `arg:"" help:"The folder to copy to. It is made."`
	copyFlags
}

// onStick is the folder of what is published on a stick.
const onStick = "presolve"

// Run copies what is published elsewhere.
func (c *mirrorCmd) Run(ctx context.Context, std streams) error {
	choice := mirror.Choice{Names: c.Name}
	if c.Names != "" {
		listed, err := readNames(c.Names)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		if choice.Names = append(choice.Names, listed...); len(choice.Names) == 0 {
			return &exitError{exitUsage, fmt.Errorf("%s has no names", c.Names)}
		}
	}
	limit, err := config.ParseSize(c.Limit)
	if err != nil {
		return &exitError{exitUsage, fmt.Errorf("--limit: %w", err)}
	}
	choice.Limit = int64(limit)
	if err := c.copyFlags.copy(ctx, std, c.From, c.Dir, choice, &c.networkFlags, filepath.Join(c.Dir, ".trust"), nil); err != nil || !c.Pages {
		return err
	}
	return makePages(ctx, std, c.Dir, nil, c.Quiet)
}

// Run copies programs to a stick.
func (c *exportCmd) Run(ctx context.Context, std streams) error {
	last := len(c.Args) - 1
	names, stick := c.Args[:last], c.Args[last]
	if (len(names) == 0) != c.All {
		return &exitError{exitUsage, errors.New("name the programs and then the stick: presolver export --from URL NAME… STICK; or --all and the stick alone")}
	}
	if info, err := os.Stat(stick); err != nil || !info.IsDir() {
		return &exitError{exitUsage, fmt.Errorf("%s is no folder: the last is to be where the stick is, e.g. /run/media/%s/STICK", stick, cmp.Or(os.Getenv("USER"), "teacher"))}
	}
	// What a stick says of whom it believed is nobody's business.
	state, err := os.MkdirTemp("", "presolver-export-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(state)
	err = c.copyFlags.copy(ctx, std, c.From, filepath.Join(stick, onStick), mirror.Choice{Names: names}, &c.networkFlags, state, func(p mirror.Plan) error {
		if !c.Quiet {
			fmt.Fprintf(std.out, "%s: %s: %s with %s, %s; %s of that are missing on the stick, which has %s left\n",
				p.Platform, shortly(names), count(p.Programs, "program"), count(p.RPMs, "RPM"), size(p.Bytes), size(p.Missing), left(stick))
		}
		return nil
	})
	if err == nil && !c.Quiet {
		fmt.Fprintln(std.out, "unmount the stick before you pull it out")
	}
	return err
}

func shortly(names []string) string {
	switch n := len(names); {
	case n == 0:
		return "all"
	case n > 3:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), n-3)
	}
	return strings.Join(names, ", ")
}

// left is how much a disk has left.
func left(dir string) string {
	var disk unix.Statfs_t
	if unix.Statfs(dir, &disk) != nil {
		return "?"
	}
	return size(int64(disk.Bavail) * int64(disk.Bsize))
}

// Run copies what is on a stick.
func (c *importCmd) Run(ctx context.Context, std streams) error {
	from := c.Stick
	if _, err := os.Stat(filepath.Join(from, "platforms.json")); errors.Is(err, fs.ErrNotExist) {
		from = filepath.Join(from, onStick)
	}
	if _, err := os.Stat(filepath.Join(from, "platforms.json")); err != nil {
		return fmt.Errorf("nothing is published on %s: there is neither a platforms.json nor a folder %s with one", c.Stick, onStick)
	}
	return c.copyFlags.copy(ctx, std, from, c.Dir, mirror.Choice{Found: true}, &networkFlags{RetryFor: time.Minute, Parallel: 4}, filepath.Join(c.Dir, ".trust"), nil)
}

// copy copies, and tells what came of it.
func (c *copyFlags) copy(ctx context.Context, std streams, from, to string, choice mirror.Choice, n *networkFlags, state string, plan func(mirror.Plan) error) error {
	start := time.Now()
	o := mirror.Options{
		To: to, Platforms: c.Platform, Choice: choice, Unsigned: c.NoSignatures, Keyring: c.KeysDir, State: state, Again: c.Again,
		Parallel: n.Parallel, Plan: plan, Now: start,
	}
	o.Languages = c.Language
	options := transport.Options{UserAgent: "presolver", Parallel: n.Parallel, RetryFor: n.RetryFor, SmallRetryFor: min(n.RetryFor, time.Minute)}
	if err := c.read(&o, &options, from, n); err != nil {
		return &exitError{exitUsage, err}
	}
	p := newProgress(std.err, c.Quiet)
	defer p.close()
	if h := options.Hours; h != nil {
		h.Waiting = func(until time.Time) {
			p.note(fmt.Sprintf("nothing is downloaded but at %s: waiting until %s", n.At, until.Format("2006-01-02 15:04")))
		}
	}
	o.Note = p.note
	o.Progress = func(at mirror.Progress) {
		p.downloaded(solve.Progress{Files: at.Files + at.RPMs, Bytes: at.Done, Speed: at.Speed, File: at.Platform, FileDone: at.Done, FileSize: at.All, Waiting: at.Waiting})
	}
	o.Net = transport.New(options)
	defer o.Net.Close()
	all, err := mirror.Copy(ctx, o)
	p.close()
	for _, m := range all {
		if !c.Quiet {
			fmt.Fprintln(std.out, copied(m, time.Since(start)))
		}
	}
	return err
}

// copied is the line about a platform that was copied.
func copied(m mirror.Copied, took time.Duration) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: serial %d", m.Platform.Platform, m.Serial)
	if !m.Changed {
		s.WriteString(", as before")
	}
	fmt.Fprintf(&s, ": %s, %s, %s, of which %s came", count(m.Programs, "program"), count(m.RPMs, "RPM"), size(m.Bytes), size(m.Came))
	if m.Unfit > 0 {
		fmt.Fprintf(&s, "; %s left out, which the limit has no room for", count(m.Unfit, "program"))
	}
	fmt.Fprintf(&s, ", in %s", took.Round(100*time.Millisecond))
	return s.String()
}

// read reads what the flags say. The errors are of the command line.
func (c *copyFlags) read(o *mirror.Options, net *transport.Options, from string, n *networkFlags) error {
	if strings.Contains(from, "://") {
		u, err := url.Parse(from)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("%s is neither a folder nor a http or https URL: name what laptops have as their source's url", transport.Redacted(from))
		}
		o.From = strings.TrimRight(from, "/")
	} else {
		at, err := mirror.LocalURL(from)
		if err != nil {
			return fmt.Errorf("%w: name the folder that something is published in, or a URL", err)
		}
		o.From = at
		u, _ := url.Parse(at) // it was just made
		net.Folders = func() []string { return []string{u.Path} }
	}
	for _, text := range c.Key {
		print, err := pgp.ParseFingerprint(text)
		if err != nil {
			return err
		}
		o.Anchors = append(o.Anchors, print)
	}
	if len(o.Anchors) == 0 && !c.NoSignatures {
		return errors.New("name who has to have signed: --key FINGERPRINT, as in keys of laptops' presolve.toml (presolver verify tells who did); or --no-signatures")
	}
	rate, err := config.ParseSize(n.Rate)
	if err != nil {
		return fmt.Errorf("--rate: %w", err)
	}
	if rate > 0 && rate < minRate {
		return fmt.Errorf("--rate: %s a second is less than the %d KiB that count as a dead link", n.Rate, minRate>>10)
	}
	net.Rate = int64(rate)
	if net.Hours = parseHours(n.At); net.Hours == nil && n.At != "" {
		return fmt.Errorf("--at: %s should be two times of the day, e.g. 22:00-06:00", config.Shown(n.At))
	}
	return nil
}
